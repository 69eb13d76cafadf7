--- The store's statements.  {clock}, {times} and {skip_locked} differ by
--- database.
---
--- Every change of a job's state names where it comes from and who holds it:
--- no row changed means that another worker has taken the job over.

local statements = {}

-- Wide integers as text: LuaDBI reads them as C's int.  To sort by the number,
-- the table has to be named.
local COLUMNS = [[CAST(id AS TEXT) AS id, key, state, owner, source, name,
  output_dir, options, sha256, CAST(size AS TEXT) AS size, {times},
  task_id, run_id, foreground, CAST(foreground_size AS TEXT) AS foreground_size,
  foreground_sha256, background, CAST(background_size AS TEXT)
  AS background_size, background_sha256, error_kind, error, retryable]]

--- How many jobs one statement inserts.  LuaDBI counts to 999 placeholders.
statements.batch = 50
--- What a new job is made of.
statements.added = { "key", "source", "name", "output_dir", "options",
  "sha256", "size", "mtime", "ctime" }

--- Insert `count` jobs, passing over those whose key is known.
function statements.add(count)
  local row = "('intended', " .. ("?, "):rep(#statements.added)
    .. "{clock})"
  return ("INSERT INTO camb_jobs (state, %s, updated) VALUES %s "
    .. "ON CONFLICT (key) DO NOTHING"):format(
    table.concat(statements.added, ", "),
    row .. (", " .. row):rep(count - 1))
end

statements.get = "SELECT " .. COLUMNS .. " FROM camb_jobs WHERE key = ?"
--- How many jobs one statement looks up, and that.
statements.page = 100
statements.get_page = ("SELECT %s FROM camb_jobs WHERE key IN (?%s)"):format(
  COLUMNS, (", ?"):rep(statements.page - 1))

statements.held = "SELECT " .. COLUMNS .. " FROM camb_jobs WHERE owner = ?"

statements.count = "SELECT state, CAST(count(*) AS TEXT) AS jobs "
  .. "FROM camb_jobs GROUP BY state"

-- By id also where a state is asked for: pages then cost what they pass over
-- once, and no sorting.
local LIST = "SELECT " .. COLUMNS
  .. " FROM camb_jobs WHERE camb_jobs.id > ? %sORDER BY camb_jobs.id LIMIT ?"
statements.list = LIST:format("")
statements.list_state = LIST:format("AND state || '' = ? ")

-- A task that something may still come of.
local HAS_TASK = "COALESCE(task_id, '') <> '' AND COALESCE(task_ended, 0) = 0 "
  .. "AND COALESCE(error_kind, '') NOT IN ('task_failed', 'task_timeout')"

-- What was paid for comes first, and what may have been is not passed over.
statements.find_same = "SELECT " .. COLUMNS .. [[ FROM camb_jobs
  WHERE sha256 = ? AND COALESCE(options, '') = ?
  AND (state IN ('submitting', 'submitted', 'finished', 'downloaded',
    'unknown_outcome')
    OR (state = 'failed' AND ]] .. HAS_TASK .. [[ AND error_kind
      NOT IN ('not_found', 'validation')))
  ORDER BY CASE WHEN state = 'unknown_outcome' THEN 2
    WHEN task_id IS NULL THEN 1 ELSE 0 END, camb_jobs.id
  LIMIT 1]]

-- A job that this content is a stem of, and not the recording itself.
statements.find_stem = "SELECT " .. COLUMNS .. [[ FROM camb_jobs
  WHERE (foreground_sha256 = ? OR background_sha256 = ?)
  AND COALESCE(sha256, '') <> ? ORDER BY camb_jobs.id LIMIT 1]]

-- What a row must hold to be believed in each state.  A row that was paid for
-- and is damaged must never look like one that is yet to be sent.
local SOUND = {
  intended = "task_id IS NULL AND run_id IS NULL AND sent IS NULL",
  submitting = "task_id IS NULL AND run_id IS NULL",
  submitted = "COALESCE(task_id, '') <> '' AND run_id IS NULL",
  finished = "COALESCE(task_id, '') <> '' AND COALESCE(run_id, '') <> ''",
  downloaded = "COALESCE(task_id, '') <> '' AND COALESCE(run_id, '') <> '' "
    .. "AND COALESCE(foreground, '') <> '' AND COALESCE(background, '') <> ''",
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

--- Set apart what cannot be believed.
statements.settle = [[UPDATE camb_jobs SET state = 'unknown_outcome',
  owner = NULL, retryable = 0, error_kind = 'store', error =
  'the row of this job is damaged (its state was ''' || COALESCE(state, '')
  || '''): a task may exist', updated = {clock}
  WHERE state IS NULL OR NOT (]] .. sound_rows() .. ")"

local CLAIM = [[WITH picked (picked_id) AS (
  SELECT id FROM camb_jobs WHERE state = '%s' AND owner IS NULL AND %s
  ORDER BY id LIMIT ? {skip_locked})
  UPDATE camb_jobs SET owner = ?, updated = {clock}%s
  FROM picked WHERE id = picked_id RETURNING ]] .. COLUMNS

local UNKNOWN = ", state = 'unknown_outcome', retryable = 0, "
  .. "error_kind = 'unknown_outcome', error = 'the worker that was sending "
  .. "the file ended: a task may exist and be charged; look at the dashboard "
  .. "before you send it again'"

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
statements.dismiss = "DELETE FROM camb_workers WHERE owner = ?"
statements.free_dead = [[UPDATE camb_jobs SET owner = NULL
  WHERE owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM camb_workers
  WHERE camb_workers.owner = camb_jobs.owner)]]
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

-- A task id is taken also where another worker has declared its outcome
-- unknown meanwhile: what is known of a task is never thrown away.
statements.submitted = [[UPDATE camb_jobs SET state = 'submitted', task_id = ?,
  owner = ?, error_kind = NULL, error = NULL, retryable = NULL,
  updated = {clock} WHERE key = ? AND task_id IS NULL
  AND ((owner = ? AND state IN ('intended', 'submitting'))
  OR state = 'unknown_outcome')]]

statements.finished = [[UPDATE camb_jobs SET state = 'finished', run_id = ?,
  updated = {clock} WHERE key = ? AND owner = ? AND state = 'submitted']]

statements.downloaded = [[UPDATE camb_jobs SET state = 'downloaded',
  foreground = ?, foreground_size = ?, foreground_sha256 = ?, background = ?,
  background_size = ?, background_sha256 = ?, owner = NULL, error_kind = NULL,
  error = NULL, retryable = NULL, updated = {clock}
  WHERE key = ? AND owner = ? AND state = 'finished']]

local ENDED = [[, error_kind = ?, error = ?, retryable = ?, task_ended = ?,
  task_id = COALESCE(task_id, ?), run_id = COALESCE(run_id, ?), owner = NULL,
  updated = {clock} WHERE key = ? AND owner = ? AND state IN ]]
statements.failed = "UPDATE camb_jobs SET state = 'failed'" .. ENDED
  .. "('intended', 'submitting', 'submitted', 'finished')"
statements.unknown = "UPDATE camb_jobs SET state = 'unknown_outcome'" .. ENDED
  .. "('intended', 'submitting', 'unknown_outcome')"

-- Back to where the job can go on: anew where it has no task, or one that has
-- ended.  A file that is yet to be sent may be another one than it was.
statements.retry = [[UPDATE camb_jobs SET
  state = CASE WHEN NOT ({has_task}) THEN 'intended'
    WHEN COALESCE(run_id, '') = '' THEN 'submitted' ELSE 'finished' END,
  sent = CASE WHEN {has_task} THEN sent END,
  size = CASE WHEN {has_task} THEN size END,
  mtime = CASE WHEN {has_task} THEN mtime END,
  ctime = CASE WHEN {has_task} THEN ctime END,
  sha256 = CASE WHEN {has_task} THEN sha256 END,
  task_id = CASE WHEN {has_task} THEN task_id END,
  run_id = CASE WHEN {has_task} AND run_id <> '' THEN run_id END,
  task_ended = NULL, error_kind = NULL, error = NULL, retryable = NULL,
  updated = {clock} WHERE state = ? AND owner IS NULL]]
statements.retry = statements.retry:gsub("{has_task}", HAS_TASK)
statements.retry_unpaid = statements.retry .. " AND key = ? AND NOT ("
  .. HAS_TASK .. ")"

return statements
