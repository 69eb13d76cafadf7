-- A watched folder: what appears in it is separated once it is complete, that
-- is, once nobody has written to it for some seconds.  Needs luv (lua-luv).
--
--   lua5.4 examples/watched_folder.lua FOLDER OUTPUT_DIR [SECONDS]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.  Ctrl-C
-- ends it.

local camb = require "camb"
local uv = require "luv"

local folder, output_dir = assert(arg[1], "no FOLDER"), assert(arg[2], "no DIR")
local quiet = 1000 * (tonumber(arg[3]) or 5)

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ loop = require "camb.loop.luv",
  base_url = server.base_url, api_key = server.api_key,
  journal = output_dir .. "/.journal" }) -- what is paid for, if we are killed

local function separate(name)
  local stems, err = client:separate(folder .. "/" .. name,
    { output_dir = output_dir })
  print(name, stems and stems.foreground or err.message)
  io.stdout:flush()
end

local timers = {} -- of files that may still grow, by name

local function wait_until_quiet(name)
  local timer = timers[name] or uv.new_timer()
  timers[name] = timer
  timer:start(quiet, 0, function()
    timer:close()
    timers[name] = nil
    if uv.fs_stat(folder .. "/" .. name) then -- not removed, or renamed
      coroutine.wrap(separate)(name)
    end
  end)
end

local watch = uv.new_fs_event()
assert(watch:start(folder, {}, function(err, name)
  assert(not err, err)
  if name and not name:find("^%.") then
    wait_until_quiet(name)
  end
end))
local interrupt = uv.new_signal()
interrupt:start("sigint", uv.stop)
print("watching " .. folder)
io.stdout:flush()
uv.run()

client:close()
if server.stop then server:stop() end
os.exit(0)
