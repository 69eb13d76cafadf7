-- Progress of your own: a line for each file, redrawn as events come in.
--
--   lua5.4 examples/progress.lua [OUTPUT_DIR [FILE…]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local folder = arg[1] or "stems"
local files = #arg > 1 and { (table.unpack or unpack)(arg, 2) }
  or { "examples/mix.flac", "examples/ingredients/music.flac" }

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end

local states, is_drawn = {}, false

local function draw()
  if is_drawn then
    io.write(("\27[%dA"):format(#files)) -- back to the first line
  end
  for _, file in ipairs(files) do
    io.write(("\27[K%-32s %s\n"):format(file, states[file] or "waiting"))
  end
  is_drawn = true
end

local WORDS = {
  upload_progress = function(event)
    return ("uploading, %.0f %%"):format(100 * event.bytes / event.total)
  end,
  submitted = function(event) return "paid for, task " .. event.task_id end,
  polled = function(event) return "separating, " .. event.status end,
  download_progress = function(event) return "downloading " .. event.stem end,
  retrying = function(event)
    return ("%s; again in %.0f s"):format(event.reason, event.next_in)
  end,
  finished = function() return "done" end,
  failed = function(event) return event.error.message end,
}

local client = camb.client({ base_url = server.base_url,
  api_key = server.api_key, on_event = function(event)
    local words = WORDS[event.name]
    if words and event.source then
      states[event.source] = words(event)
      draw()
    end
  end })

local failures = 0
for item in client:batch(files, { output_dir = folder, overwrite = true }) do
  failures = failures + (item.error and 1 or 0)
end

client:close()
if server.stop then server:stop() end
os.exit(failures == 0 and 0 or 1)
