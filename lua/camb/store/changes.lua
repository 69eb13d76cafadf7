--- The states of a job, one method for each.  All are guarded: they change the
--- row only where it is this worker's, and in a state that the new one follows.

local Error = require "camb.error"
local json = require "camb.json"
local text = require "camb.text"
local statements = require "camb.store.statements"
local transactions = require "camb.store.transactions"

-- Methods of camb.Store.
local Changes = {}

-- Is `row` what an update was to make of it?  Asked only where the reply to an
-- update that may have worked was lost.
local function is_made(self, row, made)
  if not row or (row.owner ~= self.owner and row.owner ~= nil) then
    return false
  end
  for name, value in pairs(made) do
    if row[name] ~= value then
      return false
    end
  end
  return true
end

-- Why nothing was changed.
local function refusal(key, name, row)
  if not row then
    return Error.new({ kind = "store", key = key,
      message = ("job %s is no longer in the store: its row was removed")
        :format(key) })
  end
  return Error.new({
    kind = "store",
    is_taken = true,
    key = key,
    message = ("job %s is owned by another worker, or has advanced (%s)")
      :format(key, name),
  })
end

-- Change a job that is ours, by the statement `name`, to what `made` tells.
local function change(self, key, name, made, ...)
  local values = { n = select("#", ...), ... }
  for i = 1, values.n do
    local problem = type(values[i]) == "string"
      and self.session:text_problem(values[i])
    if problem then
      return nil, Error.new({
        kind = "store",
        message = ("job %s: a value for its row %s"):format(text.escape(key),
          problem),
      })
    end
  end
  return self.session:write(function(conn)
    local changed, err = conn:run(statements[name],
      transactions.unpack(values, 1, values.n))
    if not changed then
      return nil, err
    elseif changed > 0 then
      return true
    end
    local found = conn:rows(statements.get, key)
    if not found then
      return nil, conn.failed
    elseif (conn.in_doubt or self.session.doubts[key])
      and is_made(self, found[1], made)
    then
      return true
    end
    return nil, refusal(key, name, found[1])
  end, key)
end

-- The same, for what ends this worker's part.
local function finish(self, key, ...)
  local ok, err = change(self, key, ...)
  if ok then
    self:hold(key, false)
  end
  return ok, err
end

--- Give a job back, as it is.
---@param key string
---@return boolean? ok
---@return camb.Error?
function Changes:release(key)
  return finish(self, key, "release", {}, key, self.owner)
end

--- The upload is about to begin: it may, once this is committed.
---@param key string
---@param fields table? # sha256, size, mtime, ctime of what is sent
---@return boolean? ok
---@return camb.Error?
function Changes:submitting(key, fields)
  fields = fields or {}
  return change(self, key, "submitting", { state = "submitting" },
    fields.sha256, fields.size, fields.mtime, fields.ctime, key, self.owner)
end

--- The upload was not made, for sure: the job is free again, as it was added.
---@param key string
---@return boolean? ok
---@return camb.Error?
function Changes:intended(key)
  return finish(self, key, "intended", { state = "intended" }, key, self.owner)
end

--- The service has accepted the upload, or (from `intended`) that of another
--- job with the same content.
---@param key string
---@param task_id string
---@return boolean? ok
---@return camb.Error?
function Changes:submitted(key, task_id)
  return change(self, key, "submitted", { state = "submitted",
    task_id = task_id }, task_id, self.owner, key, self.owner)
end

--- The task has a run.
---@param key string
---@param run_id integer|string
---@return boolean? ok
---@return camb.Error?
function Changes:finished(key, run_id)
  return change(self, key, "finished", { state = "finished" },
    json.digits(run_id), key, self.owner)
end

--- Both stems are whole, under their final names.
---@param key string
---@param fields table # foreground, background: paths; foreground_size, …
---@return boolean? ok
---@return camb.Error?
function Changes:downloaded(key, fields)
  return finish(self, key, "downloaded", { state = "downloaded" },
    fields.foreground,
    fields.foreground_size, fields.foreground_sha256, fields.background,
    fields.background_size, fields.background_sha256, key, self.owner)
end

-- A message for people keeps what a database can hold.
local function tell(self, err)
  local message = tostring(err.message or err):gsub("%z", "?")
  if self.session:text_problem(message) then
    message = message:gsub("[\128-\255]", "?")
  end
  return message
end

local function end_with(self, key, name, state, err)
  local run_id = err.run_id and json.digits(err.run_id)
  return finish(self, key, name, { state = state }, err.kind or "store",
    tell(self, err), err.retryable and 1 or 0, err.task_ended and 1 or 0,
    err.task_id, run_id, key, self.owner)
end

--- The job has failed with `err`; of kind `unknown_outcome`, that is its state.
---@param key string
---@param err camb.Error
---@return boolean? ok
---@return camb.Error?
function Changes:failed(key, err)
  if err.kind == "unknown_outcome" then
    return self:unknown(key, err)
  end
  return end_with(self, key, "failed", "failed", err)
end

--- Nobody can know whether the service has accepted the upload.
---@param key string
---@param err camb.Error
---@return boolean? ok
---@return camb.Error?
function Changes:unknown(key, err)
  return end_with(self, key, "unknown", "unknown_outcome", err)
end

--- Send failed jobs on their way again, from where they can go on: from their
--- run, their task, or anew: also where the service has given the task up.
---@param given { failed: boolean?, unknown: boolean? }? # default: the failed
---@return integer? jobs
---@return camb.Error?
function Changes:retry_failed(given)
  given = given or {}
  return self.session:transact(function(conn)
    local jobs = 0
    for state, wanted in pairs({ failed = given.failed ~= false,
      unknown_outcome = given.unknown == true })
    do
      local changed = not wanted and 0 or conn:run(statements.retry, state)
      if not changed then
        return nil, conn.failed
      end
      jobs = jobs + changed
    end
    return jobs
  end)
end

--- The same for one failed job, where nothing was paid that could be had yet.
---@param key string
---@return integer? jobs
---@return camb.Error?
function Changes:retry_unpaid(key)
  return self.session:write(function(conn)
    return conn:run(statements.retry_unpaid, "failed", key)
  end)
end

return Changes
