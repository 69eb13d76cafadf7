local core = require "camb.core"

--- Refuse each of a path's requests in turn; where that takes too long, every
--- stride-th.  Prints how many.
---@param path string     # its name
---@param count integer   # requests that it makes undisturbed
---@param runs integer[]  # how many in a row are refused; all of this for each
---@param seconds number  # for all
---@param once fun(path: string, nth: integer, run: integer): integer # refuses the
---                       # nth, and returns how many were made
return function(path, count, runs, seconds, once)
  local begun, tried = core.now(), 0
  -- by what a run has taken so far: one that is refused something may wait
  local function stride()
    return math.max(1, math.ceil(count * #runs * (core.now() - begun)
      / (tried + 1) / seconds))
  end
  for _, run in ipairs(runs) do
    local nth = 1
    while once(path, nth, run) >= nth do
      tried = tried + 1
      nth = nth + stride()
    end
  end
  print(("  %-28s %6d requests, %5d refused, %5.1f s"):format(path, count,
    tried, core.now() - begun))
end
