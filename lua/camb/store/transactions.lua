--- Statements to a store, by themselves or as a transaction, that survive the
--- loss of the database: when it comes back, the function that makes them is
--- called again as a whole, and each change finds out by its row whether it had
--- been made (`conn.in_doubt` is set for that).  The same holds when a caller
--- repeats what failed: it may have been made, as the reply to a COMMIT can be
--- what was lost (`session.doubts`, by key).

local core = require "camb.core"
local Error = require "camb.error"
local schema = require "camb.store.schema"

local transactions = {}

transactions.unpack = table.unpack or unpack -- luacheck: ignore

local Session = {}
Session.__index = Session

local SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2
-- How long a database may be unreachable while a store is opened: a wrong
-- address should be reported soon.
local MOST_PATIENCE_AT_OPEN = 10

local function sleep(seconds)
  require("camb.async.scheduler").sleep(seconds)
end

-- Connect, with pauses while the database is gone, for `store_timeout` seconds.
local function connect(self, store_timeout)
  local give_up, pause = core.now() + store_timeout, SHORTEST_PAUSE
  while true do
    local conn, err = self.backend.open(self.spec, self.options)
    if conn or not err.is_gone or core.now() + pause > give_up then
      return conn, err
    end
    if self.options.on_wait then
      self.options.on_wait(err, pause)
    end
    self.sleep(pause)
    pause = math.min(pause * 2, LONGEST_PAUSE)
  end
end

--- Open `spec`, and create missing tables.
---@param backend table # camb.store.sqlite or camb.store.postgres
---@param spec string
---@param options table # as camb.store.open has checked them
---@return table? session
---@return camb.Error?
function transactions.open(backend, spec, options)
  local self = setmetatable({
    backend = backend,
    spec = spec,
    options = options,
    sleep = options.sleep or sleep,
    doubts = {},
    open = false, -- the connection, in a transaction
    keys = {},    -- of the jobs that it changes
  }, Session)
  local err
  self.conn, err = connect(self, math.min(options.store_timeout,
    MOST_PATIENCE_AT_OPEN))
  if not self.conn then
    return nil, err
  end
  local ok
  if options.read_only then
    ok, err = schema.check(self.conn, backend.label(spec))
  else
    ok, err = schema.prepare(self.conn, backend.label(spec))
  end
  if not ok then
    self.conn:close()
    return nil, err
  end
  return self
end

--- What keeps `value` from being stored; nil if it is not text.
function Session:text_problem(value)
  if type(value) ~= "string" then
    return nil
  elseif value:find("\0", 1, true) then
    return "contains a NUL byte"
  end
  return self.backend.text_problem(value)
end

-- Reconnect.  Other jobs of the loop run during the pauses, and wait for their
-- turn if they get here, too.
local function recover(self, failed)
  self.recovering = true
  if self.options.on_wait and self.conn.is_silent then
    self.options.on_wait(failed, 0)
  end
  pcall(self.conn.close, self.conn)
  local ok, conn, err = pcall(connect, self, self.options.store_timeout)
  self.recovering = false
  if not ok then
    error(conn, 0) -- cancelled in a pause
  elseif not conn then
    return nil, err
  end
  self.conn = conn
  conn.in_doubt = true
  return true
end

local function closed_error()
  return Error.new({ kind = "store", message = "the store is closed" })
end

local function wait_turn(self)
  while self.recovering do
    self.sleep(SHORTEST_PAUSE)
  end
  return not self.closed
end

-- After this failure the same may be run again; the transaction is gone.
local function can_go_on(self, failed)
  if not failed then
    return false
  elseif failed.is_gone then
    return recover(self, failed)
  elseif failed.is_deadlock then -- the other one goes first
    self.conn:rollback()
    self.conn.in_doubt = true
    return true
  end
  return false
end

-- Run `fn` until the database was there for all of it.
local function persist(self, fn)
  while true do
    local conn = self.conn
    conn.failed = nil
    local result, err = fn(conn)
    conn.in_doubt = nil
    if result ~= nil then
      return result
    end
    local goes_on, gone = can_go_on(self, conn.failed)
    if not goes_on then
      self.has_doubts = self.has_doubts or conn.failed ~= nil
      return nil, gone or err
    end
  end
end

-- Whether the changes of these jobs were made is unknown, or is known again.
local function set_doubts(self, keys, value)
  for _, key in ipairs(keys) do
    self.doubts[key] = value
  end
end

-- In a transaction that has failed, nothing more is tried.
local function in_transaction(self, run)
  local conn = self.open
  if conn.failed then
    return nil, conn.failed
  end
  return run(conn)
end

--- Run one write: in the transaction, or by itself.
---@param run fun(conn: table): any, camb.Error? # one statement, if by itself
---@param key string? # of the job that it is about
function Session:write(run, key)
  if self.open then
    self.keys[#self.keys + 1] = key
    return in_transaction(self, run)
  elseif not wait_turn(self) then
    return nil, closed_error()
  end
  local result, err = persist(self, run)
  if key then
    self.doubts[key] = result == nil and self.conn.failed ~= nil or nil
  end
  return result, err
end

local function attempt(self, conn, run)
  local ok, err = conn:begin()
  if not ok then
    return nil, err
  end
  self.open, self.keys = conn, {}
  local returned, result, problem = pcall(run, conn)
  self.open = false
  if returned and result ~= nil and not conn.failed then
    ok, err = conn:commit()
    if ok then
      return result
    end
  end
  conn:rollback()
  if not returned then
    conn.in_doubt = nil
    error(result, 0)
  end
  return nil, conn.failed or err or problem
end

--- Make what `run` does durable as a whole, or none of it if it returns nil;
--- inside a transaction, as a part of it.  `run` may be called again.
---@param run fun(conn: table): any, camb.Error? # does not yield
---@return any result # what `run` returned last
---@return camb.Error?
function Session:transact(run)
  if self.open then
    return in_transaction(self, run)
  elseif not wait_turn(self) then
    return nil, closed_error()
  end
  self.keys = {}
  local result, err = persist(self, function(conn)
    return attempt(self, conn, run)
  end)
  set_doubts(self, self.keys, result == nil and self.conn.failed ~= nil or nil)
  return result, err
end

--- The rows of a SELECT.
function Session:read(sql, ...)
  local values = { n = select("#", ...), ... }
  local function run(conn)
    return conn:rows(sql, transactions.unpack(values, 1, values.n))
  end
  if self.open then
    return in_transaction(self, run)
  elseif not wait_turn(self) then
    return nil, closed_error()
  end
  return persist(self, run)
end

--- Write what is in the log into the store itself, where there is such a thing:
--- a copy without the log then shows that the store was in use.
function Session:merge()
  if self.conn.dialect.merge then
    self.conn:rows(self.conn.dialect.merge)
  end
end

--- Look for a job of the same content; in a transaction, before others may.
function Session:find_same(sql, sha256, ...)
  local values = { n = select("#", ...), ... }
  return self:write(function(conn)
    if self.open and conn.dialect.content_lock
      and not conn:rows(conn.dialect.content_lock, sha256)
    then
      return nil, conn.failed
    end
    return conn:rows(sql, sha256, transactions.unpack(values, 1, values.n))
  end)
end

--- A last write before the end, which waits for no database.
function Session:finish(run)
  if self.recovering or self.closed then
    return nil, closed_error()
  end
  self.conn.failed = nil
  return run(self.conn)
end

function Session:close()
  self.closed = true
  pcall(self.conn.close, self.conn)
end

return transactions
