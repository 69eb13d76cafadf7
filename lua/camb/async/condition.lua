--- A condition variable for coroutines: another coroutine, or a step of a
--- client, wakes those that wait.

local builtin = require "camb.async.loop"
local core = require "camb.core"
local job = require "camb.async.job"
local scheduler = require "camb.async.scheduler"

local condition = {}

-- Waiters are kept at the places up to `last` until they leave; those before
-- `first` have been notified.  Notifying them takes no memory.
---@class camb.Condition
local Condition = {}
Condition.__index = Condition

--- A new condition for the loop of `client`, or the one of the running
--- coroutine.
---@param client table?
---@return camb.Condition
function condition.new(client)
  return setmetatable({ host = scheduler.host(client), client = false,
    first = 1, last = 0, waiting = 0 }, Condition)
end

--- A new condition that a step of `client` notifies; the client is stepped
--- while a coroutine waits.
---@param client table
---@return camb.Condition
function condition.of_client(client)
  local self = condition.new(client)
  self.client = client
  return self
end

-- Outside of the loop's coroutines nothing else would turn the loop.
local function turn(self)
  if self.client and self.client.loop then
    self.client:pump()
  elseif self.host ~= builtin then
    error(("this can wait only in a coroutine of its loop (%s)"):format(
      self.host.name), 0)
  elseif not scheduler.turn() then
    error("deadlock: nothing running can wake this coroutine", 0)
  end
end

-- `waiter`, a thread or true, begins to wait.
local function enter(self, waiter)
  local client, place = self.client, self.last + 1
  if client and (waiter ~= true or self.host == builtin) then
    self.host.attach(client)
  end
  self[place] = waiter
  self.last, self.waiting = place, self.waiting + 1
  if client then
    client.waiting = client.waiting + 1
  end
  return place
end

local function leave(self, place)
  local client = self.client
  self[place] = nil
  self.waiting = self.waiting - 1
  if self.waiting == 0 then
    self.first, self.last = 1, 0
  end
  if client then
    client.waiting = client.waiting - 1
    if client.waiting == 0 then
      self.host.detach(client)
    end
  end
end

local function block(self, place)
  while place >= self.first do
    local ok, problem = pcall(turn, self)
    if not ok then
      leave(self, place)
      error(problem, 0)
    end
  end
  leave(self, place)
  return true
end

--- Wait for the next `notify`.  False if the running job was cancelled.
---@param seconds number? # in a coroutine of the loop: the longest wait
---@return boolean
function Condition:wait(seconds)
  local thread = scheduler.waiter(self.host)
  local place = enter(self, thread or true)
  if not thread then
    return block(self, place)
  end
  local running = job.running()
  local till = seconds and core.now() + seconds
  local goes_on = not (running and running.cancelled)
  while goes_on and place >= self.first do
    self.host.suspend(till and math.max(0, till - core.now()))
    goes_on = not (running and running.cancelled)
    if till and core.now() >= till then
      break
    end
  end
  if not goes_on and place < self.first then
    self:notify(1) -- a cancelled waiter passes it on
  end
  leave(self, place)
  return goes_on
end

--- Wake all waiters, in the order of their arrival.
---@param count integer? # how many; default all
function Condition:notify(count)
  count = count or math.huge
  while count > 0 and self.first <= self.last do
    local waiter = self[self.first]
    if waiter and waiter ~= true then
      self.host.wake(waiter) -- if that fails, the next notify does it
    end
    self.first, count = self.first + 1, count - (waiter and 1 or 0)
  end
end

--- The waits do not return: their coroutines were closed, and their jobs end
--- with that, or raise.
---@param is_closed boolean
function Condition:abandon(is_closed)
  for place, waiter in pairs(self) do
    if type(place) == "number" then
      leave(self, place)
      if is_closed and waiter ~= true then
        scheduler.abandon(waiter)
      end
    end
  end
end

return condition
