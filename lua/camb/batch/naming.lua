--- Names for the stems of a list, no two of which a file system could take for
--- one: the file's name without its extension; with it if that distinguishes
--- the recordings; with a number if nothing else does.

local Naming = {}
Naming.__index = Naming

local naming = {}

local LOWER = {}
for byte = 65, 90 do
  LOWER[string.char(byte)] = string.char(byte + 32)
end

--- `path` as seen by file systems that ignore case, or the two ways to write an
--- accent: here all accented Latin letters are equal, which costs a number on
--- others.
---@param path string
---@return string
function naming.fold(path)
  path = path:gsub("[A-Z]", LOWER)
  if not path:find("[\128-\255]") then
    return path
  end
  -- marks U+0300 to U+036F; letters U+00C0 to U+024F and U+1E00 to U+1EFF
  return (path:gsub("[\204\205][\128-\191]", "\1")
    :gsub("[\195-\201][\128-\191]", "\2")
    :gsub("\225[\184-\187][\128-\191]", "\2")
    :gsub("[a-z\2]\1+", "\2"):gsub("\1", ""))
end

function naming.new()
  return setmetatable({ first = {}, clashes = {}, others = {} }, Naming)
end

local function full(entry, name)
  return naming.fold(entry.folder .. "/" .. name)
end

--- Source `i` asks for the name `name`.
---@param i integer
---@param folder string
---@param name string
---@param file string?  # what it may be called, too; nil: the name was given
---@param copy integer? # which occurrence of the same source it is
function Naming:add(i, folder, name, file, copy)
  local entry = { i = i, folder = folder, name = name, file = file,
    copy = copy }
  local key = full(entry, name)
  local first = self.first[key]
  if not first then
    self.first[key] = entry
  elseif not copy and first.folder == folder and first.name == name then
    self.clashes[key] = self.clashes[key] or { first }
    table.insert(self.clashes[key], entry)
  else
    self.others[#self.others + 1] = entry
  end
end

-- True if the files' own names distinguish all of them.
local function differ(group)
  local seen = {}
  for _, entry in ipairs(group) do
    local key = full(entry, entry.file or entry.name)
    if seen[key] then
      return false
    end
    seen[key] = true
  end
  return true
end

-- Those of which the name is yet to be found.
local function unnamed(self)
  local list = self.others
  for key, group in pairs(self.clashes) do
    local by_file = differ(group)
    self.first[key] = not by_file and group[1] or nil
    for n = by_file and 1 or 2, #group do
      local entry = group[n]
      entry.name = by_file and entry.file or entry.name
      list[#list + 1] = entry
    end
  end
  table.sort(list, function(a, b)
    return a.i < b.i
  end)
  return list
end

--- The names of those that cannot have the name they asked for.
---@return table<integer, string>
function Naming:settle()
  local named = {}
  for _, entry in ipairs(unnamed(self)) do
    local n = entry.copy or 1
    local name = n > 1 and ("%s-%d"):format(entry.name, n) or entry.name
    while (entry.file or entry.copy) and self.first[full(entry, name)] do
      n = n + 1
      name = ("%s-%d"):format(entry.name, n)
    end
    self.first[full(entry, name)] = entry
    named[entry.i] = name
  end
  return named
end

return naming
