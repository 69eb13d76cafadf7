--- Rows as LuaDBI reads them, and as camb gives them.

local ascii = require "camb.ascii"
local json = require "camb.json"

local rows = {}

local INTEGERS = { "size", "foreground_size", "background_size", "run_id" }
local TIMES = { "mtime", "ctime", "sent", "updated" }

--- What LuaDBI read, as what it stands for.
---@param row table
---@return table row # the same one
function rows.one(row)
  for _, name in ipairs(INTEGERS) do
    row[name] = json.integer(row[name]) or row[name]
  end
  for _, name in ipairs(TIMES) do
    row[name] = ascii.tonumber(row[name])
  end
  if row.retryable ~= nil then
    row.retryable = row.retryable == 1
  end
  return row
end

function rows.all(list)
  for _, row in ipairs(list) do
    rows.one(row)
  end
  return list
end

return rows
