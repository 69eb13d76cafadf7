--- The store that `camb batch` keeps by itself in the folder of the stems, so
--- that the same line resumes and nothing is paid twice.

local connection = require "camb.store.connection"
local core = require "camb.core"
local download = require "camb.download"
local Error = require "camb.error"
local paid = require "camb.cli.paid"
local store = require "camb.store"

local own_store = {}

-- A store belongs to one service: the sandbox has its own.
local NAME, SANDBOX_NAME = ".camb.db", ".camb-sandbox.db"

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
local NOTED = { submitting = "submitting", unknown_outcome = "submitting",
  submitted = "submitted", finished = "submitted", failed = "submitted",
  downloaded = "fetched" }

--- What a batch has paid for in the folder of the stems, for a run that keeps
--- no store: a function that finds the entry of a file or a URL, as that of a
--- journal.  Nil if there is no store of the service, or it is not asked.
---@param arguments table # of the command
---@param base_url string? # nil: whatever it is
---@return (fun(known: table, path: string): camb.JournalEntry?)?
---@return camb.Error? err
function own_store.finder(arguments, base_url)
  local path = arguments.output_dir:gsub("(.)/+$", "%1") .. "/" .. NAME
  if core.stat(path) ~= "file" then
    return nil
  end
  local jobs, err
  if connection.load("SQLite3") then
    jobs, err = store.open(path, { read_only = true })
  end
  if not jobs then
    return nil, not arguments.no_store and fail("store", path, ("what was paid "
      .. "for in this folder is unknown (%s): use another --output-dir")
      :format(err and err.message or path .. " cannot be read without LuaDBI"))
      or nil
  elseif base_url and jobs:service() ~= base_url then
    jobs:close()
    return nil
  end
  return function(known, source)
    local row
    if known.sha256 then
      row = jobs:find_content(known.sha256)
    elseif known.url then
      row = jobs:get(source)
    end
    local state = row and NOTED[row.state]
    return state and (known.sha256 or row.state ~= "downloaded") and {
      job = row.key, state = state, task_id = row.task_id, name = row.name,
      output_dir = row.output_dir, sha256 = row.sha256 } or nil
  end
end

--- Make the folder of a store that is new; none is made if there is nothing to
--- keep in it.
---@param arguments table # of the command
---@param found camb.Plan
---@return boolean? ok
---@return camb.Error? err
function own_store.prepare(arguments, found)
  local folder = arguments.new_store
  if not folder then
    return true
  elseif type(found.list) == "table" and #found.list == 0
    and not arguments.page
  then
    arguments.store = nil
    return true
  end
  local ok, words = download.make_folders(folder)
  return ok, not ok and fail("file", folder, words) or nil
end

return own_store
