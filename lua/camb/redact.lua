--- What must not get into a log: the key, in whatever spelling a service may
--- echo it; the part of a URL that opens what it points to; and, in a sentence
--- for a person, bytes that a terminal obeys.
---
--- All of it is foreign text, so everything here is linear in its length, and
--- the length is bounded.

local bytes = require "camb.text"
local Secret = require "camb.secret"

local lower = bytes.lower

local redact = {}

local MOST_BYTES = 4096 -- of a string that is kept
local MOST_IN_ALL = 16 * MOST_BYTES -- of all strings in a table
local MOST_ITEMS, MOST_DEPTH = 1000, 16 -- of a table
local MOST_VALUES = 16 -- of a query

--- The beginning of `text` and "…" if it has more than `most` bytes.
---@param text string
---@param most integer? # 4096
---@return string
function redact.cut(text, most)
  most = most or MOST_BYTES
  if #text <= most then
    return text
  end
  -- not inside of a character
  return (text:sub(1, most):gsub("[\192-\255][\128-\191]?[\128-\191]?$", ""))
    .. "…"
end

-- Names of parameters that open something, also without a URL before them.
local OPENS = { "signature", "token", "secret", "password", "passwd",
  "credential", "api_key", "api-key", "apikey" }

local function is_opening(name)
  name = lower(name:sub(-40))
  for _, word in ipairs(OPENS) do
    if name:find(word, 1, true) then
      return true
    end
  end
  return name == "sig" or name == "pwd"
end

local function bare_pair(pair)
  local sign = pair:find("=", 1, true)
  if sign and sign < #pair and is_opening(pair:sub(1, sign - 1)) then
    return pair:sub(1, sign) .. "…"
  end
end

-- The first question mark, as it is or escaped, and what comes behind it.
local function find_query(text)
  local first, behind
  for _, pattern in ipairs({ "%?()", "%%3[fF]()", "\\u003[fF]()" }) do
    local at, _, next_at = text:find(pattern)
    if at and (not first or at < first) then
      first, behind = at, next_at
    end
  end
  return first, behind
end

local function without_query(text, has_scheme)
  local at, behind = find_query(text)
  local fragment = has_scheme and text:find("#", 1, true)
  if fragment and (not at or fragment < at) then
    return text:sub(1, fragment - 1) .. "?…"
  elseif at and (has_scheme or text:find("=", behind, true)
    or text:find("%%3[dD]", behind)) then
    return text:sub(1, at - 1) .. "?…"
  end
  return text:find("=", 1, true) and text:gsub("[^&;,]+", bare_pair) or text
end

-- What an authority may be: a colon in it that no port follows stands in the
-- name and the password of someone who did not escape them.
local function is_authority(text)
  return not text:find(":", 1, true) or text:find("^%[[%x:.]*%]:?%d*$")
    or text:find("^[^:]*:%d*$")
end

-- Where the name and the password end that begin at `from`; nil: there are
-- none.  `last` is the place of the last "@" of all.
local function user_end(token, from, last)
  local stop = (token:find("[\\/?#]", from) or #token + 1) - 1
  local authority = token:sub(from, stop)
  local at = authority:match("^.*()@")
  if at then
    return from + at - 1
  end
  return last and last > from and not is_authority(authority) and last or nil
end

local function bare_token(token)
  local out, from = {}, 1
  local start, behind = token:find(":[\\/][\\/]+")
  if not start then
    local at = token:match("^[^\\/?#@:]*:[^\\/?#]*()@")
    token = at and "[user]" .. token:sub(at) or token
    return (without_query(token, false))
  end
  local last = token:match("^.*()@")
  while start do
    out[#out + 1] = token:sub(from, behind)
    from = behind + 1
    local at = user_end(token, from, last)
    if at then
      out[#out + 1] = "[user]"
      from = at
    end
    start, behind = token:find(":[\\/][\\/]+", from)
  end
  out[#out + 1] = token:sub(from)
  return (without_query(table.concat(out), true))
end

--- Without the name and the password, the query and the fragment of each URL
--- in `text`, whole or without its scheme: a stem's query is the permission to
--- fetch it.
---@param text string
---@return string
function redact.urls(text)
  if text:find("[?=@#%%\\]") then
    text = text:gsub('[^%s"<>]+', bare_token)
  end
  return text
end

-- Each of the values in the query of `url` that may open it.
local function add_values(secrets, url)
  local query = url:sub(1, MOST_BYTES):match("%?([^#]*)") or ""
  for value in query:gmatch("=([^&]*)") do
    if #secrets > MOST_VALUES then
      return
    end
    secrets[#secrets + 1] = Secret.new(value, "…")
  end
end

local latest_key, latest_secret

-- What is to be hidden.
local function secrets_of(key, url)
  if latest_key ~= key then
    latest_key, latest_secret = key, key and Secret.new(key, "[key]")
  end
  local secrets = { latest_secret }
  if url then
    add_values(secrets, url)
  end
  return secrets
end

local function hide(text, secrets)
  text = redact.urls(redact.cut(text))
  for _, secret in ipairs(secrets) do
    text = secret:hide(text)
  end
  return text
end

--- `text` without `key`, and with its URLs bare.
---@param text string
---@param key string?
---@param url string? # that was asked for: no value of its query is kept
---@return string
function redact.text(text, key, url)
  return hide(text, secrets_of(key, url))
end

--- What a terminal obeys as "\x1b" and the like, so that it can be typed.
redact.visible = bytes.escape

--- As `text`, in one line and without control characters.
---@param text string
---@param key string?
---@param url string?
---@return string
function redact.line(text, key, url)
  return (redact.text(text, key, url):gsub("[%z\1-\31\127]+", " ")
    :gsub("\194[\128-\159]", " "))
end

local function clean(value, secrets, left, depth)
  if type(value) == "string" then
    local kept = redact.cut(value, math.min(left.bytes, MOST_BYTES))
    left.bytes = left.bytes - math.min(#value, left.bytes)
    return hide(kept, secrets)
  elseif type(value) ~= "table" then
    return value
  elseif depth > MOST_DEPTH then
    return "…"
  end
  local copy = {}
  for name, item in pairs(value) do
    if left.items == 0 then
      break
    end
    left.items = left.items - 1
    copy[clean(name, secrets, left, depth)] =
      clean(item, secrets, left, depth + 1)
  end
  return copy
end

--- The same in every string of `value`; a new one if it is a table, with as
--- much of it as fits.
---@param value any
---@param key string?
---@param url string?
---@return any
function redact.all(value, key, url)
  return clean(value, secrets_of(key, url),
    { bytes = MOST_IN_ALL, items = MOST_ITEMS }, 1)
end

return redact
