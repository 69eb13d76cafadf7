--- The ledger of a batch without a store: nothing is written but what a
--- client's own journal keeps, and jobs are made of the sources as there is
--- room for them.

local dedupe = require "camb.batch.dedupe"
local earlier = require "camb.journal.earlier"
local job = require "camb.batch.job"
local operations = require "camb.operations"
local scheduler = require "camb.async.scheduler"
local sender = require "camb.journal.sender"
local sources = require "camb.batch.sources"

local Memory = {}
Memory.__index = Memory

local memory = {}

-- Seconds between two looks at sources that had none to give.
local IDLE = 0.2

--- For `run`, over `run.sources`.
function memory.new(run)
  return setmetatable({ run = run, find = earlier.finder(run.client, true,
    not run.options.dedupe),
    known = run.options.dedupe and dedupe.new(run.client) or nil }, Memory)
end

function Memory:start() -- luacheck: ignore
end

-- Options of an entry take precedence over those of the batch.
local function own_options(run, entry)
  local own
  for _, name in ipairs(operations.form()) do
    if entry[name] ~= nil then
      own = own or setmetatable({}, { __index = run.options })
      own[name] = entry[name]
    end
  end
  return own
end

local function job_of(run, entry)
  local made = job.new(run, {
    index = entry.index,
    source = entry.label,
    origin = entry.origin,
    problem = entry.problem,
    name = entry.name,
    output_dir = entry.folder,
    options = own_options(run, entry),
    options_text = sources.sent_text(entry, run.options),
  })
  made.takes_name = entry.takes_name or nil
  return made
end

--- The next job; nil if there is none.  Paid tasks of an earlier run whose
--- stems were not downloaded are resumed.
function Memory:next()
  if not self.run.breaker:has_room() then
    return false
  end
  local entry = self.run:next_entry()
  while entry == false do
    scheduler.sleep_for(self.run.client, IDLE)
    if self.run.closed then
      return nil
    end
    entry = self.run:next_entry()
  end
  local next = entry and job_of(self.run, entry)
  local noted = next and next.origin and self.find(next.origin.path)
  if noted and noted.task_id then
    next.state, next.task_id = "submitted", noted.task_id
    next.noted = noted
    next.name = next.takes_name and noted.name or next.name
  elseif noted then
    next.error = earlier.doubt(noted, self.run.options)
    next.state = next.error and "unknown_outcome"
  end
  return next
end

--- As the ledger of a store has it: "adopted" and "parked" are of a job whose
--- content was sent before.
function Memory:submitting(of)
  local same, doubt = self.find(of.original or of.origin.path), nil
  -- what its URL leads to is known now, and others may have sent it meanwhile
  if same and (of.fetched and not of.original or not sender.is_own(same)) then
    doubt = earlier.doubt(same, self.run.options)
    same = same.task_id and same or nil
    of.noted = same
  else
    same = nil
  end
  if doubt then
    return nil, doubt
  end
  if not same and self.known and of.size and not self.run.closed then
    same = self.known:find(of)
  end
  if self.run.closed then
    return nil
  elseif same then
    return dedupe.outcome(of, same)
  end
  return true
end

-- Without a store, states are not recorded.
function Memory:submitted()
  return not self.run.closed or nil
end

Memory.finished, Memory.downloaded = Memory.submitted, Memory.submitted
Memory.fetched = Memory.submitted
Memory.failed, Memory.release = Memory.submitted, Memory.submitted
Memory.unsent, Memory.may_probe = Memory.submitted, Memory.submitted

function Memory:share_pause() -- luacheck: ignore
end

function Memory:share_end() -- luacheck: ignore
end

--- The upload of `of` has ended.
function Memory:settle(of, err)
  if self.known then
    self.known:settle(of, err)
  end
end

function Memory:close() -- luacheck: ignore
end

return memory
