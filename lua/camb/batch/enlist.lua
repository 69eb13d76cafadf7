--- The sources of a batch become rows of its store: a list at once, what an
--- iterator gives as it is needed.  Those that have ended before are reported.

local advice = require "camb.advice"
local core = require "camb.core"
local failure = require "camb.failure"
local job = require "camb.batch.job"
local names = require "camb.batch.names"
local recordings = require "camb.batch.recordings"
local scheduler = require "camb.async.scheduler"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local store = require "camb.store"

local enlist = {}

local CHUNK = 100
-- Seconds between two looks at sources that had none to give.
local IDLE = 0.2

-- A job that is new, as the store takes it.
local function new_row(run, entry)
  local path = entry.path
  local kind, size, mtime, ctime
  if not source.is_url(path) then
    kind, size, mtime, ctime = core.stat(path)
  end
  local is_file = kind == "file"
  return {
    key = entry.key,
    source = path,
    name = entry.name,
    output_dir = source.is_s3(entry.folder) and entry.folder
      or names.absolute(entry.folder),
    options = sources.sent_text(entry, run.options),
    size = is_file and size or nil,
    mtime = is_file and mtime or nil,
    ctime = is_file and ctime or nil,
    priority = run.options.priority,
  }
end

-- A source that cannot become a job is still an item.
local function refuse(run, entry, err)
  if run.places:acquire() then
    run:push({ index = entry.index, source = entry.label, error = err })
  end
end

local function expect(ledger, key, entry)
  ledger.known[key] = entry.index
  ledger.labels[key] = entry.label ~= key and entry.label or nil
end

-- The next rows, and whether more may follow although there are none now.
local function chunk_of(run, ledger)
  local rows, entries = {}, {}
  while #rows < CHUNK and not run.closed do
    local entry = run:next_entry()
    if not entry then
      return rows, entries, entry == false
    end
    if entry.key and ledger.known[entry.key] then
      entry.problem = { kind = "file", path = entry.label,
        message = ('"%s" is in the batch twice, and its first job is under '
          .. "way: %s"):format(
          entry.label, advice.on("names")) }
    end
    local row = not entry.problem and new_row(run, entry)
    local err = row and ledger.store:problem(row)
      or not row and failure.make(entry.problem)
    if err then
      refuse(run, entry, err)
    else
      rows[#rows + 1], entries[#rows + 1] = row, entry
      expect(ledger, entry.key, entry)
    end
  end
  return rows, entries
end

local function skip(run, ledger, row, kept)
  if not run.places:acquire() then
    return
  end
  local index, label = ledger:recognize(row)
  run:push({
    index = index,
    job = tonumber(row.id),
    source = label,
    stems = kept,
    error = row.state ~= "downloaded" and store.error_of(row) or nil,
    task_id = row.task_id,
    run_id = row.run_id,
    skipped = true,
  })
end

local ENDED = { failed = true, unknown_outcome = true }

local function report(run, ledger, row)
  local options = run.options
  if ENDED[row.state] and row.owner == nil then
    skip(run, ledger, row)
  elseif row.state == "downloaded" then
    local place = job.new(run, { name = row.name, output_dir = row.output_dir,
      origin = { path = row.source } }):place()
    local kept, is_all = recordings.kept(options, row, run.client, place)
    if is_all then
      local stems = { task_id = row.task_id, run_id = row.run_id }
      recordings.complete(options, stems, kept)
      skip(run, ledger, row, stems)
    else -- it is paid for: only the stems are fetched
      row.state = "finished"
      ledger:revive(row, kept, recordings.convertible(options, row, kept,
        place))
    end
  end
end

-- Retry those of `rows` that failed and cost nothing; they are claimed then.
local function retry_free(run, ledger, rows)
  local keys = {}
  for key, row in pairs(rows) do
    if ledger.known[key] and recordings.is_free(run.options, row) then
      keys[#keys + 1], rows[key] = key, nil
    end
  end
  if #keys > 0 then
    ledger:ask(function(jobs)
      local ok, err = jobs:retry_free(keys)
      for i = 1, ok and run.options.convert and #keys or 0 do
        ok, err = jobs:retry_unpaid(keys[i])
      end
      return ok, err
    end)
    ledger.has_new = true
  end
end

-- A job that had ended and is unchanged is not repeated.
local function report_ended(run, ledger, keys)
  local rows = #keys > 0 and not run.options.add_only
    and ledger:ask(function(jobs)
    return jobs:get_all(keys)
  end) or {}
  retry_free(run, ledger, rows)
  for _, key in ipairs(keys) do
    if run.closed then
      return
    elseif rows[key] and ledger.known[key] then -- not claimed meanwhile
      report(run, ledger, rows[key])
    end
  end
end

-- Add `rows`: how many are new, and what was known before of the others.
local function add(ledger, rows)
  return ledger:ask(function(jobs)
    local added, err = jobs:add(rows)
    local latest
    if added and added < #rows then
      local keys = {}
      for i, row in ipairs(rows) do
        keys[i] = row.key
      end
      latest, err = recordings.latest(jobs, keys)
    end
    if err then
      return nil, err
    end
    return { count = added, latest = latest or {} }
  end)
end

-- Find the job of the file that `now` describes; false if the store fails.
local function identify(run, ledger, row, now, entry)
  local base = now.key
  local key, is_changed = recordings.find(run, ledger, row, now)
  if key and key ~= base and ledger.known[base] == entry.index then
    ledger.known[base], ledger.labels[base] = nil, nil
    expect(ledger, key, entry)
  end
  if key then
    ledger.changed[key] = is_changed or nil
  end
  return key
end

local function real(folder)
  return core.real_path(folder) or folder
end

-- A job keeps the folder of its stems, whatever this run wants: say so, once.
local function tell_place(run, row, now, entry)
  if run.has_told_place or row.output_dir == now.output_dir
    or real(row.output_dir) == real(now.output_dir)
    or row.state == "downloaded"
    and core.stat(row.foreground or row.background or "") ~= nil
  then
    return
  end
  run.has_told_place = true
  local known = job.new(run, { source = entry.label })
  known:emit("warning", { message = known:clean(("stems of files that the "
    .. "store knows go to the folders that their jobs were made for: those of "
    .. "%s to %s"):format(entry.label, row.output_dir)) })
end

-- Add the next sources; the keys of those that may have been there before, nil
-- at the end.
local function add_some(run, ledger)
  local rows, entries, is_idle = chunk_of(run, ledger)
  if #rows == 0 and is_idle then
    scheduler.sleep_for(run.client, IDLE)
    return not run.closed and {} or nil
  end
  local added = #rows > 0 and add(ledger, rows)
  if not added or run.closed then
    return nil
  end
  ledger.has_new, ledger.added = true, ledger.added + added.count
  local keys = {}
  for i = 1, #rows do
    local row = added.latest[rows[i].key]
    local key = row and identify(run, ledger, row, rows[i], entries[i])
    if row and (not key or run.closed) then
      return nil
    end
    if key and key == row.key then
      tell_place(run, row, rows[i], entries[i])
    end
    keys[#keys + 1] = key or nil
  end
  if #keys > 0 and run.options.has_priority then
    ledger.moved = ledger.moved + (ledger:ask(function(jobs)
      return jobs:prioritize(keys, run.options.priority)
    end) or 0)
  end
  return keys
end

-- A list is known at once, and each of its jobs has its index then.
local function add_list(run, ledger)
  local chunks = {}
  local keys = add_some(run, ledger)
  while keys do
    chunks[#chunks + 1] = keys
    scheduler.sleep_for(run.client, 0)
    keys = not run.closed and add_some(run, ledger) or nil
  end
  ledger:open_claims()
  for _, chunk in ipairs(chunks) do
    report_ended(run, ledger, chunk)
  end
end

local function add_as_needed(run, ledger)
  local keys = add_some(run, ledger)
  ledger:open_claims()
  while keys and not run.closed do
    report_ended(run, ledger, keys)
    while not ledger.is_hungry do
      if not run.room:wait() or run.closed then
        return
      end
    end
    ledger.is_hungry = false
    keys = add_some(run, ledger)
    run.room:notify()
  end
end

--- The body of a coroutine: take all sources into the store.
function enlist.run(run, ledger)
  if run.sources.is_list then
    add_list(run, ledger)
  else
    add_as_needed(run, ledger)
  end
  ledger.is_enlisted = true
  run.room:notify()
end

return enlist
