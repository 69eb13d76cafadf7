--- A file that holds an API key: only its owner may read it.

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
