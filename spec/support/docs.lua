-- Print the reference, in Markdown, out of the comments of public functions.
-- A public function without a comment is an error.

local ROOMS = {
  { title = "camb", file = "lua/camb.lua", owner = "camb" },
  { title = "Client", file = "lua/camb/client.lua", owner = "Client" },
  { title = "Operations", file = "lua/camb/operations.lua",
    owner = "Operations" },
  { title = "Task", file = "lua/camb/task.lua", owner = "Task" },
  { title = "Job", file = "lua/camb/job.lua", owner = "Job" },
  { title = "camb.store", file = "lua/camb/store.lua", owner = "store" },
  { title = "Store", file = "lua/camb/store.lua", owner = "Store" },
  { title = "Store", file = "lua/camb/store/claims.lua", owner = "Claims" },
  { title = "Store", file = "lua/camb/store/changes.lua", owner = "Changes" },
  { title = "camb.sandbox", file = "lua/camb/sandbox.lua", owner = "sandbox" },
}

local problems = {}

local function complain(...)
  problems[#problems + 1] = string.format(...)
end

--- The comment block whose last line is lines[last], as a list without "---".
local function comment_above(lines, last)
  local block = {}
  while last > 0 and lines[last]:find "^%-%-%-" do
    table.insert(block, 1, (lines[last]:gsub("^%-%-%- ?", "")))
    last = last - 1
  end
  return block
end

local function read_lines(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

local function is_ours(module)
  local file = io.open("lua/camb/" .. module .. ".lua")
  return file ~= nil and file:close()
end

--- A comment's prose, and its tags with their continued lines.
local function split(block)
  local prose, tags = {}, {}
  for _, line in ipairs(block) do
    local name, text = line:match "^@(%w+)%s*(.*)"
    if name then
      tags[#tags + 1] = { name = name, text = text }
    elseif #tags > 0 then
      local tag = tags[#tags]
      tag.text = tag.text .. " " .. line:gsub("^%s+", "")
    else
      prose[#prose + 1] = line
    end
  end
  return table.concat(prose, "\n"), tags
end

local function is_public(name, tags)
  for _, tag in ipairs(tags) do
    if tag.name == "package" or tag.name == "private" then
      return false
    end
  end
  return not name:find "^__"
end

--- Where `owner.name` is defined in `lines`: its line and what follows.
local function find_function(lines, owner, name)
  for i, line in ipairs(lines) do
    local signature = line:match("^function " .. owner .. "[.:]" .. name
      .. "(%b())")
    if signature then
      return i, signature
    end
  end
end

--- The functions that `lines` give to `owner`, also those of another module:
--- `camb.run = scheduler.run`.
local function functions(lines, owner)
  local found = {}
  for i, line in ipairs(lines) do
    local mark, name, signature = line:match("^function " .. owner
      .. "([.:])([%w_]+)(%b())")
    local alias, module, original = line:match("^" .. owner
      .. "%.([%w_]+) = ([%l_]+)%.([%w_]+)$")
    if name then
      found[#found + 1] = { name = name, mark = mark, signature = signature,
        comment = comment_above(lines, i - 1) }
    elseif alias and is_ours(module) then
      local others = read_lines("lua/camb/" .. module .. ".lua")
      local at, its_signature = find_function(others, module, original)
      found[#found + 1] = { name = alias, mark = ".", signature = its_signature,
        comment = at and comment_above(others, at - 1) or {} }
    end
  end
  return found
end

--- `@param name type # words` and `@return type name # words` as a list item.
local function describe(tag)
  local declared, words = tag.text:match "^(.-)%s*#%s*(.*)$"
  return ("- %s `%s`%s"):format(tag.name == "param" and "takes" or "returns",
    declared or tag.text, words and ": " .. words or "")
end

local function write_function(room, fn)
  local prose, tags = split(fn.comment)
  if not is_public(fn.name, tags) then
    return
  end
  if prose == "" then
    complain("%s: %s%s%s has no comment", room.file, room.owner, fn.mark,
      fn.name)
  end
  print(("\n### %s%s%s%s\n\n%s\n"):format(room.title, fn.mark, fn.name,
    fn.signature or "()", prose))
  for _, tag in ipairs(tags) do
    if tag.name == "param" or tag.name == "return" then
      print(describe(tag))
    end
  end
end

print "# camb: reference"
for _, room in ipairs(ROOMS) do
  local found = functions(read_lines(room.file), room.owner)
  if #found == 0 then
    complain("%s: no function of %s", room.file, room.owner)
  end
  print("\n## " .. room.title)
  for _, fn in ipairs(found) do
    write_function(room, fn)
  end
end

if #problems > 0 then
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end
