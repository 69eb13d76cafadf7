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
---  woken, or for so long.  It may resume without either
---@field wake fun(thread: thread) # resume a suspended coroutine soon, never
---  within this call; others are left alone
---@field start fun(fn: function, argument: any) # run fn(argument) soon, in a
---  coroutine of its own
---@field attach fun(client: camb.Client) # call client:step(0) whenever its
---  descriptor is readable or its timeout is over, until detach(client).  It is
---  called at every wait, also if the client is attached already
---@field detach fun(client: camb.Client) # let go of the client's descriptor
---  before returning.  A second call does nothing

--- The coroutine that is about to wait; see camb.async.job.
scheduler.waiter = job.waiter

--- Suspend the running coroutine of a host; see camb.async.job.
scheduler.suspend = job.suspend

--- pcall if a coroutine can yield inside it; otherwise a plain call.
scheduler.protect = job.protect

-- From outside of all jobs: turn the loop until those of `group` have ended.
local function run_group(group)
  while group.running > 0 do
    if not builtin.turn() then
      error("deadlock in camb.run: every job waits for another", 0)
    end
  end
end

-- From inside of a job: leave the time to them until they have ended.
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
  local ok, problem = job.protect(
    is_inside and wait_for_group or run_group, group)
  if not ok then
    group.next, unended = unended, group
    end_rest()
    job.raise_unseen(group) -- others may wait in vain for one that failed
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
  local host, parent = scheduler.host(client), job.parent()
  local group = parent and parent.group.host == host and parent.group
  return job.begin(group or job.lone(host), fn, ...)
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
  end_rest()
  client.waiting = client.waiting + 1
  builtin.attach(client)
  local ok, problem = pcall(builtin.turn)
  stop_waiting(client, builtin)
  if not ok then
    error(problem, 0)
  end
end

--- Wait until `box.waiter`, which is set now, is woken by an event of `client`,
--- or for a while: the caller looks again, then calls `leave`.
--- A tail call leaves no frame on the stack of thousands that wait.
---@param client table
---@param box table
function scheduler.wait(client, box)
  local host = client.loop or builtin
  local thread = job.waiter(host)
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

--- The wait for `box` is over.  A second call does nothing.
function scheduler.leave(client, box)
  if box.waiter then
    box.waiter = false
    stop_waiting(client, client.loop or builtin)
  end
end

--- Whether the running job was cancelled.
function scheduler.is_cancelled()
  local running = job.running()
  return running ~= nil and running.cancelled
end

--- Resume the coroutine that waits for `box`.
function scheduler.notify(client, box)
  if box.waiter then
    (client.loop or builtin).wake(box.waiter)
  end
end

--- `box` is given up.  If a coroutine waited for it, that was closed, and its
--- job ends with it.
function scheduler.abandon(client, box)
  local thread = box.waiter
  if thread then
    scheduler.leave(client, box)
    job.abandon(thread)
  end
end

--- Outside of all jobs: a turn of the built-in loop, in which `client` is
--- stepped, too.
---@param client table
---@param seconds number?
function scheduler.step(client, seconds)
  end_rest()
  builtin.attach(client)
  local ok, problem = pcall(builtin.turn, seconds)
  if client.waiting == 0 then
    builtin.detach(client)
  end
  if not ok then
    error(problem, 0)
  end
  job.raise_unseen(job.lone(builtin))
end

return scheduler
