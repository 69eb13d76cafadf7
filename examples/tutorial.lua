-- The tutorial of the service's Python SDK in Lua, by the official names:
-- submit, poll every few seconds, print the URLs of both stems.
--
--   lua5.4 examples/tutorial.lua [FILE]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

-- assert of Lua 5.1 takes no error that is a table.
local function check(value, err)
  return assert(value, tostring(err))
end

local server = not os.getenv("CAMB_API_KEY")
  and check(require("camb.sandbox").start()) or {}
local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key })
local api = client.audio_separation

local function separate_audio(path)
  local reply = check(api:create_audio_separation({
    media_file = path,
    project_name = "my-separation-job",
  }))
  print("Audio separation task created: " .. reply.task_id)

  for _ = 1, 60 do
    local status = check(api:get_audio_separation_status({
      task_id = reply.task_id }))
    print("Status: " .. status.status)

    if status.status == "SUCCESS" then
      local urls = check(api:get_audio_separation_run_info({
        run_id = status.run_id }))
      print("Foreground URL: " .. urls.foreground_audio_url)
      print("Background URL: " .. urls.background_audio_url)
      return true
    elseif status.status == "ERROR" then
      print("Separation failed: " .. status.exception_reason)
      return false
    end
    camb.sleep(server.base_url and 0.5 or 5)
  end
  print("Still PENDING; the task is " .. reply.task_id)
  return false
end

local is_done = separate_audio(arg[1] or "examples/mix.flac")

client:close()
if server.stop then
  server:stop()
end
os.exit(is_done and 0 or 1)
