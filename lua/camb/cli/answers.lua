--- Shared by the commands that ask the service about many things: several at
--- once, each answered in lines on standard output.

local json = require "camb.json"
local record = require "camb.cli.record"
local session = require "camb.cli.session"
local several = require "camb.cli.several"

local answers = {}

-- Questions asked at once.
local JOBS = 8

local function quote(value)
  if type(value) == "number" or type(value) == "boolean" then
    return type(value) == "number" and json.integer(value)
      and json.digits(json.integer(value)) or tostring(value)
  end
  return record.quote(tostring(value))
end

--- An object of JSON, in a line.
---@param fields { [1]: string, [2]: any }[] # names and values; nil is left out
---@return string
function answers.object(fields)
  local parts = {}
  for _, field in ipairs(fields) do
    if field[2] ~= nil then
      parts[#parts + 1] = json.quote(field[1]) .. ":" .. quote(field[2])
    end
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

--- Do `ask(client, one, listener, place, report)` for each of `list`; it
--- returns lines, or nil and an error.
---@param arguments table
---@param list string[]
---@param ask fun(client: camb.Client, id: string, listener: function,
---  place: integer, report: table): string?, camb.Error?
---@return integer status
function answers.run(arguments, list, ask)
  arguments.jobs = arguments.jobs or JOBS
  return session.run(arguments, function(client)
    return several.run(arguments, list, function(one, listener, place,
      report)
      local lines, err = ask(client, one, listener, place, report)
      return lines and { lines = lines }, err
    end)
  end)
end

return answers
