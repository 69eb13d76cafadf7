--- Text independent of the locale, which a host may have set to one that writes
--- 0,5 for 1/2; and foreign bytes made readable.

local text = {}

--- `value` in small letters: A to Z, whatever the locale.
---@param value string
---@return string
function text.lower(value)
  return (value:gsub("[A-Z]", function(letter)
    return string.char(letter:byte() + 32)
  end))
end

--- `value` in capitals: a to z, whatever the locale.
---@param value string
---@return string
function text.upper(value)
  return (value:gsub("[a-z]", function(letter)
    return string.char(letter:byte() - 32)
  end))
end

--- The names that `map` has, in their order.
---@param map table<string, any>
---@return string[]
function text.names(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- `number` to the last digit, with a point in every locale.
---@param number number
---@return string
function text.number(number)
  return (("%.17g"):format(number):gsub("[^%d%a+-]+", "."))
end

--- `value` as a number, read with a point in every locale; nil if it is none.
---@param value any
---@return number?
function text.tonumber(value)
  return tonumber(value) or type(value) == "string"
    and tonumber((value:gsub("%.", ("%.1f"):format(0.5):sub(2, -2)))) or nil
end

-- The sequences of bytes that UTF-8 has, by their first.
local SEQUENCES = {
  "[\194-\223][\128-\191]",
  "\224[\160-\191][\128-\191]",
  "[\225-\236\238\239][\128-\191][\128-\191]",
  "\237[\128-\159][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]",
  "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]",
}

--- Whether `bytes` are UTF-8 from end to end.
---@param bytes string
---@return boolean
function text.is_utf8(bytes)
  for _, sequence in ipairs(SEQUENCES) do
    if not bytes:find("[\128-\255]") then
      return true
    end
    bytes = bytes:gsub(sequence, ".")
  end
  return not bytes:find("[\128-\255]")
end

--- `bytes` as UTF-8: of others, all that is not readable ASCII is escaped.
---@param bytes string
---@return string
function text.utf8(bytes)
  return text.is_utf8(bytes) and bytes or text.escape(bytes)
end

local function hex(byte)
  return ("\\x%02x"):format(byte:byte())
end

local function hex_pair(pair)
  return ("\\x%02x\\x%02x"):format(pair:byte(1, 2))
end

--- `bytes` with each control character as "\\x1b", and if they are not
--- UTF-8 all that is not ASCII, too.
---@param bytes string
---@return string
function text.escape(bytes)
  bytes = bytes:gsub("[%z\1-\31\127]", hex)
    :gsub("\194[\128-\159]", hex_pair)
  return text.is_utf8(bytes) and bytes or (bytes:gsub("[\128-\255]", hex))
end

return text
