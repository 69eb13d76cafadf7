--- libuv as the loop of a client: camb.client{ loop = this }.  A host as
--- camb.async.scheduler describes it; every coroutine but the main one can
--- wait, and resumes inside uv.run.

local coroutine = require "camb.async.coroutine"
local uv = require "luv"

local loop = { name = "luv" }

-- How often a client is stepped if the system has no descriptor for it.
local TICK_MS = 20

-- The handle by which a client is stepped.
local handles = {}
local suspended = setmetatable({}, { __mode = "k" })
-- Those that were woken, and the timer that resumes them.
local ready, timer = {}, nil

function loop.running()
  local thread, is_main = coroutine.running()
  return not is_main and thread or nil
end

-- A coroutine that raises is a callback that raises.
local function resume_all()
  local batch, failure = ready, nil
  ready = {}
  for _, thread in ipairs(batch) do
    local is_alive = coroutine.status(thread) == "suspended" -- or was closed
    local ok, problem = true, nil
    if is_alive then
      ok, problem = coroutine.resume(thread)
    end
    if not ok then
      failure = failure or debug.traceback(thread, tostring(problem))
      coroutine.close(thread)
    end
  end
  if failure then
    error(failure, 0)
  end
end

function loop.wake(thread)
  if suspended[thread] then
    suspended[thread] = nil
    ready[#ready + 1] = thread
    timer = timer or uv.new_timer()
    timer:start(0, 0, resume_all)
  end
end

function loop.suspend(seconds)
  local thread = coroutine.running()
  local alarm = seconds and uv.new_timer()
  if alarm then
    alarm:start(math.ceil(seconds * 1000), 0, function()
      alarm:close()
      loop.wake(thread)
    end)
  end
  suspended[thread] = true
  coroutine.yield()
  suspended[thread] = nil
  if alarm and not alarm:is_closing() then
    alarm:close()
  end
end

function loop.start(fn, argument)
  local thread = coroutine.create(function()
    return fn(argument)
  end)
  suspended[thread] = true
  loop.wake(thread)
end

function loop.attach(client)
  if handles[client] then
    return
  end
  local fd = client:pollfd()
  local function step()
    client:step(0)
  end
  if fd then
    handles[client] = uv.new_poll(fd)
    handles[client]:start("r", step)
  else
    handles[client] = uv.new_timer()
    handles[client]:start(0, TICK_MS, step)
  end
end

function loop.detach(client)
  local handle = handles[client]
  if handle then
    handles[client] = nil
    handle:stop()
    handle:close()
  end
end

return loop
