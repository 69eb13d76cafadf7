--- Jobs as plain coroutines, in the loop that camb brings along or in the
--- host's.  All waiting of the client goes through here.

local Error = require "camb.error"
local builtin = require "camb.async.loop"
local core = require "camb.core"
local job = require "camb.async.job"

local scheduler = {}

--- An event loop that a client can wait in: the option `loop` of camb.client.
---@class camb.Loop
---@field name string? # for messages
---@field running fun(): thread? # the running coroutine, if the loop can
---  suspend it; nil outside of its coroutines
---@field suspend fun(seconds: number?) # suspend that coroutine until it is
---  woken, or for this long. It may resume without either
---@field wake fun(thread: thread) # resume a suspended coroutine soon, never
---  within this call; others are left alone
---@field start fun(fn: function, argument: any) # run fn(argument) soon, in a
---  coroutine of its own
---@field attach fun(client: camb.Client) # call client:step(0) whenever its
---  descriptor is readable or its timeout is over, until detach(client).  It is
---  called at every wait, also if the client is attached already
---@field detach fun(client: camb.Client) # stop watching the client's
---  descriptor before returning. A second call does nothing

--- The coroutine that is about to wait; see camb.async.job.
scheduler.waiter = job.waiter

--- The coroutine of a job was closed while it waited; see camb.async.job.
scheduler.abandon = job.abandon

--- pcall that a coroutine can yield inside.
scheduler.protect = job.protect

-- Outside of all jobs: turn the loop until those of `group` have ended.
local function run_group(group)
  while group.running > 0 do
    if not builtin.turn() then
      error("deadlock in camb.run: every job waits for another", 0)
    end
  end
end

-- Inside a job: suspend it until they have ended.
local function wait_for_group(group)
  local alive = true
  group.waiter = builtin.running()
  while group.running > 0 do
    if alive then
      alive = job.suspend(builtin)
    else
      job.cancel_all(group)
      builtin.suspend()
    end
  end
end

-- What went wrong with the loop itself ends its jobs, too.
local function end_group(group)
  job.cancel_all(group)
  repeat
    local goes_on = group.running > 0 and builtin.run_ready()
  until not goes_on
end

-- Groups that could not be ended, as memory ran out: it is tried again.
local unended = false

local function end_rest()
  local group = unended
  while group do
    end_group(group)
    group = group.next
    unended = group
  end
end

--- Run `fn` and every job that it spawns.  Returns what `fn` returned once all
--- of them have ended; raises the first error that no `join` has seen.
---@param fn function
---@param ... any # its arguments
---@return any ...
function scheduler.run(fn, ...)
  if type(fn) ~= "function" then
    error("camb.run: function expected, got " .. type(fn), 2)
  end
  local is_inside = job.waiter(builtin)
  end_rest()
  local group = job.group(builtin)
  local main = job.begin(group, fn, ...)
  local ok, problem
  if is_inside then
    ok, problem = job.protect(wait_for_group, group)
  else
    ok, problem = pcall(run_group, group)
  end
  if not ok then
    group.next, unended = unended, group
    end_rest()
    job.raise_unseen(group) -- others may wait forever for one that failed
    error(problem, 0)
  end
  job.raise_unseen(group)
  return main:join()
end

--- Start `fn(...)` as a job.  It runs during camb.run, during any call that
--- waits outside all jobs, and in client:step, which raises an error that no
--- `join` has seen.
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
  local parent = not client and job.parent()
  return client and client.loop or parent and parent.group.host or builtin
end

--- Begin `fn(...)` as a job of the client's loop.
---@param client table?
---@param fn function
---@param ... any # its arguments
---@return camb.Job
function scheduler.spawn_for(client, fn, ...)
  return job.spawn(scheduler.host(client), fn, ...)
end

-- Sleep until core.now() is `at`, whatever wakes the coroutine before.
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
  if not job.waiter(host) then
    turn_until(at)
    return true
  end
  local left = seconds
  repeat
    if not job.suspend(host, math.max(0, left)) then
      return false
    end
    left = at - core.now()
  until left <= 0
  return true
end

--- Wait for `seconds` while other jobs run.  In a cancelled job it raises an
--- error of kind "cancelled", so that a loop of sleeps ends.
---@param seconds number
function scheduler.sleep(seconds)
  if type(seconds) ~= "number" then
    error("camb.sleep: number of seconds expected, got " .. type(seconds), 2)
  end
  if not scheduler.sleep_for(nil, seconds) then
    error(Error.new({ kind = "cancelled",
      message = "the job was cancelled" }), 0)
  end
end

--- Outside of all jobs: a turn of the built-in loop; false when there is
--- nothing to wait for.
---@return boolean
function scheduler.turn()
  end_rest()
  return builtin.turn()
end

--- Outside of all jobs: a turn of the built-in loop, in which `client` is
--- stepped, too.
---@param client table
---@param seconds number?
function scheduler.step(client, seconds)
  end_rest()
  builtin.attach(client)
  local ok, problem = pcall(builtin.turn, seconds, client.step_budget / 2)
  if client.waiting == 0 then
    builtin.detach(client)
  end
  if not ok then
    error(problem, 0)
  end
  job.raise_unseen(job.lone(builtin))
end

return scheduler
