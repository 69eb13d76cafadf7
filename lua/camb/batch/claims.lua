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

-- Methods of the journal.
local Claims = {}

-- Seconds between two looks for jobs that other workers may have left.
local IDLE = 1
-- Jobs claimed at a time, and the share of `concurrency` that is claimed also
-- where there is room for fewer: each claim is a transaction.
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

local function job_of(self, row, is_apart)
  local index, label = self:recognize(row)
  local is_changed = self.changed[row.key]
    or select(2, recordings.split(row.key)) > 1
  self.changed[row.key] = nil
  return job.new(self.run, {
    index = index,
    key = row.key,
    state = row.state,
    source = label,
    checked = { path = row.source },
    is_changed = is_changed or nil,
    is_apart = is_apart,
    name = row.name,
    output_dir = row.output_dir,
    options = sent_options(self, row.options),
    options_text = row.options,
    was = row.mtime and { size = row.size, mtime = row.mtime } or nil,
    task_id = row.task_id,
    run_id = row.run_id,
    error = row.state == "unknown_outcome" and store.error_of(row) or nil,
  })
end

--- A job that is done but for its stems, which are no longer what they were.
function Claims:revive(row)
  table.insert(self.claimed, 1, job_of(self, row, true))
  self.run.room:notify()
end

--- From now on jobs may be claimed.
function Claims:open_claims()
  self.is_claiming, self.has_new = true, true
  self.run.room:notify()
end

local function claim(self)
  local run = self.run
  local concurrency = run.options.concurrency
  local most = math.max(1, 1 + run.places.free,
    math.floor(concurrency * AHEAD))
  local rows = self:ask(function(jobs)
    return jobs:claim(math.min(most, MOST_CLAIMED))
  end)
  for _, row in ipairs(rows or {}) do
    self.claimed[#self.claimed + 1] = job_of(self, row)
  end
end

local OPEN = { "intended", "submitting", "submitted", "finished" }

-- Rows that are gone would leave their sources without a word.
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

-- True when nobody has anything left to do.
local function is_exhausted(self)
  local counts = self:ask(function(jobs)
    return jobs:count()
  end)
  for _, state in ipairs(counts and OPEN or {}) do
    if counts[state] then
      return false
    end
  end
  return counts ~= nil and not has_lost_rows(self, counts)
end

--- The next job; nil when there is none, false when the caller is to look
--- again at what else there is to do.
function Claims:next()
  local run = self.run
  if #self.claimed == 0 and not run.closed and self.is_claiming
    and not self.store_error
    and (self.has_new or core.now() - (self.looked or 0) >= IDLE)
  then
    self.has_new, self.looked = false, core.now()
    claim(self)
    self.has_new = #self.claimed > 0
  end
  local next = table.remove(self.claimed, 1)
  if next then
    return next
  elseif run.closed or run.problem or self.store_error then
    return nil
  elseif not self.is_enlisted then
    self.is_hungry = true
    run.room:notify()
  elseif run.busy == 0 and is_exhausted(self) then
    return nil
  end
  return false
end

return Claims
