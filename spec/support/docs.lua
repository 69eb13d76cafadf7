-- Write the reference, the man page and the definitions for editors.
--
--   lua5.4 spec/support/docs.lua FOLDER     writes api.md, camb.1 and library/
--
-- Functions and classes come from the comments above them, options, errors,
-- events and commands from their tables.  What is public and has no
-- documentation is an error.

local core = require "camb.core"
local comments = require "spec.support.docs.comments"
local definitions = require "spec.support.docs.definitions"
local errors = require "camb.error"
local events = require "camb.events"
local manual = require "spec.support.docs.manual"
local public = require "spec.support.docs.public"
local reference = require "spec.support.docs.reference"

local folder = assert(arg[1], "usage: docs.lua FOLDER")

local problems = {}

local function complain(...)
  problems[#problems + 1] = string.format(...)
end

local function is_sentence(text)
  return type(text) == "string" and text:find "%.$" ~= nil
end

local described = {} -- classes
local mentioned = {} -- where, by class

local function mention(text, where)
  for name in text:gmatch "camb%.%u[%w_]*" do
    mentioned[name] = where
  end
end

local function check_function(room, fn)
  local name = room.title .. fn.mark .. fn.name
  if fn.prose == "" then
    complain("%s: %s has no comment", room.file, name)
  end
  local told = {}
  for _, tag in ipairs(fn.tags) do
    told[tag.name == "param" and tag.text:match "^[%w_.]+" or false] = true
    mention(tag.text, name)
  end
  for parameter in fn.signature:gmatch "[%w_.]+" do
    if not told[parameter] and parameter ~= "self" then
      complain("%s: %s does not say what '%s' is", room.file, name, parameter)
    end
  end
end

local function check_class(room)
  local class = comments.class(room.file, room.class)
  if not class then
    complain("%s: no class %s", room.file, room.class)
    return
  end
  described[class.name] = true
  if class.prose == "" then
    complain("%s: the class %s has no comment", room.file, class.name)
  end
  mention(table.concat(class.block, " "), class.name)
  for _, field in ipairs(class.fields) do
    if not field.words then
      complain("%s: %s does not say what '%s' is", room.file, class.name,
        field.name)
    end
  end
end

for _, room in ipairs(public.ROOMS) do
  local found = room.owner and comments.functions(room.file, room.owner) or {}
  if room.owner and #found == 0 then
    complain("%s: no function of %s", room.file, room.owner)
  end
  for _, fn in ipairs(found) do
    check_function(room, fn)
  end
  if room.class then
    check_class(room)
  end
  if room.head and comments.head(room.file) == "" then
    complain("%s has no comment at its head", room.file)
  end
end

for _, section in ipairs(public.SECTIONS) do
  described[section.class] = true
  for _, option in ipairs(section.list) do
    mention(option.rule.of, option.name)
    if not is_sentence(option.help) then
      complain("option '%s' of %s has no sentence", option.name,
        section.title)
    elseif not option.rule.of then
      complain("option '%s' of %s has no type", option.name, section.title)
    end
  end
end

for _, entry in ipairs(errors.KINDS) do
  if not (is_sentence(entry.when) and is_sentence(entry.cure)) then
    complain("error '%s' does not say when it comes, or what to do",
      entry.kind)
  end
end
for _, event in ipairs(events) do
  if not is_sentence(event.when) then
    complain("event '%s' does not say when it comes", event.name)
  end
end
for name, where in pairs(mentioned) do
  if not described[name] then
    complain("%s mentions %s, which is described nowhere", where, name)
  end
end

local readme = assert(io.open "README.md"):read "a"
if not readme:find(reference.error_table(), 1, true) then
  complain("README.md: the table of errors is not that of camb.error:\n%s",
    reference.error_table())
end

local function write(path, text)
  local made = folder
  for name in path:sub(#folder + 2):gmatch "([^/]+)/" do
    made = made .. "/" .. name
    assert(core.make_folder(made))
  end
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
end

if #problems == 0 then
  write(folder .. "/api.md", reference.write())
  write(folder .. "/camb.1", manual.write())
  for module, text in pairs(definitions.write()) do
    write(("%s/library/%s.lua"):format(folder, (module:gsub("%.", "/"))), text)
  end
else
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end
