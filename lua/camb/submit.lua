--- The paid step: a source goes up, a task id comes back.

local api = require "camb.api"
local failure = require "camb.failure"
local fetch = require "camb.fetch"
local json = require "camb.json"
local source = require "camb.source"

local submit = {}

local PIECE = 2 ^ 20

-- In the order of the service's reference.
local function form_fields(options)
  local fields = {}
  local function add(name, value)
    if value ~= nil then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  add("project_name", options.project_name)
  add("project_description", options.project_description)
  add("folder_id", options.folder_id and json.digits(options.folder_id))
  return fields
end

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

-- Stopped from our side, maybe at a time when all was sent.
local function fail_stopped(call, transfer)
  local is_open, is_sent = pcall(transfer.is_sent, transfer)
  return call:fail(failure.of_cancel("submit", call, is_open and is_sent))
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
  if transfer:failure() then
    return call:fail_transfer("submit", transfer)
  end
  return transfer:body()
end

local function open(call, prepared, options)
  local client = call.client
  return call:open("upload", {
    url = api.create_url(client.base_url, options.run_id),
    headers = options.traceparent
      and { "traceparent: " .. options.traceparent },
    fields = form_fields(options),
    part = "media_file",
    filename = prepared.filename,
    content_type = prepared.content_type,
    path = prepared.path,
    data = prepared.data,
    size = prepared.size,
    progress = call.has_listener,
  })
end

local function send(call, prepared, options)
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
  local text, err = wait(call, transfer, prepared)
  if not text then
    return nil, err
  end
  local reply
  reply, problem = api.read_created(text)
  if not reply then
    return call:fail({ kind = "unknown_outcome", step = "submit",
      http_status = transfer:status(),
      message = problem .. ": a task may exist and be charged; look at the "
        .. "dashboard before you send it again" })
  end
  call.task_id = reply.task_id
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
  return send(call, prepared, options)
end

return submit
