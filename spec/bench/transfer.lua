--- What uploads and downloads cost beside curl's: processor time, and memory
--- over idle, against the sandbox server in a process of its own.
---
---   eval "$(make -s env)"
---   lua5.4 spec/bench/transfer.lua [UPLOAD_MIB [STEM_MIB [RUNS]]]
---
--- The files lie in TMPDIR, or /var/tmp, and are removed however this ends; at
--- most UPLOAD_MIB or twice STEM_MIB are on the disk at a time.  Needs bash
--- and curl.

local bench = require "spec.support.bench"
local camb = require "camb"

local on_core, quote, run = bench.on_core, bench.quote, bench.run

local KEY, RUN_ID = "bench", 5000
local MIB = 2 ^ 20
local MOST_RATIO, MOST_GROWTH = 1.10, 4096 -- what is aimed at

local upload_mib = tonumber(arg[1] or 1024)
local stem_mib = tonumber(arg[2] or 512)
local runs = tonumber(arg[3] or 5)
local client_file = arg[0]:gsub("%.lua$", "/client.lua")
local interpreter = arg[-1] or "lua"

-- A WAV file of silence, whose zeros need no room on the disk.
local function make_wav(path, mib)
  local size = math.floor(mib * MIB)
  local file = assert(io.open(path, "wb"))
  assert(file:write("RIFF", string.pack("<I4", size - 8), "WAVEfmt ",
    string.pack("<I4I2I2I4I4I2I2", 16, 1, 2, 44100, 4 * 44100, 4, 16),
    "data", string.pack("<I4", size - 44)))
  assert(file:seek("set", size - 1))
  assert(file:write("\0"))
  assert(file:close())
  run(("cat %s >/dev/null"):format(quote(path)))
end

local function make_files(folder)
  local task = folder .. "/data/tasks/stems"
  run(("mkdir -p %s %s"):format(quote(task), quote(folder .. "/out")))
  make_wav(folder .. "/mixture.wav", upload_mib)
  make_wav(task .. "/fg.wav", stem_mib)
  make_wav(task .. "/bg.wav", stem_mib)
  local file = assert(io.open(task .. "/task.json", "w"))
  file:write(('{"task_id": "stems", "status": "SUCCESS", "run_id": %d, '
    .. '"foreground": "fg.wav", "background": "bg.wav"}'):format(RUN_ID))
  file:close()
end

-- The shell waits for the end of its input, which comes when this program ends,
-- in whatever way: then it stops the server and removes the folder.
local KEEPER = [[
trap '' INT HUP
trap 'kill $server; wait $server; rm -rf "$folder"' EXIT
cd "$folder" || exit
%scamb serve --port 0 --api-key %s --data-dir data --processing 1e9 \
  >log 2>&1 </dev/null &
server=$!
echo $server >pid
cat >/dev/null
]]

local function start_server(folder)
  make_files(folder)
  local script = KEEPER:format(on_core(1), KEY)
  local keeper = assert(io.popen(("folder=%s sh -c %s"):format(quote(folder),
    quote(script)), "w"))
  local server = { folder = folder, keeper = keeper }
  for _ = 1, 100 do
    local log = bench.read(folder .. "/log") or ""
    server.base_url = log:match("listens at (%S+)")
    if server.base_url then
      server.pid = tonumber(bench.read(folder .. "/pid"))
      return server
    end
    camb.sleep(0.1)
  end
  keeper:close()
  error("the server does not start: is \"camb\" in PATH? (make env)")
end

-- Seconds of processor time the server has had so far.
local function server_seconds(server)
  local text = bench.read(("/proc/%d/stat"):format(server.pid))
  local user, system = text:match("^.*%) " .. ("%S+ "):rep(11)
    .. "(%d+) (%d+)")
  return (user + system) / tonumber(run("getconf CLK_TCK"))
end

local function clean(server)
  run(("cd %s && rm -rf out/* data/tasks/*/input* && sync -f ."):format(
    quote(server.folder)))
end

-- Run one client, from a clean start.
local function measure(server, command)
  clean(server)
  local before = server_seconds(server)
  local cost = bench.cost(command)
  cost.server = server_seconds(server) - before
  cost.growth = tonumber(cost.output:match("^(%d+)\n"))
  return cost
end

local function print_run(name, number, cost, mib)
  print(("  %-5s %3d   %6.3f  %6.3f  %6.3f   %6.2f  %6.0f   %6.2f%s"):format(
    name, number, cost.user, cost.system, cost.cpu, cost.wall, mib / cost.wall,
    cost.server, cost.growth and ("%15d"):format(cost.growth) or ""))
end

local function print_ratio(label, ours, theirs)
  print(("  %-8s camb %.3f s, curl %.3f s: ratio %.2f"):format(label, ours,
    theirs, ours / theirs))
end

local function print_summary(camb_runs, curl_runs)
  local ours, theirs = bench.median(camb_runs, "cpu"),
    bench.median(curl_runs, "cpu")
  local growth = bench.sorted(camb_runs, "growth")[#camb_runs]
  print_ratio("least:", bench.sorted(camb_runs, "cpu")[1],
    bench.sorted(curl_runs, "cpu")[1])
  print_ratio("median:", ours, theirs)
  print(("  aim: a ratio of at most %.2f: %s"):format(MOST_RATIO,
    bench.verdict(ours <= MOST_RATIO * theirs)))
  print(("  aim: grown by less than %d KiB: %s\n"):format(MOST_GROWTH,
    bench.verdict(growth < MOST_GROWTH)))
end

-- The two clients take turns, so that whatever else the machine does falls on
-- both.  The first turns do not count: caches are filled, and a virtual machine
-- gets its memory, while they run.
local function compare(server, title, mib, camb_command, curl_command)
  local camb_runs, curl_runs = {}, {}
  print(title)
  print("  client run     user  system     sum     wall   MiB/s   server"
    .. "   grown by KiB")
  measure(server, camb_command)
  measure(server, curl_command)
  for i = 1, runs do
    camb_runs[i] = measure(server, camb_command)
    print_run("camb", i, camb_runs[i], mib)
    curl_runs[i] = measure(server, curl_command)
    print_run("curl", i, curl_runs[i], mib)
  end
  print_summary(camb_runs, curl_runs)
end

local function camb_command(server, what, ...)
  local words = { interpreter, client_file, what, server.base_url, KEY, ... }
  for i, word in ipairs(words) do
    words[i] = quote(word)
  end
  return table.concat(words, " ")
end

local function compare_uploads(server)
  local path = server.folder .. "/mixture.wav"
  compare(server, ("Upload of %g MiB"):format(upload_mib), upload_mib,
    camb_command(server, "upload", path),
    ("curl -sS -f -o /dev/null -H %s -F project_name=bench -F %s %s"):format(
      quote("x-api-key: " .. KEY),
      quote("media_file=@" .. path .. ";type=audio/wav"),
      quote(server.base_url .. "/audio-separation")))
end

local function compare_downloads(server)
  local out = server.folder .. "/out"
  local client = camb.client{ base_url = server.base_url, api_key = KEY }
  local urls = assert(client:result(RUN_ID))
  client:close()
  compare(server, ("Download of two stems of %g MiB at once"):format(stem_mib),
    2 * stem_mib,
    camb_command(server, "download", RUN_ID, out),
    ("curl -sS -f --no-progress-meter --parallel -o %s %s -o %s %s"):format(
      quote(out .. "/fg.wav"), quote(urls.foreground_audio_url),
      quote(out .. "/bg.wav"), quote(urls.background_audio_url)))
end

local function print_machine(folder)
  print(bench.machine(folder), "\n")
  print([[
Seconds; "server" is the processor time of the server in that run: where it is
near "wall" the server is the limit.  camb syncs what it downloads to the disk,
curl does not.
]])
end

local folder = bench.folder()
local ok, problem = pcall(function()
  local server = start_server(folder)
  print_machine(folder)
  compare_uploads(server)
  compare_downloads(server)
  server.keeper:close()
end)
if not ok then
  io.stderr:write("transfer: ", tostring(problem), "\n")
  collectgarbage() -- the keeper, if there is one, ends first
  os.execute("rm -rf " .. quote(folder))
  os.exit(1)
end
