--- `camb download`: the stems of tasks that are paid for, from whatever run or
--- machine.

local journal = require "camb.journal"
local paid = require "camb.cli.paid"
local session = require "camb.cli.session"
local workers = require "camb.cli.workers"

local download = {}

-- By its id, what the journal in the folder knows of a task.
local function known_tasks(client)
  local known, list = {}, {}
  for _, entry in ipairs(journal.open_entries(client.journal)) do
    if entry.task_id and not known[entry.task_id] then
      known[entry.task_id] = entry
      list[#list + 1] = entry.task_id
    end
  end
  return known, list
end

local function run(client, arguments)
  local known, list = known_tasks(client)
  local ids = #arguments.task > 0 and arguments.task or list
  if #ids == 0 then
    return session.complain(("no task: name one; %s lists none"):format(
      client.journal))
  end
  return workers.run(client, arguments, ids, function(id, listener)
    local options = session.options(arguments, listener)
    options.name = arguments.name or known[id] and known[id].name
    return paid.fetch(client, id, options)
  end)
end

--- Run it; the exit status is 0 only when all stems are whole.
---@param arguments table
---@return integer status
function download.run(arguments)
  if arguments.name and #arguments.task ~= 1 then
    return session.complain("--name needs exactly one task")
  end
  arguments.jobs = 4
  return session.run(arguments, run)
end

return download
