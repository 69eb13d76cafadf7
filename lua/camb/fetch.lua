--- A source that is given as a URL comes down like a stem, without the key,
--- into a temporary file.  Nothing is paid for yet.

local core = require "camb.core"
local source = require "camb.source"

local fetch = {}

local function fail(operation, origin, problem)
  return operation:fail_open("source", { kind = "source",
    message = ('the source "%s" cannot be fetched: %s'):format(
      source.label(origin), problem) })
end

local function open(operation, url)
  local part, problem = core.part()
  if not part then
    return nil, "cannot create a temporary file: " .. problem
  end
  local transfer
  transfer, problem = operation:open("download", { url = url, part = part,
    is_unpaid = true })
  if not transfer then
    part:close()
  end
  return transfer, problem
end

--- Fetch the source `origin`, a URL; `operation:forget_source` removes the
--- file.
---@param operation camb.Operation
---@param origin table # of `source.check`
---@return table? fetched # the file, as of `source.check`
---@return camb.Error? err
function fetch.run(operation, origin)
  local problem = core.url_problem(origin.path)
  if problem then
    return fail(operation, origin, problem)
  end
  local transfer
  transfer, problem = open(operation, origin.path)
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
  operation.temporary_path = transfer:path()
  local name = source.fetched_name(origin.path, transfer:disposition())
  operation.inbox:drop(transfer)
  return { path = operation.temporary_path, filename = name,
    label = source.label(origin) }
end

return fetch
