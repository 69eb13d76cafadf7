local core = require "camb.core"
local hash = require "camb.hash"
local luas = require "spec.support.luas"
local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local statements = require "camb.store.statements"
local store = require "camb.store"
local stored = require "spec.support.stored"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("PostgreSQL:", function()
  local server = postgres.for_block_unless_sanitized()
  if not server then
    return
  end

  describe("a store", function()
    stored({
      fresh = function()
        return server:create()
      end,
      sql = function(statement)
        return server:query(statement)
      end,
    })
  end)

  describe("a PostgreSQL that goes away", function()
    local url, jobs

    before_each(function()
      url = server:create()
    end)

    after_each(function()
      if jobs then
        jobs:close()
        jobs = nil
      end
    end)

    local function open(options)
      jobs = assert(store.open(url, options))
      assert(jobs:add({ { key = "a", source = "a" }, { key = "b", source = "b" },
        { key = "c", source = "c" } }))
      return jobs
    end

    it("adds no job again that another process archives just then", function()
      local folder = workspace.folder()
      local script = workspace.write(folder .. "/add.lua", [[
        local jobs = assert(require("camb.store").open(arg[1]))
        assert(jobs:add({ { key = "a", source = "a" } }))
        jobs:close()
      ]])
      open()
      jobs:claim(3)
      assert.is_true(jobs:submitting("a"))
      assert.is_true(jobs:submitted("a", "t-a"))
      assert.is_true(jobs:finished("a", 7))
      assert.is_true(jobs:downloaded("a", { foreground = "/f",
        background = "/b" }))
      core.wait(0.1)
      assert.is_true(jobs:transact(function()
        assert.equal(1, jobs:archive(0))
        os.execute(("(%s %s %s; touch %s/ended) &"):format(
          os.getenv("LUA") or "lua5.4", script, url, folder))
        postgres.wait_for(function()
          return server:query("SELECT 'waits' FROM pg_locks WHERE NOT granted")
            :find("waits")
        end, 20)
        return true
      end))
      workspace.wait_for("the end of the other process", function()
        return workspace.read(folder .. "/ended")
      end)
      assert.same({ archived = 1, intended = 2 }, jobs:count())
      workspace.remove(folder)
    end)

    -- End all connections of the store's database.
    local function cut()
      server:query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        .. "WHERE pid <> pg_backend_pid() AND datname = current_database()")
    end

    for _, mode in ipairs({ "fast", "immediate" }) do
      it("is waited for, and loses nothing (" .. mode .. ")", function()
        open()
        assert.equal(3, #jobs:claim(3))
        assert.is_true(jobs:submitting("a"))
        server:restart(mode)
        assert.is_true(jobs:submitted("a", "t-a"))
        local restarts = 0
        local function restart()
          if restarts < 2 then
            restarts = restarts + 1
            server:restart(mode)
          end
        end
        assert.is_true(jobs:transact(function()
          local ok = jobs:finished("a", 7) and jobs:submitting("b")
          if restarts < 1 then
            restart()
          end
          ok = ok and jobs:submitting("c")
          restart()
          return ok
        end))
        assert.equal(2, restarts)
        local other = assert(store.open(url))
        assert.same({ finished = 1, submitting = 2 }, other:count())
        other:close()
      end)
    end

    it("is waited for with pauses that others may use", function()
      local waits, slept = {}, 0
      open({
        sleep = function(seconds)
          slept = slept + seconds
          core.wait(seconds)
          if slept > 1.5 and not server.is_back then
            server.is_back = true
            assert(server:start())
          end
        end,
        on_wait = function(err, seconds)
          waits[#waits + 1] = { err = err, seconds = seconds }
        end,
      })
      server:stop()
      assert.equal(3, #jobs:claim(3))
      assert.is_true(#waits >= 3)
      assert.is_true(waits[1].err.retryable)
      assert.matches("is unreachable", waits[1].err.message)
      assert.is_true(waits[1].seconds < waits[3].seconds)
      server.is_back = nil
    end)

    it("is given up when store_timeout is over, and the next call tries anew", function()
      open({ store_timeout = 0.5 })
      server:stop()
      local started = core.now()
      local rows, err = jobs:claim(1)
      assert.is_true(core.now() - started < 30) -- and not a minute
      assert(server:start())
      assert.is_nil(rows)
      assert.equal("store", err.kind)
      assert.is_true(err.retryable)
      assert.matches("is unreachable: no connection", err.message)
      assert.equal(1, #jobs:claim(1))
    end)

    local function claims_all()
      local keys = {}
      for _, row in ipairs(jobs:claim(3)) do
        keys[#keys + 1] = row.key
      end
      table.sort(keys)
      assert.same({ "a", "b", "c" }, keys)
    end

    it("may lose the reply to a claim, and not the jobs", function()
      open()
      server:query(("UPDATE camb_jobs SET owner = '%s' WHERE key = 'b'"):format(
        jobs.owner))
      cut()
      claims_all()
    end)

    it("may lose the reply to a write, and not what it wrote", function()
      open()
      jobs:claim(2)
      server:query("UPDATE camb_jobs SET state = 'submitting', sent = 1 "
        .. "WHERE key = 'a'")
      cut()
      assert.is_true(jobs:submitting("a"))
      server:query("UPDATE camb_jobs SET state = 'failed', owner = NULL, "
        .. "error_kind = 'network' WHERE key = 'a'")
      cut()
      assert.is_true(jobs:failed("a", { kind = "network", message = "x" }))
      local ok = jobs:submitting("a")
      assert.is_nil(ok)
    end)

    it("may lose the reply to a commit for longer than store_timeout",
      function()
        open({ store_timeout = 0.2 })
        jobs:claim(2)
        local function submit()
          return jobs:submitting("a") and jobs:submitting("b")
        end
        local ok, err = jobs:transact(function()
          assert.is_true(submit())
          cut()
          server:query("UPDATE camb_jobs SET state = 'submitting', sent = 1 "
            .. "WHERE owner IS NOT NULL") -- as that commit had it
          server:stop()
          return true
        end)
        assert(server:start())
        assert.is_nil(ok)
        assert.is_true(err.is_gone)
        assert.is_nil(err.is_taken)
        assert.is_true(jobs:transact(submit))
        ok, err = jobs:submitting("b")
        assert.is_nil(ok)
        assert.is_true(err.is_taken)
      end)

    it("may lose the reply to a claim for longer than store_timeout",
      function()
        open({ store_timeout = 0.2 })
        server:query(("UPDATE camb_jobs SET owner = '%s' WHERE key <> 'b'")
          :format(jobs.owner)) -- as that claim had it
        server:stop()
        local rows, err = jobs:claim(2)
        assert(server:start())
        assert.is_nil(rows)
        assert.is_true(err.is_gone)
        claims_all()
      end)

    it("refuses what others have taken meanwhile, and keeps the rest", function()
      open()
      jobs:claim(2)
      local is_cut, err
      assert.is_true(jobs:transact(function()
        local _
        _, err = jobs:submitting("a")
        local ok = jobs:submitting("b")
        if not is_cut then
          is_cut = true
          cut()
          server:query("UPDATE camb_jobs SET owner = 'another' WHERE key = 'a'")
        end
        return ok
      end))
      assert.is_true(err.is_taken)
      assert.equal("intended", jobs:get("a").state)
      assert.equal("submitting", jobs:get("b").state)
    end)

    -- The other one never looks for a deadlock, so that it is ours to give way.
    it("gives way in a deadlock, and begins again", function()
      open()
      jobs:claim(2)
      workspace.write(server.folder .. "/other.sql", server:preamble()
        .. "SET deadlock_timeout = '10min'; BEGIN; "
        .. "UPDATE camb_jobs SET name = 'n' WHERE key = 'b'; "
        .. "UPDATE camb_jobs SET name = 'n' WHERE key = 'a'; COMMIT;")
      local attempts = 0
      assert.is_true(jobs:transact(function()
        attempts = attempts + 1
        local ok = jobs:submitting("a")
        if attempts == 1 then
          os.execute(("PGPASSWORD='%s' %s/psql -h 127.0.0.1 -p %s -U camb "
            .. "-d postgres -qAtX -f %s/other.sql >/dev/null 2>&1 &"):format(
            server.password, server.bin, server.port, server.folder))
          postgres.wait_for(function()
            return server:query("SELECT count(*) FROM pg_stat_activity WHERE "
              .. "wait_event_type = 'Lock'"):match("1")
          end, 30)
        end
        return ok and jobs:submitting("b")
      end))
      assert.is_true(attempts >= 2)
      assert.same({ intended = 1, submitting = 2 }, jobs:count())
      assert.equal("n", jobs:get("a").name)
    end)

    it("leaves no descriptor behind", function()
      open()
      jobs:claim(1)
      local before = workspace.descriptors()
      for _ = 1, 5 do
        cut()
        assert.is_true(jobs:renew())
      end
      workspace.expect_descriptors(before)
    end)
  end)

  describe("many workers on PostgreSQL", function()
    local WORKER = [[
      local core = require "camb.core"
      local store = require "camb.store"
      local jobs = assert(store.open(arg[1]))
      repeat
        local rows = assert(jobs:claim(7))
        print("claimed")
        io.stdout:flush()
        while not core.stat(arg[2]) do -- until each has some
          core.wait(0.01)
        end
        for _, row in ipairs(rows) do
          assert(jobs:submitting(row.key))
          assert(jobs:submitted(row.key, "t-" .. row.key))
          assert(jobs:finished(row.key, 7))
          assert(jobs:downloaded(row.key, { foreground = "f", background = "b" }))
          print(row.key)
        end
      until #rows == 0
      jobs:close()
    ]]

    it("share the jobs, each of them to one", function()
      local url = server:create()
      local jobs, list = assert(store.open(url)), {}
      for i = 1, 400 do
        list[i] = { key = "k" .. i, source = "x" }
      end
      jobs:add(list)
      workspace.write(server.folder .. "/worker.lua", WORKER)
      local pipes, seen, go = {}, {}, server.folder .. "/go"
      for i = 1, 4 do
        pipes[i] = io.popen(("%s %s/worker.lua '%s' %s 2>&1"):format(
          os.getenv("LUA") or "lua5.4", server.folder, url, go))
      end
      for _, pipe in ipairs(pipes) do
        assert.equal("claimed", pipe:read("*l"))
      end
      workspace.write(go, "")
      for _, pipe in ipairs(pipes) do
        local had = 0
        for line in pipe:lines() do
          if line ~= "claimed" then
            assert.is_nil(seen[line], line)
            seen[line] = true
            had = had + 1
          end
        end
        pipe:close()
        assert.is_true(had >= 7)
      end
      assert.same({ downloaded = 400 }, jobs:count())
      jobs:close()
    end)
  end)

  -- Another machine's, as far as this one can tell.
  describe("a worker that ends while it sends a file", function()
    local BATCH = [[
      local camb = require "camb"
      local client = camb.client()
      for item in client:batch({ arg[2] }, { store = arg[1], concurrency = 1,
        output_dir = arg[2] .. ".stems", lease = 1 })
      do
        print(item.error)
      end
      client:close()
    ]]

    it("leaves it to a batch that waits with a copy, and has no room for it",
      function()
        local url, folder = server:create(), workspace.folder()
        local service = assert(sandbox.start({}))
        local path = workspace.write(folder .. "/a.wav", takes.wav(1))
        local gone = assert(store.open(url, { owner = "elsewhere", lease = 1,
          base_url = service.base_url }))
        assert(gone:add({ { key = "b", source = "b" } }))
        assert(gone:claim(1))
        assert.is_true(gone:submitting("b", { sha256 = hash.of_file({}, path) }))
        gone.session:close() -- its row stays
        workspace.write(folder .. "/batch.lua", BATCH)
        local said = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s timeout "
          .. "60 %s %s/batch.lua '%s' %s"):format(service.api_key,
          service.base_url, os.getenv("LUA") or "lua5.4", folder, url, path))
        local uploads = service:stats().uploads
        service:stop()
        workspace.remove(folder)
        assert.matches('the same content was sent as "b" with an unknown '
          .. "outcome", said, 1, true)
        assert.equal(0, uploads)
      end)
  end)

  describe("the URL of a PostgreSQL", function()
    local function fails(url, words)
      local jobs, err = store.open(url, { store_timeout = 0.2 })
      assert.is_nil(jobs)
      assert.equal("store", err.kind)
      assert.matches(words, err.message, 1, true)
      for _, secret in ipairs({ "s3cret", "of%spec", "of%%25spec", "wr0ng" }) do
        assert.is_nil(err.message:find(secret, 1, true), err.message)
      end
      return err
    end

    it("gives its password to the server and to no message", function()
      local url = server:create()
      assert(store.open((url:gsub("^postgres:", "postgresql:")))):close()
      local unreachable = "the password or the database"
      fails((url:gsub("s3cret", "wr0ng")), unreachable)
      fails((url:gsub("/postgres%?", "/none?")), unreachable)
      fails(url .. "&password=wr0ng", unreachable)
      fails(url .. "&nonsense=s3cret", unreachable)
      fails((url:gsub(":%d+/", ":x/")), unreachable)
      assert.is_true(fails((url:gsub(":%d+/", ":1/")),
        "nothing answers there").retryable)
      fails((url:gsub("%%2F", "/")), "write @ as %40")
      fails((url:gsub("%%2F", "@")), "write @ as %40")
    end)

    it("takes names that are UTF-8 and refuses the others by name", function()
      local jobs = assert(store.open(server:create()))
      assert.equal(1, jobs:add({ { key = "täke 🎵.wav", source = "é" } }))
      for _, name in ipairs({ "\255.wav", "\192\128", "\237\160\128",
        "\228.wav", "\245\128\128\128" }) do
        local added, err = jobs:add({ { key = name, source = "x" } })
        assert.is_nil(added)
        assert.matches("its key is not UTF-8", err.message, 1, true)
      end
      jobs:close()
    end)

    it("binds values without a stack that grows by all for each of them",
      function()
        local jobs = assert(store.open(server:create()))
        local values = {}
        for i = 1, 3000 do
          values[i] = i
        end
        local bound = { jobs.session.conn.dialect.bind(luas.unpack(values)) }
        assert.equal(3000, #bound)
        assert.equal("3000", bound[3000])
        jobs:close()
      end)

    it("is named by the command without its secrets", function()
      local url = server:create()
      local place = url:match("@(.*)%?")
      for _, spec in ipairs({
        url, url .. "&sslpassword=s3cret",
        "postgres://" .. place .. "?user=camb&password=s3cret%2Fof%25spec"
          .. url:match("%?(.*)"):gsub("^", "&"),
        "postgres://camb:a/s3cret@" .. place,
        "postgres://camb:a@s3cret@" .. place,
        "postgres://camb:s3cret#@" .. place,
      }) do
        local words, status = workspace.run(("CAMB_API_KEY=k CAMB_BASE_URL="
          .. "http://127.0.0.1:1 %s/bin/camb batch /nothing/*.wav --store '%s'")
          :format(os.getenv("BUILD") or "build", spec))
        assert.not_equal(0, status)
        assert.matches("camb: ", words)
        assert.is_nil(words:find("s3cret", 1, true), words)
        assert.is_nil(words:find("%s3cret", 1, true), words)
      end
    end)
  end)

  it("is not read as a whole while its table was never analyzed", function()
    local url = server:create()
    local jobs, list = assert(store.open(url)), {}
    server:query("ALTER TABLE camb_jobs SET (autovacuum_enabled = false)")
    for i = 1, 3000 do
      list[i] = { key = "k" .. i, source = i .. ".wav" }
    end
    assert(jobs:add(list))
    jobs:close()
    local function seen(what)
      return tonumber(server:query(("SELECT %s FROM pg_stat_user_tables WHERE "
        .. "relname = 'camb_jobs' AND schemaname = '%s'"):format(what,
        server.schema)))
    end
    postgres.wait_for(function()
      return seen("n_tup_ins") == 3000
    end, 30)
    local read, searched = seen("seq_tup_read"), seen("idx_scan")
    jobs = assert(store.open(url))
    local other = assert(store.open(url))
    assert(jobs:limit("uploads", 3))
    assert(jobs:controls())
    assert.equal(2, #jobs:claim(2))
    assert.is_true(jobs:submitting("k1", { sha256 = ("a"):rep(64) }))
    assert.is_true(jobs:may_submit())
    assert.is_nil(jobs:find_same(("b"):rep(64), ""))
    assert.is_true(jobs:renew())
    assert.equal(1, jobs:other_workers())
    assert.equal(2, jobs:count() and #assert(jobs:workers()) + 1)
    assert(jobs:get_all({ "k1", "k2999" }))
    assert.equal(0, jobs:add({ list[1] }))
    jobs:close()
    other:close()
    postgres.wait_for(function()
      return seen("idx_scan") > searched
    end, 30)
    assert.equal(read, seen("seq_tup_read"))
  end)

  describe("a store with many jobs of one state", function()
    local ROWS = 20000
    local jobs

    -- Rows that were read or written so far: of jobs, and of their counts.
    local function touched()
      server:query("SELECT pg_stat_force_next_flush()")
      local found = server:query([[SELECT sum(CASE WHEN relname = 'camb_counts'
        THEN 0 ELSE seq_tup_read + idx_tup_fetch END), sum(CASE WHEN relname
        = 'camb_counts' THEN n_tup_upd + n_tup_ins ELSE 0 END) FROM pg_stat_user_tables
        WHERE schemaname = ']] .. server.schema .. "'")
      local read, counted = found:match("^(%d+)|(%d+)")
      return tonumber(read), tonumber(counted)
    end

    -- What `change` reads and counts, once the server says what it did.
    local function measure(change)
      local read, counted = touched()
      assert.equal(ROWS, change())
      jobs:close() -- its session tells then what it did
      local now_read, now_counted
      postgres.wait_for(function()
        now_read, now_counted = touched()
        return now_counted > counted
      end, 30)
      return now_read - read, now_counted - counted
    end

    local function fill(state)
      jobs = assert(store.open(server:create()))
      local words = server:query(([[INSERT INTO camb_jobs (key, source, state,
        task_id, run_id, foreground, error_kind, updated) SELECT 'k' || i,
        '/' || i, '%s', 't', '1', 'f', 'file', 1
        FROM generate_series(1, %d) AS i]]):format(state, ROWS))
      assert.equal("", words)
    end

    for _, change in ipairs({
      { "archives", "downloaded", "archive", 1 },
      { "retries", "failed", "retry_failed" },
    }) do
      it(change[1] .. " them without reading each one again and again",
        function()
          fill(change[2])
          local read, counted = measure(function()
            return jobs[change[3]](jobs, change[4])
          end)
          assert.is_true(read < 8 * ROWS, read)
          assert.is_true(counted < 50, counted)
        end)
    end

    it("lists them without reading each one again and again", function()
      fill("failed")
      local read = measure(function()
        local count = 0
        for _ in jobs:each({ state = "failed", limit = 20 }) do
          count = count + 1
        end
        jobs:retry_failed() -- counts
        return count
      end)
      assert.is_true(read < 6 * ROWS, read)
    end)

    it("tells by few of them what is done, a stem, or has a number", function()
      fill("downloaded")
      local read = measure(function()
        for i = 1, 20 do
          assert.is_nil(jobs:find_stem(("%064d"):format(i)))
          assert.equal(0, jobs:rate(3600))
          local found = jobs:list({ after = i - 1, limit = 1 })
          assert.equal("/" .. i, found[1].source)
        end
        jobs:add({ { key = "new", source = "/new" } }) -- counts
        return ROWS
      end)
      assert.is_true(read < ROWS, read)
    end)
  end)

  describe("a store of a million jobs #slow", function()
    local jobs, dialect

    setup(function()
      local url = server:create()
      assert(store.open(url)):close()
      server:query([[INSERT INTO camb_jobs (key, source, state, task_id, run_id,
        foreground, background) SELECT 'done' || i, '/' || i, 'downloaded', 't',
        '1', 'f', 'b' FROM generate_series(1, 300000) AS i]])
      server:query([[INSERT INTO camb_jobs (key, source, state)
        SELECT 'new' || i, '/' || i, 'intended'
        FROM generate_series(1, 700000) AS i]])
      server:query("VACUUM ANALYZE camb_jobs")
      jobs = assert(store.open(url))
      dialect = jobs.session.conn.dialect
    end)

    teardown(function()
      jobs:close()
    end)

    -- What PostgreSQL does for `sql` with these values, which is undone.
    local function plan(sql, ...)
      sql = sql:gsub("{([%l_]+)}", dialect)
      for _, value in ipairs({ ... }) do
        sql = sql:gsub("%?", value, 1)
      end
      return server:query("BEGIN; EXPLAIN (ANALYZE) " .. sql .. "; ROLLBACK")
    end

    for _, claim in ipairs(statements.claim) do
      it("is searched by index alone for jobs that are " .. claim.state,
        function()
          local found = plan(claim.sql, "32", "'w'")
          assert.matches("camb_jobs_free", found)
          assert.is_nil(found:find("Seq Scan on camb_jobs", 1, true), found)
          assert.is_nil(found:find("Removed by Filter", 1, true), found)
        end)
    end

    it("is opened without a look at all", function()
      for _, name in ipairs({ "settle", "awake" }) do
        local found = plan(statements[name])
        assert.is_nil(found:find("Seq Scan on camb_jobs", 1, true), found)
      end
    end)

    it("gives jobs and counts them without a look at all #timed", function()
      local spans = { claim = {}, count = {} }
      for i = 1, 9 do
        for name, span in pairs(spans) do
          local before = core.now()
          assert(jobs[name](jobs, name == "claim" and 32 or nil))
          span[i] = core.now() - before
        end
      end
      table.sort(spans.claim)
      table.sort(spans.count)
      assert.is_true(spans.claim[5] < 0.1, spans.claim[5])
      assert.is_true(spans.count[5] < 0.1, spans.count[5])
      assert.same({ downloaded = 300000, intended = 700000 }, jobs:count())
    end)
  end)
end)
