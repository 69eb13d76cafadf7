--- What must not get into a log: the key, in whatever spelling a service may
--- echo it; the part of a URL that opens what it points to; and, in a sentence
--- for a person, bytes that a terminal obeys.
---
--- All of it is foreign text, so everything here is linear in its length, and
--- the length is bounded.

local bytes = require "camb.text"

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

-- A secret is found however it is spelled: in other letters, escaped for a URL,
-- for JSON, for HTML or twice, in base64, in hexadecimal digits, and with its
-- end cut off.

local SHORTEST = 8 -- anything shorter is a word, not a secret
local LONG = 16    -- anything shorter is hidden only as a whole word
local LEAST = 4    -- bytes of a long one that was cut
local ROUNDS = 2   -- of escapes
local MOST_CUTS = 32

local ENTITIES = { quot = '"', amp = "&", lt = "<", gt = ">", apos = "'" }

local function char_of(digits, base)
  local code = tonumber(digits, base)
  return code < 128 and string.char(code) or nil
end

-- The byte that is escaped at `at`, and where it ends.
local ESCAPES = {
  ["%"] = function(text, at)
    local digits = text:match("^%%(%x%x)", at)
    return digits and string.char(tonumber(digits, 16)), at + 3
  end,
  ["&"] = function(text, at)
    local digits, behind = text:match("^&#[xX]0?0?(%x%x);()", at)
    if digits then
      return char_of(digits, 16), behind
    end
    digits, behind = text:match("^&#0?0?(%d%d%d?);()", at)
    if digits then
      return char_of(digits, 10), behind
    end
    local name
    name, behind = text:match("^&(%a%a%a?%a?);()", at)
    return ENTITIES[name], behind
  end,
  ["\\"] = function(text, at)
    local digits, behind = text:match("^\\u00([0-7]%x)()", at)
    if not digits then
      digits, behind = text:match("^\\x([0-7]%x)()", at)
    end
    if digits then
      return char_of(digits, 16), behind
    end
    return text:match("^\\([\"'/\\&])()", at)
  end,
}

-- `text` with one layer of escapes taken off, and for each byte of it (and one
-- more) where it stands in the first text.
local function unescape(text, places)
  local out, from, n, at = {}, {}, 0, 1
  while at <= #text do
    local char = text:sub(at, at)
    local escape, byte, behind = ESCAPES[char], nil, nil
    if escape then
      byte, behind = escape(text, at)
    end
    n = n + 1
    out[n] = byte or char
    from[n] = places and places[at] or at
    at = byte and behind or at + 1
  end
  from[n + 1] = places and places[at] or at
  return table.concat(out), from
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
  .. "0123456789+/"

local function base64(text)
  local out, bits, count = {}, 0, 0
  for i = 1, #text do
    bits, count = bits * 256 + text:byte(i), count + 8
    while count >= 6 do
      count = count - 6
      local index = math.floor(bits / 2 ^ count)
      bits = bits - index * 2 ^ count
      out[#out + 1] = ALPHABET:sub(index + 1, index + 1)
    end
  end
  return table.concat(out)
end

-- What of the base64 of a text is the secret's own, for each of the three
-- places at which it may begin in there.
local function add_base64(forms, secret)
  for skipped = 0, 2 do
    local first = math.ceil(skipped * 8 / 6)
    local own = base64(("\0"):rep(skipped) .. secret):sub(first + 1)
    for _, form in ipairs({ own, (own:gsub("+", "-"):gsub("/", "_")) }) do
      forms[#forms + 1] = { text = lower(form), is_run = true }
    end
  end
end

-- What to look for, and to write `with` in its place; nil if `secret` is too
-- short to be one.
local function spellings(secret, with)
  if #secret < SHORTEST then
    return nil
  end
  local forms = { { text = lower(secret) } }
  forms[2] = { text = (secret:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)) }
  add_base64(forms, secret)
  for _ = 1, ROUNDS do -- what looks like an escape in it is taken off, too
    local plain = unescape(secret)
    if plain ~= secret then
      forms[#forms + 1] = { text = lower(plain) }
    end
    secret = plain
  end
  return { with = with, is_long = #forms[1].text >= LONG, forms = forms }
end

local function is_word(text, at)
  return text:find("^[%w_-]", at) ~= nil
end

-- Where a form that stands from `first` to `last` is to be hidden; nil: it is
-- the part of another word.
local function extent(text, form, first, last, is_long)
  if form.is_run then
    while first > 1 and text:find("^[%w+/_-]", first - 1) do
      first = first - 1
    end
    return first, text:match("^[%w+/_=-]*()", last + 1) - 1
  elseif not is_long and (first > 1 and is_word(text, first - 1)
    or is_word(text, last + 1)) then
    return nil
  end
  return first, last
end

local function find_whole(found, text, places, secret)
  for _, form in ipairs(secret.forms) do
    local first, last = text:find(form.text, 1, true)
    while first do
      local from, to = extent(text, form, first, last, secret.is_long)
      if from then
        found[#found + 1] = { places and places[from] or from,
          (places and places[to + 1] or to + 1) - 1 }
      end
      first, last = text:find(form.text, (to or last) + 1, true)
    end
  end
end

-- Where an escape begins that the cut behind `last` has broken.
local function broken_escape(text, last)
  local tail = text:sub(math.max(1, last - 5), last)
  local at = tail:match("()%%%x?$") or tail:match("()&#?%w*$")
    or tail:match("()\\%w*$")
  return at and last - #tail + at - 1
end

-- A cut ends behind `last`: the beginning of the secret may stand before it.
local function find_beginning(found, text, places, secret, last)
  local whole, is_long = secret.forms[1].text, secret.is_long
  local least = is_long and LEAST or math.ceil(#whole / 2)
  for i, stop in ipairs({ last, broken_escape(text, last) }) do
    for length = math.min(#whole - 1, stop), least + 1 - i, -1 do
      local first = stop - length + 1
      if text:sub(first, stop) == whole:sub(1, length)
        and (is_long or first == 1 or not is_word(text, first - 1))
      then
        found[#found + 1] = { places and places[first] or first,
          (places and places[last + 1] or last + 1) - 1 }
        return
      end
    end
  end
end

-- A text is cut before each "…", and may have been at its end.
local function find_cut(found, text, places, secret)
  find_beginning(found, text, places, secret,
    #text - #text:match('[")]?$'))
  local at = 1
  for _ = 1, MOST_CUTS do
    local mark, behind = text:find("…", at, true)
    if not mark then
      return
    end
    find_beginning(found, text, places, secret, mark - 1)
    at = behind + 1
  end
end

local function replace(text, found, with)
  table.sort(found, function(a, b)
    return a[1] < b[1]
  end)
  local out, at = {}, 1
  for _, range in ipairs(found) do
    if range[1] >= at then
      out[#out + 1] = text:sub(at, range[1] - 1)
      out[#out + 1] = with
    end
    at = math.max(at, range[2] + 1)
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

-- `text` without `secret`, in every spelling.  A short one is hidden only as a
-- whole word.
local function hide_one(text, secret)
  local found = {}
  local plain, places = text, nil
  for round = 0, ROUNDS do
    if round > 0 then
      if not plain:find("[%%&\\]") then
        break
      end
      plain, places = unescape(plain, places)
    end
    local small = lower(plain)
    find_whole(found, small, places, secret)
    find_cut(found, small, places, secret)
  end
  return #found > 0 and replace(text, found, secret.with) or text
end

-- Each of the values in the query of `url` that may open it.
local function add_values(secrets, url)
  local query = url:sub(1, MOST_BYTES):match("%?([^#]*)") or ""
  for value in query:gmatch("=([^&]*)") do
    if #secrets > MOST_VALUES then
      return
    end
    secrets[#secrets + 1] = spellings(value, "…")
  end
end

local latest_key, latest_spellings

-- What is to be hidden.
local function secrets_of(key, url)
  if latest_key ~= key then
    latest_key, latest_spellings = key, key and spellings(key, "[key]")
  end
  local secrets = { latest_spellings }
  if url then
    add_values(secrets, url)
  end
  return secrets
end

local function hide(text, secrets)
  text = redact.urls(redact.cut(text))
  for _, secret in ipairs(secrets) do
    text = hide_one(text, secret)
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
