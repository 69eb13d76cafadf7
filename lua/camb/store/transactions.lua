--- Writes to a store, gathered into transactions that survive the loss of the
--- database.  A write is a function of the connection: when the database comes
--- back, those of the open transaction are run again, and each finds out by
--- the row whether it had been made (`conn.in_doubt` is set for that).  The
--- same holds when a caller repeats what failed: it may have been made, as the
--- reply to a COMMIT can be what was lost (`session.doubts`, by key).

local core = require "camb.core"
local Error = require "camb.error"
local schema = require "camb.store.schema"

local transactions = {}

transactions.unpack = table.unpack or unpack -- luacheck: ignore

local Session = {}
Session.__index = Session

local SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2
-- How long a database may be gone while a store is opened: an address that is
-- wrong should be heard of soon.
local MOST_PATIENCE_AT_OPEN = 10

local function sleep(seconds)
  require("camb.async.scheduler").sleep(seconds)
end

-- Connect, with pauses while the database is gone and there is patience.
local function connect(self, patience)
  local give_up, pause = core.now() + patience, SHORTEST_PAUSE
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

--- Open `spec`, and make its tables where there are none.
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
  }, Session)
  local err
  self.conn, err = connect(self, math.min(options.patience,
    MOST_PATIENCE_AT_OPEN))
  if not self.conn then
    return nil, err
  end
  local ok
  ok, err = schema.prepare(self.conn, backend.label(spec), options.base_url)
  if not ok then
    self.conn:close()
    return nil, err
  end
  return self
end

--- What keeps `value` from being stored; nil for what is no text.
function Session:text_problem(value)
  if type(value) ~= "string" then
    return nil
  elseif value:find("\0", 1, true) then
    return "holds a NUL byte"
  end
  return self.backend.text_problem(value)
end

-- Reconnect.  Other jobs of the loop run during the pauses, and wait for their
-- turn where they come here, too.
local function recover(self)
  self.recovering = true
  pcall(self.conn.close, self.conn)
  local ok, conn, err = pcall(connect, self, self.options.patience)
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
    return recover(self)
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

-- Nobody knows of these writes whether they were made; or all do.
local function set_doubts(self, group, value)
  for _, step in ipairs(group.steps) do
    if step.key then
      self.doubts[step.key] = value
    end
  end
end

local function break_group(self, err)
  self.conn:rollback()
  set_doubts(self, self.group, true)
  self.group.is_open = false
  self.group.broken = err
  return nil, err
end

-- Begin the group's transaction, with the steps that it has so far.
local function open_group(self, conn)
  local ok, err = conn:begin()
  if not ok then
    return nil, err
  end
  for i, step in ipairs(self.group.steps) do
    if not step.is_taken then
      local result = step.run(conn)
      if conn.failed then
        return nil, conn.failed
      end
      self.group.steps[i].is_taken = result == nil
    end
  end
  self.group.is_open = true
  return true
end

-- Run a step in the group.  Its refusal (nothing failed) leaves the group be.
local function write_in_group(self, run, key)
  local group = self.group
  if group.broken then
    return nil, group.broken
  end
  local result, err = persist(self, function(conn)
    if not group.is_open or conn.in_doubt then
      group.is_open = false
      local ok, problem = open_group(self, conn)
      if not ok then
        return nil, problem
      end
    end
    return run(conn)
  end)
  if result ~= nil then
    group.steps[#group.steps + 1] = { run = run, key = key }
  elseif self.conn.failed then
    return break_group(self, err)
  end
  return result, err
end

--- Run one write: in the group, or by itself.
---@param run fun(conn: table): any, camb.Error? # one statement, if by itself
---@param key string? # of the job that it is about
function Session:write(run, key)
  if not wait_turn(self) then
    return nil, closed_error()
  elseif self.group then
    return write_in_group(self, run, key)
  end
  local result, err = persist(self, run)
  if key then
    self.doubts[key] = result == nil and self.conn.failed ~= nil or nil
  end
  return result, err
end

local function in_transaction(self, run)
  return persist(self, function(conn)
    local ok, err = conn:begin()
    if not ok then
      return nil, err
    end
    local result
    result, err = run(conn)
    if result ~= nil then
      ok, err = conn:commit()
      if ok then
        return result
      end
    end
    conn:rollback()
    return nil, err
  end)
end

--- Run several statements as a transaction of its own; what was gathered so
--- far is committed first, or is part of it where that is as good.
---@param run fun(conn: table): any, camb.Error?
function Session:transact(run)
  if not wait_turn(self) then
    return nil, closed_error()
  elseif not self.group then
    return in_transaction(self, run)
  elseif self.conn.dialect.joins_claims then
    return write_in_group(self, run)
  end
  local ok, err = self:commit()
  self:begin()
  if not ok then
    self.group.broken = err
    return nil, err
  end
  return in_transaction(self, run)
end

Session.claim = Session.transact

--- Gather what is written from now on.
function Session:begin()
  self.group = self.group or { steps = {} }
end

local function taken_steps(group)
  local keys = {}
  for _, step in ipairs(group.steps) do
    if step.is_taken then
      keys[#keys + 1] = step.key
    end
  end
  return keys
end

-- All but what other workers took over while the database was gone is durable.
local function report_taken(group)
  local keys = taken_steps(group)
  if #keys == 0 then
    return true
  end
  return nil, Error.new({
    kind = "store",
    is_taken = true,
    keys = keys,
    message = ("the database was gone for so long that other workers took "
      .. "over %d of this one's jobs"):format(#keys),
  })
end

--- Make what was gathered durable.
---@return boolean? ok
---@return camb.Error?
function Session:commit()
  if not wait_turn(self) then
    return nil, closed_error()
  end
  local group = self.group
  if not group or group.broken or not group.is_open then
    self.group = nil
    return not (group and group.broken) or nil, group and group.broken
  end
  local ok, err = persist(self, function(conn)
    if conn.in_doubt then
      local opened, problem = open_group(self, conn)
      if not opened then
        return nil, problem
      end
    end
    return conn:commit()
  end)
  set_doubts(self, group, not ok or nil)
  self.group = nil
  if not ok then
    self.conn:rollback()
    return nil, err
  end
  return report_taken(group)
end

--- The rows of a SELECT, which sees what was gathered.
function Session:read(sql, ...)
  local values = { n = select("#", ...), ... }
  local function run(conn)
    return conn:rows(sql, transactions.unpack(values, 1, values.n))
  end
  if not wait_turn(self) then
    return nil, closed_error()
  elseif self.group and self.group.is_open then
    return write_in_group(self, run)
  end
  return persist(self, run)
end

--- Look for a job of the same content; in a group, before others may.
function Session:find_same(sql, sha256, options)
  return self:write(function(conn)
    if self.group and conn.dialect.content_lock
      and not conn:rows(conn.dialect.content_lock, sha256)
    then
      return nil, conn.failed
    end
    return conn:rows(sql, sha256, options)
  end)
end

--- A last write before the end, with no patience; what was gathered and not
--- committed is undone.
function Session:finish(run)
  if self.recovering or self.closed then
    return nil, closed_error()
  end
  if self.group and self.group.is_open then
    self.conn:rollback()
  end
  self.group = nil
  self.conn.failed = nil
  return run(self.conn)
end

function Session:close()
  self.closed = true
  pcall(self.conn.close, self.conn)
end

return transactions
