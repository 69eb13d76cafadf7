--- How the journal of a batch writes to its store: the notes of a turn of the
--- loop as one transaction, tried again as a whole.

local core = require "camb.core"
local scheduler = require "camb.async.scheduler"
local twins = require "camb.batch.twins"
local written = require "camb.batch.written"

local writes = {}

-- Seconds between two attempts at a store that cannot be written.
writes.PAUSE = 0.5

-- What is to be done in the transaction for each kind of note: an outcome (a
-- state for run:recorded, or what `settle` knows), or nil and an error.
local WRITE = {}

writes.kinds = WRITE

function WRITE.submitting(jobs, job)
  if job.sha256 and job.options.dedupe then
    local same, err = jobs:find_same(job.sha256, job.options_text)
    if err then
      return nil, err
    elseif same and same.key == job.key then
      same = nil -- it was written already, and the answer was lost
    end
    if same and same.state == "unknown_outcome" then
      job.declined = twins.unknown(same.source)
      return "declined"
    elseif same and not same.task_id then
      return "parked"
    elseif same then
      job.twin = same.task_id
      local ok, problem = jobs:submitted(job.key, same.task_id)
      return ok and "adopted", problem
    end
  end
  if job.sha256 and job.options.check then
    local stem, err = jobs:find_stem(job.sha256)
    if err then
      return nil, err
    elseif stem then
      job.declined = written.problem(job.source, stem.source)
      return "declined"
    end
  end
  local ok, err = jobs:submitting(job.key, job)
  return ok and "submitting", err
end

function WRITE.submitted(jobs, job)
  local ok, err = jobs:submitted(job.key, job.task_id)
  return ok and "submitted", err
end

function WRITE.finished(jobs, job)
  local ok, err = jobs:finished(job.key, job.run_id)
  return ok and "finished", err
end

function WRITE.downloaded(jobs, job)
  local _, foreground_size = core.stat(job.stems.foreground)
  local _, background_size = core.stat(job.stems.background)
  local ok, err = jobs:downloaded(job.key, {
    foreground = job.stems.foreground,
    foreground_size = foreground_size,
    foreground_sha256 = job.stems.foreground_sha256,
    background = job.stems.background,
    background_size = background_size,
    background_sha256 = job.stems.background_sha256,
  })
  return ok and "downloaded", err
end

function WRITE.failed(jobs, job)
  local ok, err
  if job.error.kind == "cancelled" then
    ok, err = jobs:release(job.key)
  else
    ok, err = jobs:failed(job.key, job.error)
  end
  return ok and "failed", err
end

function WRITE.release(jobs, job)
  local ok, err = jobs:release(job.key)
  return ok and "release", err
end

function WRITE.ask(jobs, question)
  local answer, err = question.fn(jobs)
  question.answer = answer
  return (answer ~= nil or not err) and "ask", err
end

-- One attempt at the transaction; the outcome of each note, or nil and why
-- nothing of it holds.
local function attempt(self, notes)
  local jobs, outcomes, failed = self.store, {}, nil
  jobs:begin()
  for i = 1, #notes, 2 do
    local outcome, err = WRITE[notes[i]](jobs, notes[i + 1])
    outcomes[i], outcomes[i + 1] = outcome or "refused", err
    failed = failed or notes[i] == "ask" and err
  end
  local ok, err = jobs:commit()
  if ok then
    return not failed and outcomes or nil, failed
  elseif not err.is_taken then
    return nil, err
  end
  local taken = {}
  for _, key in ipairs(err.keys or {}) do
    taken[key] = true
  end
  for i = 1, #notes, 2 do
    if taken[notes[i + 1].key] then
      outcomes[i], outcomes[i + 1] = "refused", err
    end
  end
  return outcomes
end

--- PostgreSQL commits what came before a claim: then a group cannot be tried
--- again as a whole, so questions come behind it, each by itself.
---@param notes table
---@return table[] groups
function writes.apart(notes)
  local groups = { {} }
  for i = 1, #notes, 2 do
    local to = groups[1]
    if notes[i] == "ask" then
      to = {}
      groups[#groups + 1] = to
    end
    to[#to + 1], to[#to + 2] = notes[i], notes[i + 1]
  end
  return groups
end

--- Write `notes`; what could not be written is tried again while there is
--- patience.
---@param self table # the journal
---@param notes table # state, job, state, job, …
---@return table? outcomes # state or "refused", error, …
---@return camb.Error?
function writes.write(self, notes)
  local give_up = core.now() + self.run.options.patience
  local outcomes, err = attempt(self, notes)
  while not outcomes and not err.is_removed and core.now() < give_up
    and not self.run.closed
  do
    self.run:tell_pause(err, writes.PAUSE)
    scheduler.sleep_for(self.run.client, writes.PAUSE)
    if not self.run.closed then
      outcomes, err = attempt(self, notes)
    end
  end
  return outcomes, err
end

return writes
