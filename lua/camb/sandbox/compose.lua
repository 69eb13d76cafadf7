--- A fault's reply as the pieces of a script: bytes for the wire, how often,
--- and how slowly.  Whatever is wrong with it is intended.

local core = require "camb.sandbox.core"

local compose = {}

local BLOCK = 65536

local reasons = {
  [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [206] = "Partial Content", [301] = "Moved Permanently", [302] = "Found",
  [303] = "See Other", [304] = "Not Modified", [307] = "Temporary Redirect",
  [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized",
  [402] = "Payment Required", [403] = "Forbidden", [404] = "Not Found",
  [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone",
  [413] = "Content Too Large", [416] = "Range Not Satisfiable",
  [422] = "Unprocessable Content", [425] = "Too Early",
  [429] = "Too Many Requests", [500] = "Internal Server Error",
  [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

local EXPIRED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>'
  .. "AccessDenied</Code><Message>Request has expired</Message></Error>\n"
local HTML = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>"
  .. "<body><h1>Sign in</h1></body></html>\n"

-- `size` times the one-letter string `letter`.
local function fill(pieces, letter, size)
  local whole = math.floor(size / BLOCK)
  if whole > 0 then
    pieces[#pieces + 1] = { bytes = letter:rep(BLOCK), count = whole }
  end
  if size % BLOCK > 0 then
    pieces[#pieces + 1] = { bytes = letter:rep(size % BLOCK) }
  end
end

local JSON_BEFORE, JSON_AFTER = '{"padding":"', '"}'

-- Each gives the pieces of a body, and its type.
local bodies = {}

function bodies.body(body)
  local first = body:match("^%s*(.)")
  local kind = first == "<" and "text/html; charset=utf-8"
    or first and first:find('[%[{"]') and "application/json" or "text/plain"
  return { { bytes = body } }, kind
end

function bodies.html()
  return bodies.body(HTML)
end

function bodies.empty()
  return {}, "application/json"
end

function bodies.expired()
  return { { bytes = EXPIRED } }, "application/xml"
end

function bodies.json_size(size)
  local pieces = { { bytes = JSON_BEFORE } }
  fill(pieces, "x", size - #JSON_BEFORE - #JSON_AFTER)
  pieces[#pieces + 1] = { bytes = JSON_AFTER }
  return pieces, "application/json"
end

function bodies.json_depth(depth)
  local pieces = {}
  fill(pieces, "[", depth)
  fill(pieces, "]", depth)
  return pieces, "application/json"
end

function bodies.gzip_bomb(size)
  local head, unit, count, tail = core.gzip_bomb(size)
  local pieces = { { bytes = head } }
  if count > 0 then
    pieces[#pieces + 1] = { bytes = unit, count = count }
  end
  pieces[#pieces + 1] = { bytes = tail }
  return pieces, "application/json"
end

--- The names of options that give a body.
compose.BODIES = bodies

local function size_of(pieces)
  local size = 0
  for _, piece in ipairs(pieces) do
    size = size + #piece.bytes * (piece.count or 1)
  end
  return size
end

-- The first `size` bytes of `pieces`.
local function cut(pieces, size)
  local out = {}
  for _, piece in ipairs(pieces) do
    local length = #piece.bytes
    local whole = math.min(piece.count or 1, math.floor(size / length))
    if whole > 0 then
      out[#out + 1] = { bytes = piece.bytes, count = whole }
      size = size - whole * length
    end
    if whole < (piece.count or 1) then
      if size > 0 then
        out[#out + 1] = { bytes = piece.bytes:sub(1, size) }
      end
      break
    end
  end
  return out
end

local function encode_chunks(pieces, whole)
  local out = {}
  for _, piece in ipairs(pieces) do
    out[#out + 1] = { count = piece.count, -- %s would end at a NUL in Lua 5.1
      bytes = ("%x\r\n"):format(#piece.bytes) .. piece.bytes .. "\r\n" }
  end
  if whole then
    out[#out + 1] = { bytes = "0\r\n\r\n" }
  end
  return out
end

local function default_body(status)
  if status < 200 or status == 204 or status == 304 then
    return {}
  end
  return { { bytes = ('{"detail":"%s"}'):format(reasons[status] or "Fault") } },
    "application/json"
end

local function find_body(fault, status)
  for name, make in pairs(bodies) do
    if fault[name] then
      local pieces, kind = make(fault[name])
      return #pieces == 1 and pieces[1].bytes == "" and {} or pieces, kind
    end
  end
  return default_body(status)
end

-- {name, value}…, the defaults that `headers` does not speak of, then those.
local function with_defaults(defaults, headers)
  local given, out = {}, {}
  for name in pairs(headers or {}) do
    given[name:lower()] = true
  end
  for _, pair in ipairs(defaults) do
    if pair[2] and not given[pair[1]:lower()] then
      out[#out + 1] = pair
    end
  end
  local names = {}
  for name in pairs(headers or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = headers[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      if value then -- false: leave this one out
        out[#out + 1] = { name, value }
      end
    end
  end
  return out
end

local function head_pieces(fault, status, kind, length)
  local lines = { ("HTTP/1.1 %d %s"):format(status,
    reasons[status] or "Fault") }
  local defaults = {
    { "Content-Type", kind },
    { "Content-Encoding", fault.gzip_bomb and "gzip" },
    { "Content-Length", length },
    { "Transfer-Encoding", fault.chunked and "chunked" },
    { "Location", fault.redirect },
    { "Retry-After", fault.retry_after and ("%.0f"):format(fault.retry_after) },
    { "Connection", "close" },
  }
  for _, pair in ipairs(with_defaults(defaults, fault.headers)) do
    lines[#lines + 1] = pair[1] .. ": " .. tostring(pair[2])
  end
  local head = table.concat(lines, "\r\n") .. "\r\n"
  if fault.retry_after_date then
    return { { bytes = head .. "Retry-After: " },
      { ahead = fault.retry_after_date }, { bytes = "\r\n" } }
  end
  return { { bytes = head } }
end

local function pace(pieces, fault)
  for _, piece in ipairs(pieces) do
    piece.chunk = fault.chunk or 1
    piece.delay = fault.pace
  end
end

local function announced(fault, size)
  if fault.content_length then
    return fault.content_length
  end
  return not fault.chunked and ("%.0f"):format(size)
end

local function join(head, body)
  for _, piece in ipairs(body) do
    head[#head + 1] = piece
  end
  return head
end

local function endless(fault, status, kind)
  local head = head_pieces(fault, status, kind)
  head[#head + 1] = { bytes = "X-Endless: " .. ("e"):rep(80) .. "\r\n",
    count = math.huge }
  return head
end

--- The pieces of a checked fault's reply.
---@param fault table
---@param status integer
---@return table[] pieces
function compose.reply(fault, status)
  if fault.raw then
    local pieces = fault.raw == "" and {} or { { bytes = fault.raw } }
    if fault.slow then
      pace(pieces, fault)
    end
    return pieces
  end
  local body, kind = find_body(fault, status)
  local head
  if fault.endless_headers then
    head, body = endless(fault, status, kind), {}
  else
    head = head_pieces(fault, status, kind, announced(fault, size_of(body)))
    head[#head + 1] = { bytes = "\r\n" }
  end
  if fault.longer then
    fill(body, "x", fault.longer)
  end
  if fault.truncate then
    body = cut(body, fault.truncate)
  end
  if fault.chunked then
    body = encode_chunks(body, not fault.truncate)
  end
  if fault.slow then
    pace(fault.slow == "headers" and head or body, fault)
  end
  return join(head, body)
end

return compose
