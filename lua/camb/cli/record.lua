--- Events as lines of JSON: those of `--json` and of `--log`.

local Error = require "camb.error"
local json = require "camb.json"
local text = require "camb.text"

local record = {}

-- What comes first, in this order; the rest follows by name.
local FIRST = { "name", "time", "source", "task_id", "run_id" }

local IS_FIRST = {}
for _, name in ipairs(FIRST) do
  IS_FIRST[name] = true
end

-- Of an error: the others are for programs in Lua.
local OF_ERROR = { "kind", "message", "retryable", "step", "http_status",
  "task_id", "run_id", "exception_reason", "path" }

local encode

--- `value` as a string of JSON, which is UTF-8: in a name that is not, "\xe9"
--- stands for a byte.
---@param value string
---@return string
function record.quote(value)
  return (json.quote(text.utf8(value))
    :gsub("\194([\128-\159])", function(control)
      return ("\\u%04x"):format(control:byte())
    end))
end

local function member(parts, name, value)
  if value ~= nil then
    parts[#parts + 1] = json.quote(name) .. ":" .. encode(value)
  end
end

local function encode_error(err)
  local parts = {}
  for _, name in ipairs(OF_ERROR) do
    member(parts, name, err[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_table(value)
  if Error.is_error(value) then
    return encode_error(value)
  end
  local parts, others = {}, {}
  for _, name in ipairs(FIRST) do
    member(parts, name, value[name])
  end
  for name in pairs(value) do
    if type(name) == "string" and not IS_FIRST[name] then
      others[#others + 1] = name
    end
  end
  table.sort(others)
  for _, name in ipairs(others) do
    member(parts, name, value[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_number(value)
  local integer = json.integer(value)
  if integer then
    return json.digits(integer)
  elseif value ~= value or value == math.huge or value == -math.huge then
    return "null"
  end
  return text.number(math.floor(value * 1000 + 0.5) / 1000)
    :gsub("(%.%d%d%d)%d+$", "%1")
end

function encode(value)
  if type(value) == "table" then
    return encode_table(value)
  elseif type(value) == "number" then
    return (encode_number(value))
  elseif type(value) == "boolean" then
    return tostring(value)
  end
  return record.quote(tostring(value))
end

--- The event in one line.  Events and errors hold neither keys nor what opens a
--- URL from the beginning.
---@param event table
---@return string
function record.line(event)
  return encode_table(event) .. "\n"
end

return record
