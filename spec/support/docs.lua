-- Write the reference, in Markdown, and the definitions for editors (LuaCATS).
--
--   lua5.4 spec/support/docs.lua FOLDER     writes api.md and camb.lua there
--
-- Functions come from the comments above them, options from their tables.  A
-- public function without a comment, or an option without a sentence, is an
-- error.

local errors = require "camb.error"
local events = require "camb.events"
local operations = require "camb.operations"
local options = require "camb.options"
local sandbox_options = require "camb.sandbox.options"

local folder = assert(arg[1], "usage: docs.lua FOLDER")

local ROOMS = {
  { title = "camb", file = "lua/camb.lua", owner = "camb" },
  { title = "Client", file = "lua/camb/client.lua", owner = "Client" },
  { title = "audio_separation", file = "lua/camb/audio_separation.lua",
    owner = "AudioSeparation" },
  { title = "Task", file = "lua/camb/task.lua", owner = "Task" },
  { title = "Job", file = "lua/camb/async/job.lua", owner = "Job" },
  { title = "camb.store", file = "lua/camb/store.lua", owner = "store" },
  { title = "Store", file = "lua/camb/store.lua", owner = "Store" },
  { title = "Store", file = "lua/camb/store/claims.lua", owner = "Claims" },
  { title = "Store", file = "lua/camb/store/changes.lua", owner = "Changes" },
  { title = "camb.sandbox", file = "lua/camb/sandbox.lua", owner = "sandbox" },
  { title = "camb.audio", file = "lua/camb/audio.lua", owner = "audio" },
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

-- What takes which options, by the title of its section.
local SECTIONS = {}
local TITLES = {
  client = "camb.client", submit = "client:submit", status = "task:status",
  wait = "task:wait", result = "client:result", results = "client:results",
  download = "client:download", separate = "client:separate",
  batch = "client:batch", entry = "an entry of a batch",
  source = "a source that is a table", store = "camb.store.open",
}

local function add_section(title, class, list, default)
  SECTIONS[#SECTIONS + 1] = { title = title, class = class, list = list,
    default = default }
end

for _, call in ipairs(options.CALLS) do
  local list = {}
  for _, option in ipairs(options.all()) do
    if options.takes(call, option) then
      list[#list + 1] = option
    end
  end
  add_section(TITLES[call] or "audio_separation:" .. call, call, list,
    function(option)
      return options.default(option, call)
    end)
end
local function own_default(option)
  return option.default
end
add_section("sandbox.start", "sandbox", sandbox_options.START, own_default)
add_section("server:fault", "sandbox_fault", sandbox_options.FAULT,
  own_default)

local function squeeze(text)
  return (text:gsub("%s+", " "))
end

local function error_table()
  local rows = { "| kind | what happened | what to do | exit |",
    "|---|---|---|---|" }
  for _, entry in ipairs(errors.KINDS) do
    rows[#rows + 1] = ("| `%s` | %s | %s | %d |"):format(entry.kind,
      squeeze(entry.when), squeeze(entry.cure), entry.exit)
  end
  return table.concat(rows, "\n")
end

local function words_of(option)
  if not option.help or not option.help:find "%.$" then
    complain("option %s has no sentence", option.name)
  end
  return squeeze(option.help or "")
end

local function default_words(value)
  if value == nil or value == false then
    return ""
  elseif value == math.huge then
    return "math.huge"
  end
  return type(value) == "string" and ('`"%s"`'):format(value)
    or ("`%s`"):format(tostring(value))
end

local function write_section(section)
  print(("\n### Options of %s\n"):format(section.title))
  print "| option | type | default | meaning |"
  print "|---|---|---|---|"
  for _, option in ipairs(section.list) do
    local kind = option.rule.of .. (option.unit and ", " .. option.unit or "")
    local sent = option.form and (" Sent as `%s`."):format(option.form) or ""
    print(("| `%s` | %s | %s | %s%s |"):format(option.name,
      (kind:gsub("|", "\\|")), default_words(section.default(option)),
      words_of(option), sent))
  end
end

local function write_operation(operation)
  local sent = {}
  local function add(kind, names)
    if names and names[1] then
      sent[#sent + 1] = kind .. " `" .. table.concat(names, "`, `") .. "`"
    end
  end
  add("file", { operation.file })
  add("form", operation.form)
  add("JSON", { operation.body })
  add("query", operation.query)
  add("header", operation.headers)
  print(("| `%s` | `%s %s` | %s | `%s` |"):format(operation.name,
    operation.method, operation.path, table.concat(sent, "; "),
    operation.reply))
end

-- "one_two" as the name of a class: "OneTwo".
local function camel(name)
  return (name:gsub("_?(%l)(%l*)", function(first, rest)
    return first:upper() .. rest
  end))
end

local function write_class(section)
  print(("---@class camb.%sOptions"):format(camel(section.class)))
  for _, option in ipairs(section.list) do
    print(("---@field %s? %s # %s"):format(option.name, option.rule.of,
      words_of(option)))
  end
  print()
end

local function to(path)
  io.output(assert(io.open(folder .. "/" .. path, "w")))
end

-- luacheck: globals print
function print(...)
  io.write(table.concat({ ... }, "\t"), "\n")
end

to "api.md"
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
print "\n## Operations of the service\n"
print "| operation | request | sent | reply |"
print "|---|---|---|---|"
for _, operation in ipairs(operations.TABLE) do
  write_operation(operation)
end
print "\n## Errors\n"
print(error_table())
print "\n## Events\n"
print "Every event has `name`, `time` and, once they are known, `source`,"
print "`task_id` and `run_id`.\n"
print "| event | when | more fields |"
print "|---|---|---|"
for _, event in ipairs(events) do
  print(("| `%s` | %s | %s |"):format(event.name, squeeze(event.when),
    (event.fields or ""):gsub("%S+", "`%0`")))
end
print "\n## Options"
for _, section in ipairs(SECTIONS) do
  write_section(section)
end
io.close()

local readme = assert(io.open "README.md"):read "a"
if not readme:find(error_table(), 1, true) then
  complain("README.md: the table of errors is not that of camb.error:\n%s",
    error_table())
end

to "camb.lua"
print "---@meta camb\n"
for _, section in ipairs(SECTIONS) do
  write_class(section)
end
io.close()

if #problems > 0 then
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end
