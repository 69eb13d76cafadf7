-- What the comments of a Lua file say: functions, classes and the file's head.

local comments = {}

function comments.read_lines(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

-- The comment block whose last line is lines[last], as a list without "---".
local function comment_above(lines, last)
  local block = {}
  while last > 0 and lines[last]:find "^%-%-%-" do
    table.insert(block, 1, (lines[last]:gsub("^%-%-%- ?", "")))
    last = last - 1
  end
  return block
end

--- The comment that a file begins with.
function comments.head(path)
  local head = {}
  for _, line in ipairs(comments.read_lines(path)) do
    if not line:find "^%-%-%-" or line:find "^%-%-%-@" then
      break
    end
    head[#head + 1] = line:gsub("^%-%-%- ?", "")
  end
  return table.concat(head, "\n")
end

--- A comment's prose, and its tags with their continued lines.
function comments.split(block)
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

--- A tag's text as the declaration and what follows "#".
function comments.declaration(text)
  local declared, words = text:match "^(.-)%s*#%s*(.*)$"
  return declared or text, words and words:gsub("%s*#%s*", " ") or nil
end

local function is_public(name, tags)
  for _, tag in ipairs(tags) do
    if tag.name == "package" or tag.name == "private" then
      return false
    end
  end
  return not name:find "^__"
end

-- Where `owner.name` is defined in `lines`: its line and what follows.
local function find_function(lines, owner, name)
  for i, line in ipairs(lines) do
    local signature = line:match("^function " .. owner .. "[.:]" .. name
      .. "(%b())")
    if signature then
      return i, signature
    end
  end
end

-- The file of the module that `lines` require as `name`.
local function required(lines, name)
  for _, line in ipairs(lines) do
    local module = line:match("^local " .. name .. ' = require "(camb[%w_.]*)"')
    if module then
      return "lua/" .. module:gsub("%.", "/") .. ".lua"
    end
  end
end

-- True if the function that begins at lines[first] returns a value.
local function returns(lines, first)
  local last = first
  while lines[last] ~= "end" do
    if lines[last]:find "^%s+return [^%s]" then
      return true
    end
    last = last + 1
  end
  return false
end

--- The public functions that the file at `path` gives to `owner`, also those of
--- another module: `camb.run = scheduler.run`; and the names of those that are
--- marked as not public.
function comments.functions(path, owner)
  local lines, found, hidden = comments.read_lines(path), {}, {}
  local function add(name, mark, signature, block, has_result)
    local prose, tags = comments.split(block)
    if is_public(name, tags) then
      found[#found + 1] = { name = name, mark = mark, signature = signature,
        prose = prose, tags = tags, block = block, returns = has_result }
    else
      hidden[name] = true
    end
  end
  for i, line in ipairs(lines) do
    local mark, name, signature = line:match("^function " .. owner
      .. "([.:])([%w_]+)(%b())")
    local alias, module, original = line:match("^" .. owner
      .. "%.([%w_]+) = ([%l_]+)%.([%w_]+)$")
    local file = alias and required(lines, module)
    if name then
      add(name, mark, signature, comment_above(lines, i - 1),
        returns(lines, i))
    elseif file then
      local others = comments.read_lines(file)
      local at, its_signature = find_function(others, module, original)
      if at then
        add(alias, ".", its_signature, comment_above(others, at - 1),
          returns(others, at))
      end
    end
  end
  return found, hidden
end

--- The class `name` (or the alias) of the file at `path`: its prose, its public
--- fields and its lines as they stand.
function comments.class(path, name)
  local lines, first, last = comments.read_lines(path), nil, nil
  for i, line in ipairs(lines) do
    local declared = line:match "^%-%-%-@class%s+([%w.]+)"
      or line:match "^%-%-%-@alias%s+([%w.]+)"
    if declared == name then
      first, last = i, i
      while (lines[first - 1] or ""):find "^%-%-%-" do
        first = first - 1
      end
      while (lines[last + 1] or ""):find "^%-%-%-" do
        last = last + 1
      end
    end
  end
  if not first then
    return nil
  end
  local block = comment_above(lines, last)
  local prose, tags = comments.split(block)
  local class = { name = name, prose = prose, fields = {}, block = block }
  for _, tag in ipairs(tags) do
    local field, kind = comments.declaration(tag.text):match "^(%S+)%s+(.+)$"
    if tag.name == "field" and field ~= "package" then
      class.fields[#class.fields + 1] = { name = field, kind = kind,
        words = select(2, comments.declaration(tag.text)) }
    end
  end
  return class
end

return comments
