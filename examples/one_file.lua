-- One file into two: foreground (voices, lead) and background (the rest).
--
--   lua5.4 examples/one_file.lua [FILE [OUTPUT_DIR]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end

local stems, err = camb.separate(arg[1] or "examples/mix.flac", {
  output_dir = arg[2] or "stems", overwrite = true,
  base_url = server.base_url, api_key = server.api_key })
if stems then
  print("foreground: " .. stems.foreground)
  print("background: " .. stems.background)
else
  print(err.message)
  if err.task_id then -- it is paid for: resume it with client:task
    print("its task is " .. err.task_id)
  end
end

if server.stop then server:stop() end
os.exit(stems and 0 or 1)
