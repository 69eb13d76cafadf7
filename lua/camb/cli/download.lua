--- `camb download`: the stems of tasks that are paid for, from whatever run or
--- machine.

local api = require "camb.api"
local core = require "camb.core"
local earlier = require "camb.journal.earlier"
local journal = require "camb.journal"
local layout = require "camb.layout"
local paid = require "camb.cli.paid"
local session = require "camb.cli.session"
local several = require "camb.cli.several"
local status = require "camb.cli.status"

local download = {}

-- By its id, what the journal in the folder knows of a task, and the tasks of
-- this service whose stems it waits for.
local function known_tasks(client)
  local known, is_listed, list = {}, {}, {}
  local service = api.service(client.base_url)
  for _, entry in ipairs(journal.entries(client.journal)) do
    known[entry.task_id or false] = known[entry.task_id or false] or entry
  end
  for _, entry in ipairs(journal.open_entries(client.journal)) do
    local id = entry.task_id
    if id and not is_listed[id] and (entry.base_url or service) == service then
      is_listed[id], list[#list + 1] = true, id
    end
  end
  return known, list
end

-- The recording of a task, if it is as it was.
local function mixture_of(entry)
  local now = earlier.identity(entry.source)
  return now.size and now.size == entry.size and now.changed == entry.changed
    and entry.source or nil
end

-- The options for the task `id`, of which `entry` is known.
local function options_of(arguments, listener, entry)
  local options = session.options(arguments, listener)
  options.mixture = arguments.mixture or mixture_of(entry)
  options.stem_name = arguments.stem_name
  options.name = arguments.name
    or not arguments.mixture and earlier.stem_name(entry) or nil
  return options
end

local function run(client, arguments)
  local known, list = known_tasks(client)
  local ids = #arguments.task > 0 and arguments.task or list
  if #ids == 0 then
    return session.complain(("no task: name one; %s lists none"):format(
      client.journal))
  end
  return several.run(arguments, ids, function(id, listener, _, report)
    local options = options_of(arguments, listener, known[id] or {})
    if not options.mixture and (arguments.format or arguments.stem_name) then
      report:say("%s: its source is unknown here, or has changed: name it with "
        .. "--mixture for its name, tags and cover", id)
    end
    return paid.fetch(client, id, options)
  end)
end

-- A name with {stem} in it is a pattern.
local function settle_name(arguments)
  local name, is_one = arguments.name, #arguments.task == 1
  if not name or not name:find("{stem}", 1, true) then
    return name and not is_one and "--name needs exactly one task" or nil
  end
  arguments.name, arguments.stem_name = nil, name
  local problem = layout.problem(name)
  if problem then
    return "--name " .. problem
  elseif not is_one and not layout.has_ids(name)
    and not name:find("{name}", 1, true)
  then
    return "--name gives the stems of several tasks one name: use {name}, "
      .. "{task} or {run} in it"
  end
end

--- Run it; the exit status is 0 only when all stems are whole.
---@param arguments table
---@return integer status
function download.run(arguments)
  local problem = settle_name(arguments)
  if not problem and arguments.mixture and #arguments.task ~= 1 then
    problem = "--mixture needs exactly one task"
  end
  if problem then
    return session.complain(problem)
  end
  local kind, reason = core.stat(arguments.mixture or ".")
  if not kind then
    return session.complain(('"%s" cannot be read: %s'):format(
      arguments.mixture, reason), status.FILE)
  end
  arguments.jobs = 4
  return session.run(arguments, run)
end

return download
