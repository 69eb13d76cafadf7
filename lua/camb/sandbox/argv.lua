--- The words of a command, split and unquoted as a shell does it, and nothing
--- else that a shell does: the value of `{input}` stays one word, whatever it
--- contains.

local argv = {}

local function unescape_in_quotes(text)
  return (text:gsub('\\([\\"$`])', "%1"))
end

-- The next piece of a word from `at` on: what it says, and where it ends.
local function piece(text, at)
  local first = text:sub(at, at)
  if first == "'" then
    local inside, stop = text:match("^'([^']*)'()", at)
    return inside, stop
  elseif first == '"' then
    local stop = at + 1
    while text:find("^[^\"\\]", stop) or text:find("^\\.", stop) do
      stop = stop + (text:find("^\\", stop) and 2 or 1)
    end
    if text:sub(stop, stop) ~= '"' then
      return nil
    end
    return unescape_in_quotes(text:sub(at + 1, stop - 1)), stop + 1
  elseif first == "\\" then
    local inside, stop = text:match("^\\(.)()", at)
    return inside, stop
  end
  return text:match("^([^ '\"\\]+)()", at)
end

local function placeholders(list)
  local input, output = false, false
  for _, word in ipairs(list) do
    input = input or word:find("{input}", 1, true) ~= nil
    output = output or word:find("{output_dir}", 1, true) ~= nil
  end
  return input, output
end

--- Split `text`; the input and the folder come last if it does not say
--- where they go.  nil and what is wrong with it on failure.
---@param text string
---@return string[]? list
---@return string? problem
function argv.split(text)
  local list, at = {}, text:match("^ *()")
  while at <= #text do
    local parts = {}
    while at <= #text and text:sub(at, at) ~= " " do
      local part, stop = piece(text, at)
      if not part then
        return nil, "whose quotes are closed"
      end
      parts[#parts + 1], at = part, stop
    end
    list[#list + 1] = table.concat(parts)
    at = text:match("^ *()", at)
  end
  local input, output = placeholders(list)
  if not list[1] or list[1] == "" then
    return nil, "that names a program"
  elseif input ~= output then
    return nil, "with both of {input} and {output_dir}, or with none"
  elseif not input then
    list[#list + 1], list[#list + 2] = "{input}", "{output_dir}"
  end
  return list
end

return argv
