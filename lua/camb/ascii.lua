--- Letters and numbers without regard to the locale, which a host may have set
--- to one where the small letter of "I" is no "i", and 1/2 is 0,5.

local ascii = {}

--- `text` with A to Z as small letters.
---@param text string
---@return string
function ascii.lower(text)
  return (text:gsub("[A-Z]", function(letter)
    return string.char(letter:byte() + 32)
  end))
end

--- `text` with a to z as capitals.
---@param text string
---@return string
function ascii.upper(text)
  return (text:gsub("[a-z]", function(letter)
    return string.char(letter:byte() - 32)
  end))
end

--- `number` as text, to the last digit.
---@param number number
---@return string
function ascii.number(number)
  return (("%.17g"):format(number):gsub("[^%d%a+-]+", "."))
end

--- The number that `value` is, or that its text is; nil if it is none.
---@param value any
---@return number?
function ascii.tonumber(value)
  local point = ("%.1f"):format(0.5):sub(2, -2)
  return tonumber(value)
    or type(value) == "string" and tonumber((value:gsub("%.", point))) or nil
end

return ascii
