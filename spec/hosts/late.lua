--- How late other work of the host comes, before a separation and during it.  The
--- host's first second, in which it starts, is not counted.

local core = require "camb.core"

local late = { idle = {}, busy = {}, phase = "idle" }

local START = 1 -- seconds

local first, last

--- Call this from work of the host that comes every `period` seconds.
function late.tick(period)
  local now = core.time()
  first = first or now
  if last and now - first > START then
    local list = late[late.phase]
    list[#list + 1] = math.max(0, now - last - period) * 1000
  end
  last = now
end

--- From here on a separation runs.
function late.begin()
  late.phase = "busy"
end

local function line(name, list)
  table.sort(list)
  local function at(part)
    return list[math.max(1, math.ceil(#list * part))] or 0
  end
  return ("%s %d %.1f %.1f %.1f\n"):format(name, #list, at(0.5), at(0.99),
    at(1))
end

--- Write down what was measured: count, median, 99th percentile, most; ms.
---@param words string # what became of the separation
function late.report(words)
  local file = assert(io.open(os.getenv "REPORT" or "/take/report", "w"))
  file:write(line("idle", late.idle), line("busy", late.busy), words, "\n")
  file:close()
end

return late
