--- The states of a job, one method for each.  All are guarded: they change the
--- row only if it is this worker's, and in a state that precedes the new one.

local Error = require "camb.error"
local json = require "camb.json"
local text = require "camb.text"
local statements = require "camb.store.statements"
local transactions = require "camb.store.transactions"

-- Methods of camb.Store.
local Changes = {}

-- Is `row` what an update was to make of it?  Asked only if the reply to an
-- update was lost, which may have worked.
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

--- The upload certainly did not happen: the job is free again, as it was added.
---@param key string
---@return boolean? ok
---@return camb.Error?
function Changes:intended(key)
  return finish(self, key, "intended", { state = "intended" }, key, self.owner)
end

--- The upload was refused for a while: the job is as it was added, and still
--- this worker's.
---@param key string
---@return boolean? ok
---@return camb.Error?
function Changes:unsent(key)
  return change(self, key, "unsent", { state = "intended" }, key, self.owner)
end

--- The service has accepted the upload, or (from `intended`) that of another
--- job with the same content.
---@param key string
---@param task_id string
---@param fields table? # as for `submitting`, which such a job has passed over
---@return boolean? ok
---@return camb.Error?
function Changes:submitted(key, task_id, fields)
  fields = fields or {}
  return change(self, key, "submitted", { state = "submitted",
    task_id = task_id }, task_id, fields.sha256, fields.size, fields.mtime,
    fields.ctime, self.owner, key, self.owner)
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

-- The values of both stems, in the order of the statements, and what follows.
local function of_stems(fields, ...)
  return fields.foreground, fields.foreground_size, fields.foreground_sha256,
    fields.background, fields.background_size, fields.background_sha256, ...
end

--- Both stems are whole, under their final names; what is to be done with them
--- is not, and the job stays this worker's.
---@param key string
---@param fields table # foreground, background: paths; foreground_size, …
---@return boolean? ok
---@return camb.Error?
function Changes:fetched(key, fields)
  return change(self, key, "fetched", { state = "finished",
    foreground = fields.foreground, background = fields.background },
    of_stems(fields, key, self.owner))
end

--- All is done.
---@param key string
---@param fields table # as for `fetched`
---@return boolean? ok
---@return camb.Error?
function Changes:downloaded(key, fields)
  return finish(self, key, "downloaded", { state = "downloaded" },
    of_stems(fields, key, self.owner))
end

--- Stems of a job that was done before have changed.
---@param key string
---@param fields table # as for `downloaded`
---@return boolean? ok
---@return camb.Error?
function Changes:fetched_more(key, fields)
  return change(self, key, "fetched_more", { state = "downloaded" },
    of_stems(fields, key))
end

--- The same, and what is to be done with them is not: the job is this worker's
--- as after `fetched`.
---@param key string
---@param fields table # as for `fetched`
---@return boolean? ok
---@return camb.Error?
function Changes:reopened(key, fields)
  local ok, err = change(self, key, "reopened", { state = "finished",
    foreground = fields.foreground, background = fields.background },
    of_stems(fields, self.owner, key))
  if ok then
    self:hold(key, true)
  end
  return ok, err
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

--- Whether the service has accepted the upload cannot be known.
---@param key string
---@param err camb.Error
---@return boolean? ok
---@return camb.Error?
function Changes:unknown(key, err)
  return end_with(self, key, "unknown", "unknown_outcome", err)
end

--- The job has failed with `err`, and is free again to be tried after
--- `seconds`: from its run or its task, or if it has none, from the beginning.
---@param key string
---@param err camb.Error
---@param seconds number
---@return boolean? ok
---@return camb.Error?
function Changes:put_off(key, err, seconds)
  return finish(self, key, "put_off", {}, seconds, err.kind or "store",
    tell(self, err), key, self.owner)
end

-- Where the page of rows behind `last` ends; false if there is none.
local function page_end(conn, last)
  local found = conn:rows(statements.page_end, last)
  return found and (found[1].id or false)
end

-- All of `state`; how many they were.
local function retry_all(conn, state)
  local jobs, last = 0, "0"
  local to = page_end(conn, last)
  while to do
    local changed = conn:run(statements.retry_page, state, last, to)
    jobs = jobs + (changed or 0)
    last, to = to, changed and page_end(conn, to)
  end
  return to == false and jobs or nil
end

--- Let failed jobs be retried.  Each resumes from its run or its task; if it
--- has none, or the task failed at the service, it starts again.
---@param given { failed: boolean?, unknown: boolean?, key: string? }? # the
---  default is the failed; `key`: only this job
---@return integer? jobs
---@return camb.Error?
function Changes:retry_failed(given)
  given = given or {}
  return self.session:transact(function(conn)
    local jobs = 0
    for state, wanted in pairs({ failed = given.failed ~= false,
      unknown_outcome = given.unknown == true })
    do
      local changed = not wanted and 0
        or not given.key and retry_all(conn, state)
        or given.key and conn:run(statements.retry_one, state, given.key)
      if not changed then
        return nil, conn.failed
      end
      jobs = jobs + changed
    end
    return jobs
  end)
end

--- The same for one failed job, if no paid result of it can still be fetched.
---@param key string
---@return integer? jobs
---@return camb.Error?
function Changes:retry_unpaid(key)
  return self.session:write(function(conn)
    return conn:run(statements.retry_unpaid, "failed", key)
  end)
end

--- The same for those failed jobs that cost nothing to retry, and that the
--- service has not refused.
---@param keys string[] # not more than statements.page
---@return integer? jobs
---@return camb.Error?
function Changes:retry_free(keys)
  return self.session:write(function(conn)
    return conn:run(statements.retry_free, statements.page_of(keys, 1))
  end)
end

--- Give jobs that are yet to be sent another priority.
---@param keys string[] # not more than statements.page
---@param priority integer
---@return integer? jobs # whose priority was another one
---@return camb.Error?
function Changes:prioritize(keys, priority)
  return self.session:write(function(conn)
    return conn:run(statements.prioritize, priority, priority,
      statements.page_of(keys, 1))
  end)
end

local function of_another(task_id, row)
  return Error.new({ kind = "store", shell = "help",
    message = ('task "%s" is that of job %s%s, "%s": it cannot be that of '
    .. "another recording, too"):format(task_id, row.id,
    row.archived == 1 and " in the archive" or "", row.source) })
end

--- Give a job the task that it has at the service, as the dashboard shows it,
--- or another one than it has, unless its stems are there.  The task of a job
--- of another content is refused: its stems are not those of this one.
---@param key string
---@param task_id string
---@param sha256 string? # of its file, if its row does not say
---@return integer? jobs # 0: its stems are there, or a worker has it
---@return camb.Error?
function Changes:assign(key, task_id, sha256)
  local problem = self.session:text_problem(task_id)
  if problem then
    return nil, Error.new({ kind = "store",
      message = "the id of the task " .. problem })
  end
  return self.session:write(function(conn)
    local others = conn:rows(statements.task_of_another, task_id, key, key,
      sha256 or "")
    if not others then
      return nil, conn.failed
    elseif others[1] then
      return nil, of_another(task_id, others[1])
    end
    return conn:run(statements.assign, task_id, key)
  end)
end

--- Remove a job that no worker has.  A batch that runs misses its rows: ask
--- `other_workers` before.
---@param key string
---@return integer? jobs # 0: a worker has it, or there is none
---@return camb.Error?
function Changes:forget(key)
  return self.session:write(function(conn)
    return conn:run(statements.forget, key)
  end)
end

-- Those of a page of rows behind `last`: the id of its last one, and how many
-- were moved.
local function archive_page(conn, last, time)
  if conn.dialect.archive_lock and not conn:rows(conn.dialect.archive_lock) then
    return nil, conn.failed
  end
  local to = page_end(conn, last)
  if not to then
    return to == false and { jobs = 0 } or nil, conn.failed
  end
  local jobs = conn:run(statements.archive, last, to, time)
  if not jobs or not conn:run(statements.unlist, last, to, last, to)
    or not conn:run(statements.count_archived, jobs)
  then
    return nil, conn.failed
  end
  return { last = to, jobs = jobs }
end

--- Move jobs that were done more than `seconds` ago into the archive, out of
--- the way of the others.  They are known as before, and never sent again.
---@param seconds number
---@return integer? jobs # how many were moved
---@return camb.Error?
function Changes:archive(seconds)
  local found, err = self.session:read(statements.time_before, seconds)
  local time, last, moved = found and text.tonumber(found[1].time), "0", 0
  time = time and time + 1e-3 -- as a text it may have been rounded down
  while last and time do
    local page
    page, err = self.session:transact(function(conn)
      return archive_page(conn, last, time)
    end)
    if not page then
      return nil, err
    end
    last, moved = page.last, moved + page.jobs
  end
  return time and moved, err
end

return Changes
