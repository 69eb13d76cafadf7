-- Many files at once, in plain Lua: each job reads like a script, and all jobs
-- share one client with its connections.
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

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key })

local failures = 0

local function separate(file)
  local stems, err = client:separate(file,
    { output_dir = folder, overwrite = true })
  print(file, stems and stems.foreground or err)
  failures = failures + (stems and 0 or 1)
end

camb.run(function()
  local at = 1
  local function work() -- take the next file until none is left
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
if server.stop then server:stop() end
os.exit(failures == 0 and 0 or 1)
