--- What the store costs beside 100, 100,000 and 1,000,000 rows, half of them
--- done: a claim of a job, a record of a job's state (20 in a commit), the counts
--- of --status, opening, and a file that is enlisted again.
---
---   eval "$(make -s env)"
---   lua5.4 spec/bench/store.lua [sqlite|postgres|postgres://… [rows …]]
---
--- Of each the middle and the least of some rounds, how often the latter is that
--- of the smallest store, and the processor time in this process (a PostgreSQL has
--- its own).  Without a word both databases are measured: a file in TMPDIR, or
--- /var/tmp, and a server of our own.  One that is named has to be empty; its rows
--- stay.

local bench = require "spec.support.bench"
local cqueues = require "cqueues"
local postgres = require "spec.support.postgres"
local store = require "camb.store"
local workspace = require "spec.support.workspace"

local GROUP, ROUNDS, PAGE, LOOKS = 32, 20, 5000, 200
-- What each may grow by from the smallest store to the largest.
local MOST = 2

local which = arg[1]
local sizes = { tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4]) }
if #sizes == 0 then
  sizes = { 100, 100000, 1000000 }
end
local spec -- of the store that is measured
local smallest = {} -- by label: what that store took

local function job(i)
  return { key = ("takes/take-%07d.wav"):format(i), options = "{}",
    source = ("/srv/takes/take-%07d.wav"):format(i), size = i, mtime = i }
end

local function add(jobs, first, last)
  local list = {}
  for i = first, last do
    list[#list + 1] = job(i)
  end
  return assert(jobs:add(list))
end

-- Every second one of these rows is done.
local function fill(jobs, first, last)
  for at = first, last, PAGE do
    local to = math.min(at + PAGE - 1, last)
    add(jobs, at, to)
    assert(jobs.session:write(function(conn)
      return conn:run("UPDATE camb_jobs SET state = 'downloaded', "
        .. "task_id = 't', run_id = '1', foreground = 'f', background = 'b', "
        .. "sent = 1 WHERE id >= ? AND id <= ? AND id % 2 = 0 "
        .. "AND state = 'intended'", at, to)
    end))
  end
end

-- Seconds of the rounds, sorted, and the processor time of one.
local function measure(fn)
  local spans, cpu = {}, os.clock()
  for i = 1, ROUNDS do
    local before = cqueues.monotime()
    fn(i)
    spans[i] = cqueues.monotime() - before
  end
  table.sort(spans)
  return spans, (os.clock() - cpu) / ROUNDS
end

local function line(label, rows, unit, count, spans, cpu)
  local least = spans[1]
  smallest[label] = smallest[label] or least
  local growth = least / smallest[label]
  print(("%-8s %8d rows %9.1f us/%-5s least %9.1f us %5.2f x  %9.1f us CPU%s")
    :format(label, rows, spans[ROUNDS / 2] / count * 1e6, unit,
    least / count * 1e6, growth, cpu / count * 1e6, rows == sizes[#sizes]
    and ("  aim %d x: %s"):format(MOST, bench.verdict(growth < MOST)) or ""))
  io.stdout:flush()
end

local function in_group(jobs, rows, step)
  assert(jobs:transact(function()
    for _, row in ipairs(rows) do
      assert(step(row.key))
    end
    return true
  end))
end

-- Files from the one with this number on, which the store knows.
local function enlist_again(jobs, at)
  add(jobs, at, at + GROUP - 1)
  local keys = {}
  for i = at, at + GROUP - 1 do
    keys[#keys + 1] = job(i).key
  end
  assert(jobs:get_all(keys))
end

local function measure_all(jobs, rows)
  local claimed = {}
  line("claim", rows, "claim", 1, measure(function(i)
    claimed[i] = assert(jobs:claim(1))
  end))
  local count = 0
  for _, taken in ipairs(claimed) do
    count = count + #taken
  end
  assert(count == ROUNDS, "rows are missing")
  local group = {}
  for _, taken in ipairs(claimed) do
    group[#group + 1] = taken[1]
  end
  local spans, cpu = measure(function()
    in_group(jobs, group, function(key) return jobs:submitting(key) end)
    in_group(jobs, group, function(key) return jobs:unsent(key) end)
  end)
  line("record", rows, "state", 2 * #group, spans, cpu)
  in_group(jobs, group, function(key) return jobs:release(key) end)
  line("status", rows, "look", LOOKS, measure(function()
    for _ = 1, LOOKS do
      assert(jobs:count())
    end
  end))
  line("enlist", rows, "file", GROUP * ROUNDS, measure(function(i)
    for k = 1, ROUNDS do
      enlist_again(jobs, (i * k * 7919) % math.max(1, rows - GROUP) + 1)
    end
  end))
  line("open", rows, "store", 1, measure(function()
    assert(store.open(spec)):close()
  end))
end

local function run(name, made)
  print(("%s, load %s"):format(name, bench.read("/proc/loadavg")
    :match("^%S+")))
  spec, smallest = made, {}
  local jobs = assert(store.open(spec))
  local there = 0
  for _, rows in ipairs(sizes) do
    local before = cqueues.monotime()
    fill(jobs, there + 1, rows)
    print(("%-8s %8d rows %9.1f us/row"):format("fill", rows,
      (cqueues.monotime() - before) / (rows - there) * 1e6))
    there = rows
    if store.is_url(spec) then
      jobs.session.conn:run("ANALYZE camb_jobs")
    end
    measure_all(jobs, rows)
  end
  jobs:close()
end

if not which or which == "sqlite" then
  local folder = bench.folder()
  run("SQLite", folder .. "/batch.db")
  workspace.remove(folder)
end
if not which or which == "postgres" then
  local server = assert(postgres.start())
  run("PostgreSQL", server:create())
  server:remove()
elseif store.is_url(which) then
  run("PostgreSQL", which)
end
