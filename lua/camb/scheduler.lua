--- Jobs as plain coroutines.  A job that waits for a transfer or for a time
--- yields to `run`, which steps the clients that are waited for; outside of
--- `run` the same waits block.

local core = require "camb.core"
local Error = require "camb.error"

local unpack = table.unpack or unpack -- luacheck: ignore

local scheduler = {}

---@class camb.Job
---@field private thread thread
local Job = {}
Job.__index = Job
Job.__name = "camb.Job"

-- The running loop's state; nil outside of `run`.
local loop
-- The job whose coroutine runs; nil between jobs.
local current

local function is_inside_job()
  return current ~= nil and coroutine.running() == current.thread
end

local function make_ready(job)
  if not job.ready and not job.done then
    job.ready = true
    loop.ready[#loop.ready + 1] = job
  end
end

-- Sleepers are kept as a binary heap by the time of their waking.
local function push_sleeper(job, at)
  local heap = loop.sleepers
  local i = #heap + 1
  local entry = { at = at, job = job }
  heap[i] = entry
  while i > 1 do
    local parent = (i - i % 2) / 2
    if heap[parent].at <= at then
      break
    end
    heap[i] = heap[parent]
    i = parent
  end
  heap[i] = entry
  return entry
end

local function pop_sleeper()
  local heap = loop.sleepers
  local first, last = heap[1], heap[#heap]
  heap[#heap] = nil
  if #heap == 0 then
    return first
  end
  local i = 1
  while 2 * i <= #heap do
    local child = 2 * i
    if child < #heap and heap[child + 1].at < heap[child].at then
      child = child + 1
    end
    if last.at <= heap[child].at then
      break
    end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = last
  return first
end

local function wake_sleepers(now)
  local heap = loop.sleepers
  while heap[1] and heap[1].at <= now do
    local entry = pop_sleeper()
    if entry.job.sleeping == entry then
      make_ready(entry.job)
    end
  end
end

local function finish(job, ok, ...)
  job.done = true
  job.ok = ok
  job.results = { n = select("#", ...), ... }
  loop.alive = loop.alive - 1
  for _, joiner in ipairs(job.joiners) do
    make_ready(joiner)
  end
  if not ok and not job.cancelled then
    loop.failed[#loop.failed + 1] = job
  end
end

local function resume(job)
  if job.done then
    return -- it was woken twice
  elseif job.cancelled and not job.begun then
    finish(job, false)
    return
  end
  local before = current
  job.begun = true
  current = job
  job.ready = false
  local results = { coroutine.resume(job.thread) }
  current = before
  if coroutine.status(job.thread) == "dead" then
    finish(job, unpack(results, 1, #results))
  end
end

-- Give the time to whoever can use it, until this job is made ready again.
-- False when the job was cancelled meanwhile.
local function yield()
  local job = current
  coroutine.yield()
  return not job.cancelled
end

-- Until the next sleeper's time, nil when nobody sleeps.
local function patience(now)
  local first = loop.sleepers[1]
  return first and math.max(0, first.at - now)
end

local function step_clients()
  local clients, sessions = {}, {}
  for client in pairs(loop.waiting) do
    clients[#clients + 1] = client
  end
  local seconds = patience(core.now())
  if #clients == 1 then
    clients[1]:step(seconds)
    return
  end
  for i, client in ipairs(clients) do
    sessions[i] = client.session
  end
  core.wait(seconds, unpack(sessions))
  for _, client in ipairs(clients) do
    client:step(0)
  end
end

local function run_ready()
  local ready = loop.ready
  loop.ready = {}
  for _, job in ipairs(ready) do
    resume(job)
  end
end

local function is_stuck()
  return #loop.ready == 0 and not loop.sleepers[1] and not next(loop.waiting)
end

local function run_until_done()
  while loop.alive > 0 do
    if is_stuck() then
      error("camb.run: every job waits for another one", 0)
    end
    if #loop.ready == 0 then
      step_clients()
    end
    wake_sleepers(core.now())
    run_ready()
  end
end

local function new_job(fn, ...)
  local arguments = { n = select("#", ...), ... }
  local job = setmetatable({ joiners = {} }, Job)
  job.thread = coroutine.create(function()
    return fn(unpack(arguments, 1, arguments.n))
  end)
  loop.alive = loop.alive + 1
  make_ready(job)
  return job
end

-- An error that nobody joined must not vanish.
local function raise_unseen()
  for _, job in ipairs(loop.failed) do
    if not job.seen then
      error(job.results[1], 0)
    end
  end
end

--- Run `fn` and every job that it spawns; returns when all have ended, with
--- what `fn` returned.  Raises the first error that no `join` has seen.
---@param fn function
---@param ... any # its arguments
---@return any ...
function scheduler.run(fn, ...)
  if type(fn) ~= "function" then
    error("camb.run: function expected, got " .. type(fn), 2)
  end
  if is_inside_job() then
    return scheduler.spawn(fn, ...):join()
  end
  local outer, outer_job = loop, current
  loop = { ready = {}, sleepers = {}, waiting = {}, failed = {}, alive = 0 }
  current = nil
  local main = new_job(fn, ...)
  local ok, problem = pcall(run_until_done)
  if ok then
    ok, problem = pcall(raise_unseen)
  end
  loop, current = outer, outer_job
  if not ok then
    error(problem, 0)
  end
  return unpack(main.results, 1, main.results.n)
end

--- Begin `fn(...)` as a job of its own; only inside `run`.
---@param fn function
---@param ... any # its arguments
---@return camb.Job
function scheduler.spawn(fn, ...)
  if not loop then
    error("camb.spawn works inside of camb.run only", 2)
  elseif type(fn) ~= "function" then
    error("camb.spawn: function expected, got " .. type(fn), 2)
  end
  return new_job(fn, ...)
end

local function cancelled(message)
  return Error.new({ kind = "cancelled", message = message })
end

--- Wait for `seconds`, leaving the time to other jobs.  In a job that is
--- cancelled it raises an error of kind "cancelled", so that a loop of sleeps
--- ends.
---@param seconds number
function scheduler.sleep(seconds)
  if type(seconds) ~= "number" then
    error("camb.sleep: number of seconds expected, got " .. type(seconds), 2)
  end
  if not is_inside_job() then
    core.wait(seconds)
    return
  end
  local job = current
  job.sleeping = push_sleeper(job, core.now() + seconds)
  local alive = not job.cancelled and yield()
  job.sleeping = nil
  if not alive then
    error(cancelled("the job was cancelled"), 0)
  end
end

--- Wait until `inbox` of `client` is woken; false when that was a cancel.
---@param client table # has step(seconds)
---@param inbox table # its `wake` is set while it is waited for
---@return boolean
function scheduler.wait(client, inbox)
  if not is_inside_job() then
    client:step()
    return true
  end
  local job, waiting = current, loop.waiting
  if job.cancelled then
    return false
  end
  waiting[client] = (waiting[client] or 0) + 1
  inbox.wake = function()
    inbox.wake = nil
    make_ready(job)
  end
  local alive = yield()
  inbox.wake = nil
  waiting[client] = waiting[client] > 1 and waiting[client] - 1 or nil
  return alive
end

--- Wait for the job's end; returns what its function returned, or raises what
--- it raised.  A cancelled job returns nil and an error of kind "cancelled".
---@return any ...
function Job:join()
  while not self.done do
    if not is_inside_job() then
      error("job:join works inside of camb.run only", 2)
    end
    self.joiners[#self.joiners + 1] = current
    if not yield() then
      return nil, cancelled("the job that waited for another was cancelled")
    end
  end
  self.seen = true
  if not self.ok then
    if self.cancelled then
      return nil, cancelled("the job was cancelled")
    end
    error(self.results[1], 0)
  end
  return unpack(self.results, 1, self.results.n)
end

--- Stop the job's waiting: what it waits for returns nil and an error of kind
--- "cancelled".  A job that never ran does not begin.
function Job:cancel()
  if self.done or self.cancelled then
    return
  end
  self.cancelled = true
  make_ready(self)
end

--- True once the job has returned or raised.
---@return boolean
function Job:is_done()
  return self.done == true
end

return scheduler
