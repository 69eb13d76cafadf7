-- What passes between a process that runs specs on another system and the one here
-- that has the sandboxes: values as Lua, in files that appear whole.

local core = require "camb.core"

local words = {}

-- JSON's null, which is no value of Lua's.
local null = require("cjson").null

local function write(value)
  local kind = type(value)
  if kind == "table" then
    local fields = {}
    for key, item in pairs(value) do
      fields[#fields + 1] = ("[%s]=%s"):format(write(key), write(item))
    end
    return "{" .. table.concat(fields, ",") .. "}"
  elseif kind == "string" then
    return (("%q"):format(value):gsub("\r", "\\r"):gsub("\26", "\\26"))
  elseif value == null then
    return "NULL"
  elseif value == math.huge then
    return "1/0"
  elseif kind == "number" then
    return (math.type and math.type(value) == "integer" and "%d" or "%.17g")
      :format(value)
  end
  return tostring(value)
end

--- Let the file at `path` appear, with `value`.  Wine cannot rename a file now
--- and then, for want of memory as it says: it is asked again.
function words.put(path, value)
  local text = "local NULL = ... return " .. write(value)
  local give_up = core.now() + 10
  local ok, problem
  repeat
    ok, problem = core.write_private(path, text)
    if not ok then
      core.wait(0.01)
    end
  until ok or core.now() > give_up
  assert(ok, problem)
end

--- The value in the file at `path`, which goes away; nil while there is none.
function words.take(path)
  if not core.stat(path) then
    return nil
  end
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  os.remove(path)
  return assert((loadstring or load)(text))(null)
end

return words
