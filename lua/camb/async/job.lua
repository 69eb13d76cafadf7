--- Jobs: functions that run as coroutines of a loop, and groups of them.
---
--- Ending a job and waking its waiters takes no memory: all fields exist from
--- the beginning, and lists run through the jobs themselves.  If memory runs
--- out, no end is lost and no wait lasts forever.

local Error = require "camb.error"
local builtin = require "camb.async.loop"
local coroutine = require "camb.async.coroutine"

local unpack = table.unpack or unpack -- luacheck: ignore

--- A function that runs as a coroutine beside others, made by camb.spawn.
---@class camb.Job
local Job = {}
Job.__index = Job
Job.__name = "camb.Job"

local job = {}

-- The job that a coroutine runs.
local jobs = setmetatable({}, { __mode = "k" })
-- The jobs of each loop that belong to no camb.run.
local lone = {}

local NOTHING = { n = 0 }

local function cancelled(message)
  return Error.new({ kind = "cancelled", message = message })
end

--- The job that runs, if any.
function job.running()
  local thread = coroutine.running()
  return thread and jobs[thread]
end

--- That job, also if a coroutine that it made is running.
function job.parent()
  return job.running() or jobs[builtin.current() or false]
end

--- The running coroutine of `host`, which is about to wait; nil outside of
--- them.  Raises if it cannot.
function job.waiter(host)
  local thread = host.running()
  if thread then
    coroutine.check()
  end
  return thread
end

--- Suspend the running coroutine of `host`; false when it is a job that was
--- cancelled, before or meanwhile.
function job.suspend(host, seconds)
  local self = job.running()
  if self and self.cancelled then
    return false
  end
  host.suspend(seconds)
  return not (self and self.cancelled)
end

--- A group of jobs that camb.run waits for, in `host`.
function job.group(host)
  return {
    host = host,
    jobs = {},
    running = 0,
    waiter = false, -- woken when the last job ends
    failed = false, -- the first one, and the others after it
    last_failed = false,
    next = false, -- of those that could not be ended yet
  }
end

--- The group of the jobs that no camb.run waits for.
function job.lone(host)
  lone[host] = lone[host] or { host = host, running = 0, waiter = false,
    failed = false, last_failed = false }
  return lone[host]
end

local function add_failed(group, self)
  if group.failed then
    group.last_failed.next = self
  else
    group.failed = self
  end
  group.last_failed = self
end

-- Calls may fail if memory runs out, and all of this is done again then;
-- from the change of the status on nothing can fail.
local function finish(self, status, values)
  local group, joiners = self.group, self.joiners
  local host = group.host
  for i = 1, joiners and #joiners or 0 do
    host.wake(joiners[i])
  end
  if group.waiter and group.running == 1 then
    host.wake(group.waiter)
  end
  if status == "raised" and not self.cancelled and host == builtin then
    add_failed(group, self)
  end
  self.status, self.values, self.joiners = status, values, false
  if self.thread then
    jobs[self.thread], self.thread = nil, false
  end
  if group.jobs then
    group.jobs[self] = nil
  end
  group.running = group.running - 1
  if status == "raised" and not self.cancelled and host ~= builtin
    and not joiners
  then
    error(values, 0) -- as an error of any other coroutine of that loop
  end
end

local function pack(...)
  local count = select("#", ...)
  return count > 0 and { n = count, ... } or NOTHING
end

-- What the job calls; it keeps neither.
local function take(self)
  local fn, arguments = self.fn, self.values
  self.fn, self.values = false, false
  return fn, unpack(arguments, 1, arguments.n)
end

local function call(fn, ...)
  return fn(...)
end

local function enter(self)
  local thread = coroutine.running()
  jobs[thread], self.thread = self, thread
  return not self.cancelled
end

-- What a job's coroutine does.  Below its function there is as little on the
-- stack as can be: there may be thousands.
local function work(self)
  if not enter(self) then
    return finish(self, "raised")
  end
  local values = pack(call(take(self)))
  return finish(self, "returned", values)
end

--- pcall that a coroutine can yield inside.
job.protect = coroutine.pcall

-- The built-in loop reports errors itself, and needs no pcall on the stack.
local function work_elsewhere(self)
  local ok, problem = coroutine.pcall(work, self)
  if not ok then
    return finish(self, "raised", problem)
  end
end

-- The coroutine was closed from outside, or raised, maybe before it began.
function builtin.on_failure(thread, problem, argument)
  local self = jobs[thread] or argument
  if self and self.status == "running" then
    self.cancelled = self.cancelled or problem == nil
    finish(self, "raised", problem)
  end
end

--- Begin `fn(...)` as a job of `group`.
function job.begin(group, fn, ...)
  local self = setmetatable({
    group = group,
    fn = fn,
    values = pack(...), -- what it takes, then what it returns or raises
    thread = false,
    joiners = false,
    cancelled = false,
    status = "running", -- "returned", or "raised", then "seen"
    next = false,       -- of the failed jobs of its group
  }, Job)
  if group.jobs then
    group.jobs[self] = true
  end
  group.host.start(group.host == builtin and work or work_elsewhere, self)
  group.running = group.running + 1
  return self
end

--- Begin `fn(...)` in `host`, in the group of the job that runs there.
function job.spawn(host, fn, ...)
  local parent = job.parent()
  local group = parent and parent.group.host == host and parent.group
  return job.begin(group or job.lone(host), fn, ...)
end

--- The coroutine of the job was closed while it waited; its loop notices when
--- it would resume it.
function job.abandon(thread)
  local self = jobs[thread]
  if self then
    self.cancelled = true
    finish(self, "raised")
    self.group.host.wake(thread)
  end
end

--- Cancel every job of `group`.
function job.cancel_all(group)
  for self in pairs(group.jobs) do
    self:cancel()
  end
end

--- Raise the first error of a job of `group` that no `join` has seen; once.
function job.raise_unseen(group)
  while group.failed do
    local self = group.failed
    group.failed = self.next
    if self.status == "raised" then
      error(self.values, 0)
    end
  end
end

--- Wait for the job's end; returns what its function returned, or raises what
--- it raised.  A cancelled job returns nil and an error of kind "cancelled".
---@return any ...
function Job:join()
  local host = self.group.host
  while self.status == "running" do
    local thread = job.waiter(host)
    if thread then
      local joiners = self.joiners or {}
      joiners[#joiners + 1] = thread
      self.joiners = joiners
      if not job.suspend(host) then
        return nil, cancelled("the waiting job was cancelled")
      end
    elseif host ~= builtin then
      error(("job:join works only in coroutines of the job's loop (%s)"):format(
        host.name), 2)
    elseif not builtin.turn() then
      error("deadlock in job:join: every job waits for another", 2)
    end
  end
  if self.status == "returned" then
    return unpack(self.values, 1, self.values.n)
  elseif self.cancelled then
    return nil, cancelled("the job was cancelled")
  end
  self.status = "seen"
  error(self.values, 0)
end

--- Call `fn` with what `join` returns, in a job of its own, as soon as the job
--- has ended: for a host that calls client:step and never waits.  An error of
--- the job or of `fn` is raised like that of any other job.
---@param fn fun(...)
---@return camb.Job # the job that calls `fn`; cancelled, it does not
function Job:on_done(fn)
  if type(fn) ~= "function" then
    error("job:on_done: function expected, got " .. type(fn), 2)
  end
  local waiting
  waiting = job.spawn(self.group.host, function()
    local values = pack(self:join())
    if not waiting.cancelled then
      return fn(unpack(values, 1, values.n))
    end
  end)
  return waiting
end

--- Cancel the job: the call that it waits in returns nil and an error of kind
--- "cancelled".  A job that has not started does not start.
function Job:cancel()
  if self.status == "running" then
    self.cancelled = true
    if self.thread then
      self.group.host.wake(self.thread)
    end
  end
end

--- `local job <close> = camb.spawn(…)` cancels it at the end of its scope.
Job.__close = Job.cancel

--- True once the job has returned or raised.
---@return boolean
function Job:is_done()
  return self.status ~= "running"
end

return job
