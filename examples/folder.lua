-- A folder of recordings into a folder of stems.
--
--   lua5.4 examples/folder.lua [FOLDER [OUTPUT_DIR]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.  For a
-- folder that takes hours, see resume.lua.

local camb = require "camb"

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key })

local failures = 0
for item in client:batch(arg[1] or "examples", {
  output_dir = arg[2] or "stems", overwrite = true }) do
  if item.stems then
    print(item.source, item.stems.foreground, item.stems.background)
  else
    failures = failures + 1
    print(item.source, item.error.message)
  end
end

client:close()
if server.stop then server:stop() end
os.exit(failures == 0 and 0 or 1)
