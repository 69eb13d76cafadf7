-- One of two workers, or of many: start this on each machine, and the store
-- hands out the jobs.  One of them also names the sources, on storage that all
-- share.
--
--   lua5.4 examples/worker.lua STORE FOLDER|PATTERN OUTPUT_DIR   # the first
--   lua5.4 examples/worker.lua STORE                             # the others
--
-- STORE is a URL such as postgres://user@host/database; for workers on the same
-- machine, a file does as well.  Set CAMB_API_KEY, and CAMB_BASE_URL to use
-- `camb serve` instead of the service.

local camb = require "camb"

local store, sources, folder = arg[1], arg[2], arg[3]
if not store or sources and not folder then
  io.stderr:write("use: worker.lua STORE [FOLDER|PATTERN OUTPUT_DIR]\n")
  os.exit(2)
end

local client = camb.client({ requests_per_second = 20 }) -- of this worker

local failures = 0
for item in client:batch(sources or {}, {
  store = store,
  output_dir = folder,
  lease = 60,          -- seconds after which a dead worker loses its jobs
  store_timeout = 600, -- seconds to wait for an unreachable database
  interval = tonumber(os.getenv("INTERVAL")) or 5,
  on_event = function(event)
    if event.step == "store" then
      print("waiting for the database: " .. event.reason)
    end
  end,
}) do
  print(item.source, item.stems and item.stems.foreground or item.error)
  failures = failures + (item.stems and 0 or 1)
end

client:close()
os.exit(failures == 0 and 0 or 1)
