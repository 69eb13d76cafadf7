--- A secret in foreign text.  It is found however it is spelled: in other
--- letters, escaped for a URL, for JSON, for HTML or twice, in base64, in
--- hexadecimal digits, and with its end cut off.
---
--- Everything here is linear in the length of the text.

local lower = require("camb.text").lower

---@class camb.Secret
local Secret = {}
Secret.__index = Secret

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
local function add_base64(forms, text)
  for skipped = 0, 2 do
    local first = math.ceil(skipped * 8 / 6)
    local own = base64(("\0"):rep(skipped) .. text):sub(first + 1)
    for _, form in ipairs({ own, (own:gsub("+", "-"):gsub("/", "_")) }) do
      forms[#forms + 1] = { text = lower(form), is_run = true }
    end
  end
end

--- A secret that is to be hidden; nil if `text` is too short to be one.
---@param text string
---@param with string # to write in its place
---@return camb.Secret?
function Secret.new(text, with)
  if #text < SHORTEST then
    return nil
  end
  local forms = { { text = lower(text) } }
  forms[2] = { text = (text:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)) }
  add_base64(forms, text)
  for _ = 1, ROUNDS do -- what looks like an escape in it is taken off, too
    local plain = unescape(text)
    if plain ~= text then
      forms[#forms + 1] = { text = lower(plain) }
    end
    text = plain
  end
  return setmetatable({ with = with, is_long = #forms[1].text >= LONG,
    forms = forms }, Secret)
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

local function find_whole(self, found, text, places)
  for _, form in ipairs(self.forms) do
    local first, last = text:find(form.text, 1, true)
    while first do
      local from, to = extent(text, form, first, last, self.is_long)
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
local function find_beginning(self, found, text, places, last)
  local whole, is_long = self.forms[1].text, self.is_long
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
local function find_cut(self, found, text, places)
  find_beginning(self, found, text, places, #text - #text:match('[")]?$'))
  local at = 1
  for _ = 1, MOST_CUTS do
    local mark, behind = text:find("…", at, true)
    if not mark then
      return
    end
    find_beginning(self, found, text, places, mark - 1)
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

--- `text` without the secret, in every spelling.  A short one is hidden only as
--- a whole word.
---@param text string
---@return string
function Secret:hide(text)
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
    find_whole(self, found, small, places)
    find_cut(self, found, small, places)
  end
  return #found > 0 and replace(text, found, self.with) or text
end

return Secret
