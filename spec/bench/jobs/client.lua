--- Many jobs in a process of their own: spec/bench/jobs.lua and workers.lua
--- start it.
---
---   client.lua batch BASE_URL SOURCES JOBS CONCURRENCY INTERVAL FOLDER [STORE]
---   client.lua polls BASE_URL TASKS INTERVAL SECONDS
---   client.lua pending BASE_URL JOBS INTERVAL SECONDS FOLDER
---   client.lua work BASE_URL FOLDER STORE
---
--- Prints the most memory that the process had.

local camb = require "camb"

local what, base_url = arg[1], arg[2]
local client = camb.client{ base_url = base_url, api_key = "bench" }

local function batch(folder, jobs, concurrency, interval, output_dir, store)
  local next_job = 0
  local function sources()
    next_job = next_job + 1
    return next_job <= jobs and ("%s/%d.wav"):format(folder, next_job) or nil
  end
  local done = 0
  for item in client:batch(sources, { concurrency = concurrency,
    interval = interval, output_dir = output_dir, store = store }) do
    assert(item.stems, item.error)
    done = done + 1
  end
  assert(done == jobs)
end

-- One of many workers on the jobs of a store.
local function work(output_dir, store)
  for item in client:batch({}, { store = store, output_dir = output_dir,
    interval = 0.05 }) do
    assert(item.stems, item.error)
  end
end

-- Begun one after another over the first interval, as people would find them.
local function polls(tasks, interval, seconds)
  camb.run(function()
    for i = 1, tasks do
      camb.spawn(function()
        camb.sleep((i - 1) / tasks * interval)
        client:task(tostring(i)):wait{ interval = interval, deadline = seconds,
          max_attempts = 1000000 }
      end)
    end
  end)
end

-- A batch of which every job waits at the service.
local function pending(jobs, interval, seconds, output_dir)
  local begun = 0
  local waiting = client:batch(function()
    begun = begun + 1
    return begun <= jobs and { name = tostring(begun), source = {
      data = "RIFF\4\0\0\0WAVE" .. begun, filename = "take.wav" } } or nil
  end, { pending = jobs, uploads = 8, interval = interval,
    max_attempts = 1000000, output_dir = output_dir })
  camb.run(function()
    camb.spawn(function()
      waiting() -- its first item never comes
    end)
    while begun < jobs do
      camb.sleep(0.1)
    end
    camb.sleep(seconds)
    waiting:close()
  end)
end

if what == "work" then
  work(arg[3], arg[4])
elseif what == "pending" then
  pending(tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5]), arg[6])
elseif what == "batch" then
  batch(arg[3], tonumber(arg[4]), tonumber(arg[5]), tonumber(arg[6]), arg[7],
    arg[8])
else
  polls(tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5]))
end
client:close()
for line in io.lines("/proc/self/status") do
  if line:find("VmHWM") then
    print(line)
  end
end
