--- A client's journal: a plain file that records what is paid for, even if the
--- process is killed.  Each line is a JSON object, synced to the disk:
---
---     {"job":"…","state":"submitting","source":"/takes/a.wav",…}
---     {"job":"…","state":"submitted","task_id":"…"}
---     {"task_id":"…","state":"fetched"}
---
--- "submitting" is written before the upload starts, with the source (path,
--- size and time of change) and the stems (output_dir and name).  It is
--- followed by "submitted" with the task's id and the SHA-256 of the recording,
--- by "refused" if the service accepted nothing, or by "unknown_outcome".  A
--- job whose content was sent for another one begins as "submitted".  A task
--- ends as "fetched", or as "failed" if it failed at the service.  A job that
--- is "submitting" was being sent when its process ended: a task may exist.  To
--- resume a task, call client:task(task_id) or run `camb download task_id`.
---
--- A job that is "submitting" or "unknown_outcome" keeps its file from being
--- sent until the stems of a task were downloaded under its names, or the file
--- was sent again on request (`resubmit_unknown`).
---
--- A recording is known by its content, wherever it lies: of one that is being
--- sent, by its size and a piece.  Of two processes that begin to send it at
--- once, the one whose line is first does.

local api = require "camb.api"
local core = require "camb.core"
local earlier = require "camb.journal.earlier"
local lines = require "camb.journal.lines"
local sender = require "camb.journal.sender"

local journal = {}

--- What the lines of one job say together.
---@class camb.JournalEntry
---@field state "submitting"|"submitted"|"unknown_outcome" # the last that is
---  known
---@field task_id string?    # the task to resume; nil: it may exist
---@field base_url string?   # of the service
---@field source string?     # path of the file, or its URL without secrets
---@field url string?        # SHA-256 of the whole URL, which may hold secrets
---@field size string?       # of the file in bytes, as digits
---@field changed string?    # when the file was changed, seconds since 1970
---@field piece string?      # SHA-256 of its size and a piece of it
---@field sha256 string?     # of its content, once that is known
---@field output_dir string? # where the stems were to go
---@field name string?       # of the stems, without extension
---@field part string?       # locked while the run is at work, without ".part"
---@field only string?       # the one stem that was downloaded
---@field process string?    # that sends it, or has
---@field time string        # of the last line, in UTC: 2026-01-31T12:00:00Z
---@field job string?        # what its lines are known by
---@field row { store: string, id: integer }? # of a store that knows it
---@field is_under_way boolean? # another process is sending it

local count = 0

-- The run of the batch that `operation` is a job of.
local function run_of(operation)
  return rawget(operation, "run")
end

-- The disk took what came before, and the job continues: a warning is enough.
local function add_or_warn(operation, fields)
  local ok, reason = lines.append(operation.client.journal, fields)
  if not ok then
    operation:emit("warning", { message = operation:clean(
      ('the journal "%s" cannot be written: %s'):format(
        operation.client.journal, reason)) })
  end
end

-- The first line of `operation`, whose source is `origin`.
local function first_line(operation, origin, state)
  count = count + 1
  local fields = earlier.identity(operation.original or origin.url
    or not operation.fetched and origin.path or nil)
  local size = origin.size or operation.size
  fields.source = fields.source or operation.source
  fields.size = fields.size or size and ("%.0f"):format(size)
  fields.sha256 = operation.original and require("camb.hash").of_file(
    operation.client, operation.original) or nil
  fields.job = ("%.0f-%s-%d"):format(core.time() * 1e6,
    tostring(operation):match("0x(%x+)") or "0", count)
  fields.process = sender.own_name()
  fields.state, fields.task_id = state, operation.task_id
  fields.base_url = api.service(operation.client.base_url)
  fields.output_dir = operation.output_dir
    and (core.real_path(operation.output_dir)
    or operation.output_dir)
  fields.name = operation.name
  fields.part = operation.parts and operation.first_base
  return fields
end

local OVER = { refused = true, failed = true }

-- Whether another process has begun to send what `fields` are of, in a line
-- between `from` and theirs: who is first in the journal sends it.
local function is_taken(operation, fields, from)
  local words, is_noted = fields.piece or fields.url, false
  local reader = lines.reader(operation.client.journal, words, from)
  reader:read(function(entry)
    is_noted = is_noted or entry.job == fields.job
    entry.is_first = entry.is_first
      or not is_noted and entry.state == "submitting"
  end)
  for _, entry in ipairs(words and reader.entries or {}) do
    if entry.is_first and not OVER[entry.state] and not sender.is_own(entry)
      and entry.piece == fields.piece and entry.url == fields.url
      and entry.base_url == fields.base_url
      and (operation.options.dedupe ~= false or entry.source == fields.source)
    then
      return true
    end
  end
  return false
end

-- Why `prepared` is not sent.  A task that is found now, and was not before, is
-- that of another process.  `in_stores`: only what stores know.
local function doubt_of(operation, prepared, in_stores)
  local client, run = operation.client, run_of(operation)
  local known = run and run.ledger.find or client.find
  local find = known or earlier.finder(client)
  for _, path in pairs({ prepared.url or false,
    operation.original or prepared.path or false })
  do
    local entry = path and find(path, in_stores)
    local is_own = run and entry and sender.is_own(entry)
    local doubt = not is_own and (known and entry and entry.task_id
      and earlier.being_sent()
      or earlier.doubt(entry or nil, operation.options))
    if doubt then
      return doubt
    end
  end
end

--- Note that `operation` is going to send `prepared`, unless another process
--- has noted that first.
---@package
---@return boolean? ok
---@return camb.Error? err
function journal.begin(operation, prepared)
  local client = operation.client
  if not client.journal or client.has_rows then
    return true
  end
  local from = lines.ending(client.journal)
  local doubt = doubt_of(operation, prepared)
  if doubt then
    return nil, doubt
  end
  local fields = first_line(operation, prepared, "submitting")
  local ok, reason = lines.append(client.journal, fields)
  if not ok then
    return operation:fail({ kind = "file", step = "submit",
      path = client.journal,
      message = ('the journal "%s" cannot be written: %s'):format(
        client.journal, reason) })
  end
  operation.entry = fields.job
  sender.begin(fields.job)
  if is_taken(operation, fields, from) then
    return nil, earlier.being_sent()
  end
  if client.recall then
    -- a batch that has not seen this line has recorded its own before
    ok, doubt = require("camb.async.scheduler").protect(doubt_of, operation,
      prepared, true)
    if not ok then
      journal.settle(operation, { kind = "store" })
      error(doubt, 0)
    end
  end
  return not doubt or nil, doubt
end

--- Note that the task of `operation` is one that was sent for other stems of
--- the same content.
---@package
function journal.share(operation)
  local client, noted = operation.client, operation.noted
  if not client.journal or client.has_rows then
    return
  end
  local fields = first_line(operation, operation.origin, "submitted")
  if not noted or noted.output_dir ~= fields.output_dir
    or noted.name ~= fields.name
  then
    fields.sha256 = fields.sha256 or operation.sent_sha256
      or noted and noted.sha256
    add_or_warn(operation, fields)
  end
end

--- Note the outcome of the last upload.  A task that a doubtful reply names can
--- be resumed, too.
---@package
function journal.settle(operation, err)
  local task_id = operation.task_id or err and err.task_id
  if operation.entry then
    add_or_warn(operation, { job = operation.entry, task_id = task_id,
      sha256 = task_id and not operation.original and operation.sent_sha256
        or nil,
      state = task_id and "submitted"
        or err.kind == "unknown_outcome" and err.kind or "refused" })
    sender.finish(operation.entry)
    operation.entry = nil
  end
end

-- In a fork, it is the other process that still sends it.
local function give_up(operation, job)
  if operation.client.session:is_own() then
    lines.append(operation.client.journal, { job = job,
      state = operation.inbox:is_unsent() and "refused" or "unknown_outcome" })
  end
end

--- `operation` is over, and its transfers are about to be closed: if it did not
--- settle what it was sending, as a listener raised or its batch was closed,
--- that is in doubt unless the service cannot have it.
---@package
function journal.leave(operation)
  local job = operation.entry
  if job then
    operation.entry = nil
    sender.finish(job)
    pcall(give_up, operation, job)
  end
end

--- All jobs in the journal at `path`, in the order of their last lines.  Empty
--- if there is no such file.
---@param path string
---@return table[] entries # the fields of their lines, the newest ones, and
---  `events`: state and time of each line
function journal.entries(path)
  local reader = lines.reader(path)
  reader:read(function(entry, fields)
    entry.events = entry.events or {}
    table.insert(entry.events, { state = fields.state, time = fields.time })
  end)
  table.sort(reader.entries, function(one, other)
    return one.last < other.last
  end)
  return reader.entries
end

--- What is open in the journal at `path`: jobs that may have been sent, and
--- tasks whose stems were not downloaded.  Empty if there is no such file.
---@param path string
---@return camb.JournalEntry[] entries
function journal.open_entries(path)
  local open, entries, has_task, is_open = {}, journal.entries(path), {}, {}
  for i = #entries, 1, -1 do
    local entry = entries[i]
    local file = entry.piece or entry.url or entry
    has_task[file] = has_task[file] or entry.task_id
    is_open[entry] = entry.state == "submitted"
      or earlier.is_doubtful(entry) and not has_task[file]
  end
  for _, entry in ipairs(entries) do
    open[#open + 1] = is_open[entry] and entry or nil
  end
  return open
end

-- The newest file in doubt whose stems `operation` has downloaded: its task, if
-- no job has it yet, is that file's.
local function find_named(operation)
  local client, base = operation.client, operation.first_base
  for _, entry in ipairs(lines.about(client.journal, "task_id",
    operation.task_id).entries)
  do
    if entry.job then
      return nil
    end
  end
  local folder = core.real_path(operation.options.output_dir)
  local all = lines.reader(client.journal)
  all:read()
  for i = #all.entries, 1, -1 do
    local entry = all.entries[i]
    if earlier.is_doubtful(entry) and not sender.is_sending(entry.job)
      and entry.base_url == api.service(client.base_url)
      and (entry.part == base or earlier.stem_name(entry) == operation.asked
      and (entry.output_dir or folder) == folder)
    then
      return entry
    end
  end
end

-- The service has forgotten a task whose stems were downloaded before.
local function is_forgotten(operation, err)
  local noted = operation.noted
  return noted and noted.state == "fetched" and err.kind == "not_found"
end

--- Note how the task of `operation` has ended, if it has: `is_fetched`, or
--- `err`.
---@package
function journal.finish(operation, is_fetched, err)
  local client = operation.client
  if client.journal and operation.task_id
    and (operation.noted or not client.has_rows)
    and (is_fetched or err and (err.task_ended or is_forgotten(operation, err)))
  then
    local named = is_fetched and operation.asked and find_named(operation)
    add_or_warn(operation, { job = named and named.job or nil,
      task_id = operation.task_id,
      state = is_fetched and "fetched" or "failed",
      only = is_fetched and operation.options.only or nil })
  end
end

return journal
