--- The paid step: a source goes up, a task id comes back.

local api = require "camb.api"
local failure = require "camb.failure"
local fetch = require "camb.fetch"
local journal = require "camb.journal"
local operations = require "camb.operations"
local redact = require "camb.redact"
local source = require "camb.source"

local submit = {}

local PIECE = 2 ^ 20

-- Hand over what the reader gives next, in pieces if it is much;
-- returns what is wrong with it.
local function feed(transfer, prepared)
  local chunk, at = prepared.head, prepared.at or 1
  if not chunk or at > #chunk then
    local problem
    chunk, problem = source.pull(prepared.read)
    at = 1
    if problem then
      return problem
    end
  end
  transfer:feed(chunk:sub(at, at + PIECE - 1))
  prepared.head, prepared.at = chunk, at + PIECE
end

-- What the reply says, complete or not; nil and what is wrong with it.
local function read_reply(operation, transfer)
  local reply, problem, other = api.read_created(transfer:body(),
    operation.upload_url, transfer:named())
  local status = transfer:status()
  operation.named_task = reply and reply.task_id
  operation.other_task = other
  return status >= 200 and status < 300 and reply or nil, problem
end

-- Cancelled locally, maybe after everything was sent.
local function fail_stopped(operation, transfer)
  local is_open, is_sent = pcall(transfer.is_sent, transfer)
  local reply = is_open and read_reply(operation, transfer)
  operation.task_id = reply and reply.task_id
  if is_open and not is_sent then
    operation.inbox:drop(transfer) -- now, as its operation may go on
  end
  return operation:fail(failure.of_cancel("submit", operation,
    is_open and is_sent))
end

-- The transfer is done.  What it failed of does not count if the service has
-- named the task before.
local function conclude(operation, transfer)
  local failed = transfer:failure()
  if failed and failed.kind ~= "unknown_outcome" then
    return operation:fail_transfer("submit", transfer)
  end
  local reply, problem = read_reply(operation, transfer)
  if reply then
    return reply
  elseif failed then
    return operation:fail_transfer("submit", transfer)
  end
  local fields = failure.of_unknown(problem, operation, transfer)
  fields.http_status = transfer:status()
  return operation:fail(fields)
end

local function wait(operation, transfer, prepared)
  while true do
    local event = operation.inbox:next()
    if not event then
      return fail_stopped(operation, transfer)
    end
    local kind = event[2]
    if kind == "done" then
      break
    elseif kind == "progress" then
      operation:emit("upload_progress", { bytes = event[4], total = event[5] })
    elseif kind == "retry" then
      operation:emit_retry("submit", event)
    elseif kind == "want" then
      local problem = feed(transfer, prepared)
      if problem then
        return operation:fail({ kind = "source", step = "submit",
          message = problem })
      end
    end
  end
  return conclude(operation, transfer)
end

local function open(operation, prepared, options)
  local client = operation.client
  local request = operations.request("submit", client.base_url, options)
  request.accepted = "taskid"
  request.filename = prepared.filename
  request.content_type = prepared.content_type
  request.path = prepared.path
  request.data = prepared.data
  request.size = prepared.size
  request.sha256 = operation.sha256
  request.hash = options.dedupe or client.journal ~= nil
  request.progress = operation.has_listener
  operation.upload_url = request.url
  return operation:open("upload", request)
end

local function send(operation, prepared, options)
  local is_noted, failed = journal.begin(operation, prepared)
  if not is_noted then
    return nil, failed
  end
  local transfer, problem = open(operation, prepared, options)
  if not transfer then
    return operation:fail_open("submit", { kind = "file", path = prepared.path,
      message = ('the source "%s" cannot be sent: %s'):format(prepared.label,
        problem) })
  end
  if operation.has_listener then
    operation:emit("upload_started", { total = prepared.size,
      filename = prepared.filename })
  end
  local reply, err = wait(operation, transfer, prepared)
  local is_open, sum = pcall(transfer.sha256, transfer)
  operation.sent_sha256 = is_open and sum or nil
  if not reply then
    return nil, err
  end
  operation.task_id = reply.task_id
  journal.settle(operation)
  operation.inbox:drop(transfer)
  operation:emit("submitted")
  if operation.other_task then
    operation:emit("warning", { message = operation:clean(
      ('the reply to the upload also names task "%s"'):format(
        redact.visible(operation.other_task))) })
  end
  return reply
end

--- Send `origin` (of `source.check`) and read the task id.
---@return table? reply # task_id, and whatever else the service says
---@return camb.Error? err
function submit.run(operation, origin, options)
  if source.is_url(origin.path) then
    local fetched, err = fetch.run(operation, origin)
    if not fetched then
      return nil, err
    end
    origin = fetched
  end
  local prepared, problem = source.prepare(origin, not options.check)
  if not prepared then
    problem.step = "submit"
    return operation:fail(problem)
  end
  local reply, err = send(operation, prepared, options)
  journal.settle(operation, err)
  return reply, err
end

return submit
