-- A worker of many: each machine runs this, and PostgreSQL deals out the jobs.
-- One of them also names the sources, on storage that all of them see.
--
--   lua5.4 examples/postgres.lua STORE [FOLDER|PATTERN OUTPUT_DIR]
--
-- where STORE is like postgres://user:password@host/database.  It needs
-- CAMB_API_KEY, and CAMB_BASE_URL where the service is `camb serve`.

local camb = require "camb"

local store, sources, folder = arg[1], arg[2], arg[3]
if not store or sources and not folder then
  io.stderr:write("use: postgres.lua STORE [FOLDER|PATTERN OUTPUT_DIR]\n")
  os.exit(2)
end

local client = camb.client({ requests_per_second = 20 }) -- of this worker

local failures = 0
for item in client:batch(sources or {}, {
  store = store,
  output_dir = folder,
  lease = 60,     -- a worker that is gone for so long loses its jobs
  store_timeout = 600, -- the database may be away for ten minutes
  interval = tonumber(os.getenv("INTERVAL")) or 5,
  on_event = function(event)
    if event.step == "store" then
      print("waiting for the database: " .. event.reason)
    end
  end,
}) do
  if item.stems then
    print(item.source, item.stems.foreground, item.stems.background)
  else
    failures = failures + 1
    print(item.source, item.error.message)
  end
end

client:close()
os.exit(failures == 0 and 0 or 1)
