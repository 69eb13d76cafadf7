--- An API key of the environment, or of a file that only its owner may read.

local core = require "camb.core"

local key_file = {}

--- Why others than the file's owner could read what it holds, and the shell's
--- line against it; nil if they cannot.
---@param path string
---@return string? problem
function key_file.exposure(path)
  if core.stat(path) == "file" and core.is_exposed(path) then
    return ('"%s" may be read by others: run chmod 600 \'%s\''):format(path,
      (path:gsub("'", "'\\''")))
  end
end

--- The key of CAMB_API_KEY, without blanks around it; nil if there is none.
---@return string?
function key_file.of_environment()
  local key = (os.getenv("CAMB_API_KEY") or ""):match("^%s*(.-)%s*$")
  return key ~= "" and key or nil
end

--- What is wrong with a key that no header can hold.
---@param key string
---@return string? problem
function key_file.problem(key)
  return key:find("[%z\1-\32\127]")
    and "contains a space or a control character" or nil
end

--- The first line of the file.
---@param path string
---@return string? key
---@return string? problem
function key_file.read(path)
  local problem = key_file.exposure(path)
  if problem then
    return nil, problem
  end
  local file, reason = io.open(path, "rb")
  local line = file and file:read(4096)
  if file then
    file:close()
  end
  local key = (line or ""):match("^%s*([^\r\n]*)"):gsub("%s+$", "")
  if key == "" then
    return nil, ('"%s" %s'):format(path, file and "contains no API key"
      or "cannot be read: " .. tostring(reason):gsub("^.*: ", ""))
  end
  return key
end

return key_file
