--- A client's journal: a plain file that records what is paid for, even if the
--- process is killed.  Each line is a JSON object, synced to the disk:
---
---     {"job":"…","state":"submitting","source":"/takes/a.wav",…}
---     {"job":"…","state":"submitted","task_id":"…"}
---     {"task_id":"…","state":"fetched"}
---
--- "submitting" is written before the upload starts, with the source (path,
--- size and time of change) and the stems (output_dir and name).  It is
--- followed by "submitted" with the task's id, by "refused" if the service
--- accepted nothing, or by "unknown_outcome".  A task ends as "fetched", or as
--- "failed" if it failed at the service.  A job with a first line only was
--- being sent when its process ended: a task may exist.  To resume a task, call
--- client:task(task_id) or run `camb download task_id`.

local core = require "camb.core"
local Error = require "camb.error"
local json = require "camb.json"

local journal = {}

--- What the lines of one job say together.
---@class camb.JournalEntry
---@field state "submitting"|"submitted" # the last that is known
---@field task_id string?    # the task to take up; nil: it may exist
---@field base_url string?   # of the service
---@field source string?     # path of the file
---@field size string?       # of the file in bytes, as digits
---@field changed string?    # when the file was changed, seconds since 1970
---@field output_dir string? # where the stems were to go
---@field name string?       # of the stems, without extension
---@field time string        # of the last line, in UTC: 2026-01-31T12:00:00Z
---@field job string?        # what its lines are known by

-- In the order in which a line has them.
local FIELDS = { "time", "job", "state", "task_id", "base_url", "source",
  "size", "changed", "output_dir", "name" }

local count = 0

local function line_of(fields)
  local said = {}
  for _, name in ipairs(FIELDS) do
    if fields[name] ~= nil then
      said[#said + 1] = ('"%s":%s'):format(name, json.quote(
        tostring(fields[name])))
    end
  end
  return "{" .. table.concat(said, ",") .. "}\n"
end

local function add(client, fields)
  fields.time = os.date("!%Y-%m-%dT%H:%M:%SZ")
  return core.append(client.journal, line_of(fields))
end

-- The disk took what came before, and the job continues: a warning is enough.
local function add_or_warn(operation, fields)
  local ok, reason = add(operation.client, fields)
  if not ok then
    operation:emit("warning", { message = operation:clean(
      ('the journal "%s" cannot be written: %s'):format(
        operation.client.journal,
        reason)) })
  end
end

--- What a journal says of a file, to know it by.
---@param path string?
---@return table fields # source, size, changed; none if it is no file
---@package
function journal.identity(path)
  local real = path and core.real_path(path)
  local kind, size, changed
  if real then
    kind, size, changed = core.stat(real)
  end
  if kind ~= "file" then
    return {}
  end
  return { source = real, size = ("%.0f"):format(size),
    changed = ("%.6f"):format(changed) }
end

--- Note that `operation` is going to send `prepared`.
---@package
---@return boolean? ok
---@return camb.Error? err
function journal.begin(operation, prepared)
  local client = operation.client
  if not client.journal then
    return true
  end
  count = count + 1
  local fields = operation.temporary_path and {}
    or journal.identity(prepared.path)
  fields.source = fields.source or operation.source
  fields.job = ("%.0f-%s-%d"):format(core.time() * 1e6,
    tostring(operation):match("0x(%x+)") or "0", count)
  fields.state, fields.base_url = "submitting", client.base_url
  fields.output_dir = operation.output_dir
    and (core.real_path(operation.output_dir)
    or operation.output_dir)
  fields.name = operation.name
  local ok, reason = add(client, fields)
  if not ok then
    return operation:fail({ kind = "file", step = "submit",
      path = client.journal,
      message = ('the journal "%s" cannot be written: %s'):format(
        client.journal, reason) })
  end
  operation.entry = fields.job
  return true
end

--- Note the outcome of the last upload.  A task that a doubtful reply names can
--- be resumed, too.
---@package
function journal.settle(operation, err)
  if operation.entry then
    local task_id = operation.task_id or err.task_id
    add_or_warn(operation, { job = operation.entry, task_id = task_id,
      state = task_id and "submitted"
        or err.kind == "unknown_outcome" and err.kind or "refused" })
    operation.entry = nil
  end
end

--- Note how the task of `operation` has ended, if it has: `is_fetched`, or
--- `err`.
---@package
function journal.finish(operation, is_fetched, err)
  if operation.client.journal and operation.task_id
    and (is_fetched or err and err.task_ended)
  then
    add_or_warn(operation, { task_id = operation.task_id,
      state = is_fetched and "fetched" or "failed" })
  end
end

-- The fields of a line; nil for one that is cut short, or no line of ours.
local function fields_of(line)
  local fields = json.decode(line)
  if type(fields) ~= "table" or not (fields.job or fields.task_id) then
    return nil
  end
  for _, value in pairs(fields) do
    if type(value) ~= "string" then
      return nil
    end
  end
  return fields
end

local function take_line(line, entries, by_job, by_task)
  local fields = fields_of(line)
  if not fields then
    return
  end
  local entry = by_task[fields.task_id or false] or by_job[fields.job or false]
  if not entry then
    entry = {}
    entries[#entries + 1] = entry
  end
  for name, value in pairs(fields) do
    entry[name] = value
  end
  entry.events = entry.events or {}
  table.insert(entry.events, { state = fields.state, time = fields.time })
  by_job[fields.job or false] = fields.job and entry
  by_task[fields.task_id or false] = fields.task_id and entry
end

--- All jobs in the journal at `path`, in the order of their first lines.  Empty
--- if there is no such file.
---@param path string
---@return table[] entries # the fields of their lines, the newest ones, and
---  `events`: state and time of each line
---@return integer size    # of what was read
function journal.entries(path)
  local file = core.stat(path) == "file" and io.open(path, "rb")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  local entries, by_job, by_task = {}, {}, {}
  for line in text:gmatch("[^\n]+") do
    take_line(line, entries, by_job, by_task)
  end
  return entries, #text
end

local OPEN = { submitting = true, submitted = true }

--- What is open in the journal at `path`: jobs that were being sent, and tasks
--- whose stems were not downloaded.  Empty if there is no such file.
---@param path string
---@return camb.JournalEntry[] entries
---@return integer size    # of what was read
function journal.open_entries(path)
  local entries, size = journal.entries(path)
  local open = {}
  for _, entry in ipairs(entries) do
    if OPEN[entry.state] then
      open[#open + 1] = entry
    end
  end
  return open, size
end

-- Once told, it is for the user to say whether it is sent again.
local function forget(client, entry)
  add(client, { job = entry.job, state = "unknown_outcome" })
  return Error.new({ kind = "unknown_outcome", step = "submit",
    message = "an earlier run was killed while it sent this file: a task may "
      .. "exist and be charged; look at the dashboard, then run this again to "
      .. "resend the file" })
end

-- Whether the run that noted `entry` is at work on it yet.
local function is_at_work(entry)
  local part, _, is_busy = core.part(("%s/%s.foreground"):format(
    entry.output_dir, entry.name))
  if part then
    part:close()
  end
  return is_busy
end

--- What earlier runs have left open of files that are to become the same stems:
--- a function that finds a file's entry, with its task_id; or the error of one
--- that was being sent when its run was killed, which is reported once.
---@param client camb.Client
---@return fun(path: string?, output_dir: string, name: string): table?,
---  camb.Error?
---@package
function journal.index(client)
  local by_source = {}
  for _, entry in ipairs(client.journal
    and journal.open_entries(client.journal) or {})
  do
    if entry.source and entry.name and entry.base_url == client.base_url then
      by_source[entry.source] = by_source[entry.source] or {}
      table.insert(by_source[entry.source], 1, entry)
    end
  end
  return function(path, output_dir, name)
    local known = next(by_source) and journal.identity(path) or {}
    for _, entry in ipairs(by_source[known.source or false] or {}) do
      if entry.size == known.size and entry.changed == known.changed
        and entry.name == name
        and entry.output_dir == core.real_path(output_dir)
      then
        if entry.task_id then
          return entry
        elseif not is_at_work(entry) then
          return nil, forget(client, entry)
        end
      end
    end
  end
end

--- Remove the journal at `path` if nothing is open in it.
---@param path string
---@package
function journal.clear(path)
  local open, size = journal.open_entries(path)
  if #open == 0 and size > 0 then
    core.remove_read(path, size)
  end
end

return journal
