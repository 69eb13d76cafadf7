-- An HTTP service in front of camb: programs that have no key post a recording,
-- and get its stems.  Needs lua-http (Debian's is for Lua 5.1, 5.2 and LuaJIT;
-- LuaRocks' http is for all).
--
--   luajit examples/http_service.lua [PORT [FOLDER]]
--   curl --data-binary @mix.wav http://127.0.0.1:8000/mix.wav
--   curl -O http://127.0.0.1:8000/stems/1-mix.foreground.flac
--
-- With CAMB_API_KEY set it uses the service, else camb's own sandbox.

local camb = require "camb"
local cqueues = require "cqueues"
local headers = require "http.headers"
local http = require "http.server"
local json = require "cjson"

local LIMIT = 2 ^ 28 -- bytes of a recording
local port, folder = tonumber(arg[1] or 8000), arg[2] or "stems"

local server, problem = {}
if not os.getenv("CAMB_API_KEY") then
  server, problem = require("camb.sandbox").start()
  assert(server, tostring(problem))
end
local client = camb.client({ loop = require "camb.loop.cqueues",
  base_url = server.base_url, api_key = server.api_key })

local count, stems_by_name = 0, {} -- nothing else is served

local function answer(stream, status, value)
  local head = headers.new()
  head:append(":status", tostring(status))
  head:append("content-type", type(value) == "table" and "application/json"
    or "application/octet-stream")
  assert(stream:write_headers(head, false))
  if type(value) == "table" then
    return stream:write_chunk(json.encode(value) .. "\n", true)
  end
  return stream:write_body_from_file(value)
end

local function separate(stream, filename)
  local bytes = stream:get_body_chars(LIMIT + 1)
  if not bytes or #bytes > LIMIT then
    return answer(stream, 413, { error = "too large" })
  end
  count = count + 1
  local stems, err = client:separate({ data = bytes, filename = filename }, {
    output_dir = folder, name = count .. "-" .. filename:gsub("%.%w+$", "") })
  if not stems then
    return answer(stream, 502, { error = err.message, task_id = err.task_id })
  end
  local reply = {}
  for _, stem in ipairs({ "foreground", "background" }) do
    local name = stems[stem]:match("[^/]+$")
    stems_by_name[name], reply[stem] = stems[stem], "/stems/" .. name
  end
  return answer(stream, 200, reply)
end

local function on_stream(_, stream)
  local request = assert(stream:get_headers())
  local method, path = request:get(":method"), request:get(":path")
  local filename = path:match("^/([%w_-]+%.%w+)$")
  local stem = stems_by_name[path:match("^/stems/(.+)$")]
  local file = stem and io.open(stem, "rb")
  if method == "POST" and filename then
    separate(stream, filename)
  elseif method == "GET" and file then
    answer(stream, 200, file)
    file:close()
  else
    answer(stream, 404, { error = "not found" })
  end
end

local service = assert(http.listen({ host = "127.0.0.1", port = port,
  onstream = on_stream, onerror = function(_, _, what, err)
    io.stderr:write(tostring(what), ": ", tostring(err), "\n")
  end }))
assert(service:listen())
print("listening on " .. select(3, service:localname()))
io.stdout:flush()
local loop = cqueues.new()
loop:wrap(function()
  assert(service:loop())
end)
assert(loop:loop())
