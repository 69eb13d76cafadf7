-- In libuv's loop: recordings are separated while a timer of ours goes on.
--
--   lua5.4 examples/with_luv.lua [FOLDER [FILE…]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"
local uv = require "luv"

local folder = arg[1] or "stems"
local files = {}
for i = 2, #arg do
  files[i - 1] = arg[i]
end
if #files == 0 then
  files = { "examples/mix.flac", "examples/ingredients/music.flac" }
end

local options = { loop = require "camb.loop.luv" }
local server
if not os.getenv("CAMB_API_KEY") then
  server = assert(require("camb.sandbox").start())
  options.base_url, options.api_key = server.base_url, server.api_key
end
local client = camb.client(options)

local ticks, left, failures = 0, #files, 0
local ticker = uv.new_timer()
ticker:start(100, 100, function()
  ticks = ticks + 1
end)

local function separate(file)
  local stems, err = client:separate(file, { output_dir = folder,
    overwrite = true, interval = server and 0.5 or 5 })
  if stems then
    print(file, stems.foreground, stems.background)
  else
    failures = failures + 1
    print(file, err.message)
  end
  left = left - 1
  if left == 0 then
    ticker:close()
  end
end

for _, file in ipairs(files) do
  coroutine.wrap(separate)(file)
end
uv.run()
print(("the timer went off %d times meanwhile"):format(ticks))

client:close()
if server then
  server:stop()
end
os.exit(failures == 0 and 0 or 1)
