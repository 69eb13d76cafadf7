--- The journal of a batch with a store.  One coroutine, the keeper, does all
--- that concerns the store: what was noted in a turn of the loop becomes one
--- transaction, and only then `run:recorded` says that it is so.
---
--- A store that stays away for longer than there is patience, or is removed, is
--- abandoned: nothing more is sent, what is paid for goes on to its stems, its
--- task ids go to standard error, and at the end all is written if it can be.

local claims = require "camb.batch.claims"
local condition = require "camb.async.condition"
local core = require "camb.core"
local Error = require "camb.error"
local enlist = require "camb.batch.enlist"
local hash = require "camb.batch.hash"
local scheduler = require "camb.async.scheduler"
local store = require "camb.store"
local writes = require "camb.batch.writes"

local Journal = {}
Journal.__index = Journal
for name, method in pairs(claims) do
  Journal[name] = method
end

local journal = {}

-- Seconds for which SQLite may block for another process that writes.
local BUSY = 0.2
-- Seconds for which notes wait for others, to share a transaction: each is a
-- write that the disk has to confirm.
local GATHER = 0.005
-- Notes that do not wait: a kill would leave a task unknown, or a job waits.
local URGENT = { submitted = true, ask = true }
-- Seconds between two looks for jobs that other workers may have left.
local IDLE = 1
-- Jobs claimed at a time.
local MOST_CLAIMED = 32

--- For `run`.
function journal.new(run)
  return setmetatable({
    run = run,
    notes = {},      -- state, job, state, job, …
    pending = {},    -- groups of notes that are being written, one by one
    unwritten = {},  -- notes since the store was abandoned
    claimed = {},
    added = 0,       -- rows that are in the store by us
    known = {},      -- the sources' indices by their keys
    labels = {},     -- what people call them, where that is not the key
    changed = {},    -- by key: not the recording that the store knew
    keeper_news = condition.new(run.client),
    answers = condition.new(run.client),
    renewed = core.now(),
  }, Journal)
end

-- Tell of what is durable now.
local function settle(self, notes, outcomes)
  for i = 1, #notes, 2 do
    local job, outcome, err = notes[i + 1], outcomes[i], outcomes[i + 1]
    if notes[i] == "ask" then
      job.is_answered, job.error = true, err
      self.answers:notify()
    elseif outcome == "adopted" then
      job.state = "submitted"
      self.run:follow_twin(job, job.twin)
    elseif outcome == "parked" then
      self.run:follow_twin(job)
    elseif outcome == "declined" then
      self.run:follow_twin(job, nil, job.declined)
    elseif outcome ~= "refused" then
      job.state = outcome
      self.run:recorded(outcome, job)
    elseif err.is_taken then
      self.run:lose_claim(notes[i], job, err)
    elseif notes[i] == "submitting" then
      self.run:refuse(job, err)
    else -- goes on without its row
      job.is_apart = true
      self.run:tell_task(job, err)
      self.run:recorded(notes[i], job)
    end
  end
end

-- Renew the lease in time; jobs that others have taken are given up.
local function renew(self)
  if core.now() - self.renewed < self.run.options.lease / 3 then
    return
  end
  self.renewed = core.now()
  local ok, err = self.store:renew()
  if not ok and err.is_taken then
    for job in pairs(self.run.active) do
      local row = job.key and not job.is_apart and self.store:get(job.key)
      if row and row.owner ~= self.store.owner then
        self.run:lose(job)
      end
    end
  end
end

local function open_once(self)
  local client, options = self.run.client, self.run.options
  local jobs, err = store.open(options.store, {
    lease = options.lease,
    busy_timeout = BUSY,
    base_url = client.base_url,
    patience = options.patience,
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
  local give_up = core.now() + self.run.options.patience
  local jobs, err = open_once(self)
  while not jobs and err.retryable and core.now() < give_up do
    self.run:tell_pause(err, writes.PAUSE)
    scheduler.sleep_for(self.run.client, writes.PAUSE)
    if self.run.closed then
      return nil, err
    end
    jobs, err = open_once(self)
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

-- What is noted while there is no store.
local function pass(self, state, job)
  if state == "ask" then
    job.is_answered, job.error = true, self.store_error
    self.answers:notify()
  elseif state == "submitting" then
    self.run:refuse(job, self.store_error)
  else
    self.unwritten[#self.unwritten + 1] = state
    self.unwritten[#self.unwritten + 1] = job
    if state == "submitted" then
      self.run:tell_task(job, self.store_error)
    end
    job.state = state
    self.run:recorded(state, job)
  end
end

--- Go on without the store.
function Journal:abandon(err)
  local groups = self.pending
  groups[#groups + 1] = self.notes
  self.pending, self.notes, self.store_error = {}, {}, err
  if err.is_removed then
    for job in pairs(self.run.active) do
      self.run:tell_task(job, err)
    end
    for _, job in ipairs(self.claimed) do
      self.run:tell_task(job, err)
    end
  end
  for _, notes in ipairs(groups) do
    for i = 1, #notes, 2 do
      pass(self, notes[i], notes[i + 1])
    end
  end
  self.run.room:notify()
end

-- Write what is pending; false when the keeper is to end.
local function write_pending(self)
  while self.pending[1] do
    local notes = self.pending[1]
    local outcomes, err = writes.write(self, notes)
    if self.run.closed then
      return false
    elseif not outcomes then
      self:abandon(err)
      return false
    end
    table.remove(self.pending, 1)
    settle(self, notes, outcomes)
  end
  return not self.run.closed
end

-- The notes that are there, once they are urgent or others had time to come;
-- nil when the keeper is to end.
local function gather(run, self)
  if #self.notes == 0 and not self.keeper_news:wait() then
    return nil
  end
  local till = core.now() + GATHER
  while #self.notes > 0 and not self.is_urgent and not run.closed
    and core.now() < till
  do
    if not self.keeper_news:wait(till - core.now()) then
      return nil
    end
  end
  local notes = self.notes
  self.notes, self.is_urgent = {}, false
  return notes
end

local function keep(run, self)
  local ok, err = open(self)
  if ok then
    ok, err = reopen_ended(self)
  end
  if run.closed then
    if self.store then
      self.store:close()
    end
    return
  elseif not ok then
    self:abandon(err)
    return
  end
  run:spawn(enlist.run, self)
  while not run.closed do
    local notes = gather(run, self)
    if not notes then
      return
    end
    self.pending = store.is_url(run.options.store) and writes.apart(notes)
      or { notes }
    if not write_pending(self) then
      return
    end
    renew(self)
  end
end

-- The lease has to be renewed also while nothing else happens.
local function tick(run, self)
  while not run.closed and scheduler.sleep_for(run.client, IDLE) do
    if not run.closed then
      run:look_again()
      self.keeper_news:notify()
    end
  end
end

--- Begin.
function Journal:start()
  self.keeper = self.run:spawn(keep, self)
  self.ticker = self.run:spawn(tick, self)
end

local function note(self, state, job)
  self.notes[#self.notes + 1] = state
  self.notes[#self.notes + 1] = job
  self.is_urgent = self.is_urgent or URGENT[state]
  if self.is_urgent or #self.notes == 2 then
    self.keeper_news:notify()
  end
end

--- Record that `job` is `state` now; `run:recorded` is called when it is.
function Journal:put(state, job)
  if job.is_apart then
    self.run:recorded(state, job)
    return
  elseif self.store_error then
    pass(self, state, job)
    return
  end
  if state == "submitting" and not job.sha256 and job.size then
    job.sha256 = hash.of_file(self.run.client, job.checked.path)
    if self.run.closed then
      return
    end
  end
  note(self, state, job)
end

--- What `fn(store)` returns, in the transaction that is next.
function Journal:ask(fn)
  if self.store_error then
    return nil, self.store_error
  end
  local question = { fn = fn }
  note(self, "ask", question)
  while not question.is_answered and not self.run.closed do
    if not self.answers:wait() then
      return nil
    end
  end
  return question.answer, question.error
end

function Journal:settle() -- luacheck: ignore
end

local function leave(self, job)
  if job.state ~= "submitting" or job.task_id or job.error then
    return
  elseif job.inbox and job.inbox:may_be_sent() then
    self.store:unknown(job.key, Error.new({ kind = "unknown_outcome",
      message = "the batch was stopped while the file was being sent: a task "
        .. "may exist and be charged; look at the dashboard before you send "
        .. "it again" }))
  else
    self.store:intended(job.key)
  end
end

-- All that was noted and is not known to be written: fn(state, job).
local function each_unwritten(self, fn)
  local groups = { self.unwritten }
  for _, notes in ipairs(self.pending) do
    groups[#groups + 1] = notes
  end
  groups[#groups + 1] = self.notes
  for _, notes in ipairs(groups) do
    for i = 1, #notes, 2 do
      if notes[i] ~= "submitting" and notes[i] ~= "ask" then
        fn(notes[i], notes[i + 1])
      end
    end
  end
end

-- The last attempt: what was noted, and what becomes of uploads under way.
local function write_rest(self)
  self.store:begin()
  each_unwritten(self, function(state, job)
    local _, err = writes.kinds[state](self.store, job)
    if err and not err.is_taken then
      self.run:tell_task(job, err)
    end
  end)
  for job in pairs(self.run.active) do
    if job.key and not job.is_apart then
      leave(self, job)
    end
  end
  return self.store:commit()
end

--- Give back what is held.  Before the transfers are closed.
function Journal:close()
  for _, job in ipairs({ self.keeper or false, self.ticker or false }) do
    if job then
      job:cancel()
    end
  end
  self.run.room:notify()
  self.answers:notify()
  if not self.store then
    return
  end
  local reached, ok, err = pcall(write_rest, self)
  if not reached or not ok then
    each_unwritten(self, function(_, job)
      self.run:tell_task(job, self.store_error or reached and err or ok)
    end)
  elseif self.run.has_told then
    self.run:say("the store is there again, and has these tasks")
  end
  pcall(self.store.close, self.store)
end

return journal
