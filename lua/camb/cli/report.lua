--- `camb report`: a page to listen on.

local core = require "camb.core"
local items = require "camb.report.items"
local own_store = require "camb.cli.own_store"
local redact = require "camb.redact"
local report = require "camb.report"
local session = require "camb.cli.session"
local status = require "camb.cli.status"
local store = require "camb.store"

local command = {}

local function say(...)
  io.stderr:write("camb: ", redact.visible(table.concat({ ... })), "\n")
end

local function title_of(place)
  local path = core.real_path(place)
  return path and "Stems in " .. path:match("[^/]*$") or "Stems of a batch"
end

local STDOUT = 1

-- For a person, what a browser opens.
local function say_address(path)
  local whole = core.is_terminal(STDOUT) and core.real_path(path)
  if whole then
    say("to listen, open in a browser: file://", whole:find("^/") and "" or "/",
      (whole:gsub("[^%w/:._~-]", function(character)
        return ("%%%02X"):format(character:byte())
      end)))
  end
end

-- On a terminal, how far the looking has come.
local function progress()
  return core.is_terminal() and function(done, total)
    io.stderr:write(("\rcamb: reading %d of %d"):format(done + 1, total))
    io.stderr:write(done + 1 == total and "\n" or "")
    io.stderr:flush()
  end or nil
end

--- Run it.
---@param arguments table
---@return integer status
function command.run(arguments)
  local place = arguments.place or "."
  local list, err = items.of(place, own_store.find(place),
    arguments.mixtures)
  if not list then
    err.shell = err.kind == "file" and "help" or nil -- a name that is wrong
    return session.complain(err)
  elseif #list == 0 then
    return session.complain(('"%s" contains no stems: create some with '
      .. "camb separate or camb batch"):format((store.address(place))),
      status.FILE)
  end
  if not pcall(require, "camb.audio") and not arguments.no_pictures then
    say("the page has no pictures: they need the rock camb-sandbox")
  end
  local ok
  ok, err = report.write(arguments.output, list, {
    title = title_of(place),
    pictures = not arguments.no_pictures,
    on_item = progress(),
  })
  if not ok then
    return session.complain(err)
  end
  print(arguments.output)
  say_address(arguments.output)
  return status.OK
end

return command
