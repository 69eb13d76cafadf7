-- ask(level, WHAT, …): what spec/ports/remote/serve.lua, on another system, does for
-- specs on this one.  Its folder is in the environment, REMOTE.

local core = require "camb.core"
local Error = require "camb.error"
local words = require "spec.ports.remote.words"

local folder = assert(os.getenv "REMOTE", "REMOTE names no folder")
local number = 0

return function(level, ...)
  number = number + 1
  words.put(("%s/%d.ask"):format(folder, number), { ... })
  local give_up = core.now() + 120
  local reply
  repeat
    core.wait(0.002)
    reply = words.take(("%s/%d.say"):format(folder, number))
  until reply or core.now() > give_up
  assert(reply, "nobody answers us")
  if not reply.ok then
    error(reply.value, level + 1)
  end
  return reply.value, reply.err and Error.new(reply.err)
end
