--- The store in a file of SQLite's, which several processes of one machine may
--- share.  A commit is on the disk when it returns (WAL, synchronous=FULL).

local core = require "camb.core"
local Error = require "camb.error"
local connection = require "camb.store.connection"
local owner = require "camb.store.owner"
local statements = require "camb.store.statements"

local sqlite = {}

local UNOPENED = "unable to open database file"

-- SQLite's words that people should not have to know.  The others are passed
-- on as they are.
local SENTENCES = {
  ["database is locked"] = "is locked by another process",
  ["database or disk is full"] = "cannot grow: the disk is full",
  ["attempt to write a readonly database"] = "cannot be written: it is "
    .. "read-only",
  [UNOPENED] = "cannot be opened or created",
  ["file is not a database"] = "is not an SQLite database",
  ["database disk image is malformed"] = "is damaged; sqlite3's .recover may "
    .. "save what it holds",
}

-- Why no file can be made beside `path`, which SQLite does not say.
local function obstacle(path)
  local part, reason = core.part(path)
  if part then
    part:close()
  end
  return not part and ": " .. reason or ""
end

local function failure_of(path, words)
  local is_locked = words:find("is locked", 1, true) ~= nil
  local sentence = is_locked and SENTENCES["database is locked"]
    or SENTENCES[words] or ("failed: " .. words)
  if words == UNOPENED then
    sentence = sentence .. obstacle(path)
  end
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

-- The identity of the store at `path` and of its log; nil if there is none.
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

-- How camb_counts follows what becomes of rows.
local COUNTED = {}
for _, state in ipairs(statements.states) do
  COUNTED[#COUNTED + 1] = ("INSERT INTO camb_counts VALUES ('%s', 0, 0)")
    :format(state)
end
local COUNT = "UPDATE camb_counts SET jobs = jobs %s 1 WHERE state = %s.state;"
local UP, DOWN = COUNT:format("+", "NEW"), COUNT:format("-", "OLD")
for name, rule in pairs({
  add = { "INSERT ON camb_jobs", UP },
  move = { "UPDATE ON camb_jobs WHEN OLD.state IS NOT NEW.state", DOWN .. UP },
  forget = { "DELETE ON camb_jobs", DOWN },
}) do
  COUNTED[#COUNTED + 1] = ("CREATE TRIGGER camb_count_%s AFTER %s BEGIN %s END")
    :format(name, rule[1], rule[2])
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
    jobs_storage = "",
    busy_storage = "",
    triggers = COUNTED,
    has_table = "SELECT name FROM sqlite_master WHERE name = ?",
    bind = function(...)
      return ...
    end,
    failure = function(words)
      return failure_of(path, words)
    end,
    -- What tells this file from a copy of it.
    place = function()
      return core.identity(path)
    end,
    copied = ("this store is a copy that was made while a batch used it: what "
      .. "was recorded later, or was in its log, is missing, and would be sent "
      .. "and paid for again.  Use the original, or if nothing is missing, "
      .. "run: camb jobs --store %s --resume"):format(path),
    merge = "PRAGMA wal_checkpoint(PASSIVE)",
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

-- A damaged index could hide a job that was paid for, and it would be sent
-- again.  The check reads the whole file: a small one is checked each time, a
-- larger one once after each start of the machine and for each copy, one beyond
-- the last size never.
local SMALL, MOST_CHECKED = 2 ^ 20, 64 * 2 ^ 20

-- What tells that the file was checked: a number of this start of the machine
-- and of this file, which SQLite keeps for us in the file's head.
local function mark_of(path)
  local start, identity = owner.machine_start(), core.identity(path)
  local mark = start and identity and 1
  for byte in (mark and start .. identity or ""):gmatch(".") do
    mark = (mark * 31 + byte:byte()) % 2 ^ 31
  end
  return mark
end

local function is_sound(self)
  local rows, err = self:rows("PRAGMA integrity_check(1)")
  if rows and (not rows[1] or rows[1].integrity_check ~= "ok") then
    err = self.dialect.failure("database disk image is malformed")
  end
  return err == nil, err
end

local function check(self, path)
  local _, size = core.stat(path)
  if size and size > MOST_CHECKED then
    return true
  end
  local mark = mark_of(path)
  local known = self:rows("PRAGMA user_version")
  local is_known = mark and known and known[1].user_version == mark
  if is_known and size and size > SMALL then
    return true
  end
  local ok, err = is_sound(self)
  if ok and mark and not is_known then -- or the next one who opens it does
    self:run(("PRAGMA user_version = %d"):format(mark))
  end
  return ok or nil, err
end

local function set_all(self, pragmas)
  for _, pragma in ipairs(pragmas) do
    local rows, err = self:rows("PRAGMA " .. pragma)
    if not rows then
      return nil, err
    end
  end
  return true
end

local function set_up(self, path, options)
  local ok, problem = set_all(self, {
    ("busy_timeout = %d"):format(options.busy_timeout * 1000),
    "trusted_schema = OFF",
    "cache_size = -16000", -- KiB at most: indexes of digests have no order
    "cell_size_check = ON",
    options.read_only and "query_only = ON" or "journal_mode = WAL",
    "synchronous = FULL",
  })
  if not ok or options.read_only then
    return ok, problem
  end
  return check(self, path)
end

--- What names the store in messages.
function sqlite.label(path)
  return path
end

--- Any bytes are text to SQLite.
function sqlite.text_problem()
  return nil
end

-- Beside the file itself, not beside a link to it.
local function lacks_log(path)
  local kind, size = core.stat((core.real_path(path) or path) .. "-wal")
  return kind == nil or size == 0
end

-- Opened read-only, no file is created or changed, and the log is not merged: a
-- store without a log has no writer.
local function uri_of(path)
  path = core.real_path(path) or path -- a SQLite that reads no URIs finds none
  return "file:" .. path:gsub("[^%w%-._~/]", function(character)
    return ("%%%02X"):format(character:byte())
  end) .. "?mode=ro" .. (lacks_log(path) and "&immutable=1" or "")
end

local function connect(DBI, path, options)
  local handle = options.read_only and DBI.Connect("SQLite3", uri_of(path))
  if handle then
    return handle
  end
  return DBI.Connect("SQLite3", path)
end

--- Open or make the file at `path`.
---@param path string
---@param options { busy_timeout: number, read_only: boolean? } # seconds
---@return table? connection
---@return camb.Error?
function sqlite.open(path, options)
  local DBI, missing = connection.load("SQLite3")
  if not DBI then
    return nil, Error.new({ kind = "store", message = missing })
  end
  local problem = path_problem(path)
    or options.read_only and not core.stat(path) and "does not exist"
  if problem then
    return refuse(path, problem)
  end
  local has_no_log = lacks_log(path)
  local handle, words = connect(DBI, path, options)
  if not handle then
    return nil, failure_of(path, connection.database_words(words))
  end
  return connection.new(handle, dialect_of(path), function(self)
    self.lacks_log = has_no_log
    return set_up(self, path, options)
  end)
end

return sqlite
