--- What must not get into a log: the key, in whatever spelling a service may
--- echo it; the part of a URL that opens what it points to; and, in a sentence
--- for a person, bytes that a terminal obeys.

local core = require "camb.core"

local redact = {}

local LEAST = 4 -- letters of a key that was cut which are still taken for it

local function literal(text)
  return (text:gsub("%p", "%%%0"))
end

-- As it is, in a URL, and in JSON that was not decoded.
local function spellings(key)
  local escaped = core.escape(key)
  local quoted = key:gsub('[\\"]', "\\%0")
  local all = { [key] = true, [escaped] = true, [quoted] = true }
  all[escaped:gsub("%%%x%x", string.lower)] = true
  all[quoted:gsub("/", "\\/")] = true
  return all
end

-- An excerpt of a reply may end inside of the key.
local function hide_cut(text, spelling)
  for length = #spelling - 1, LEAST, -1 do
    local beginning = literal(spelling:sub(1, length))
    text = text:gsub(beginning .. "…", "[key]…")
      :gsub(beginning .. '([")]?)$', "[key]%1")
  end
  return text
end

local function hide_key(text, key)
  for spelling in pairs(spellings(key)) do
    text = text:gsub(literal(spelling), "[key]")
    text = hide_cut(text, spelling)
  end
  return text
end

local SCHEME = "([%a][%w+.-]*:[\\/][\\/]+)"

--- Without the name and the password, the query and the fragment of each URL
--- in `text`: a stem's query is the permission to fetch it.
---@param text string
---@return string
function redact.urls(text)
  return (text:gsub(SCHEME .. '[^%s"<>/\\?#]*@', "%1[user]@")
    :gsub("(" .. SCHEME:sub(2, -2) .. '[^%s"<>?#]*)[?#][^%s"<>]*', "%1?…")
    -- libcurl quotes a proxy of the environment that it cannot read
    :gsub("(Unsupported proxy %a+).*", "%1"))
end

--- `text` without `key`, and with its URLs bare.
---@param text string
---@param key string?
---@return string
function redact.text(text, key)
  text = redact.urls(text)
  return key and key ~= "" and hide_key(text, key) or text
end

--- The same in one line, without control characters.
---@param text string
---@param key string?
---@return string
function redact.line(text, key)
  return (redact.text(text, key):gsub("%c+", " ")
    :gsub("\194[\128-\159]", " "))
end

--- The same in every string of `value`; a new one where it is a table.
---@param value any
---@param key string?
---@return any
function redact.all(value, key)
  if type(value) == "string" then
    return redact.text(value, key)
  elseif type(value) ~= "table" then
    return value
  end
  local clean = {}
  for name, item in pairs(value) do
    clean[redact.all(name, key)] = redact.all(item, key)
  end
  return clean
end

return redact
