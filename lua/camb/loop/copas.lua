--- Copas 4 as the loop of a client: camb.client{ loop = this }.  A host as
--- camb.async.scheduler describes it.

local copas = require "copas"
local coroutine = require "camb.async.coroutine"

if not copas.pauseforever then
  error("camb.loop.copas needs Copas 4.1 or newer, this is "
    .. tostring(copas._VERSION), 0)
end

local loop = { name = "copas" }

-- How many descriptors LuaSocket's select can tell apart.
local SELECT_LIMIT = 1024

-- What Copas takes for a socket: it is read from whenever the client's
-- descriptor is readable, and says "timeout" until no wait is left.
local Reader = {}
Reader.__index = Reader

local readers = {}

function Reader:getfd()
  return self.client:pollfd()
end

function Reader:dirty()
  return false
end

function Reader:receive()
  if self.closed then
    return true
  end
  self.client:step(0)
  return nil, "timeout"
end

function Reader:close()
  self.closed = true
end

function loop.running()
  local thread, is_main = coroutine.running()
  return not is_main and thread or nil
end

function loop.suspend(seconds)
  if seconds then
    copas.pause(seconds)
  else
    copas.pauseforever()
  end
end

loop.wake = copas.wakeup

function loop.start(fn, argument)
  copas.addthread(function()
    copas.pause(0) -- a new thread would run at once
    return fn(argument)
  end)
end

function loop.attach(client)
  if readers[client] then
    return
  end
  local fd = client:pollfd()
  if not fd or fd >= SELECT_LIMIT then
    error(("LuaSocket's select cannot wait for descriptor %s, only for those "
      .. "below %d: open the client earlier, or use another loop"):format(
      tostring(fd), SELECT_LIMIT), 0)
  end
  readers[client] = setmetatable({ client = client }, Reader)
  loop.start(copas.receive, readers[client])
end

-- Copas drops a closed socket before it selects again.
function loop.detach(client)
  if readers[client] then
    copas.close(readers[client])
    readers[client] = nil
  end
end

return loop
