-- The process behind scripted.lua: it prints its port, then runs the script for
-- each connection.

local cqueues = require "cqueues"
local luas = require "spec.support.luas"
local socket = require "cqueues.socket"

local script = assert(loadfile(arg[1]))
io.stdout:setvbuf("no")

local Connection = {}
Connection.__index = Connection

--- The head of the next request: method, path and headers by name in lower
--- case; nil when the client has gone.
function Connection:head()
  local line = self.socket:read("*L")
  if not line then
    return nil
  end
  local method, path = line:match("^(%S+) (%S+)")
  local request = { method = method, path = path, headers = {} }
  while true do
    local name, value = (self.socket:read("*l") or "")
      :match("^([^:]+):%s*(.-)\r?$")
    if not name then
      return request
    end
    request.headers[name:lower()] = value
  end
end

--- Read its body, or as much of it as `most` bytes.
function Connection:body(request, most)
  local left = tonumber(request.headers["content-length"]) or 0
  left = math.min(left, most or left)
  while left > 0 do
    local piece = self.socket:read(-math.min(left, 65536))
    if not piece then
      return
    end
    left = left - #piece
  end
end

--- A whole upload: 100 Continue where it was asked for, and the body.  nil when
--- the client has gone.
function Connection:upload()
  local request = self:head()
  if request then
    if request.headers.expect then
      self:send("HTTP/1.1 100 Continue\r\n\r\n")
    end
    self:body(request)
  end
  return request
end

function Connection:send(bytes)
  self.socket:write(bytes)
  self.socket:flush()
end

--- A reply with `body`, and header lines before it.
function Connection:reply(status, body, ...)
  self:send(table.concat({ "HTTP/1.1 " .. status .. " X",
    "Content-Length: " .. #body, ... }, "\r\n") .. "\r\n\r\n" .. body)
end

--- The same a byte at a time, ten in a second, for as long as the client stays.
function Connection:drip(bytes)
  for i = 1, #bytes do
    if not self.socket:write(bytes:sub(i, i)) or not self.socket:flush() then
      return
    end
    cqueues.sleep(0.1)
  end
end

--- Leave the client without another word for as long as it stays.
function Connection:hang()
  self.socket:read("*a")
end

-- HTTP/2, as far as a server needs it that does not read headers.

local function integer(value, bytes)
  return luas.pack(">I" .. bytes, value)
end

--- A frame: kind 0 is DATA, 1 HEADERS, 3 RST_STREAM, 4 SETTINGS, 7 GOAWAY, 8
--- WINDOW_UPDATE.
function Connection:frame(kind, flags, stream, payload)
  self:send(integer(#payload, 3) .. string.char(kind, flags)
    .. integer(stream, 4) .. payload)
end

--- The next frame of the client's: kind, flags, stream; nil when it has gone.
function Connection:read_frame()
  local head = self.socket:read(9)
  if not head or #head < 9 then
    return nil
  end
  local a, b, c, kind, flags, d, e, f, g = head:byte(1, 9)
  local size = a * 65536 + b * 256 + c
  if size > 0 then
    self.socket:read(size)
  end
  return kind, flags, ((d * 256 + e) * 256 + f) * 256 + g
end

--- The next stream whose request is whole; nil when the client has gone.
function Connection:stream()
  if not self.greeted then
    self.greeted = true
    self.socket:read(24)
    self:frame(4, 0, 0, "\0\4" .. integer(2 ^ 30, 4)) -- a large window
    self:frame(8, 0, 0, integer(2 ^ 30, 4))
  end
  while true do
    local kind, flags, stream = self:read_frame()
    if not kind then
      return nil
    elseif kind == 4 and flags == 0 then
      self:frame(4, 1, 0, "")
    elseif (kind == 0 or kind == 1) and flags % 2 == 1 then
      return stream
    end
  end
end

--- Reply to `stream`; the status is 200, 204 or 500.
function Connection:answer(stream, status, body)
  local indexed = { [200] = "\136", [204] = "\137", [500] = "\142" }
  self:frame(1, 4, stream, indexed[status])
  self:frame(0, 1, stream, body)
end

--- Streams behind `last` were not taken.
function Connection:goaway(last, code)
  self:frame(7, 0, 0, integer(last, 4) .. integer(code or 0, 4))
end

function Connection:reset(stream, code)
  self:frame(3, 0, stream, integer(code, 4))
end

local function tls_context(protocol)
  local context = require("openssl.ssl.context").new("TLS", true)
  local key = require("openssl.pkey").new({ type = "EC", curve = "prime256v1" })
  local name = require("openssl.x509.name").new():add("CN", "127.0.0.1")
  local certificate = require("openssl.x509").new()
  certificate:setSerial(1)
  certificate:setSubject(name)
  certificate:setIssuer(name)
  certificate:setLifetime(os.time() - 3600, os.time() + 3600)
  certificate:setPublicKey(key)
  certificate:sign(key)
  context:setPrivateKey(key)
  context:setCertificate(certificate)
  context:setAlpnSelect(function()
    return protocol
  end)
  return context
end

local contexts = {}

--- Speak TLS from here on, and `protocol` in it; false when that fails.
function Connection:tls(protocol)
  contexts[protocol] = contexts[protocol] or tls_context(protocol)
  return self.socket:starttls(contexts[protocol])
end

local server = socket.listen("127.0.0.1", 0)
server:listen()
print((select(3, server:localname())))

local loop = cqueues.new()
loop:wrap(function()
  local number = 0
  while true do
    local one = server:accept()
    number = number + 1
    local mine = number
    one:setmode("b", "bf")
    one:onerror(function(_, _, code)
      return code
    end)
    loop:wrap(function()
      script(setmetatable({ socket = one }, Connection), mine)
      one:close()
    end)
  end
end)
assert(loop:loop())
