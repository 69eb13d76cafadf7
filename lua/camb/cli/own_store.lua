--- The store that `camb batch` keeps by itself in the folder of the stems, so
--- that the same line resumes and nothing is paid twice.

local api = require "camb.api"
local connection = require "camb.store.connection"
local core = require "camb.core"
local download = require "camb.download"
local Error = require "camb.error"
local names = require "camb.batch.names"
local paid = require "camb.cli.paid"
local source = require "camb.source"
local store = require "camb.store"
local need = Error.need

local own_store = {}

-- A store belongs to one service: the sandbox has its own.
local NAME, SANDBOX_NAME = ".camb.db", ".camb-sandbox.db"
-- Has a line for each other store that --store named for stems in this folder.
local OTHERS = ".camb-stores"

local MISSING = "camb: this batch keeps no store, as LuaDBI for SQLite is "
  .. "missing (Debian: lua-dbi-sqlite3; LuaRocks: luadbi-sqlite3).  After an "
  .. "interruption the same line resumes what %s lists\n"

local function fail(kind, path, message)
  return Error.new({ kind = kind, path = path, message = message })
end

--- The store that a batch has kept in `folder`, for a look at it.
---@param folder string
---@return string path # also if there is none
function own_store.find(folder)
  local path = folder:gsub("(.)/+$", "%1") .. "/"
  local is_sandboxed = not core.stat(path .. NAME)
    and core.stat(path .. SANDBOX_NAME)
  return path .. (is_sandboxed and SANDBOX_NAME or NAME)
end

--- Set `arguments.store` if none is named and one is to be kept, or is there;
--- `arguments.has_own_store` tells so.
---@param arguments table # of the command
---@param needs_rows boolean # only what is in a store is asked for
---@return boolean? ok
---@return camb.Error|string? problem
function own_store.choose(arguments, needs_rows)
  local folder = arguments.output_dir:gsub("(.)/+$", "%1")
  local path = arguments.status and own_store.find(folder)
    or folder .. "/" .. (arguments.sandbox and SANDBOX_NAME or NAME)
  local is_there = core.stat(path) ~= nil
  if arguments.no_store then
    return not arguments.store or nil, "--no-store excludes --store"
  elseif arguments.store then
    return true
  elseif not connection.load("SQLite3") and is_there then
    return nil, fail("store", path, ("the store %s cannot be read without "
      .. "LuaDBI (Debian: lua-dbi-sqlite3; LuaRocks: luadbi-sqlite3): install "
      .. "it, or use --no-store to start without it"):format(path))
  elseif not connection.load("SQLite3") then
    io.stderr:write(MISSING:format(paid.journal(folder)))
    return true
  elseif not is_there and (needs_rows
    or #arguments.source == 0 and not arguments.page)
  then
    return true
  end
  arguments.store, arguments.new_store = path, not is_there and folder or nil
  arguments.has_own_store = true
  return true
end

-- By the state of a row, that of an entry in a journal.
local NOTED = { submitting = "submitting", unknown_outcome = "unknown_outcome",
  submitted = "submitted", finished = "submitted", failed = "submitted",
  downloaded = "fetched" }

local function in_folder(arguments, name)
  return arguments.output_dir:gsub("(.)/+$", "%1") .. "/" .. name
end

-- What a store is called in every folder, without its secrets.
local function address_of(spec)
  return store.is_url(spec) and (store.address(spec)) or names.identity(spec)
end

-- The lines of the folder's list, also as keys.
local function listed(arguments)
  local path, list = in_folder(arguments, OTHERS), {}
  for line in core.stat(path) == "file" and io.lines(path)
    or function() end
  do
    list[#list + 1], list[line] = line, true
  end
  return list
end

-- The stores that have paid for stems in the folder, but that of this run.
local function others(arguments)
  local used = arguments.store and address_of(arguments.store)
  local places, known = {}, listed(arguments)
  table.insert(known, 1, in_folder(arguments, NAME))
  for _, place in ipairs(known) do
    if address_of(place) ~= used
      and (store.is_url(place) or core.stat(place) == "file")
    then
      places[#places + 1] = place
    end
  end
  return places
end

local function open(arguments, place)
  local driver = store.is_url(place) and "PostgreSQL" or "SQLite3"
  local DBI, missing = connection.load(driver)
  local jobs, err
  if DBI then
    jobs, err = store.open(place, { read_only = true })
  end
  if jobs or arguments.no_store or err and err.is_empty then
    return jobs
  end
  local problem = fail("store", place, ("what was paid for in this folder is "
    .. "unknown (%s): mend that%s, or use another --output-dir (may be charged "
    .. "twice)"):format(err and err.message or missing,
    place == in_folder(arguments, NAME) and "" or (", or if that store is gone "
    .. 'for good, remove its line from "%s"'):format(
    in_folder(arguments, OTHERS))))
  problem.shell = "fixed"
  return nil, problem
end

--- The workers of a store that are alive.
---@param jobs camb.Store
---@return table<string, true>
function own_store.owners(jobs)
  local owners = {}
  for _, worker in ipairs(need(jobs:workers())) do
    owners[worker.owner] = true
  end
  return owners
end

-- What a store has of a file or a URL, as the entry of a journal.
local function entry_of(jobs, place, known, path)
  local row, err
  if known.sha256 then
    row, err = jobs:find_content(known.sha256)
  elseif known.url then
    row, err = jobs:find_sent(path)
  end
  if err then
    error(err, 0) -- nothing may be paid for
  end
  local state = row and NOTED[row.state]
  return state and (known.sha256 or row.state ~= "downloaded") and {
    row = { store = place, id = tonumber(row.id) }, owner = row.owner,
    state = state, task_id = row.task_id, name = row.name,
    is_under_way = not row.task_id and row.owner ~= nil
      and own_store.owners(jobs)[row.owner] or nil,
    output_dir = row.output_dir, sha256 = row.sha256 } or nil
end

-- What changes with a store that is a file.
local function mark_of(place)
  local path = not store.is_url(place) and (core.real_path(place) or place)
  local _, size, changed = core.stat(path or "")
  local _, log_size, log_changed = core.stat(path and path .. "-wal" or "")
  return table.concat({ tostring(size), tostring(changed), tostring(log_size),
    tostring(log_changed) }, " ")
end

-- Open anew what has changed: without a log, a store is read as one that never
-- does.  One that was removed is asked as it was.
local function open_others(arguments, base_url, asked)
  for _, place in ipairs(others(arguments)) do
    local known, mark = asked[place], mark_of(place)
    if not known or known.mark ~= mark then
      local jobs, err = open(arguments, place)
      if err then
        return nil, err
      elseif jobs and jobs:service() ~= api.service(base_url) then
        jobs:close()
        jobs = nil
      end
      if not known then
        known = { place = place }
        asked[place], asked[#asked + 1] = known, known
      elseif known.jobs then
        known.jobs:close()
      end
      known.mark, known.jobs = mark, jobs
    end
  end
  return true
end

--- What batches have paid for in the folder of the stems, with other stores
--- than that of this run, also with new ones: a function that finds the entry
--- of a file or a URL, as that of a journal, and raises what is wrong with a
--- store.
---@param arguments table # of the command
---@param base_url string
---@return (fun(known: table, path: string, add_sum: fun()):
---  camb.JournalEntry?)? recall # `add_sum` adds it to what is known of a file
---@return camb.Error? err
function own_store.finder(arguments, base_url)
  local asked = {}
  local ok, err = open_others(arguments, base_url, asked)
  return ok and function(known, path, add_sum)
    need(open_others(arguments, base_url, asked))
    local doubtful
    for _, one in ipairs(asked) do
      local entry
      if one.jobs then
        add_sum()
        entry = entry_of(one.jobs, one.place, known, path)
      end
      if entry and entry.task_id then
        return entry
      end
      doubtful = doubtful or entry
    end
    return doubtful
  end or nil, err
end

-- Can be opened; what cannot has paid for nothing, whatever it is called.
local function is_store(spec)
  local jobs = store.open(spec, { store_timeout = 0 })
  if jobs then
    jobs:close()
  end
  return jobs ~= nil
end

-- Let later runs without this store know what it has paid for.
local function note(arguments)
  local address = address_of(arguments.store)
  if arguments.sandbox or source.is_s3(arguments.output_dir)
    or address == address_of(in_folder(arguments, NAME))
    or listed(arguments)[address]
    or not is_store(arguments.store)
  then
    return
  end
  download.make_folders(arguments.output_dir)
  -- where it cannot be written, no stem can
  core.append(in_folder(arguments, OTHERS), address .. "\n")
end

--- Make the folder of a store that is new, or tell the folder of the stems of
--- one elsewhere; nothing is made if there is nothing to keep.
---@param arguments table # of the command
---@param found camb.Plan
---@return boolean? ok
---@return camb.Error? err
function own_store.prepare(arguments, found)
  local folder = arguments.new_store
  if type(found.list) == "table" and #found.list == 0 and not arguments.page
  then
    arguments.store = not folder and arguments.store or nil
    return true
  elseif not folder then
    if arguments.store then
      note(arguments)
    end
    return true
  end
  local ok, words = download.make_folders(folder)
  return ok, not ok and fail("file", folder, words) or nil
end

return own_store
