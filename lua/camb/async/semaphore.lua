--- How many may do something at a time; whoever comes later waits.

local condition = require "camb.async.condition"

local semaphore = {}

---@class camb.Semaphore
---@field free integer # places; below 0 where some were taken beyond the bound
local Semaphore = {}
Semaphore.__index = Semaphore

--- A new semaphore for the loop of `client`, with `count` places.
---@param client table?
---@param count integer
---@return camb.Semaphore
function semaphore.new(client, count)
  return setmetatable({ free = count, is_closed = false,
    freed = condition.new(client) }, Semaphore)
end

--- Take a place, when there is one.  False when the semaphore was closed, or
--- the running job cancelled.
---@return boolean
function Semaphore:acquire()
  while self.free <= 0 and not self.is_closed do
    if not self.freed:wait() then
      return false
    end
  end
  if self.is_closed then
    return false
  end
  self.free = self.free - 1
  return true
end

--- Take a place, also where there is none.
function Semaphore:take()
  self.free = self.free - 1
end

--- Give a place back.
function Semaphore:release()
  self.free = self.free + 1
  if self.free > 0 then
    self.freed:notify(1)
  end
end

--- Let nobody wait any longer.
function Semaphore:close()
  self.is_closed = true
  self.freed:notify()
end

return semaphore
