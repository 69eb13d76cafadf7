--- A batch at work: it begins jobs while there is room for them, and keeps what
--- has ended as items for whoever iterates.  What becomes of a job stands in
--- camb.batch.job.

local Operation = require "camb.operation"
local condition = require "camb.async.condition"
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

-- Runs that are ready within so many seconds are asked for together.
local GATHER = 0.02

-- One request for the URLs of all; where that fails each asks for itself.
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
  local operation = Operation.new(self.client, self.options)
  operation.on_event, operation.deadline = nil, deadline
  operation.has_listener = self.client.on_event ~= nil
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
    active = {},   -- jobs that have begun and not ended
    busy = 0,      -- how many they are
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
  self.results = gathering.new(client, GATHER, function(notes)
    ask_together(self, notes)
  end)
  self.common = job.common(self)
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

local function take_places(self)
  return self.places:acquire() and self.pending:acquire()
    and self.uploads:acquire()
end

local function leave_places(self)
  self.uploads:release()
  self.pending:release()
  self.places:release()
end

-- The next job, with its places; nil when there are no more, false when there
-- is none for now.
local function next_job(self)
  if not take_places(self) then
    return false
  end
  local next = self.journal:next()
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

-- The body of a coroutine: jobs begin while there is room, until the journal
-- has no more and all have ended.
local function feed(self)
  local is_dry = false
  while not self.closed and not self.problem do
    local next = not is_dry and next_job(self)
    is_dry = is_dry or next == nil
    if self.closed then
      return -- it was closed meanwhile: nothing more is begun
    elseif next then
      begin(self, next)
    elseif is_dry and self.busy == 0 then
      break
    elseif not self.room:wait() then
      return
    end
  end
  if not self.closed and not self.problem then
    if self.journal.store_error then
      self.places:take()
      self:push({ error = self.journal.store_error })
    end
    self:stop()
  end
end

--- `ended` has come to its end: whoever iterates hears of it, unless another
--- worker has it now.
---@param ended camb.BatchJob
function Run:remove(ended)
  if self.closed then
    return
  end
  self.active[ended] = nil
  self.busy = self.busy - 1
  if ended.is_lost then
    self.places:release()
  else
    self:push(ended:item())
  end
  self.room:notify()
end

--- Add an item to those that wait to be taken; it has a place.
function Run:push(item)
  self.last_item = self.last_item + 1
  self.items[self.last_item] = item
  self.news:notify(1)
end

--- Begin.
function Run:start(journal)
  self.journal = journal
  journal:start()
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
    if item or self.closed then
      return item
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
  for active in pairs(self.active) do
    local err = active:unfetched()
    items[#items + 1] = err and { index = active.index, source = active.source,
      error = err, task_id = active.task_id, run_id = active.run_id } or nil
  end
  table.sort(items, function(a, b)
    return (a.index or 0) < (b.index or 0)
  end)
  return items
end

--- A line on standard error, which nobody has to listen for.
function Run:say(words)
  io.stderr:write("camb: ", redact.line(words, self.client.secret()), "\n")
end

--- The store cannot be had now: tell of the pause.
function Run:tell_pause(err, seconds)
  job.new(self, { source = "the store" }):emit("retrying", { step = "store",
    reason = err.message, next_in = seconds })
end

--- Stop everything on our side, and give back what is held.  Twice is fine.
function Run:stop()
  if self.closed then
    return
  end
  self.closed = true
  self.journal:close()
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
