--- What a host sees that has nothing but a tick: how long each client:step(0)
--- takes, in time and in processor time of its thread, while many jobs run.
---
---   eval "$(make -s env)"
---   lua5.4 spec/bench/tick.lua [JOBS [STEM_MIB [HZ]]]
---
--- The service is spec/bench/service for whole separations, and for downloads
--- with a digest, which is computed meanwhile, the sandbox.

local bench = require "spec.support.bench"
local camb = require "camb"
local core = require "camb.core"
local system = require "spec.support.system"

local quote, run = bench.quote, bench.run

local JOBS = tonumber(arg[1] or 50)
local STEM_MIB = tonumber(arg[2] or 8)
local HZ = tonumber(arg[3] or 60)
local MIB = 2 ^ 20
local RUN_ID = 5000
local BUILD = os.getenv "BUILD" or "build"

local folder = run("mktemp -d \"${TMPDIR:-/var/tmp}/camb-tick-XXXXXX\"")

-- What it started ends with this program, however that ends.
local pipes = {}

local function start(command, pattern)
  local log = os.tmpname()
  local pipe = assert(io.popen(("{ %s & cat; kill $!; } > %s 2>&1"):format(
    command, quote(log)), "w"))
  local found
  for _ = 1, 200 do
    found = (bench.read(log) or ""):match(pattern)
    if found then
      break
    end
    camb.sleep(0.05)
  end
  os.remove(log)
  pipes[#pipes + 1] = pipe
  return assert(found, command)
end

local function make_wav(path)
  local file = assert(io.open(path, "wb"))
  local size = math.floor(STEM_MIB * MIB)
  assert(file:write("RIFF\255\255\255\255WAVE"))
  assert(file:seek("set", size - 1))
  assert(file:write("\0"))
  assert(file:close())
end

local function make_task()
  local task = folder .. "/data/tasks/stems"
  run(("mkdir -p %s %s"):format(quote(task), quote(folder .. "/out")))
  make_wav(task .. "/fg.wav")
  make_wav(task .. "/bg.wav")
  make_wav(folder .. "/mixture.wav")
  local file = assert(io.open(task .. "/task.json", "w"))
  file:write(('{"task_id": "stems", "status": "SUCCESS", "run_id": %d, '
    .. '"foreground": "fg.wav", "background": "bg.wav"}'):format(RUN_ID))
  file:close()
end

local function at(list, part)
  return list[math.max(1, math.ceil(#list * part))]
end

local function line(name, seconds)
  table.sort(seconds)
  return ("%s p50 %.2f, p99 %.2f, p99.9 %.2f, longest %.2f ms"):format(name,
    at(seconds, 0.5) * 1e3, at(seconds, 0.99) * 1e3, at(seconds, 0.999) * 1e3,
    at(seconds, 1) * 1e3)
end

-- Tick until all `jobs` are done.
local function measure(what, client, jobs)
  local wall, cpu, began, done = {}, {}, core.now(), 0
  local next_at = began
  repeat
    next_at = math.max(next_at + 1 / HZ, core.now())
    core.wait(math.max(0, next_at - core.now()))
    local a, c = core.time(), system.cpu()
    client:step(0)
    wall[#wall + 1], cpu[#cpu + 1] = core.time() - a, system.cpu() - c
    while done < #jobs and jobs[done + 1]:is_done() do
      done = done + 1
    end
  until done == #jobs
  local failed = 0
  for _, job in ipairs(jobs) do
    local result, err = job:join()
    if not result then
      failed = failed + 1
      print(err)
    end
  end
  print(("%s: %d jobs, %d failed, %.1f s, %d steps"):format(what, #jobs, failed,
    core.now() - began, #wall))
  print("  " .. line("time     ", wall))
  print("  " .. line("processor", cpu))
end

local function main()
  make_task()
  local api = start(("%s/bench/service 4 %d < /dev/zero"):format(BUILD,
    math.floor(STEM_MIB * MIB)), "api (%d+) stems %d+")
  local client = camb.client({ base_url = ("http://127.0.0.1:%s/apis"):format(api),
    api_key = "bench" })
  local jobs = {}
  for i = 1, JOBS do
    jobs[i] = camb.spawn(client.separate, client, folder .. "/mixture.wav",
      { output_dir = folder .. "/out", name = "x" .. i, overwrite = true,
        interval = 0.5, max_attempts = 1000 })
  end
  measure("separations", client, jobs)
  client:close()
  local url = start(("%s/bin/camb serve --port 0 --api-key bench --data-dir "
    .. "%s/data --processing 1e9 < /dev/null"):format(BUILD, folder),
    "listens at (%S+)")
  client = camb.client({ base_url = url, api_key = "bench" })
  for i = 1, JOBS do
    jobs[i] = camb.spawn(client.download, client, RUN_ID,
      { output_dir = folder .. "/out", name = "y" .. i, overwrite = true })
  end
  measure("downloads with a digest", client, jobs)
  client:close()
end

local ok, problem = pcall(main)
run("rm -rf " .. quote(folder))
assert(ok, problem)
os.exit(true) -- what was started ends with its input
