-- Batches whose store goes away while they work: a PostgreSQL that stays away
-- for good at any of their steps, and a file of SQLite's that somebody removes.

local core = require "camb.core"
local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"

local PROGRAM = [[
  local camb = require "camb"
  local client = camb.client()
  io.stdout:setvbuf("no")
  local more = load("return " .. (arg[4] or "{}"))()
  local list
  local leaves = more.leaves
  more.leaves = nil
  local options = { store = arg[2], output_dir = arg[3], interval = 0.05,
    store_timeout = 1, uploads = 2, on_event = function(event)
      print(event.name, event.source)
      if leaves and event.step == "store" then
        list:close()
      end
    end }
  for name, value in pairs(more) do
    options[name] = value
  end
  list = client:batch(arg[1], options)
  for item in list do
    print("item", item.source, item.stems and "stems" or item.error,
      item.task_id)
  end
  client:close()
]]

describe("a batch whose store goes away", function()
  local folder, server, files

  before_each(function()
    folder = workspace.folder()
    server = assert(sandbox.start({ workers = 2, engine = takes.engine(folder) }))
    workspace.write(folder .. "/program.lua", PROGRAM)
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function make(count)
    files = takes.make(folder .. "/in", count)
  end

  -- Begin the program; its lines, those of standard error, whether it ended.
  local function begin(spec, more)
    workspace.run(("(CAMB_API_KEY=%s CAMB_BASE_URL=%s timeout 120 %s "
      .. "%s/program.lua %s/in '%s' %s/out '%s' > %s/lines 2> %s/words; "
      .. "echo $? > %s/status) > /dev/null 2>&1 & true"):format(server.api_key,
      server.base_url, LUA, folder, folder, spec, folder, more or "{}", folder,
      folder, folder))
  end

  local function wait_for(condition, seconds)
    postgres.wait_for(condition, seconds or 60)
  end

  local function finish()
    wait_for(function()
      return (workspace.read(folder .. "/status") or ""):find("\n")
    end, 130)
    local status = tonumber(workspace.read(folder .. "/status"))
    os.remove(folder .. "/status")
    return workspace.read(folder .. "/lines"),
      workspace.read(folder .. "/words"), status
  end

  local function accepted()
    local counts = {}
    for _, request in ipairs(server:requests()) do
      if request.method == "POST" and request.status == 200 and request.file then
        local name = request.file.name
        counts[name] = (counts[name] or 0) + 1
      end
    end
    return counts
  end

  describe("for good, which is PostgreSQL's,", function()
    local database = postgres.for_block()

    -- In PostgreSQL's own words, where it stands still for the state %s.
    local PLACES = {
      ["at the update"] = [[CREATE TRIGGER hang BEFORE UPDATE ON camb_jobs
        FOR EACH ROW WHEN (NEW.state = '%s' AND OLD.state <> NEW.state)
        EXECUTE FUNCTION hang()]],
      ["before its commit"] = [[CREATE CONSTRAINT TRIGGER hang AFTER UPDATE ON
        camb_jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.state = '%s' AND OLD.state <> NEW.state)
        EXECUTE FUNCTION hang()]],
      -- the commit is on the disk, and waits for a standby that never comes
      ["after its commit"] = [[CREATE TRIGGER hang BEFORE UPDATE ON camb_jobs
        FOR EACH ROW WHEN (NEW.state = '%s' AND OLD.state <> NEW.state)
        EXECUTE FUNCTION ask_standby()]],
    }

    local function prepare(state, place)
      local url = database:create()
      assert(store.open(url)):close()
      assert.equal("", database:query([[
        CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_sleep(25); RETURN NEW; END';
        CREATE FUNCTION ask_standby() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM set_config(''synchronous_commit'', ''on'', true);
          RETURN NEW; END';
        ALTER ROLE camb SET synchronous_commit = 'local';
        ALTER SYSTEM SET synchronous_standby_names = 'nobody';
      ]] .. PLACES[place]:format(state)))
      database:query("SELECT pg_reload_conf()")
      return url
    end

    local function restore()
      assert(database:start())
      assert.equal("", database:query(
        "ALTER SYSTEM RESET synchronous_standby_names; "
        .. "DROP TRIGGER hang ON camb_jobs"))
      database:query("SELECT pg_reload_conf()")
    end

    local function stands_still()
      return database:query("SELECT wait_event FROM pg_stat_activity WHERE "
        .. "wait_event IN ('PgSleep', 'SyncRep')"):find("%a")
    end

    local function states(url)
      local found, jobs = {}, assert(store.open(url))
      for row in jobs:each() do
        found[row.source:match("[^/]+$")] = row
      end
      jobs:close()
      return found
    end

    for _, case in ipairs({
      { "submitting", "at the update" }, { "submitting", "before its commit" },
      { "submitting", "after its commit" }, { "submitted", "at the update" },
      { "submitted", "after its commit" }, { "finished", "at the update" },
      { "finished", "after its commit" }, { "downloaded", "at the update" },
      { "downloaded", "before its commit" },
    }) do
      local state, place = case[1], case[2]
      it(("loses nothing and pays once: %s, %s"):format(state, place),
        function()
          make(4)
          local url = prepare(state, place)
          begin(url)
          wait_for(stands_still)
          database:stop("immediate")
          local lines, words = finish()
          restore()
          local rows, before = states(url), accepted()
          if state == "submitting" then
            assert.same({}, before)
          end
          for name in pairs(before) do
            assert.not_equal("intended", rows[name].state)
            assert.matches("item\t%S+" .. name .. "\tstems", lines)
            if not rows[name].task_id then
              assert.matches(name .. ': its task is "[%w_-]+", which the store '
                .. "does not have", words)
            end
          end
          assert.matches("item\tnil\tstore: the store %S+ is unreachable", lines)
          begin(url)
          lines = finish()
          for _, path in ipairs(files) do
            local name = path:match("[^/]+$")
            assert.matches("item\t%S+" .. name .. "\t", lines)
          end
          for name, count in pairs(accepted()) do
            assert.equal(1, count, name)
          end
          for name, row in pairs(states(url)) do
            assert.is_true(row.state == "downloaded"
              or row.state == "unknown_outcome", name .. row.state)
          end
        end)
    end

    it("is waited for as long as store_timeout says, and not twice #timed",
      function()
        make(1)
        begin(database:create(), "{ store_timeout = 8, follow = true }")
        wait_for(function()
          return (workspace.read(folder .. "/lines") or ""):find("item")
        end)
        database:stop("immediate")
        local started = core.now()
        local lines = finish()
        assert(database:start())
        assert.is_true(core.now() - started < 15)
        assert.matches("item\tnil\tstore: the store %S+ is unreachable", lines)
      end)

    it("leaves the ids on standard error when it is closed meanwhile", function()
      make(2)
      local url = prepare("submitted", "at the update")
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      begin(url, "{ store_timeout = 60, leaves = true }")
      wait_for(stands_still)
      database:stop("immediate")
      local lines, words = finish()
      restore()
      assert.is_nil(lines:find("\nitem"))
      local told = 0
      for name in lines:gmatch("submitted\t%S+/(%S+)\n") do
        if not states(url)[name].task_id then
          assert.matches(name .. ': its task is "[%w_-]+", which the store does '
            .. "not have", words)
          told = told + 1
        end
      end
      assert.is_true(told > 0)
    end)

    it("writes at the end what it could not before, and says so", function()
      make(2)
      local url = prepare("submitted", "at the update")
      -- until the database is back
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      begin(url)
      wait_for(stands_still)
      database:stop("immediate")
      wait_for(function()
        return workspace.read(folder .. "/words"):find("does not have")
      end)
      restore()
      server:clear_faults()
      local lines, words = finish()
      assert.matches("the store is available again and has these tasks", words)
      assert.matches("item\tnil\tstore: the store %S+ is unreachable", lines)
      for name, count in pairs(accepted()) do
        local row = states(url)[name]
        assert.equal("downloaded", row.state)
        assert.equal(1, count)
      end
    end)

    it("knows what it wrote when the answer came to nobody", function()
      make(2)
      local url = prepare("submitting", "after its commit")
      begin(url, "{ store_timeout = 60 }")
      wait_for(stands_still)
      database:stop("immediate")
      core.wait(2)
      restore()
      local lines = finish()
      for _, path in ipairs(files) do
        assert.matches("item\t" .. path .. "\tstems", lines)
      end
      assert.equal(2, server:stats().uploads)
    end)

    it("is waited for while it refuses what others do not let it do", function()
      make(3)
      local url = database:create()
      assert(store.open(url)):close()
      workspace.write(folder .. "/lock.sql", database:preamble()
        .. "BEGIN; LOCK TABLE camb_jobs; SELECT pg_sleep(9);")
      workspace.run(("(PGPASSWORD='%s' %s/psql -h 127.0.0.1 -p %s -U camb "
        .. "-d postgres -qAtX -f %s/lock.sql) > /dev/null 2>&1 & true"):format(
        database.password, database.bin, database.port, folder))
      wait_for(stands_still)
      begin(url, "{ store_timeout = 60 }")
      local lines = finish()
      for _, path in ipairs(files) do
        assert.matches("item\t" .. path .. "\tstems", lines)
      end
    end)

    it("takes all but the one whose name it cannot hold", function()
      make(3)
      local odd = workspace.write(folder .. "/in/caf\233.wav", takes.wav(9))
      begin(database:create())
      local lines = finish()
      assert.matches('item\t' .. odd .. '\tstore: "%S+/in/caf\\xe9.wav" cannot '
        .. "be a job of the store: its key is not UTF%-8", lines)
      for _, path in ipairs(files) do
        assert.matches("item\t" .. path .. "\tstems", lines)
      end
      assert.equal(3, server:stats().uploads)
    end)

    it("is heard of when its rows are removed", function()
      make(6)
      local url = database:create()
      assert(store.open(url)):close()
      database:query("CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql "
        .. "AS 'BEGIN DELETE FROM camb_jobs WHERE state = ''intended''; "
        .. "RETURN NEW; END'; CREATE TRIGGER clear AFTER UPDATE ON camb_jobs "
        .. "FOR EACH ROW WHEN (NEW.state = 'submitted') "
        .. "EXECUTE FUNCTION clear()")
      begin(url, "{ uploads = 1, pending = 1, concurrency = 1 }")
      local lines = finish()
      assert.matches("item\tnil\tstore: %d of the batch's jobs are no longer in "
        .. "the store", lines)
      assert.equal(1, server:stats().uploads)
    end)
  end)

  describe("which is a file,", function()
    for name, command in pairs({
      removed = "rm -f %s %s-wal %s-shm", ["removed but for its log"] = "rm %s",
      ["moved away"] = "mv %s %s.old",
      ["left without its log"] = "rm %s-wal",
      emptied = ": > %s", ["left with an empty log"] = ": > %s-wal",
      replaced = "cp %s %s.new; mv %s.new %s",
    }) do
      it("sends nothing more when that is " .. name, function()
        make(6)
        local path = folder .. "/batch.db"
        server:fault({ step = "status", reply = { status = "PENDING" },
          times = math.huge }) -- until that was done
        begin(path, "{ uploads = 1, pending = 2 }")
        wait_for(function()
          return select(2, (workspace.read(folder .. "/lines") or "")
            :gsub("\nsubmitted", "")) == 2
        end)
        workspace.run((command:gsub("%%s", path)))
        server:clear_faults()
        local lines, words = finish()
        assert.equal(2, server:stats().uploads)
        assert.matches("item\tnil\tfile: the store %S+ was removed or replaced "
          .. "while it was in use: nothing more is sent", lines)
        local stems = select(2, lines:gsub("\tstems\t", ""))
        assert.equal(2, stems)
        local told = select(2, words:gsub("its task is", ""))
        assert.is_true(told >= 1)
      end)
    end
  end)
end)
