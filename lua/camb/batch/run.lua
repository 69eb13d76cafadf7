--- A batch at work: how many jobs are where, and what becomes of each.  One
--- coroutine feeds jobs in while there is room; `camb.batch.steps` takes them
--- through upload, polling, results and downloads; the journal records every
--- step, and what has ended waits here as an item for whoever iterates.

local Operation = require "camb.operation"
local condition = require "camb.async.condition"
local core = require "camb.core"
local failure = require "camb.failure"
local inbox = require "camb.async.inbox"
local intake = require "camb.batch.intake"
local journal = require "camb.journal"
local losses = require "camb.batch.losses"
local scheduler = require "camb.async.scheduler"
local steps = require "camb.batch.steps"
local words = require "camb.words"

local Run = {}
Run.__index = Run
for _, methods in ipairs({ intake, losses }) do
  for name, method in pairs(methods) do
    Run[name] = method
  end
end

local run = {}

-- With a store the host of a stem may be away for ever: only the deadline ends
-- that.  For one that is there and has no stem this many seconds are enough.
local PATIENCE = 600

-- A listener that raises ends the batch; the error comes out where it is
-- iterated over.
local function tell(job, listener, event)
  local self = job.run
  if listener and not self.problem then
    local ok, problem = pcall(listener, event)
    if not ok then
      self:break_off(problem)
      self:spawn(self.stop) -- nothing more is sent meanwhile
    end
  end
end

-- What all jobs of the batch have in common: as operations of the client.
local function metatable_of(self)
  local common = {}
  for name, method in pairs(Operation) do
    common[name] = method
  end
  common.client = self.client
  common.run = self
  common.on_event = self.options.on_event
  common.has_listener = Operation.has_listener(self.client, self.options)
  common.overwrite = self.options.overwrite
  common.hash = self.options.store ~= nil
  common.hash_source = self.options.dedupe
  common.options = self.options
  Operation.be_patient(common, self.options)
  if self.options.store then
    common.patience = math.max(common.patience, PATIENCE)
    common.endless = true
  end
  common.tell = tell
  return { __index = common }
end

--- A batch of `client`; nothing happens before `start`.
---@param client table
---@param options table # as camb.batch has checked them
---@param given camb.BatchSources
function run.new(client, options, given)
  local self = setmetatable({
    client = client,
    options = options,
    sources = given,
    busy = 0,      -- jobs begun and not ended
    held = 0,      -- jobs begun whose item was not taken yet
    uploading = 0,
    occupied = 0,  -- uploading, or waiting at the service
    is_dry = false, -- the journal has no more jobs
    active = {},
    parked = {},   -- jobs that wait for the upload of the same content
    unpark = 0,    -- how many of them are to be looked at again
    polls = inbox.new(client),
    polled = {},   -- by the poll's id
    ready = {},    -- runs that are ready, to be asked for
    downloads = {},
    first_download = 1,
    last_download = 0,
    downloading = 0,
    items = {},
    first_item = 1,
    last_item = 0,
    room = condition.new(client), -- something ended, or left
    news = condition.new(client), -- an item, or the end
  }, Run)
  self.metatable = metatable_of(self)
  return self
end

local function guarded(fn, self, argument)
  local ok, problem = scheduler.protect(fn, self, argument)
  if not ok and not self.closed then
    self:break_off(problem)
  end
end

--- Begin `fn(self, argument)` as a coroutine of the client's loop.
function Run:spawn(fn, argument)
  return scheduler.spawn_for(self.client, guarded, fn, self, argument)
end

--- Stop, and raise `problem` where the batch is iterated over.
function Run:break_off(problem, is_misuse)
  self.problem = self.problem or { value = problem, is_misuse = is_misuse }
  self.news:notify()
end

--- The next of the sources; nil at their end.
function Run:next_entry()
  local taken, entry, is_misuse = self.sources:next()
  if not taken then
    self:break_off(entry, is_misuse)
    return nil
  end
  return entry
end

--- True while another file may go up.
function Run:has_place()
  return self.uploading < self.options.uploads
    and self.occupied < self.options.pending
end

--- Something ended, or left: another job may begin, or all have ended.
function Run:make_room()
  if self.held < self.options.concurrency or self.busy == 0
    or self.unpark > 0
  then
    self.room:notify()
  end
end

--- Let those go on that wait for another one's upload.
function Run:look_again()
  self.unpark = #self.parked -- each once: it may have to wait on
  if self.unpark > 0 then
    self.room:notify()
  else
    self:make_room()
  end
end

-- A job of which `state` is durable now.
local AFTER = {
  submitting = function(self, job)
    self:spawn(steps.upload, job)
  end,
  -- not before: what is found under the stems' names is then known to be ours
  finished = function(self, job)
    steps.collect(self, job)
  end,
  downloaded = function(self, job)
    self:deliver(job)
  end,
  failed = function(self, job)
    self:deliver(job)
  end,
  release = function(self, job)
    self:deliver(job)
  end,
}

--- Called by the journal.
function Run:recorded(state, job)
  if AFTER[state] and not self.closed then
    AFTER[state](self, job)
  end
end

--- The stems of `job` are whole.
function Run:finish(job, stems)
  job.stems = stems
  journal.finish(job, true)
  job:emit_finished(stems)
  self.journal:put("downloaded", job)
end

--- Remove what a process that was killed has left of a job that is not going to
--- come to its stems: opening it takes it from nobody who still writes, and
--- closing it removes it.
function Run:remove_parts(job) -- luacheck: ignore
  for _, stem in ipairs({ "foreground", "background" }) do
    local base = ("%s/%s.%s"):format(job.output_dir, job.name, stem)
    local part = core.stat(base .. ".part") and core.part(base)
    if part then
      part:close()
    end
  end
end

--- `job` has ended badly.
function Run:fail(job, err)
  if job.state then
    self:remove_parts(job)
  end
  if err.task_id and not self.options.store then
    err.retryable = false -- the same call would pay again
    err.message = err.message .. (job.run_id and words.fetch(job) or "")
  end
  job.error = err
  journal.finish(job, false, err)
  job:emit("failed", { error = err })
  self.journal:put("failed", job)
end

--- What `job` held is free; for those who end it.
function Run:give_up(job)
  job:let_go()
  self.active[job] = nil
  self.busy = self.busy - 1
  self:make_room()
end

--- Add an item to those that wait to be taken.
function Run:push(item)
  self.last_item = self.last_item + 1
  self.items[self.last_item] = item
  self.news:notify(1)
end

--- `job` has ended: whoever iterates hears of it.
function Run:deliver(job)
  self:give_up(job)
  self:push({
    index = job.index,
    source = job.source,
    stems = job.stems,
    error = job.error,
    task_id = job.task_id,
    run_id = job.run_id,
    changed = job.is_changed,
  })
end

--- Begin.
function Run:start(own_journal)
  self.journal = own_journal
  own_journal:start()
  for _, problem in ipairs(self.sources.problems or {}) do
    problem.kind = "source"
    self.held = self.held + 1
    self:push({ error = failure.make(problem) })
  end
  self:spawn(self.feed)
end

--- The next item; nil at the end.
---@param level integer # as for `error`, seen from the caller
function Run:next(level)
  while true do
    local problem = self.problem
    if problem and not problem.is_told then
      problem.is_told = true
      self:stop()
      error(problem.value, problem.is_misuse and level + 1 or 0)
    end
    local item = self.items[self.first_item]
    if item then
      self.items[self.first_item] = nil
      self.first_item = self.first_item + 1
      self.held = self.held - 1
      self:make_room()
      return item
    elseif self.closed then
      return nil
    elseif not self.news:wait() then
      self:stop()
      return nil
    end
  end
end

--- What is paid for, or may be, and was not fetched: an item for each.
---@return camb.BatchItem[]
function Run:unfetched()
  local items = {}
  for job in pairs(self.active) do
    local _, err
    if job.task_id and not job.stems then
      _, err = job:fail_cancelled("poll")
    elseif not job.task_id and job.inbox and job.inbox:may_be_sent() then
      _, err = job:fail(failure.of_cancel("submit", job, true))
    end
    items[#items + 1] = err and { index = job.index, source = job.source,
      error = err, task_id = job.task_id, run_id = job.run_id } or nil
  end
  table.sort(items, function(a, b)
    return (a.index or 0) < (b.index or 0)
  end)
  return items
end

local function stop_transfers(self, operation)
  if operation.inbox and operation.inbox ~= self.polls then
    operation.inbox:stop()
  end
  if operation.small then
    operation.small:stop()
  end
end

--- Stop everything on our side, and give back what is held.  Twice is fine.
function Run:stop()
  if self.closed then
    return
  end
  self.closed = true
  self.journal:close()
  for job in pairs(self.active) do
    job:let_go()
    stop_transfers(self, job)
  end
  if self.asking then
    stop_transfers(self, self.asking)
  end
  self.polls:stop()
  self.active, self.polled, self.parked, self.unpark = {}, {}, {}, 0
  self.room:notify()
  self.news:notify()
end

return run
