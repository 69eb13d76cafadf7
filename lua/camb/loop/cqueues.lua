--- cqueues as the loop of a client: camb.client{ loop = this }.  A host as
--- camb.async.scheduler describes it.

local condition = require "cqueues.condition"
local coroutine = require "camb.async.coroutine"
local cqueues = require "cqueues"

local loop = { name = "cqueues" }

-- How often a client is stepped if the system has no descriptor for it.
local TICK = 0.02

-- What each coroutine is woken by.
local conditions = setmetatable({}, { __mode = "k" })
-- The controller in which a client is stepped.
local controllers = setmetatable({}, { __mode = "k" })

function loop.running()
  return cqueues.running() and coroutine.running()
end

function loop.suspend(seconds)
  local thread = coroutine.running()
  conditions[thread] = conditions[thread] or condition.new()
  conditions[thread]:wait(seconds)
end

function loop.wake(thread)
  if conditions[thread] then
    conditions[thread]:signal()
  end
end

function loop.start(fn, argument)
  local controller = cqueues.running()
  if not controller then
    error("a job can start only inside a running cqueues controller", 0)
  end
  controller:wrap(fn, argument)
end

local function step(client, controller)
  while controllers[client] == controller and client.waiting > 0 do
    cqueues.poll(client:pollfd() and client or TICK)
    if client.closed then
      return
    end
    client:step(0)
  end
  if controllers[client] == controller then
    controllers[client] = nil
  end
end

function loop.attach(client)
  local controller = cqueues.running()
  if controllers[client] ~= controller then
    controllers[client] = controller
    controller:wrap(step, client, controller)
  end
end

-- The coroutine that steps sees by itself when no wait is left: it is only
-- woken, as there may be a new one by then.
function loop.detach(client)
  if controllers[client] and not client.closed then
    cqueues.cancel(client:pollfd())
  end
end

return loop
