--- What a report shows: a folder's pairs of stems, what the journal in it
--- knows, and the jobs of a store.

local core = require "camb.core"
local date = require "camb.date"
local Error = require "camb.error"
local files = require "camb.batch.files"
local journal = require "camb.journal"
local names = require "camb.batch.names"
local redact = require "camb.redact"
local source = require "camb.source"
local store = require "camb.store"

local items = {}

---@class camb.ReportItem
---@field name string
---@field state "done"|"failed"|"open"
---@field word string         # the state in a word or two
---@field events { [1]: number, [2]: string }[] # seconds since 1970, words
---@field time number?        # of the newest event
---@field source string?      # what was separated: a path, or a URL made bare
---@field mixture string?     # its path, if it is there
---@field foreground string?  # paths of the stems that are there
---@field background string?
---@field error string?
---@field kind string?        # of the error
---@field task string?
---@field run string?
---@field progress number?    # of what it is doing, 0 to 1
---@field folder false?       # the place of the stems is not shown

local STEMS = { "foreground", "background" }

-- By the state of a job in a store, or in a journal.
local STATES = {
  intended = { "open", "waiting to be sent" },
  submitting = { "open", "being sent" },
  submitted = { "open", "being separated" },
  finished = { "open", "separated, not downloaded" },
  downloaded = { "done", "done" },
  fetched = { "done", "done" },
  failed = { "failed", "failed" },
  refused = { "failed", "rejected" },
  unknown_outcome = { "failed", "outcome unknown" },
}

-- What happened when a job came to a state.
local HAPPENED = {
  submitting = "upload started",
  submitted = "accepted by the service",
  finished = "separated by the service",
  downloaded = "both stems complete",
  fetched = "both stems complete",
  failed = "failed",
  refused = "rejected by the service",
  unknown_outcome = "upload outcome unknown",
}

--- An item in a `state` of a store or a journal.
---@param name string
---@param state string
---@return camb.ReportItem
function items.new(name, state)
  local words = STATES[state] or { "open", state or "unknown" }
  return { name = name, state = words[1], word = words[2], events = {} }
end

local new = items.new

local function add_event(item, time, words)
  if time and words then
    item.events[#item.events + 1] = { time, words }
    item.time = math.max(item.time or 0, time)
  end
end

local function file_at(path)
  return path and core.stat(path) == "file" and path or nil
end

--- `item` is in `state`.
---@param item camb.ReportItem
---@param state string
function items.become(item, state)
  item.state, item.word = STATES[state][1], STATES[state][2]
end

--- `item` came to `state` at `time`.
---@param item camb.ReportItem
---@param time number
---@param state string
function items.note(item, time, state)
  add_event(item, time, HAPPENED[state])
end

--- `item` came to `state` now.
---@param item camb.ReportItem
---@param state string
function items.enter(item, state)
  items.become(item, state)
  items.note(item, core.time(), state)
end

--- Where the item's source is, and what it is called.
---@param item camb.ReportItem
---@param path string?
function items.set_source(item, path)
  if path then
    item.source = source.is_url(path) and redact.urls(path) or path
    item.mixture = not source.is_url(path) and file_at(path) or nil
  end
end

--- The stems that are at their place count, whatever was noted of them.
---@param item camb.ReportItem
---@param paths { foreground: string?, background: string? }
---@param may_lack any      # true: one that has no path was not asked for
function items.set_stems(item, paths, may_lack)
  local missing = {}
  for _, stem in ipairs(STEMS) do
    item[stem] = file_at(paths[stem])
    if not item[stem] and not (may_lack and not paths[stem]) then
      missing[#missing + 1] = paths[stem] or "the " .. stem
    end
  end
  if item.state == "done" and #missing > 0 then
    item.state, item.word = "failed", "stems missing"
    item.error = "missing: " .. table.concat(missing, ", ")
  end
end

-- "x" of "folder/x.foreground.flac".
local function base_of(path)
  return path:match("^(.*)%.foreground%.%w+$")
    or path:match("^(.*)%.background%.%w+$")
end

local function of_row(row)
  local name = row.name or source.stem_name({ path = row.source })
  local item = new(name, row.state)
  item.task, item.run = row.task_id, row.run_id and tostring(row.run_id)
  item.error, item.kind = row.error, row.error_kind
  items.set_source(item, row.source)
  items.set_stems(item, row, row.foreground or row.background)
  add_event(item, row.sent, HAPPENED.submitting)
  add_event(item, row.updated, HAPPENED[row.state])
  return item, base_of(row.foreground or ""), base_of(row.background or "")
end

-- Items with the places of their stems, to know a pair again.
local Found = {}
Found.__index = Found

-- `base` is that of the foreground, or of both.
function Found:add(item, base, of_background)
  local key = base and names.identity(base)
  local other = of_background and names.identity(of_background)
  if self.by_base[key or other or false] then
    return
  end
  self.by_base[key or false] = key and item
  self.by_base[other or false] = other and item
  self.list[#self.list + 1] = item
end

local function add_store(found, spec)
  local jobs, err = store.open(spec, { read_only = true })
  if not jobs then
    return err.is_empty, err
  end
  local ok, problem = pcall(function()
    for row in jobs:each() do
      found:add(of_row(row))
    end
  end)
  jobs:close()
  if not ok and not Error.is_error(problem) then
    error(problem, 0)
  end
  return ok, problem
end

-- Seconds since 1970 of "2026-11-28T23:00:00Z".
local function seconds_of(stamp)
  local year, month, day, hour, minute, second = (stamp or ""):match(
    "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)Z$")
  return year and date.seconds(year, month, day, hour, minute, second)
end

local function of_entry(entry)
  local base = entry.output_dir and entry.name
    and entry.output_dir .. "/" .. entry.name or nil
  local name = entry.name or entry.task_id or "an upload"
  local item = new(name, entry.state)
  item.task = entry.task_id
  items.set_source(item, entry.source)
  local paths = base and {
    foreground = core.existing(base .. ".foreground"),
    background = core.existing(base .. ".background") } or {}
  items.set_stems(item, paths, entry.only and paths[entry.only])
  for _, event in ipairs(entry.events) do
    add_event(item, seconds_of(event.time), HAPPENED[event.state])
  end
  return item, base
end

-- A pair whose stems are both there is done, whatever made it.
local function of_pair(base)
  local paths = { foreground = core.existing(base .. ".foreground"),
    background = core.existing(base .. ".background") }
  local item = new(base:match("[^/]*$"), "downloaded")
  items.set_stems(item, paths)
  return item, base
end

local function escape(path)
  return (path:gsub("[*?%[\\]", "\\%0"))
end

-- Of several jobs that made the same stems, the last counts.  Stems that were
-- downloaded and are not here may be anywhere.
local function add_journal(found, path)
  local entries = journal.entries(path)
  for i = #entries, 1, -1 do
    local item, base = of_entry(entries[i])
    if entries[i].state ~= "fetched" or item.foreground or item.background then
      found:add(item, base)
    end
  end
end

local function add_folder(found, folder)
  add_journal(found, folder .. "/.camb-journal")
  for _, stem in ipairs(STEMS) do
    for _, path in ipairs(files.find(escape(folder) .. "/**/*." .. stem
      .. ".*")) do
      local base = base_of(path)
      if base then
        found:add(of_pair(base))
      end
    end
  end
end

local function is_database(path)
  local file = io.open(path, "rb")
  local head = file and file:read(15)
  if file then
    file:close()
  end
  return head == "SQLite format 3"
end

-- "a/b" of "folder/a/b", if it is below the folder.
local function below(path, folder)
  path, folder = names.absolute(path), names.absolute(folder)
  return path:sub(1, #folder + 1) == folder .. "/" and path:sub(#folder + 2)
    or nil
end

-- Recordings below `folder` by what their stems are called: with the folders
-- that a batch mirrors, and if there is only one of the name, by it alone.
local function recordings(folder)
  local by_name = {}
  for _, path in ipairs((files.find(folder))) do
    local name = source.stem_name({ path = path })
    local parent = (below(path, folder) or ""):match("^.*/") or ""
    by_name[name] = by_name[name] == nil and path or false
    if parent ~= "" then
      by_name[parent .. name] = path
    end
  end
  return by_name
end

local function add_mixtures(list, place, folder)
  local by_name = recordings(folder)
  for _, item in ipairs(list) do
    local stem = not item.source and (item.foreground or item.background)
    local path = stem and (by_name[below(base_of(stem), place) or false]
      or by_name[item.name])
    if path then
      items.set_source(item, path)
    end
  end
end

--- What there is in `place`: a folder of stems, or a store.
---@param place string
---@param kept string # where a folder's own store is, if it has one
---@param mixtures string? # a folder of recordings, for pairs without a source
---@return camb.ReportItem[]? items
---@return camb.Error? err
function items.of(place, kept, mixtures)
  local found = setmetatable({ list = {}, by_base = {} }, Found)
  local kind = core.stat(place)
  local ok, err = true, nil
  if mixtures and core.stat(mixtures) ~= "folder" then
    return nil, Error.new({ kind = "file", path = mixtures,
      message = ('"%s" is not a folder'):format(mixtures) })
  end
  if store.is_url(place) or (kind == "file" and is_database(place)) then
    ok, err = add_store(found, place)
  elseif kind == "folder" then
    place = place:gsub("(.)/+$", "%1")
    if core.stat(kept) == "file" then
      ok, err = add_store(found, kept)
    end
    add_folder(found, place)
  else
    return nil, Error.new({ kind = "file", path = place,
      message = ('"%s" %s'):format(place, kind
        and "is neither a folder nor a store" or "does not exist") })
  end
  if ok and mixtures then
    add_mixtures(found.list, place, mixtures)
  end
  return ok and found.list, err
end

return items
