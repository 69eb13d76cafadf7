--- Ports for servers that have to be reached at one that is known before.

local sandbox = require "camb.sandbox"

local ports = {}

local given = {}

--- A port that is free, and stays so when it is closed for a while: the kernel
--- gives none below 32768 to whoever asks for any.
---@return integer
function ports.free()
  for _ = 1, 100 do
    local port = math.random(10000, 19999)
    local server = not given[port] and sandbox.start({ port = port })
    if server then
      server:stop()
      given[port] = true
      return port
    end
  end
  error("no port is free")
end

return ports
