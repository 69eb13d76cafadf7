--- What follows a job's stems: their upload to S3, if they go there, and the
--- caller's `confirm`.  The job is done only when that has succeeded.  The
--- stems are recorded before, so that it can be tried again, here or after a
--- crash, without another upload or download.

local advice = require "camb.advice"
local core = require "camb.core"
local download = require "camb.download"
local names = require "camb.batch.names"
local source = require "camb.source"
local temporary = require "camb.temporary"

local delivery = {}

local STEP = "deliver"
-- The extension of what the service makes.
local USUAL = "flac"
-- Bytes that S3 takes in one request.
local MOST = 5 * 1024 ^ 3

local function s3()
  return require("camb.s3")
end

--- The folder on this machine that the stems of `job` come into.
---@param job camb.BatchJob
---@return string?
function delivery.folder(job)
  if not source.is_s3(job.output_dir) then
    return job.output_dir
  end
  job.spool = job.spool or names.temporary()
  return job.spool
end

--- Make that folder, for its owner alone, if it is a temporary one.
---@param job camb.BatchJob
---@return boolean? ok
---@return camb.Error? err
function delivery.make_room(job)
  local folder = source.is_s3(job.output_dir) and delivery.folder(job)
  local ok, problem = true, nil
  if folder then
    ok, problem = core.make_folder(folder, true)
  end
  if ok then
    return true
  end
  return job:fail({ kind = "file", step = "submit", path = folder,
    message = ('the folder "%s" cannot be created: %s; %s'):format(folder,
      problem, temporary.CURE) })
end

--- Nothing is left of an empty one.
---@param job camb.BatchJob
function delivery.leave_room(job)
  if job.spool then
    os.remove(job.spool)
  end
end

-- Ask S3; nil alone: the job was stopped.
local function ask(job, request)
  request.is_unpaid = true -- not for ever: the job may be tried again
  local transfer, problem = job:open("request", request)
  if not transfer then
    return nil, problem
  end
  repeat
    local event = job.inbox:next()
    if not event then
      return nil
    elseif event[1] == transfer:id() and event[2] == "retry" then
      job:emit_retry(STEP, event)
    end
  until event[1] == transfer:id() and event[2] == "done"
  return transfer
end

-- Why the stems of `job` cannot go to `url`, nil: they can; and whether an
-- object is there.
local function obstacle(job, url)
  local request, problem = s3().look(url)
  local transfer, is_there
  if request then
    transfer, problem = ask(job, request)
  end
  if transfer then
    problem, is_there = s3().obstacle(transfer)
  end
  return problem and (is_there and ("%s: %s, or %s"):format(problem,
    advice.on("overwrite"), advice.on("folder"))
    or "cannot be written: " .. problem), is_there
end

--- Before money is spent: S3 lets this machine in, and has no object where the
--- stems of `job` go.
---@param job camb.BatchJob
---@return boolean? ok
---@return camb.Error? err
function delivery.reserve(job)
  local place = source.is_s3(job.output_dir) and job:place()
  if not place or place.overwrite then
    return true
  end
  for _, stem in ipairs(download.stems(place)) do
    local name = download.base(place, job.name, stem):match("[^/]*$")
    local url = ("%s/%s.%s"):format(job.output_dir, name, place.format
      and require("camb.layout").extension(place.format) or USUAL)
    local problem, is_there = obstacle(job, url)
    if problem then
      return job:fail({ kind = "file", step = "submit", path = url,
        exists = is_there, message = ('"%s" %s'):format(url, problem) })
    end
  end
  return not job:is_over() or job:fail_cancelled("submit")
end

-- S3 checks what comes by its digest, which is signed; that it has it is asked.
-- The third result is true if another attempt can change nothing.
local function put(job, path, url, sha256)
  local _, size, _, _, content_type = core.look(path)
  if size and size > MOST then
    return nil, ("it has %.1f GB, and S3 takes 5 GB: copy it from %s by "
      .. "another tool"):format(size / 1024 ^ 3, path), true
  end
  local request, problem = s3().request(url, sha256)
  local transfer, found
  if request then
    request.path = path
    table.insert(request.headers, "Content-Type: " .. (content_type
      or "application/octet-stream"))
    transfer, problem = ask(job, request)
  end
  problem = transfer and s3().failure(transfer) or problem
  if transfer and not problem then
    request = s3().request(url)
    request.head = true
    found, problem = ask(job, request)
    problem = found and s3().failure(found) or problem
  end
  if problem or not found then
    return nil, problem
  end
  local etag, length = found:head()
  if etag == "" or etag ~= transfer:head() or length ~= size then
    return nil, "S3 does not have it as it was sent"
  end
  return true
end

-- The stems on this machine are not needed any more.
local function remove(paths)
  for _, path in pairs(paths) do
    os.remove(path)
    os.remove(path:match("^(.*)/"))
  end
end

local function fail(job, step, message, is_final)
  local _, err = job:fail({ kind = "hook", step = step,
    retryable = not is_final, message = message })
  err.place = nil -- they are there: nothing is to be downloaded
  return nil, err
end

-- Bring the stems to S3 that are not there from an earlier run.
local function store(job, stems)
  local paths = {}
  for _, stem in ipairs(download.stems(job.options)) do
    local path = not source.is_s3(stems[stem]) and stems[stem] or nil
    local url = path and job.output_dir .. "/" .. path:match("[^/]*$")
    local ok, problem, is_final = true, nil, nil
    if path then
      ok, problem, is_final = put(job, path, url, stems[stem .. "_sha256"])
    end
    if not ok and not problem then
      return job:fail_cancelled("download")
    elseif not ok then
      return fail(job, STEP, ('"%s" was not stored: %s'):format(url, problem),
        is_final)
    end
    paths[stem] = path
  end
  for stem, path in pairs(paths) do
    stems[stem .. "_size"] = select(2, core.stat(path))
    stems[stem] = job.output_dir .. "/" .. path:match("[^/]*$")
  end
  return paths
end

local function confirm(job)
  local confirmed, reason = job.options.confirm(job:item())
  if confirmed then
    return true
  end
  return fail(job, "confirm", tostring(reason
    or "the stems were not confirmed"))
end

local function deliver(job, stems)
  local paths, err = {}, nil
  if source.is_s3(job.output_dir) then
    paths, err = store(job, stems)
  end
  local ok = paths and not job:is_over()
  if ok and job.options.confirm then
    ok, err = confirm(job)
  end
  if ok then
    remove(paths)
  end
  return ok, err
end

--- The stems that an earlier attempt of `job` has fetched and recorded.
---@param job camb.BatchJob
---@return table? stems
function delivery.recorded(job)
  local stems = job.stems
  job.stems = nil
  for _, stem in ipairs(stems and download.stems(job.options) or {}) do
    local kind, size = core.stat(stems[stem] or "")
    if not source.is_s3(stems[stem])
      and (kind ~= "file" or size ~= stems[stem .. "_size"])
    then
      return nil
    end
  end
  return stems
end

--- Do with the `stems` of `job` what is asked for.
---@param job camb.BatchJob
---@param stems table # changed: where they are now
---@return table? stems
---@return camb.Error? err
function delivery.run(job, stems)
  local run = job.run
  if not job.options.confirm and not source.is_s3(job.output_dir) then
    return stems
  end
  job.stems = stems
  local ok, err = run.ledger:fetched(job)
  if ok and run.downloads:acquire() then
    run.sending = run.sending + 1
    ok, err = deliver(job, stems)
    run.sending = run.sending - 1
    run.downloads:release()
  elseif ok then
    ok, err = job:fail_cancelled("download")
  end
  if not ok then
    job.stems = nil
    return nil, err
  end
  return stems
end

return delivery
