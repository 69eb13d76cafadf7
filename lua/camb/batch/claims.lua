--- Where the jobs of a batch with a store come from: they are claimed, a few at
--- a time, as there is room for them.

local core = require "camb.core"
local Error = require "camb.error"
local json = require "camb.json"
local job = require "camb.batch.job"
local operations = require "camb.operations"
local source = require "camb.source"
local recordings = require "camb.batch.recordings"
local sources = require "camb.batch.sources"
local store = require "camb.store"

-- Methods of the ledger.
local Claims = {}

-- Seconds between two looks for jobs that other workers may have left.
local IDLE = 1
-- Seconds after which a worker that can do nothing says so again.
local REMINDER = 10
-- Jobs claimed at once, and the share of `concurrency` that is claimed even if
-- there is room for fewer, as each claim is a transaction; but no more than are
-- sent at once: other workers may be idle.
local MOST_CLAIMED, AHEAD = 32, 0.25

local function sent_options(self, text)
  local batch = self.run.options
  local known = text and json.decode(text) or {}
  if sources.sent_text({}, batch) == text then
    return nil
  end
  local own = {}
  for name, value in pairs(batch) do
    own[name] = value
  end
  for _, name in ipairs(operations.form()) do
    own[name] = known[name]
  end
  return own
end

--- The index of a row among the sources of this run, nil when it has none, and
--- what a person calls it; asked for once.
---@param row table
---@return integer? index
---@return string label
function Claims:recognize(row)
  local key = row.key
  local index, label = self.known[key], self.labels[key]
  self.known[key], self.labels[key] = nil, nil
  return index, label or source.label({ path = index and key or row.source })
end

-- What was fetched, but is not done with.
local function stems_of(row)
  return row.state == "finished" and {
    foreground = row.foreground,
    foreground_size = row.foreground_size,
    foreground_sha256 = row.foreground_sha256,
    background = row.background,
    background_size = row.background_size,
    background_sha256 = row.background_sha256,
    task_id = row.task_id,
    run_id = row.run_id,
  } or nil
end

local function job_of(self, row, is_apart)
  local index, label = self:recognize(row)
  local is_changed = self.changed[row.key] or recordings.is_anew(row.key)
  self.changed[row.key] = nil
  return job.new(self.run, {
    index = index,
    key = row.key,
    state = row.state,
    source = label,
    origin = { path = row.source },
    is_changed = is_changed or nil,
    is_apart = is_apart,
    name = row.name,
    output_dir = row.output_dir,
    options = sent_options(self, row.options),
    options_text = row.options,
    row = { id = row.id, size = row.size, mtime = row.mtime },
    task_id = row.task_id,
    run_id = row.run_id,
    attempts = row.attempts,
    stems = not is_apart and stems_of(row) or nil,
    error = row.state == "unknown_outcome" and store.error_of(row) or nil,
  })
end

--- A job that is done but for stems that are missing, or wanted in another
--- format.
---@param row table
---@param kept table # of recordings.kept
---@param convertible table? # of recordings.convertible
function Claims:revive(row, kept, convertible)
  local revived = job_of(self, row, true)
  revived.kept, revived.convertible = kept, convertible
  revived.earlier = { row.foreground, row.background }
  revived.is_archived = row.archived == 1 or nil
  table.insert(self.claimed, 1, revived)
  self.run.room:notify()
end

--- From now on jobs may be claimed.
function Claims:open_claims()
  self.is_claiming, self.has_new = not self.run.options.add_only, true
  self.run.room:notify()
end

-- Its upload was under way when this worker was taken for dead, and still is.
local function is_under_way(self, key)
  for active in pairs(self.generation > 1 and self.run.active or {}) do
    if active.key == key and not active.is_lost then
      return true
    end
  end
  return false
end

local function claim(self)
  local run = self.run
  local concurrency = run.options.concurrency
  local most = math.min(run.options.uploads, math.max(1,
    1 + run.places.free, math.floor(concurrency * AHEAD)))
  local has_room = run.breaker:has_room()
  local rows = self:ask(function(jobs)
    return jobs:claim(math.min(has_room and run.breaker:is_open() and 1 or most,
      MOST_CLAIMED), (run.is_spent or not has_room) and "paid" or nil)
  end)
  self:heed_loss()
  for _, row in ipairs(rows or {}) do
    if not is_under_way(self, row.key) then
      self.claimed[#self.claimed + 1] = job_of(self, row)
    end
  end
end

local OPEN = { "intended", "submitting", "submitted", "finished" }

-- Nothing stands still for long without a word.
local function tell_waiting(self, open)
  local now = core.now()
  if now - (self.told or -math.huge) >= REMINDER
    and not self.run.breaker:is_open()
  then
    self.told = now
    self.run:tell_pause({ message = ("%d job%s left, which other workers have "
      .. "or which were put off"):format(open, open == 1 and " is"
      or "s are") }, IDLE)
  end
end

-- Without this, sources whose rows are gone would vanish silently.
local function has_lost_rows(self, counts)
  local missing = self.added
  for _, jobs in pairs(counts) do
    missing = missing - jobs
  end
  if missing > 0 then
    self:abandon(Error.new({ kind = "store", message = ("%d of the batch's "
      .. "jobs are no longer in the store %s: their rows were removed")
      :format(missing, (store.address(self.run.options.store))) }))
  end
  return missing > 0
end

-- How many jobs are left to be done, and how many there are by state.
local function count_open(self)
  local open, counts = 0, self:ask(function(jobs)
    return jobs:count()
  end)
  for _, state in ipairs(counts and OPEN or {}) do
    open = open + (self.run.is_spent and state == "intended" and 0
      or counts[state] or 0)
  end
  return open, counts
end

-- True if no worker has anything left to do.
local function is_exhausted(self)
  local open, counts = count_open(self)
  if open > 0 then
    tell_waiting(self, open)
    return false
  end
  if counts and self.run.is_spent then
    self.run.remaining = counts.intended or 0
  end
  return counts ~= nil and not has_lost_rows(self, counts)
end

-- While the service is out of order, unsent jobs stay.
local function take_claimed(self)
  local has_room = self.run.breaker:has_room()
    and not self.run.breaker.given_up
  for i, next in ipairs(self.claimed) do
    if has_room or next.state ~= "intended" then
      return table.remove(self.claimed, i)
    end
  end
end

--- The next job; nil when there is none, false if the caller should check again
--- what else there is to do.
function Claims:next()
  local run = self.run
  if (#self.claimed == 0 or not run.breaker:has_room())
    and not run.closed and self.is_claiming
    and not self.store_error and not run.breaker.given_up
    and (self.has_new or core.now() - (self.looked or 0) >= IDLE)
  then
    self.has_new, self.looked = false, core.now()
    claim(self)
    self.has_new = #self.claimed > 0
  end
  local next = take_claimed(self)
  if next then
    return next
  elseif run.closed or run.problem or self.store_error then
    return nil
  elseif run.breaker.given_up then
    self.has_left = count_open(self) > 0
    return nil
  elseif run.is_full and run.busy == 0 and is_exhausted(self) then
    return nil -- also of sources that never end
  elseif not self.is_enlisted then
    self.is_hungry = true
    run.room:notify()
  elseif run.options.add_only then
    return nil
  elseif run.options.follow then
    return false
  elseif run.busy == 0 and is_exhausted(self) then
    return nil
  end
  return false
end

return Claims
