--- The loop that camb brings along: a host as camb.async.scheduler describes
--- it.
--- Nothing runs it by itself: a turn is made by camb.run, by whatever waits
--- outside of its jobs, and by client:step.

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
-- What a coroutine that has not begun begins with.
local beginning = setmetatable({}, { __mode = "k" })
-- Those to resume, in the order of their waking: a ring with room for all of
-- this loop, so that waking one takes no memory.
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

--- Let a coroutine that is suspended go on in the next turn.
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

--- Begin `fn(argument)` in a coroutine of its own, in the next turn.
---@param fn function
---@param argument any
function builtin.start(fn, argument)
  local thread = coroutine.create(fn)
  make_room()
  beginning[thread], state[thread] = argument, "parked"
  alive = alive + 1
  builtin.wake(thread)
end

--- Called with a coroutine that did not return, why, which is nothing for one
--- that was closed, and the argument of one that maybe did not begin; set by
--- camb.async.job.
function builtin.on_failure() end

-- Where a call fails for lack of memory, `current` and its state tell of it.
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

-- How often in a turn those go on who were woken meanwhile: more than a job
-- takes to hand on to the next, and not for ever.
local ROUNDS = 4

-- Let those go on who were woken until now.
local function run_round()
  for _ = 1, count do
    if count > 0 then
      resume_next()
    end
  end
end

--- Let those go on who were woken, and whom they wake.  A job may make a turn
--- itself, so this has to bear a call from within.  False when nobody was.
---@return boolean
function builtin.run_ready()
  take_up_broken()
  local rounds = 0
  while count > 0 and rounds < ROUNDS do
    run_round()
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

--- Seconds for which a turn has nothing to do of its own accord; nil: there is
--- no end to them.
---@return number?
function builtin.timeout()
  if count > 0 then
    return 0
  end
  local at = sleeping:next_at()
  return at and math.max(0, at - core.now())
end

local function step_clients(seconds)
  if #clients == 1 then
    clients[1]:pump(seconds)
    return
  end
  core.wait(seconds, unpack(sessions, 1, #clients))
  for i = #clients, 1, -1 do
    clients[i]:pump(0)
  end
end

--- Let everybody go on who can, once; blocks for `seconds` at most until
--- somebody can (nil: without limit).  False when there is nothing to wait for.
---@param seconds number?
---@return boolean
function builtin.turn(seconds)
  local own = builtin.timeout()
  if not own and not seconds and #clients == 0 then
    return false
  end
  step_clients(own and seconds and math.min(own, seconds) or own or seconds)
  wake_sleepers()
  builtin.run_ready()
  return true
end

return builtin
