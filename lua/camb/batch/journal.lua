--- The journal of a batch with a store: it records each state of a job before
--- what follows from it begins.  Jobs that write at the same time share one
--- transaction, which the first of them makes for all.
---
--- A store that is unreachable for longer than `store_timeout`, or is removed,
--- is abandoned: nothing more is sent, paid tasks still get their stems, their
--- ids go to standard error, and at the end everything is written if possible.

local Error = require "camb.error"
local advice = require "camb.advice"
local claims = require "camb.batch.claims"
local client_journal = require "camb.journal"
local core = require "camb.core"
local dedupe = require "camb.batch.dedupe"
local enlist = require "camb.batch.enlist"
local failure = require "camb.failure"
local gathering = require "camb.async.gathering"
local hash = require "camb.batch.hash"
local recordings = require "camb.batch.recordings"
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
-- Requests a second once there is no limit.
local NO_LIMIT = 1e6
local SPENT = "the store's limit of jobs or minutes is used up"

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

-- How each state is written: true, or "adopted" or "parked" of a job whose
-- content was sent before; else nil and an error.

local function write_submitting(jobs, job)
  local same, stem, err
  if job.noted then -- a run without a store has paid for it
    local ok, problem = jobs:submitted(job.key, job.noted.task_id, job)
    job.task_id = ok and job.noted.task_id or nil
    return ok and "adopted", problem
  end
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
  if err then
    return nil, err
  elseif stem then
    return "declined", failure.make(written.problem(job.source, stem.source))
  end
  local ok
  ok, err = jobs:submitting(job.key, job)
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

local function write_unsent(jobs, job)
  local ok, err = jobs:give_back((job.duration or 0) / 60)
  if not ok then
    return nil, err
  end
  return jobs:unsent(job.key)
end

local function write_submitted(jobs, job)
  return jobs:submitted(job.key, job.task_id)
end

local function write_finished(jobs, job)
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

local function write_fetched(jobs, job)
  return jobs:fetched(job.key, stems_of(job))
end

local function write_reopened(jobs, job)
  return jobs:reopened(job.key, stems_of(job))
end

local function write_downloaded(jobs, job)
  return jobs:downloaded(job.key, stems_of(job))
end

local function write_release(jobs, job)
  return jobs:release(job.key)
end

local function write_failed(jobs, job)
  if job.error.kind == "cancelled" then
    return jobs:release(job.key)
  end
  return jobs:failed(job.key, job.error)
end

local function write_put_off(jobs, job)
  return jobs:put_off(job.key, job.error, job.pause)
end

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
function journal.new(run)
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
    find = client_journal.finder(run.client, true,
      not run.options.dedupe),
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

-- Too little is left of a limit: who follows waits for a new one.
local function spend(self)
  self.short_of = self.store.limits and self.store.limits.minutes or nil
  if self.run.options.follow then
    self.run.breaker:halt(SPENT)
  else
    self.run.is_spent = true
  end
end

-- Each worker makes its share of the requests.
local function share_rate(self, controls)
  local run = self.run
  local rate = controls.requests
    and controls.requests / math.max(1, controls.workers)
    or self.rate and (run.options.requests_per_second or NO_LIMIT)
  if rate and rate ~= self.rate then
    self.rate = rate
    run.client.session:limit_rate(rate)
  end
end

-- What other workers found out about the service, or people decided.
local function heed_others(self)
  local run = self.run
  local controls = self:ask(function(jobs)
    return jobs:controls()
  end)
  if not controls then
    return
  end
  local pause = controls.pause
  run.breaker:share(pause and pause.seconds, pause and pause.reason)
  share_rate(self, controls)
  run.counts_minutes = controls.minutes ~= nil
  if controls.minutes and not pcall(require, "camb.audio") then
    self:abandon(Error.new({ kind = "store", message = "the store limits "
      .. "minutes of audio, which this worker cannot count: install "
      .. "camb-sandbox" }))
  elseif not controls.halt and (controls.jobs == 0 or self.short_of
    and controls.minutes and controls.minutes <= self.short_of)
  then
    spend(self)
  else
    run.breaker:halt(controls.halt)
  end
end

local function begin(run, self)
  local ok, err = open(self)
  if ok then
    ok, err = reopen_ended(self)
  end
  if run.closed and self.store then
    self.store:close()
  elseif ok and not run.closed then
    heed_others(self)
    enlist.run(run, self)
  elseif not run.closed then
    self:abandon(err)
  end
end

--- A job that is lost may come to this worker again.
function Journal:expect(job)
  self.known[job.key], self.labels[job.key] = job.index, job.source
end

--- If this worker was taken for dead, it drops the jobs that it had; an upload
--- under way finishes, and its task is recorded.
function Journal:heed_loss()
  if not self.store or self.store.generation == self.generation then
    return
  end
  self.generation, self.has_new = self.store.generation, true
  for _, job in ipairs(self.claimed) do
    self:expect(job)
  end
  self.claimed = {}
  for job in pairs(self.run.active) do
    if job.key and not job.is_apart and job.state ~= "submitting" then
      job:lose()
    end
  end
end

local function renew(self)
  self.renewed = core.now()
  self:ask(function(jobs)
    return jobs:renew()
  end)
  self:heed_loss()
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
        heed_others(self)
      end
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
    spend(self)
    return note.outcome
  elseif note.outcome == "parked" then
    return note.outcome
  end
  job.state = note.outcome == "adopted" and "submitted" or state
  return note.outcome
end

-- What is recorded now, runs without a store see; what they have noted before
-- is seen here.
local function look_again(self, job, path)
  local noted = self.find(path)
  local doubt = client_journal.doubt(noted, self.run.options)
  if not noted or not doubt and not noted.task_id
    or client_journal.is_own(noted)
  then
    return true
  end
  local ok, err = self:unsent(job)
  if ok and noted.task_id then
    job.noted = noted
    return record(self, job, "submitting", write_submitting)
  end
  return nil, ok and doubt or err
end

--- The upload of `job` may begin, once this is durable; unless its content was
--- sent before.
---@param job camb.BatchJob
---@return true|"adopted"|"parked"|"spent"|nil outcome # "adopted": the job has
---  the task of the one before; "parked": that one is under way, or there are
---  uploads enough; "spent": no more may be sent
---@return camb.Error? err # nil, too: the batch was closed
function Journal:submitting(job)
  local path = job.original or job.origin.path
  if job.size and not job.sha256 then
    job.sha256 = hash.of_file(self.run.client, path)
  end
  local noted = job.noted or self.find(path)
  local doubt = client_journal.doubt(noted, self.run.options)
  if doubt then
    return nil, doubt
  end
  job.noted = noted and noted.task_id and noted or nil
  local outcome, err = record(self, job, "submitting", write_submitting)
  if outcome == true and not job.noted then
    return look_again(self, job, path)
  end
  return outcome, err
end

--- The service has refused the upload for a while: the job is as it was, and
--- still this worker's.
---@return true? ok
---@return camb.Error? err
function Journal:unsent(job)
  return record(self, job, "intended", write_unsent)
end

--- The service is out of order: no worker sends anything for `seconds`.
---@param seconds number
---@param reason string
function Journal:share_pause(seconds, reason)
  self:ask(function(jobs)
    return jobs:pause(seconds, reason)
  end)
end

--- Whether this worker may send a job now; no other one may for `seconds`.
---@param seconds number
---@return boolean
function Journal:may_probe(seconds)
  return self:ask(function(jobs)
    return jobs:may_probe(seconds)
  end) or false
end

--- The service is in order.
function Journal:share_end()
  self:ask(function(jobs)
    return jobs:resume()
  end)
end

--- The service has accepted the upload.
---@return true? ok
---@return camb.Error? err
function Journal:submitted(job)
  return record(self, job, "submitted", write_submitted)
end

--- The task has ended well.
---@return true? ok
---@return camb.Error? err
function Journal:finished(job)
  return record(self, job, "finished", write_finished)
end

--- Both stems are whole; what is to be done with them is not.  A job that was
--- done before is so no longer.
---@return true? ok
---@return camb.Error? err
function Journal:fetched(job)
  local was_done = job.kept and job.is_apart and not job.is_archived
  job.is_apart = not was_done and job.is_apart or nil
  return record(self, job, "finished", was_done and write_reopened
    or write_fetched)
end

--- Both stems are whole.
function Journal:downloaded(job)
  if job.is_archived then
    return -- its row says how it was done
  elseif job.kept and job.is_apart then
    self:ask(function(jobs)
      return jobs:fetched_more(job.key, stems_of(job))
    end)
  else
    record(self, job, "downloaded", write_downloaded)
  end
end

--- The job has ended with `job.error`.
function Journal:failed(job)
  record(self, job, "failed", write_failed)
end

--- The job has failed with `job.error`, and is tried again after `job.pause`
--- seconds, here or elsewhere.
---@return string|true|nil outcome
function Journal:put_off(job)
  local outcome = record(self, job, job.state, write_put_off)
  self.known[job.key], self.labels[job.key] = job.index, job.source
  return outcome
end

--- The job is released unchanged.
function Journal:release(job)
  record(self, job, job.state, write_release)
end

function Journal:settle() -- luacheck: ignore
end

--- The store does not have the task of `job`: its id is recorded elsewhere,
--- whatever happens to this process.
function Journal:tell_task(job, err)
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
    each_unwritten(self, function(job)
      self:tell_task(job, self.store_error or reached and err or ok)
    end)
  elseif self.has_told then
    self.run:say("the store is available again and has these tasks")
  end
  pcall(self.store.close, self.store)
end

return journal
