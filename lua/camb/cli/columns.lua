--- Text as a terminal shows it: a letter may take no column, one or two.

local columns = {}

-- Ranges of Unicode whose characters take none, as they belong to the one
-- before, and two (East Asian Wide and Fullwidth, and emoji).
local NONE = { { 0x300, 0x36F }, { 0x483, 0x489 }, { 0x591, 0x5BD },
  { 0x610, 0x61A }, { 0x64B, 0x65F }, { 0x6D6, 0x6DC }, { 0x93C, 0x93C },
  { 0x941, 0x948 }, { 0x94D, 0x94D }, { 0xE31, 0xE31 }, { 0xE34, 0xE3A },
  { 0xE47, 0xE4E }, { 0x1160, 0x11FF }, { 0x1AB0, 0x1AFF },
  { 0x1DC0, 0x1DFF }, { 0x200B, 0x200F }, { 0x202A, 0x202E },
  { 0x2060, 0x2064 }, { 0x20D0, 0x20FF }, { 0x302A, 0x302D },
  { 0x3099, 0x309A }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
  { 0xFEFF, 0xFEFF }, { 0x1F3FB, 0x1F3FF }, { 0xE0100, 0xE01EF } }
local TWO = { { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x23E9, 0x23EC },
  { 0x25FD, 0x25FE }, { 0x2614, 0x2615 }, { 0x26A1, 0x26A1 },
  { 0x2705, 0x2705 }, { 0x2728, 0x2728 }, { 0x274C, 0x274C },
  { 0x2753, 0x2755 }, { 0x2795, 0x2797 }, { 0x2B1B, 0x2B1C },
  { 0x2B50, 0x2B50 }, { 0x2E80, 0x303E }, { 0x3041, 0x33FF },
  { 0x3400, 0x4DBF }, { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF },
  { 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF },
  { 0xFE30, 0xFE6F }, { 0xFF01, 0xFF60 }, { 0xFFE0, 0xFFE6 },
  { 0x16FE0, 0x18AFF }, { 0x1B000, 0x1B2FF }, { 0x1F1E6, 0x1F1FF },
  { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1FAFF },
  { 0x20000, 0x3FFFD } }

local function is_in(ranges, code)
  for _, range in ipairs(ranges) do
    if code <= range[2] then
      return code >= range[1]
    end
  end
  return false
end

-- The number of a character of UTF-8.
local function code_of(character)
  local first = character:byte()
  if first < 0x80 then
    return first
  end
  local code = first % (first >= 0xF0 and 8 or first >= 0xE0 and 16 or 32)
  for i = 2, #character do
    code = code * 64 + character:byte(i) % 64
  end
  return code
end

local function width_of(character)
  if #character == 1 then
    return 1
  end
  local code = code_of(character)
  return is_in(NONE, code) and 0 or is_in(TWO, code) and 2 or 1
end

-- A character of UTF-8, or a byte that is none.
local CHARACTER = "[%z\1-\127\192-\255][\128-\191]*"

--- How many columns `text`, which is UTF-8 without control characters, takes.
---@param text string
---@return integer
function columns.count(text)
  if not text:find("[\128-\255]") then
    return #text
  end
  local count = 0
  for character in text:gmatch(CHARACTER) do
    count = count + width_of(character)
  end
  return count
end

-- The longest run of `characters` in the order of `next_one` that fits.
local function take(characters, most, from, to, step)
  local count, last = 0, from - step
  for i = from, to, step do
    count = count + width_of(characters[i])
    if count > most then
      break
    end
    last = i
  end
  return last
end

local function split(text)
  local characters = {}
  for character in text:gmatch(CHARACTER) do
    characters[#characters + 1] = character
  end
  return characters
end

--- `text`, or as much of its beginning as `most` columns hold, and "…".
---@param text string
---@param most integer # 1 or more
---@return string
function columns.cut(text, most)
  if columns.count(text) <= most then
    return text
  end
  local characters = split(text)
  local last = take(characters, most - 1, 1, #characters, 1)
  return table.concat(characters, "", 1, last) .. "…"
end

--- The same of its end: of a path, that says more.
---@param text string
---@param most integer # 1 or more
---@return string
function columns.cut_front(text, most)
  if columns.count(text) <= most then
    return text
  end
  local characters = split(text)
  local first = take(characters, most - 1, #characters, 1, -1)
  while characters[first] and width_of(characters[first]) == 0 do
    first = first + 1 -- it belongs to a letter that is cut off
  end
  return "…" .. table.concat(characters, "", first)
end

--- `text` in lines of `width` columns, broken at spaces; a word that is longer
--- stays whole.  All lines but the first begin with `indent` spaces.
---@param text string
---@param width integer
---@param indent integer
---@return string
function columns.wrap(text, width, indent)
  local lines, line = {}, ""
  for gap, word in text:gmatch("(%s*)(%S+)") do
    local longer = line .. gap .. word
    if line:find("%S") and columns.count(longer) > width then
      lines[#lines + 1] = line
      longer = (" "):rep(indent) .. word
    end
    line = longer
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

--- `text` with spaces behind it, so that it takes `width` columns.
---@param text string
---@param width integer
---@return string
function columns.pad(text, width)
  return text .. (" "):rep(width - columns.count(text))
end

return columns
