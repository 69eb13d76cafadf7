-- In a cqueues controller: a recording is separated while another coroutine
-- runs.
--
--   lua5.4 examples/with_cqueues.lua [FOLDER [FILE]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"
local cqueues = require "cqueues"

local folder, file = arg[1] or "stems", arg[2] or "examples/mix.flac"
local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ loop = require "camb.loop.cqueues",
  base_url = server.base_url, api_key = server.api_key })

local controller = cqueues.new()
local stems, err

controller:wrap(function() -- one of any number
  stems, err = client:separate(file, { output_dir = folder, overwrite = true })
end)

controller:wrap(function()
  local ticks = 0
  while not (stems or err) do
    cqueues.sleep(0.1)
    ticks = ticks + 1
  end
  print(("the coroutine woke up %d times meanwhile"):format(ticks))
end)

assert(controller:loop())
print(stems and stems.foreground or err)

client:close()
if server.stop then server:stop() end
os.exit(stems and 0 or 1)
