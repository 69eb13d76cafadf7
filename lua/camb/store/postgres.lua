--- The store in PostgreSQL, for workers on any number of machines.  The URL is
--- libpq's, with its parameters ("?sslmode=verify-full").
---
--- Of a connection that could not be made, LuaDBI 0.7 neither says why nor
--- closes the socket, if there was one: so a wrong password looks like a server
--- that starts up, and there are pauses between attempts.

local Error = require "camb.error"
local ascii = require "camb.ascii"
local connection = require "camb.store.connection"
local text = require "camb.text"

local unpack = table.unpack or unpack -- luacheck: ignore

local postgres = {}

-- Added to the URL where it does not say otherwise: a server that is silent is
-- given up for another attempt.
local PARAMETERS = {
  { "application_name", "camb" },
  { "connect_timeout", "5" },
  { "keepalives_idle", "10" },
  { "keepalives_interval", "5" },
  { "keepalives_count", "3" },
  { "tcp_user_timeout", "15000" },
}

-- What must hold for a commit to be durable, for leases to exclude, and for a
-- worker that is stopped in a transaction to keep no other one waiting.
local SETTINGS = [[SELECT
  set_config('client_min_messages', 'error', false),
  set_config('statement_timeout', '30s', false),
  set_config('lock_timeout', '5s', false),
  set_config('idle_in_transaction_session_timeout', '15s', false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('synchronous_commit',
    replace(current_setting('synchronous_commit'), 'off', 'on'), false)]]

local function decode(escaped)
  return (escaped:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The URL in its parts; nil where it is not written as one.
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

local function failure_of(url, words, is_gone)
  return Error.new({
    kind = "store",
    message = ("the store %s %s: %s"):format(postgres.label(url),
      is_gone and "is unreachable" or "failed", redact(words, split(url))),
    retryable = is_gone
      or words:find("canceling statement due to", 1, true) ~= nil,
    is_gone = is_gone,
    is_deadlock = words:find("deadlock detected", 1, true) ~= nil,
  })
end

local REASONS = "no connection: nothing answers there, or the server rejected "
  .. "the user, the password or the database (see its log)"

-- libpq reads numbers from text, where Lua's own would lose digits.
local function to_text(...)
  local values, n = { ... }, select("#", ...)
  for i = 1, n do
    if type(values[i]) == "number" then
      values[i] = ascii.number(values[i])
    end
  end
  return unpack(values, 1, n)
end

local function dialect_of(url)
  return {
    name = "postgres",
    begin = "BEGIN",
    clock = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
    identity = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    -- LuaDBI would read a fraction as the locale has it
    times = "CAST(mtime AS TEXT) AS mtime, CAST(ctime AS TEXT) AS ctime, "
      .. "CAST(sent AS TEXT) AS sent, CAST(updated AS TEXT) AS updated",
    skip_locked = "FOR UPDATE SKIP LOCKED",
    has_table = "SELECT 1 AS found WHERE to_regclass(?) IS NOT NULL",
    tables_lock = "SELECT pg_advisory_xact_lock(7088066)",
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

--- Connect to the database at `url`; `is_gone` of the error says that it may
--- be there later.
---@param url string
---@return table? connection
---@return camb.Error?
function postgres.open(url)
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
  local handle = DBI.Connect("PostgreSQL", complete(url, parts.query))
  if not handle then
    return nil, failure_of(url, REASONS, true)
  end
  local self = connection.new(handle, dialect_of(url))
  local ok, err = self:rows(SETTINGS)
  if not ok then
    self:close()
    return nil, err
  end
  return self
end

return postgres
