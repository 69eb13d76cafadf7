--- Many jobs in a process of their own: spec/bench/jobs.lua starts it.
---
---   client.lua batch BASE_URL SOURCES JOBS CONCURRENCY INTERVAL FOLDER [STORE]
---   client.lua polls BASE_URL TASKS INTERVAL SECONDS
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

if what == "batch" then
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
