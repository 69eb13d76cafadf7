--- Letters without regard to the locale, which a host may have set to one where
--- the small letter of "I" is no "i".

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

return ascii
