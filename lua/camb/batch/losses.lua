--- What a batch does when its store, or another worker, takes a job away.

local failure = require "camb.failure"
local redact = require "camb.redact"

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

--- The store does not take that `job` is going to be sent.
function Losses:refuse(job, err)
  leave_place(self, "submitting")
  job.error = fail_with(job, err)
  self:deliver(job)
end

--- The store was abandoned with `err`: an item of its own says so.
function Losses:tell_store_error(err)
  self.held = self.held + 1
  self:push({ error = err })
end

--- A line on standard error, which nobody has to listen for.
function Losses:say(words)
  io.stderr:write("camb: ", redact.line(words, self.client.secret()), "\n")
end

--- The store does not have the task of `job`: whatever becomes of this process,
--- its id is written down somewhere.
function Losses:tell_task(job, err)
  if job.task_id and not job.is_told then
    job.is_told, self.has_told = true, true
    self:say(('%s: its task is "%s", which the store does not have: %s'):format(
      job.source, job.task_id, type(err) == "table" and err.message or
      tostring(err)))
  end
end

--- The store cannot be had now: tell of the pause.
function Losses:tell_pause(err, seconds)
  local work = setmetatable({ source = "the store" }, self.metatable)
  work:emit("retrying", { step = "store", reason = err.message,
    next_in = seconds })
end

return Losses
