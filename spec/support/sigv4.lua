--- AWS's Signature Version 4 as a server checks it, written from its description
--- and by OpenSSL: nothing of it is camb's or libcurl's.

local digest = require "openssl.digest"
local hmac = require "openssl.hmac"

local sigv4 = {}

local function hex(bytes)
  return (bytes:gsub(".", function(character)
    return ("%02x"):format(character:byte())
  end))
end

--- The SHA-256 of `bytes` in digits.
function sigv4.sha256(bytes)
  return hex(digest.new("sha256"):final(bytes))
end

local function mac(key, text)
  return hmac.new(key, "sha256"):final(text)
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

local function encode(text, but)
  return (text:gsub("[^%w%-._~" .. (but or "") .. "]", function(character)
    return ("%%%02X"):format(character:byte())
  end))
end

local function canonical_query(query)
  local pairs_of = {}
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    pairs_of[#pairs_of + 1] = encode(decode(name)) .. "="
      .. encode(decode(value))
  end
  table.sort(pairs_of)
  return table.concat(pairs_of, "&")
end

--- The signature that a request has to have.
---@param request table # method, path (with its query), headers by small name
---@param scope string  # "20130524/us-east-1/s3/aws4_request"
---@param signed string # "host;x-amz-date"
---@param secret string
function sigv4.signature(request, scope, signed, secret)
  local path, query = request.path:match("^([^?]*)%??(.*)$")
  local lines = { request.method, encode(decode(path), "/"),
    canonical_query(query) }
  for name in signed:gmatch("[^;]+") do
    lines[#lines + 1] = name .. ":" .. (request.headers[name] or "")
      :gsub("^%s+", ""):gsub("%s+$", ""):gsub("%s+", " ")
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = signed
  lines[#lines + 1] = request.headers["x-amz-content-sha256"]
  local to_sign = table.concat({ "AWS4-HMAC-SHA256",
    request.headers["x-amz-date"], scope,
    sigv4.sha256(table.concat(lines, "\n")) }, "\n")
  local key = "AWS4" .. secret
  for part in scope:gmatch("[^/]+") do
    key = mac(key, part)
  end
  return hex(mac(key, to_sign))
end

--- What is wrong with a request, as S3 calls it; nil if nothing is.
---@param request table # as for `signature`; body
---@param keys table<string, string> # secrets by the ids of their keys
---@param region string
---@param token string? # of the session
function sigv4.problem(request, keys, region, token)
  local headers = request.headers
  local id, scope, signed, signature = (headers.authorization or ""):match(
    "^AWS4%-HMAC%-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), "
    .. "?Signature=(%x+)$")
  if not id then
    return "AccessDenied"
  elseif not keys[id] then
    return "InvalidAccessKeyId"
  elseif scope ~= ("%s/%s/s3/aws4_request"):format(
    os.date("!%Y%m%d"), region)
  then
    return "AuthorizationHeaderMalformed"
  elseif headers["x-amz-security-token"] ~= token then
    return "InvalidToken"
  end
  for name in pairs(headers) do
    if (name == "host" or name:find("^x%-amz%-"))
      and not (";" .. signed .. ";"):find(";" .. name .. ";", 1, true)
    then
      return "AccessDenied"
    end
  end
  if signature ~= sigv4.signature(request, scope, signed, keys[id]) then
    return "SignatureDoesNotMatch"
  elseif headers["x-amz-content-sha256"] ~= sigv4.sha256(request.body) then
    return "XAmzContentSHA256Mismatch"
  end
end

return sigv4
