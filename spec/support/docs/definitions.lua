-- Definitions for editors (LuaCATS): a file for each public module, with every
-- public class, function and option, and no code.

local comments = require "spec.support.docs.comments"
local public = require "spec.support.docs.public"

local definitions = {}

local function add_block(out, block)
  for _, line in ipairs(block) do
    if not line:find "^@field package" and not line:find "^@private" then
      out[#out + 1] = "---" .. (line:find "^[@|]" and "" or " ") .. line
    end
  end
end

-- An option's meaning, default and unit.
local function words_of(option, default)
  local words = option.help:gsub("%s+", " ")
  local unit = option.unit and " " .. option.unit or ""
  if default ~= nil and not words:find("Default:", 1, true) then
    return ("%s Default: %s%s."):format(words, tostring(default), unit)
  end
  return words .. (option.unit and (" Unit: %s."):format(option.unit) or "")
end

local function add_options(out, section)
  out[#out + 1] = "---@class " .. section.class
  for _, option in ipairs(section.list) do
    out[#out + 1] = ("---@field %s? %s # %s"):format(option.name,
      option.rule.of, words_of(option, section.default(option)))
  end
  out[#out + 1] = ""
end

local function add_room(out, room, seen)
  local class = room.class and comments.class(room.file, room.class)
  local owner = room.goes_on or room.owner
  if class then
    add_block(out, class.block)
  end
  if owner and not seen[owner] then
    seen[owner] = true
    out[#out + 1] = ("local %s = {}"):format(owner)
  end
  out[#out + 1] = ""
  for _, fn in ipairs(room.owner and comments.functions(room.file, room.owner)
    or {})
  do
    add_block(out, fn.block)
    out[#out + 1] = ("function %s%s%s%s end\n"):format(owner, fn.mark,
      fn.name, fn.signature)
  end
end

--- The text of the definitions of each public module.
---@return table<string, string>
function definitions.write()
  local modules, files, seen = {}, {}, {}
  local function of(module)
    modules[module] = modules[module] or { "---@meta " .. module .. "\n" }
    seen[module] = seen[module] or {}
    return modules[module], seen[module]
  end
  for _, section in ipairs(public.SECTIONS) do
    add_options((of(section.module)), section)
  end
  for _, room in ipairs(public.ROOMS) do
    local out, its = of(room.module)
    add_room(out, room, its)
  end
  for _, loop in ipairs(public.LOOPS) do
    local out = of(loop)
    out[#out + 1] = "---@type camb.Loop"
    out[#out + 1] = "local " .. loop:match "%w+$"
  end
  for module, out in pairs(modules) do
    files[module] = ("%s\nreturn %s\n"):format(table.concat(out, "\n"),
      module:match "%w+$")
  end
  return files
end

return definitions
