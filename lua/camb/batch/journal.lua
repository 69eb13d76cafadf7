--- The journal of a batch with a store: it records each state of a job before
--- what follows from it begins.  What several jobs have to write at once is one
--- transaction, which the first of them makes for all.
---
--- A store that stays away for longer than there is patience, or is removed, is
--- abandoned: nothing more is sent, what is paid for goes on to its stems, its
--- task ids go to standard error, and at the end all is written if it can be.

local Error = require "camb.error"
local claims = require "camb.batch.claims"
local core = require "camb.core"
local dedupe = require "camb.batch.dedupe"
local enlist = require "camb.batch.enlist"
local failure = require "camb.failure"
local gathering = require "camb.async.gathering"
local hash = require "camb.batch.hash"
local scheduler = require "camb.async.scheduler"
local store = require "camb.store"
local written = require "camb.batch.written"

---@class camb.BatchJournal
local Journal = {}
Journal.__index = Journal
for name, method in pairs(claims) do
  Journal[name] = method
end

local journal = {}

-- Seconds for which SQLite may block for another process that writes.
local BUSY = 0.2
-- Seconds between two attempts at a store that cannot be written.
local PAUSE = 0.5
-- Seconds for which records wait for others, to share a transaction: each is a
-- write that the disk has to confirm.  A kill would leave what was submitted
-- unknown: that does not wait.
local GATHER = 0.005
-- Seconds between two looks for what other workers have done.
local IDLE = 1
-- Jobs claimed at a time.
local MOST_CLAIMED = 32

-- How each state is written: true, or "adopted" or "parked" of a job whose
-- content was sent before; else nil and an error.
local WRITE = {}

-- One that was sent with the content of `job`, or is being sent.
local function find_same(jobs, job)
  local same, err = jobs:find_same(job.sha256, job.options_text)
  if not same or same.key == job.key then -- it was written, and the answer lost
    return nil, err
  end
  return { source = same.source, task_id = same.task_id,
    is_unknown = same.state == "unknown_outcome" and not same.task_id }
end

function WRITE.submitting(jobs, job)
  local same, stem, err
  if job.sha256 and job.options.dedupe then
    same, err = find_same(jobs, job)
  end
  if same then
    local outcome, declined = dedupe.outcome(job, same)
    if outcome == "adopted" then
      local ok, problem = jobs:submitted(job.key, same.task_id)
      return ok and outcome, problem
    end
    return outcome or "declined", declined
  end
  if not err and job.sha256 and job.options.check then
    stem, err = jobs:find_stem(job.sha256)
  end
  if err then
    return nil, err
  elseif stem then
    return "declined", failure.make(written.problem(job.source, stem.source))
  end
  return jobs:submitting(job.key, job)
end

function WRITE.submitted(jobs, job)
  return jobs:submitted(job.key, job.task_id)
end

function WRITE.finished(jobs, job)
  return jobs:finished(job.key, job.run_id)
end

function WRITE.downloaded(jobs, job)
  local stems = job.stems
  return jobs:downloaded(job.key, {
    foreground = stems.foreground,
    foreground_size = select(2, core.stat(stems.foreground)),
    foreground_sha256 = stems.foreground_sha256,
    background = stems.background,
    background_size = select(2, core.stat(stems.background)),
    background_sha256 = stems.background_sha256,
  })
end

function WRITE.failed(jobs, job)
  if job.error.kind == "cancelled" then
    return jobs:release(job.key)
  end
  return jobs:failed(job.key, job.error)
end

function WRITE.release(jobs, job)
  return jobs:release(job.key)
end

-- A note is a record (of `job`, which becomes `state`) or a question (`ask`).
-- One attempt at the transaction for all: nil and why nothing of it holds.
local function attempt(self, notes)
  return self.store:transact(function(jobs)
    for _, note in ipairs(notes) do
      if note.ask then
        note.outcome, note.error = note.ask(jobs)
        if note.error and not note.error.is_taken then
          return nil, note.error
        end
      else
        note.outcome, note.error = WRITE[note.state](jobs, note.job)
      end
    end
    return true
  end)
end

-- A note for which there is no store.
local function pass(self, note)
  note.outcome, note.error = nil, self.store_error
  if note.state and note.state ~= "submitting" then
    self.unwritten[#self.unwritten + 1] = note
    note.outcome, note.error = true, nil
    if note.state == "submitted" then
      self:tell_task(note.job, self.store_error)
    end
  end
end

--- Go on without the store.
function Journal:abandon(err)
  if not self.store_error then
    self.store_error = err
    if err.is_removed then
      for job in pairs(self.run.active) do
        self:tell_task(job, err)
      end
      for _, job in ipairs(self.claimed) do
        self:tell_task(job, err)
      end
    end
    self.run.room:notify()
  end
end

-- Write `notes`; what cannot be written is tried again while there is patience.
local function write(self, notes)
  local run = self.run
  local give_up = core.now() + run.options.store_timeout
  while not self.store_error do
    local ok, err = attempt(self, notes)
    if ok or run.closed then
      return
    elseif err.is_removed or core.now() >= give_up then
      self:abandon(err)
    else
      run:tell_pause(err, PAUSE)
      scheduler.sleep_for(run.client, PAUSE)
      if run.closed then
        return
      end
    end
  end
  for _, note in ipairs(notes) do
    pass(self, note)
  end
end

--- For `run`.
function journal.new(run)
  local self = setmetatable({
    run = run,
    unwritten = {},  -- notes since the store was abandoned
    claimed = {},
    added = 0,       -- rows that are in the store by us
    known = {},      -- the sources' indices by their keys
    labels = {},     -- what people call them, where that is not the key
    changed = {},    -- by key: not the recording that the store knew
    renewed = core.now(),
  }, Journal)
  self.commits = gathering.new(run.client, GATHER, function(notes)
    write(self, notes)
  end)
  return self
end

local function open_once(self)
  local client, options = self.run.client, self.run.options
  local jobs, err = store.open(options.store, {
    lease = options.lease,
    busy_timeout = BUSY,
    base_url = client.base_url,
    store_timeout = options.store_timeout,
    sleep = function(seconds)
      if not scheduler.sleep_for(client, seconds) or self.run.closed then
        error(Error.new({ kind = "cancelled",
          message = "the batch was closed" }), 0)
      end
    end,
    on_wait = function(problem, seconds)
      self.run:tell_pause(problem, seconds)
    end,
  })
  self.store = jobs
  return jobs, err
end

local function open(self)
  local run = self.run
  local give_up = core.now() + run.options.store_timeout
  local jobs, err = open_once(self)
  while not jobs and err.retryable and core.now() < give_up
    and not run.closed
  do
    run:tell_pause(err, PAUSE)
    scheduler.sleep_for(run.client, PAUSE)
    if not run.closed then
      jobs, err = open_once(self)
    end
  end
  return jobs, err
end

-- Jobs that were left in the middle of their upload become unknown; those that
-- are to be begun again do so once, and not when it happens again.
local function reopen_ended(self)
  local options, jobs = self.run.options, self.store
  if options.resubmit_unknown then
    repeat
      local rows, err = jobs:claim(MOST_CLAIMED, "submitting")
      if not rows then
        return nil, err
      end
      for _, row in ipairs(rows) do
        jobs:release(row.key)
      end
    until #rows == 0
  end
  if options.retry_failed or options.resubmit_unknown then
    return jobs:retry_failed({ failed = options.retry_failed,
      unknown = options.resubmit_unknown })
  end
  return true
end

local function begin(run, self)
  local ok, err = open(self)
  if ok then
    ok, err = reopen_ended(self)
  end
  if run.closed and self.store then
    self.store:close()
  elseif ok and not run.closed then
    enlist.run(run, self)
  elseif not run.closed then
    self:abandon(err)
  end
end

-- The jobs of which others say that they are theirs.
local function taken_jobs(self, jobs)
  local taken = {}
  for job in pairs(self.run.active) do
    local row = job.key and not job.is_apart and jobs:get(job.key)
    if row and row.owner ~= jobs.owner then
      taken[#taken + 1] = job
    end
  end
  return taken
end

-- Renew the lease; jobs that others have taken are given up.
local function renew(self)
  self.renewed = core.now()
  local taken = self:ask(function(jobs)
    local ok, err = jobs:renew()
    if ok or not err.is_taken then
      return ok and {}, err
    end
    return taken_jobs(self, jobs)
  end)
  for _, job in ipairs(taken or {}) do
    job:lose()
  end
end

-- Others may have ended an upload, or have left jobs.
local function tick(run, self)
  local lease = run.options.lease
  while not run.closed
    and scheduler.sleep_for(run.client, math.min(IDLE, lease / 3))
  do
    if not run.closed then
      run.uploaded:notify()
      run.room:notify()
      if self.store and core.now() - self.renewed >= lease / 3 then
        renew(self)
      end
    end
  end
end

--- Begin.
function Journal:start()
  self.ticker = self.run:spawn(tick, self)
  self.beginning = self.run:spawn(begin, self)
end

--- What `fn(store)` returns, in the transaction that is next; nil when there is
--- no store any more.
---@param fn fun(store: camb.Store): any, camb.Error? # may be called again
---@return any answer
---@return camb.Error?
function Journal:ask(fn)
  local note = { ask = fn }
  if self.store_error or not self.commits:join(note, true) then
    return nil, self.store_error
  end
  return note.outcome, note.error
end

-- What the store did not take.
local function refuse(self, note)
  local job, err = note.job, note.error
  if err.is_taken and note.state == "submitted" then
    job.keeps_row = true -- what was paid for is told of all the same
    return nil, failure.make({ kind = "store", message = err.message,
      task_id = job.task_id })
  elseif err.is_taken then
    job:lose()
    return nil, err
  elseif note.state == "submitting" then
    job.keeps_row = true
    return job:fail({ kind = "store", message = err.message })
  end
  job.is_apart = true
  self:tell_task(job, err)
  return note.state
end

--- Record that `job` is `state` now, and wait until that is durable.
---@param job camb.BatchJob
---@param state string
---@return string? outcome # `state`; or, of one to be sent whose content was
---  sent before, "adopted" (the job has its task) or "parked" (it is under way)
---@return camb.Error? err # nil, too: the batch was closed
function Journal:record(job, state)
  if job.is_apart then
    return state -- its row says already what it will be
  end
  if state == "submitting" and job.size and not job.sha256 then
    job.sha256 = hash.of_file(self.run.client, job.checked.path)
  end
  local note = { job = job, state = state }
  if self.store_error then
    pass(self, note)
  elseif not self.commits:join(note, state == "submitted") then
    return nil
  end
  if self.run.closed then
    return nil
  elseif note.outcome == "declined" then
    return nil, note.error
  elseif not note.outcome then
    return refuse(self, note)
  elseif note.outcome == "parked" then
    return note.outcome
  end
  job.state = note.outcome == "adopted" and "submitted" or state
  return note.outcome == "adopted" and note.outcome or state
end

function Journal:settle() -- luacheck: ignore
end

--- The store does not have the task of `job`: whatever becomes of this process,
--- its id is written down somewhere.
function Journal:tell_task(job, err)
  if job.task_id and not job.is_told then
    job.is_told, self.has_told = true, true
    self.run:say(('%s: its task is "%s", which the store does not have: %s')
      :format(job.source, job.task_id, type(err) == "table" and err.message
      or tostring(err)))
  end
end

local function leave(jobs, job)
  if job.state ~= "submitting" or job.task_id or job.error then
    return
  elseif job.inbox:may_be_sent() then
    jobs:unknown(job.key, Error.new({ kind = "unknown_outcome",
      message = "the batch was stopped while the file was being sent: a task "
        .. "may exist and be charged; look at the dashboard before you send "
        .. "it again" }))
  else
    jobs:intended(job.key)
  end
end

-- All that was recorded and is not known to be written.
local function each_unwritten(self, fn)
  for _, notes in ipairs({ self.unwritten, self.commits.doing,
    self.commits.waiting })
  do
    for _, note in ipairs(notes) do
      if note.state and note.state ~= "submitting" then
        fn(note.state, note.job)
      end
    end
  end
end

-- The last attempt: what was recorded, and what becomes of uploads under way.
local function write_rest(self)
  return self.store:transact(function(jobs)
    each_unwritten(self, function(state, job)
      local _, err = WRITE[state](jobs, job)
      if err and not err.is_taken then
        self:tell_task(job, err)
      end
    end)
    for job in pairs(self.run.active) do
      if job.key and not job.is_apart then
        leave(jobs, job)
      end
    end
    return true
  end)
end

--- Give back what is held.  Before the transfers are closed.
function Journal:close()
  self.commits:close()
  for _, task in ipairs({ self.beginning or false, self.ticker or false }) do
    if task then
      task:cancel()
    end
  end
  if not self.store then
    return
  end
  local reached, ok, err = pcall(write_rest, self)
  if not reached or not ok then
    each_unwritten(self, function(_, job)
      self:tell_task(job, self.store_error or reached and err or ok)
    end)
  elseif self.has_told then
    self.run:say("the store is available again and has these tasks")
  end
  pcall(self.store.close, self.store)
end

return journal
