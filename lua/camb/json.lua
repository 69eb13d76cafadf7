--- JSON by a private lua-cjson, so that no setting of the host program's
--- reaches us: null becomes nil, and integers of any length stay exact.  What
--- Python's json writes and JSON does not know (NaN, Infinity, half of a
--- surrogate pair, a byte order mark) is read, too.

local core = require "camb.core"

local cjson = require("cjson")

local json = {}

-- Each takes memory, however short its text is.
local MOST_VALUES, MOST_DIGITS = 100000, 1000

-- How the locale writes a number: lua-cjson looks that up when it is made, and
-- a host may change it at any time.
local function decimal_point()
  return ("%.1f"):format(0.5)
end

local decoder, point

local function fresh_decoder()
  if point ~= decimal_point() then
    point = decimal_point()
    decoder = cjson.new()
    decoder.decode_invalid_numbers(true)
  end
  return decoder
end

-- lua-cjson reads numbers as doubles, which hold 15 digits for sure.
local EXACT_DIGITS = 15

local function quote_if_long(number)
  if #number > EXACT_DIGITS and number:find("^%-?%d+$") then
    return '"' .. number .. '"'
  end
end

-- The index behind the string that begins at `at`.
local function skip_string(text, at)
  at = at + 1
  while true do
    local found = text:find('["\\]', at)
    if not found then
      return #text + 1
    elseif text:byte(found) == 34 then
      return found + 1
    end
    at = found + 2
  end
end

-- Long integers become strings of digits before the decoder rounds them.
local function protect_integers(text)
  local out, at = {}, 1
  repeat
    local quote = text:find('"', at, true)
    local plain = text:sub(at, quote and quote - 1)
    out[#out + 1] = plain:gsub("%-?%d[%d.eE+-]*", quote_if_long)
    if quote then
      at = skip_string(text, quote)
      out[#out + 1] = text:sub(quote, at - 1)
    end
  until not quote
  return table.concat(out)
end

local function utf8_of_pair(high, low)
  local code = 0x10000 + (tonumber(high, 16) - 0xD800) * 0x400
    + tonumber(low, 16) - 0xDC00
  return string.char(0xF0 + math.floor(code / 0x40000),
    0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

-- Half of a surrogate pair stands for no character.  Each row of backslashes is
-- looked at once; the last of an odd number is what the "u" belongs to.
local function mend_surrogates(text)
  return (text:gsub("%f[\\](\\+)u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)",
    function(slashes, high, low)
      return #slashes % 2 == 1 and slashes:sub(2) .. utf8_of_pair(high, low)
    end)
    :gsub("%f[\\](\\+)u[dD][89a-fA-F]%x%x", function(slashes)
      return #slashes % 2 == 1 and slashes:sub(2) .. "\\ufffd"
    end))
end

local function drop_nulls(value)
  if type(value) == "table" then
    for key, item in pairs(value) do
      if item == cjson.null then
        value[key] = nil
      elseif type(item) == "table" then
        drop_nulls(item)
      end
    end
  end
  return value
end

--- Decode `text`.
---@param text string
---@return any value # nil for null
---@return string? problem # what `text` is or does, when it cannot be read
function json.decode(text)
  local values, digits = core.weigh(text)
  if values > MOST_VALUES then
    return nil, ("contains more than %d values"):format(MOST_VALUES)
  end
  if digits > MOST_DIGITS then
    return nil, ("contains a number of %d digits"):format(digits)
  elseif digits > EXACT_DIGITS then
    text = protect_integers(text)
  end
  if text:find("\\u[dD][89a-fA-F]") then
    text = mend_surrogates(text)
  end
  if text:sub(1, 3) == "\239\187\191" then
    text = text:sub(4)
  end
  local ok, value = pcall(fresh_decoder().decode, text)
  if not ok and value == "not enough memory" then
    error(value, 0) -- Lua's own, which says nothing about the text
  elseif not ok then
    return nil, "is not JSON"
  elseif value == cjson.null then
    return nil
  end
  return text:find("null", 1, true) and drop_nulls(value) or value
end

--- `text` as a string of JSON; bytes beyond ASCII stay as they are.
---@param text string
---@return string
function json.quote(text)
  return '"' .. text:gsub('[%z\1-\31\127"\\]', function(character)
    return ("\\u%04x"):format(character:byte())
  end) .. '"'
end

local function exact_number(value)
  if value ~= math.floor(value) or value < -2 ^ 53 or value > 2 ^ 53 then
    return nil
  end
  return math.tointeger and math.tointeger(value) or value
end

--- The integer that `value` is, exact: a number, or a string of digits if
--- this Lua has no integer that large.
---@param value any # an integral number or a string of digits
---@return integer|string|nil
function json.integer(value)
  if type(value) == "number" then
    if math.type and math.type(value) == "integer" then
      return value
    end
    return exact_number(value)
  elseif type(value) ~= "string" or not value:find("^%-?%d+$") then
    return nil
  end
  if #value <= EXACT_DIGITS then
    return exact_number(tonumber(value))
  end
  local number = tonumber(value)
  if math.type and math.type(number) == "integer" then
    return number
  end
  return value
end

--- The digits of what `json.integer` returned.
---@param integer integer|string
---@return string
function json.digits(integer)
  if type(integer) == "string" then
    return integer
  end
  return string.format("%d", integer)
end

return json
