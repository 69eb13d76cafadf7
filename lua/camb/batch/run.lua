--- A running batch: it starts jobs while the limits allow, and keeps ended ones
--- as items until the caller iterates to them.  A job's own steps are in
--- camb.batch.job.

local Operation = require "camb.operation"
local breaker = require "camb.batch.breaker"
local condition = require "camb.async.condition"
local core = require "camb.core"
local coroutine = require "camb.async.coroutine"
local failure = require "camb.failure"
local gathering = require "camb.async.gathering"
local job = require "camb.batch.job"
local redact = require "camb.redact"
local result = require "camb.result"
local scheduler = require "camb.async.scheduler"
local semaphore = require "camb.async.semaphore"

---@class camb.BatchRun
local Run = {}
Run.__index = Run

local run = {}

-- Runs that are ready within this many seconds are requested together.
local GATHER = 0.02

-- One request for the URLs of all; if that fails, each asks for its own.
local function ask_together(self, notes)
  if #notes == 1 or self.asks_singly or self.closed then
    return
  end
  local ids, deadline = {}, nil
  for i, note in ipairs(notes) do
    ids[i] = note.run_id
    deadline = note.deadline and math.min(note.deadline, deadline or math.huge)
      or deadline
  end
  local operation = Operation.new(self.client, {})
  operation.deadline = deadline
  self.asking = operation
  local map, err = result.many(operation, ids, self.options)
  self.asking = nil
  operation.inbox:close()
  for _, note in ipairs(map and notes or {}) do
    note.urls = map[note.run_id]
  end
  -- a service without this operation is not asked for it again
  self.asks_singly = err ~= nil and (err.kind == "not_found"
    or err.kind == "validation" or err.kind == "protocol")
end

--- A batch of `client`; nothing happens before `start`.
---@param client table
---@param options table # as camb.batch has checked them
---@param given camb.BatchSources
---@return camb.BatchRun
function run.new(client, options, given)
  local self = setmetatable({
    client = client,
    options = options,
    sources = given,
    ledger = nil, -- from `start` on
    closed = nil,  -- by `stop`
    problem = nil, -- what the iteration raises
    asking = nil,  -- the operation that asks for the URLs of many
    asks_singly = nil, -- for a service that does not know of that
    has_told_place = false, -- that stems go elsewhere than this run says
    has_listener = Operation.has_listener(client, options),
    sent = 0,      -- files, and their minutes, that the limits count
    minutes = 0,
    counts_minutes = nil, -- the store limits them
    is_spent = false, -- a limit is reached: nothing more is sent
    is_full = nil, -- the disk is, which is such a limit
    remaining = 0, -- sources that were not sent for that
    active = {},   -- jobs that are under way
    busy = 0,      -- how many they are
    sending = 0,   -- how many of them are sent, recorded as sent, or confirmed
    is_draining = nil, -- by `drain`
    ends = nil,    -- from when on nothing more is sent
    left = nil,    -- what was under way when it stopped
    places = semaphore.new(client, options.concurrency), -- until an item is
    -- taken
    pending = semaphore.new(client, options.pending),
    uploads = semaphore.new(client, options.uploads),
    downloads = semaphore.new(client, options.downloads),
    items = {},
    first_item = 1,
    last_item = 0,
    room = condition.new(client),     -- something ended, or is new
    uploaded = condition.new(client), -- an upload ended, here or elsewhere
    news = condition.new(client),     -- an item, or the end
  }, Run)
  self.breaker = breaker.new(self)
  self.results = gathering.new(client, GATHER, function(notes)
    ask_together(self, notes)
  end)
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

--- Stop, and let the iteration raise `problem`.
function Run:break_off(problem, is_misuse)
  self.problem = self.problem or { value = problem, is_misuse = is_misuse }
  self.news:notify()
end

--- The next of the sources; nil at their end, false if there is none for now.
function Run:next_entry()
  local taken, entry, is_misuse = self.sources:next()
  if not taken then
    self:break_off(entry, is_misuse)
    return nil
  end
  return entry
end

local function take_places(self)
  return self.places:acquire() and self.pending:acquire()
    and self.uploads:acquire()
end

local function leave_places(self)
  self.uploads:release()
  self.pending:release()
  self.places:release()
end

-- The next job, with its places; nil if there are no more, false if there is
-- none for now.
local function next_job(self)
  if not take_places(self) then
    return false
  end
  local next = self.ledger:next()
  if not next then
    leave_places(self)
  end
  return next
end

local function begin(self, next)
  self.active[next] = true
  self.busy = self.busy + 1
  next:begin()
end

local function tell_left_out(self)
  for _, file in ipairs(self.sources.left_out or {}) do
    if not file.is_own then
      job.new(self, { source = file.path }):emit("left_out",
        { reason = file.reason })
    end
  end
end

-- The body of a coroutine: jobs begin while there is room, until the ledger
-- has no more and all have ended.
local function feed(self)
  local is_dry = false
  tell_left_out(self)
  while not self.closed and not self.problem and not self.is_draining do
    local next = not is_dry and next_job(self)
    is_dry = is_dry or next == nil
    if self.closed then
      return -- it was closed meanwhile: start nothing more
    elseif next then
      begin(self, next)
    elseif is_dry and self.busy == 0 then
      break
    elseif not self.room:wait() then
      return
    end
  end
  if not self.closed and not self.problem and not self.is_draining then
    local err = self.ledger.store_error or self.breaker.given_up
      and self.ledger.has_left and self.breaker.given_up
    if err then
      self.places:take()
      self:push({ error = err })
    end
    self:stop()
  end
end

--- `ended` is over: it becomes an item, unless another worker has taken it.
---@param ended camb.BatchJob
function Run:remove(ended)
  if self.closed then
    return
  end
  self.active[ended] = nil
  self.busy = self.busy - 1
  if ended.is_left then
    self.remaining = self.remaining + 1
  end
  if ended.is_lost or ended.is_left or ended.is_put_off then
    self.places:release()
  else
    self:push(ended:item())
  end
  self.room:notify()
end

--- True if the limits let `wanted` be sent, which counts from now on.
---@param wanted camb.BatchJob
---@return boolean
function Run:may_send(wanted)
  local options, minutes = self.options, (wanted.duration or 0) / 60
  if self.is_spent
    or options.max_jobs and self.sent + 1 > options.max_jobs
    or options.max_minutes and self.minutes + minutes > options.max_minutes
  then
    self.is_spent = true
    return false
  end
  self.sent, self.minutes = self.sent + 1, self.minutes + minutes
  return true
end

--- It was not sent.
---@param wanted camb.BatchJob
function Run:not_sent(wanted)
  self.sent = self.sent - 1
  self.minutes = self.minutes - (wanted.duration or 0) / 60
end

--- The disk is full: no stems of what is sent from now on could be kept.
function Run:stop_sending()
  self.is_spent, self.is_full = true, true
end

--- Add an item to those that wait to be taken; it has a place.
function Run:push(item)
  self.last_item = self.last_item + 1
  self.items[self.last_item] = item
  self.news:notify(1)
end

--- Begin.
function Run:start(ledger)
  self.ledger = ledger
  ledger:start()
  for _, problem in ipairs(self.sources.problems or {}) do
    problem.kind = "source"
    self.places:take()
    self:push({ error = failure.make(problem) })
  end
  self:spawn(feed)
end

local function take_item(self)
  local item = self.items[self.first_item]
  if item then
    self.items[self.first_item] = nil
    self.first_item = self.first_item + 1
    self.places:release()
  end
  return item
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
    local item = take_item(self)
    if item then
      return item
    elseif self.closed then
      return nil
    end
    if self.news.host.running() and not coroutine.can_wait() then
      self:stop() -- before the wait raises
    end
    if not self.news:wait() then
      self:stop()
      return nil
    end
  end
end

-- Those that are under way.
local function left_of(self)
  local items = {}
  for active in pairs(self.active) do
    local err = active:unfetched()
    items[#items + 1] = err and { index = active.index, job = active:number(),
      source = active.source, error = err, task_id = active.task_id,
      run_id = active.run_id } or nil
  end
  return items
end

-- Whether it may have been paid for, and the stems may still come.
local function is_unfetched(item)
  local err = item.error
  return err and not err.task_ended
    and (item.task_id or err.kind == "unknown_outcome")
end

--- What is paid for, or may be, and was not fetched: an item for each, also of
--- those that have ended and were not taken.
---@return camb.BatchItem[]
function Run:unfetched()
  local items = {}
  for _, item in ipairs(self.left or left_of(self)) do
    items[#items + 1] = item
  end
  for i = self.first_item, self.last_item do
    local item = self.items[i]
    items[#items + 1] = is_unfetched(item) and item or nil
  end
  table.sort(items, function(a, b)
    return (a.index or 0) < (b.index or 0)
  end)
  return items
end

--- A line on standard error, for programs without a listener.
function Run:say(words)
  io.stderr:write("camb: ", redact.line(words, self.client.secret()), "\n")
end

--- The store is unavailable: report the pause.
function Run:tell_pause(err, seconds)
  job.new(self, { source = "the store" }):emit("retrying", { step = "store",
    reason = err.message, next_in = seconds })
end

-- Seconds between two looks whether all uploads have ended.
local LOOK = 0.05

--- Call off uploads of which nothing is on its way: how many there are besides.
---@return integer
function Run:under_way()
  local idle = 0
  for active in pairs(self.active) do
    idle = idle + (active.inbox:call_off() and 1 or 0)
  end
  return math.max(0, self.sending - idle)
end

-- The body of a coroutine.
local function drain(self, give_up)
  while self.sending > 0 and not self.closed and core.now() < give_up
    and scheduler.sleep_for(self.client, LOOK)
  do
    self:under_way()
  end
  self:stop()
end

--- Begin nothing more; uploads under way get up to `seconds` for their reply.
--- Then stop.
---@param seconds number
function Run:drain(seconds)
  if not self.closed and not self.is_draining then
    self.is_draining = true
    self.room:notify()
    self:spawn(drain, core.now() + seconds)
  end
end

--- Stop everything on this side and free what is held.  A second call does
--- nothing.
function Run:stop()
  if self.closed then
    return
  end
  self.left = left_of(self)
  self.closed = true
  self.ledger:close()
  for active in pairs(self.active) do
    active:stop()
  end
  if self.asking then
    self.asking.inbox:stop()
    if self.asking.small then
      self.asking.small:stop()
    end
  end
  self.active = {}
  for _, name in ipairs({ "places", "pending", "uploads", "downloads",
    "results" }) do
    self[name]:close()
  end
  for _, name in ipairs({ "room", "uploaded", "news" }) do
    self[name]:notify()
  end
end

return run
