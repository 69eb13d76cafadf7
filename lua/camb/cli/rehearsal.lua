--- `--dry-run`: what would be sent, and what would not; nothing is sent.

local core = require "camb.core"
local download = require "camb.download"
local earlier = require "camb.journal.earlier"
local hash = require "camb.hash"
local keys = require "camb.cli.keys"
local layout = require "camb.layout"
local names = require "camb.batch.names"
local own_store = require "camb.cli.own_store"
local paid = require "camb.cli.paid"
local phases = require "camb.cli.phases"
local plan = require "camb.cli.plan"
local progress = require "camb.cli.progress"
local recordings = require "camb.batch.recordings"
local redact = require "camb.redact"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local status = require "camb.cli.status"
local store = require "camb.store"

local rehearsal = {}

-- By the state of a row: what a run would do with it.
local STATES = {
  intended = { "new" },
  submitting = { "failed", "a run was killed while sending it: "
    .. "--resubmit-unknown sends it again" },
  submitted = { "resumes" },
  finished = { "resumes" },
  downloaded = { "done" },
  failed = { "failed", "it failed before: camb batch --retry-failed" },
  unknown_outcome = { "failed", "its outcome is unknown: "
    .. "--resubmit-unknown sends it again" },
}

local UNDER_WAY = { "resumes", "another worker is sending it" }

-- Files are read here without letting anything else run.
local NO_CLIENT = {}

local CHUNK, PAGE = 100, 1000

-- Whether the run is asked to begin all jobs of this state again.
local function is_retried(arguments, state)
  if state == "failed" then
    return arguments.retry_failed
  end
  return (state == "submitting" or state == "unknown_outcome")
    and (arguments.resubmit_unknown or arguments.sandbox)
end

-- The kinds of errors after which nothing comes of a task.
local OVER = { task_failed = true, task_timeout = true }

-- In the order in which a run takes them from its store.
local ORDER = { "finished", "submitted", "submitting", "intended", "failed",
  "unknown_outcome" }

-- Add what a run takes up of its store besides its sources.
local function add_waiting(jobs, arguments, entries, rows)
  local is_known = {}
  for _, row in pairs(rows) do
    is_known[row.key] = true
  end
  local function add(row)
    if not is_known[row.key] then
      local origin = { path = row.source }
      rows[row.key] = row
      entries[#entries + 1] = { key = row.key, path = row.source,
        label = source.label(origin), origin = origin, name = row.name,
        folder = row.output_dir }
    end
  end
  for _, state in ipairs(arguments.add_only and {} or ORDER) do
    if STATES[state][1] ~= "failed" or is_retried(arguments, state) then
      for row in jobs:each({ state = state, limit = PAGE }) do
        add(row)
      end
    end
  end
end

local function is_under_way(jobs, row)
  return row.state == "submitting" and row.owner
    and own_store.owners(jobs)[row.owner]
end

-- What a store knows, by the key of a source, and the store, if there is one;
-- its other jobs become entries.
local function rows_of(arguments, entries)
  local rows = {}
  if not arguments.store or not store.is_url(arguments.store)
    and not core.stat(arguments.store)
  then
    return rows
  end
  local jobs, err = store.open(arguments.store, { read_only = true,
    base_url = not arguments.sandbox and keys.base_url(arguments) or nil })
  for first = 1, jobs and #entries or 0, CHUNK do
    local wanted = {}
    for i = first, math.min(first + CHUNK - 1, #entries) do
      wanted[#wanted + 1] = entries[i].key
    end
    local found
    found, err = recordings.latest(jobs, wanted)
    for key, row in pairs(found or {}) do
      rows[key] = row
    end
  end
  if jobs then
    local ok, problem = pcall(add_waiting, jobs, arguments, entries, rows)
    err = err or not ok and problem or nil
  end
  if jobs and err then
    jobs:close()
  end
  if err and not err.is_empty then
    return nil, err
  end
  return rows, jobs
end

-- What earlier runs have paid for in the folder, at the service of this one.
local function finder(arguments)
  local client, err = { base_url = keys.base_url(arguments) }, nil
  client.journal = not arguments.sandbox
    and paid.journal(arguments.output_dir) or nil
  if client.journal then
    client.recall, err = own_store.finder(arguments, client.base_url)
  end
  return not err and earlier.finder(client, true), err
end

local function now_of(entry)
  local path = entry.path or entry.origin.path
  local kind, size, mtime, ctime = core.stat(path or "")
  return kind == "file" and { size = size, mtime = mtime, ctime = ctime,
    source = path } or {}
end

-- With a store, where a job has it.
local function absolute(arguments, folder)
  return folder and arguments.store and not source.is_s3(folder)
    and names.absolute(folder) or folder
end

-- Why it is not sent, and whether that is a file in the way; nil, and whether
-- its stems take the place of others.
local function refusal_of(arguments, entry)
  local origin = entry.origin
  local ok, problem = true, nil
  if not source.is_url(origin.path)
    and (not arguments.convert or source.is_accepted(origin))
  then
    ok, problem = source.prepare(origin, false)
  elseif not source.is_url(origin.path) and not core.stat(origin.path) then
    ok, problem = nil, { message = "it does not exist" }
  end
  local place = { output_dir = absolute(arguments, entry.folder),
    only = arguments.only,
    foreground_dir = absolute(arguments, arguments.foreground_dir),
    background_dir = absolute(arguments, arguments.background_dir),
    stem_name = arguments.stem_name, format = arguments.format,
    overwrite = arguments.overwrite }
  place.values = place.stem_name and layout.values(entry.name, origin.path)
  local obstacle = download.obstacle(place, entry.name, origin.path)
  local row = entry.earlier
  local too_long = download.length_problem(place, entry.name)
  if not ok or too_long then
    return too_long or problem.message
  elseif obstacle and not (row and row.state == "downloaded"
    and recordings.are_own(NO_CLIENT, row, place, entry.name))
  then
    return obstacle.message, obstacle.exists
  end
  for _, stem in ipairs(download.stems(place)) do
    if core.existing(download.base(place, entry.name, stem)) then
      return nil, true
    end
  end
end

-- What a run does with a file whose content its store has of another one; where
-- a file is in the way, only one that is paid for is of use.
local function copy_in_store(arguments, entry, known, is_paid)
  local jobs, now, row = known.jobs, now_of(entry), entry.earlier
  known.sizes = known.sizes or jobs and assert(jobs:sizes())
  local sum = jobs and now.size and known.sizes[now.size]
    and hash.of_file(NO_CLIENT, now.source)
  local same = sum and jobs:find_content(sum, sources.sent_text(entry,
    arguments) or "", row and row.state ~= "failed" and now or nil)
  if not same or is_paid and not same.task_id then
    return nil
  elseif same.task_id then
    return "resumes", "task " .. same.task_id
  end
  local words = is_under_way(jobs, same) and UNDER_WAY or STATES[same.state]
  return words[1], words[2]
end

-- The first of the files that would be sent with the content of `entry`.
local function copy_in_run(entry, known, planned)
  local now = now_of(entry)
  if entry.earlier or not now.size then
    return nil
  end
  local others = known.new[now.size] or {}
  local one = { path = now.source, planned = planned }
  for _, other in ipairs(others) do
    one.sum = one.sum or hash.of_file(NO_CLIENT, one.path)
    other.sum = other.sum or hash.of_file(NO_CLIENT, other.path)
    if one.sum and one.sum == other.sum then
      return other.planned
    end
  end
  others[#others + 1], known.new[now.size] = one, others
end

local function real(folder)
  return core.real_path(folder) or names.absolute(folder)
end

-- A job of a store keeps the place that its stems were to have at first;
-- where that is, unless the command line says so, too.
local function keep_place(entry, row)
  local folder = names.absolute(entry.folder)
  entry.folder, entry.name = row.output_dir, row.name
  return real(folder) ~= real(row.output_dir) and ("its stems go to %s, as its "
    .. "job was made for that folder"):format(row.output_dir) or nil
end

-- Whether what is in the way of `entry` may be the stems of the task `own`; of
-- one that camb submit has sent, no place is noted.
local function has_place(own, entry)
  return entry.takes_name or not own.name or own.name == entry.name
    and real(own.output_dir or "") == real(entry.folder)
end

-- What a run does with the recording of `row`, as in STATES.
local function words_of(arguments, row, jobs)
  if is_under_way(jobs, row) then
    return UNDER_WAY
  elseif recordings.is_free(arguments, row)
    or is_retried(arguments, row.state)
  then
    return row.task_id and not OVER[row.error_kind] and STATES.submitted
      or STATES.intended
  elseif row.state == "downloaded"
    and not select(2, recordings.kept(arguments, row))
  then
    return STATES.finished
  end
  return STATES[row.state] or { "failed", "its row is damaged" }
end

local function state_of(arguments, entry, known)
  if entry.problem then
    return "refused", entry.problem.message
  end
  local row, elsewhere = known.rows[entry.key or false], nil
  if row and recordings.is_same(NO_CLIENT, row, now_of(entry)) then
    local words = words_of(arguments, row, known.jobs)
    elsewhere = keep_place(entry, row)
    if words[1] ~= "new" then
      local reason = words[2] or row.task_id and "task " .. row.task_id
      return words[1], words[1] == "resumes" and reason and elsewhere
        and reason .. "; " .. elsewhere or reason
    end
  elseif row and row.state ~= "failed" and row.state ~= "intended" then
    entry.earlier = row
  end
  local own = known.find(entry.origin.path)
  if own and not own.is_under_way and is_retried(arguments, own.state) then
    own = nil
  end
  local refusal, replaces = refusal_of(arguments, entry)
  local state, reason
  if not own and (not refusal or replaces) then
    state, reason = copy_in_store(arguments, entry, known, refusal ~= nil)
  end
  if not own and (not refusal or state) then
    return state or "new", reason or elsewhere or replaces
      and "its stems replace those that are there" or nil
  elseif not own or refusal and (arguments.store and not own.task_id
    or own.task_id and not has_place(own, entry))
  then
    return "refused", refusal
  elseif own.is_under_way then
    return "failed", "another run is sending it"
  elseif not own.task_id then
    return "failed", STATES[own.state][2]
  end
  return own.state == "fetched" and refusal and "done" or "resumes",
    "task " .. own.task_id
end

local function probe_of(entry)
  local found, audio = pcall(require, "camb.audio")
  local path = entry.origin and entry.origin.path
  if not found or not path or source.is_url(path) then
    return {}
  end
  local probed, err = audio.probe(path)
  return probed or {}, err
end

local CHANNELS = { "mono", "stereo" }

local function line_of(planned)
  return ("%-8s %8s %10s  %-6s %-15s %s\n"):format(planned.state,
    planned.duration and phases.clock(planned.duration) or "",
    planned.rate and ("%g kHz"):format(planned.rate / 1000) or "",
    planned.channels and (CHANNELS[planned.channels] or planned.channels
      .. " ch") or "", planned.codec or "", planned.reason
    and progress.about(planned.source, planned.reason) or planned.source)
end

-- Beyond a limit, in the order of the command line.  Of files with the same
-- content only the `first` is sent.
local function limit(arguments, planned, sum, first)
  local seconds = planned.duration or 0
  if planned.state ~= "new" then
    return
  elseif sum.is_spent
    or arguments.max_jobs and sum.new + 1 > arguments.max_jobs
    or arguments.max_minutes
    and sum.seconds + seconds > 60 * arguments.max_minutes
  then
    sum.is_spent, planned.state, planned.reason = true, "remains", nil
    return
  elseif first then
    planned.state, planned.reason = "resumes", "its content is that of "
      .. first.source
    return
  end
  sum.new, sum.seconds = sum.new + 1, sum.seconds + seconds
end

local function show(arguments, found, entries, known)
  local report = progress.new(#entries, arguments)
  local sum = { new = 0, seconds = 0, all = 0 }
  for _, entry in ipairs(entries) do
    local probed, problem = probe_of(entry)
    local state, reason = state_of(arguments, entry, known)
    if state == "new" and problem then
      state, reason = "refused", problem.message
    end
    local planned = { name = "planned", time = core.time(),
      source = redact.visible(entry.label), state = state,
      reason = reason and redact.visible(reason), duration = probed.duration,
      rate = probed.rate, channels = probed.channels, codec = probed.codec }
    limit(arguments, planned, sum, state == "new"
      and copy_in_run(entry, known, planned))
    sum.all = sum.all + (probed.duration or 0)
    report:record(planned)
    if not arguments.json then
      report:print(line_of(planned))
    end
  end
  plan.tell_left_out(found, report)
  if not arguments.json then
    report:print(("%d file%s, %s in total; %d would be sent, %s\n"):format(
      #entries, #entries == 1 and "" or "s", phases.clock(sum.all), sum.new,
      phases.clock(sum.seconds)))
  end
  return report:status()
end

--- Show it.
---@param arguments table
---@param found camb.Plan
---@return integer? status
---@return camb.Error? err
function rehearsal.run(arguments, found)
  local problem = progress.open_log(arguments)
  if problem then
    return nil, problem
  end
  if not pcall(require, "camb.audio") then
    if arguments.max_minutes then
      return nil, "--max-minutes needs the rock camb-sandbox"
    end
    io.stderr:write("camb: durations need the rock camb-sandbox\n")
  end
  local ok, entries = pcall(plan.entries, arguments, found)
  if not ok then
    return nil, entries
  end
  local rows, jobs = rows_of(arguments, entries)
  if not rows then
    return nil, jobs
  end
  local is_shown, number
  local find, err = finder(arguments)
  if find then
    is_shown, number = pcall(show, arguments, found, entries, { rows = rows,
      jobs = jobs, find = find, new = {} })
  end
  if jobs then
    jobs:close()
  end
  if not find then
    return nil, err
  elseif not is_shown then
    return nil, number
  end
  for _, missing in ipairs(found.problems) do
    io.stderr:write("camb: ", redact.visible(missing.message), "\n")
    number = status.FILE
  end
  return number
end

return rehearsal
