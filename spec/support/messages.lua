-- Print what camb says, a line for each text with its place: for reading.
--
--   lua5.4 spec/support/messages.lua FILE...
--
-- A text is a string of Lua or C with two words at least; pieces that are joined
-- by ".." or stand side by side are one text.

local function is_text(text)
  return text:find "%a%a+[%s%%].*%a" ~= nil and text:find "%s" ~= nil
end

-- Blank out comments, keeping lines.
local function without_comments(text, is_c)
  local function blank(comment)
    return (comment:gsub("[^\n]", " "))
  end
  local out, at = {}, 1
  while at <= #text do
    local piece
    if text:find('^"', at) then
      local last = at
      repeat
        last = text:find('["\\]', last + 1) or #text
        if text:sub(last, last) == "\\" then
          last = last + 1
        end
      until text:sub(last, last) == '"' and text:sub(last - 1, last) ~= '\\"'
        or last >= #text
      piece = text:sub(at, last)
    elseif not is_c and text:find("^'", at) then
      piece = text:match("^'[^'\n]*'", at) or "'"
    elseif is_c and text:find("^/%*", at) then
      piece = text:match("^/%*.-%*/", at)
    elseif not is_c and text:find("^%-%-", at) then
      piece = text:match("^%-%-[^\n]*", at)
    else
      piece = text:match("^[^\"'/%-]+", at) or text:sub(at, at)
    end
    local is_comment = is_c and piece:find "^/%*" or not is_c
      and piece:find "^%-%-"
    out[#out + 1] = is_comment and blank(piece) or piece
    at = at + #piece
  end
  return table.concat(out)
end

local function print_texts(path)
  local file = assert(io.open(path))
  local text = without_comments(file:read "*a", path:find "%.[ch]$")
  file:close()
  local line, at = 1, 1
  while true do
    local first = text:find("[\"']", at)
    if not first then
      return
    end
    line = line + select(2, text:sub(at, first - 1):gsub("\n", ""))
    local joined, last = {}, first
    repeat
      local quote = text:sub(last, last)
      local stop = last
      repeat
        stop = text:find("[" .. quote .. "\\\n]", stop + 1)
        if stop and text:sub(stop, stop) == "\\" then
          stop = stop + 1
        end
      until not stop or text:sub(stop, stop) == quote
        and text:sub(stop - 1, stop - 1) ~= "\\" or text:sub(stop, stop) == "\n"
      stop = stop or #text
      joined[#joined + 1] = text:sub(last + 1, stop - 1)
      local _, gap = text:find("^%s*%.?%.?%s*", stop + 1)
      at = stop + 1
      last = gap + 1
    until not text:find("^[\"']", last)
    local whole = table.concat(joined)
    if is_text(whole) then
      print(("%s:%d: %s"):format(path, line, whole))
    end
    line = line + select(2, text:sub(first, at - 1):gsub("\n", ""))
  end
end

for _, path in ipairs(arg) do
  print_texts(path)
end
