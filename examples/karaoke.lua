-- Karaoke: songs without their voices, as MP3 with the song's tags and cover.
--
--   lua5.4 examples/karaoke.lua [OUTPUT_DIR [FILE…]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local songs = #arg > 1 and { (table.unpack or unpack)(arg, 2) }
  or { "examples/mix.flac" }

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key })

local failures = 0
for item in client:batch(songs, { output_dir = arg[1] or "karaoke",
  only = "background", format = "mp3" }) do
  print(item.source, item.stems and item.stems.background or item.error.message)
  failures = failures + (item.stems and 0 or 1)
end

client:close()
if server.stop then server:stop() end
os.exit(failures == 0 and 0 or 1)
