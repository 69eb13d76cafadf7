--- From what the core says of a failed transfer to the error a person reads.

local advice = require "camb.advice"
local api = require "camb.api"
local connection = require "camb.connection"
local core = require "camb.core"
local Error = require "camb.error"
local redact = require "camb.redact"

local failure = {}

local KIND_OF_STATUS = {
  [400] = "validation",
  [401] = "authentication",
  [402] = "payment_required",
  [403] = "forbidden",
  [404] = "not_found",
  [407] = "network",
  [408] = "server",
  [409] = "server",
  [410] = "not_found",
  [413] = "source",
  [415] = "source",
  [422] = "validation",
  [425] = "server",
  [429] = "rate_limited",
}

local NOUN = setmetatable({
  submit = "the upload",
  poll = "polling",
  results = "the request for results",
  download = "the download",
  source = "fetching the source",
}, { __index = function(_, step)
  return ("the %s request"):format(step)
end })

local SENTENCE = {
  authentication = "the service rejected the API key",
  payment_required = "the account is out of credit",
  forbidden = "the API key lacks permission",
  not_found = "the service does not know this id",
  validation = "the service rejected the request",
  rate_limited = "the service asks for fewer requests",
  source = "the service does not accept this file",
  server = "the service failed",
  protocol = "the service sent an unexpected response",
  network = "the proxy rejected the user name and password",
}

local STEM_SENTENCE = {
  authentication = "the stem's host asks for credentials, which camb never "
    .. "sends it",
  forbidden = "the stem's host rejected the URL, which may have expired",
  not_found = "the stem is no longer there",
}

local HOST = { source = "the source's host", download = "the stem's host" }

-- The host of a source that is a URL has nothing to do with the account: what
-- it refuses says nothing about key or credit.
local SOURCE_SENTENCE = {
  source = "the source's host rejected the request",
  rate_limited = "the source's host asks for fewer requests",
  server = "the source's host failed",
  protocol = "the source's host sent an unexpected response",
}
local IS_GONE = { [404] = true, [410] = true }

-- If nothing answers there, or something else, the address may be wrong.
local TELLS_URL = { not_found = true, protocol = true }

-- What the service said, in brackets behind our sentence.
local function reply_words(status, said, url)
  local place = url and " from " .. redact.urls(url:match("^[^?#]*")) or ""
  if said then
    return (" (HTTP %d%s: %s)"):format(status, place, said)
  end
  return (" (HTTP %d%s)"):format(status, place)
end

-- Answers of another path of the service's host, or of another host.
local HINTS = { not_found = true, forbidden = true, protocol = true }

local function hint(kind, step, url)
  return HINTS[kind] and not HOST[step] and not url:find("/apis/", 1, true)
    and "; the base URL does not end with /apis, as that of the service does"
    or ""
end

local function subject(step, operation)
  if step == "poll" or step == "status" then
    return operation.task_id and (' (task "%s")'):format(operation.task_id)
      or ""
  elseif step == "result" then
    return operation.run_id
      and (" (run %s)"):format(tostring(operation.run_id)) or ""
  end
  return ""
end

local function source_kind(kind, status)
  if status >= 400 and not SOURCE_SENTENCE[kind] then
    kind = "source"
  end
  return kind, IS_GONE[status] and "the source does not exist at its host"
    or SOURCE_SENTENCE[kind]
end

local function kind_of(step, failed)
  local status = failed.http_status
  local kind = KIND_OF_STATUS[status]
    or (status >= 500 and "server")
    or "protocol"
  if kind == "server" and failed.sent_away then
    return "rate_limited", (HOST[step] or "the service")
      .. " is unavailable"
  elseif step == "source" then
    return source_kind(kind, status)
  end
  return kind, step == "download" and STEM_SENTENCE[kind] or SENTENCE[kind]
end

local function of_http(step, transfer, operation, failed)
  local status, retry_after = failed.http_status, failed.retry_after
  local kind, sentence = kind_of(step, failed)
  local said, detail = api.read_error(transfer:body())
  local url = (TELLS_URL[kind] or IS_GONE[status]) and transfer:url() or nil
  local message = sentence .. subject(step, operation)
    .. reply_words(status, said, url) .. hint(kind, step, transfer:url())
  if retry_after then
    message = message .. ("; retry in %d s"):format(retry_after)
  end
  return {
    kind = kind,
    message = message,
    detail = detail,
    retryable = kind == "rate_limited" or kind == "server",
  }
end

local function of_network(step, transfer, _, failed)
  return {
    kind = "network",
    message = ("%s failed after %d attempt%s: %s"):format(NOUN[step],
      transfer:attempts(), transfer:attempts() == 1 and "" or "s",
      failed.message),
    retryable = true,
  }
end

-- To try again does not help.
local function of_proxy(step, transfer, _, failed)
  return {
    kind = "network",
    message = ("%s failed: %s"):format(NOUN[step], connection.proxy_failure(
      transfer:url(), failed)),
  }
end

local function of_timeout(step, _, _, failed)
  return {
    kind = "timeout",
    message = ("%s timed out: %s"):format(NOUN[step],
      failed.message),
    retryable = true,
  }
end

local function of_protocol(step, _, _, failed)
  return {
    kind = "protocol",
    message = ("%s got an invalid response: %s"):format(
      NOUN[step], failed.message),
  }
end

local MOST_QUOTED = 120 -- bytes of a reply that may hold an id

--- The fields of the error of an upload that may have been accepted.
---@param what string     # what came of it
---@param operation table # named_task, other_task: which the reply names
---@param transfer userdata
function failure.of_unknown(what, operation, transfer)
  local text, task_id = transfer:body(), operation.named_task
  local guess = not task_id and api.guess_task(text, transfer:named())
  local said, detail = api.read_error(text)
  local message = what .. (said and (": " .. said) or "")
  if task_id then
    message = message .. ('; the reply names task "%s", which may be charged: '
      .. "check it before you send the file again%s"):format(task_id,
        advice.resume(";", task_id))
    if operation.other_task then
      message = message .. ('; it also names task "%s"'):format(
        redact.visible(operation.other_task))
    end
  else
    message = message .. ": " .. advice.on("doubt")
      .. (guess and (' (its id may be "%s")'):format(guess)
        or not said and text:find("%S") and ('; the reply is "%s"'):format(
          api.excerpt(text, MOST_QUOTED)) or "")
  end
  return { kind = "unknown_outcome", step = "submit", message = message,
    task_id = task_id, detail = detail or text ~= "" and text:sub(1, 4096)
      or nil }
end

local function of_unknown(_, transfer, operation, failed)
  return failure.of_unknown(("the file was sent but no usable reply came (%s)")
    :format(failed.message), operation, transfer)
end

--- The fields of the error of a stem whose name is taken.  Another folder is no
--- advice here: what is paid for would be paid for again.
---@param path string
---@return table
function failure.of_taken(path)
  local is_folder = core.stat(path) == "folder"
  return { kind = "file", path = path, exists = not is_folder,
    shell = is_folder and "fixed" or nil,
    message = is_folder and ('"%s" is a folder: move it away'):format(path)
      or ('"%s" already exists: %s'):format(path, advice.on("overwrite")) }
end

local function of_file(step, _, _, failed)
  local message
  if failed.exists then
    return failure.of_taken(failed.path)
  elseif failed.path then
    message = ('"%s" cannot be written: %s'):format(failed.path, failed.message)
  else
    message = (step == "submit" and "the source cannot be read: " or "")
      .. failed.message
  end
  return { kind = "file", message = message, path = failed.path }
end

local function of_source(_, _, operation, failed)
  return {
    kind = "source",
    message = ("the source %s has changed: %s"):format(
      operation.source and '"' .. operation.source .. '"' or "given",
      failed.message),
  }
end

local TRANSLATE = {
  http = of_http,
  network = of_network,
  proxy = of_proxy,
  timeout = of_timeout,
  attempts = of_timeout,
  protocol = of_protocol,
  unknown_outcome = of_unknown,
  file = of_file,
  source = of_source,
  cancelled = function(step, _, operation)
    return failure.of_cancel(step, operation)
  end,
  memory = function()
    return { kind = "file", message = "out of memory" }
  end,
}

--- The fields of the error that `transfer` ended with.
---@param step string
---@param transfer userdata # done, and failed
---@param operation table        # what is known of the operation
---@return table
function failure.of_transfer(step, transfer, operation)
  local failed = transfer:failure()
  local fields = TRANSLATE[failed.kind](step, transfer, operation, failed)
  fields.step = step
  fields.http_status = failed.http_status
  fields.retry_after = failed.retry_after
  fields.attempts = transfer:attempts()
  return fields
end

--- The fields of the error of a transfer that could not begin.
function failure.of_open(step, reason)
  return {
    kind = "protocol",
    message = ("%s could not start: %s"):format(NOUN[step], reason),
  }
end

--- The fields of the error of an operation stopped from our side.
---@param step string
---@param operation table
---@param is_sent boolean? # an upload, of which the service may have the whole
function failure.of_cancel(step, operation, is_sent)
  local message = NOUN[step] .. " was cancelled"
  if is_sent and not operation.task_id then
    return { kind = "unknown_outcome", step = step, message = message
      .. " after the file was sent: " .. advice.on("doubt") }
  elseif operation.task_id then
    message = ('no longer waiting for task "%s": the service cannot cancel '
      .. "it, so it continues there and is charged"):format(operation.task_id)
  end
  return { kind = "cancelled", step = step, message = message }
end

-- An id with what a terminal obeys in it is shown as it can be typed.
local function with_visible(message, id)
  local shown, at = redact.visible(id), 1
  while shown ~= id do
    local first, last = message:find(id, at, true)
    if not first then
      break
    end
    message = message:sub(1, first - 1) .. shown .. message:sub(last + 1)
    at = first + #shown
  end
  return message
end

--- An error of `fields` in which `secret` does not occur, even if the service
--- echoes it.
---@param fields table
---@param secret string?
---@param url string? # that was requested, whose query is not shown
---@return camb.Error
function failure.make(fields, secret, url)
  local message = with_visible(fields.message, fields.task_id or "")
  fields.message = redact.line(message, secret, url)
  for _, name in ipairs({ "detail", "status", "exception_reason" }) do
    fields[name] = redact.all(fields[name], secret, url)
  end
  return Error.new(fields)
end

return failure
