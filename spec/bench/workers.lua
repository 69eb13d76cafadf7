--- What jobs cost with 1, 2 and 4 workers on one store: jobs by the second, and
--- processor time of the workers by the job, on SQLite and on a PostgreSQL of its
--- own (whose processor time is not in it).
---
---   make bench-programs; eval "$(make -s env)"
---   lua5.4 spec/bench/workers.lua [JOBS [sqlite|postgres]]
---
--- The service is spec/bench/service.c: 4 polls, and stems of 2 KiB.  Jobs by the
--- second are those of this machine as busy as it is, whose load is printed.

local bench = require "spec.support.bench"
local camb = require "camb"
local postgres = require "spec.support.postgres"
local store = require "camb.store"

local JOBS = tonumber(arg[1] or 10000)
local WORKERS = { 1, 2, 4 }
local BYTES, STEM_BYTES, POLLS = 4096, 2048, 3
local BUILD = os.getenv("BUILD") or "build"
local LUA = arg[-1] or "lua"

local folder = bench.folder()

local function make_sources()
  bench.run(("mkdir %s/sources"):format(folder))
  local paths = {}
  for i = 1, JOBS do
    paths[i] = ("%s/sources/%d.wav"):format(folder, i)
    local file = assert(io.open(paths[i], "wb"))
    file:write("RIFF", string.pack("<I4", BYTES - 8), "WAVE",
      string.pack("<I4", i), ("\0"):rep(BYTES - 16))
    file:close()
  end
  return paths
end

local function start_service()
  local log = folder .. "/service"
  os.remove(log)
  local pipe = assert(io.popen(("exec %s/bench/service %d %d >%s"):format(BUILD,
    POLLS, STEM_BYTES, log), "w"))
  local port
  for _ = 1, 100 do
    port = (bench.read(log) or ""):match("^api (%d+)")
    if port then
      return pipe, ("http://127.0.0.1:%d/apis"):format(port)
    end
    camb.sleep(0.05)
  end
  error("the service does not start: make bench-programs")
end

local function enlist(base_url, spec, paths)
  local client = camb.client({ base_url = base_url, api_key = "bench" })
  for item in client:batch(paths, { store = spec, add_only = true,
    output_dir = folder .. "/out" })
  do
    error(item.error)
  end
  client:close()
end

local function measure(spec, count, paths)
  bench.run(("rm -rf %s/out; mkdir %s/out"):format(folder, folder))
  local pipe, base_url = start_service()
  enlist(base_url, spec, paths)
  local words = {}
  for _ = 1, count do
    words[#words + 1] = ("%s spec/bench/jobs/client.lua work %s %s/out '%s' &")
      :format(LUA, base_url, folder, spec)
  end
  local file = assert(io.open(folder .. "/workers.sh", "w"))
  file:write(table.concat(words, "\n"), "\nwait\n")
  file:close()
  local cost = bench.cost(("bash %s/workers.sh"):format(folder), true)
  pipe:close()
  local jobs = assert(store.open(spec))
  assert(jobs:count().downloaded == JOBS, "not all jobs are done")
  jobs:close()
  return cost
end

local function compare(name, paths, fresh)
  for _, count in ipairs(WORKERS) do
    local cost = measure(fresh(count), count, paths)
    print(("%-10s %d worker%s %6.0f jobs/s %6.2f ms CPU/job (user %.2f, "
      .. "system %.2f), load %s"):format(name, count, count == 1 and " " or "s",
      JOBS / cost.wall, cost.cpu / JOBS * 1000, cost.user / JOBS * 1000,
      cost.system / JOBS * 1000, bench.read("/proc/loadavg"):match("^%S+")))
    io.stdout:flush()
  end
end

local which = arg[2]
local ok, problem = pcall(function()
  print(("%d jobs, %s"):format(JOBS, bench.machine(folder)))
  local paths = make_sources()
  if not which or which == "sqlite" then
    compare("SQLite", paths, function(count)
      return ("%s/%d.db"):format(folder, count)
    end)
  end
  local server = which ~= "sqlite" and assert(postgres.start())
  if server then
    compare("PostgreSQL", paths, function()
      return server:create()
    end)
    server:remove()
  end
end)
os.execute("rm -rf " .. bench.quote(folder))
if not ok then
  io.stderr:write("workers: ", tostring(problem), "\n")
  os.exit(1)
end
