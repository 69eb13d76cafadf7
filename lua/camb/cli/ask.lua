--- `camb status`, `camb wait` and `camb result`: what the service says of tasks
--- and runs, by their ids.

local answers = require "camb.cli.answers"
local api = require "camb.api"
local Error = require "camb.error"
local json = require "camb.json"
local redact = require "camb.redact"

local ask = {}

local function digits(run_id)
  return run_id and json.digits(run_id)
end

local function is_run(id)
  return id:find("^%d+$") ~= nil
end

-- Fields of what is known: an object of JSON, or columns.
local function line_of(arguments, fields)
  if arguments.json then
    return answers.object(fields)
  end
  local columns = {}
  for i, field in ipairs(fields) do
    columns[i] = field[2] ~= nil and redact.visible(tostring(field[2])) or "-"
  end
  return table.concat(columns, "\t") .. "\n"
end

local function text_of(message)
  return type(message) == "string" and message or nil
end

-- How the task has ended, if not with success.
local function failure_of(id, found)
  local kind = api.meaning(found.status)
  if kind == nil or kind == "pending" or kind == "success" then
    return nil
  end
  return Error.new({ kind = kind, task_id = id, task_ended = true,
    message = ("the task has ended as %s%s"):format(found.status,
    found.exception_reason and ": " .. found.exception_reason or "") })
end

local function find(client, arguments, id)
  return client:task(id):status({ deadline = arguments.deadline })
end

local ASK = {}

function ASK.status(client, id, arguments)
  local found, err = find(client, arguments, id)
  if not found then
    return nil, err
  end
  io.stdout:write(line_of(arguments, { { "task_id", id },
    { "status", found.status }, { "run_id", digits(found.run_id) },
    { "exception_reason", found.exception_reason },
    { "message", text_of(found.message) } }))
  err = failure_of(id, found)
  return not err and "" or nil, err
end

function ASK.wait(client, id, arguments, listener)
  local run, err = client:task(id):wait({ interval = arguments.interval,
    max_attempts = arguments.max_attempts, deadline = arguments.deadline,
    on_event = listener })
  if not run then
    return nil, err
  end
  return line_of(arguments, { { "task_id", id },
    { "run_id", digits(run.id) },
    { "message", arguments.json and text_of(run.message) or nil } })
end

local function run_of(client, id, arguments)
  if is_run(id) then
    return id
  end
  local found, err = find(client, arguments, id)
  if not found then
    return nil, err
  elseif found.run_id then
    return found.run_id
  end
  return nil, failure_of(id, found) or Error.new({ kind = "timeout",
    task_id = id, message = ("the task is %s: it has no result yet"):format(
    found.status) })
end

function ASK.result(client, id, arguments)
  local run_id, err = run_of(client, id, arguments)
  local urls
  if run_id then
    urls, err = client:result(run_id, { deadline = arguments.deadline })
  end
  if not urls then
    return nil, err
  elseif arguments.json then
    return answers.object({ { "task_id", not is_run(id) and id or nil },
      { "run_id", digits(run_id) },
      { "foreground_audio_url", urls.foreground_audio_url },
      { "background_audio_url", urls.background_audio_url } })
  end
  return ("%s\n%s\n"):format(redact.visible(urls.foreground_audio_url),
    redact.visible(urls.background_audio_url))
end

--- Run the one that is named.
---@param arguments table
---@return integer status
function ask.run(arguments)
  local fn = ASK[arguments.command]
  return answers.run(arguments, arguments.task, function(client, id, listener)
    return fn(client, id, arguments, listener)
  end)
end

return ask
