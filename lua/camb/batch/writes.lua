--- How the states of a batch's jobs are written to their rows: functions of the
--- store and the job, within a transaction.  They return true, or of an upload
--- that is not to begin yet or at all another word: "adopted", "parked",
--- "spent" or "declined" (with an error); else nil and an error.

local core = require "camb.core"
local dedupe = require "camb.batch.dedupe"
local failure = require "camb.failure"
local recordings = require "camb.batch.recordings"
local written = require "camb.batch.written"

local writes = {}

-- A job with the content of `job` that was sent, or is being sent: by a worker
-- that lives, as those that ended have lost theirs.
local function find_same(jobs, job)
  local same, err = jobs:find_same(job.sha256, job.options_text,
    recordings.is_anew(job.key) and { source = job.origin.path,
      mtime = job.mtime } or nil)
  if not same or same.key == job.key then -- written, but the reply was lost
    return nil, err
  end
  return { source = same.source, task_id = same.task_id,
    is_unknown = not same.task_id and (same.state == "unknown_outcome"
      or same.owner == nil) }
end

-- What becomes of `job` as its content is known: an outcome, or nothing.
local function judge(jobs, job)
  local same, stem, err
  if job.sha256 and job.options.dedupe then
    same, err = find_same(jobs, job)
  end
  if same then
    local outcome, declined = dedupe.outcome(job, same)
    if outcome == "adopted" then
      local ok, problem = jobs:submitted(job.key, same.task_id, job)
      return ok and outcome, problem
    end
    return outcome or "declined", declined
  end
  if not err and job.sha256 and job.options.check then
    stem, err = jobs:find_stem(job.sha256)
  end
  if stem then
    return "declined", failure.make(written.problem(job.source, stem.source))
  end
  return nil, err
end

-- It is sent if the limits let it be.
local function begin(jobs, job)
  local ok, err = jobs:submitting(job.key, job)
  if not ok then
    return nil, err
  end
  local outcome
  outcome, err = jobs:may_submit((job.duration or 0) / 60)
  if outcome ~= nil and outcome ~= true then
    ok, err = jobs:unsent(job.key)
    return ok and outcome, err
  end
  return outcome, err
end

function writes.submitting(jobs, job)
  if job.noted then -- a run without a store has paid for it
    local ok, problem = jobs:submitted(job.key, job.noted.task_id, job)
    job.task_id = ok and job.noted.task_id or nil
    return ok and "adopted", problem
  end
  local outcome, err = judge(jobs, job)
  if not outcome and not err then
    return begin(jobs, job)
  end
  return outcome, err
end

function writes.unsent(jobs, job)
  local ok, err = jobs:give_back((job.duration or 0) / 60)
  if not ok then
    return nil, err
  end
  return jobs:unsent(job.key)
end

function writes.submitted(jobs, job)
  return jobs:submitted(job.key, job.task_id)
end

function writes.finished(jobs, job)
  return jobs:finished(job.key, job.run_id)
end

local function size_of(path)
  return path and select(2, core.stat(path)) or nil
end

-- Of a stem that was kept the row says how it was written, edited or not.
local function stems_of(job)
  local stems, kept = {}, job.kept or {}
  recordings.complete({}, stems, job.stems)
  recordings.complete({}, stems, kept)
  for _, stem in ipairs({ "foreground", "background" }) do
    local size = stem .. "_size"
    stems[size] = job.stems[size] or kept[stem] == stems[stem] and kept[size]
      or size_of(stems[stem])
  end
  return stems
end

function writes.fetched(jobs, job)
  return jobs:fetched(job.key, stems_of(job))
end

function writes.reopened(jobs, job)
  return jobs:reopened(job.key, stems_of(job))
end

function writes.fetched_more(jobs, job)
  return jobs:fetched_more(job.key, stems_of(job))
end

function writes.downloaded(jobs, job)
  return jobs:downloaded(job.key, stems_of(job))
end

function writes.release(jobs, job)
  return jobs:release(job.key)
end

function writes.failed(jobs, job)
  if job.error.kind == "cancelled" then
    return jobs:release(job.key)
  end
  return jobs:failed(job.key, job.error)
end

function writes.put_off(jobs, job)
  return jobs:put_off(job.key, job.error, job.pause)
end

return writes
