--- What earlier runs have left of a file: a task that is paid for, or a doubt.

local advice = require "camb.advice"
local api = require "camb.api"
local core = require "camb.core"
local Error = require "camb.error"
local lines = require "camb.journal.lines"
local redact = require "camb.redact"
local sender = require "camb.journal.sender"
local source = require "camb.source"

local earlier = {}

--- What a journal says of a file, to know it by.
---@param path string? # or its URL
---@return table fields # source, url, size, changed, piece; none if it is no
---  file
function earlier.identity(path)
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
    piece = require("camb.hash").of_piece(path, size) or nil }
end

--- What the stems of the file of `entry` were to be called.  A task that was
--- submitted alone knows its source.
---@param entry camb.JournalEntry
---@return string?
function earlier.stem_name(entry)
  return entry.name or entry.source
    and source.stem_name({ path = entry.source })
end

local HAPPENED = {
  submitting = "an earlier run was killed while sending this file: ",
  unknown_outcome = "an earlier run sent this file with an unknown outcome: ",
}

--- Whether a task of `entry` may exist, without a known id.
---@param entry camb.JournalEntry
---@return boolean
function earlier.is_doubtful(entry)
  return not entry.task_id and HAPPENED[entry.state] ~= nil
end

--- The error of a file that another run is sending.
---@return camb.Error
function earlier.being_sent()
  return Error.new({ kind = "store", step = "submit", retryable = true,
    message = "another run is sending this file: run this again once it has "
      .. "ended" })
end

--- Why the file of `entry` is not sent: another run is sending it, or it may
--- have been sent.  Nil if there is no such reason, or with `resubmit_unknown`.
---@param entry camb.JournalEntry?
---@param options { resubmit_unknown: boolean? }
---@return camb.Error?
function earlier.doubt(entry, options)
  if not entry or entry.task_id then
    return nil
  elseif entry.is_under_way then
    return earlier.being_sent()
  elseif options.resubmit_unknown then
    return nil
  end
  return Error.new({ kind = "unknown_outcome", step = "submit",
    message = HAPPENED[entry.state] .. advice.on("doubt") .. " "
      .. advice.on("resubmit"),
    row = entry.row, place = { output_dir = entry.output_dir,
      name = earlier.stem_name(entry), source = entry.source } })
end

local PAID = { submitted = true, fetched = true }

-- Looks at a long journal that cost less than to keep all of it.
local MOST_LOOKS = 8

-- The entries of files of a size, or of a URL.  A doubt is about a piece; a
-- task may be that of a URL's file, of which none was noted.
local function candidates(self, known)
  local field = known.url and "url"
    or self.states == PAID and "size" or "piece"
  local key = known[field]
  self.looks = self.looks + 1
  if not self.is_each and self.looks <= MOST_LOOKS then
    return lines.about(self.client.journal, field, key).by_key[key] or {}
  elseif not self.is_each then
    self.all:read()
  end
  return self.all.by_key[key] or {}
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
    or require("camb.hash").of_file(self.client, path)
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
  return self.states[entry.state]
    and (known.size or entry.state == "submitted")
end

-- The newest of the `list` that is paid for, or else may be: a task that came
-- later, wanted or not, has decided the doubt.
local function choose(self, list, known, path)
  local client, doubtful, is_decided = self.client, nil, false
  local service = client.base_url and api.service(client.base_url)
  for i = #list, 1, -1 do
    local entry = list[i]
    if (entry.task_id or earlier.is_doubtful(entry))
      and (not service or api.service(entry.base_url or "") == service)
      and is_same(self, entry, known, path)
      and not (self.is_each and entry.source ~= known.source)
    then
      if entry.task_id and is_to_be_taken(self, entry, known) then
        return entry
      elseif entry.task_id then
        is_decided = true
      elseif not is_decided and not doubtful
        and not sender.is_sending(entry.job)
      then
        entry.is_under_way = sender.is_at_work(entry)
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
  local noted = lines.about(client.journal, "task_id", entry.task_id).entries[1]
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
function earlier.finder(client, with_tasks, is_each)
  local self = { client = client, is_each = is_each,
    states = with_tasks and PAID or {}, looks = 0, sums = {}, summed = 0,
    all = lines.reader(client.journal) }
  if is_each and client.journal then
    self.all:read()
  end
  return function(path, in_stores)
    local known = client.journal and earlier.identity(path) or {}
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

return earlier
