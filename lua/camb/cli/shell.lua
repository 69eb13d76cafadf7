--- Words as a shell reads them.

local shell = {}

--- `word` so that a shell reads it as one, as it is.
---@param word string
---@return string
function shell.quote(word)
  if word:find("^[%w@%%+=:,./_-]+$") then
    return word
  elseif word:find("[%z\1-\31\127]") or word:find("\194[\128-\159]") then
    return "$'" .. word:gsub("[%z\1-\31\127-\255\\']", function(character)
      return ("\\x%02x"):format(character:byte())
    end) .. "'"
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- The line that these words make.
---@param words string[]
---@return string
function shell.line(words)
  local quoted = {}
  for i, word in ipairs(words) do
    quoted[i] = shell.quote(word)
  end
  return table.concat(quoted, " ")
end

--- `words` with `ids` behind them, none of which is taken for an option.
---@param words string[] # which are changed
---@param ids string[]
---@return string[] words
function shell.with_ids(words, ids)
  for _, id in ipairs(ids) do
    if id:find("^%-") then
      words[#words + 1] = "--"
      break
    end
  end
  for _, id in ipairs(ids) do
    words[#words + 1] = id
  end
  return words
end

--- Whether `program` is among those that a shell finds.
---@param program string
---@return boolean
function shell.has(program)
  for folder in (os.getenv("PATH") or ""):gmatch("[^:]+") do
    if require("camb.core").is_program(folder .. "/" .. program) then
      return true
    end
  end
  return false
end

return shell
