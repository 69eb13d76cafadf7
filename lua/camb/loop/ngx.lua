--- nginx's Lua module (OpenResty) as the loop of a client, in a worker:
--- requests and timers wait, others are served meanwhile.  A host as
--- camb.async.scheduler describes it.

local coroutine = require "camb.async.coroutine"
local ngx = require "ngx"
local semaphore = require "ngx.semaphore"

local loop = { name = "nginx" }

-- nginx cannot wait for a descriptor that it did not open.
local TICK = 0.01
-- Waits for a semaphore have a limit, after which the waiter looks again.
local LONGEST = 3600

local WAITING_PHASES = { rewrite = true, server_rewrite = true, access = true,
  content = true, timer = true, ssl_cert = true, ssl_session_fetch = true,
  ssl_client_hello = true }

-- What each coroutine is woken by.
local semaphores = setmetatable({}, { __mode = "k" })
-- The clients that are stepped.
local attached = {}

function loop.running()
  return WAITING_PHASES[ngx.get_phase()] and coroutine.running() or nil
end

function loop.suspend(seconds)
  local thread = coroutine.running()
  local one = assert(semaphore.new())
  semaphores[thread] = one
  one:wait(seconds or LONGEST)
  semaphores[thread] = nil
end

function loop.wake(thread)
  local one = semaphores[thread]
  if one then
    semaphores[thread] = nil
    one:post()
  end
end

-- A timer outlives the request that starts it.
local function start_timer(fn, argument)
  local ok, problem = ngx.timer.at(0, function(_, ...)
    return fn(...)
  end, argument)
  if not ok then
    error("nginx cannot start a timer: " .. tostring(problem), 0)
  end
end

loop.start = start_timer

local function step(client)
  while attached[client] and not client.closed do
    client:step(0)
    ngx.sleep(TICK)
  end
  attached[client] = nil
end

-- Attached again before its timer has seen that it was not, a client keeps it.
function loop.attach(client)
  if attached[client] == nil then
    start_timer(step, client)
  end
  attached[client] = true
end

function loop.detach(client)
  if attached[client] then
    attached[client] = false
  end
end

return loop
