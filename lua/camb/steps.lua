--- What the client's operations do, step after step.  Each function is for
--- `operation:run`.

local download = require "camb.download"
local fetch = require "camb.fetch"
local result = require "camb.result"
local source = require "camb.source"
local submit = require "camb.submit"
local wait = require "camb.wait"
local words = require "camb.words"

local steps = {}

--- The URLs of many runs: by the ids as given, and by exact ones.
function steps.results(operation, run_ids, exact, checked)
  local map, err = result.many(operation, exact, checked)
  for i, run_id in ipairs(map and run_ids or {}) do
    map[run_id] = map[exact[i]]
  end
  return map, err
end

local function renewal(operation)
  return function()
    return result.one(operation)
  end
end

--- The stems of `operation.run_id`, from `urls` or from the service.
function steps.download(operation, urls, checked, name)
  operation:be_patient(checked)
  local ok, err = download.hold(operation, checked, name)
  if not ok then
    return nil, err
  end
  if not urls then
    urls, err = result.one(operation)
  end
  if not urls then
    return nil, err
  end
  return download.run(operation, urls, checked,
    operation.run_id and renewal(operation))
end

local function finish(operation, stems, err)
  if stems then
    operation:emit_finished(stems)
  elseif err.task_id then
    err.retryable = false -- the same call would pay again
    if operation.run_id and operation.name then
      err.message = err.message .. words.fetch(operation)
    end
  end
  return stems, err
end

--- Upload, poll, fetch the URLs and, unless told not to, the stems.
---@param name string? # of the stems; nil: the source's
function steps.separate(operation, checked_source, checked, name)
  local done, err = true, nil
  if source.is_url(checked_source.path) then -- nothing is paid for yet
    done, err = fetch.run(operation, checked_source)
    checked_source = done
  end
  if done and checked.download then
    name = name or source.stem_name(checked_source)
    operation.output_dir, operation.name = checked.output_dir, name
    done, err = download.reserve(operation, checked, name,
      checked_source.path)
  end
  if done then
    done, err = submit.run(operation, checked_source, checked)
  end
  if done then
    operation:be_patient(checked)
    done, err = wait.run(operation, checked)
  end
  if done then
    done, err = result.one(operation)
  end
  if done and checked.download then
    done, err = download.run(operation, done, checked, renewal(operation))
  elseif done then
    done.task_id, done.run_id = operation.task_id, operation.run_id
  end
  return finish(operation, done, err)
end

return steps
