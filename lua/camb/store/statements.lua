--- The store's statements.  {clock}, {times} and {skip_locked} differ by
--- database.
---
--- Every change of a job's state names the state before and the owner: if it
--- changes no row, another worker has taken the job over.

local json = require "camb.json"
local text = require "camb.text"

local unpack = table.unpack or unpack -- luacheck: ignore

local statements = {}

-- Wide integers as text: LuaDBI reads them as C's int.  To sort by the number,
-- the table has to be named.
local COLUMNS = [[CAST(id AS TEXT) AS id, key, state, owner, source, name,
  output_dir, options, sha256, CAST(size AS TEXT) AS size, {times},
  task_id, run_id, foreground, CAST(foreground_size AS TEXT) AS foreground_size,
  foreground_sha256, background, CAST(background_size AS TEXT)
  AS background_size, background_sha256, error_kind, error, retryable,
  priority, attempts]]
local INTEGERS = { "size", "foreground_size", "background_size", "run_id" }
local TIMES = { "mtime", "ctime", "sent", "updated" }

--- A job's row with the values of its columns in their types.
---@param row table # as LuaDBI read it
---@return table row # the same one
function statements.row(row)
  for _, name in ipairs(INTEGERS) do
    row[name] = json.integer(row[name]) or row[name]
  end
  for _, name in ipairs(TIMES) do
    row[name] = text.tonumber(row[name])
  end
  if row.retryable ~= nil then
    row.retryable = row.retryable == 1
  end
  return row
end

function statements.rows(list)
  for _, row in ipairs(list) do
    statements.row(row)
  end
  return list
end

--- How many jobs one statement inserts.  LuaDBI counts to 999 placeholders.
statements.batch = 50
--- What a new job is made of.
statements.added = { "key", "source", "name", "output_dir", "options",
  "sha256", "size", "mtime", "ctime", "priority" }

--- Insert `count` jobs, passing over those whose key is known.
function statements.add(count)
  local row = "('intended', " .. ("?, "):rep(#statements.added - 1)
    .. "COALESCE(?, 0), {clock})"
  return ("INSERT INTO camb_jobs (state, %s, updated) VALUES %s "
    .. "ON CONFLICT (key) DO NOTHING"):format(
    table.concat(statements.added, ", "),
    row .. (", " .. row):rep(count - 1))
end

-- A task that something may still come of.
local HAS_TASK = "COALESCE(task_id, '') <> '' AND COALESCE(task_ended, 0) <> 1 "
  .. "AND COALESCE(error_kind, '') NOT IN ('task_failed', 'task_timeout')"
-- A failed job that costs nothing to retry, and that the service has not
-- refused.
local FREE = "state = 'failed' AND owner IS NULL "
  .. "AND COALESCE(task_ended, 0) <> 1 AND (retryable = 1 "
  .. "OR error_kind = 'file' OR " .. HAS_TASK
  .. " AND error_kind NOT IN ('not_found', 'validation', 'hook'))"

-- What was paid for is remembered, archived or not.
statements.get = "SELECT " .. COLUMNS .. " FROM camb_all WHERE key = ?"
--- How many jobs one statement looks up, and that.
statements.page = 100

--- What stands for the keys of one, padded with the last key.
---@param keys string[]
---@param first integer # of the page
---@return string ...
function statements.page_of(keys, first)
  local page = {}
  for i = 1, statements.page do
    page[i] = keys[math.min(first + i - 1, #keys)]
  end
  return unpack(page, 1, statements.page)
end

local OF_KEYS = ("key IN (?%s)"):format((", ?"):rep(statements.page - 1))
statements.get_page = ("SELECT %s, archived, CASE WHEN %s THEN 1 END "
  .. "AS is_free FROM camb_all WHERE %s"):format(COLUMNS, FREE, OF_KEYS)
statements.archived_keys = ("SELECT key FROM camb_archive WHERE key IN (?%s)")
  :format((", ?"):rep(statements.batch - 1))

statements.held = "SELECT " .. COLUMNS .. " FROM camb_jobs WHERE owner = ?"

statements.count = "SELECT state, CAST(sum(jobs) AS TEXT) AS jobs "
  .. "FROM camb_counts GROUP BY state HAVING sum(jobs) <> 0"

--- Free jobs that are yet to end, and are not put off.
statements.free = "owner IS NULL AND not_before IS NULL AND state IN "
  .. "('intended', 'submitting', 'submitted', 'finished')"

-- By id even for a single state: pages then pass over each row once, and
-- nothing is sorted.  Of such a condition a planner expects that most rows meet
-- it.
local LIST = "SELECT " .. COLUMNS
  .. " FROM camb_jobs WHERE camb_jobs.id > ? %sORDER BY camb_jobs.id LIMIT ?"
statements.list = LIST:format("")
statements.list_archived = statements.list:gsub("camb_jobs", "camb_archive")
statements.list_state = LIST:format(
  "AND CASE WHEN state = ? THEN 1 END IS NOT NULL ")

-- Paid jobs come first, and jobs that may be paid are not passed over.
local SAME = "SELECT " .. COLUMNS .. [[ FROM camb_all
  WHERE %s = ?%s
  AND (state IN ('submitting', 'submitted', 'finished', 'downloaded',
    'unknown_outcome')
    OR (state = 'failed' AND ]] .. HAS_TASK .. [[ AND error_kind
      NOT IN ('not_found', 'validation')))%s
  ORDER BY CASE WHEN state = 'unknown_outcome' THEN 2
    WHEN task_id IS NULL THEN 1 ELSE 0 END, camb_all.id
  LIMIT 1]]
local SAME_OPTIONS = " AND COALESCE(options, '') = ?"
statements.find_same = SAME:format("sha256", SAME_OPTIONS, "")
-- Whatever was sent with it.
statements.find_content = SAME:format("sha256", "", "")
statements.find_sent = SAME:format("key", "", "")
-- Of the files that were sent.
statements.sizes = "SELECT DISTINCT CAST(size AS TEXT) AS size FROM camb_all "
  .. "WHERE sha256 IS NOT NULL AND size IS NOT NULL"
-- Of a file that was recorded anew: a rename keeps its time.
statements.find_recorded = SAME:format("sha256", SAME_OPTIONS, [[

  AND (source = ? OR mtime = ? OR state = 'unknown_outcome')]])

-- A job that has a task, or may have one.
statements.paid = "SELECT key FROM camb_all WHERE COALESCE(task_id, '') <> '' "
  .. "OR state NOT IN ('intended', 'failed') LIMIT 1"

-- A job that this content is a stem of, and not the recording itself.  Each
-- half has its index; an OR or an order would let the planner walk through all
-- rows.
local STEM = "SELECT " .. COLUMNS
  .. " FROM camb_all WHERE %s = ? AND COALESCE(sha256, '') <> ?"
statements.find_stem = STEM:format("foreground_sha256") .. " UNION ALL "
  .. STEM:format("background_sha256") .. " LIMIT 1"

-- What a row must hold to be believed in each state.  A row that was paid for
-- and is damaged must never look like one that is yet to be sent.
local SOUND = {
  intended = "task_id IS NULL AND run_id IS NULL AND sent IS NULL",
  submitting = "task_id IS NULL AND run_id IS NULL",
  submitted = "COALESCE(task_id, '') <> '' AND run_id IS NULL",
  finished = "COALESCE(task_id, '') <> '' AND COALESCE(run_id, '') <> ''",
  downloaded = "COALESCE(task_id, '') <> '' AND COALESCE(run_id, '') <> '' "
    .. "AND COALESCE(foreground, background, '') <> ''",
  failed = "COALESCE(error_kind, '') <> '' "
    .. "AND error_kind <> 'unknown_outcome'",
  unknown_outcome = "1 = 1",
}

--- The states, in the order of a job's life.
statements.states = { "intended", "submitting", "submitted", "finished",
  "downloaded", "failed", "unknown_outcome" }

local function sound_rows()
  local sound = {}
  for _, state in ipairs(statements.states) do
    sound[#sound + 1] = ("(state = '%s' AND %s)"):format(state, SOUND[state])
  end
  return "COALESCE(source, '') <> '' AND COALESCE(key, '') <> '' AND ("
    .. table.concat(sound, " OR ") .. ")"
end

--- Of a row that cannot be believed.
statements.damaged = "state IS NULL OR NOT (" .. sound_rows() .. ")"

--- Set apart what cannot be believed.
statements.settle = [[UPDATE camb_jobs SET state = 'unknown_outcome',
  owner = NULL, retryable = 0, error_kind = 'store', error =
  'the row of this job is damaged (its state was ''' || COALESCE(state, '')
  || '''): a task may exist', updated = {clock}
  WHERE ]] .. statements.damaged

local CLAIM = [[WITH picked (picked_id) AS (
  SELECT id FROM camb_jobs WHERE state = '%s' AND %s
  AND ]] .. statements.free .. [[

  ORDER BY priority DESC, id LIMIT ? {skip_locked})
  UPDATE camb_jobs SET owner = ?, updated = {clock}%s
  FROM picked WHERE id = picked_id RETURNING ]] .. COLUMNS

local UNKNOWN = ", state = 'unknown_outcome', retryable = 0, "
  .. "error_kind = 'unknown_outcome', error = 'the worker that was sending "
  .. "the file ended: a task may exist and be charged; check the dashboard "
  .. "before you send it again'"

--- Whether a free job was begun: most claims find none, and a look costs less
--- than three updates that change nothing.
statements.begun = "SELECT state FROM camb_jobs WHERE state IN ('submitting', "
  .. "'submitted', 'finished') AND " .. statements.free .. " LIMIT 1"

--- By state, what takes free jobs; furthest along comes first.
statements.claim = {
  { state = "finished", sql = CLAIM:format("finished", SOUND.finished, "") },
  { state = "submitted",
    sql = CLAIM:format("submitted", SOUND.submitted, "") },
  { state = "submitting", sql = CLAIM:format("submitting", "1 = 1", UNKNOWN) },
  { state = "intended", sql = CLAIM:format("intended", SOUND.intended, "") },
}

-- A worker counts on as long as it lives: no clock has to be right for that.
statements.register = "INSERT INTO camb_workers (owner, beat, lease) "
  .. "VALUES (?, 1, ?) ON CONFLICT (owner) DO UPDATE "
  .. "SET beat = camb_workers.beat + 1, lease = excluded.lease"
statements.renew = "UPDATE camb_workers SET beat = beat + 1, lease = ? "
  .. "WHERE owner = ?"
statements.workers = "SELECT owner, CAST(beat AS TEXT) AS beat, "
  .. "CAST(lease AS TEXT) AS lease FROM camb_workers"
statements.workers_held = "SELECT camb_workers.owner AS owner, "
  .. "CAST(lease AS TEXT) AS lease, CAST((SELECT count(*) FROM camb_jobs "
  .. "WHERE camb_jobs.owner = camb_workers.owner) AS TEXT) AS jobs "
  .. "FROM camb_workers ORDER BY camb_workers.owner"
-- The time in a query of its own: an index takes no function that is volatile.
statements.rate = "SELECT CAST(count(*) AS TEXT) AS done, "
  .. "CAST({clock} - MIN(sent) AS TEXT) AS span, "
  .. "CAST((SELECT COALESCE(sum(jobs), 0) FROM camb_counts WHERE "
  .. "state IN ('intended', 'submitting', 'submitted', 'finished')) AS TEXT) "
  .. "AS unfinished FROM camb_jobs "
  .. "WHERE state = 'downloaded' AND updated > (SELECT {clock} - ?)"
statements.dismiss = "DELETE FROM camb_workers WHERE owner = ?"
statements.free_dead = [[UPDATE camb_jobs SET owner = NULL
  WHERE owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM camb_workers
  WHERE camb_workers.owner = camb_jobs.owner)]]
-- What was put off may be claimed.
statements.awake = "UPDATE camb_jobs SET not_before = NULL "
  .. "WHERE not_before <= {clock}"

statements.service = "SELECT value FROM camb_meta WHERE name = 'base_url'"
-- While the service is out of order: how long nothing is sent.
statements.pause = "INSERT INTO camb_meta (name, value) VALUES "
  .. "('paused_until', CAST({clock} + ? AS TEXT)), ('paused_reason', ?) "
  .. "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
statements.controls = "SELECT name, CASE WHEN name = 'paused_until' "
  .. "THEN CAST(CAST(value AS DOUBLE PRECISION) - {clock} AS TEXT) "
  .. "ELSE value END AS value FROM camb_meta "
  .. "WHERE name NOT IN ('schema', 'base_url') "
  .. "UNION ALL SELECT 'workers', CAST(count(*) AS TEXT) FROM camb_workers"
-- What people decide for all workers: 'halt' and limits.
statements.set_control = "INSERT INTO camb_meta (name, value) VALUES (?, ?) "
  .. "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
statements.drop_control = "DELETE FROM camb_meta WHERE name = ?"
statements.sending = "SELECT CAST(count(*) AS TEXT) AS jobs FROM camb_jobs "
  .. "WHERE owner IS NOT NULL AND state = 'submitting'"
statements.spend = "UPDATE camb_meta SET value = "
  .. "CAST(CAST(value AS BIGINT) - 1 AS TEXT) WHERE name = 'limit_jobs' "
  .. "AND CAST(value AS BIGINT) > 0"
statements.unspend = "UPDATE camb_meta SET value = "
  .. "CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'limit_jobs'"
local MINUTES = "UPDATE camb_meta SET value = CAST(CAST(value AS DOUBLE "
  .. "PRECISION) %s ? AS TEXT) WHERE name = 'limit_minutes'"
statements.spend_minutes = MINUTES:format("-")
  .. " AND CAST(value AS DOUBLE PRECISION) >= ?"
statements.unspend_minutes = MINUTES:format("+")
statements.probe = "UPDATE camb_meta SET value = CAST({clock} + ? AS TEXT) "
  .. "WHERE name = 'paused_until' "
  .. "AND CAST(value AS DOUBLE PRECISION) <= {clock}"
statements.resume = "DELETE FROM camb_meta "
  .. "WHERE name IN ('paused_until', 'paused_reason')"

statements.free_own = "UPDATE camb_jobs SET owner = NULL WHERE owner = ?"

statements.release = "UPDATE camb_jobs SET owner = NULL, updated = {clock} "
  .. "WHERE key = ? AND owner = ?"

statements.submitting = [[UPDATE camb_jobs SET state = 'submitting',
  sent = {clock}, updated = {clock}, sha256 = COALESCE(?, sha256),
  size = COALESCE(?, size), mtime = COALESCE(?, mtime),
  ctime = COALESCE(?, ctime)
  WHERE key = ? AND owner = ? AND state = 'intended' AND ]] .. SOUND.intended

statements.intended = [[UPDATE camb_jobs SET state = 'intended', sent = NULL,
  owner = NULL, updated = {clock}
  WHERE key = ? AND owner = ? AND state = 'submitting']]

statements.unsent = [[UPDATE camb_jobs SET state = 'intended', sent = NULL,
  updated = {clock} WHERE key = ? AND owner = ? AND state = 'submitting']]

-- A task id is recorded even if this worker was taken for dead, or another one
-- has declared the outcome unknown: what is known of a task is never thrown
-- away.
statements.submitted = [[UPDATE camb_jobs SET state = 'submitted', task_id = ?,
  sha256 = COALESCE(?, sha256), size = COALESCE(?, size),
  mtime = COALESCE(?, mtime), ctime = COALESCE(?, ctime),
  owner = ?, error_kind = NULL, error = NULL, retryable = NULL,
  updated = {clock} WHERE key = ? AND task_id IS NULL
  AND ((owner = ? AND state IN ('intended', 'submitting'))
  OR state = 'unknown_outcome' OR (owner IS NULL AND state = 'submitting'))]]

-- The stems of another run are none of this one.
statements.finished = [[UPDATE camb_jobs SET state = 'finished', run_id = ?,
  foreground = NULL, background = NULL,
  updated = {clock} WHERE key = ? AND owner = ? AND state = 'submitted']]

local STEMS = "UPDATE camb_jobs SET foreground = ?, foreground_size = ?, "
  .. "foreground_sha256 = ?, background = ?, background_size = ?, "
  .. "background_sha256 = ?, updated = {clock} %sWHERE key = ? AND "
local DONE = ", state = 'downloaded', owner = NULL, error_kind = NULL, "
  .. "error = NULL, retryable = NULL "
local OF_FINISHED = "owner = ? AND state = 'finished'"
statements.fetched = STEMS:format("") .. OF_FINISHED
statements.downloaded = STEMS:format(DONE) .. OF_FINISHED
local OF_DONE = "owner IS NULL AND state = 'downloaded'"
statements.fetched_more = STEMS:format(DONE) .. OF_DONE
statements.reopened = STEMS:format(", state = 'finished', owner = ? ")
  .. OF_DONE

local ENDED = [[, error_kind = ?, error = ?, retryable = ?, task_ended = ?,
  task_id = COALESCE(task_id, ?), run_id = COALESCE(run_id, ?), owner = NULL,
  updated = {clock} WHERE key = ? AND owner = ? AND state IN ]]
statements.failed = "UPDATE camb_jobs SET state = 'failed'" .. ENDED
  .. "('intended', 'submitting', 'submitted', 'finished')"
statements.unknown = "UPDATE camb_jobs SET state = 'unknown_outcome'" .. ENDED
  .. "('intended', 'submitting', 'unknown_outcome')"

-- Back to the state from which the job can resume: to `intended` if it has no
-- task, or one that has ended.  An unsent file may have changed since.
local AGAIN = ([[UPDATE camb_jobs SET
  state = CASE WHEN NOT ({has_task}) THEN 'intended'
    WHEN COALESCE(run_id, '') = '' THEN 'submitted' ELSE 'finished' END,
  sent = CASE WHEN {has_task} THEN sent END,
  size = CASE WHEN {has_task} THEN size END,
  mtime = CASE WHEN {has_task} THEN mtime END,
  ctime = CASE WHEN {has_task} THEN ctime END,
  sha256 = CASE WHEN {has_task} THEN sha256 END,
  task_id = CASE WHEN {has_task} THEN task_id END,
  run_id = CASE WHEN {has_task} AND run_id <> '' THEN run_id END,
  task_ended = NULL, updated = {clock}, ]]):gsub("{has_task}", HAS_TASK)

local RETRIED = AGAIN .. "attempts = 0, not_before = NULL, "
  .. "error_kind = NULL, error = NULL, retryable = NULL WHERE "
statements.retry = RETRIED .. "state = ? AND owner IS NULL"
statements.retry_free = RETRIED .. FREE .. " AND " .. OF_KEYS
statements.retry_one = statements.retry .. " AND key = ?"
statements.retry_unpaid = statements.retry .. " AND key = ? AND NOT ("
  .. HAS_TASK .. ")"
-- Many rows are changed a page at a time, as each statement gets its time from
-- a database: the end of the page behind an id, of all rows whatever their
-- state.  Of those that match, in the order of their ids, a planner might read
-- and sort all anew for each page.
statements.page_end = "SELECT CAST(max(page_id) AS TEXT) AS id FROM "
  .. "(SELECT id AS page_id FROM camb_jobs WHERE id > ? ORDER BY id "
  .. "LIMIT 5000) AS page"
local OF_PAGE = "id > ? AND id <= ?"
statements.retry_page = statements.retry .. " AND " .. OF_PAGE

-- The same for a job that has failed, and for which it was not the last time.
statements.put_off = AGAIN .. [[attempts = attempts + 1,
  not_before = {clock} + ?, error_kind = ?, error = ?, retryable = 1,
  owner = NULL WHERE key = ? AND owner = ?
  AND state IN ('intended', 'submitting', 'submitted', 'finished')]]

-- Jobs that are yet to be sent.
statements.prioritize = "UPDATE camb_jobs SET priority = ? "
  .. "WHERE priority <> ? AND state = 'intended' AND " .. OF_KEYS

-- Other jobs of a task, but for those of the content of this one; a copy that
-- was declined has none in its row.
statements.task_of_another = "SELECT " .. COLUMNS .. [[, archived FROM camb_all
  WHERE task_id = ? AND key <> ? AND NOT EXISTS (SELECT 1 FROM camb_jobs AS own
  WHERE own.key = ? AND COALESCE(own.sha256, ?) = camb_all.sha256) LIMIT 1]]
statements.assign = [[UPDATE camb_jobs SET state = 'submitted', task_id = ?,
  run_id = NULL, task_ended = NULL, error_kind = NULL, error = NULL,
  retryable = NULL, not_before = NULL, updated = {clock}
  WHERE key = ? AND owner IS NULL AND state <> 'downloaded'
  AND (state <> 'finished' OR COALESCE(foreground, background) IS NULL)]]

-- What was done before a time moves into the archive.
statements.time_before = "SELECT CAST({clock} - ? AS TEXT) AS time"
local DONE_BEFORE = "state = 'downloaded' AND owner IS NULL AND updated <= ?"
-- What others change meanwhile stays; what they finish is not removed unmoved.
statements.archive = "INSERT INTO camb_archive SELECT * FROM camb_jobs WHERE "
  .. OF_PAGE .. " AND " .. DONE_BEFORE .. " {skip_locked}"
statements.unlist = "DELETE FROM camb_jobs WHERE " .. OF_PAGE .. " AND id IN "
  .. "(SELECT id FROM camb_archive WHERE " .. OF_PAGE .. ")"
statements.count_archived = "INSERT INTO camb_counts (state, shard, jobs) "
  .. "VALUES ('archived', 0, ?) ON CONFLICT (state, shard) DO UPDATE "
  .. "SET jobs = camb_counts.jobs + excluded.jobs"

statements.forget = "DELETE FROM camb_jobs WHERE key = ? AND owner IS NULL"

return statements
