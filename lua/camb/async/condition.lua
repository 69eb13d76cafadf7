--- What a coroutine waits for until another one says that it is so.

local builtin = require "camb.async.loop"
local core = require "camb.core"
local scheduler = require "camb.async.scheduler"

local condition = {}

---@class camb.Condition
local Condition = {}
Condition.__index = Condition

--- A new condition for the loop of `client`, or the one of the running
--- coroutine.
---@param client table?
---@return camb.Condition
function condition.new(client)
  return setmetatable({ host = scheduler.host(client), first = 1, last = 0 },
    Condition)
end

-- Outside of the loop's coroutines nothing else would turn the loop.
local function turn(host)
  if host ~= builtin then
    error(("this can wait only in a coroutine of its loop (%s)"):format(
      host.name), 0)
  elseif not builtin.turn() then
    error("deadlock: nothing running can wake this coroutine", 0)
  end
end

--- Wait for the next `notify`.  False when the running job was cancelled.
---@param seconds number? # in a coroutine of the loop: for so long at most
---@return boolean
function Condition:wait(seconds)
  local thread = scheduler.waiter(self.host)
  local waiter, place = thread or {}, self.last + 1
  local till = seconds and core.now() + seconds
  self.last, self[place] = place, waiter
  while self[place] == waiter do -- another one may have come to its place
    if not thread then
      turn(self.host)
    elseif not scheduler.suspend(self.host, till and till - core.now()) then
      self:leave(place, waiter)
      return false
    elseif till and core.now() >= till and self[place] == waiter then
      self[place] = nil
      return true
    end
  end
  return true
end

-- What was meant for one who was cancelled goes to the next.
function Condition:leave(place, waiter)
  if self[place] == waiter then
    self[place] = nil
  else
    self:notify(1)
  end
end

--- Let those go on who wait, the first come first.
---@param count integer? # how many; default all
function Condition:notify(count)
  count = count or math.huge
  while count > 0 and self.first <= self.last do
    local waiter = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    if waiter then
      count = count - 1
      self.host.wake(waiter)
    end
  end
  if self.first > self.last then
    self.first, self.last = 1, 0
  end
end

return condition
