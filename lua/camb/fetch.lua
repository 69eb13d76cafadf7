--- A source that is given as a URL comes down like a stem, without the key,
--- into a file without a name.  Nothing is paid for yet.

local core = require "camb.core"
local source = require "camb.source"
local temporary = require "camb.temporary"

local fetch = {}

local function fail(operation, origin, problem)
  return operation:fail_open("source", { kind = "source",
    message = ('the source "%s" cannot be fetched: %s'):format(
      source.label(origin), problem) })
end

local function request_of(url)
  if source.is_s3(url) then
    return require("camb.s3").request(url)
  end
  local problem = core.url_problem(url)
  return not problem and { url = url } or nil, problem
end

local function open(operation, request)
  local part, problem = core.part()
  if not part then
    return nil, temporary.explain(problem)
  end
  local transfer
  request.part, request.is_unpaid = part, true
  transfer, problem = operation:open("download", request)
  if not transfer then
    part:close()
  end
  return transfer, problem
end

--- Fetch the source `origin`, a URL; the file is there until
--- `operation:forget_source`.
---@param operation camb.Operation
---@param origin table # of `source.check`
---@return table? fetched # the file, as of `source.check`, and its url
---@return camb.Error? err
function fetch.run(operation, origin)
  local request, problem = request_of(origin.path)
  if not request then
    return fail(operation, origin, problem)
  end
  local transfer
  transfer, problem = open(operation, request)
  if not transfer then
    return fail(operation, origin, problem)
  end
  repeat
    local event = operation.inbox:next()
    if not event then
      return operation:fail_cancelled("source")
    elseif event[2] == "retry" then
      operation:emit_retry("source", event)
    end
  until event[2] == "done"
  if transfer:failure() then
    return operation:fail_transfer("source", transfer)
  end
  operation.fetched = transfer
  return { path = transfer:path(), url = origin.path,
    filename = source.fetched_name(origin.path, transfer:disposition()),
    label = source.label(origin) }
end

return fetch
