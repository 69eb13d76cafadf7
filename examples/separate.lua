-- One file into two: foreground (voices, lead) and background (the rest).
--
--   lua5.4 examples/separate.lua [FILE [FOLDER]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local file = arg[1] or "examples/mix.flac"
local folder = arg[2] or "stems"

local server
local options = { output_dir = folder, overwrite = true }
if not os.getenv("CAMB_API_KEY") then
  server = assert(require("camb.sandbox").start())
  options.base_url, options.api_key = server.base_url, server.api_key
  options.interval = 0.5
end

options.on_event = function(event)
  if event.name == "polled" then
    print("the service says " .. event.status)
  elseif event.name == "submitted" then
    print("submitted as task " .. event.task_id)
  end
end

local stems, err = camb.separate(file, options)
if stems then
  print("foreground: " .. stems.foreground)
  print("background: " .. stems.background)
else
  print(err.message)
  if err.task_id then -- paid for already: it can be taken up again
    print("its task is " .. err.task_id)
  end
end

if server then
  server:stop()
end
os.exit(stems and 0 or 1)
