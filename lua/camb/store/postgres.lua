--- The store in PostgreSQL, for workers on any number of machines.  The URL is
--- libpq's, with its parameters ("?sslmode=verify-full").
---
--- Of a connection that could not be made, LuaDBI 0.7 does not say why: so a
--- wrong password looks like a server that starts up, and there are pauses
--- between attempts.  Nor does it close the socket, which is done here.
---
--- A server that accepts and is silent would keep libpq waiting for ever (TCP's
--- own limits are about a host that is gone): a watchdog ends such calls.

local core = require "camb.core"
local Error = require "camb.error"
local connection = require "camb.store.connection"
local text = require "camb.text"

local unpack = table.unpack or unpack -- luacheck: ignore

local postgres = {}

-- Added to the URL unless it says otherwise: a silent server is given up for
-- another attempt.
local PARAMETERS = {
  { "application_name", "camb" },
  { "connect_timeout", "5" },
  { "keepalives_idle", "10" },
  { "keepalives_interval", "5" },
  { "keepalives_count", "3" },
  { "tcp_user_timeout", "15000" },
}

-- Seconds that a call gets; a server that is alive ends a statement before.
local PATIENCE = 10
-- The same for a look that is not needed.
local LOOK = 2
local SILENCE = ("no answer for %d seconds"):format(PATIENCE)
-- A server that rejects does so within less; libpq gives up after 5 s.
local AT_ONCE = 4.5

-- What must hold for a commit to be durable, for leases to exclude, and for a
-- worker that is stopped in a transaction to keep no other one waiting.  Each
-- statement has its index, which the planner prefers of itself only once the
-- table was analyzed: a minute or more after many jobs were added.
local SETTINGS = [[SELECT pg_backend_pid() AS pid,
  set_config('client_min_messages', 'error', false),
  set_config('statement_timeout', '9s', false),
  set_config('lock_timeout', '5s', false),
  set_config('idle_in_transaction_session_timeout', '15s', false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),
  set_config('synchronous_commit',
    replace(current_setting('synchronous_commit'), 'off', 'on'), false)]]

local function decode(escaped)
  return (escaped:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The URL in its parts; nil if it is not written as one.
local function split(url)
  local scheme, user, place, query = url:match(
    "^(%l+://)([^@/?#]*@)([^@?#]*)(.*)$")
  if not scheme then
    scheme, place, query = url:match("^(%l+://)([^@?#]*)(.*)$")
  end
  if not scheme or not (query == "" or query:find("^%?[^@#]*$")) then
    return nil
  end
  local name, password = (user or ""):match("^([^:@]*):?([^@]*)")
  return { scheme = scheme, name = name, password = password, place = place,
    query = query:sub(2) }
end

-- libpq decodes the names of parameters, too.
local function is_secret(name)
  name = decode(name)
  return (name:find("password", 1, true) or name:find("secret", 1, true)) ~= nil
end

local function secrets(parts)
  local found = { parts.password }
  for name, value in parts.query:gmatch("([^&=]*)=([^&]*)") do
    if is_secret(name) then
      found[#found + 1] = value
    end
  end
  return found
end

--- The URL without its secrets, as messages name the store.
function postgres.label(url)
  local parts = split(url)
  if not parts then
    return "postgres://…"
  end
  return parts.scheme .. (parts.name ~= "" and parts.name .. "@" or "")
    .. parts.place
end

--- The URL without its secrets, but with the other parameters, and whether it
--- had any secret.
function postgres.address(url)
  local parts = split(url)
  if not parts then
    return "postgres://…", true
  end
  local kept, is_less = {}, parts.password ~= ""
  for parameter in parts.query:gmatch("[^&]+") do
    if is_secret(parameter:match("^[^=]*")) then
      is_less = true
    else
      kept[#kept + 1] = parameter
    end
  end
  return postgres.label(url)
    .. (#kept > 0 and "?" .. table.concat(kept, "&") or ""), is_less
end

--- PostgreSQL refuses what is not UTF-8.
function postgres.text_problem(value)
  return not text.is_utf8(value)
    and "is not UTF-8, the only text that PostgreSQL takes" or nil
end

local function redact(words, parts)
  for _, secret in ipairs(secrets(parts)) do
    for _, spelling in ipairs({ secret, decode(secret) }) do
      if spelling ~= "" then
        words = words:gsub(spelling:gsub("%p", "%%%0"), "[password]")
      end
    end
  end
  return words
end

-- A pooler that gives each transaction another session, without what was set
-- and prepared in it.
local POOLED = "a pooler such as pgbouncer has to run in session mode"
local function is_of_pooler(words)
  return words:find("prepared statement", 1, true) ~= nil
end

local function explain(words)
  return is_of_pooler(words) and POOLED .. ": " .. words or words
end

local function failure_of(url, words, is_gone)
  return Error.new({
    kind = "store",
    message = ("the store %s %s: %s"):format(postgres.label(url),
      is_gone and "is unreachable" or "failed",
      redact(explain(words), split(url))),
    retryable = is_gone
      or words:find("canceling statement due to", 1, true) ~= nil,
    is_gone = is_gone,
    is_deadlock = words:find("deadlock detected", 1, true) ~= nil,
  })
end

local UNREACHED = "no connection: nothing answers there, or the server "
  .. "rejected the user, the password or the database (see its log)"
local REJECTED = "no connection: the server rejected the user, the password or "
  .. "the database, or is not ready (see its log)"

-- libpq reads numbers from text, where Lua's own would lose digits.
local function to_text(...)
  local values, n = { ... }, select("#", ...)
  for i = 1, n do
    if type(values[i]) == "number" then
      values[i] = text.number(values[i])
    end
  end
  return unpack(values, 1, n)
end

-- How camb_counts follows what becomes of rows: what a statement changes is
-- counted at once.
local ADDED = "SELECT state, 1 AS change FROM added"
local REMOVED = "SELECT state, -1 AS change FROM removed"
local COUNT = [[CREATE OR REPLACE FUNCTION camb_count_%s() RETURNS trigger
  LANGUAGE plpgsql AS $$ BEGIN INSERT INTO camb_counts
  SELECT state, pg_backend_pid() %% 256, sum(change) FROM (%s) AS changes
  WHERE state IS NOT NULL GROUP BY state HAVING sum(change) <> 0 ORDER BY state
  ON CONFLICT (state, shard) DO UPDATE SET jobs = camb_counts.jobs
  + excluded.jobs; RETURN NULL; END $$]]
local TRIGGER = "CREATE TRIGGER camb_count_%s AFTER %s ON camb_jobs "
  .. "REFERENCING %s EXECUTE FUNCTION camb_count_%s()"
local COUNTED = {}
for _, rule in ipairs({
  { "added", "INSERT", ADDED, "NEW TABLE AS added" },
  { "moved", "UPDATE", ADDED .. " UNION ALL " .. REMOVED,
    "NEW TABLE AS added OLD TABLE AS removed" },
  { "removed", "DELETE", REMOVED, "OLD TABLE AS removed" },
}) do
  local name, event, changes, tables = rule[1], rule[2], rule[3], rule[4]
  COUNTED[#COUNTED + 1] = COUNT:format(name, changes)
  COUNTED[#COUNTED + 1] = TRIGGER:format(name, event, tables, name)
end

local function dialect_of(url, patience)
  return {
    name = "postgres",
    patience = patience or PATIENCE,
    silence = SILENCE,
    begin = "BEGIN",
    clock = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
    identity = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    -- LuaDBI would read a fraction as the locale has it
    times = "CAST(mtime AS TEXT) AS mtime, CAST(ctime AS TEXT) AS ctime, "
      .. "CAST(sent AS TEXT) AS sent, CAST(updated AS TEXT) AS updated",
    skip_locked = "FOR UPDATE SKIP LOCKED",
    -- dead versions are gathered before they slow the workers down
    jobs_storage = " WITH (fillfactor = 85, "
      .. "autovacuum_vacuum_scale_factor = 0.02, "
      .. "autovacuum_analyze_scale_factor = 0.02)",
    busy_storage = " WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, "
      .. "autovacuum_vacuum_scale_factor = 0)",
    triggers = COUNTED,
    has_table = "SELECT 1 AS found WHERE to_regclass(?) IS NOT NULL",
    tables_lock = "SELECT pg_advisory_xact_lock(7088066)",
    limits_lock = "SELECT pg_advisory_xact_lock(7088067)",
    archive_lock = "SELECT pg_advisory_xact_lock(7088068)",
    add_lock = "SELECT pg_advisory_xact_lock_shared(7088068)",
    content_lock = "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
    bind = to_text,
    failure = function(words, is_gone)
      return failure_of(url, words, is_gone)
    end,
  }
end

local function complete(url, query)
  local separator = url:find("?", 1, true) and "&" or "?"
  for _, parameter in ipairs(PARAMETERS) do
    local name, value = parameter[1], parameter[2]
    if not ("&" .. query):find("&" .. name .. "=", 1, true) then
      url = url .. separator .. name .. "=" .. value
      separator = "&"
    end
  end
  return url
end

-- A connection with its watchdog, or nil and the reason.
local function connect(DBI, url)
  local watchdog = core.watchdog()
  if not watchdog then
    return nil, "no connection: this process may have no more threads"
  end
  local began = core.now()
  watchdog:begin(PATIENCE)
  local ok, handle = pcall(DBI.Connect, "PostgreSQL", url)
  local is_silent, is_reached = watchdog:finish(), watchdog:adopt()
  local seconds = core.now() - began
  if ok and handle then
    return handle, nil, watchdog
  end
  watchdog:close_socket()
  watchdog:close()
  if not ok then
    error(handle, 0)
  end
  return nil, is_silent and SILENCE
    or seconds > AT_ONCE and ("no answer for %.0f seconds"):format(seconds)
    or is_reached and REJECTED or UNREACHED
end

local READ_ONLY = "SELECT set_config('default_transaction_read_only', 'on', "
  .. "false)"

local function settle(self)
  local rows, err = self:rows(SETTINGS)
  self.pid = rows and rows[1].pid
  return rows, err
end

local function settle_for_looks(self)
  local rows, err = settle(self)
  if rows then
    rows, err = self:rows(READ_ONLY)
  end
  return rows, err
end

local checked = {} -- by URL: it is no such pooler

-- While one connection is idle such a pooler gives its session to another.
local function is_pooled(DBI, url, conn)
  local handle, _, watchdog = connect(DBI, url)
  if not handle then
    return false -- the server has no place for a second one
  end
  local other, err = connection.new(handle, dialect_of(url, LOOK), settle,
    watchdog)
  if other then
    other:close()
    return other.pid == conn.pid
  end
  return is_of_pooler(err.message)
end

--- Connect to the database at `url`; `is_gone` of the error says that it may
--- be there later.
---@param url string
---@param options { read_only: boolean? }
---@return table? connection
---@return camb.Error?
function postgres.open(url, options)
  local DBI, missing = connection.load("PostgreSQL")
  if not DBI then
    return nil, Error.new({ kind = "store", message = missing })
  end
  local parts = split(url)
  if not parts then
    return nil, Error.new({
      kind = "store",
      message = "the store's URL is invalid: in user, password and database, "
        .. "write @ as %40, / as %2F, ? as %3F and # as %23",
    })
  end
  local whole = complete(url, parts.query)
  local handle, reason, watchdog = connect(DBI, whole)
  if not handle then
    return nil, failure_of(url, reason, true)
  end
  local conn, err = connection.new(handle, dialect_of(url),
    options.read_only and settle_for_looks or settle, watchdog)
  if conn and not checked[url] and is_pooled(DBI, whole, conn) then
    conn:close()
    return nil, failure_of(url, POOLED)
  end
  checked[url] = conn ~= nil or nil
  return conn, err
end

return postgres
