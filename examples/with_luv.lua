-- In libuv's loop: a recording is separated while a timer runs.
--
--   lua5.4 examples/with_luv.lua [FOLDER [FILE]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"
local uv = require "luv"

local folder, file = arg[1] or "stems", arg[2] or "examples/mix.flac"
local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ loop = require "camb.loop.luv",
  base_url = server.base_url, api_key = server.api_key })

local ticks, timer, status = 0, uv.new_timer(), 1
timer:start(100, 100, function()
  ticks = ticks + 1
end)

local function separate()
  local stems, err = client:separate(file,
    { output_dir = folder, overwrite = true })
  if stems then
    print(stems.foreground, stems.background)
    status = 0
  else
    print(err.message)
  end
  timer:close() -- it would keep the loop running
end

coroutine.wrap(separate)() -- one of any number
uv.run()
print(("the timer fired %d times meanwhile"):format(ticks))

client:close()
if server.stop then server:stop() end
os.exit(status)
