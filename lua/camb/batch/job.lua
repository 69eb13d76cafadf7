--- A job of a batch: one coroutine takes a source to its stems, or resumes
--- where an earlier run stopped.  Its steps are those of a single call
--- (camb.separation), in the same order; each waits here for its place, and the
--- ledger records its outcome before the next one begins.

local Operation = require "camb.operation"
local Separation = require "camb.separation"
local journal = require "camb.journal"
local core = require "camb.core"
local delivery = require "camb.batch.delivery"
local download = require "camb.download"
local failure = require "camb.failure"
local inbox = require "camb.async.inbox"
local names = require "camb.batch.names"
local prepare = require "camb.batch.prepare"
local recordings = require "camb.batch.recordings"
local scheduler = require "camb.async.scheduler"

---@class camb.BatchJob: camb.Separation
---@field is_lost boolean?   # another worker has it now
---@field is_told boolean?   # its task id was written to standard error
---@field keeps_row boolean? # however it ends
---@field is_left boolean?   # a limit kept it from being sent
---@field original string?   # path of what was converted
---@field takes_name boolean? # its stems are called as the host of its URL says
---@field duration number?   # seconds, if it was looked at
---@field is_put_off boolean? # it is tried again later
---@field is_archived boolean? # its row does not change any more
---@field kept table?       # of recordings.kept: it was done before
---@field convertible table? # of recordings.convertible
---@field earlier table?     # paths of its stems, if it was done before
local Job = setmetatable({}, { __index = Separation })
Job.__index = Job

local job = {}

-- With a store the host of a stem may be unreachable for any time: only the
-- deadline ends that.  A host that answers without a stem gets this many
-- seconds.
local PATIENCE = 600
-- Seconds between two checks of parts that another process is writing.
local BUSY = 1
-- Seconds between a failure of a job and its next attempt; each is twice the
-- one before.
local FIRST_PAUSE, LONGEST_PAUSE = 5, 600

--- A job of `run`; nothing happens before `begin`.
---@param run camb.BatchRun
---@param given table # the fields of these that are known
---@return camb.BatchJob
function job.new(run, given)
  return setmetatable({
    run = run,
    client = run.client,
    has_listener = run.has_listener,
    opened = false,            -- see Operation.new
    options = given.options or run.options,
    options_text = given.options_text, -- what is sent with the file
    index = given.index,       -- among the sources of this run
    source = given.source,     -- what people call it
    origin = given.origin,     -- of source.check
    problem = given.problem,   -- why no job can be made of the source
    name = given.name,         -- of the stems, in output_dir
    output_dir = given.output_dir,
    key = given.key,           -- in the store
    state = given.state,       -- there; nil: it is new
    row = given.row,           -- there: id; size, mtime of the file at first
    is_changed = given.is_changed, -- another recording than it was then
    is_apart = given.is_apart, -- it continues without its row
    task_id = given.task_id,
    run_id = given.run_id,
    attempts = given.attempts, -- how often it was put off before
    error = given.error,       -- how it has ended
    stems = given.stems,       -- that an earlier attempt has fetched
    -- room for what comes; all are 32 at most, for which Lua takes half of what
    -- it takes for 33
    size = nil, mtime = nil, ctime = nil, sha256 = nil, -- of what is sent
    known = nil,               -- of the dedupe without a store
    noted = nil,               -- by a run without a store
    overwrite = nil,           -- whatever the options say
    is_pending = nil, is_uploading = nil, -- it holds a place of these
  }, Job)
end

-- A listener that raises ends the batch; the iteration re-raises the error.
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

-- The folder of stems in `folder`, if there is one, that mirrors the one in
-- output_dir.
local function folder_of(self, folder)
  if not folder then
    return nil
  end
  local all = names.absolute(self.options.output_dir)
  local own = names.absolute(self.output_dir)
  return (self.options.store and names.absolute(folder) or folder)
    .. (own:sub(1, #all + 1) == all .. "/" and own:sub(#all + 1) or "")
end

-- The only stem to fetch, if it is one.
local function only(self)
  local missing
  for _, stem in ipairs(self.kept and download.stems(self.options) or {}) do
    if not self.kept[stem] then
      if missing then
        return nil
      end
      missing = stem
    end
  end
  return missing or self.options.only
end

--- Where the stems go, as a download has it.
function Job:place()
  local options = self.options
  local pattern = options.stem_name
  return { output_dir = delivery.folder(self),
    hash = options.store ~= nil or options.confirm ~= nil,
    overwrite = self.overwrite or options.overwrite, only = only(self),
    format = options.format,
    foreground_dir = folder_of(self, options.foreground_dir),
    background_dir = folder_of(self, options.background_dir),
    stem_name = pattern, values = pattern and require("camb.layout").values(
      self.name, self.original or not self.fetched and self.origin.path
      or nil) }
end

--- Every mistake that can be found is found before money is spent.
Job.prepare = prepare.run

-- Nothing more is sent: the row of the job stays as it was.
local function is_held_back(self)
  self.is_lost = self.is_lost or self.run.is_draining
  return self:is_over()
end

-- A file with the content of this job is being uploaded: wait for its end,
-- without a place.
local function wait_for_upload(self)
  leave_places(self)
  if not self.run.uploaded:wait() or not take_places(self)
    or is_held_back(self)
  then
    return self:fail_cancelled("submit")
  end
  return prepare.look_at(self)
end

-- The service is out of order: wait without a place until it may be tried.
local function pass_breaker(self)
  local breaker = self.run.breaker
  if not breaker:is_open() then
    return true
  end
  leave_places(self)
  local ok, err = breaker:pass(self)
  if not ok and err then
    self.remains = self.options.store ~= nil and err == breaker.given_up
    self.keeps_row = self.remains
    return nil, err
  elseif not ok or not take_places(self) then
    return self:fail_cancelled("submit")
  end
  return prepare.look_at(self)
end

-- What the ledger says of an upload that is about to begin, once no other job
-- sends the same content.
local function record_upload(self)
  local run = self.run
  local recorded, err = run.ledger:submitting(self)
  while recorded == "parked" do
    if self:is_late() then
      return self:fail({ kind = "timeout", step = "submit", retryable = true,
        message = "the deadline passed while other uploads were under way" })
    end
    recorded, err = wait_for_upload(self)
    if recorded then
      recorded, err = run.ledger:submitting(self)
    end
  end
  return recorded, err
end

-- Send it; false: it was refused, because of the service and not of the job.
local function send(self)
  local run, sha256 = self.run, self.sha256
  if self.original then
    self.sha256 = nil -- of the original, whose bytes are not those uploaded
  end
  run.breaker.under_way = run.breaker.under_way + 1
  local reply, err = Separation.upload(self)
  run.breaker.under_way = run.breaker.under_way - 1
  self.sha256 = sha256
  run.ledger:settle(self, err)
  local is_kept = not reply and (run.breaker:failed(self, err)
    or run.is_draining and err.kind == "cancelled") and run.ledger:unsent(self)
  if not is_kept then
    if not self.options.format then -- its tags are for the stems
      self:forget_source()
    end
    leave_upload(self)
  end
  run.uploaded:notify()
  if not reply and not err.task_id and err.kind ~= "unknown_outcome" then
    run:not_sent(self)
  end
  if is_kept then
    return false
  elseif not reply then
    return nil, err
  end
  run.breaker:accepted()
  return run.ledger:submitted(self)
end

-- It was to be sent, and nothing more is.
local function take_back(self)
  local run = self.run
  run.ledger:settle(self)
  run.ledger:unsent(self)
  run.uploaded:notify()
  run:not_sent(self)
  return self:fail_cancelled("submit")
end

-- One attempt; false: it was not sent, and may be tried again.
local function try_upload(self)
  local run = self.run
  if not run:may_send(self) then
    self.is_left = true
    return nil
  end
  local recorded, err = record_upload(self)
  if recorded == "spent" then
    run:not_sent(self)
    self.is_left = run.is_spent
    if self.is_left then
      return nil
    end
    return false
  elseif not recorded or recorded == "adopted" then
    if recorded then
      journal.share(self)
      self:emit("resumed")
    end
    self:forget_source()
    run:not_sent(self)
    return recorded, err
  elseif is_held_back(self) then
    return take_back(self)
  end
  return send(self)
end

--- Send the source once that is recorded, unless its content was sent before.
--- What is refused because of the service and not of the job is sent later.
function Job:upload()
  local run = self.run
  local ok, err
  repeat
    ok, err = pass_breaker(self)
    if not is_held_back(self) and ok then
      run.sending = run.sending + 1
      ok, err = try_upload(self)
      run.sending = run.sending - 1
    end
  until ok ~= false
  run.breaker:leave(self)
  return ok, err
end

-- Ask for what is paid for, also where the key or the account is refused for a
-- while.  If that lasts, the job stays in its store as it is.
local function persist(self, ask)
  local breaker = self.run.breaker
  local answer, err = ask(self)
  while not answer and breaker:is_refusal(err) do
    if not breaker:wait_out(self, err) then
      self.keeps_row = self.options.store ~= nil
      self.remains = self.keeps_row
      break
    end
    answer, err = ask(self)
  end
  breaker:heard(self, answer ~= nil)
  return answer, err
end

--- Wait until the task ends.
function Job:wait_for_task()
  leave_upload(self)
  if self:is_over() then
    return self:fail_cancelled("poll")
  end
  local ended, err = persist(self, Separation.wait_for_task)
  leave_places(self)
  if not ended then
    return nil, err
  end
  -- any file under the stems' names is camb's from now on
  return self.run.ledger:finished(self)
end

--- The URLs, in one request with those of other jobs; singly if that fails.
function Job:find_urls()
  leave_places(self)
  local note = { run_id = self.run_id, deadline = self.deadline, urls = nil }
  if self:is_over() or not self.run.results:join(note) then
    return self:fail_cancelled("result")
  elseif note.urls then
    return note.urls
  end
  return persist(self, Separation.find_urls)
end

-- A stem that was emptied is missing: its name is free.
local function clear(self)
  for _, path in pairs(self.earlier or {}) do
    local kind, size = core.stat(path)
    if kind == "file" and size == 0 then
      os.remove(path)
    end
  end
end

-- With a store the parts are opened only now; another worker that had the job
-- may take a while to notice that it has lost it.
local function hold(self, place)
  if self.parts then
    return true
  end
  local run = self.run
  local ok, err = download.hold(self, place, self.name)
  while not ok and err.is_busy and run.options.store and not self:is_over()
    and not self:is_late()
    and scheduler.sleep_for(run.client, BUSY) and not self:is_over()
  do
    ok, err = download.hold(self, place, self.name)
  end
  if ok then
    clear(self)
  end
  return ok, err
end

-- The stems have come: what is to be done with them?
local function deliver(self, stems, err)
  if stems and not self:is_over() then
    recordings.complete(self.options, stems, self.kept or {})
    stems, err = delivery.run(self, stems)
  end
  return stems, err
end

--- From wherever the job is to its stems, and what is to become of them.
function Job:separate()
  local stems, err = delivery.recorded(self), nil
  if not stems then
    stems, err = Separation.separate(self)
  end
  return deliver(self, stems, err)
end

-- A place for a download; none for a job that was lost while it waited.
local function take_download(self)
  local downloads = self.run.downloads
  local has_place = downloads:acquire()
  if has_place and self:is_over() then
    downloads:release()
    return false
  end
  return has_place
end

--- The stems that `urls` lead to.
function Job:fetch_stems(urls)
  local run = self.run
  if not take_download(self) then
    return self:fail_cancelled("download")
  end
  local place, stems = self:place(), nil
  local ok, err = delivery.make_room(self)
  if ok then
    ok, err = hold(self, place)
  end
  if ok then
    stems, err = download.run(self, urls, place)
  end
  run.downloads:release()
  return stems, err
end

-- The stems that are there in another format.
local function convert_stems(self)
  local run, place = self.run, self:place()
  if not take_download(self) then
    return self:fail_cancelled("download")
  end
  local stems = { task_id = self.task_id, run_id = self.run_id }
  recordings.complete({}, stems, self.convertible)
  local ok, err = hold(self, place)
  if ok then
    ok, err = require("camb.layout").arrange(self, place, stems,
      self.convertible)
  end
  run.downloads:release()
  return ok and stems, err
end

-- Remove the parts that a killed process left of a job that will not get its
-- stems: a part that is being written cannot be opened, and closing removes it.
local function remove_parts(self)
  for _, stem in ipairs({ "foreground", "background" }) do
    local base = download.base(self:place(), self.name, stem)
    local part = core.stat(base .. ".part") and core.part(base)
    if part then
      part:close()
    end
  end
end

local function succeed(self, stems)
  self.stems = stems
  journal.finish(self, true)
  self:emit_finished(stems)
  self.run.ledger:downloaded(self)
end

-- A transient failure that costs nothing to retry does not end a job with
-- attempts left.
local function put_off(self, err)
  local options, attempts = self.options, (self.attempts or 0) + 1
  if not self.key or not err.retryable or err.task_ended or self.is_apart
    or attempts >= options.attempts or err.kind == "cancelled"
    or self.run.ledger.store_error
  then
    return false
  end
  self.pause = math.max(err.retry_after or 0, math.min(LONGEST_PAUSE,
    FIRST_PAUSE * 2 ^ (attempts - 1)))
  self.is_put_off = true
  self:emit("retrying", { step = err.step, reason = err.message,
    next_in = self.pause })
  self.run.ledger:put_off(self)
  return true
end

local function give_up(self, err)
  self.error = err
  if err.kind == "file" and core.says_full(err.message) then
    self.run:stop_sending()
  end
  if self.keeps_row or put_off(self, err) then
    return
  elseif self.state then
    remove_parts(self)
  end
  if not self.options.store and err.kind ~= "hook" then
    self:explain(err)
  end
  journal.finish(self, false, err)
  self:emit("failed", { error = err })
  self.run.ledger:failed(self)
end

local function conclude(self, stems, err)
  self.inbox:close()
  leave_places(self)
  if self.is_left then
    if self.state then
      self.run.ledger:release(self)
    end
  elseif stems and not self:is_over() then
    succeed(self, stems)
  elseif not self:is_over() then
    give_up(self, err)
  end
end

-- It was paid for before.
local function resume(self)
  if self.noted then
    journal.share(self)
  end
  self:emit("resumed")
  if recordings.may_replace(self.run, self) then
    self.overwrite = true
  end
end

local function live(_, self)
  if self.state == "unknown_outcome" then -- told as it is
    leave_places(self)
    remove_parts(self)
    self.run.ledger:release(self)
  elseif self.convertible then
    conclude(self, deliver(self, convert_stems(self)))
  else
    if self.task_id then
      resume(self)
    end
    conclude(self, self:separate())
  end
  self:let_go()
  self.run:remove(self)
end

--- Begin, with a place of `pending` and of `uploads`.
function Job:begin()
  local run = self.run
  self.is_pending, self.is_uploading = true, true
  self.deadline = run.options.deadline and core.now() + run.options.deadline
  self:be_patient(run.options)
  self.inbox = inbox.new(run.client)
  run:spawn(live, self)
end

--- With a store, a paid task is waited for until the deadline.
function Job:be_patient(options)
  Operation.be_patient(self, options)
  if options.store then
    self.patience = math.max(self.patience, PATIENCE)
    self.endless = true
  end
end

function Job:let_go()
  Separation.let_go(self)
  delivery.leave_room(self)
end

--- True if this run neither works on the job nor reports it any more.
---@return boolean
function Job:is_over()
  return self.is_lost or self.run.closed or false
end

--- True once its deadline has passed.
---@return boolean
function Job:is_late()
  return core.now() >= (self.deadline or math.huge)
end

--- Another worker has the job now.
function Job:lose()
  self.is_lost = true
  self.run.ledger:expect(self)
  self:cancel()
end

--- Stop its transfers, even while its coroutine waits for them.
function Job:stop()
  journal.leave(self)
  self:let_go()
  self.inbox:stop()
  if self.small then
    self.small:stop()
  end
end

--- Its number in the store; nil without one.
---@return integer?
function Job:number()
  return self.row and tonumber(self.row.id)
end

--- The job's part in what an iteration gives.
---@return camb.BatchItem
function Job:item()
  return {
    index = self.index,
    job = self:number(),
    source = self.source,
    stems = self.stems,
    error = self.error,
    task_id = self.task_id,
    run_id = self.run_id,
    changed = self.is_changed,
    remains = self.remains or nil,
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
