--- How jobs come into a batch: looked at before money is spent, and taken up
--- again at whatever state they were left.

local core = require "camb.core"
local download = require "camb.download"
local failure = require "camb.failure"
local operations = require "camb.operations"
local recordings = require "camb.batch.recordings"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local steps = require "camb.batch.steps"
local written = require "camb.batch.written"

-- Methods of the batch's run.
local Intake = {}

-- Where an entry has options of its own to send, they come before the batch's.
local function own_options(self, given)
  local own
  for _, name in ipairs(operations.form()) do
    if given[name] ~= nil then
      own = own or setmetatable({}, { __index = self.options })
      own[name] = given[name]
    end
  end
  return own
end

--- A job of the entry of a source.
function Intake:job_of(entry)
  local options = own_options(self, entry)
  return setmetatable({
    index = entry.index,
    source = entry.label,
    checked = entry.checked,
    problem = entry.problem,
    name = entry.name,
    output_dir = entry.folder,
    options = options, -- nil: the batch's
    options_text = sources.sent_text(entry, self.options),
    -- only room for what comes, in one piece
    claim_path = nil, parts = nil, size = nil, mtime = nil, ctime = nil,
    known = nil, inbox = nil, opened = nil, task_id = nil, poll = nil,
    last = nil,
  }, self.metatable)
end

-- A look at the file, as far as the batch needs one: its size and its age.  One
-- that changes while the batch runs may be half written.
local function look_at(job)
  local path = job.checked.path
  if not path or source.is_url(path) or job.temporary_path then
    return true
  end
  local kind, size, mtime, ctime = core.stat(path)
  if kind ~= "file" then
    return true
  elseif job.options.check and written.is_stem(path) then
    return job:fail(written.problem(path))
  elseif job.was and (job.was.size ~= size or job.was.mtime ~= mtime) then
    if job.index and not job.is_changed then
      return job:fail({ kind = "source", step = "submit", path = path,
        message = ('the source "%s" has changed since it became part of the '
          .. "batch"):format(path) })
    end
    job.is_changed = true
  end
  job.size, job.mtime, job.ctime = size, mtime, ctime
  if job.is_changed then
    job:emit("changed")
  end
  return true
end

-- Where the stems of an earlier recording of its path are in the way, and are
-- as camb wrote them, the new ones replace them.
local function reserve(self, job)
  local ok, err = download.reserve(job, job, job.name, job.checked.path)
  if not ok and err.path and recordings.may_replace(self, job) then
    job.overwrite = true
    ok, err = download.reserve(job, job, job.name, job.checked.path)
  end
  return ok, err
end

-- Everything that can be found wrong is found before money is spent.
function Intake:prepare(job)
  local ok, err = true, nil
  if job.problem then
    ok, err = job:fail(job.problem)
  elseif not job.claim_path then
    ok, err = reserve(self, job)
    if self.options.store then
      job:let_go_parts() -- who may write them is the store's to say
    end
  end
  if ok then
    ok, err = look_at(job)
  end
  if self.closed then
    job:let_go()
    return
  elseif not ok then
    self:fail(job, err)
    return
  end
  self.uploading, self.occupied = self.uploading + 1, self.occupied + 1
  if source.is_url(job.checked.path) then
    self:spawn(steps.fetch_source, job)
  else
    self.journal:put("submitting", job)
  end
end

--- Take in a job, at whatever state it was left.
function Intake:admit(job)
  if not self.active[job] then
    self.active[job] = true
    self.busy, self.held = self.busy + 1, self.held + 1
    job.deadline = self.options.deadline
      and core.now() + self.options.deadline
  end
  if job.state == "unknown_outcome" then
    self:remove_parts(job)
    self.journal:put("release", job)
  elseif job.state == "submitted" then
    self.occupied = self.occupied + 1
    job.overwrite = job.overwrite or recordings.may_replace(self, job)
    steps.poll(self, job)
  elseif job.state == "finished" then
    job.overwrite = job.overwrite or recordings.may_replace(self, job)
    steps.collect(self, job)
  else
    self:prepare(job)
  end
end

--- The content of `job` was sent before: as `task_id`, with `err`, or it is
--- being sent now (neither).
function Intake:follow_twin(job, task_id, err)
  self.uploading = self.uploading - 1
  if task_id then
    job.task_id = task_id
    job:forget_source()
    steps.poll(self, job)
  else
    self.occupied = self.occupied - 1
    if err then
      self:fail(job, failure.make({ kind = err.kind, message = err.message,
        path = job.checked.path, step = "submit" }))
    else
      self.parked[#self.parked + 1] = job
    end
  end
  self:make_room()
end

-- What is to be taken in next: a job that waited for another one's upload, or
-- one of the journal's.  False: none for now, nil: there are no more.
local function next_job(self)
  if not self:has_place() then
    return false
  elseif self.unpark > 0 then
    self.unpark = self.unpark - 1
    return table.remove(self.parked, 1)
  elseif self.is_dry then
    return nil
  end
  return self.held < self.options.concurrency and self.journal:next()
end

--- The body of a coroutine: jobs come in while there is room, until the journal
--- has no more and all have ended.
function Intake:feed()
  while not self.closed and not self.problem do
    local job = next_job(self)
    self.is_dry = self.is_dry or job == nil
    if self.closed then
      return -- it was closed meanwhile: nothing more is begun
    elseif job then
      self:admit(job)
    elseif self.is_dry and self.busy == 0 then
      break
    elseif not self.room:wait() then
      return
    end
  end
  if not self.closed and not self.problem then
    if self.journal.store_error then
      self:tell_store_error(self.journal.store_error)
    end
    self:stop()
  end
end

return Intake
