--- The ledger of a batch with a store: it records each state of a job before
--- what follows from it begins.  Jobs that write at the same time share one
--- transaction, which the first of them makes for all.
---
--- A store that is unreachable for longer than `store_timeout`, or is removed,
--- is abandoned: nothing more is sent, paid tasks still get their stems, their
--- ids go to standard error, and at the end everything is written if possible.

local advice = require "camb.advice"
local claims = require "camb.batch.claims"
local core = require "camb.core"
local earlier = require "camb.journal.earlier"
local enlist = require "camb.batch.enlist"
local Error = require "camb.error"
local failure = require "camb.failure"
local gathering = require "camb.async.gathering"
local hash = require "camb.hash"
local others = require "camb.batch.others"
local scheduler = require "camb.async.scheduler"
local sender = require "camb.journal.sender"
local store = require "camb.store"
local writes = require "camb.batch.writes"

---@class camb.BatchLedger
local Ledger = {}
Ledger.__index = Ledger
for _, methods in ipairs({ claims, others }) do
  for name, method in pairs(methods) do
    Ledger[name] = method
  end
end

local ledger = {}

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

-- A note is a question (`ask`), or a record: `write` says of `job` that it is
-- `state` now.

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
        note.outcome, note.error = note.write(jobs, note.job)
      end
    end
    return true
  end)
end

-- A note without a store.
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

--- Continue without the store.
function Ledger:abandon(err)
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

-- Write `notes`; what cannot be written is tried again for `store_timeout`
-- seconds.
local function write(self, notes)
  local run = self.run
  local give_up = core.now() + run.options.store_timeout
  while not self.store_error do
    local ok, err = attempt(self, notes)
    if ok or run.closed then
      return
    elseif err.is_removed or err.is_gone or core.now() >= give_up then
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
function ledger.new(run)
  local self = setmetatable({
    run = run,
    store = nil,       -- once it is open
    store_error = nil, -- why it was abandoned
    unwritten = {},    -- notes since then
    has_told = nil,    -- of task ids that the store does not have
    claimed = {},
    is_claiming = nil, has_new = nil, looked = nil, -- for more of them
    is_enlisted = nil, -- all sources are in the store
    is_hungry = nil,   -- there is room for more of them
    added = 0,         -- rows that are in the store by us
    moved = 0,         -- others, which got another priority
    known = {},        -- the sources' indices by their keys
    labels = {},       -- what people call them, if that is not the key
    changed = {},      -- by key: not the recording that the store knew
    has_left = nil,    -- jobs that were given up with the service
    told = nil,        -- when it said that it waits for others
    generation = 1,    -- of the worker, when jobs were claimed
    renewed = core.now(),
    short_of = nil,    -- what is left of the minutes, and was too little
    beginning = nil, ticker = nil, -- its jobs
    find = earlier.finder(run.client, true, not run.options.dedupe),
  }, Ledger)
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
  while not jobs and err.retryable and not err.is_gone
    and core.now() < give_up and not run.closed
  do
    run:tell_pause(err, PAUSE)
    scheduler.sleep_for(run.client, PAUSE)
    if not run.closed then
      jobs, err = open_once(self)
    end
  end
  return jobs, err
end

-- Jobs whose upload was interrupted become unknown; those to be resubmitted are
-- resubmitted once per run, not each time it happens.
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
    self:heed_others()
    enlist.run(run, self)
  elseif not run.closed then
    self:abandon(err)
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
      if run.ends and core.time() >= run.ends then
        run.is_spent = true
      end
      if self.store then
        self:heed_others()
      end
      if self.store and core.now() - self.renewed >= lease / 3 then
        self:renew()
      end
    end
  end
end

--- Begin.
function Ledger:start()
  self.ticker = self.run:spawn(tick, self)
  self.beginning = self.run:spawn(begin, self)
end

--- What `fn(store)` returns, in the transaction that is next; nil when there is
--- no store any more.
---@param fn fun(store: camb.Store): any, camb.Error? # may be called again
---@return any answer
---@return camb.Error?
function Ledger:ask(fn)
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
    job.keeps_row = true -- a paid task is still reported
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
  return true
end

-- Record that `job` is `state` now, and wait until that is durable.
local function record(self, job, state, write_state)
  if job.is_apart then
    return true -- its row says already what it will be
  end
  local note = { job = job, state = state, write = write_state }
  if self.store_error then
    pass(self, note)
  elseif not self.commits:join(note, state == "submitted") then
    return nil
  end
  self:heed_loss()
  if self.run.closed then
    return nil
  elseif note.outcome == "declined" then
    return nil, note.error
  elseif not note.outcome then
    return refuse(self, note)
  elseif note.outcome == "spent" then
    self:spend()
    return note.outcome
  elseif note.outcome == "parked" then
    return note.outcome
  end
  job.state = note.outcome == "adopted" and "submitted" or state
  return note.outcome
end

-- What is recorded now, runs without a store see, and send nothing then; what
-- they have noted before is seen here.  Of two that see each other this one
-- waits for the other's end, and begins anew.
local function look_again(self, job, path)
  local noted, run = self.find(path), self.run
  if not noted or sender.is_own(noted)
    or noted.owner == self.store.owner -- in its store by another name
    or not noted.task_id and not earlier.doubt(noted, run.options)
  then
    return true
  end
  local ok, err = self:unsent(job)
  while ok and noted and noted.is_under_way and not run.is_draining
    and not job:is_late() and not job:is_over()
    and scheduler.sleep_for(run.client, PAUSE)
  do
    noted = self.find(path)
  end
  return ok and "parked", err
end

--- The upload of `job` may begin, once this is durable; unless its content was
--- sent before.
---@param job camb.BatchJob
---@return true|"adopted"|"parked"|"spent"|nil outcome # "adopted": the job has
---  the task of the one before; "parked": that one is under way, or there are
---  uploads enough; "spent": no more may be sent
---@return camb.Error? err # nil, too: the batch was closed
function Ledger:submitting(job)
  local path = job.original or job.origin.path
  if job.size and not job.sha256 then
    job.sha256 = hash.of_file(self.run.client, path)
  end
  local noted = job.noted or self.find(path)
  local doubt = earlier.doubt(noted, self.run.options)
  if doubt then
    return nil, doubt
  end
  job.noted = noted and noted.task_id and noted or nil
  local outcome, err = record(self, job, "submitting", writes.submitting)
  if outcome == true and not job.noted then
    return look_again(self, job, path)
  end
  return outcome, err
end

--- The service has refused the upload for a while: the job is as it was, and
--- still this worker's.
---@return true? ok
---@return camb.Error? err
function Ledger:unsent(job)
  return record(self, job, "intended", writes.unsent)
end

--- The service has accepted the upload.
---@return true? ok
---@return camb.Error? err
function Ledger:submitted(job)
  return record(self, job, "submitted", writes.submitted)
end

--- The task has ended well.
---@return true? ok
---@return camb.Error? err
function Ledger:finished(job)
  return record(self, job, "finished", writes.finished)
end

--- Both stems are whole; what is to be done with them is not.  A job that was
--- done before is so no longer.
---@return true? ok
---@return camb.Error? err
function Ledger:fetched(job)
  local was_done = job.kept and job.is_apart and not job.is_archived
  job.is_apart = not was_done and job.is_apart or nil
  return record(self, job, "finished", was_done and writes.reopened
    or writes.fetched)
end

--- Both stems are whole.
function Ledger:downloaded(job)
  if job.is_archived then
    return -- its row says how it was done
  elseif job.kept and job.is_apart then
    self:ask(function(jobs)
      return writes.fetched_more(jobs, job)
    end)
  else
    record(self, job, "downloaded", writes.downloaded)
  end
end

--- The job has ended with `job.error`.
function Ledger:failed(job)
  record(self, job, "failed", writes.failed)
end

--- The job has failed with `job.error`, and is tried again after `job.pause`
--- seconds, here or elsewhere.
---@return string|true|nil outcome
function Ledger:put_off(job)
  local outcome = record(self, job, job.state, writes.put_off)
  self.known[job.key], self.labels[job.key] = job.index, job.source
  return outcome
end

--- The job is released unchanged.
function Ledger:release(job)
  record(self, job, job.state, writes.release)
end

function Ledger:settle() -- luacheck: ignore
end

--- The store does not have the task of `job`: its id is recorded elsewhere,
--- whatever happens to this process.
function Ledger:tell_task(job, err)
  if job.task_id and not job.is_told then
    job.is_told, self.has_told = true, true
    self.run:say(('%s: its task is "%s", which the store does not have: %s')
      :format(job.source, job.task_id, type(err) == "table" and err.message
      or tostring(err)))
  end
end

local function leave(jobs, job)
  if job.state ~= "submitting" or job.task_id then
    return
  elseif job.error and not job.is_put_off then
    jobs:failed(job.key, job.error)
  elseif job.inbox:may_be_sent() then
    jobs:unknown(job.key, Error.new({ kind = "unknown_outcome",
      message = "the batch was stopped while the file was being sent: "
        .. advice.on("doubt") }))
  else
    jobs:intended(job.key)
  end
end

-- All that was noted and may not have been written.
local function each_unwritten(self, fn)
  for _, notes in ipairs({ self.unwritten, self.commits.doing,
    self.commits.waiting })
  do
    for _, note in ipairs(notes) do
      if note.state and note.state ~= "submitting" then
        fn(note.job, note.write)
      end
    end
  end
end

-- The last attempt: what was recorded, and what becomes of uploads under way.
local function write_rest(self)
  return self.store:transact(function(jobs)
    each_unwritten(self, function(job, write_state)
      local _, err = write_state(jobs, job)
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

--- Free what is held; call it before the transfers are closed.
function Ledger:close()
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
    each_unwritten(self, function(job)
      self:tell_task(job, self.store_error or reached and err or ok)
    end)
  elseif self.has_told then
    self.run:say("the store is available again and has these tasks")
  end
  pcall(self.store.close, self.store)
end

return ledger
