--- A batch at work: how many jobs are where, and what becomes of each.  One
--- coroutine feeds jobs in while there is room; `camb.batch.steps` takes them
--- through upload, polling, results and downloads; the journal records every
--- step, and what has ended waits here as an item for whoever iterates.

local call = require "camb.call"
local condition = require "camb.condition"
local core = require "camb.core"
local download = require "camb.download"
local failure = require "camb.failure"
local inbox = require "camb.inbox"
local scheduler = require "camb.scheduler"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local steps = require "camb.batch.steps"

local Run = {}
Run.__index = Run

local run = {}

-- A listener that raises ends the batch; the error comes out where it is
-- iterated over.
local function tell(job, listener, event)
  local self = job.run
  if listener and not self.problem then
    local ok, problem = pcall(listener, event)
    if not ok then
      self:break_off(problem)
    end
  end
end

-- An error of the store as one of a job.
local function fail_with(job, err)
  local _, made = job:fail({ kind = "store", message = err.message })
  return made
end

-- What all jobs of the batch have in common: as operations of the client.
local function methods_of(self)
  local common = {
    client = self.client,
    run = self,
    on_event = self.options.on_event,
    overwrite = self.options.overwrite,
    hash = self.options.store ~= nil,
    options = self.options,
    tell = tell,
    fail_with = fail_with,
  }
  return { __index = setmetatable(common, { __index = call.methods }) }
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
    active = {},
    parked = {},   -- jobs that wait for the upload of the same content
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
  self.metatable = methods_of(self)
  return self
end

local function guarded(fn, self, argument)
  local ok, problem = scheduler.protect(fn, self, argument)
  if not ok then
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

-- Where an entry has options of its own to send, they come before the batch's.
local function own_options(self, given)
  local own
  for _, name in ipairs(sources.SENT) do
    if given[name] ~= nil then
      own = own or setmetatable({}, { __index = self.options })
      own[name] = given[name]
    end
  end
  return own
end

--- A job of the entry of a source.
function Run:job_of(entry)
  local options = own_options(self, entry)
  return setmetatable({
    index = entry.index,
    source = entry.label,
    checked = entry.checked,
    name = entry.name,
    output_dir = entry.folder,
    options = options, -- nil: the batch's
    options_text = sources.sent_text(entry, self.options),
  }, self.metatable)
end

--- True while another job may begin.
function Run:has_room()
  local options = self.options
  return self.held < options.concurrency and self.uploading < options.uploads
    and self.occupied < options.pending
end

--- Let those go on that wait for another one's upload.
function Run:look_again()
  self.unpark = #self.parked > 0
  self.room:notify()
end

-- A look at the file, as far as the batch needs one: its size and its age.
local function look_at(job)
  local path = job.checked.path
  if not path or source.is_url(path) then
    return true
  end
  local kind, size, mtime = core.stat(path)
  if kind == "file" then
    if job.was and (job.was.size ~= size or job.was.mtime ~= mtime) then
      return job:fail({ kind = "source", step = "submit", path = path,
        message = ('the source "%s" has changed since it became part of the '
          .. "batch"):format(path) })
    end
    job.size, job.mtime = size, mtime
  end
  return true
end

-- Everything that can be found wrong is found before money is spent.
function Run:prepare(job)
  local ok, err = true, nil
  if not job.claim_path then
    ok, err = download.reserve(job, job, job.name)
  end
  if ok then
    ok, err = look_at(job)
  end
  if not ok then
    self:fail(job, err)
    return
  end
  self.uploading, self.occupied = self.uploading + 1, self.occupied + 1
  self.journal:put("submitting", job)
end

-- What is there already was written by this job, before a kill.
local function reserve_again(self, job)
  job.overwrite = true
  local ok, err = download.reserve(job, job, job.name)
  if not ok then
    self:fail(job, err)
  end
  return ok
end

--- Take in a job, at whatever state it was left.
function Run:admit(job)
  if not self.active[job] then
    self.active[job] = true
    self.busy, self.held = self.busy + 1, self.held + 1
    job.deadline = self.options.deadline
      and core.now() + self.options.deadline
  end
  if job.state == "unknown_outcome" then
    self.journal:put("release", job)
  elseif job.state == "submitted" then
    if reserve_again(self, job) then
      self.occupied = self.occupied + 1
      steps.poll(self, job)
    end
  elseif job.state == "finished" then
    if reserve_again(self, job) then
      steps.collect(self, job)
    end
  else
    self:prepare(job)
  end
end

--- The content of `job` was sent before: as `task_id`, with `err`, or it is
--- being sent now (neither).
function Run:follow_twin(job, task_id, err)
  self.uploading = self.uploading - 1
  if task_id then
    job.task_id = task_id
    steps.poll(self, job)
  else
    self.occupied = self.occupied - 1
    if err then
      self:fail(job, failure.make({ kind = err.kind, message = err.message,
        step = "submit" }))
    else
      self.parked[#self.parked + 1] = job
    end
  end
  self.room:notify()
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
  job:emit("finished", { stems = stems })
  self.journal:put("downloaded", job)
end

--- `job` has ended badly.
function Run:fail(job, err)
  if err.task_id and not self.options.store then
    err.retryable = false -- the same call would pay again
  end
  job.error = err
  job:emit("failed", { error = err })
  self.journal:put("failed", job)
end

local function give_up(self, job)
  job:let_go()
  self.active[job] = nil
  self.busy = self.busy - 1
  self.room:notify()
end

--- Add an item to those that wait to be taken.
function Run:push(item)
  self.last_item = self.last_item + 1
  self.items[self.last_item] = item
  self.news:notify(1)
end

--- `job` has ended: whoever iterates hears of it.
function Run:deliver(job)
  give_up(self, job)
  self:push({
    index = job.index,
    source = job.source,
    stems = job.stems,
    error = job.error,
    task_id = job.task_id,
    run_id = job.run_id,
  })
end

--- Another worker has `job` now: nothing more is done or said about it here.
function Run:lose(job)
  if not self.active[job] then
    return
  end
  if job.poll then
    self.polled[job.poll:id()] = nil
    self.polls:drop(job.poll)
    job.poll, job.inbox = nil, nil
    self.occupied = self.occupied - 1
  elseif job.inbox then
    job:cancel()
  end
  self.held = self.held - 1
  give_up(self, job)
end

-- A job that was about to be sent gives its place up.
local function leave_place(self, state)
  if state == "submitting" then
    self.uploading, self.occupied = self.uploading - 1, self.occupied - 1
  end
end

--- The store says that `job`, which was to become `state`, is another worker's.
--- What was paid for is told of all the same.
function Run:lose_claim(state, job, err)
  leave_place(self, state)
  if state == "submitted" and self.active[job] then
    job.error = failure.make({ kind = "store", message = err.message,
      task_id = job.task_id })
    self:push({ index = job.index, source = job.source, error = job.error,
      task_id = job.task_id })
    self.held = self.held + 1
  end
  self:lose(job)
end

--- The store does not take what `job` was to become.
function Run:refuse(state, job, err)
  leave_place(self, state)
  job.error = job:fail_with(err)
  self:deliver(job)
  if state == "submitted" then
    self:break_down(err)
  end
end

--- The store is gone for good: every job ends here, each with what is known.
function Run:break_down(err)
  local is_told = false
  for job in pairs(self.active) do
    job.error = job.error or job:fail_with(err)
    self:deliver(job)
    is_told = true
  end
  if not is_told then
    self.held = self.held + 1
    self:push({ error = err })
  end
  self:stop()
end

--- The store cannot be had now: tell of the pause.
function Run:tell_pause(err, seconds)
  local work = setmetatable({ source = "the store" }, self.metatable)
  work:emit("retrying", { step = "store", reason = err.message,
    next_in = seconds })
end

local function unpark(self)
  local job = self.unpark and table.remove(self.parked, 1)
  self.unpark = self.unpark and #self.parked > 0
  return job or nil
end

-- Jobs come in while there is room, until the journal has no more.
local function feed(self)
  while not self.closed and not self.problem do
    while not self:has_room() do
      if not self.room:wait() or self.closed then
        return
      end
    end
    local job = unpark(self) or self.journal:next()
    if job then
      self:admit(job)
    elseif job == nil and #self.parked == 0 then
      break
    elseif job == nil and not self.room:wait() then
      return
    end
  end
  while self.busy > 0 and not self.closed do
    if not self.room:wait() then
      return
    end
  end
  if not self.closed and not self.problem then
    self:stop()
  end
end

--- Begin.
function Run:start(journal)
  self.journal = journal
  journal:start()
  if self.sources.missing then
    self.held = self.held + 1
    self:push({ error = failure.make({ kind = "source",
      path = self.sources.missing,
      message = ('"%s" stands for no file'):format(self.sources.missing) }) })
  end
  self:spawn(feed)
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
      self.room:notify()
      return item
    elseif self.closed then
      return nil
    elseif not self.news:wait() then
      self:stop()
      return nil
    end
  end
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
  self.active, self.polled, self.parked = {}, {}, {}
  self.room:notify()
  self.news:notify()
end

return run
