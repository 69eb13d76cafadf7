--- What a batch does when its store, or another worker, takes a job away.

local failure = require "camb.failure"

-- Methods of the batch's run.
local Losses = {}

-- An error of the store as one of a job.
local function fail_with(job, err)
  local _, made = job:fail({ kind = "store", message = err.message })
  return made
end

--- Another worker has `job` now: nothing more is done or said about it here.
function Losses:lose(job)
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
  self:give_up(job)
end

-- A job that was about to be sent gives its place up.
local function leave_place(self, state)
  if state == "submitting" then
    self.uploading, self.occupied = self.uploading - 1, self.occupied - 1
  end
end

--- The store says that `job`, which was to become `state`, is another worker's.
--- What was paid for is told of all the same.
function Losses:lose_claim(state, job, err)
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
function Losses:refuse(state, job, err)
  leave_place(self, state)
  job.error = fail_with(job, err)
  self:deliver(job)
  if state == "submitted" then
    self:break_down(err)
  end
end

--- The store is gone for good: every job ends here, each with what is known.
function Losses:break_down(err)
  local is_told = false
  for job in pairs(self.active) do
    job.error = job.error or fail_with(job, err)
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
function Losses:tell_pause(err, seconds)
  local work = setmetatable({ source = "the store" }, self.metatable)
  work:emit("retrying", { step = "store", reason = err.message,
    next_in = seconds })
end

return Losses
