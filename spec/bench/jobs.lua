--- What many jobs cost beside the least that libcurl can do them for: processor
--- time of a batch and of waiting for thousands of tasks, the memory of each,
--- and how punctual the polls are.
---
---   make bench-programs; eval "$(make -s env)"
---   lua5.4 spec/bench/jobs.lua [JOBS [RUNS [SECONDS]]]
---
--- The server (spec/bench/service.c) has a core to itself; spec/bench/floor.c is
--- the floor.  The official TypeScript SDK joins in where npm has brought it into
--- build/peers (spec/peers_spec.lua does).  Needs bash.

local bench = require "spec.support.bench"
local camb = require "camb"
local core = require "camb.core"

local quote, run = bench.quote, bench.run

local SOURCE_BYTES, STEM_BYTES = 50 * 1024, 10 * 1024
local CONCURRENCY, INTERVAL, PENDING_POLLS = 32, 0.05, 3
-- What is aimed at.  camb opens a new connection for each upload: the server may
-- close a kept one just as a file goes out on it, and nobody would know whether
-- that was accepted and is charged.  The floor keeps its connections, so the ratios
-- hold that price, too: 2.1 was measured, and 3.3 with SQLite.
local MOST = { batch = 2.2, stored = 3.4, polls = 1.3 }
-- Beside those of the uploads: polls, URLs and stems share theirs.
local MOST_CONNECTIONS = 40
local MOST_MEMORY, MOST_EACH = 150 * 1024, 4
-- Jobs of a batch that wait at once.  Without a store each holds two files, and
-- no more begin than the system lets a process open.
local FEW = 1000
local MANY = math.min(10000, math.floor((core.descriptors() - 1000) / 2))

local jobs = tonumber(arg[1] or 1000)
local runs = tonumber(arg[2] or 5)
local seconds = tonumber(arg[3] or 20)
local build = os.getenv("BUILD") or "build"
local client_file = arg[0]:gsub("%.lua$", "/client.lua")
local sdk_file = arg[0]:gsub("%.lua$", "/sdk.js")
local interpreter = arg[-1] or "lua"
local folder = bench.folder()

-- No two alike, also in size, as recordings are: what is the same is uploaded
-- once, and to tell files of one size apart costs a look into them.
local function make_sources()
  run(("mkdir %s/sources"):format(quote(folder)))
  local filling = ("\0"):rep(SOURCE_BYTES - 16 - jobs // 2)
  for i = 1, jobs do
    local file = assert(io.open(("%s/sources/%d.wav"):format(folder, i), "wb"))
    assert(file:write("RIFF", string.pack("<I4", SOURCE_BYTES - 8), "WAVE",
      string.pack("<I4", i), filling, ("\0"):rep(i)))
    assert(file:close())
  end
end

local function start_service(polls)
  local log = folder .. "/service"
  os.remove(log)
  local pipe = assert(io.popen(("exec %s%s/bench/service %d %d >%s"):format(
    bench.on_core(1), build, polls, STEM_BYTES, quote(log)), "w"))
  for _ = 1, 100 do
    local port = (bench.read(log) or ""):match("^api (%d+)")
    if port then
      return { pipe = pipe, log = log,
        base_url = ("http://127.0.0.1:%d/apis"):format(port) }
    end
    camb.sleep(0.05)
  end
  error("the service does not start: make bench-programs")
end

-- What the service saw, by name.
local function stop_service(service)
  service.pipe:close()
  local seen = {}
  for name, value in bench.read(service.log):gmatch("(%w+)=(%S+)") do
    seen[name] = tonumber(value)
  end
  return seen
end

local function words(list)
  for i, word in ipairs(list) do
    list[i] = quote(word)
  end
  return table.concat(list, " ")
end

local function measure(polls, command)
  run(("rm -rf %s/out %s/batch.db*; mkdir %s/out"):format(quote(folder),
    quote(folder), quote(folder)))
  local service = start_service(polls)
  local cost = bench.cost(command(service.base_url))
  cost.seen = stop_service(service)
  cost.memory = tonumber(cost.output:match("VmHWM:%s*(%d+)") or 0)
  return cost
end

local function lua_client(...)
  local rest = { ... }
  return function(base_url)
    return words({ interpreter, client_file, rest[1], base_url,
      table.unpack(rest, 2) })
  end
end

local function floor(...)
  local rest = { ... }
  return function(base_url)
    return words({ build .. "/bench/floor", rest[1], base_url,
      table.unpack(rest, 2) })
  end
end

local function job_clients()
  local sources, out = folder .. "/sources", folder .. "/out"
  local clients = {
    { name = "floor", command = floor("jobs", sources, jobs, CONCURRENCY,
      INTERVAL * 1000, out) },
    { name = "camb", most = MOST.batch, command = lua_client("batch", sources,
      jobs, CONCURRENCY, INTERVAL, out) },
    { name = "camb, SQLite", most = MOST.stored, command = lua_client("batch",
      sources, jobs, CONCURRENCY, INTERVAL, out, folder .. "/batch.db") },
  }
  if bench.read("build/peers/package.json") and os.execute(
    "command -v node >/dev/null") then
    run("cp " .. quote(sdk_file) .. " build/peers/")
    clients[#clients + 1] = { name = "SDK (node)", command = function(base_url)
      return words({ "node", "build/peers/sdk.js", base_url, sources, jobs,
        CONCURRENCY, INTERVAL * 1000, out })
    end }
  end
  return clients
end

local function print_jobs(clients)
  local least = bench.median(clients[1].runs, "cpu")
  print("  client          ms/job    user  system   wall s  ratio   connections"
    .. "   requests   server busy")
  for _, client in ipairs(clients) do
    local cost = client.runs[#client.runs]
    local seen, cpu = cost.seen, bench.median(client.runs, "cpu")
    local requests = seen.tasks + seen.status + seen.results + seen.downloads
    print(("  %-14s %7.3f %7.3f %7.3f %8.2f %6.2f %13d %10d %11.0f %%%s"):format(
      client.name, cpu / jobs * 1000,
      bench.median(client.runs, "user") / jobs * 1000,
      bench.median(client.runs, "system") / jobs * 1000,
      bench.median(client.runs, "wall"), cpu / least, seen.connections,
      requests, 100 * seen.cpu / cost.wall,
      client.most and ("   aim %.1f: %s"):format(client.most,
        bench.verdict(cpu <= client.most * least)) or ""))
  end
  local more = clients[2].runs[1].seen.connections - jobs
  print(("  a connection for each upload and %d more; aim: at most %d more: %s\n")
    :format(more, MOST_CONNECTIONS, bench.verdict(more <= MOST_CONNECTIONS)))
end

-- They take turns, so that whatever else the machine does falls on all.
local function compare_jobs()
  print(("%d jobs: %d KiB up, %d polls, result, 2 x %d KiB down; concurrency "
    .. "%d; medians of %d runs"):format(jobs, SOURCE_BYTES / 1024,
    PENDING_POLLS + 1, STEM_BYTES / 1024, CONCURRENCY, runs))
  make_sources()
  local clients = job_clients()
  for i = 1, runs do
    for _, client in ipairs(clients) do
      client.runs = client.runs or {}
      client.runs[i] = measure(PENDING_POLLS, client.command)
    end
  end
  print_jobs(clients)
end

local function print_polls(name, cost)
  local seen = cost.seen
  print(("  %-8s %7.3f s %8d polls %7.1f us each   intervals %.3f to %.3f s, "
    .. "%.2f %% off by a tenth   server busy %.0f %%   %s"):format(name,
    cost.cpu, seen.status, cost.cpu / seen.status * 1e6, seen.soonest,
    seen.latest, 100 * seen.off / seen.intervals, 100 * seen.cpu / cost.wall,
    cost.memory > 0 and ("%.0f MB"):format(cost.memory / 1024) or ""))
end

local function compare_polls(tasks, times)
  local ours, theirs = {}, {}
  print(("%d pending tasks polled once a second for %d s"):format(tasks,
    seconds))
  for i = 1, times do
    theirs[i] = measure(-1, floor("polls", tasks, 1000, seconds))
    ours[i] = measure(-1, lua_client("polls", tasks, 1, seconds))
    print_polls("floor", theirs[i])
    print_polls("camb", ours[i])
    theirs[i].each = theirs[i].cpu / theirs[i].seen.status
    ours[i].each = ours[i].cpu / ours[i].seen.status
  end
  local ratio = bench.median(ours, "each") / bench.median(theirs, "each")
  print(("  ratio %.2f; aim: at most %.1f: %s"):format(ratio, MOST.polls,
    bench.verdict(ratio <= MOST.polls)))
  return ours[times]
end

local function compare_waiting()
  compare_polls(1000, 3)
  local many = compare_polls(10000, 1)
  assert(MANY > FEW, "a process may open too few files: ulimit -n 21000")
  local few_jobs = measure(-1, lua_client("pending", FEW, 1, 5,
    folder .. "/out"))
  local many_jobs = measure(-1, lua_client("pending", MANY, 1, 5,
    folder .. "/out"))
  local each = (many_jobs.memory - few_jobs.memory) / (MANY - FEW)
  print(("  aim: every poll on time, a tenth more or less: %s"):format(
    bench.verdict(many.seen.off == 0)))
  print(("  aim: below %d MB: %s"):format(MOST_MEMORY / 1024,
    bench.verdict(many.memory < MOST_MEMORY)))
  print(("  a batch with %d jobs at the service %.0f MB, with %d %.0f MB: a "
    .. "pending job more takes %.2f KiB; aim: below %d: %s\n"):format(FEW,
    few_jobs.memory / 1024, MANY, many_jobs.memory / 1024, each, MOST_EACH,
    bench.verdict(each < MOST_EACH)))
end

local ok, problem = pcall(function()
  print(bench.machine(folder), "\n")
  compare_jobs()
  compare_waiting()
end)
os.execute("rm -rf " .. quote(folder))
if not ok then
  io.stderr:write("jobs: ", tostring(problem), "\n")
  os.exit(1)
end
