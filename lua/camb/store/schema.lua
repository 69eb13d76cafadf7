--- The store's tables.  Their columns are described in camb.store.

local Error = require "camb.error"

local schema = {}

--- The version of the tables that this camb writes.
schema.version = 3

local TABLES = {
  [[CREATE TABLE camb_jobs (
    id {identity},
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
    sent DOUBLE PRECISION,
    updated DOUBLE PRECISION
  )]],
  -- What claims look through, and what a worker holds: neither grows with the
  -- jobs that are done.
  "CREATE INDEX camb_jobs_free ON camb_jobs (state, id) WHERE owner IS NULL",
  "CREATE INDEX camb_jobs_held ON camb_jobs (owner) WHERE owner IS NOT NULL",
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
  )]],
}

local META = [[CREATE TABLE camb_meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
)]]

local SET_META = "INSERT INTO camb_meta (name, value) VALUES (?, ?) "
  .. "ON CONFLICT (name) DO UPDATE SET value = excluded.value"

local function run_all(conn, statements)
  for _, sql in ipairs(statements) do
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

-- Where it stands; 0 for a store that is yet to be made.
local function read_version(conn, label)
  local tables, err = conn:rows(conn.dialect.has_table, "camb_meta")
  if not tables then
    return nil, err
  elseif #tables == 0 then
    local ok, problem = run_all(conn, { META })
    return ok and 0, problem
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

-- A store belongs to the service that its tasks are at.
local function check_service(conn, label, base_url)
  local known, err = read_meta(conn, "base_url")
  if known == nil then
    return nil, err
  elseif known and known ~= base_url then
    return nil, Error.new({
      kind = "store",
      message = ("the store %s belongs to the service at %s, not to %s")
        :format(label, known, base_url),
    })
  end
  return known or conn:run(SET_META, "base_url", base_url)
end

local function check_version(label, version)
  if version ~= 0 and version ~= schema.version then
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

local function make(conn)
  local ok, err = run_all(conn, TABLES)
  if not ok then
    return nil, err
  end
  return conn:run(SET_META, "schema", ("%d"):format(schema.version))
end

local function set_up(conn, label, base_url)
  local version, err = read_version(conn, label)
  local ok = version
  if ok then
    ok, err = check_version(label, version)
  end
  if ok and version == 0 then
    ok, err = make(conn)
  end
  if ok and base_url then
    ok, err = check_service(conn, label, base_url)
  end
  return ok, err
end

--- Make the tables of the store behind `conn`, or find them made, in one
--- transaction.
---@param conn table
---@param label string     # names the store in messages
---@param base_url string? # of the service; another one's store is refused
---@return boolean? ok
---@return camb.Error?
function schema.prepare(conn, label, base_url)
  local ok, err = conn:begin()
  if not ok then
    return nil, err
  end
  if conn.dialect.tables_lock then
    ok, err = conn:rows(conn.dialect.tables_lock)
  end
  if ok then
    ok, err = set_up(conn, label, base_url)
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

return schema
