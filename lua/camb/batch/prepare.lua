--- What a job of a batch does before money is spent, where every mistake that
--- can be found is found: the names of its stems are reserved, its source is
--- looked at, fetched if it is a URL, and converted if that is asked for.

local audio = require "camb.batch.audio"
local core = require "camb.core"
local delivery = require "camb.batch.delivery"
local download = require "camb.download"
local fetch = require "camb.fetch"
local hash = require "camb.hash"
local recordings = require "camb.batch.recordings"
local source = require "camb.source"
local written = require "camb.batch.written"

local prepare = {}

-- If the stems of an earlier recording of this path are in the way, unchanged
-- since camb wrote them, the new ones replace them.
local function reserve(job)
  local path = job.origin.path
  local function try()
    local ok, err = download.reserve(job, job:place(), job.name, path)
    if ok then
      ok, err = delivery.reserve(job)
    end
    return ok, err
  end
  local ok, err = delivery.make_room(job)
  if ok then
    ok, err = try()
  end
  if not ok and err.path and recordings.may_replace(job.run, job) then
    job:let_go_parts()
    job.overwrite = true
    ok, err = try()
  end
  if job.options.store then
    job:let_go_parts() -- the store decides which worker writes them
  end
  return ok, err
end

--- A look at the file, as far as the batch needs one: its size and its age.
--- One that changes while the batch runs may be half written.
---@param job camb.BatchJob
---@return boolean? ok
---@return camb.Error? err
function prepare.look_at(job)
  local path = job.origin.path
  if not path or source.is_url(path) or job.fetched then
    return true
  end
  local kind, size, mtime, ctime = core.stat(path)
  if kind ~= "file" then
    return true
  elseif job.options.check and written.is_stem(path) then
    return job:fail(written.problem(path))
  elseif job.row and job.row.mtime
    and (job.row.size ~= size or job.row.mtime ~= mtime)
  then
    if job.index and not job.is_changed then
      return job:fail({ kind = "source", step = "submit", path = path,
        message = ('the source "%s" has changed since the batch started')
          :format(path) })
    end
    job.is_changed = true
  end
  job.size, job.mtime, job.ctime = size, mtime, ctime
  if job.is_changed then
    job:emit("changed")
  end
  return true
end

-- Fetch a source that is a URL: nothing is sent meanwhile, and a kill leaves
-- nothing unknown.
local function fetch_source(job)
  local fetched, err = fetch.run(job, job.origin)
  if not fetched then
    return nil, err
  end
  job.origin = fetched
  job.size = select(2, core.stat(fetched.path))
  return true
end

-- The host of the source has said what it is called.
local function rename(job)
  local name = source.stem_name(job.origin)
  if name == job.name then
    return true
  end
  job:let_go_parts()
  job.name = name
  return reserve(job)
end

-- What the store has paid for under another path, if it is the same content.
local function find_copy(job)
  local path = job.origin.path
  local kind, _, mtime = core.stat(path or "")
  local sum = kind == "file" and job.options.dedupe
    and hash.of_file(job.client, path)
  return sum and job.run.ledger:ask(function(jobs)
    return jobs:find_content(sum, job.options_text or "",
      recordings.is_anew(job.key) and { source = path, mtime = mtime } or nil)
  end) or nil
end

-- Whether the stems in the way may be those of a run that has paid for it: one
-- without a store, or before it was moved.
local function is_noted(job)
  local noted = job.options.store and (job.run.ledger.find(job.origin.path)
    or find_copy(job))
  job.noted = noted and noted.task_id and noted or nil
  return job.noted ~= nil
end

-- The stems cannot be reserved; what the service does not take comes first.
local function fail_reserve(job, err)
  local origin, options = job.origin, job.options
  if err.exists and origin.path and not source.is_url(origin.path)
    and options.check and not options.convert
  then
    local prepared, problem = source.prepare(origin)
    if not prepared then
      problem.step = "submit"
      return job:fail(problem)
    end
  end
  return nil, err
end

--- All of it, up to the conversion of what is sent.
---@param job camb.BatchJob
---@return boolean? ok
---@return camb.Error? err # nil, too: nothing more is sent
function prepare.run(job)
  if job.run.is_spent then
    job.is_left = true
    return nil
  elseif job.problem then
    return job:fail(job.problem)
  end
  local ok, err = reserve(job)
  if ok or err.path and is_noted(job) then
    ok, err = prepare.look_at(job)
  else
    ok, err = fail_reserve(job, err)
  end
  if ok and source.is_url(job.origin.path) then
    ok, err = fetch_source(job)
    if ok and job.takes_name then
      ok, err = rename(job)
    end
  end
  if ok then
    ok, err = audio.probe(job)
  end
  if ok then
    ok, err = audio.convert(job)
  end
  return ok, err
end

return prepare
