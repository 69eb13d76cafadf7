-- A callback at the end of each file, while others are still under way: here
-- a line of JSON for another program.
--
--   lua5.4 examples/when_done.lua OUTPUT_DIR FILE… | another-program
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"
local json = require "cjson"

local folder = assert(arg[1], "no OUTPUT_DIR")

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key })

local function when_done(path, stems, err)
  print(json.encode({ source = path, stems = stems,
    error = err and { kind = err.kind, message = err.message,
      task_id = err.task_id } }))
  io.stdout:flush()
end

camb.run(function()
  for i = 2, #arg do
    camb.spawn(function()
      when_done(arg[i], client:separate(arg[i], { output_dir = folder }))
    end)
  end
end)

client:close()
if server.stop then server:stop() end
os.exit(0)
