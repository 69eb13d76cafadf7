--- Work that is cheaper for many at once: of the items that arrive within a
--- moment, the first does it for all.

local condition = require "camb.async.condition"
local core = require "camb.core"

local gathering = {}

---@class camb.Gathering
---@field waiting table[] # the items to do next
---@field doing table[]   # those that are being done
local Gathering = {}
Gathering.__index = Gathering

--- A new gathering in the loop of `client`: `work(items)` is called with those
--- that came within `seconds`.
---@param client table?
---@param seconds number
---@param work fun(items: table[])
---@return camb.Gathering
function gathering.new(client, seconds, work)
  return setmetatable({ seconds = seconds, work = work, waiting = {},
    doing = {}, is_led = false, is_urgent = false, is_closed = false,
    hurry = condition.new(client), done = condition.new(client) }, Gathering)
end

-- The others get at least a turn of the loop to arrive.
local function wait_for_others(self)
  local till = core.now() + self.seconds
  repeat
    local left = self.is_urgent and 0 or math.max(0, till - core.now())
    if not self.hurry:wait(left) then
      return false
    end
  until self.is_urgent or self.is_closed or core.now() >= till
  return not self.is_closed
end

local function lead(self)
  self.is_led = true
  local goes_on = wait_for_others(self)
  if goes_on then
    self.doing, self.waiting, self.is_urgent = self.waiting, {}, false
    self.work(self.doing)
    for _, item in ipairs(self.is_closed and {} or self.doing) do
      item.is_done = true
    end
    self.doing = {}
  end
  self.is_led = false
  self.done:notify()
  return goes_on
end

--- Do `item`, together with those of others.  False if the gathering was closed
--- before, or the running job was cancelled.
---@param item table
---@param is_urgent boolean? # do not wait for others
---@return boolean
function Gathering:join(item, is_urgent)
  self.waiting[#self.waiting + 1] = item
  if is_urgent and not self.is_urgent then
    self.is_urgent = true
    self.hurry:notify()
  end
  local goes_on = true
  while goes_on and not item.is_done and not self.is_closed do
    if self.is_led then
      goes_on = self.done:wait()
    else
      goes_on = lead(self)
    end
  end
  return item.is_done == true
end

--- Wake every waiter.  Unfinished items stay in `waiting` and
--- `doing`.
function Gathering:close()
  self.is_closed = true
  self.hurry:notify()
  self.done:notify()
end

return gathering
