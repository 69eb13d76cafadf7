--- What a report tells of: a folder's pairs of stems, what the journal in it
--- knows, and the jobs of a store.

local core = require "camb.core"
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

-- The name of a store that a batch keeps in its folder.
local OWN_STORE = ".camb.db"
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

local function new(name, state)
  local words = STATES[state] or { "open", state or "unknown" }
  return { name = name, state = words[1], word = words[2], events = {} }
end

local function add_event(item, time, words)
  if time and words then
    item.events[#item.events + 1] = { time, words }
    item.time = math.max(item.time or 0, time)
  end
end

local function file_at(path)
  return path and core.stat(path) == "file" and path or nil
end

-- Where the item's source is, and what it is called.
local function set_source(item, path)
  if path then
    item.source = source.is_url(path) and redact.urls(path) or path
    item.mixture = not source.is_url(path) and file_at(path) or nil
  end
end

-- The stems that are at their place count, whatever was noted of them.
local function set_stems(item, paths)
  local missing = {}
  for _, stem in ipairs(STEMS) do
    item[stem] = file_at(paths[stem])
    if not item[stem] then
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
  set_source(item, row.source)
  set_stems(item, row)
  add_event(item, row.sent, HAPPENED.submitting)
  add_event(item, row.updated, HAPPENED[row.state])
  return item, row.foreground and base_of(row.foreground)
end

-- Items with the places of their stems, to know a pair again.
local Found = {}
Found.__index = Found

function Found:add(item, base)
  local key = base and names.identity(base)
  if key and self.by_base[key] then
    return
  elseif key then
    self.by_base[key] = item
  end
  self.list[#self.list + 1] = item
end

local function add_store(found, spec)
  local jobs, err = store.open(spec)
  if not jobs then
    return nil, err
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
  if not year then
    return nil
  end
  local y, m = tonumber(year), tonumber(month)
  if m <= 2 then -- years that begin in March end with the odd day
    y, m = y - 1, m + 12
  end
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100)
    + math.floor(y / 400) + math.floor((153 * (m - 3) + 2) / 5)
    + tonumber(day) - 719469
  return ((days * 24 + tonumber(hour)) * 60 + tonumber(minute)) * 60
    + tonumber(second)
end

local function of_entry(entry)
  local base = entry.output_dir and entry.name
    and entry.output_dir .. "/" .. entry.name or nil
  local name = entry.name or entry.task_id or "an upload"
  local item = new(name, entry.state)
  item.task = entry.task_id
  set_source(item, entry.source)
  set_stems(item, base and { foreground = core.existing(base .. ".foreground"),
    background = core.existing(base .. ".background") } or {})
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
  set_stems(item, paths)
  return item, base
end

local function escape(path)
  return (path:gsub("[*?%[\\]", "\\%0"))
end

local function add_folder(found, folder)
  for _, entry in ipairs(journal.entries(folder .. "/.camb-journal")) do
    found:add(of_entry(entry))
  end
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

-- "a/b" of "folder/a/b", where it is below the folder.
local function below(path, folder)
  path, folder = names.absolute(path), names.absolute(folder)
  return path:sub(1, #folder + 1) == folder .. "/" and path:sub(#folder + 2)
    or nil
end

-- Recordings below `folder` by what their stems are called: with the folders
-- that a batch mirrors, and where there is one of the name, by it alone.
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
      set_source(item, path)
    end
  end
end

--- What there is in `place`: a folder of stems, or a store.
---@param place string
---@param mixtures string? # a folder of recordings, for pairs without a source
---@return camb.ReportItem[]? items
---@return camb.Error? err
function items.of(place, mixtures)
  local found = setmetatable({ list = {}, by_base = {} }, Found)
  local kind = core.stat(place)
  local ok, err = true, nil
  if mixtures and core.stat(mixtures) ~= "folder" then
    return nil, Error.new({ kind = "file", path = mixtures,
      message = ('"%s" is no folder'):format(mixtures) })
  end
  if store.is_url(place) or (kind == "file" and is_database(place)) then
    ok, err = add_store(found, place)
  elseif kind == "folder" then
    place = place:gsub("(.)/+$", "%1")
    if core.stat(place .. "/" .. OWN_STORE) == "file" then
      ok, err = add_store(found, place .. "/" .. OWN_STORE)
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
