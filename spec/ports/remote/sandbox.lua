-- In place of camb.sandbox where it does not run: the same, by spec/ports/remote/
-- serve.lua on another system.  Its folder is in the environment, REMOTE.

local ask = require "spec.ports.remote.ask"

local Server = {}
Server.__index = Server

for _, name in ipairs({ "requests", "stats", "task", "fault", "clear_faults" })
do
  Server[name] = function(self, argument)
    return (ask(2, "call", self.number, name, argument))
  end
end

function Server:stop()
  if not self.is_stopped then
    self.is_stopped = true
    ask(2, "call", self.number, "stop")
  end
end
Server.close, Server.__close = Server.stop, Server.stop

local sandbox = { null = require("cjson").null }

function sandbox.start(options)
  local fields, err = ask(2, "start", options or {})
  return fields and setmetatable(fields, Server), err
end

return sandbox
