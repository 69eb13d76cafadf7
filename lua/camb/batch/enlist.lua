--- The sources of a batch become rows of its store: a list at once, what an
--- iterator gives as it is needed.  Those that have ended before are reported.

local core = require "camb.core"
local scheduler = require "camb.scheduler"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local store = require "camb.store"

local enlist = {}

local CHUNK = 100

-- A job that is new, as the store takes it.
local function new_row(run, entry)
  local path = entry.checked.path
  local kind, size, mtime
  if not source.is_url(path) then
    kind, size, mtime = core.stat(path)
  end
  return {
    key = entry.key,
    source = path,
    name = entry.name,
    output_dir = entry.folder,
    options = sources.sent_text(entry, run.options),
    size = kind == "file" and size or nil,
    mtime = kind == "file" and mtime or nil,
  }
end

local function chunk_of(run, journal)
  local rows = {}
  while #rows < CHUNK do
    local entry = run:next_entry()
    if not entry then
      break
    end
    rows[#rows + 1] = new_row(run, entry)
    journal.known[entry.key] = entry.index
  end
  return rows
end

local function is_there(path, size)
  local kind, found = core.stat(path)
  return kind == "file" and (size == nil or found == size)
end

-- A stem that somebody has edited is theirs now, unless they said otherwise.
local function are_there(run, row)
  local overwrite = run.options.overwrite
  return is_there(row.foreground, overwrite and row.foreground_size or nil)
    and is_there(row.background, overwrite and row.background_size or nil)
end

-- A place among the items, where whoever iterates may be slow.
local function take_place(run)
  while run.held >= run.options.concurrency do
    if not run.room:wait() or run.closed then
      return false
    end
  end
  run.held = run.held + 1
  return true
end

local function skip(run, journal, row)
  if not take_place(run) then
    return
  end
  local index = journal.known[row.key]
  journal.known[row.key] = nil
  run:push({
    index = index,
    source = source.label({ path = row.source }),
    stems = row.state == "downloaded" and { foreground = row.foreground,
      foreground_sha256 = row.foreground_sha256, background = row.background,
      background_sha256 = row.background_sha256, task_id = row.task_id,
      run_id = row.run_id } or nil,
    error = row.state ~= "downloaded" and store.error_of(row) or nil,
    task_id = row.task_id,
    run_id = row.run_id,
    skipped = true,
  })
end

local ENDED = { failed = true, unknown_outcome = true }

-- What had ended before and is as it was is not done again.
local function report_ended(run, journal, keys)
  for _, key in ipairs(keys) do
    local row = journal.known[key] and journal:ask(function(jobs)
      return jobs:get(key) or false
    end)
    if run.closed then
      return
    elseif row and journal.known[key] then -- not claimed by us meanwhile
      if row.state == "downloaded" and not are_there(run, row) then
        row.state = "finished" -- it is paid for: only the stems are fetched
        journal:revive(row)
      elseif row.state == "downloaded"
        or ENDED[row.state] and row.owner == nil
      then
        skip(run, journal, row)
      end
    end
  end
end

-- Add the next sources; the keys of those that may have been there before, nil
-- at the end.
local function add_some(run, journal)
  local rows = chunk_of(run, journal)
  if #rows == 0 then
    return nil
  end
  local added = journal:ask(function(jobs)
    return jobs:add(rows)
  end)
  if not added or run.closed then
    return nil
  end
  journal.has_new = true
  local keys = {}
  for i = 1, added < #rows and #rows or 0 do
    keys[i] = rows[i].key
  end
  return keys
end

-- A list is known at once, and each of its jobs has its index then.
local function add_list(run, journal)
  local chunks = {}
  local keys = add_some(run, journal)
  while keys do
    chunks[#chunks + 1] = keys
    scheduler.sleep_for(run.client, 0)
    keys = not run.closed and add_some(run, journal) or nil
  end
  journal:open_claims()
  for _, chunk in ipairs(chunks) do
    report_ended(run, journal, chunk)
  end
end

local function add_as_needed(run, journal)
  local keys = add_some(run, journal)
  journal:open_claims()
  while keys and not run.closed do
    report_ended(run, journal, keys)
    while not journal.is_hungry do
      if not run.room:wait() or run.closed then
        return
      end
    end
    journal.is_hungry = false
    keys = add_some(run, journal)
    run.room:notify()
  end
end

--- The body of a coroutine: take all sources into the store.
function enlist.run(run, journal)
  if run.sources.is_list then
    add_list(run, journal)
  else
    add_as_needed(run, journal)
  end
  journal.is_enlisted = true
  run.room:notify()
end

return enlist
