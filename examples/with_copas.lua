-- In Copas: recordings are separated beside a thread of your own.
--
--   lua5.4 examples/with_copas.lua [FOLDER [FILE]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"
local copas = require "copas"

local folder, file = arg[1] or "stems", arg[2] or "examples/mix.flac"
local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ loop = require "camb.loop.copas",
  base_url = server.base_url, api_key = server.api_key })

local is_complete, is_over = false, false

copas.addthread(function() -- one of any number
  local stems, err = client:separate(file,
    { output_dir = folder, overwrite = true })
  print(stems and stems.foreground or err)
  is_complete, is_over = stems ~= nil, true
end)

copas.addthread(function()
  local ticks = 0
  repeat
    copas.pause(0.1)
    ticks = ticks + 1
  until is_over
  print(("the thread woke up %d times meanwhile"):format(ticks))
end)

copas.loop()

client:close()
if server.stop then server:stop() end
os.exit(is_complete and 0 or 1)
