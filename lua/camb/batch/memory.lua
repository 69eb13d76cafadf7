--- The journal of a batch without a store: nothing is written, and jobs are
--- made of the sources as there is room for them.

local twins = require "camb.batch.twins"

local Memory = {}
Memory.__index = Memory

local memory = {}

--- For `run`, over `run.sources`.
function memory.new(run)
  return setmetatable({ run = run,
    twins = run.options.dedupe and twins.new(run.client) or nil }, Memory)
end

function Memory:start() -- luacheck: ignore
end

--- The next job; nil when there is none.
function Memory:next()
  local entry = self.run:next_entry()
  return entry and self.run:job_of(entry)
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
