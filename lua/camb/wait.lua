--- Waiting for a task: one poll of the core, whose replies are read here.

local advice = require "camb.advice"
local api = require "camb.api"
local failure = require "camb.failure"
local operations = require "camb.operations"
local redact = require "camb.redact"

local wait = {}

local LONGEST_WORDS = 1000 -- of the service's, in a sentence of ours

local SENTENCE = {
  task_failed = "the task failed at the service",
  task_timeout = "the task took too long, and the service gave up on it",
  payment_required = "the service requires payment for the task",
}

-- Kinds of error by which the service says that it does not know the task.
local UNKNOWN = { not_found = true, validation = true }
local CHECK = "; check the id, and that the key belongs to the account that "
  .. "created it"

-- A task's message, whatever its type, as words.
local function words_of(status)
  local message = status.message
  if type(message) == "table" then
    message = message.message or message.detail
  end
  if type(message) == "string" and message ~= "" then
    return redact.cut(message, LONGEST_WORDS)
  end
end

local function end_badly(operation, status, kind)
  local reason = status.exception_reason
  local said = {}
  said[#said + 1] = reason and redact.cut(reason, LONGEST_WORDS)
  said[#said + 1] = words_of(status)
  local quoted = #said > 0 and ": " .. table.concat(said, ", ") or ""
  return operation:fail({
    kind = kind,
    step = "poll",
    status = status.status,
    exception_reason = reason,
    task_ended = true,
    detail = status.message,
    message = ('%s (status %s%s)'):format(SENTENCE[kind], status.status,
      quoted),
  })
end

local function end_well(operation, status)
  if not status.run_id then
    return operation:fail({ kind = "protocol", step = "poll",
      status = status.status,
      message = ('the task ended as %s without a run id'):format(
        status.status) })
  end
  local remark = words_of(status)
  operation.run_id = status.run_id
  operation.is_new_run = true
  if operation.has_listener then
    operation:emit("run_ready", { message = operation:clean(remark) })
  end
  return { id = status.run_id, task_id = operation.task_id,
    status = status.status,
    message = remark, raw = status.raw }
end

local function plural(polls)
  return polls == 1 and "1 poll" or ("%d polls"):format(polls)
end

local function give_up(operation, transfer, last)
  local _, err = operation:fail_transfer("poll", transfer)
  local id = redact.visible(operation.task_id)
  local comma, semicolon = advice.resume(",", id), advice.resume(";", id)
  local failed = transfer:failure()
  local kind, reason = failed.kind, failed.message
  local polls = plural(transfer:attempts())
  err.status = last.word
  if err.kind == "not_found" and operation.is_accepted then
    -- a person may have given the row of a store its task
    local is_sure = not operation.key or operation.upload_url
    err.message = ("%s, still after %s%s"):format(err.message, polls, is_sure
      and "; the service accepted this task before" or CHECK) .. semicolon
    return nil, err
  elseif UNKNOWN[err.kind] then
    err.message = err.message .. CHECK
    return nil, err
  elseif kind ~= "attempts" then
    err.message = err.message .. "; the task continues" .. comma
  elseif last.problem then
    err.kind = "protocol"
    err.message = ("%s, still after %s"):format(last.problem, polls)
      .. semicolon
  elseif last.word and api.meaning(last.word) ~= "pending" then
    err.kind = "protocol"
    err.message = ('the task has the status "%s", which is not documented, '
      .. "still after %s"):format(last.word, polls) .. semicolon
  elseif last.word then
    err.kind = "timeout"
    err.message = ("the task was still %s after %s; it may finish later")
      :format(last.word, polls) .. semicolon
  else
    err.kind = "timeout"
    err.message = ("the service did not report the task's status within %s "
      .. "(%s); it may finish later"):format(polls, operation:clean(reason))
      .. semicolon
  end
  err.retryable = true
  return nil, err
end

-- Read the reply that came, unless it is the one before again.
local function read(operation, transfer, last)
  local status, problem = api.read_status(transfer:body())
  last.problem = operation:clean(problem)
  if status then
    local word = status.status
    last.word = api.meaning(word) and word or operation:clean(word)
  end
  return status
end

local function tell_polled(operation, event, last, meaning)
  if not operation.has_listener then
    return
  end
  operation:emit("polled", { status = last.word, attempt = event[3],
    next_in = (not meaning or meaning == "pending") and event[5] or nil,
    problem = last.problem })
end

-- The outcome that a reply brings; nothing while the task runs.
local function judge(operation, transfer, event, last)
  local status = not event[6] and read(operation, transfer, last)
  local meaning = status and api.meaning(status.status)
  tell_polled(operation, event, last, meaning)
  if meaning == "success" then
    return end_well(operation, status)
  elseif meaning and meaning ~= "pending" then
    return end_badly(operation, status, meaning)
  end
end

-- What an event brings; nothing while the task runs.
local function hear(operation, transfer, event, last)
  local kind = event[2]
  if kind == "done" then
    return give_up(operation, transfer, last)
  elseif kind == "retry" then
    operation:emit_retry("poll", event)
  elseif kind == "reply" then
    return judge(operation, transfer, event, last)
  end
end

local function begin(operation, options, is_accepted)
  local request = operations.request("status", operation.client.base_url,
    { task_id = operation.task_id, run_id = options.run_id })
  request.interval = options.interval
  request.max_attempts = options.max_attempts
  request.patience = options.interval * options.max_attempts
  request.listen = operation.has_listener
  request.is_accepted = is_accepted
  local transfer, problem = operation:open("poll", request)
  if not transfer then
    return operation:fail_open("poll", failure.of_open("poll", problem))
  end
  return transfer
end

-- True if the polls of `transfer`, which ended with `err`, are used up, and
-- the task is not known to be anything but under way.
local function may_go_on(transfer, err)
  return err.kind == "timeout" and transfer:failure().kind == "attempts"
end

--- Poll until the task `operation.task_id` ends; with `options.polls_on` until
--- the deadline, however many polls that takes.  If this client submitted it
--- (`is_accepted`), the first polls may not find it yet.
---@return table? run # id, task_id
---@return camb.Error? err
function wait.run(operation, options)
  local transfer, err = begin(operation, options, operation.is_accepted)
  local run
  local last = {}
  while transfer do
    local event = operation.inbox:next()
    if event then
      run, err = hear(operation, transfer, event, last)
    else
      run, err = operation:fail_cancelled("poll")
    end
    if run or err then
      local goes_on = err and options.polls_on and may_go_on(transfer, err)
      operation.inbox:drop(transfer)
      if not goes_on then
        return run, err
      end
      last = {}
      transfer, err = begin(operation, options)
    end
  end
  return nil, err
end

return wait
