--- A LuaDBI connection as the store uses it: prepared statements that stay
--- open, transactions as statements of their own (LuaDBI's say only whether
--- they worked), and failures as errors that a person can read.
---
--- What LuaDBI asks of its callers, and this file sees to:
--- * integers come back as C's int, so statements select wide ones as text;
--- * text ends at its first NUL, so none is bound;
--- * a statement that failed fails once more when it is used again, so it is
---   closed, and a SELECT is read to its end, as it holds a lock until then;
--- * a connection that is gone raises, where every other failure returns;
--- * SQLite keeps a file open whose statements are not closed first.

local Connection = {}
Connection.__index = Connection

local connection = {}

-- What LuaDBI puts before the database's own words; where it raises, a place.
local PREFIXES = {
  "^.-%.lua:%d+: ",
  "^Failed to connect to database: ",
  "^Execute failed ",
  "^Fetch failed ",
  "^Error %l+ statement %l+: ",
  "^Error %l+ result set: ",
}

--- The database's own words of what LuaDBI says.
function connection.database_words(text)
  text = tostring(text)
  for _, prefix in ipairs(PREFIXES) do
    text = text:gsub(prefix, "")
  end
  return (text:gsub("%s+", " "):gsub(" $", ""))
end

--- Load LuaDBI's `driver`.
---@param driver string # "SQLite3" or "PostgreSQL"
---@return table? DBI
---@return string? problem
function connection.load(driver)
  local name = driver:lower()
  local found, DBI = pcall(require, "DBI")
  if found and pcall(require, "dbd." .. name) then
    return DBI
  end
  return nil, ("the store needs LuaDBI for %s: install luadbi-%s by LuaRocks, "
    .. "or Debian's lua-dbi-%s"):format(driver, name, name)
end

--- Wrap a LuaDBI `handle`, in which no transaction is open, and prepare it by
--- `set_up`; if that fails it is closed.
---@param handle userdata
---@param dialect table # bind(value), failure(words), clock, …
---@param set_up fun(self: table): any, camb.Error?
---@param watchdog userdata? # of core.watchdog, that has found its socket
---@return table? self
---@return camb.Error?
function connection.new(handle, dialect, set_up, watchdog)
  handle:autocommit(true) -- no transaction but ours
  local self = setmetatable({
    handle = handle,
    dialect = dialect,
    watchdog = watchdog,
    statements = {},
  }, Connection)
  local ok, err = set_up(self)
  if not ok then
    self:close()
    return nil, err
  end
  return self
end

-- Call a function that may ask the database, within the time limit for an
-- answer.
local function ask(self, fn, ...)
  if not self.watchdog then
    return pcall(fn, ...)
  end
  self.watchdog:begin(self.dialect.patience)
  local ok, result, words = pcall(fn, ...)
  self.is_silent = self.watchdog:finish() or self.is_silent
  return ok, result, words
end

local function forget(self, sql)
  local statement = self.statements[sql]
  self.statements[sql] = nil
  if statement then
    ask(self, statement.close, statement)
  end
end

-- Remembers the failure, as it ends the transaction that it happened in.
local function fail(self, sql, words)
  forget(self, sql)
  self.is_gone = not self.handle:ping()
  self.failed = self.dialect.failure(self.is_silent
    and self.dialect.silence or connection.database_words(words), self.is_gone)
  self.failed.is_gone = self.is_gone
  return nil, self.failed
end

-- In a statement, {clock} and its like stand for the dialect's own words.
local function prepare(self, sql)
  local statement = self.statements[sql]
  if statement then
    return statement
  end
  local ok, made, problem = ask(self, self.handle.prepare, self.handle,
    (sql:gsub("{([%l_]+)}", self.dialect)))
  if not ok or not made then
    return nil, ok and problem or made
  end
  self.statements[sql] = made
  return made
end

local function execute(self, sql, ...)
  local statement, problem = prepare(self, sql)
  if not statement then
    return fail(self, sql, problem)
  end
  local ok, done, words = ask(self, statement.execute, statement, ...)
  if not ok or not done then
    return fail(self, sql, ok and words or done)
  end
  return statement
end

local function fetch_all(statement)
  local rows = {}
  local row = statement:fetch(true)
  while row do
    rows[#rows + 1] = row
    row = statement:fetch(true)
  end
  return rows
end

--- Run a statement without a result.
---@param sql string
---@param ... any # what stands for each "?"
---@return integer? affected # rows
---@return camb.Error?
function Connection:run(sql, ...)
  local statement, err = execute(self, sql, self.dialect.bind(...))
  if not statement then
    return nil, err
  end
  return statement:affected()
end

--- Run a statement with rows as its result.
---@param sql string
---@param ... any # what stands for each "?"
---@return table[]? rows
---@return camb.Error?
function Connection:rows(sql, ...)
  local statement, err = execute(self, sql, self.dialect.bind(...))
  if not statement then
    return nil, err
  end
  local ok, rows = pcall(fetch_all, statement)
  if not ok then
    return fail(self, sql, rows)
  end
  return rows
end

function Connection:begin()
  self.failed = nil
  return self:run(self.dialect.begin)
end

--- Make the transaction durable.  What was written to a database that the next
--- run will not find is lost, whatever the database says.
function Connection:commit()
  local ok, err = self:run("COMMIT")
  local removed = ok and self.dialect.removed and self.dialect.removed()
  if removed then
    self.failed = removed
    return nil, removed
  end
  return ok, err
end

--- Roll the transaction back; it is no error if it has already ended.
function Connection:rollback()
  local failed, is_gone = self.failed, self.is_gone
  self:run("ROLLBACK")
  self.failed, self.is_gone = failed, is_gone or self.is_gone
end

function Connection:close()
  for sql in pairs(self.statements) do
    forget(self, sql)
  end
  ask(self, self.handle.close, self.handle)
  if self.watchdog then
    self.watchdog:close()
    self.watchdog = nil
  end
end

return connection
