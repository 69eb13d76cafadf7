--- The paid step: a source goes up, a task id comes back.

local api = require "camb.api"
local failure = require "camb.failure"
local fetch = require "camb.fetch"
local journal = require "camb.journal"
local operations = require "camb.operations"
local source = require "camb.source"

local submit = {}

local PIECE = 2 ^ 20

-- Hand over what the reader gives next, a piece at a time where it is much;
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

-- What the reply says, be it whole or not; nil and what is wrong with it.
local function read_reply(call, transfer)
  local reply, problem = api.read_created(transfer:body(),
    call.upload_url, transfer:named())
  local status = transfer:status()
  call.named_task = reply and reply.task_id
  return status >= 200 and status < 300 and reply or nil, problem
end

-- Stopped from our side, maybe at a time when all was sent.
local function fail_stopped(call, transfer)
  local is_open, is_sent = pcall(transfer.is_sent, transfer)
  local reply = is_open and read_reply(call, transfer)
  call.task_id = reply and reply.task_id
  return call:fail(failure.of_cancel("submit", call, is_open and is_sent))
end

-- The transfer is done.  What it failed of does not count where the service has
-- named the task before.
local function conclude(call, transfer)
  local kind, _, status = transfer:failure()
  if kind and kind ~= "unknown_outcome" then
    return call:fail_transfer("submit", transfer)
  end
  local reply, problem = read_reply(call, transfer)
  if reply then
    return reply
  elseif kind then
    return call:fail_transfer("submit", transfer)
  end
  local fields = failure.of_unknown(problem, call.named_task, transfer)
  fields.http_status = status or transfer:status()
  return call:fail(fields)
end

local function wait(call, transfer, prepared)
  while true do
    local event = call.inbox:next()
    if not event then
      return fail_stopped(call, transfer)
    end
    local kind = event[2]
    if kind == "done" then
      break
    elseif kind == "progress" then
      call:emit("upload_progress", { bytes = event[4], total = event[5] })
    elseif kind == "retry" then
      call:emit_retry("submit", event)
    elseif kind == "want" then
      local problem = feed(transfer, prepared)
      if problem then
        return call:fail({ kind = "source", step = "submit",
          message = problem })
      end
    end
  end
  return conclude(call, transfer)
end

local function open(call, prepared, options)
  local client = call.client
  local request = operations.request("submit", client.base_url, options)
  request.accepted = "taskid"
  request.filename = prepared.filename
  request.content_type = prepared.content_type
  request.path = prepared.path
  request.data = prepared.data
  request.size = prepared.size
  request.sha256 = call.sha256
  request.hash = call.hash_source
  request.progress = call.has_listener
  call.upload_url = request.url
  return call:open("upload", request)
end

local function send(call, prepared, options)
  local is_noted, failed = journal.begin(call, prepared)
  if not is_noted then
    return nil, failed
  end
  local transfer, problem = open(call, prepared, options)
  if not transfer then
    return call:fail_open("submit", { kind = "file", path = prepared.path,
      message = ('the source "%s" cannot be sent: %s'):format(prepared.label,
        problem) })
  end
  if call.has_listener then
    call:emit("upload_started", { total = prepared.size,
      filename = prepared.filename })
  end
  local reply, err = wait(call, transfer, prepared)
  local is_open, sum = pcall(transfer.sha256, transfer)
  call.sent_sha256 = is_open and sum or nil
  if not reply then
    return nil, err
  end
  call.task_id = reply.task_id
  journal.settle(call)
  call.inbox:drop(transfer)
  call:emit("submitted")
  return reply
end

--- Send `checked` (of `source.check`) and read the task id.
---@return table? reply # task_id, and whatever else the service says
---@return camb.Error? err
function submit.run(call, checked, options)
  if source.is_url(checked.path) then
    local fetched, err = fetch.run(call, checked)
    if not fetched then
      return nil, err
    end
    checked = fetched
  end
  local prepared, problem = source.prepare(checked, not options.check)
  if not prepared then
    problem.step = "submit"
    return call:fail(problem)
  end
  local reply, err = send(call, prepared, options)
  journal.settle(call, err)
  return reply, err
end

return submit
