--- Adds up what several runs of busted have counted, for `make test`:
---
---   total.lua LOG RUNS
---
--- Fails where a spec did, or where a run has left no count.

local log, runs = arg[1], tonumber(arg[2])
local COUNTS = "^(%d+) success%a* / (%d+) failures? / (%d+) errors? / "
  .. "(%d+) pending"

local total, seen = { 0, 0, 0, 0 }, 0
for line in io.lines(log) do
  local counts = { line:gsub("\27%[[%d;]*m", ""):match(COUNTS) }
  for i, count in ipairs(counts) do
    total[i] = total[i] + count
  end
  seen = seen + (counts[1] and 1 or 0)
end
print(("in all: %d specs passed, %d failed, %d pending"):format(total[1],
  total[2] + total[3], total[4]))
if seen < runs then
  print(("%d of %d runs have ended without a count"):format(runs - seen, runs))
end
os.exit(seen >= runs and total[2] + total[3] == 0 and 0 or 1)
