--- The store in a file of SQLite's, which several processes of one machine may
--- share.  A commit is on the disk when it returns (WAL, synchronous=FULL).

local core = require "camb.core"
local Error = require "camb.error"
local connection = require "camb.store.connection"

local sqlite = {}

-- SQLite's words that people should not have to know.  The others are passed
-- on as they are.
local SENTENCES = {
  ["database is locked"] = "is locked by another process",
  ["database or disk is full"] = "cannot grow: the disk is full",
  ["attempt to write a readonly database"] = "cannot be written: it is "
    .. "read-only",
  ["unable to open database file"] = "cannot be opened or created",
  ["file is not a database"] = "is not an SQLite database",
  ["database disk image is malformed"] = "is damaged; sqlite3's .recover may "
    .. "save what it holds",
}

local function failure_of(path, words)
  local is_locked = words:find("is locked", 1, true) ~= nil
  local sentence = is_locked and SENTENCES["database is locked"]
    or SENTENCES[words] or ("failed: " .. words)
  return Error.new({
    kind = is_locked and "store" or "file",
    message = ("the store %s %s"):format(path, sentence),
    path = path,
    retryable = is_locked,
  })
end

local LOG_BEGINS = "\55\127\6"

-- The log is empty or has its first bytes.  (The store itself must not be
-- opened here: closing it again would end this process's locks on it.)
local function is_log(path)
  local file = io.open(path, "rb")
  local head = file and (file:read(#LOG_BEGINS) or LOG_BEGINS)
  if file then
    file:close()
  end
  return head == LOG_BEGINS
end

-- What is at `path`, nil where that is no store; the log beside it is as much
-- of the store.
local function identity_of(path)
  local file, log = core.identity(path), core.identity(path .. "-wal")
  local _, size = core.stat(path)
  return file and log and size ~= 0 and is_log(path .. "-wal")
    and file .. "/" .. log or nil
end

local function removal_of(path)
  return Error.new({
    kind = "file",
    message = ("the store %s was removed or replaced while it was in use: "
      .. "nothing more is sent"):format(path),
    path = path,
    is_removed = true,
  })
end

local function dialect_of(path)
  local real, identity
  return {
    name = "sqlite",
    begin = "BEGIN IMMEDIATE",
    clock = "((julianday('now') - 2440587.5) * 86400.0)",
    identity = "INTEGER PRIMARY KEY",
    times = "mtime, ctime, sent, updated",
    skip_locked = "",
    has_table = "SELECT name FROM sqlite_master WHERE name = ?",
    bind = function(...)
      return ...
    end,
    failure = function(words)
      return failure_of(path, words)
    end,
    -- By its absolute path: a host may change its folder.
    removed = function()
      real = real or core.real_path(path)
      local found = real and identity_of(real)
      identity = identity or found
      return (not found or found ~= identity) and removal_of(path) or nil
    end,
  }
end

-- SQLite says the same of every path that it cannot open.
local function path_problem(path)
  local folder = path:match("^(.*)/[^/]*$") or "."
  if core.stat(path) == "folder" then
    return "is a folder"
  elseif path:find("^%a[%w+.-]*://") then
    return "is neither a file nor a postgres:// URL"
  elseif not core.stat(folder == "" and "/" or folder) then
    return "cannot be created: its folder does not exist"
  end
end

local function refuse(path, sentence)
  return nil, Error.new({
    kind = "file",
    path = path,
    message = ("the store %s %s"):format(path, sentence),
  })
end

-- The check reads the whole file: a damaged index could hide a job that was
-- paid for, and it would be sent again.
local function set_up(self, busy_timeout)
  for _, pragma in ipairs({
    ("busy_timeout = %d"):format(busy_timeout * 1000),
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "journal_mode = WAL",
    "synchronous = FULL",
  }) do
    local rows, err = self:rows("PRAGMA " .. pragma)
    if not rows then
      return nil, err
    end
  end
  local rows, err = self:rows("PRAGMA integrity_check(1)")
  if not rows then
    return nil, err
  elseif not rows[1] or rows[1].integrity_check ~= "ok" then
    return nil, self.dialect.failure("database disk image is malformed")
  end
  return true
end

--- What names the store in messages.
function sqlite.label(path)
  return path
end

--- Any bytes are text to SQLite.
function sqlite.text_problem()
  return nil
end

--- Open or make the file at `path`.
---@param path string
---@param options { busy_timeout: number } # seconds
---@return table? connection
---@return camb.Error?
function sqlite.open(path, options)
  local DBI, missing = connection.load("SQLite3")
  if not DBI then
    return nil, Error.new({ kind = "store", message = missing })
  end
  local problem = path_problem(path)
  if problem then
    return refuse(path, problem)
  end
  local handle, words = DBI.Connect("SQLite3", path)
  if not handle then
    return nil, failure_of(path, connection.database_words(words))
  end
  local self = connection.new(handle, dialect_of(path))
  local ok, err = set_up(self, options.busy_timeout)
  if not ok then
    self:close()
    return nil, err
  end
  return self
end

return sqlite
