--- What is going to be separated: the sources that the command line names, and
--- what is left out of them.

local appearing = require "camb.cli.folder"
local audio = require "camb.batch.audio"
local core = require "camb.core"
local cure = require "camb.cli.cure"
local Error = require "camb.error"
local names = require "camb.batch.names"
local recordings = require "camb.batch.recordings"
local redact = require "camb.redact"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local store = require "camb.store"
local temporary = require "camb.temporary"
local need = Error.need

local plan = {}

---@class camb.Plan
---@field list table[]|function # as client:batch takes them
---@field base string?     # the folder that they are all below of
---@field problems table[] # of words that stand for nothing
---@field left_out table[] # of sources.left_out; those that camb wrote have no
---  reason
---@field temporary string? # holds what came on standard input

local PIECE = 65536

-- Standard input in a file, as its size has to be known before it is sent.  A
-- signal leaves none of it behind.
local function save_input()
  core.catch_signals()
  local path, problem = audio.private_file()
  local file
  if path then
    path = path .. ".part"
    file, problem = io.open(path, "wb")
  end
  if not file then
    return nil, Error.new({ kind = "file",
      message = "standard input cannot be kept: " .. problem })
  end
  local piece, ok = io.stdin:read(PIECE), true
  while piece and ok and not core.caught_signal() do
    ok, problem = file:write(piece)
    piece = io.stdin:read(PIECE)
  end
  local is_closed = file:close()
  if core.caught_signal() then
    os.remove(path)
    return nil, Error.new({ kind = "cancelled",
      message = "interrupted by " .. core.caught_signal() })
  elseif not is_closed or not ok then
    os.remove(path)
    return nil, Error.new({ kind = "file", path = path,
      message = "standard input cannot be kept: "
        .. temporary.explain(problem or "disk full") })
  end
  return path
end

local function split_words(words)
  local others, has_input = {}, false
  for _, word in ipairs(words) do
    if word == "-" then
      has_input = true
    else
      others[#others + 1] = word
    end
  end
  return others, has_input
end

-- Each file once.
local function each_once(list, left_out)
  local seen, paths = {}, {}
  for _, path in ipairs(list) do
    local key = source.is_url(path) and path or names.identity(path)
    if seen[key] then
      left_out[#left_out + 1] = { path = path, reason = seen[key] == path
        and "is named twice" or "is the same file as " .. seen[key] }
    else
      seen[key] = path
      paths[#paths + 1] = path
    end
  end
  return paths
end

-- All stems in one folder: two of one name get a number.
local function flat(paths, output_dir)
  local entries = {}
  for i, path in ipairs(paths) do
    entries[i] = source.name_problem(path) and path
      or { source = path, output_dir = output_dir }
  end
  return entries
end

--- The plan of the command line.
---@param arguments table
---@return camb.Plan? plan
---@return camb.Error|string? err
function plan.of(arguments)
  if arguments.command == "watch" and not arguments.dry_run then
    local left_out = {}
    return { list = appearing.watch(arguments.folder, arguments, left_out),
      base = arguments.folder, problems = {}, left_out = left_out }
  end
  local is_flat = arguments.command == "separate"
  local words, has_input = split_words(arguments.source)
  for _, word in ipairs(words) do
    if word == "" then
      return nil, "the source is empty"
    end
  end
  if has_input and not is_flat then
    return nil, Error.new({ kind = "source", message = "a batch does not read "
      .. "standard input: use camb separate -" })
  end
  local found = {}
  found.list, found.base, found.problems, found.left_out =
    sources.expand(words, arguments)
  found.list = each_once(found.list, found.left_out)
  if is_flat then
    found.list = flat(found.list, arguments.output_dir)
  end
  if has_input then
    local err
    found.temporary, err = save_input()
    if not found.temporary then
      return nil, err
    end
    table.insert(found.list, { name = "stdin",
      output_dir = arguments.output_dir,
      source = { path = found.temporary, filename = "stdin",
        label = "standard input" } })
  end
  return found
end

--- The entries of its sources, as a batch makes them.
---@param arguments table
---@param found camb.Plan # whose list is none that is awaited
---@return camb.BatchEntry[]
function plan.entries(arguments, found)
  local given = sources.new(found.list, { base_dir = found.base ~= ""
    and found.base or nil, output_dir = arguments.output_dir:gsub("(.)/+$",
    "%1"), store = arguments.store, stem_name = arguments.stem_name }, 2)
  local entries = {}
  for i = 1, #found.list do
    local _, entry = given:next()
    entries[i] = entry
  end
  return entries
end

local WAITS = { intended = true, submitted = true, finished = true }

-- How many of `jobs` a run takes up besides its sources.
local function count_waiting(jobs, arguments, found)
  local waiting, keys = 0, {}
  for state, count in pairs(need(jobs:count())) do
    waiting = waiting + (WAITS[state] and count or 0)
  end
  for _, entry in ipairs(waiting > 0 and plan.entries(arguments, found) or {})
  do
    keys[#keys + 1] = entry.key
  end
  for _, row in pairs(need(recordings.latest(jobs, keys))) do
    waiting = waiting - (WAITS[row.state] and 1 or 0)
  end
  return waiting
end

--- Say which files of earlier batches a run takes up of its store.
---@param arguments table
---@param found camb.Plan
function plan.say_waiting(arguments, found)
  local place = arguments.store
  local jobs = place and #arguments.source > 0 and type(found.list) == "table"
    and not (arguments.add_only or arguments.quiet or arguments.json)
    and (store.is_url(place) or core.stat(place))
    and store.open(place, { read_only = true, store_timeout = 0 })
  if not jobs then
    return
  end
  local ok, count = pcall(count_waiting, jobs, arguments, found)
  jobs:close()
  if ok and count > 0 then -- else the run tells what is wrong
    io.stderr:write(("camb: also resumes %d file%s of earlier batches; to drop "
      .. "one, run: "):format(count, count == 1 and "" or "s"),
      cure.jobs_line(nil, "--forget"), "\n")
  end
end

--- Remove what it made.
---@param found camb.Plan
function plan.clear(found)
  if found.temporary then
    os.remove(found.temporary)
  end
end

-- Nothing for none.
local function say_skipped(report, count, one, many)
  if count > 0 then
    report:say("skipped %d %s", count, count == 1 and one or many)
  end
end

--- Report what is left out, and why; each file once.
---@param found camb.Plan
---@param report camb.Progress
function plan.tell_left_out(found, report)
  local own, unnamed, hidden = 0, 0, 0
  for i, file in ipairs(found.left_out) do
    found.left_out[i] = nil
    if file.is_own then
      own = own + 1
    else
      report.left_out = report.left_out + 1
      report:record({ name = "left_out", time = core.time(),
        source = redact.urls(file.path), reason = file.reason })
    end
    if file.is_unnamed then
      unnamed = unnamed + 1
    elseif file.is_hidden then
      hidden = hidden + 1
    elseif not file.is_own then
      report:say("%s %s", redact.urls(file.path), file.reason)
    end
  end
  say_skipped(report, own, "file that camb wrote", "files that camb wrote")
  say_skipped(report, unnamed, "file that is not named like a recording",
    "files that are not named like recordings")
  say_skipped(report, hidden, "hidden file or folder",
    "hidden files or folders")
end

return plan
