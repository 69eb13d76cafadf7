--- One transfer in a process of its own, so that its cost can be told from that
--- of anything else: spec/bench/transfer.lua starts it.
---
---   client.lua upload BASE_URL KEY FILE
---   client.lua download BASE_URL KEY RUN_ID FOLDER
---
--- Prints by how many KiB the process grew over its idle size.

local camb = require "camb"

local what, base_url, key = arg[1], arg[2], arg[3]

local function status(name)
  local file = assert(io.open("/proc/self/status"))
  local text = file:read("*a")
  file:close()
  return tonumber(text:match(name .. ":%s*(%d+)"))
end

-- Every kind of call was made once: what stays of them is part of idle.
local function warm_up(client)
  local data = "RIFF\4\0\0\0WAVE" .. ("\0"):rep(1000)
  local task = assert(client:submit{ data = data, filename = "small.wav" })
  assert(task:status())
  collectgarbage()
end

local function upload(client, path)
  assert(client:submit(path, { project_name = "bench" }))
end

local function download(client, run_id, folder)
  assert(client:download(run_id, { output_dir = folder }))
end

local client = camb.client{ base_url = base_url, api_key = key }
warm_up(client)
local idle = status("VmRSS")
if what == "upload" then
  upload(client, arg[4])
else
  download(client, arg[4], arg[5])
end
print(("%d"):format(status("VmHWM") - idle))
client:close()
