--- JSON by a private lua-cjson, so that no setting of the host program's
--- reaches us: null becomes nil, and integers of any length stay exact.

local core = require "camb.core"

local cjson = require("cjson").new()
cjson.decode_invalid_numbers(false)

local json = {}

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
---@return string? problem # set when `text` is no JSON
function json.decode(text)
  if core.has_digits(text, EXACT_DIGITS + 1) then
    text = protect_integers(text)
  end
  local ok, value = pcall(cjson.decode, text)
  if not ok and value == "not enough memory" then
    error(value, 0) -- Lua's own, which says nothing about the text
  elseif not ok then
    return nil, (tostring(value):gsub("^.-:%d+: ", ""))
  elseif value == cjson.null then
    return nil
  end
  return text:find("null", 1, true) and drop_nulls(value) or value
end

local function exact_number(value)
  if value ~= math.floor(value) or value < -2 ^ 53 or value > 2 ^ 53 then
    return nil
  end
  return math.tointeger and math.tointeger(value) or value
end

--- The integer that `value` is, exact: a number, or a string of digits where
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
