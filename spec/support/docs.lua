-- Write the reference, the man page and the definitions for editors.
--
--   lua5.4 spec/support/docs.lua FOLDER FILE...
--
-- writes reference.md, command.md, camb.1 and library/ to FOLDER.  Functions and
-- classes come from the comments above them; options, errors, events and commands
-- from their tables.  Anything public without documentation is an error; each
-- FILE is searched for events and kinds of errors that their tables do not have.

local command = require "spec.support.docs.command"
local complete = require "spec.support.docs.complete"
local core = require "camb.core"
local definitions = require "spec.support.docs.definitions"
local manual = require "spec.support.docs.manual"
local reference = require "spec.support.docs.reference"

local folder = assert(arg[1], "usage: docs.lua FOLDER FILE...")

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

local problems = complete.problems({ (table.unpack or unpack)(arg, 2) })
if #problems == 0 then
  write(folder .. "/reference.md", reference.write())
  write(folder .. "/command.md", command.write())
  write(folder .. "/camb.1", manual.write())
  for module, text in pairs(definitions.write()) do
    write(("%s/library/%s.lua"):format(folder, (module:gsub("%.", "/"))), text)
  end
else
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end
