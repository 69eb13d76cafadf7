--- What a store does in either database: the specs of both run this.  `place`
--- gives fresh(): where a new store may be made, and sql(statement): what the
--- newest one answers to it, by the database's own command.

local assert = require "luassert"
local busted = require "busted"
local core = require "camb.core"
local luas = require "spec.support.luas"
local store = require "camb.store"

local it, before_each, after_each = busted.it, busted.before_each,
  busted.after_each

local STEMS = { foreground = "x.foreground.flac", foreground_size = 5000000001,
  foreground_sha256 = ("a"):rep(64), background = "x.background.flac",
  background_size = 3, background_sha256 = ("b"):rep(64) }

local function keys_of(rows)
  local keys = {}
  for _, row in ipairs(rows) do
    keys[#keys + 1] = row.key
  end
  return table.concat(keys, " ")
end

return function(place)
  local spec, opened

  local function open(options)
    local made = assert(store.open(spec, options))
    opened[#opened + 1] = made
    return made
  end

  local function add(jobs, ...)
    local list = {}
    for _, key in ipairs({ ... }) do
      list[#list + 1] = { key = key, source = key .. ".wav" }
    end
    return assert(jobs:add(list))
  end

  -- Bring the job, which is ours, to `state`.
  local function bring(jobs, key, state)
    for _, step in ipairs({
      { "submitting" }, { "submitted", "t-" .. key },
      { "finished", 7 }, { "downloaded", STEMS },
    }) do
      if state == "intended" then
        return
      end
      assert(jobs[step[1]](jobs, key, step[2]))
      if step[1] == state then
        return
      end
    end
  end

  local function refused(key, ok, err)
    assert.is_nil(ok)
    assert.equal("store", err.kind)
    assert.is_true(err.is_taken)
    assert.matches("job " .. key .. " is owned by another worker",
      err.message, 1, true)
  end

  -- Let go of the database without giving anything back, as a kill does.
  local function die(jobs)
    jobs.session:close()
    jobs.closed = true
  end

  before_each(function()
    spec, opened = place.fresh(), {}
  end)

  after_each(function()
    for _, made in ipairs(opened) do
      made:close()
    end
  end)

  it("gives what was put off when its time has come, and not before", function()
    local jobs = open()
    add(jobs, "a", "b", "c")
    assert.equal(3, #jobs:claim(3))
    local err = { kind = "network", message = "no route", retryable = true }
    bring(jobs, "b", "submitted")
    bring(jobs, "c", "submitting")
    for _, key in ipairs({ "a", "b", "c" }) do
      assert.is_true(jobs:put_off(key, err, 0.7))
    end
    assert.same({}, jobs:claim(3))
    assert.same({ intended = 2, submitted = 1 }, jobs:count())
    local rows = {}
    local give_up = core.now() + 20
    while #rows < 3 and core.now() < give_up do
      core.wait(0.1)
      for _, row in ipairs(jobs:claim(3)) do
        rows[#rows + 1] = row
      end
    end
    table.sort(rows, function(a, b) return a.key < b.key end)
    assert.equal("a b c", keys_of(rows))
    assert.equal("intended", rows[1].state)
    assert.equal("submitted", rows[2].state)
    assert.equal("t-b", rows[2].task_id)
    assert.equal("intended", rows[3].state)
    for _, row in ipairs(rows) do
      assert.equal(1, row.attempts)
      assert.equal("no route", row.error)
    end
    assert.is_true(jobs:failed("a", err))
    assert.equal(1, jobs:get("a").attempts)
    assert.equal(1, jobs:retry_failed())
    assert.equal(0, jobs:get("a").attempts)
  end)

  it("keeps what is known of a job through all of its states", function()
    local jobs = open()
    assert.equal(1, jobs:add({ { key = "k", source = "a/x.wav", name = "x",
      output_dir = "out", options = '{"folder_id": 7}' } }))
    assert.equal("intended", jobs:claim(1)[1].state)
    assert.is_true(jobs:submitting("k", { sha256 = ("c"):rep(64),
      size = 5000000000, mtime = 1700000000.1234567 }))
    assert.equal("submitting", jobs:get("k").state)
    assert.is_true(jobs:submitted("k", "task-1"))
    assert.equal("task-1", jobs:get("k").task_id)
    assert.is_true(jobs:finished("k", "9223372036854775807"))
    assert.is_true(jobs:downloaded("k", STEMS))
    local row = jobs:get("k")
    for name, value in pairs(STEMS) do
      assert.equal(value, row[name])
    end
    for name, value in pairs({ source = "a/x.wav", name = "x",
      output_dir = "out", options = '{"folder_id": 7}', sha256 = ("c"):rep(64),
      size = 5000000000, mtime = 1700000000.1234567, state = "downloaded",
      task_id = "task-1", run_id = luas.has_integers and 9223372036854775807
        or "9223372036854775807" }) do
      assert.equal(value, row[name])
    end
    assert.is_nil(row.owner)
    assert.is_nil(row.error)
    assert.near(os.time(), row.sent, 60)
  end)

  it("gives a run id beyond Lua's integers as its digits", function()
    local jobs = open()
    add(jobs, "k")
    jobs:claim(1)
    bring(jobs, "k", "submitted")
    assert.is_true(jobs:finished("k", "92233720368547758079"))
    assert.equal("92233720368547758079", jobs:get("k").run_id)
  end)

  it("adds a key once, and leaves the job of an old key as it is", function()
    local jobs = open()
    assert.equal(2, add(jobs, "a", "b", "a"))
    jobs:claim(1)
    bring(jobs, "a", "submitted")
    assert.equal(1, add(jobs, "b", "c", "a"))
    assert.equal("submitted", jobs:get("a").state)
    assert.same({ intended = 2, submitted = 1 }, jobs:count())
  end)

  it("adds thousands in the order that they come in", function()
    local jobs, list = open(), {}
    for i = 1, 2345 do
      list[i] = { key = "k" .. i, source = i .. ".wav" }
    end
    assert.equal(2345, jobs:add(list))
    assert.equal("k1 k2 k3", keys_of(jobs:claim(3)))
    local seen = 0
    for row in jobs:each({ limit = 100 }) do
      seen = seen + 1
      assert.equal("k" .. seen, row.key)
    end
    assert.equal(2345, seen)
    assert.equal("k2343 k2344", keys_of(jobs:list({ state = "intended",
      after = jobs:get("k2342").id, limit = 2 })))
  end)

  it("takes names that look like SQL for what they are", function()
    local jobs = open()
    local key = "'; DROP TABLE camb_jobs; -- ? \" \\ \n ünï"
    assert.equal(1, jobs:add({ { key = key, source = key, options = "'" } }))
    assert.equal(key, jobs:claim(1)[1].source)
    assert.is_true(jobs:failed(key, { kind = "source", message = key }))
    assert.equal(key, jobs:get(key).error)
  end)

  it("refuses a NUL byte, which a database would cut at", function()
    local jobs = open()
    local added, err = jobs:add({ { key = "a\0b", source = "x" } })
    assert.is_nil(added)
    assert.matches("its key contains a NUL byte", err.message)
    add(jobs, "k")
    jobs:claim(1)
    bring(jobs, "k", "submitting")
    local ok
    ok, err = jobs:submitted("k", "a\0b")
    assert.is_nil(ok)
    assert.matches("job k: a value for its row contains a NUL byte", err.message)
    assert.is_true(jobs:unknown("k", { kind = "unknown_outcome",
      message = "broken \0 \255 words" }))
    assert.matches("broken %? . words", jobs:get("k").error)
  end)

  it("changes a job for the worker that holds it, and for no other", function()
    local jobs, others = open(), open()
    add(jobs, "k")
    refused("k", jobs:submitting("k"))
    jobs:claim(1)
    local values = { submitted = "t-k", finished = 7, downloaded = STEMS }
    for _, state in ipairs({ "submitting", "submitted", "finished",
      "downloaded" }) do
      refused("k", others:submitting("k"))
      refused("k", others:submitted("k", "t-other"))
      refused("k", others:finished("k", 8))
      refused("k", others:downloaded("k", STEMS))
      refused("k", others:failed("k", { kind = "network", message = "x" }))
      refused("k", others:unknown("k", { kind = "network", message = "x" }))
      refused("k", others:intended("k"))
      refused("k", others:release("k"))
      assert(jobs[state](jobs, "k", values[state]))
    end
    assert.equal("t-k", jobs:get("k").task_id)
  end)

  it("lets a job go forward only, and upload once", function()
    local jobs = open()
    add(jobs, "k")
    jobs:claim(1)
    refused("k", jobs:finished("k", 7))
    refused("k", jobs:downloaded("k", STEMS))
    bring(jobs, "k", "submitting")
    refused("k", jobs:submitting("k"))
    assert.is_true(jobs:submitted("k", "t-1"))
    refused("k", jobs:submitted("k", "t-2"))
    refused("k", jobs:submitting("k"))
    refused("k", jobs:intended("k"))
    refused("k", jobs:unknown("k", { kind = "unknown_outcome", message = "" }))
    assert.equal("t-1", jobs:get("k").task_id)
  end)

  it("is given to one worker, which is furthest first and as told", function()
    local jobs, others = open(), open()
    add(jobs, "a", "b", "c", "d")
    assert.equal("a b c", keys_of(jobs:claim(3)))
    assert.equal("d", keys_of(others:claim(3)))
    bring(jobs, "b", "submitted")
    bring(jobs, "c", "finished")
    for _, key in ipairs({ "a", "b", "c" }) do
      assert.is_true(jobs:release(key))
    end
    assert.equal("a", keys_of(others:claim(1, "intended")))
    assert.equal("c b", keys_of(others:claim(9)))
    assert.equal("", keys_of(jobs:claim(9)))
  end)

  it("gives a free job, however far it is, if it is the only one", function()
    local jobs = open()
    for _, state in ipairs({ "submitted", "finished" }) do
      add(jobs, state)
      jobs:claim(1)
      bring(jobs, state, state)
      assert.is_true(jobs:release(state))
      assert.equal(state, keys_of(jobs:claim(9)))
    end
  end)

  it("gives back what it holds when it is closed", function()
    local jobs, others = open(), open()
    add(jobs, "a", "b")
    jobs:claim(2)
    bring(jobs, "b", "submitted")
    assert.is_true(jobs:close())
    assert.is_true(jobs:close())
    assert.equal("b a", keys_of(others:claim(2)))
    local rows, err = jobs:claim(1)
    assert.is_nil(rows)
    assert.matches("the store is closed", err.message)
  end)

  it("gives what a dead worker has paid for before what is yet to be sent",
    function()
      local list = {}
      for i = 1, 1000 do
        list[i] = { key = "k" .. i, source = i .. ".wav" }
      end
      local dead = open({ owner = "other-machine:1:ff", lease = 1 })
      assert(dead:add(list))
      dead:claim(2)
      bring(dead, "k2", "submitted")
      local jobs = open()
      local give_up = core.now() + 20
      repeat
        local key = assert(jobs:claim(1))[1].key
        core.wait(0.05)
      until key == "k2" or core.now() > give_up
      assert.is_true(core.now() < give_up)
    end)

  it("changes the priority of jobs until they are sent", function()
    local jobs = open()
    assert(jobs:add({ { key = "a", source = "a" },
      { key = "b", source = "b", priority = 5 }, { key = "c", source = "c" } }))
    assert.equal("b", assert(jobs:claim(1))[1].key)
    assert(jobs:submitting("b"))
    assert.equal(1, jobs:prioritize({ "b", "c", "none" }, 9))
    assert.equal(0, jobs:prioritize({ "c" }, 9))
    assert.equal(5, jobs:get("b").priority)
    assert.equal("c", assert(jobs:claim(1))[1].key)
  end)

  it("gives jobs of a higher priority first", function()
    local jobs = open()
    assert.equal(4, jobs:add({ { key = "a", source = "a" },
      { key = "b", source = "b", priority = 5 },
      { key = "c", source = "c", priority = -1 },
      { key = "d", source = "d", priority = 5 } }))
    assert.equal("b", keys_of(jobs:claim(1)))
    assert.equal("d a", keys_of(jobs:claim(2)))
    assert.equal("c", keys_of(jobs:claim(1)))
    assert.equal(-1, jobs:get("c").priority)
  end)

  it("counts what is there, whoever changed it", function()
    local jobs = open()
    add(jobs, "a", "b", "c", "d", "e")
    jobs:claim(3)
    bring(jobs, "a", "downloaded")
    bring(jobs, "b", "submitted")
    jobs:transact(function()
      bring(jobs, "c", "submitting")
      return nil -- undone
    end)
    assert.same({ intended = 3, submitted = 1, downloaded = 1 }, jobs:count())
    place.sql("DELETE FROM camb_jobs WHERE key = 'e'")
    place.sql("UPDATE camb_jobs SET state = 'failed', error_kind = 'x' "
      .. "WHERE key = 'd'")
    assert.same({ intended = 1, submitted = 1, downloaded = 1, failed = 1 },
      jobs:count())
  end)

  it("takes over from a worker whose lease has ended", function()
    local dead = open({ owner = "other-machine:1:ff", lease = 1 })
    add(dead, "a", "b", "c")
    dead:claim(3)
    bring(dead, "b", "submitting")
    bring(dead, "c", "submitted")
    local jobs = open()
    assert.same({}, jobs:claim(3))
    local taken
    local give_up = core.now() + 10
    repeat
      taken = assert(jobs:claim(3))
    until #taken > 0 or core.now() > give_up
    assert.equal("c b a", keys_of(taken))
    assert.equal("submitted", taken[1].state)
    assert.equal("t-c", taken[1].task_id)
    assert.equal("unknown_outcome", taken[2].state)
    assert.matches("a task may exist and be charged", taken[2].error)
    assert.equal("intended", taken[3].state)
    refused("a", dead:submitting("a"))
    refused("c", dead:finished("c", 7))
    local ok, err = dead:renew()
    assert.is_nil(ok)
    assert.matches("expired before it was renewed", err.message)
    assert.is_true(dead:renew())
  end)

  it("frees the jobs of a dead worker also where it only renews its own lease",
    function()
      local dead = open({ owner = "other-machine:1:ff", lease = 1 })
      add(dead, "a")
      dead:claim(1)
      local jobs = open()
      local give_up = core.now() + 20
      repeat
        core.wait(0.05)
        assert.is_true(jobs:renew())
      until jobs:get("a").owner == nil or core.now() > give_up
      assert.is_nil(jobs:get("a").owner)
    end)

  it("keeps a lease that is renewed", function()
    local living = open({ owner = "other-machine:1:ff", lease = 2 })
    add(living, "a")
    living:claim(1)
    local jobs = open()
    local give_up = core.now() + 2.5
    repeat
      assert.is_true(living:renew())
      assert.same({}, jobs:claim(1))
      core.wait(0.1)
    until core.now() > give_up
    assert.is_true(living:submitting("a"))
  end)

  it("reports a job whose outcome is unknown once, and keeps it", function()
    local dead = open()
    add(dead, "k")
    dead:claim(1)
    bring(dead, "k", "submitting")
    dead:close()
    local jobs = open()
    assert.equal("unknown_outcome", jobs:claim(1)[1].state)
    assert.is_true(jobs:release("k"))
    assert.same({}, jobs:claim(1))
    assert.equal(0, jobs:retry_failed())
    assert.same({}, jobs:claim(1))
    assert.equal(1, jobs:retry_failed({ failed = false, unknown = true }))
    local row = jobs:claim(1)[1]
    assert.equal("intended", row.state)
    assert.is_nil(row.error)
    bring(jobs, "k", "downloaded")
  end)

  it("takes a task id that comes after its outcome was unknown", function()
    local slow = open()
    add(slow, "k")
    slow:claim(1)
    bring(slow, "k", "submitting")
    place.sql("UPDATE camb_jobs SET owner = NULL")
    local jobs = open()
    assert.equal("unknown_outcome", jobs:claim(1)[1].state)
    assert.is_true(slow:submitted("k", "t-late"))
    local row = jobs:get("k")
    assert.equal("submitted", row.state)
    assert.equal("t-late", row.task_id)
    assert.is_nil(row.error)
    refused("k", jobs:release("k"))
    assert.is_true(slow:finished("k", 7))
  end)

  it("sends failed jobs on from where they can go on", function()
    local jobs = open()
    add(jobs, "a", "b", "c", "d")
    jobs:claim(4)
    bring(jobs, "b", "submitted")
    bring(jobs, "c", "finished")
    bring(jobs, "d", "submitting")
    for _, key in ipairs({ "a", "b", "c" }) do
      assert.is_true(jobs:failed(key, { kind = "network",
        message = key .. " broke", retryable = true }))
    end
    assert.is_true(jobs:failed("d", { kind = "unknown_outcome",
      message = "who knows" }))
    local err = store.error_of(jobs:get("b"))
    assert.equal("network: b broke", tostring(err))
    assert.is_true(err.retryable)
    assert.equal("t-b", err.task_id)
    assert.same({ failed = 3, unknown_outcome = 1 }, jobs:count())
    assert.same({}, jobs:claim(4))
    assert.equal(3, jobs:retry_failed())
    local states = {}
    for _, row in ipairs(jobs:claim(4)) do
      states[row.key] = row.state
      assert.is_nil(row.error)
    end
    assert.same({ a = "intended", b = "submitted", c = "finished" }, states)
    assert.equal("who knows", jobs:get("d").error)
  end)

  it("sends a job anew whose task has ended, and no other", function()
    local jobs = open()
    add(jobs, "a", "b")
    jobs:claim(2)
    for _, key in ipairs({ "a", "b" }) do
      bring(jobs, key, "submitted")
      assert.is_true(jobs:failed(key, { kind = "payment_required",
        message = "no credit", task_ended = key == "a" or nil }))
    end
    assert.equal("t-a", jobs:get("a").task_id)
    assert.equal(2, jobs:retry_failed())
    local states = {}
    for _, row in ipairs(jobs:claim(2)) do
      states[row.key] = row.state
    end
    assert.same({ a = "intended", b = "submitted" }, states)
    assert.is_nil(jobs:get("a").task_id)
    bring(jobs, "a", "downloaded")
  end)

  it("keeps a task id that comes with an error", function()
    local jobs = open()
    add(jobs, "k")
    jobs:claim(1)
    bring(jobs, "k", "submitting")
    assert.is_true(jobs:failed("k", { kind = "timeout", message = "late",
      task_id = "t-9" }))
    assert.equal("t-9", jobs:get("k").task_id)
    assert.equal(1, jobs:retry_failed())
    assert.equal("submitted", jobs:claim(1)[1].state)
  end)

  it("frees a job whose upload was not made for sure", function()
    local jobs = open()
    add(jobs, "k")
    jobs:claim(1)
    bring(jobs, "k", "submitting")
    assert.is_true(jobs:intended("k"))
    assert.equal("intended", jobs:claim(1)[1].state)
    bring(jobs, "k", "downloaded")
  end)

  it("makes a transaction durable at once, or not at all", function()
    local jobs, others = open(), open()
    add(jobs, "a", "b")
    jobs:claim(2)
    assert.is_true(jobs:transact(function()
      assert.is_true(jobs:submitting("a"))
      assert.is_true(jobs:submitting("b"))
      assert.equal("submitting", jobs:get("a").state)
      assert.equal("intended", others:get("a").state)
      return true
    end))
    assert.equal("submitting", others:get("a").state)
    assert.is_nil(jobs:transact(function()
      assert.is_true(jobs:submitted("a", "t-a"))
      return nil
    end))
    assert.equal("submitting", jobs:get("a").state)
    assert.has_error(function()
      jobs:transact(function()
        assert.is_true(jobs:submitted("a", "t-a"))
        error("raised", 0)
      end)
    end, "raised")
    assert.is_true(jobs:transact(function()
      return jobs:submitted("b", "t-b")
    end))
    pcall(jobs.transact, jobs, function()
      assert.is_true(jobs:submitted("a", "t-a"))
      die(jobs)
    end)
    assert.equal("submitting", others:get("a").state)
  end)

  it("commits the rest where one change is refused", function()
    local jobs = open()
    add(jobs, "a", "b", "c")
    jobs:claim(2)
    assert.is_true(jobs:transact(function()
      assert.is_true(jobs:submitting("a"))
      refused("c", jobs:submitting("c"))
      assert.is_true(jobs:submitting("b"))
      assert.equal(1, #jobs:claim(9))
      return jobs:submitting("c")
    end))
    assert.same({ submitting = 3 }, jobs:count())
  end)

  it("finds an earlier job of the same content and options", function()
    local jobs = open()
    local sha = ("d"):rep(64)
    jobs:add({ { key = "a", source = "a", options = "{}" },
      { key = "b", source = "b", options = "{}" },
      { key = "c", source = "c" } })
    jobs:claim(3)
    assert.is_nil(jobs:find_same(sha, "{}"))
    assert.is_true(jobs:transact(function()
      assert.is_nil(jobs:find_same(sha, "{}"))
      jobs:submitting("b", { sha256 = sha })
      return jobs:find_same(sha, "{}").key == "b"
    end))
    assert.is_nil(jobs:find_same(sha, '{"folder_id":1}'))
    assert.is_nil(jobs:find_same(sha))
    jobs:submitting("c", { sha256 = sha })
    assert.equal("c", jobs:find_same(sha).key)
    jobs:submitting("a", { sha256 = sha })
    jobs:submitted("b", "t-b")
    assert.equal("t-b", jobs:find_same(sha, "{}").task_id)
    assert.is_true(jobs:failed("b", { kind = "task_failed", message = "x" }))
    assert.equal("a", jobs:find_same(sha, "{}").key)
  end)

  it("finds for a file that was recorded anew only jobs of its path, of the "
    .. "file before it was renamed, or that are unknown", function()
    local jobs = open()
    local sha, time = ("e"):rep(64), 1700000000.123456
    jobs:add({ { key = "a", source = "/a" }, { key = "b", source = "/b" } })
    jobs:claim(2)
    assert.is_true(jobs:submitting("a", { sha256 = sha, mtime = time }))
    assert.is_true(jobs:submitted("a", "t-a"))
    assert.equal("a", jobs:find_same(sha).key)
    for _, case in ipairs({ { "/c", time + 1 }, { "/a", time + 1, "a" },
      { "/c", time, "a" } })
    do
      local found = jobs:find_same(sha, nil, { source = case[1],
        mtime = case[2] })
      assert.equal(case[3], found and found.key)
    end
    assert.is_true(jobs:submitting("b", { sha256 = sha, mtime = time - 1 }))
    local recorded = { source = "/c", mtime = time + 1 }
    assert.is_nil(jobs:find_same(sha, nil, recorded))
    assert.is_true(jobs:unknown("b", { message = "x" }))
    assert.equal("b", jobs:find_same(sha, nil, recorded).key)
  end)

  it("lets a duplicate have the task of another job", function()
    local jobs = open()
    add(jobs, "k")
    jobs:claim(1)
    assert.is_true(jobs:submitted("k", "t-of-another"))
    assert.is_true(jobs:finished("k", 7))
    assert.is_nil(jobs:get("k").sent)
  end)

  -- What is done to a row, and where it would go if it were believed.
  for name, damage in pairs({
    ["a state that nobody knows"] = "state = 'intendet'",
    ["an empty state"] = "state = ''",
    ["a task id in a job that is yet to be sent"] =
      "state = 'intended', sent = NULL, task_id = 't-1'",
    ["a time of sending in a job that is yet to be sent"] =
      "state = 'intended'",
    ["a run id in a job that is yet to be sent"] =
      "state = 'intended', sent = NULL, task_id = NULL, run_id = '7'",
    ["no task id after it was submitted"] = "task_id = NULL",
    ["an empty task id after it was submitted"] = "task_id = ''",
    ["no run id after it was finished"] = "state = 'finished'",
    ["no stems after they were downloaded"] =
      "state = 'downloaded', run_id = '7'",
    ["a failure without its kind"] = "state = 'failed'",
    ["an empty source"] = "source = '', state = 'submitting', task_id = NULL",
  }) do
    it("sets a row apart that has " .. name, function()
      local jobs = open()
      add(jobs, "k", "sound")
      jobs:claim(2)
      bring(jobs, "k", "submitted")
      jobs:close()
      place.sql("UPDATE camb_jobs SET " .. damage .. " WHERE key = 'k'")
      jobs = open()
      assert.equal("sound", keys_of(jobs:claim(9)))
      local row = jobs:get("k")
      assert.equal("unknown_outcome", row.state)
      assert.matches("the row of this job is damaged", row.error)
      assert.equal(0, add(jobs, "k"))
      assert.equal(0, jobs:retry_failed())
    end)
  end

  for name, lease in pairs({ negative = "-5", ["for ever"] = "1e300" }) do
    it("takes a job over whose lease is " .. name, function()
      local jobs = open({ owner = "other-machine:1:ff" })
      add(jobs, "k")
      jobs:claim(1)
      bring(jobs, "k", "submitted")
      die(jobs)
      place.sql("UPDATE camb_workers SET lease = " .. lease)
      jobs = open({ lease = 1 })
      local give_up = core.now() + 20
      local taken
      repeat
        core.wait(0.05)
        taken = assert(jobs:claim(1))
      until #taken > 0 or core.now() > give_up
      assert.equal("k", keys_of(taken))
    end)
  end

  it("archives what is done, and knows it as before", function()
    local jobs = open()
    assert(jobs:add({ { key = "a", source = "a.wav", sha256 = "sum" } }))
    add(jobs, "b", "c")
    for _, row in ipairs(assert(jobs:claim(2))) do
      bring(jobs, row.key, row.key == "a" and "downloaded" or "submitted")
    end
    assert.equal(0, jobs:archive(60))
    assert.equal(1, jobs:archive(0))
    assert.equal(0, jobs:archive(0))
    assert.same({ intended = 1, submitted = 1, archived = 1 }, jobs:count())
    assert.equal("t-a", jobs:get("a").task_id)
    assert.equal(1, jobs:get_all({ "a", "b" }).a.archived)
    assert.equal(0, jobs:get_all({ "a", "b" }).b.archived)
    assert.equal(1, add(jobs, "a", "d"))
    assert.equal("t-a", jobs:find_same("sum").task_id)
    assert.equal("a", jobs:find_stem(STEMS.foreground_sha256).key)
    assert.equal("b c d", keys_of(jobs:list()))
    assert.equal("a", keys_of(jobs:list({ archived = true })))
    for row in jobs:each({ archived = true, limit = 1 }) do
      assert.equal(5000000001, row.foreground_size)
    end
  end)

  it("tells how many jobs were done lately, and how many are left", function()
    local jobs = open()
    add(jobs, "a", "b", "c", "d")
    for _, row in ipairs(jobs:claim(3)) do
      bring(jobs, row.key, row.key == "c" and "submitted" or "downloaded")
    end
    local done, left, span = jobs:rate(3600)
    assert.same({ 2, 2 }, { done, left })
    assert.is_true(span < 3600)
    assert.equal(0, (jobs:rate(-10)))
    jobs:archive(0)
    assert.same({ 0, 2, 3600 }, { jobs:rate(3600) })
  end)

  it("gets its archive if it was made before there was one", function()
    open():close()
    for _, sql in ipairs({ "DROP VIEW camb_all", "DROP TABLE camb_archive",
      "UPDATE camb_meta SET value = '4' WHERE name = 'schema'" })
    do
      assert.equal("", place.sql(sql) or "")
    end
    local jobs = open()
    add(jobs, "a")
    bring(jobs, assert(jobs:claim(1))[1].key, "downloaded")
    assert.equal(1, jobs:archive(0))
  end)

  it("refuses a store of a newer version, or of an older one", function()
    open():close()
    for version, age in pairs({ [99] = "a newer", [2] = "an older" }) do
      place.sql(("UPDATE camb_meta SET value = '%d' WHERE name = 'schema'")
        :format(version))
      local jobs, err = store.open(spec)
      assert.is_nil(jobs)
      assert.equal("store", err.kind)
      assert.matches(("was written by %s camb (version %d of its tables, this "
        .. "one knows 5)"):format(age, version), err.message, 1, true)
    end
  end)

  it("refuses a store without a version", function()
    open():close()
    place.sql("UPDATE camb_meta SET value = 'two' WHERE name = 'schema'")
    local jobs, err = store.open(spec)
    assert.is_nil(jobs)
    assert.matches("has no version", err.message)
  end)

  it("gives a job the task of its content, and of no other recording", function()
    local jobs = open()
    add(jobs, "done", "a", "copy", "b", "unsent")
    assert.equal(5, #jobs:claim(5))
    for key, sum in pairs({ done = "1", a = "2", copy = "2", b = "3" }) do
      assert.is_true(jobs:submitting(key, { sha256 = sum:rep(64) }))
    end
    assert.is_true(jobs:submitted("done", "t-done"))
    for _, key in ipairs({ "a", "copy", "b", "unsent" }) do
      assert.is_true(jobs:unknown(key, { message = "x" }))
    end
    assert.equal(1, jobs:assign("a", "t-a"))
    assert.equal(1, jobs:assign("copy", "t-a"))
    assert.equal(0, jobs:assign("done", "t-new")) -- this worker has it
    assert.is_nil((jobs:assign("unsent", "t-a")))
    assert.is_nil((jobs:assign("unsent", "t-a", ("3"):rep(64))))
    assert.equal(1, jobs:assign("unsent", "t-a", ("2"):rep(64)))
    local function refuses(task, words)
      local changed, err = jobs:assign("b", task)
      assert.is_nil(changed)
      assert.matches(words, err.message, 1, true)
      assert.equal("unknown_outcome", jobs:get("b").state)
    end
    refuses("t-a", 'task "t-a" is that of job ')
    refuses("t-done", 'task "t-done" is that of job 1, "done.wav"')
    assert.is_true(jobs:finished("done", 7))
    assert.is_true(jobs:downloaded("done", STEMS))
    assert.equal(1, jobs:archive(0))
    refuses("t-done", 'task "t-done" is that of job 1 in the archive')
    assert.equal(1, jobs:assign("b", "t-b"))
    assert.equal(1, jobs:assign("b", "t-other"))
    assert.equal("t-other", jobs:get("b").task_id)
  end)

  local ONE = { base_url = "https://a.example" }
  local OTHER = { base_url = "https://b.example" }

  local function refuses_other()
    local jobs, err = store.open(spec, OTHER)
    assert.is_nil(jobs)
    assert.equal("store", err.kind)
    assert.matches("belongs to the service at https://a.example, not to "
      .. "https://b.example: pass its base_url, or use another store",
      err.message, 1, true)
  end

  it("belongs to the service of its tasks, also of those that are archived",
    function()
      local jobs = open(ONE)
      add(jobs, "a")
      bring(jobs, assert(jobs:claim(1))[1].key, "submitted")
      jobs:close()
      refuses_other()
      open():close()
      jobs = open(ONE)
      local key = assert(jobs:claim(1))[1].key
      assert(jobs:finished(key, 7))
      assert(jobs:downloaded(key, STEMS))
      assert.equal(1, jobs:archive(0))
      jobs:close()
      refuses_other()
      open(ONE):close()
    end)

  it("belongs to the service that an upload may have reached", function()
    local jobs = open(ONE)
    add(jobs, "a")
    bring(jobs, assert(jobs:claim(1))[1].key, "submitting")
    jobs:close()
    refuses_other()
  end)

  it("belongs to the service of a worker that lives, as it may send", function()
    local jobs = open(ONE)
    refuses_other()
    jobs:close()
    open(OTHER):close()
  end)

  it("without a task goes over to another service, which retries what failed",
    function()
      local jobs = open(ONE)
      add(jobs, "a", "b")
      local key = assert(jobs:claim(1))[1].key
      bring(jobs, key, "submitting")
      assert(jobs:failed(key, { kind = "network", message = "no connection" }))
      assert(jobs:pause(60, "no connection"))
      jobs:close()
      jobs = open(OTHER)
      assert.equal("https://b.example", jobs:service())
      assert.same({ intended = 2 }, jobs:count())
      assert.is_nil(assert(jobs:controls()).pause)
    end)
end
