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

local advice = require "camb.advice"
local api = require "camb.api"
local core = require "camb.core"
local Error = require "camb.error"
local json = require "camb.json"
local redact = require "camb.redact"
local source = require "camb.source"

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

-- In the order in which a line has them.
local FIELDS = { "time", "job", "state", "task_id", "base_url", "source",
  "url", "size", "changed", "piece", "sha256", "output_dir", "name", "part",
  "only", "process" }

local count = 0
-- What this process is called, by its number: a fork has another one.
local own_names = {}
-- Jobs of this process that are being sent: the run of a batch that does so, or
-- true.
local sending = {}

-- The run of the batch that `operation` is a job of.
local function run_of(operation)
  return rawget(operation, "run")
end

local function is_sending(job)
  local run = sending[job]
  return run and (run == true or not run.closed)
end

local function own_name()
  local number = core.process()
  own_names[number] = own_names[number] or require("camb.store.owner").name()
  return own_names[number]
end

--- Whether `entry` is of a job of this process.
---@param entry camb.JournalEntry
---@return boolean
---@package
function journal.is_own(entry)
  return entry.process == own_name()
end

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
---@param path string? # or its URL
---@return table fields # source, url, size, changed, piece; none if it is no
---  file
---@package
function journal.identity(path)
  if source.is_url(path) then
    local digest = core.sha256()
    digest:add(path)
    return { source = redact.urls(path), url = digest:finish() }
  end
  local kind, size, changed = nil, nil, nil
  if path then
    kind, size, changed = core.stat(path)
  end
  if kind ~= "file" then
    return {}
  end
  local real = core.real_path(path)
  return { source = real and core.stat(real) and real or path,
    size = ("%.0f"):format(size), changed = ("%.6f"):format(changed),
    piece = require("camb.batch.hash").of_piece(path, size) or nil }
end

-- What the first line says of `operation`, whose source is `origin`.
local function begin(operation, origin, state)
  count = count + 1
  local fields = journal.identity(operation.original or origin.url
    or not operation.fetched and origin.path or nil)
  local size = origin.size or operation.size
  fields.source = fields.source or operation.source
  fields.size = fields.size or size and ("%.0f"):format(size)
  fields.sha256 = operation.original and require("camb.batch.hash").of_file(
    operation.client, operation.original) or nil
  fields.job = ("%.0f-%s-%d"):format(core.time() * 1e6,
    tostring(operation):match("0x(%x+)") or "0", count)
  fields.process = own_name()
  fields.state, fields.task_id = state, operation.task_id
  fields.base_url = api.service(operation.client.base_url)
  fields.output_dir = operation.output_dir
    and (core.real_path(operation.output_dir)
    or operation.output_dir)
  fields.name = operation.name
  fields.part = operation.first_base
  return fields
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

-- What was read of a journal so far: its jobs, the newest line last; of all, or
-- of those that a line with `words` is about.
local function reader(path, words)
  return { path = path, words = words, at = 0, lines = 0, entries = {},
    by_job = {}, by_task = {}, by_key = {} }
end

local function is_wanted(self, line)
  return not self.words or line:find(self.words, 1, true)
    or self.by_job[line:match('"job":"([^"]*)"') or false]
    or self.by_task[line:match('"task_id":"([^"]*)"') or false]
end

-- The entry of the job that `fields` are of.
local function entry_of(self, fields)
  local entry = self.by_job[fields.job or false]
  if not entry then
    entry = {}
    self.entries[#self.entries + 1] = entry
    self.by_job[fields.job or false] = fields.job and entry
  end
  return entry
end

-- Files of the same content share a task, and its end.
local function take_line(self, fields, on_line)
  local task = fields.task_id or false
  local sharing = self.by_task[task] or {}
  local of_line = not fields.job and sharing[1] and sharing
    or { entry_of(self, fields) }
  for _, entry in ipairs(of_line) do
    if task and entry.task_id ~= task then
      sharing[#sharing + 1] = entry
      self.by_task[task] = sharing
    end
    for name, value in pairs(fields) do
      entry[name] = value
    end
    entry.last = self.lines
    on_line(entry, fields)
  end
end

-- Read on; the end of a line that is being written comes another time.
local function read_on(self, on_line)
  local kind, size = core.stat(self.path)
  local file = kind == "file" and size > self.at and io.open(self.path, "rb")
  if not file then
    return
  end
  file:seek("set", self.at)
  for line in file:lines() do
    if self.at + #line >= size then
      break
    end
    self.at, self.lines = self.at + #line + 1, self.lines + 1
    local fields = is_wanted(self, line) and fields_of(line)
    if fields then
      take_line(self, fields, on_line)
    end
  end
  file:close()
end

local BLOCK = 2 ^ 16

-- Where the last whole line of the journal at `path` ends.
local function ending(path)
  local file = core.stat(path) == "file" and io.open(path, "rb")
  if not file then
    return 0
  end
  local from = math.max(0, file:seek("end") - BLOCK)
  file:seek("set", from)
  local last = file:read(BLOCK) or ""
  file:close()
  return from + #(last:match("^.*\n") or "")
end

local OVER = { refused = true, failed = true }

-- Whether another process has begun to send what `fields` are of, in a line
-- between `from` and theirs: who is first in the journal sends it.
local function is_taken(operation, fields, from)
  local words, is_noted = fields.piece or fields.url, false
  local self = reader(operation.client.journal, words)
  self.at = from
  read_on(self, function(entry)
    is_noted = is_noted or entry.job == fields.job
    entry.is_first = entry.is_first
      or not is_noted and entry.state == "submitting"
  end)
  for _, entry in ipairs(words and self.entries or {}) do
    if entry.is_first and not OVER[entry.state] and not journal.is_own(entry)
      and entry.piece == fields.piece and entry.url == fields.url
      and entry.base_url == fields.base_url
      and (operation.options.dedupe ~= false or entry.source == fields.source)
    then
      return true
    end
  end
  return false
end

local function being_sent()
  return Error.new({ kind = "store", step = "submit", retryable = true,
    message = "another run is sending this file: run this again once it has "
      .. "ended" })
end

-- Why `prepared` is not sent.  A task that is found now, and was not before, is
-- that of another process.  `in_stores`: only what stores know.
local function doubt_of(operation, prepared, in_stores)
  local client, run = operation.client, run_of(operation)
  local known = run and run.journal.find or client.find
  local find = known or journal.finder(client)
  for _, path in pairs({ prepared.url or false,
    operation.original or prepared.path or false })
  do
    local entry = path and find(path, in_stores)
    local is_own = run and entry and journal.is_own(entry)
    local doubt = not is_own and (known and entry and entry.task_id
      and being_sent() or journal.doubt(entry or nil, operation.options))
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
  local from = ending(client.journal)
  local doubt = doubt_of(operation, prepared)
  if doubt then
    return nil, doubt
  end
  local fields = begin(operation, prepared, "submitting")
  local ok, reason = add(client, fields)
  if not ok then
    return operation:fail({ kind = "file", step = "submit",
      path = client.journal,
      message = ('the journal "%s" cannot be written: %s'):format(
        client.journal, reason) })
  end
  operation.entry, sending[fields.job] = fields.job,
    run_of(operation) or true
  if is_taken(operation, fields, from) then
    return nil, being_sent()
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
  local fields = begin(operation, operation.origin, "submitted")
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
    sending[operation.entry], operation.entry = nil, nil
  end
end

-- In a fork, it is the other process that still sends it.
local function give_up(client, job)
  if client.session:is_own() then
    add(client, { job = job, state = "unknown_outcome" })
  end
end

--- `operation` is over: if it did not settle what it was sending, as a listener
--- raised, that is in doubt.
---@package
function journal.leave(operation)
  local job = operation.entry
  if job then
    operation.entry, sending[job] = nil, nil
    pcall(give_up, operation.client, job)
  end
end

--- All jobs in the journal at `path`, in the order of their last lines.  Empty
--- if there is no such file.
---@param path string
---@return table[] entries # the fields of their lines, the newest ones, and
---  `events`: state and time of each line
function journal.entries(path)
  local self = reader(path)
  read_on(self, function(entry, fields)
    entry.events = entry.events or {}
    table.insert(entry.events, { state = fields.state, time = fields.time })
  end)
  table.sort(self.entries, function(one, other)
    return one.last < other.last
  end)
  return self.entries
end

local DOUBTFUL = { submitting = true, unknown_outcome = true }
local OPEN = { submitted = true }
local PAID = { submitted = true, fetched = true }

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
    is_open[entry] = OPEN[entry.state]
      or DOUBTFUL[entry.state] and not has_task[file]
  end
  for _, entry in ipairs(entries) do
    open[#open + 1] = is_open[entry] and entry or nil
  end
  return open
end

--- What the stems of the file of `entry` were to be called.  A task that was
--- submitted alone knows its source.
---@param entry camb.JournalEntry
---@return string?
---@package
function journal.stem_name(entry)
  return entry.name or entry.source
    and source.stem_name({ path = entry.source })
end

local HAPPENED = {
  submitting = "an earlier run was killed while sending this file: ",
  unknown_outcome = "an earlier run sent this file with an unknown outcome: ",
}

--- Why the file of `entry` is not sent: another run is sending it, or it may
--- have been sent.  Nil if there is no such reason, or with `resubmit_unknown`.
---@package
---@param entry camb.JournalEntry?
---@param options { resubmit_unknown: boolean? }
---@return camb.Error?
function journal.doubt(entry, options)
  if not entry or entry.task_id then
    return nil
  elseif entry.is_under_way then
    return being_sent()
  elseif options.resubmit_unknown then
    return nil
  end
  return Error.new({ kind = "unknown_outcome", step = "submit",
    message = HAPPENED[entry.state] .. advice.on("doubt") .. " "
      .. advice.on("resubmit"),
    row = entry.row, place = { output_dir = entry.output_dir,
      name = journal.stem_name(entry), source = entry.source } })
end

-- Whether another process is still sending the file of `entry`: it holds the
-- parts of its stems, if there are to be any.
local function is_at_work(entry)
  local part, _, is_busy
  if entry.state ~= "submitting" then
    return false
  elseif not entry.part then
    return not journal.is_own(entry)
      and require("camb.store.owner").is_alive(entry.process or "")
  elseif not require("camb.operation").has_parts(entry.part) then
    part, _, is_busy = core.part(entry.part)
  end
  if part then
    part:close()
  end
  return is_busy
end

-- Whether the file at `path` holds `words`, a few, whatever its size.
local function has_words(path, words)
  local file = core.stat(path) == "file" and io.open(path, "rb")
  local block, before = file and file:read(BLOCK), ""
  local found
  while block and not found do
    found = (before .. block):find(words, 1, true) ~= nil
    before, block = block:sub(-#words), file:read(BLOCK)
  end
  if file then
    file:close()
  end
  return found
end

-- Looks at a long journal that cost less than to keep all of it.
local MOST_LOOKS = 8

local function read_all(self)
  read_on(self, function(entry)
    if not entry.is_listed then
      entry.is_listed = true
      for _, key in pairs({ entry.size, entry.url, entry.piece }) do
        self.by_key[key] = self.by_key[key] or {}
        table.insert(self.by_key[key], entry)
      end
    end
  end)
end

-- What is about `words`; nothing of what is not there is read.
local function look(self, words)
  local found = reader(self.path, words)
  if has_words(self.path, words) then
    read_all(found)
  end
  return found
end

-- The newest file in doubt whose stems `operation` has downloaded: its task, if
-- no job has it yet, is that file's.
local function find_named(operation)
  local client, base = operation.client, operation.first_base
  local self = reader(client.journal)
  for _, entry in ipairs(look(self, '"task_id":'
    .. json.quote(operation.task_id)).entries)
  do
    if entry.job then
      return nil
    end
  end
  local folder = core.real_path(operation.options.output_dir)
  read_all(self)
  for i = #self.entries, 1, -1 do
    local entry = self.entries[i]
    if DOUBTFUL[entry.state] and not entry.task_id and not is_sending(entry.job)
      and entry.base_url == api.service(client.base_url)
      and (entry.part == base or journal.stem_name(entry) == operation.asked
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

-- The entries of files of a size, or of a URL.  A doubt is about a piece; a
-- task may be that of a URL's file, of which none was noted.
local function candidates(self, known)
  local field = known.url and "url"
    or self.states == PAID and "size" or "piece"
  self.looks = self.looks + 1
  if self.is_each then
    return self.by_key[known[field]] or {}
  end
  if self.looks > MOST_LOOKS then
    read_all(self)
  end
  local found = self.looks > MOST_LOOKS and self or look(self,
    ('"%s":"%s"'):format(field, tostring(known[field])))
  return found.by_key[known[field]] or {}
end

-- Sums that are kept, as each file is looked for some times.
local MOST_SUMS = 100

-- Add the sum of the file at `path` to what is `known` of it.
local function add_sum(self, known, path)
  if not known.size or known.sha256 then
    return
  end
  local key = ("%s %s %s"):format(known.size, known.changed, path)
  known.sha256 = self.sums[key]
    or require("camb.batch.hash").of_file(self.client, path)
  if not self.sums[key] then
    self.summed = self.summed % MOST_SUMS + 1
    self.sums = self.summed == 1 and {} or self.sums
    self.sums[key] = known.sha256
  end
end

-- Whether what is `known` of the file at `path` is the recording of `entry`.
local function is_same(self, entry, known, path)
  if entry.sha256 and known.size then
    add_sum(self, known, path)
    return entry.sha256 == known.sha256
  end
  return entry.piece == known.piece and entry.url == known.url
end

-- Whether its task is to be taken: a URL may lead to another recording by now.
local function is_to_be_taken(self, entry, known)
  return self.states[entry.state] and (known.size or OPEN[entry.state])
end

-- The newest of the `list` that is paid for, or else may be: a task that came
-- later, wanted or not, has decided the doubt.
local function choose(self, list, known, path)
  local client, doubtful, is_decided = self.client, nil, false
  local service = client.base_url and api.service(client.base_url)
  for i = #list, 1, -1 do
    local entry = list[i]
    if (entry.task_id or DOUBTFUL[entry.state])
      and (not service or api.service(entry.base_url or "") == service)
      and is_same(self, entry, known, path)
      and not (self.is_each and entry.source ~= known.source)
    then
      if entry.task_id and is_to_be_taken(self, entry, known) then
        return entry
      elseif entry.task_id then
        is_decided = true
      elseif not is_decided and not doubtful and not is_sending(entry.job)
      then
        entry.is_under_way = is_at_work(entry)
        doubtful = entry
      end
    end
  end
  return doubtful
end

-- What runs with a store know, unless one without has brought its task to
-- another end.
local function recall(self, known, path)
  local client = self.client
  local entry = client.recall(known, path, function()
    add_sum(self, known, path)
  end)
  if not entry or not entry.task_id then
    return entry
  end
  local noted = look(self, '"task_id":' .. json.quote(entry.task_id)).entries[1]
    or entry
  return self.states[noted.state] and self.states[entry.state] and entry or nil
end

--- What earlier runs have left open of files, known by their content: a
--- function that finds a file's entry.  One without a task_id may have been
--- sent.  Other runs may write meanwhile.
---@param client camb.Client # or its journal and base_url
---@param with_tasks boolean? # else only what may have been sent, whatever task
---  there is from before
---@param is_each boolean? # copies are sent, too: what was noted of one says
---  nothing of another, nor of the same file in this run
---@return fun(path: string?, in_stores: boolean?): camb.JournalEntry?
---@package
function journal.finder(client, with_tasks, is_each)
  local self = reader(client.journal)
  self.client, self.is_each = client, is_each
  self.states = with_tasks and PAID or {}
  self.looks, self.sums, self.summed = 0, {}, 0
  if is_each and client.journal then
    read_all(self)
  end
  return function(path, in_stores)
    local known = client.journal and journal.identity(path) or {}
    if not known.size and not known.url then
      return nil
    end
    local entry = not in_stores
      and choose(self, candidates(self, known), known, path) or nil
    local other = not (entry and entry.task_id) and client.recall
      and recall(self, known, path)
    return other and (other.task_id or other.is_under_way) and other
      or entry or other or nil
  end
end

return journal
