--- Jobs as plain coroutines, in the loop that camb brings along or in somebody
--- else's.  All waiting of the client goes through here.
---
--- A loop is a table, a *host*, with these functions:
---
---  * running() -> thread: the running coroutine, where the host can suspend
---    it; nil outside of the host's coroutines;
---  * suspend(seconds?): suspend that coroutine until it is woken, or for so
---    long.  It may go on without either: whoever waits looks again;
---  * wake(thread): let a suspended coroutine go on soon, never within the
---    call.  One that is not suspended, or dead, is left alone;
---  * start(fn, argument): run fn(argument) as a coroutine of its own, soon;
---  * attach(client): call client:step(0) whenever its descriptor is readable
---    or its timeout is over, until detach(client).  It is called at every
---    wait, also when the client is attached already;
---  * detach(client): nobody waits for it any more, or it is about to close:
---    let go of its descriptor before returning.  Twice is fine.
---
--- `name` says which loop it is, for people.

local Error = require "camb.error"
local builtin = require "camb.loop.builtin"
local core = require "camb.core"

local unpack = table.unpack or unpack -- luacheck: ignore

local scheduler = {}

---@class camb.Job
local Job = {}
Job.__index = Job
Job.__name = "camb.Job"

-- The job that a coroutine runs.
local jobs = setmetatable({}, { __mode = "k" })
-- Jobs of no camb.run that failed while nobody waited for them.
local unseen = {}

local function running_job()
  local thread = coroutine.running()
  return thread and jobs[thread]
end

-- The job that runs, also where a coroutine that it made is running.
local function parent_job()
  return running_job() or jobs[builtin.current() or false]
end

local function cancelled(message)
  return Error.new({ kind = "cancelled", message = message })
end

--- Suspend the running coroutine of `host`; false when it is a job that was
--- cancelled, before or meanwhile.
function scheduler.suspend(host, seconds)
  local job = running_job()
  if job and job.cancelled then
    return false
  end
  host.suspend(seconds)
  return not (job and job.cancelled)
end

local function fail_in_group(group, job)
  group.failed = group.failed or {}
  table.insert(group.failed, job)
end

local function leave_group(group, job)
  group.jobs[job] = nil
  if group.waiter and not next(group.jobs) then
    builtin.wake(group.waiter)
  end
end

local function wake_joiners(job)
  local joiners = job.joiners
  job.joiners = nil
  for _, thread in ipairs(joiners or {}) do
    job.host.wake(thread)
  end
  return joiners ~= nil
end

local function finish(job, ok, ...)
  local group = job.group
  job.done, job.ok = true, ok
  if select("#", ...) > 0 then
    job.results = { n = select("#", ...), ... }
  end
  if job.thread then
    jobs[job.thread], job.thread = nil, nil
  end
  local failed = not ok and not job.cancelled
  local is_joined = wake_joiners(job)
  if failed and group then
    fail_in_group(group, job)
  elseif failed and job.host == builtin then
    unseen[#unseen + 1] = job
  elseif failed and not is_joined then
    error(..., 0) -- as an error of any other coroutine of that loop
  end
  if group then
    leave_group(group, job)
  end
end

-- Lua 5.1 cannot yield inside of pcall: an error is the loop's there.
local protect = pcall
if coroutine.wrap(function()
  return pcall(coroutine.yield, true)
end)() ~= true then
  protect = function(fn, ...)
    return true, fn(...)
  end
end

--- pcall, where a coroutine can yield inside of it; else just a call.
scheduler.protect = protect

local function enter(job)
  job.thread = coroutine.running()
  jobs[job.thread] = job
  return not job.cancelled
end

-- What the job calls; it keeps neither.
local function take(job)
  local fn, arguments = job.fn, job.arguments
  job.fn, job.arguments = nil, nil
  if arguments then
    return fn, unpack(arguments, 1, arguments.n)
  end
  return fn
end

local function call(fn, ...)
  return fn(...)
end

-- The built-in loop tells of errors itself: pcall would be a frame more on the
-- stack of thousands.
local function work_bare(job)
  if not enter(job) then
    return finish(job, false)
  end
  return finish(job, true, call(take(job)))
end

local function work(job)
  if not enter(job) then
    return finish(job, false)
  end
  return finish(job, protect(take(job)))
end

-- The coroutine was closed by somebody, or raised in Lua 5.1.
function builtin.on_failure(thread, problem)
  local job = jobs[thread]
  if job then
    job.cancelled = job.cancelled or problem == nil
    finish(job, false, problem)
  end
end

local function begin(host, group, fn, ...)
  local job = setmetatable({ host = host, group = group, fn = fn }, Job)
  if select("#", ...) > 0 then
    job.arguments = { n = select("#", ...), ... }
  end
  if group then
    group.jobs[job] = true
  end
  host.start(host == builtin and work_bare or work, job)
  return job
end

local function cancel_all(group)
  for job in pairs(group.jobs) do
    job:cancel()
  end
end

-- From outside of all jobs: turn the loop until those of `group` have ended.
local function run_group(group)
  while next(group.jobs) do
    if not builtin.turn() then
      error("camb.run: every job waits for another one", 0)
    end
  end
end

-- From inside of a job: leave the time to them until they have ended.
local function wait_for_group(group)
  local alive = true
  group.waiter = builtin.running()
  while next(group.jobs) do
    if alive then
      alive = scheduler.suspend(builtin)
    else
      cancel_all(group)
      builtin.suspend()
    end
  end
end

-- What went wrong with the loop itself ends its jobs, too.
local function end_group(group)
  cancel_all(group)
  while next(group.jobs) and builtin.timeout() == 0 do
    builtin.run_ready()
  end
end

local function raise_failed(group)
  for _, job in ipairs(group.failed or {}) do
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
  local group = { jobs = {} }
  local main = begin(builtin, group, fn, ...)
  if builtin.running() then
    wait_for_group(group)
  else
    local ok, problem = pcall(run_group, group)
    if not ok then
      end_group(group)
      raise_failed(group) -- others may wait in vain for one that failed
      error(problem, 0)
    end
  end
  raise_failed(group)
  return main:join()
end

--- Begin `fn(...)` as a job of its own.  It runs while camb.run does, or any
--- call that waits outside of all jobs, or in a tick of client:step.  There, an
--- error that no `join` has seen is raised by the next client:step.
---@param fn function
---@param ... any # its arguments
---@return camb.Job
function scheduler.spawn(fn, ...)
  if type(fn) ~= "function" then
    error("camb.spawn: function expected, got " .. type(fn), 2)
  end
  return scheduler.spawn_for(nil, fn, ...)
end

--- The loop in which `client` is waited for; without one, that of the job that
--- runs.
---@param client table?
---@return table host
function scheduler.host(client)
  local job = not client and parent_job()
  return client and client.loop or job and job.host or builtin
end

--- Begin `fn(...)` as a job of the client's loop.
---@param client table?
---@param fn function
---@param ... any # its arguments
---@return camb.Job
function scheduler.spawn_for(client, fn, ...)
  local host, parent = scheduler.host(client), parent_job()
  local group = parent and parent.host == host and parent.group or nil
  return begin(host, group, fn, ...)
end

-- Whatever happens meanwhile, until core.now() is `at`.
local function turn_until(at)
  local left = at - core.now()
  repeat
    builtin.turn(math.max(0, left))
    left = at - core.now()
  until left <= 0
end

--- Wait for `seconds` in the client's loop; false when that was a job that is
--- cancelled.
---@param client table?
---@param seconds number
---@return boolean
function scheduler.sleep_for(client, seconds)
  local host, at = scheduler.host(client), core.now() + seconds
  if not host.running() then
    turn_until(at)
    return true
  end
  local left = seconds
  repeat
    if not scheduler.suspend(host, math.max(0, left)) then
      return false
    end
    left = at - core.now()
  until left <= 0
  return true
end

--- Wait for `seconds`, leaving the time to other jobs.  In a job that is
--- cancelled it raises an error of kind "cancelled", so that a loop of sleeps
--- ends.
---@param seconds number
function scheduler.sleep(seconds)
  if type(seconds) ~= "number" then
    error("camb.sleep: number of seconds expected, got " .. type(seconds), 2)
  end
  if not scheduler.sleep_for(nil, seconds) then
    error(cancelled("the job was cancelled"), 0)
  end
end

local function stop_waiting(client, host)
  client.waiting = client.waiting - 1
  if client.waiting == 0 then
    host.detach(client)
  end
end

-- Outside of the loop's coroutines the waiting blocks.
local function block(client)
  if client.loop then
    client:pump()
    return
  end
  client.waiting = client.waiting + 1
  builtin.attach(client)
  local ok, problem = pcall(builtin.turn)
  stop_waiting(client, builtin)
  if not ok then
    error(problem, 0)
  end
end

--- Wait until `box.waiter`, which is set now, is woken by something that
--- happens to `client`, or a while: whoever waits looks again, then calls
--- `leave`.
--- A tail call leaves no frame on the stack of thousands that wait.
---@param client table
---@param box table
function scheduler.wait(client, box)
  local host = client.loop or builtin
  local thread = host.running()
  if not thread then
    return block(client)
  end
  host.attach(client)
  if not box.waiter then
    box.waiter = thread
    client.waiting = client.waiting + 1
  end
  return host.suspend()
end

--- `box` is not waited for any more.  Twice is fine.
function scheduler.leave(client, box)
  if box.waiter then
    box.waiter = nil
    stop_waiting(client, client.loop or builtin)
  end
end

--- Whether the running job was cancelled.
function scheduler.is_cancelled()
  local job = running_job()
  return job ~= nil and job.cancelled == true
end

--- Let whoever waits for `box` go on.
function scheduler.notify(client, box)
  if box.waiter then
    (client.loop or builtin).wake(box.waiter)
  end
end

--- `box` is given up; when it was waited for, by a coroutine that somebody
--- closed, and its job ends with it.
function scheduler.abandon(client, box)
  local thread = box.waiter
  if thread then
    scheduler.leave(client, box)
    local job = jobs[thread]
    if job then
      job.cancelled = true
      finish(job, false)
    end
  end
end

--- Outside of all jobs: a turn of the built-in loop, in which `client` is
--- stepped, too.
---@param client table
---@param seconds number?
function scheduler.step(client, seconds)
  builtin.attach(client)
  local ok, problem = pcall(builtin.turn, seconds)
  if client.waiting == 0 then
    builtin.detach(client)
  end
  if not ok then
    error(problem, 0)
  end
  while unseen[1] do
    local job = table.remove(unseen, 1)
    if not job.seen then
      error(job.results[1], 0)
    end
  end
end

--- Wait for the job's end; returns what its function returned, or raises what
--- it raised.  A cancelled job returns nil and an error of kind "cancelled".
---@return any ...
function Job:join()
  local host = self.host
  while not self.done do
    local thread = host.running()
    if thread then
      self.joiners = self.joiners or {}
      table.insert(self.joiners, thread)
      if not scheduler.suspend(host) then
        return nil, cancelled("the job that waited for another was cancelled")
      end
    elseif host ~= builtin then
      error(("job:join works inside of the job's loop (%s) only"):format(
        host.name), 2)
    elseif not builtin.turn() then
      error("job:join: every job waits for another one", 2)
    end
  end
  self.seen = true
  if self.ok then
    return unpack(self.results or {}, 1, self.results and self.results.n)
  elseif self.cancelled then
    return nil, cancelled("the job was cancelled")
  end
  error(self.results[1], 0)
end

--- Stop the job's waiting: what it waits for returns nil and an error of kind
--- "cancelled".  A job that never ran does not begin.
function Job:cancel()
  if not self.done and not self.cancelled then
    self.cancelled = true
    if self.thread then
      self.host.wake(self.thread)
    end
  end
end

--- `local job <close> = camb.spawn(…)` cancels it where its scope ends.
Job.__close = Job.cancel

--- True once the job has returned or raised.
---@return boolean
function Job:is_done()
  return self.done == true
end

return scheduler
