--- What the store costs: time and processor time per job, for adding, claiming
--- and four changes of its state, committed for 32 jobs at a time, beside 100,
--- 10,000 and 100,000 rows.
---
---   eval "$(make -s env)"
---   lua5.4 spec/bench/store.lua [postgres://…]
---
--- The file lies in TMPDIR, or /var/tmp, and is removed.

local core = require "camb.core"
local store = require "camb.store"

local GROUP, SAMPLE = 32, 3200
local STEMS = { foreground = "x.foreground.flac", foreground_size = 1,
  foreground_sha256 = ("a"):rep(64), background = "x.background.flac",
  background_size = 1, background_sha256 = ("b"):rep(64) }

local spec = arg[1]
local folder = os.getenv("TMPDIR") or "/var/tmp"
local path = ("%s/camb-bench-%s.db"):format(folder, os.time())

local function remove()
  for _, suffix in ipairs({ "", "-wal", "-shm" }) do
    os.remove(path .. suffix)
  end
end

local function add(jobs, first, last)
  for at = first, last, 1000 do
    local list = {}
    for i = at, math.min(at + 999, last) do
      list[#list + 1] = { key = ("takes/take-%07d.wav"):format(i), options = "{}",
        source = ("/srv/takes/take-%07d.wav"):format(i), size = i, mtime = i }
    end
    assert(jobs:add(list))
  end
end

local function in_group(jobs, rows, step)
  assert(jobs:transact(function()
    for i, row in ipairs(rows) do
      assert(step(row.key, i))
    end
    return true
  end))
end

-- One group of jobs from intended to downloaded, a commit for each turn.
local function run_group(jobs)
  local rows = assert(jobs:claim(GROUP))
  in_group(jobs, rows, function(key, i)
    return jobs:submitting(key, { sha256 = ("%064d"):format(i) })
  end)
  in_group(jobs, rows, function(key) return jobs:submitted(key, "t-" .. key) end)
  in_group(jobs, rows, function(key, i) return jobs:finished(key, i) end)
  in_group(jobs, rows, function(key) return jobs:downloaded(key, STEMS) end)
  return #rows > 0 and #rows or nil
end

-- Microseconds a job: of the clock, and of this process.
local function measure(fn)
  local wall, cpu = core.now(), os.clock()
  local jobs = fn()
  return (core.now() - wall) / jobs * 1e6, (os.clock() - cpu) / jobs * 1e6
end

local function line(label, rows, wall, cpu)
  print(("%-34s %8d rows %10.1f us/job %10.1f us CPU"):format(label, rows,
    wall, cpu))
end

-- Half of `rows` done already, so that claims have to find the others.
local function bench(rows)
  remove()
  local jobs = assert(store.open(spec or path))
  local done = jobs:count().downloaded or 0
  local wall, cpu = measure(function()
    add(jobs, done + 1, done + rows)
    return rows
  end)
  line("add", rows, wall, cpu)
  local sample = math.min(SAMPLE, rows)
  wall, cpu = measure(function()
    local count = 0
    repeat
      count = count + run_group(jobs)
    until count >= sample
    return count
  end)
  line("claim and four states, the first", rows, wall, cpu)
  if rows > 3 * SAMPLE then
    while (jobs:count().intended or 0) > SAMPLE do
      for _ = 1, 200 do
        run_group(jobs)
      end
    end
  end
  local last_wall, last_cpu = wall, cpu
  if (jobs:count().intended or 0) > 0 then
    last_wall, last_cpu = measure(function()
      local count = 0
      for group in run_group, jobs do
        count = count + group
      end
      return count
    end)
    line("claim and four states, the last", rows, last_wall, last_cpu)
  end
  jobs:close()
  wall, cpu = measure(function()
    jobs = assert(store.open(spec or path))
    return rows
  end)
  line("opening again", rows, wall, cpu)
  jobs:close()
  return last_wall, last_cpu
end

local wall_100, cpu_100 = 0, 0
for _ = 1, 5 do -- 100 rows are over too soon for one look
  local wall, cpu = bench(100)
  wall_100, cpu_100 = wall_100 + wall / 5, cpu_100 + cpu / 5
end
bench(10000)
local wall, cpu = bench(100000)
print(("100,000 rows over 100: %.2f of the time, %.2f of the CPU"):format(
  wall / wall_100, cpu / cpu_100))
remove()
