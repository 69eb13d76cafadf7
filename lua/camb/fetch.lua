--- A source that is given as a URL comes down like a stem, without the key,
--- into a temporary file.  Nothing is paid for yet.

local core = require "camb.core"
local source = require "camb.source"

local fetch = {}

local function fail(call, checked, problem)
  return call:fail_open("source", { kind = "source",
    message = ('the source "%s" cannot be fetched: %s'):format(
      source.label(checked), problem) })
end

local function open(call, url)
  local part, problem = core.part()
  if not part then
    return nil, "no temporary file can be made: " .. problem
  end
  local transfer
  transfer, problem = call:open("download", { url = url, part = part,
    is_unpaid = true })
  if not transfer then
    part:close()
  end
  return transfer, problem
end

--- Fetch the source `checked`, a URL; `call:forget_source` removes the file.
---@param call camb.Call
---@param checked table # of `source.check`
---@return table? fetched # the file, as of `source.check`
---@return camb.Error? err
function fetch.run(call, checked)
  local problem = core.url_problem(checked.path)
  if problem then
    return fail(call, checked, problem)
  end
  local transfer
  transfer, problem = open(call, checked.path)
  if not transfer then
    return fail(call, checked, problem)
  end
  repeat
    local event = call.inbox:next()
    if not event then
      return call:fail_cancelled("source")
    elseif event[2] == "retry" then
      call:emit_retry("source", event)
    end
  until event[2] == "done"
  if transfer:failure() then
    return call:fail_transfer("source", transfer)
  end
  call.temporary_path = transfer:path()
  local name = source.fetched_name(checked.path, transfer:disposition())
  call.inbox:drop(transfer)
  return { path = call.temporary_path, filename = name,
    label = source.label(checked) }
end

return fetch
