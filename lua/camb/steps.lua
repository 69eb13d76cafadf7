--- What the client's operations do, step after step.  Each function is for
--- `call:run`.

local download = require "camb.download"
local fetch = require "camb.fetch"
local result = require "camb.result"
local source = require "camb.source"
local submit = require "camb.submit"
local wait = require "camb.wait"
local words = require "camb.words"

local steps = {}

--- The URLs of many runs: by the ids as given, and by exact ones.
function steps.results(call, run_ids, exact, checked)
  local map, err = result.many(call, exact, checked)
  for i, run_id in ipairs(map and run_ids or {}) do
    map[run_id] = map[exact[i]]
  end
  return map, err
end

local function renewal(call)
  return function()
    return result.one(call)
  end
end

--- The stems of `call.run_id`, from `urls` or from the service.
function steps.download(call, urls, checked, name)
  call:be_patient(checked)
  local ok, err = download.hold(call, checked, name)
  if not ok then
    return nil, err
  end
  if not urls then
    urls, err = result.one(call)
  end
  if not urls then
    return nil, err
  end
  return download.run(call, urls, checked, call.run_id and renewal(call))
end

local function finish(call, stems, err)
  if stems then
    call:emit_finished(stems)
  elseif err.task_id then
    err.retryable = false -- the same call would pay again
    if call.run_id and call.name then
      err.message = err.message .. words.fetch(call)
    end
  end
  return stems, err
end

--- Upload, poll, fetch the URLs and, unless told not to, the stems.
---@param name string? # of the stems; nil: the source's
function steps.separate(call, checked_source, checked, name)
  local done, err = true, nil
  if source.is_url(checked_source.path) then -- nothing is paid for yet
    done, err = fetch.run(call, checked_source)
    checked_source = done
  end
  if done and checked.download then
    name = name or source.stem_name(checked_source)
    call.output_dir, call.name = checked.output_dir, name
    done, err = download.reserve(call, checked, name,
      checked_source.path)
  end
  if done then
    done, err = submit.run(call, checked_source, checked)
  end
  if done then
    call:be_patient(checked)
    done, err = wait.run(call, checked)
  end
  if done then
    done, err = result.one(call)
  end
  if done and checked.download then
    done, err = download.run(call, done, checked, renewal(call))
  elseif done then
    done.task_id, done.run_id = call.task_id, call.run_id
  end
  return finish(call, done, err)
end

return steps
