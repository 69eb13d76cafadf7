--- Damages a store and looks at what camb makes of it:
---
---   lua5.4 spec/fuzz/store.lua [SECONDS [SEED]]
---
--- Bytes and pages of a seeded SQLite file are changed, or rows of it by SQL;
--- then the store is opened, the same jobs are added and all work is claimed.
--- It must end in a clear error, or with no job to be uploaded that had been
--- sent before.  Exit status 1 on the first finding, whose file is kept.

local store = require "camb.store"

local fuzz = {}

local KEYS = 40

local function key_of(i)
  return ("takes/take-%03d.wav"):format(i)
end

local function jobs_list()
  local list = {}
  for i = 1, KEYS do
    list[i] = { key = key_of(i), source = key_of(i), options = "{}" }
  end
  return list
end

local STEMS = { foreground = "f.flac", foreground_size = 1,
  background = "b.flac", background_size = 2 }

-- The steps of each eighth job; only the last was never sent.
local STEPS = { 1, 2, 3, 4, 5, 6, 4, 0 }

local function seed_job(jobs, i)
  local key, last = key_of(i), STEPS[(i - 1) % #STEPS + 1]
  local failed = last == 5 and "failed" or last == 6 and "unknown"
  local steps = {
    { "submitting", { sha256 = ("%064d"):format(i) } },
    { "submitted", "task-" .. i },
    { "finished", 1000 + i },
    { "downloaded", STEMS },
  }
  for n = 1, last == 5 and 2 or last == 6 and 1 or last do
    assert(jobs[steps[n][1]](jobs, key, steps[n][2]))
  end
  if failed then
    assert(jobs[failed](jobs, key, { kind = "timeout", message = "late" }))
  end
end

local function was_sent(key)
  return tonumber(key:match("%d+")) % 8 ~= 0
end

--- Make a store with jobs in every state at `path`.
function fuzz.seed(path)
  local jobs = assert(store.open(path))
  assert(jobs:add(jobs_list()))
  assert(jobs:claim(KEYS))
  assert(jobs:transact(function()
    for i = 1, KEYS do
      seed_job(jobs, i)
    end
    return true
  end))
  assert(jobs:close())
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
end

local function splice(bytes, at, piece)
  return bytes:sub(1, at - 1) .. piece .. bytes:sub(at + #piece)
end

local function random_bytes(random, n)
  local list = {}
  for i = 1, n do
    list[i] = string.char(random(0, 255))
  end
  return table.concat(list)
end

local PAGE = 4096

-- Each takes the file's bytes and gives those of a damaged one.
local BYTE_DAMAGE = {
  function(bytes, random) -- bits
    for _ = 1, random(1, 8) do
      local at = random(1, #bytes)
      local byte, bit = bytes:byte(at), 2 ^ random(0, 7)
      local is_set = byte % (2 * bit) >= bit
      bytes = splice(bytes, at, string.char(is_set and byte - bit or byte + bit))
    end
    return bytes
  end,
  function(bytes, random) -- bytes, where there is something
    for _ = 1, random(1, 8) do
      local at = bytes:find("[^%z]", random(1, #bytes)) or 1
      bytes = splice(bytes, at, random_bytes(random, random(1, 4)))
    end
    return bytes
  end,
  function(bytes, random) -- a page that was never written
    local page = random(0, math.floor(#bytes / PAGE) - 1)
    return splice(bytes, page * PAGE + 1, ("\0"):rep(PAGE))
  end,
  function(bytes, random) -- a page in another's place
    local last = math.floor(#bytes / PAGE) - 1
    local from, to = random(0, last), random(0, last)
    return splice(bytes, to * PAGE + 1, bytes:sub(from * PAGE + 1,
      (from + 1) * PAGE))
  end,
  function(bytes, random) -- the end missing
    return bytes:sub(1, random(0, #bytes))
  end,
  function(bytes, random) -- a word of the rows in the place of another
    local words = { "intended", "submitting", "submitted", "finished",
      "downloaded", "unknown_outcome", "take%-0", "task%-" }
    local at = bytes:find(words[random(#words)], random(1, #bytes))
    return at and splice(bytes, at, random_bytes(random, random(1, 8))) or bytes
  end,
}

local ROW_DAMAGE = {
  "state = 'intended'", "state = 'gone'", "state = NULL", "state = x'00ff'",
  "state = 'submitted', task_id = NULL", "state = 'submitted', task_id = ''",
  "state = 'finished', run_id = NULL", "state = 'downloaded', foreground = ''",
  "state = 'failed', error_kind = NULL", "owner = 'nobody'", "owner = ''",
  "task_id = x'ff00ff'", "run_id = 'x'", "size = 'big'", "sent = 'yes'",
  "state = 'submitting', task_id = NULL, run_id = NULL",
  "state = 'intended', task_id = 'task'", "retryable = 'x'", "task_ended = x''",
  "state = 'failed', error_kind = 'unknown_outcome', task_id = NULL",
}

local function damage_rows(path, random)
  local DBI = require "DBI"
  local handle = assert(DBI.Connect("SQLite3", path))
  handle:autocommit(true)
  local function run(sql)
    local statement = handle:prepare(sql)
    if statement then
      statement:execute()
      statement:close()
    end
  end
  -- Without the tables' own rules, as a damaged file is.
  run("PRAGMA writable_schema = ON")
  run("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') "
    .. "WHERE name = 'camb_jobs'")
  handle:close()
  handle = assert(DBI.Connect("SQLite3", path))
  handle:autocommit(true)
  for _ = 1, random(1, 6) do
    run(("UPDATE camb_jobs SET %s WHERE id = %d"):format(
      ROW_DAMAGE[random(#ROW_DAMAGE)], random(1, KEYS)))
  end
  run(("UPDATE camb_workers SET lease = %s"):format(
    ({ "-1", "1e300", "'x'", "0" })[random(4)]))
  handle:close()
end

-- Errors that say what is wrong, in words for people.
local function is_clear(err)
  return type(err) == "table" and #err.message > 20
    and (err.kind == "file" or err.kind == "store")
end

-- The key of a job that `jobs` would have sent again.
local function find_resent(jobs)
  repeat
    local rows = jobs:claim(16)
    for _, row in ipairs(rows or {}) do
      if row.state == "intended" and was_sent(row.key) then
        return row.key
      end
    end
  until not rows or #rows == 0
end

-- What is wrong with what camb made of the store at `path`; else nil, and
-- whether it could be opened.
local function look(path)
  local jobs, err = store.open(path)
  local added
  if jobs then
    added, err = jobs:add(jobs_list())
  end
  if not added then
    if jobs then
      jobs:close()
    end
    return not is_clear(err) and "unclear error: " .. tostring(err) or nil
  end
  local resent = find_resent(jobs)
  if not resent then
    jobs:retry_failed()
    resent = find_resent(jobs)
  end
  jobs:close()
  return resent and resent .. " would be sent again", true
end

local function damage(path, seed, random)
  for _, suffix in ipairs({ "", "-wal", "-shm", "-journal" }) do
    os.remove(path .. suffix)
  end
  local kind = random(1, #BYTE_DAMAGE + 1)
  if kind > #BYTE_DAMAGE then
    write(path, seed)
    damage_rows(path, random)
  else
    write(path, BYTE_DAMAGE[kind](seed, random))
  end
end

--- Damage stores in `folder` for `seconds`, but `least` of them.
---@return integer runs
---@return integer|string opened # how many could be opened, or the finding
function fuzz.run(folder, seconds, seed, least)
  local core = require "camb.core"
  math.randomseed(seed)
  local path = folder .. "/store.db"
  fuzz.seed(path)
  local bytes, runs, opened = read(path), 0, 0
  local give_up = core.now() + seconds
  repeat
    runs = runs + 1
    damage(path, bytes, math.random)
    os.remove(path .. ".found")
    write(path .. ".found", read(path))
    local ok, finding, was_opened = pcall(look, path)
    if not ok or finding then
      return runs, ("run %d of seed %d: %s"):format(runs, seed,
        tostring(finding))
    end
    opened = opened + (was_opened and 1 or 0)
  until runs >= (least or 1) and core.now() > give_up
  return runs, opened
end

if arg and (arg[0] or ""):find("fuzz/store%.lua$") then
  local seed = tonumber(arg[2]) or os.time()
  local folder = os.tmpname()
  os.remove(folder)
  os.execute("mkdir " .. folder)
  print(("seed %d in %s"):format(seed, folder))
  local runs, result = fuzz.run(folder, tonumber(arg[1]) or 60, seed)
  local is_clean = type(result) == "number"
  print(is_clean and ("%d damaged stores, %d of them opened: no finding")
    :format(runs, result) or result .. ": " .. folder .. "/store.db.found")
  if is_clean then
    os.execute("rm -rf " .. folder)
  end
  os.exit(is_clean)
end

return fuzz
