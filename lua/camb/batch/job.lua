--- A job of a batch: one coroutine takes a source to its stems, or on from
--- where an earlier run has left it.  Before each step the journal records what
--- follows from the one before.

local Operation = require "camb.operation"
local client_journal = require "camb.journal"
local core = require "camb.core"
local download = require "camb.download"
local failure = require "camb.failure"
local fetch = require "camb.fetch"
local inbox = require "camb.async.inbox"
local recordings = require "camb.batch.recordings"
local result = require "camb.result"
local scheduler = require "camb.async.scheduler"
local source = require "camb.source"
local submit = require "camb.submit"
local wait = require "camb.wait"
local words = require "camb.words"
local written = require "camb.batch.written"

---@class camb.BatchJob: camb.Operation
local Job = setmetatable({}, { __index = Operation })
Job.__index = Job

local job = {}

-- With a store the host of a stem may be away for ever: only the deadline ends
-- that.  For one that is there and has no stem this many seconds are enough.
local PATIENCE = 600
-- Seconds between two looks at parts that somebody else is writing.
local BUSY = 1

--- What all jobs of `run` have in common, which is their metatable.
---@param run camb.BatchRun
---@return table
function job.common(run)
  local options = run.options
  local common = setmetatable({
    client = run.client,
    run = run,
    options = options,
    on_event = options.on_event,
    has_listener = Operation.has_listener(run.client, options),
    overwrite = options.overwrite,
    hash = options.store ~= nil,
    hash_source = options.dedupe,
  }, Job)
  common:be_patient(options)
  if options.store then
    common.patience = math.max(common.patience, PATIENCE)
    common.endless = true
  end
  common.__index = common
  return common
end

--- A job of `run`; nothing happens before `begin`.
---@param run camb.BatchRun
---@param given table # the first fields of these
---@return camb.BatchJob
function job.new(run, given)
  return setmetatable({
    index = given.index,       -- among the sources of this run
    source = given.source,     -- what people call it
    checked = given.checked,   -- of source.check
    problem = given.problem,   -- why no job can be made of the source
    name = given.name,         -- of the stems, in output_dir
    output_dir = given.output_dir,
    options = given.options,   -- nil: the batch's
    options_text = given.options_text, -- what is sent with the file
    key = given.key,           -- in the store
    state = given.state,       -- there; nil: it is new
    was = given.was,           -- the file, when it became a job: size, mtime
    is_changed = given.is_changed, -- another recording than it was then
    is_apart = given.is_apart, -- goes on without its row
    task_id = given.task_id,
    run_id = given.run_id,
    error = given.error,       -- how it has ended
    stems = nil,
    -- the file that is sent
    size = nil, mtime = nil, ctime = nil, sha256 = nil, temporary_path = nil,
    known = nil,               -- of the dedupe without a store
    deadline = nil,
    inbox = nil, opened = nil, claim_path = nil, parts = nil, -- an operation's
    is_uploading = nil,        -- it holds a place of these
    is_pending = nil,
    is_lost = nil,             -- another worker has it now
    keeps_row = nil,           -- however it ends
  }, run.common)
end

-- A listener that raises ends the batch; the error comes out where it is
-- iterated over.
function Job:tell(listener, event)
  local run = self.run
  if listener and not run.problem then
    local ok, problem = pcall(listener, event)
    if not ok then
      run:break_off(problem)
      run:spawn(run.stop) -- nothing more is sent meanwhile
    end
  end
end

-- A job holds a place at the service from its upload until its task has ended.
local function take_places(self)
  local run = self.run
  self.is_pending = run.pending:acquire()
  self.is_uploading = self.is_pending and run.uploads:acquire()
  return self.is_uploading
end

local function leave_upload(self)
  if self.is_uploading then
    self.is_uploading = false
    self.run.uploads:release()
  end
end

local function leave_places(self)
  leave_upload(self)
  if self.is_pending then
    self.is_pending = false
    self.run.pending:release()
  end
end

-- Where the stems of an earlier recording of its path are in the way, and are
-- as camb wrote them, the new ones replace them.
local function reserve(self)
  local path = self.checked.path
  local ok, err = download.reserve(self, self, self.name, path)
  if not ok and err.path and recordings.may_replace(self.run, self) then
    self.overwrite = true
    ok, err = download.reserve(self, self, self.name, path)
  end
  if self.options.store then
    self:let_go_parts() -- who may write them is the store's to say
  end
  return ok, err
end

-- A look at the file, as far as the batch needs one: its size and its age.  One
-- that changes while the batch runs may be half written.
local function look_at(self)
  local path = self.checked.path
  if not path or source.is_url(path) or self.temporary_path then
    return true
  end
  local kind, size, mtime, ctime = core.stat(path)
  if kind ~= "file" then
    return true
  elseif self.options.check and written.is_stem(path) then
    return self:fail(written.problem(path))
  elseif self.was and (self.was.size ~= size or self.was.mtime ~= mtime) then
    if self.index and not self.is_changed then
      return self:fail({ kind = "source", step = "submit", path = path,
        message = ('the source "%s" has changed since the batch started')
          :format(path) })
    end
    self.is_changed = true
  end
  self.size, self.mtime, self.ctime = size, mtime, ctime
  if self.is_changed then
    self:emit("changed")
  end
  return true
end

-- A source that is a URL is brought here: nothing is sent meanwhile, and a kill
-- leaves nothing unknown.
local function fetch_source(self)
  local fetched, err = fetch.run(self, self.checked)
  if not fetched then
    return nil, err
  end
  self.checked = fetched
  self.size = select(2, core.stat(fetched.path))
  return true
end

-- Everything that can be found wrong is found before money is spent.
local function prepare(self)
  if self.problem then
    return self:fail(self.problem)
  end
  local ok, err = reserve(self)
  if ok then
    ok, err = look_at(self)
  end
  if ok and source.is_url(self.checked.path) then
    ok, err = fetch_source(self)
  end
  return ok, err
end

-- What has the content of this job is on its way up: wait for the end of that,
-- with no place.
local function wait_for_upload(self)
  leave_places(self)
  if not self.run.uploaded:wait() or not take_places(self) then
    return self:fail_cancelled("submit")
  end
  return look_at(self)
end

-- Send the source once that is recorded, unless its content was sent before.
local function upload(self)
  local run = self.run
  local recorded, err = run.journal:record(self, "submitting")
  while recorded == "parked" do
    recorded, err = wait_for_upload(self)
    if recorded then
      recorded, err = run.journal:record(self, "submitting")
    end
  end
  if not recorded or recorded == "adopted" then
    leave_upload(self)
    self:forget_source()
    return recorded, err
  end
  local reply
  reply, err = submit.run(self, self.checked, self.options)
  self:forget_source()
  leave_upload(self)
  run.journal:settle(self, err)
  run.uploaded:notify()
  if not reply then
    return nil, err
  end
  return run.journal:record(self, "submitted")
end

local function wait_for_task(self)
  local ended, err = wait.run(self, self.options)
  leave_places(self)
  if not ended then
    return nil, err
  end
  -- what is found under the stems' names from now on is known to be ours
  return self.run.journal:record(self, "finished")
end

-- The URLs, in one request with those of others; singly where that fails.
local function ask(self)
  local note = { run_id = self.run_id, deadline = self.deadline, urls = nil }
  if not self.run.results:join(note) then
    return self:fail_cancelled("result")
  elseif note.urls then
    return note.urls
  end
  return result.one(self)
end

-- With a store the parts are opened only now; another worker that had the job
-- may take a while to notice that it has lost it.
local function hold(self)
  if self.parts then
    return true
  end
  local run = self.run
  local ok, err = download.hold(self, self, self.name)
  while not ok and err.is_busy and run.options.store and not self:is_over()
    and not (self.deadline and core.now() > self.deadline)
    and scheduler.sleep_for(run.client, BUSY) and not self:is_over()
  do
    ok, err = download.hold(self, self, self.name)
  end
  return ok, err
end

local function fetch_stems(self, urls)
  local run = self.run
  if not run.downloads:acquire() or self:is_over() then
    return self:fail_cancelled("download")
  end
  local stems
  local ok, err = hold(self)
  if ok then
    stems, err = download.run(self, urls, self, function()
      return result.one(self)
    end)
  end
  run.downloads:release()
  return stems, err
end

--- From the source to its stems, from wherever the job is.
local function separate(self)
  local ok, err = true, nil
  if not self.task_id then
    ok, err = prepare(self)
    if ok then
      ok, err = upload(self)
    end
  elseif recordings.may_replace(self.run, self) then
    self.overwrite = true
  end
  if self:is_over() then
    return self:fail_cancelled("poll")
  end
  leave_upload(self)
  if ok and not self.run_id then
    ok, err = wait_for_task(self)
  end
  leave_places(self)
  local urls
  if ok then
    urls, err = ask(self)
  end
  if not urls then
    return nil, err
  end
  return fetch_stems(self, urls)
end

-- Remove what a process that was killed has left of a job that is not going to
-- come to its stems: opening it takes it from nobody who still writes, and
-- closing it removes it.
local function remove_parts(self)
  for _, stem in ipairs({ "foreground", "background" }) do
    local base = ("%s/%s.%s"):format(self.output_dir, self.name, stem)
    local part = core.stat(base .. ".part") and core.part(base)
    if part then
      part:close()
    end
  end
end

local function succeed(self, stems)
  self.stems = stems
  client_journal.finish(self, true)
  self:emit_finished(stems)
  self.run.journal:record(self, "downloaded")
end

local function give_up(self, err)
  self.error = err
  if self.keeps_row then
    return
  elseif self.state then
    remove_parts(self)
  end
  if err.task_id and not self.options.store then
    err.retryable = false -- the same call would pay again
    err.message = err.message .. (self.run_id and words.fetch(self) or "")
  end
  client_journal.finish(self, false, err)
  self:emit("failed", { error = err })
  self.run.journal:record(self, "failed")
end

local function conclude(self, stems, err)
  self.inbox:close()
  leave_places(self)
  if stems and not self:is_over() then
    succeed(self, stems)
  elseif not self:is_over() then
    give_up(self, err)
  end
end

local function live(_, self)
  if self.state == "unknown_outcome" then -- told once, as it is
    leave_places(self)
    remove_parts(self)
    self.run.journal:record(self, "release")
  else
    conclude(self, separate(self))
  end
  self:let_go()
  self.run:remove(self)
end

--- Begin, with a place of `pending` and of `uploads`.
function Job:begin()
  local run = self.run
  self.is_pending, self.is_uploading = true, true
  self.deadline = run.options.deadline and core.now() + run.options.deadline
  self.inbox = inbox.new(run.client)
  run:spawn(live, self)
end

--- True where nothing more is done or said about the job here.
---@return boolean
function Job:is_over()
  return self.is_lost or self.run.closed or false
end

--- Another worker has the job now.
function Job:lose()
  self.is_lost = true
  self:cancel()
end

--- Stop its transfers, under the hands of its coroutine.
function Job:stop()
  self:let_go()
  self.inbox:stop()
  if self.small then
    self.small:stop()
  end
end

--- The job's part in what an iteration gives.
---@return camb.BatchItem
function Job:item()
  return {
    index = self.index,
    source = self.source,
    stems = self.stems,
    error = self.error,
    task_id = self.task_id,
    run_id = self.run_id,
    changed = self.is_changed,
  }
end

--- The error of one that is paid for, or may be, and was not fetched; nil for
--- others.
---@return camb.Error?
function Job:unfetched()
  local _, err
  if self.task_id and not self.stems then
    _, err = self:fail_cancelled("poll")
  elseif not self.task_id and self.inbox:may_be_sent() then
    _, err = self:fail(failure.of_cancel("submit", self, true))
  end
  return err
end

return job
