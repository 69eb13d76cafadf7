-- A folder of takes, with a store: stop it at any time (Ctrl-C, a crash, a cut
-- of the power) and run it again; it goes on, and nothing is paid for twice.
--
--   lua5.4 examples/batch.lua [FOLDER|PATTERN [OUTPUT_DIR [STORE]]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local sources = arg[1] or "examples/*.flac"
local folder = arg[2] or "stems"

local server, client
if os.getenv("CAMB_API_KEY") then
  client = camb.client()
else
  server = assert(require("camb.sandbox").start())
  client = camb.client({ base_url = server.base_url, api_key = server.api_key })
end

-- The sandbox here forgets its tasks, so there a store is made anew each time.
local store = arg[3] or (server and os.tmpname() or "batch.db")

local failed, unknown = 0, 0
for item in client:batch(sources, {
  store = store,
  output_dir = folder,
  overwrite = server ~= nil,
  interval = server and 0.5 or 5,
  pending = 100, -- tasks may wait at the service; that costs next to nothing
}) do
  if item.stems then
    print(item.skipped and "done before" or "done", item.source,
      item.stems.foreground, item.stems.background)
  else
    print("failed", item.source, item.error.message)
    failed = failed + 1
    unknown = unknown + (item.error.kind == "unknown_outcome" and 1 or 0)
  end
end

if failed > unknown then
  print("begin what failed again with retry_failed = true")
end
if unknown > 0 then
  print("look at the dashboard, then use resubmit_unknown = true")
end

client:close()
if server then
  server:stop()
  os.remove(store)
end
os.exit(failed == 0 and 0 or 1)
