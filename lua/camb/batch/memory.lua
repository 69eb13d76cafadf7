--- The journal of a batch without a store: nothing is written but what a
--- client's own journal keeps, and jobs are made of the sources as there is
--- room for them.

local journal = require "camb.journal"
local twins = require "camb.batch.twins"

local Memory = {}
Memory.__index = Memory

local memory = {}

--- For `run`, over `run.sources`.
function memory.new(run)
  return setmetatable({ run = run, find = journal.index(run.client),
    twins = run.options.dedupe and twins.new(run.client) or nil }, Memory)
end

function Memory:start() -- luacheck: ignore
end

--- The next job; nil when there is none.  What an earlier run has paid for and
--- not fetched is taken up.
function Memory:next()
  local entry = self.run:next_entry()
  local job = entry and self.run:job_of(entry)
  local noted, err
  if job and job.checked then
    noted, err = self.find(job.checked.path, job.output_dir, job.name)
  end
  if noted then
    job.state, job.task_id = "submitted", noted.task_id
  elseif err then
    job.state, job.error = "unknown_outcome", err
  end
  return job
end

--- Record that `job` is `state` now; `run:recorded` is called when it is.
function Memory:put(state, job)
  local twin = state == "submitting" and self.twins and job.size
    and self.twins:find(job)
  if twin and not self.run.closed then
    self.run:follow_twin(job, twin.task_id, twin.error)
  elseif not self.run.closed then
    self.run:recorded(state, job)
  end
end

--- The upload of `job` has ended.
function Memory:settle(job, err)
  if self.twins then
    self.twins:settle(job, err)
  end
end

function Memory:close() -- luacheck: ignore
end

return memory
