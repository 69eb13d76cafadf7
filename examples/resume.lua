-- A folder of takes, with a store: stop it at any time (Ctrl-C, a crash, a cut
-- of power) and run it again.  It resumes, and nothing is paid for twice.
--
--   lua5.4 examples/resume.lua [FOLDER|PATTERN [OUTPUT_DIR [STORE]]]
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"

local sources = arg[1] or "examples/*.flac"
local folder = arg[2] or "stems"

local server, client, problem
if os.getenv("CAMB_API_KEY") then
  client = camb.client()
else
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
  client = camb.client({ base_url = server.base_url, api_key = server.api_key })
end

-- This sandbox forgets its tasks, so its store is a new one each time.
local store = arg[3] or (server and os.tmpname() or "batch.db")

local failed, unknown = 0, 0
for item in client:batch(sources, {
  store = store,
  output_dir = folder,
  overwrite = server ~= nil,
  interval = server and 0.5 or 5,
  pending = 100, -- tasks waiting at the service cost next to nothing here
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
  print("retry the failed files with retry_failed = true")
end
if unknown > 0 then
  print("check the dashboard, then resubmit with resubmit_unknown = true")
end

client:close()
if server then
  server:stop()
  os.remove(store)
end
os.exit(failed == 0 and 0 or 1)
