--- A semaphore for coroutines: a limited number of places, given to waiters in
--- the order of their arrival.

local condition = require "camb.async.condition"

local semaphore = {}

---@class camb.Semaphore
---@field free integer # places; below 0 if some were taken beyond the bound
local Semaphore = {}
Semaphore.__index = Semaphore

--- A new semaphore for the loop of `client`, with `count` places.
---@param client table?
---@param count integer
---@return camb.Semaphore
function semaphore.new(client, count)
  return setmetatable({ client = client, free = count, is_closed = false,
    waiters = {}, first = 1, last = 0 }, Semaphore)
end

-- Give free places to the waiters first: a newcomer must not overtake them.
local function hand_out(self)
  while self.free > 0 and self.first <= self.last do
    local waiter = self.waiters[self.first]
    self.waiters[self.first] = nil
    self.first = self.first + 1
    if not waiter.is_gone then
      self.free = self.free - 1
      waiter.has_place = true
      waiter.woken:notify()
    end
  end
end

local function wait(self)
  local waiter = { woken = condition.new(self.client), has_place = false,
    is_gone = false }
  self.last = self.last + 1
  self.waiters[self.last] = waiter
  while not waiter.has_place and not self.is_closed do
    if not waiter.woken:wait() then
      waiter.is_gone = true
      if waiter.has_place then
        self:release()
      end
      return false
    end
  end
  return not self.is_closed
end

--- Take a place, waiting for one.  False if the semaphore was closed, or the
--- running job was cancelled.
---@return boolean
function Semaphore:acquire()
  if self.is_closed then
    return false
  elseif self.free > 0 then
    self.free = self.free - 1
    return true
  end
  return wait(self)
end

--- Take a place, even if there is none.
function Semaphore:take()
  self.free = self.free - 1
end

--- Give a place back.
function Semaphore:release()
  self.free = self.free + 1
  hand_out(self)
end

--- Wake every waiter.
function Semaphore:close()
  self.is_closed = true
  for i = self.first, self.last do
    self.waiters[i].woken:notify()
  end
end

return semaphore
