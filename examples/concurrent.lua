-- Many files at once, as plain Lua: each job reads like a script of its own,
-- and all of them share one client with its connections.
--
--   lua5.4 examples/concurrent.lua [-o FOLDER] FILE…
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local folder, files = "stems", {}
local i = 1
while arg[i] do
  if arg[i] == "-o" then
    folder, i = arg[i + 1], i + 2
  else
    files[#files + 1], i = arg[i], i + 1
  end
end
if #files == 0 then
  files = { "examples/mix.flac", "examples/ingredients/music.flac" }
end

local server, client
if os.getenv("CAMB_API_KEY") then
  client = camb.client()
else
  server = assert(require("camb.sandbox").start())
  client = camb.client({ base_url = server.base_url, api_key = server.api_key })
end

local failures = 0

local function separate(file)
  local stems, err = client:separate(file, { output_dir = folder,
    overwrite = true, interval = server and 0.5 or 5 })
  if stems then
    print(file, stems.foreground, stems.background)
  else
    failures = failures + 1
    print(file, err.message)
  end
end

camb.run(function()
  local at = 1
  local function work() -- takes the next file until there is none
    while files[at] do
      local file = files[at]
      at = at + 1
      separate(file)
    end
  end
  for _ = 1, 4 do
    camb.spawn(work)
  end
end)

client:close()
if server then
  server:stop()
end
os.exit(failures == 0 and 0 or 1)
