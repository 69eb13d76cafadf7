-- Voices without what is behind them, for transcription or editing: the
-- foreground alone, as WAV.
--
--   lua5.4 examples/voice_only.lua FOLDER|PATTERN OUTPUT_DIR
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key })

local failures = 0
for item in client:batch(assert(arg[1], "no FOLDER"), { output_dir = arg[2],
  only = "foreground", format = "wav" }) do
  print(item.source, item.stems and item.stems.foreground or item.error.message)
  failures = failures + (item.stems and 0 or 1)
end

client:close()
if server.stop then server:stop() end
os.exit(failures == 0 and 0 or 1)
