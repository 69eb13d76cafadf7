--- The journal of a batch without a store: nothing is written but what a
--- client's own journal keeps, and jobs are made of the sources as there is
--- room for them.

local dedupe = require "camb.batch.dedupe"
local job = require "camb.batch.job"
local journal = require "camb.journal"
local operations = require "camb.operations"
local sources = require "camb.batch.sources"

local Memory = {}
Memory.__index = Memory

local memory = {}

--- For `run`, over `run.sources`.
function memory.new(run)
  return setmetatable({ run = run, find = journal.index(run.client),
    known = run.options.dedupe and dedupe.new(run.client) or nil }, Memory)
end

function Memory:start() -- luacheck: ignore
end

-- Where an entry has options of its own to send, they come before the batch's.
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
  return job.new(run, {
    index = entry.index,
    source = entry.label,
    checked = entry.checked,
    problem = entry.problem,
    name = entry.name,
    output_dir = entry.folder,
    options = own_options(run, entry),
    options_text = sources.sent_text(entry, run.options),
  })
end

--- The next job; nil when there is none.  What an earlier run has paid for and
--- not fetched is taken up.
function Memory:next()
  local entry = self.run:next_entry()
  local next = entry and job_of(self.run, entry)
  local noted, err
  if next and next.checked then
    noted, err = self.find(next.checked.path, next.output_dir, next.name)
  end
  if noted then
    next.state, next.task_id = "submitted", noted.task_id
  elseif err then
    next.state, next.error = "unknown_outcome", err
  end
  return next
end

--- As the journal of a store has it.
function Memory:record(of, state)
  if self.run.closed then
    return nil
  elseif state == "submitting" and self.known and of.size then
    local same = self.known:find(of)
    if self.run.closed then
      return nil
    elseif same then
      return dedupe.outcome(of, same)
    end
  end
  return state
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
