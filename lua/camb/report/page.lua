--- The page to listen on: one HTML file with all that it needs but the audio,
--- which it refers to.  Its parts stand beside this file: page.html, page.css
--- and page.js.  `camb report` writes it for what is there; `camb serve` and
--- `camb batch --page` serve it live.

local core = require "camb.core"
local json = require "camb.json"
local text = require "camb.text"

local page = {}

--- The tracks of an item, in the order in which they are shown.
page.TRACKS = { "mixture", "foreground", "background" }

local CODES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
  .. "0123456789+/"

local HERE = debug.getinfo(1, "S").source:match("^@(.*/)")

--- The bytes of a file that is there.
---@param path string
---@return string
function page.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;",
  ['"'] = "&quot;", ["'"] = "&#39;" }

local function escape(words)
  return (text.escape(words):gsub("[&<>\"']", ENTITIES))
end

local function encode_fields(value)
  local fields = {}
  for name, item in pairs(value) do
    fields[#fields + 1] = json.quote(name) .. ":" .. page.encode(item)
  end
  table.sort(fields)
  return "{" .. table.concat(fields, ",") .. "}"
end

--- `value` as JSON on one line that ends no script; a table without fields is a
--- list.
---@param value any
---@return string
function page.encode(value)
  if type(value) == "string" then
    return (json.quote(text.escape(value)):gsub("<", "\\u003c"))
  elseif type(value) == "number" then
    return text.number(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif value[1] == nil and next(value) ~= nil then
    return encode_fields(value)
  end
  local list = {}
  for i, item in ipairs(value) do
    list[i] = page.encode(item)
  end
  return "[" .. table.concat(list, ",") .. "]"
end

local function base64(hex)
  local out, bits, value = {}, 0, 0
  for digit in hex:gmatch("%x") do
    value = value * 16 + tonumber(digit, 16)
    bits = bits + 4
    if bits >= 6 then
      local rest = 2 ^ (bits - 6)
      local code = math.floor(value / rest)
      out[#out + 1] = CODES:sub(code + 1, code + 1)
      value, bits = value % rest, bits - 6
    end
  end
  if bits > 0 then
    local code = value * 2 ^ (6 - bits)
    out[#out + 1] = CODES:sub(code + 1, code + 1)
  end
  return table.concat(out) .. ("="):rep(-#out % 4)
end

-- What a policy calls the text of a script or a style.
local function hash_of(code)
  local digest = core.sha256()
  digest:add(code)
  return "'sha256-" .. base64(digest:finish()) .. "'"
end

local function policy_of(css, js, is_live)
  return "default-src 'none'; base-uri 'none'; form-action 'none'; "
    .. "media-src 'self'; " .. (is_live and "connect-src 'self'; " or "")
    .. "style-src " .. hash_of(css) .. "; script-src " .. hash_of(js)
end

local function known_of(item)
  local known = {}
  for _, pair in ipairs({ { "Source", item.source }, { "Task", item.task },
    { "Run", item.run }, { "Kind of error", item.kind } }) do
    if pair[2] then
      known[#known + 1] = pair
    end
  end
  return known
end

--- What the page gets of an item.
---@param item camb.ReportItem
---@param tracks table[] # stem, url, file, and what is known of its sound
---@return table
function page.describe(item, tracks)
  local stem = item.folder == nil and (item.foreground or item.background)
  return { name = item.name, state = item.state, word = item.word,
    error = item.error, kind = item.kind, task = item.task, run = item.run,
    source = item.source, time = item.time, events = item.events,
    known = known_of(item), folder = stem and stem:match("^(.*)/") or nil,
    progress = item.progress, tracks = tracks }
end

---@class camb.PageParts
---@field title string
---@field data table       # items, is_live, …: see page.js
---@field pictures string? # elements that hold the pictures

--- The whole page, and its Content-Security-Policy.
---@param parts camb.PageParts
---@return string html
---@return string policy
function page.make(parts)
  local css, js = page.read(HERE .. "page.css"), page.read(HERE .. "page.js")
  local policy = policy_of(css, js, parts.data.is_live)
  local values = { title = escape(parts.title), css = css, js = js,
    policy = policy, pictures = parts.pictures or "",
    data = page.encode(parts.data) }
  return (page.read(HERE .. "page.html"):gsub("{{(%l+)}}", values)), policy
end

return page
