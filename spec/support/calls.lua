-- Functions of Lua that nothing calls, modules that require one another in a
-- circle, and those below the command that require a part of it; circles of
-- headers of C, too.
--
--   lua5.4 spec/support/calls.lua FILE...
--
-- A function of a module has a caller if its name stands behind "." or ":", or
-- as a string, more often than it is defined; a local one, if its own file has
-- its name again.  What is public (spec.support.docs.public) needs none, nor do
-- metamethods.

local comments = require "spec.support.docs.comments"
local public = require "spec.support.docs.public"

local problems = {}

local function complain(...)
  problems[#problems + 1] = string.format(...)
end

-- The lines of a file without what is commented out.
local function code_of(path)
  local lines = comments.read_lines(path)
  for i, line in ipairs(lines) do
    lines[i] = line:gsub("%-%-.*", "")
  end
  return lines
end

local is_public = {}
for _, room in ipairs(public.ROOMS) do
  for _, fn in ipairs(room.owner and comments.functions(room.file, room.owner)
    or {})
  do
    is_public[room.file .. " " .. fn.name] = true
  end
end

-- What Copas calls.
local HOOKS = { getfd = true, dirty = true }

local DEFINITION = "^function [%w_.]+[.:]([%w_]+)"

local code = {}
local times = {} -- how much more often a name is used than defined, by name

local function count(name, more)
  times[name] = (times[name] or 0) + more
end

for _, path in ipairs(arg) do
  if path:find "%.lua$" then
    code[path] = code_of(path)
    for _, line in ipairs(code[path]) do
      for name in line:gmatch "[.:\"]([%a_][%w_]*)" do
        count(name, 1)
      end
      count(line:match(DEFINITION) or "", -1)
    end
  end
end

local function check_functions(path, lines)
  local text = table.concat(lines, "\n")
  for i, line in ipairs(lines) do
    local name = line:match(DEFINITION)
    local own = line:match "^%s*local function ([%w_]+)"
    if name and not name:find "^__" and times[name] < 1 and not HOOKS[name]
      and not is_public[path .. " " .. name]
    then
      complain("%s:%d: nothing calls %s", path, i, name)
    elseif own then
      local _, found = text:gsub("%f[%w_]" .. own .. "%f[^%w_]", "")
      if found < 2 then
        complain("%s:%d: nothing calls %s", path, i, own)
      end
    end
  end
end

-- What a file needs when it is loaded: requires that stand at the margin.
local function needs(path, lines)
  local found = {}
  for _, line in ipairs(lines or comments.read_lines(path)) do
    local module = line:match '^local [%w_, ]+ = require "(camb[%w_.]*)"'
    local header = line:match '^#include "([%w_/]+%.h)"'
    if module then
      local stem = "lua/" .. module:gsub("%.", "/")
      found[#found + 1] = code[stem .. ".lua"] and stem .. ".lua"
        or stem .. "/init.lua"
    elseif header and path:find "%.h$" then
      found[#found + 1] = "csrc/" .. header
    end
  end
  return found
end

local COMMAND = "^lua/camb/cli/"

local graph = {}
for _, path in ipairs(arg) do
  graph[path] = needs(path, code[path])
  for _, needed in ipairs(graph[path]) do
    if needed:find(COMMAND) and not path:find(COMMAND) then
      complain("%s requires %s, which is above it", path, needed)
    end
  end
end

local state = {}
local function visit(path, trail)
  if state[path] == "done" or not graph[path] then
    return
  end
  trail[#trail + 1] = path
  if state[path] == "open" then
    complain("a circle: %s", table.concat(trail, " > "))
  else
    state[path] = "open"
    for _, other in ipairs(graph[path]) do
      visit(other, trail)
    end
    state[path] = "done"
  end
  trail[#trail] = nil
end

for _, path in ipairs(arg) do
  if code[path] then
    check_functions(path, code[path])
  end
  visit(path, {})
end

if #problems > 0 then
  print(table.concat(problems, "\n"))
  os.exit(1)
end
