--- The store's tables.  Their columns are described in camb.store.

local advice = require "camb.advice"
local api = require "camb.api"
local Error = require "camb.error"
local owner = require "camb.store.owner"
local statements = require "camb.store.statements"

local schema = {}

--- The version of the tables that this camb writes.
schema.version = 5
-- Of a store that lacks the archive.
local WITHOUT_ARCHIVE = 4

local OF_JOB = [[
    key TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    owner TEXT,
    source TEXT NOT NULL,
    name TEXT,
    output_dir TEXT,
    options TEXT,
    sha256 TEXT,
    size BIGINT,
    mtime DOUBLE PRECISION,
    ctime DOUBLE PRECISION,
    task_id TEXT,
    task_ended SMALLINT,
    run_id TEXT,
    foreground TEXT,
    foreground_size BIGINT,
    foreground_sha256 TEXT,
    background TEXT,
    background_size BIGINT,
    background_sha256 TEXT,
    error_kind TEXT,
    error TEXT,
    retryable SMALLINT,
    priority INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before DOUBLE PRECISION,
    sent DOUBLE PRECISION,
    updated DOUBLE PRECISION]]

-- Jobs that were done long ago stay known, out of the way of the others.
local ARCHIVE = {
  "CREATE TABLE camb_archive (id BIGINT NOT NULL PRIMARY KEY, " .. OF_JOB
    .. ")",
  [[CREATE INDEX camb_archive_content ON camb_archive (sha256)
    WHERE sha256 IS NOT NULL]],
  [[CREATE INDEX camb_archive_foreground ON camb_archive (foreground_sha256)
    WHERE foreground_sha256 IS NOT NULL]],
  [[CREATE INDEX camb_archive_background ON camb_archive (background_sha256)
    WHERE background_sha256 IS NOT NULL]],
  "CREATE VIEW camb_all AS SELECT camb_jobs.*, 0 AS archived FROM camb_jobs "
    .. "UNION ALL SELECT camb_archive.*, 1 FROM camb_archive",
}

local TABLES = {
  "CREATE TABLE camb_jobs (id {identity}, " .. OF_JOB .. "){jobs_storage}",
  -- Indexes for claims, for what a worker holds, and for damaged rows: none
  -- grows with the jobs that are done, and no other index can replace them.
  "CREATE INDEX camb_jobs_free ON camb_jobs (state, priority DESC, id) WHERE "
    .. statements.free,
  "CREATE INDEX camb_jobs_put_off ON camb_jobs (not_before) "
    .. "WHERE not_before IS NOT NULL",
  "CREATE INDEX camb_jobs_held ON camb_jobs (owner) WHERE owner IS NOT NULL",
  "CREATE INDEX camb_jobs_damaged ON camb_jobs (id) WHERE "
    .. statements.damaged,
  -- Those that grow: what was done when, and which content.
  "CREATE INDEX camb_jobs_done ON camb_jobs (updated) "
    .. "WHERE state = 'downloaded'",
  [[CREATE INDEX camb_jobs_content ON camb_jobs (sha256)
    WHERE sha256 IS NOT NULL]],
  [[CREATE INDEX camb_jobs_foreground ON camb_jobs (foreground_sha256)
    WHERE foreground_sha256 IS NOT NULL]],
  [[CREATE INDEX camb_jobs_background ON camb_jobs (background_sha256)
    WHERE background_sha256 IS NOT NULL]],
  [[CREATE TABLE camb_workers (
    owner TEXT NOT NULL PRIMARY KEY,
    beat BIGINT NOT NULL,
    lease DOUBLE PRECISION NOT NULL
  ){busy_storage}]],
  -- How many jobs there are by state, kept by triggers; workers that count at
  -- the same time do so in different shards.
  [[CREATE TABLE camb_counts (
    state TEXT NOT NULL,
    shard INTEGER NOT NULL,
    jobs BIGINT NOT NULL,
    PRIMARY KEY (state, shard)
  ){busy_storage}]],
}

local META = [[CREATE TABLE camb_meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
)]]

local SET_META = "INSERT INTO camb_meta (name, value) VALUES (?, ?) "
  .. "ON CONFLICT (name) DO UPDATE SET value = excluded.value"

local function run_all(conn, list)
  for _, sql in ipairs(list) do
    local ok, err = conn:run(sql)
    if not ok then
      return nil, err
    end
  end
  return true
end

local function read_meta(conn, name)
  local rows, err = conn:rows("SELECT value FROM camb_meta WHERE name = ?",
    name)
  if not rows then
    return nil, err
  end
  return rows[1] and rows[1].value or false
end

-- Its version; 0 for a store that does not exist yet.
local function read_version(conn, label)
  local tables, err = conn:rows(conn.dialect.has_table, "camb_meta")
  if not tables then
    return nil, err
  elseif #tables == 0 then
    return 0
  end
  local value
  value, err = read_meta(conn, "schema")
  if value == nil then
    return nil, err
  end
  local version = tonumber(value or "0")
  if not version or version < 0 or version ~= math.floor(version) then
    return nil, Error.new({
      kind = "store",
      message = ("the store %s has no version: it is damaged")
        :format(label),
    })
  end
  return version
end

local function check_version(label, version)
  if version ~= schema.version then
    return nil, Error.new({
      kind = "store",
      message = ("the store %s was written by %s camb (version %d of its "
        .. "tables, this one knows %d)"):format(label,
        version > schema.version and "a newer" or "an older", version,
        schema.version),
    })
  end
  return true
end

local function add_archive(conn)
  local ok, err = run_all(conn, ARCHIVE)
  if not ok then
    return nil, err
  end
  return conn:run(SET_META, "schema", ("%d"):format(schema.version))
end

local function make(conn)
  local ok, err = run_all(conn, { META })
  if ok then
    ok, err = run_all(conn, TABLES)
  end
  if ok then
    ok, err = run_all(conn, conn.dialect.triggers)
  end
  if not ok then
    return nil, err
  end
  return add_archive(conn)
end

local function set_up(conn, label)
  local version, err = read_version(conn, label)
  local ok = version
  if version == WITHOUT_ARCHIVE then
    ok, err = add_archive(conn)
  elseif version == 0 then
    ok, err = make(conn)
  elseif version then
    ok, err = check_version(label, version)
  end
  return ok, err
end

-- Whether nothing of the store is, or may be, at a service: no job has a task,
-- or may have one, and no other worker lives that could send one.
local function is_unsent(conn, own)
  local paid = conn:rows(statements.paid)
  local workers = conn:rows(statements.workers)
  local is_free = paid and workers and #paid == 0
  for _, worker in ipairs(workers or {}) do
    is_free = is_free and (worker.owner == own or owner.is_dead(worker.owner))
  end
  return is_free
end

--- What is wrong with a store of another service.
---@param label string # names the store in messages
---@param known string # its service
---@param base_url string
---@return camb.Error
function schema.other_service(label, known, base_url)
  return Error.new({ kind = "store", shell = "help",
    message = ("the store %s belongs to the service at %s, not to %s: %s")
      :format(label, known, api.service(base_url), advice.on("service")) })
end

--- A store belongs to the service that its tasks are at; before there are any,
--- to that of the last one who opened it: what failed at another is retried.
---@param conn table # in a transaction, in which the worker is registered
---@param label string # names the store in messages
---@param base_url string # of the service; another one's store is refused
---@param own string # this worker
---@return boolean|integer|nil ok
---@return camb.Error?
function schema.heed_service(conn, label, base_url, own)
  if conn.dialect.tables_lock and not conn:rows(conn.dialect.tables_lock) then
    return nil, conn.failed
  end
  local known, err = read_meta(conn, "base_url")
  known, base_url = known and api.service(known), api.service(base_url)
  if known == nil or known == base_url then
    return known, err
  elseif known and not is_unsent(conn, own) then
    return nil, conn.failed or schema.other_service(label, known, base_url)
  end
  return (not known or conn:run(statements.retry, "failed")
    and conn:run(statements.resume))
    and conn:run(SET_META, "base_url", base_url), conn.failed
end

--- Nothing is sent by a copy of a file that was in use and whose log is not
--- there, until somebody says so.  Of a store that is no file this is nothing.
---@param conn table # in a transaction
---@return boolean? ok
---@return camb.Error?
function schema.heed_copy(conn)
  local place = conn.dialect.place and conn.dialect.place()
  local known, err = nil, nil
  if place then
    known, err = read_meta(conn, "file")
  end
  if known == place or err then
    return not err or nil, err
  end
  local workers = known and conn.lacks_log and conn:rows(statements.workers)
  if workers and #workers > 0 then
    conn:run(SET_META, "halt", conn.dialect.copied)
  end
  return conn:run(SET_META, "file", place) and true, conn.failed
end

--- Make the tables of the store behind `conn`, or find them made, in one
--- transaction.
---@param conn table
---@param label string     # names the store in messages
---@return boolean? ok
---@return camb.Error?
function schema.prepare(conn, label)
  local ok, err = conn:begin()
  if not ok then
    return nil, err
  end
  if conn.dialect.tables_lock then
    ok, err = conn:rows(conn.dialect.tables_lock)
  end
  if ok then
    ok, err = set_up(conn, label)
  end
  if ok then
    ok, err = conn:commit()
  end
  if not ok then
    conn:rollback()
    return nil, err
  end
  return true
end

--- Find the tables made, and write nothing.
---@param conn table
---@param label string # names the store in messages
---@return boolean? ok
---@return camb.Error?
function schema.check(conn, label)
  local version, err = read_version(conn, label)
  if version == 0 then
    return nil, Error.new({ kind = "store", is_empty = true, shell = "help",
      message = ("there are no jobs in %s: no batch has used it yet")
        :format(label) })
  elseif not version then
    return nil, err
  elseif version == WITHOUT_ARCHIVE then
    return nil, Error.new({ kind = "store",
      message = ("the store %s was written by an older camb: the next batch "
        .. "brings it up to date, a look does not"):format(label) })
  end
  return check_version(label, version)
end

return schema
