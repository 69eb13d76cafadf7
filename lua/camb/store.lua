--- Jobs that survive: every job of a batch as a row of a database, written
--- before money is spent.  In SQLite (a file's path) for the processes of one
--- machine, in PostgreSQL ("postgres://user:password@host:port/database") for
--- any number of machines.  By LuaDBI, which blocks: a call takes the time of
--- a disk's or a database's answer, and the loop of jobs stands still so long.
---
--- The table camb_jobs, one row a job:
---   id          its place in the order of adding
---   key         what it is known by; the same key is the same job
---   state       intended → submitting → submitted → finished → downloaded, or
---               failed, or unknown_outcome (it may have been sent)
---   owner       the worker that has it, see camb_workers; NULL: free, or done
---   source, name, output_dir, options (JSON)   as they were added
---   sha256, size, mtime, ctime   of the source, of what was sent
---   task_id, run_id       the service's; a run id as its digits
---   foreground, background, and each with _size and _sha256   the stems
---   error_kind, error, retryable (0, 1)   how a job failed
---   task_ended            1: the service gave the task up
---   priority    higher ones are sent first
---   attempts    how often it has failed and was put off, until `not_before`
---   sent        when the upload began; NULL for a job that is yet to be sent
---   updated     when the row was changed last; both in seconds since 1970
--- camb_archive has the same columns for jobs that were done long ago: they are
--- known as all others are, and never sent again.
--- camb_counts has how many jobs there are by state, kept by triggers;
--- camb_workers what each worker counts up to while it lives, and for how
--- many seconds (its lease) it may be silent before others take its jobs over;
--- camb_meta the version of the tables and the service's URL.
---
--- Rows come as tables of these columns: sizes and run ids as integers (digits
--- where this Lua has none that large), retryable as a boolean.

local api = require "camb.api"
local check = require "camb.check"
local Error = require "camb.error"
local options = require "camb.options"
local owner = require "camb.store.owner"
local schema = require "camb.store.schema"
local statements = require "camb.store.statements"
local text = require "camb.text"
local transactions = require "camb.store.transactions"
local need = Error.need

local store = {}

--- An open store, as camb.store.open returns it.
---@class camb.Store
local Store = {}
Store.__index = Store
Store.__name = "camb.Store"

--- True if `spec` names a PostgreSQL database and not a file.
---@param spec string
---@return boolean
function store.is_url(spec)
  return spec:find("^[Pp][Oo][Ss][Tt][Gg][Rr][Ee][Ss][Qq]?[Ll]?://") ~= nil
end

--- `spec` without its secrets, in a form that may be passed again.
---@param spec string
---@return string address
---@return boolean is_less # a password is missing
function store.address(spec)
  if store.is_url(spec) then
    return require("camb.store.postgres").address(spec)
  end
  return spec, false
end

-- The service of a store that has, or may have, tasks there, if it is not that
-- of `base_url`.
local function other_service(self, base_url)
  local service = self:service()
  local is_other = service and service ~= api.service(base_url)
  local paid = is_other and self.session:read(statements.paid)
  return paid and #paid > 0 and service or nil
end

-- Whether a store that is only read is that of `base_url`.
local function check_service(self, label, base_url)
  local other = base_url and other_service(self, base_url)
  if other then
    return nil, schema.other_service(label, other, base_url)
  end
  return true
end

-- From now on this worker is one of the store, which is one of `base_url`.
local function register(self, label, base_url)
  local ok, err = self.session:transact(function(conn)
    local settled, problem = conn:run(statements.settle)
    if settled then
      settled, problem = schema.heed_copy(conn)
    end
    if settled and base_url then
      settled, problem = schema.heed_service(conn, label, base_url, self.owner)
    end
    if not settled then
      return nil, problem
    end
    return conn:run(statements.register, self.owner, self.lease)
  end)
  if ok then
    self.session:merge()
  end
  return ok, err
end

--- Open a store; its tables are created if missing.
---
--- `owner` names this worker (default: a unique name, by which others on the
--- machine see that the process has ended); it keeps its jobs for `lease`
--- seconds after each `renew`.  `base_url` is recorded, and a store that has
--- tasks at another service is refused.  SQLite waits up to `busy_timeout`
--- seconds for another process.  An unreachable PostgreSQL is waited for up to
--- `store_timeout` seconds, with pauses by `sleep` (default: blocking), each
--- after a call of `on_wait(err, seconds)`.
---@param spec string # a path, or a URL of PostgreSQL
---@param given camb.StoreOptions?
---@return camb.Store?
---@return camb.Error?
function store.open(spec, given)
  check.value("store", spec, check.filled, 2)
  local checked = check.options(given, options.of("store"), 2)
  local backend = require(store.is_url(spec) and "camb.store.postgres"
    or "camb.store.sqlite")
  local self = setmetatable({
    owner = checked.owner or owner.name(),
    is_read_only = checked.read_only,
    lease = checked.lease,
    generation = 1, -- how often it was taken for dead, and one
    held = {}, -- keys of the jobs that are this worker's
    effects = false, -- on them, of the transaction
    watched = {}, -- other workers, by their names
    reaped = -math.huge,
  }, Store)
  local ok, err
  self.session, err = transactions.open(backend, spec, checked)
  if not self.session then
    return nil, err
  end
  local begin = checked.read_only and check_service or register
  ok, err = begin(self, backend.label(spec), checked.base_url)
  if not ok then
    self.session:close()
    return nil, err
  end
  return self
end

--- Make all that `fn(store)` writes durable at once, or none of it: none if it
--- returns nil or raises, or if the database fails.  `fn` is called again if
--- the connection was lost meanwhile, so its other effects must be repeatable.
---@param fn fun(store: camb.Store): any, camb.Error? # does not yield
---@return any result # of `fn`
---@return camb.Error?
function Store:transact(fn)
  if self.session.open then
    return fn(self)
  end
  local result, err = self.session:transact(function()
    self.effects, self.has_recalled = {}, false
    return fn(self)
  end)
  local effects = self.effects
  self.effects = false
  if result == nil then
    return nil, err
  end
  for key, is_held in pairs(effects) do
    self.held[key] = is_held or nil
  end
  self.session.has_doubts = self.session.has_doubts and not self.has_recalled
  return result, err
end

--- From the next commit on the job is this worker's, or is not.
---@package
function Store:hold(key, is_held)
  if self.session.open then
    self.effects[key] = is_held
  else
    self.held[key] = is_held or nil
  end
end

-- The values of `job` in the order of the statement.
local function job_values(job, values)
  for _, name in ipairs(statements.added) do
    values.n = values.n + 1
    values[values.n] = job[name]
  end
end

-- Which keys of a page are in the archive, into which no other one gets before
-- the end of the transaction.
local function find_archived(conn, jobs, first, last)
  local page, archived = {}, {}
  if conn.dialect.add_lock and not conn:rows(conn.dialect.add_lock) then
    return nil
  end
  for i = 1, statements.batch do -- padded with the last one
    page[i] = jobs[math.min(first + i - 1, last)].key
  end
  local found = conn:rows(statements.archived_keys,
    transactions.unpack(page, 1, statements.batch))
  for _, row in ipairs(found or {}) do
    archived[row.key] = true
  end
  return found and archived
end

local function insert(conn, jobs, first, last)
  local archived = find_archived(conn, jobs, first, last)
  local values, count = { n = 0 }, 0
  for i = archived and first or last + 1, last do
    if not archived[jobs[i].key] then
      count = count + 1
      job_values(jobs[i], values)
    end
  end
  if not archived or count == 0 then
    return archived and 0, conn.failed
  end
  return conn:run(statements.add(count),
    transactions.unpack(values, 1, values.n))
end

--- What keeps `job` from being added; nil if nothing does.
---@param job table # as for `add`
---@return camb.Error?
function Store:problem(job)
  for _, name in ipairs(statements.added) do
    local problem = self.session:text_problem(job[name])
    if problem then
      return Error.new({
        kind = "store",
        message = ('"%s" cannot be a job of the store: its %s %s'):format(
          text.escape(tostring(job.source)), name, problem),
      })
    end
  end
end

--- Add jobs as intended; one whose key is known stays as it is.
---@param jobs table[] # key, source, name, output_dir, options, sha256, size,
---  mtime, ctime, priority
---@return integer? added
---@return camb.Error?
function Store:add(jobs)
  for _, job in ipairs(jobs) do
    local problem = self:problem(job)
    if problem then
      return nil, problem
    end
  end
  return self.session:transact(function(conn)
    local added = 0
    for first = 1, #jobs, statements.batch do
      local last = math.min(first + statements.batch - 1, #jobs)
      local count, err = insert(conn, jobs, first, last)
      if not count then
        return nil, err
      end
      added = added + count
    end
    return added
  end)
end

-- The first of the rows that were found, if any.
local function first_row(found, err)
  if not found then
    return nil, err
  end
  return found[1] and statements.row(found[1])
end

--- The job of `key`.
---@param key string
---@return table? row
---@return camb.Error? # nil also without a row: there is none
function Store:get(key)
  return first_row(self.session:read(statements.get, key))
end

--- The jobs of `keys`, looked up many at a time.
---@param keys string[]
---@return table<string, table>? rows # by key; those that there are
---@return camb.Error?
function Store:get_all(keys)
  local found = {}
  for first = 1, #keys, statements.page do
    local part, err = self.session:read(statements.get_page,
      statements.page_of(keys, first))
    if not part then
      return nil, err
    end
    for _, row in ipairs(statements.rows(part)) do
      found[row.key] = row
    end
  end
  return found
end

--- How many jobs there are, by state; a state without jobs is left out.
---@return table<string, integer>?
---@return camb.Error?
function Store:count()
  local found, err = self.session:read(statements.count)
  if not found then
    return nil, err
  end
  local counts = {}
  for _, row in ipairs(found) do
    counts[row.state] = tonumber(row.jobs)
  end
  return counts
end

--- A page of jobs in the order of their adding; `after` is the id of the last
--- one of the page before.
---@param given { state: string?, limit: integer?, after: any,
---  archived: boolean? }?
---@return table[]? rows
---@return camb.Error?
function Store:list(given)
  given = given or {}
  local after, limit = given.after or "0", given.limit or 100
  local found, err
  if given.archived then
    found, err = self.session:read(statements.list_archived, after, limit)
  elseif given.state then
    found, err = self.session:read(statements.list_state, after, given.state,
      limit)
  else
    found, err = self.session:read(statements.list, after, limit)
  end
  return found and statements.rows(found), err
end

--- All jobs, all of a state, or those in the archive, a page in memory at a
--- time; a failure raises.
---@param given { state: string?, limit: integer?, archived: boolean? }?
---@return fun(): table?
function Store:each(given)
  given = given or {}
  local page, i, after = {}, 0, nil
  return function()
    i = i + 1
    if i > #page and (i == 1 or after) then
      page = need(self:list({ state = given.state, limit = given.limit,
        archived = given.archived, after = after }))
      i = 1
      after = page[#page] and page[#page].id
    end
    return page[i]
  end
end

--- An earlier job of the same content and options that was sent, or is being
--- sent (then it has no task id yet), or may have been (`unknown_outcome`).
--- In a transaction, workers that ask for the same content wait for each other.
--- For a file that was recorded anew under its path (`recorded`), other files
--- of the same content do not count, but for what the file was called before.
---@param sha256 string
---@param job_options string? # JSON, as it was added
---@param recorded { source: string, mtime: number }?
---@return table? row
---@return camb.Error? # nil also without a row: there is none
function Store:find_same(sha256, job_options, recorded)
  if recorded then
    return first_row(self.session:find_same(statements.find_recorded, sha256,
      job_options or "", recorded.source, recorded.mtime))
  end
  return first_row(self.session:find_same(statements.find_same, sha256,
    job_options or ""))
end

--- The same for a look, without that wait.
---@param sha256 string
---@param job_options string? # nil: whatever they are
---@param recorded { source: string, mtime: number }?
---@return table? row
---@return camb.Error? # nil also without a row: there is none
function Store:find_content(sha256, job_options, recorded)
  local session = self.session
  if recorded then
    return first_row(session:read(statements.find_recorded, sha256, job_options,
      recorded.source, recorded.mtime))
  elseif job_options then
    return first_row(session:read(statements.find_same, sha256, job_options))
  end
  return first_row(session:read(statements.find_content, sha256))
end

--- The job of `key`, if it was sent in that sense.
---@param key string
---@return table? row
---@return camb.Error? # nil also without a row: there is none
function Store:find_sent(key)
  return first_row(self.session:read(statements.find_sent, key))
end

--- The sizes in bytes of all files that were sent.
---@return table<integer, true>?
---@return camb.Error?
function Store:sizes()
  local found, err = self.session:read(statements.sizes)
  local sizes = {}
  for _, row in ipairs(found or {}) do
    sizes[tonumber(row.size)] = true
  end
  return found and sizes, err
end

--- The URL of the service that the tasks are at.
---@return string?
---@return camb.Error?
function Store:service()
  local found, err = self.session:read(statements.service)
  return found and found[1] and api.service(found[1].value), err
end

--- A job that the content is a stem of, whatever the file is called now.
---@param sha256 string
---@return table? row
---@return camb.Error? # nil also without a row: there is none
function Store:find_stem(sha256)
  return first_row(self.session:read(statements.find_stem, sha256, sha256,
    sha256, sha256))
end

--- The error in a job's row.
---@param row table
---@return camb.Error
function store.error_of(row)
  return Error.new({
    kind = row.error_kind or "store",
    message = row.error or ("the job is " .. row.state),
    retryable = row.retryable,
    task_id = row.task_id,
    run_id = row.run_id,
  })
end

--- Release the jobs and close the database; a second call does nothing.
---@return boolean ok
---@return camb.Error?
function Store:close()
  if self.closed then
    return true
  end
  self.closed = true
  local ok, err = self.is_read_only, nil
  if not ok then
    ok, err = self.session:finish(function(conn)
      return conn:run(statements.free_own, self.owner)
        and conn:run(statements.dismiss, self.owner) or nil, conn.failed
    end)
  end
  self.session:close()
  return ok and true, err
end

Store.__close = Store.close

for _, part in ipairs({ "camb.store.claims", "camb.store.changes",
  "camb.store.controls" }) do
  for name, method in pairs(require(part)) do
    Store[name] = method
  end
end

return store
