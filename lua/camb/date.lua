--- Moments in UTC as numbers: os.time reads only those of the local clock.

local date = {}

--- Seconds since 1970.
---@param year number|string # each may be its digits
---@param month number|string # 1 to 12
---@param day number|string
---@param hour number|string
---@param minute number|string
---@param second number|string
---@return number
function date.seconds(year, month, day, hour, minute, second)
  local years = month + 0 > 2 and year + 0 or year - 1 -- that begin in March
  local days = 365 * years + math.floor(years / 4) - math.floor(years / 100)
    + math.floor(years / 400) + math.floor((153 * ((month + 9) % 12) + 2) / 5)
    + day - 719469
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end

return date
