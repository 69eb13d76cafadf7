--- A server of S3 in a process of its own, with the buckets "takes" and "stems",
--- which checks the signature and the digest of each request (sigv4.lua).  Its
--- log has a line for each: method, path, status, the code of an error, and of
--- what was stored the digest.

local scripted = require "spec.support.scripted"

local bucket = {}

local SCRIPT = [[
  local sigv4 = require "spec.support.sigv4"
  local connection = ...
  objects = objects or { takes = {}, stems = {} }
  faults = faults or { %s }
  local function answer(request, status, code, body, ...)
    print(table.concat({ request.method, request.path, status, code,
      request.headers["x-api-key"] and "API KEY" or nil }, " "))
    if request.method == "HEAD" and status ~= 200 then
      body = ""
    elseif code ~= "" and status >= 300 then
      body = "<?xml version=\"1.0\"?>\n<Error><Code>" .. code .. "</Code>"
        .. "<AWSAccessKeyId>SPECKEYID</AWSAccessKeyId></Error>"
    end
    local lines = { "HTTP/1.1 " .. status .. " X", ... }
    if body then
      lines[#lines + 1] = "Content-Length: " .. #body
    end
    connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n"
      .. (request.method == "HEAD" and "" or body or ""))
  end
  local function serve(request)
    local fault = table.remove(faults, 1)
    local name, key = request.path:match("^/([^/]+)/(.*)$")
    local code = sigv4.problem(request, { SPECKEYID = "spec+secret/0" },
      "eu-west-3", "spec//token==")
    local place = objects[name]
    local from = tonumber((request.headers.range or ""):match("^bytes=(%%d+)"))
    if fault == "cut" then
      print(request.method .. " " .. request.path .. " cut")
      connection:send('HTTP/1.1 200 X\r\nETag: "1"\r\nContent-Length: '
        .. #place[key] .. "\r\n\r\n" .. place[key]:sub(1, 100))
      connection.socket:shutdown()
    elseif fault and fault ~= "altered" then
      answer(request, fault[1], fault[2] or "", fault[4] or "", fault[3])
    elseif code then
      answer(request, 403, code)
    elseif not place then
      answer(request, 404, "NoSuchBucket")
    elseif request.method == "PUT" then
      place[key] = fault and request.body:reverse() or request.body
      local sum = sigv4.sha256(request.body)
      answer(request, 200, sum, "", 'ETag: "' .. sum:sub(1, 32) .. '"')
    elseif not place[key] then
      answer(request, 404, "NoSuchKey")
    elseif from then
      answer(request, 206, "", place[key]:sub(from + 1), 'ETag: "1"',
        ("Content-Range: bytes %%d-%%d/%%d"):format(from, #place[key] - 1,
        #place[key]))
    else
      answer(request, 200, "", place[key], 'ETag: "'
        .. sigv4.sha256(place[key]):sub(1, 32) .. '"')
    end
  end
  local request = connection:head()
  while request do
    if request.headers.expect then
      connection:send("HTTP/1.1 100 Continue\r\n\r\n")
    end
    local size = tonumber(request.headers["content-length"]) or 0
    request.body = size > 0 and connection.socket:read(size) or ""
    serve(request)
    request = connection:head()
  end
]]

--- Start it; `faults`, a list of { status, code, header, body } in Lua's words,
--- are what it answers the first requests with.
--- "cut" is half of an object, "altered" an object that is not stored as it came.
---@param faults string?
---@return table peer # of scripted.start, with its `environment` for the shell
function bucket.start(faults)
  local peer = scripted.start(SCRIPT:format(faults or ""))
  peer.origin = "http://127.0.0.1:" .. peer.port
  peer.environment = ("export AWS_ENDPOINT_URL=%s AWS_REGION=eu-west-3 "
    .. "AWS_ACCESS_KEY_ID=SPECKEYID AWS_SECRET_ACCESS_KEY=spec+secret/0 "
    .. "AWS_SESSION_TOKEN=spec//token==; "):format(peer.origin)
  return peer
end

return bucket
