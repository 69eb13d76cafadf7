--- camb's own loop: a host as camb.async.scheduler describes it.  It has no
--- thread: camb.run, a blocking call outside its jobs, and client:step run its
--- turns.

local core = require "camb.core"
local coroutine = require "camb.async.coroutine"
local timers = require "camb.async.timers"

local unpack = table.unpack or unpack -- luacheck: ignore

local builtin = { name = "camb's own" }

-- The coroutine of this loop that was resumed last, and runs, maybe as the
-- parent of a foreign one.
local current

-- Our coroutines: "ready", "running" or "parked".
local state = setmetatable({}, { __mode = "k" })
-- The function and the argument of a coroutine that has not started.
local beginning = setmetatable({}, { __mode = "k" })
-- Coroutines to resume, in the order in which they were woken: a ring with room
-- for all of this loop, so that waking one takes no memory.
local ring, size = {}, 0
local first, count = 1, 0
local alive = 0
local sleeping = timers.new()
-- The clients that are waited for, and their sessions at the same places.
local clients, sessions = {}, {}

--- The running coroutine, if it belongs to this loop.
---@return thread?
function builtin.running()
  local thread = coroutine.running()
  return thread and state[thread] and thread
end

--- That coroutine, or the one of this loop that has resumed it.
---@return thread?
function builtin.current()
  return current
end

-- Room for one more; what has come round in the ring moves behind its end.
local function make_room()
  if alive < size then
    return
  end
  local more = math.max(16, size)
  for i = size + 1, size + more do
    ring[i] = false
  end
  for i = 1, first + count - 1 - size do
    ring[size + i], ring[i] = ring[i], false
  end
  size = size + more
end

--- Resume a suspended coroutine in the next turn.
---@param thread thread
function builtin.wake(thread)
  if state[thread] == "parked" then
    state[thread] = "ready"
    local place = first + count
    ring[place <= size and place or place - size] = thread
    count = count + 1
  end
end

--- Suspend the running coroutine until it is woken, or for `seconds`.
---@param seconds number?
function builtin.suspend(seconds)
  local thread = coroutine.running()
  if not seconds then
    state[thread] = "parked"
    return coroutine.yield()
  end
  local entry = sleeping:add(thread, core.now() + seconds)
  state[thread] = "parked"
  coroutine.yield()
  sleeping:remove(entry)
end

--- Start `fn(argument)` in a new coroutine, in the next turn.
---@param fn function
---@param argument any
function builtin.start(fn, argument)
  local thread = coroutine.create(fn)
  make_room()
  beginning[thread], state[thread] = argument, "parked"
  alive = alive + 1
  builtin.wake(thread)
end

--- Called with a coroutine that did not return, the reason (nil if it was
--- closed), and its argument, in case it never started; set by camb.async.job.
function builtin.on_failure() end

-- If a call fails for lack of memory, `current` and its state show it.
local function resume_next()
  local thread, before = ring[first], current
  ring[first] = false
  first, count = first < size and first + 1 or 1, count - 1
  state[thread], current = "running", thread
  local is_closed = coroutine.status(thread) == "dead"
  local ok, problem = coroutine.resume(thread, beginning[thread])
  if coroutine.status(thread) == "dead" then
    if not ok then
      coroutine.close(thread)
      builtin.on_failure(thread, not is_closed and problem or nil,
        beginning[thread])
    end
    state[thread], alive = nil, alive - 1
  end
  beginning[thread], current = nil, before
end

-- One that was about to be resumed, or had just ended.
local function take_up_broken()
  if current and state[current] == "running"
    and coroutine.status(current) ~= "running"
    and coroutine.status(current) ~= "normal"
  then
    state[current] = "parked"
    builtin.wake(current)
    current = builtin.running()
  end
end

-- Rounds in one turn for coroutines that were woken meanwhile: enough for a job
-- to hand over to the next, but bounded.
local ROUNDS = 4

-- Resume the coroutines that have been woken so far; false if `till` came.
local function run_round(till)
  for _ = 1, count do
    if count > 0 then
      resume_next()
    end
    if till and core.now() >= till then
      return false
    end
  end
  return true
end

--- Resume the coroutines that were woken, and those that they wake, until so
--- many seconds have passed.  A job may run a turn itself, so this must be
--- reentrant.  False if none was woken.
---@param seconds number? # nil: no limit
---@return boolean
function builtin.run_ready(seconds)
  take_up_broken()
  local rounds, till = 0, seconds and core.now() + seconds
  local goes_on = true
  while goes_on and count > 0 and rounds < ROUNDS do
    goes_on = run_round(till)
    rounds = rounds + 1
  end
  return rounds > 0
end

local function wake_sleepers()
  local now = core.now()
  local thread = sleeping:due(now)
  while thread do
    builtin.wake(thread)
    thread = sleeping:due(now)
  end
end

--- Step `client` in every turn from now on.
function builtin.attach(client)
  if not client.place then
    local place = #clients + 1
    sessions[place] = client.session
    clients[place] = client
    client.place = place
  end
end

--- The reverse; twice is fine.
function builtin.detach(client)
  local place, top = client.place, #clients
  if place then
    clients[place], sessions[place] = clients[top], sessions[top]
    clients[place].place = place
    clients[top], sessions[top] = nil, nil
    client.place = false
  end
end

--- Seconds until a turn has something to do without an event; nil: it may take
--- forever.
---@return number?
function builtin.timeout()
  if count > 0 then
    return 0
  end
  local at = sleeping:next_at()
  return at and math.max(0, at - core.now())
end

-- Seconds that a client may run where no host waits for the end of its step:
-- steps that are short cost more.
local LONG = 0.02

local function step_clients(seconds, budget)
  if #clients == 1 then
    clients[1]:pump(seconds, budget)
    return
  end
  core.wait(seconds, unpack(sessions, 1, #clients))
  for i = #clients, 1, -1 do
    clients[i]:pump(0, budget)
  end
end

--- Resume every coroutine that is ready, once; block for at most `seconds`
--- until one is (nil: no limit).  False if there is nothing to wait for.
---@param seconds number?
---@param budget number? # seconds for the coroutines, as for run_ready; nil: no
---  host waits for the end of the turn
---@return boolean
function builtin.turn(seconds, budget)
  local own = builtin.timeout()
  if not own and not seconds and #clients == 0 then
    return false
  end
  step_clients(own and seconds and math.min(own, seconds) or own or seconds,
    not budget and LONG or nil)
  wake_sleepers()
  builtin.run_ready(budget)
  return true
end

return builtin
