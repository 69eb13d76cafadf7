local core = require "camb.core"
local fuzz = require "spec.fuzz.store"
local store = require "camb.store"
local stored = require "spec.support.stored"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"

describe("A store in SQLite:", function()
  local folder, path

  before_each(function()
    folder = workspace.folder()
    path = folder .. "/batch.db"
  end)

  after_each(function()
    workspace.remove(folder)
  end)

  local function sql(statement)
    workspace.write(folder .. "/statement.sql", statement)
    return (workspace.run(("sqlite3 %s < %s/statement.sql"):format(path,
      folder)))
  end

  local function lua(program, ...)
    workspace.write(folder .. "/program.lua", program)
    return workspace.run(("%s %s/program.lua %s"):format(LUA, folder,
      table.concat({ ... }, " ")))
  end

  local function with_job()
    local jobs = assert(store.open(path))
    assert(jobs:add({ { key = "k", source = "k.wav" } }))
    return jobs
  end

  local function fails(kind, words)
    local jobs, err = store.open(path, { busy_timeout = 0.1 })
    assert.is_nil(jobs)
    assert.equal(kind, err.kind)
    assert.matches("the store " .. path .. " ", err.message, 1, true)
    assert.matches(words, err.message, 1, true)
    assert.equal(path, err.path)
  end

  describe("the jobs", function()
    stored({
      fresh = function()
        return path
      end,
      sql = sql,
    })
  end)

  describe("a process that ends", function()
    local WORKER = [[
      local store = require "camb.store"
      local jobs = assert(store.open(arg[1]))
      assert(jobs:add({ { key = "a", source = "a" }, { key = "b", source = "b" },
        { key = "c", source = "c" } }))
      assert(jobs:claim(3))
      assert(jobs:submitting("b"))
      assert(jobs:submitting("c") and jobs:submitted("c", "t-c"))
      print("ready")
      io.stdout:flush()
      require("camb.core").wait(60)
    ]]

    it("has its jobs taken over at once, long before its lease ends", function()
      workspace.write(folder .. "/worker.lua", WORKER)
      local pid = workspace.run(("%s %s/worker.lua %s > %s/log 2>&1 & echo $!")
        :format(LUA, folder, path, folder)):match("%d+")
      local give_up = core.now() + 30
      repeat
        core.wait(0.02)
      until workspace.read(folder .. "/log"):find("\n")
        or core.now() > give_up
      local jobs = assert(store.open(path))
      assert.same({}, jobs:claim(3))
      workspace.run("kill -9 " .. pid)
      local rows
      give_up = core.now() + 10
      repeat
        rows = assert(jobs:claim(3))
      until #rows > 0 or core.now() > give_up
      local states = {}
      for _, row in ipairs(rows) do
        states[row.key] = row.state
      end
      assert.same({ a = "intended", b = "unknown_outcome", c = "submitted" },
        states)
      jobs:close()
    end)

    -- Another store, in a process that `wrapper` begins, looks for jobs of a
    -- worker that lives, for longer than it takes to see that one has died.
    local LOOKER = [[
      local core = require "camb.core"
      local jobs = assert(require("camb.store").open(arg[1]))
      local found = 0
      for _ = 1, 15 do
        found = found + #assert(jobs:claim(3))
        core.wait(0.1)
      end
      print("found " .. found)
      jobs:close()
    ]]
    for name, wrapper in pairs({
      ["from another PID namespace"] =
        "unshare --pid --fork --mount-proc %s",
      ["from another PID namespace with the machine's /proc"] =
        "unshare --pid --fork %s",
      ["with a /proc that hides it"] = "unshare -m sh -c 'mount -t proc -o "
        .. "hidepid=2 proc /proc && exec setpriv --reuid=65534 --regid=65534 "
        .. "--clear-groups %s'",
      ["whose clock is a day ahead"] = "faketime -f +1d %s",
      ["whose clock is a day behind"] = "faketime -f -1d %s",
    }) do
      it("is not taken for dead " .. name .. " while it lives", function()
        local _, status = workspace.run(wrapper:format(
          'test -r "$PWD/lua/camb.lua"'))
        if status ~= 0 then
          pending("this machine does not let us: " .. wrapper)
          return
        end
        local jobs = with_job()
        assert.equal(1, #jobs:claim(1))
        assert.is_true(jobs:submitting("k"))
        workspace.write(folder .. "/looker.lua", LOOKER)
        workspace.run(("chmod -R a+rwX %s"):format(folder))
        assert.matches("^found 0\n", (workspace.run(wrapper:format(
          ("%s %s/looker.lua %s"):format(LUA, folder, path)))))
        assert.is_true(jobs:submitted("k", "t-k"))
        jobs:close()
      end)
    end

    -- Writes a line for each commit, once that has returned.
    local WRITER = [[
      local store = require "camb.store"
      local jobs = assert(store.open(arg[1]))
      local log = assert(io.open(arg[2], "a"))
      log:setvbuf("no")
      local STEPS = {
        intended = function(key) return jobs:submitting(key) end,
        submitting = function(key) return jobs:submitted(key, "t-" .. key) end,
        submitted = function(key) return jobs:finished(key, 7) end,
        finished = function(key)
          return jobs:downloaded(key, { foreground = key, background = key })
        end,
      }
      local NEXT = { intended = "submitting", submitting = "submitted",
        submitted = "finished", finished = "downloaded" }
      while true do
        local list = {}
        for i = 1, 4 do
          list[i] = { key = ("%d-%d"):format(os.time(), math.random(1e9)),
            source = "x" }
        end
        assert(jobs:add(list))
        local rows = assert(jobs:claim(8))
        for _ = 1, 4 do
          local lines = {}
          assert(jobs:transact(function()
            for _, row in ipairs(rows) do
              if STEPS[row.state] then
                assert(STEPS[row.state](row.key))
                row.state = NEXT[row.state]
                lines[#lines + 1] = row.key .. " " .. row.state .. "\n"
              elseif row.state == "unknown_outcome" then
                assert(jobs:release(row.key))
                row.state = "reported"
              end
            end
            return true
          end))
          log:write(table.concat(lines))
        end
      end
    ]]
    local ORDER = { intended = 1, submitting = 2, unknown_outcome = 2.5,
      submitted = 3, finished = 4, downloaded = 5 }

    it("keeps all that it had committed, wherever kill -9 falls #slow", function()
      local log = workspace.write(folder .. "/commits", "")
      workspace.write(folder .. "/writer.lua", WRITER)
      for _ = 1, 15 do
        local pid = workspace.run(("%s %s/writer.lua %s %s > %s/log 2>&1 & "
          .. "echo $!"):format(LUA, folder, path, log, folder)):match("%d+")
        local size = #workspace.read(log)
        local give_up = core.now() + 30
        repeat
          core.wait(0.005)
        until #workspace.read(log) > size or core.now() > give_up
        core.wait(math.random() * 0.1)
        workspace.run("kill -9 " .. pid)
        assert.equal("", workspace.read(folder .. "/log"))
        local jobs = assert(store.open(path))
        local commits = 0
        for key, state in workspace.read(log):gmatch("(%S+) (%S+)\n") do
          commits = commits + 1
          local row = jobs:get(key)
          assert.is_true(ORDER[row.state] >= ORDER[state], key)
          assert.equal(ORDER[state] >= 3 and "t-" .. key or row.task_id,
            row.task_id)
        end
        assert.is_true(commits > 0)
        jobs:close()
      end
    end)
  end)

  describe("a file", function()
    it("that is a folder, or in none, is refused by its path", function()
      workspace.run("mkdir " .. path)
      fails("file", "is a folder")
      path = folder .. "/missing/batch.db"
      fails("file", "its folder does not exist")
    end)

    it("that is a URL of another database is refused as one", function()
      for _, url in ipairs({ "mysql://h/d", "sqlite:///tmp/b.db",
        "postgres+ssl://h/d" }) do
        path = url
        fails("file", "is neither a file nor a postgres:// URL")
      end
    end)

    it("that is no database is refused, and stays what it is", function()
      local words = ("a letter to my mother\n"):rep(300)
      workspace.write(path, words)
      fails("file", "is not an SQLite database")
      assert.equal(words, workspace.read(path))
    end)

    -- Have the sqlite3 command run `statements` on the file; what is returned
    -- lets it end.
    local function hold(statements)
      workspace.write(folder .. "/hold.sql", ("%s\n.shell touch %s/held\n")
        :format(statements, folder))
      workspace.run(("mkfifo %s/hold; { cat %s/hold.sql %s/hold | sqlite3 %s; } "
        .. "> /dev/null 2>&1 & true"):format(folder, folder, folder, path))
      local give_up = core.now() + 10
      repeat
        core.wait(0.02)
      until core.stat(folder .. "/held") or core.now() > give_up
      assert(core.stat(folder .. "/held"), "nothing holds the file")
      return function()
        workspace.run(("echo > %s/hold"):format(folder))
      end
    end

    it("that another process has for itself is waited for, briefly", function()
      with_job():close()
      local let_go = hold("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; "
        .. "DELETE FROM camb_meta;")
      local started = core.now()
      local jobs, err = store.open(path, { busy_timeout = 0.3 })
      local waited = core.now() - started
      let_go()
      assert.is_nil(jobs)
      assert.equal("store", err.kind)
      assert.is_true(err.retryable)
      assert.matches("is locked by another process", err.message)
      assert.is_true(waited >= 0.25, waited)
    end)

    it("that is locked while it is written loses nothing", function()
      local jobs = assert(store.open(path, { busy_timeout = 0.1 }))
      jobs:add({ { key = "k", source = "k.wav" } })
      jobs:claim(1)
      local let_go = hold("BEGIN IMMEDIATE;")
      local ok, err = jobs:transact(function()
        return jobs:submitting("k")
      end)
      assert.is_nil(ok)
      assert.matches("is locked by another process", err.message)
      assert.equal("intended", jobs:get("k").state)
      let_go()
      local give_up = core.now() + 10
      repeat
        ok = jobs:submitting("k")
      until ok or core.now() > give_up
      assert.is_true(ok)
      jobs:close()
    end)

    -- A file system of so many bytes in place of the folder.
    local function mount(size)
      local _, status = workspace.run(("mount -t tmpfs -o size=%s none %s")
        :format(size, folder))
      if status ~= 0 then
        pending("a file system of its own cannot be mounted here")
      end
    end

    it("that cannot grow on a full disk fails a write, and says so", function()
      mount("300k")
      local jobs = with_job()
      jobs:claim(1)
      local err
      for i = 1, 1000 do
        local list = {}
        for j = 1, 20 do
          list[j] = { key = i .. "-" .. j, source = ("x"):rep(200) }
        end
        local added
        added, err = jobs:add(list)
        if not added then
          break
        end
      end
      local before = jobs:count().intended
      local committed = jobs:transact(function()
        local ok = true
        for i = 1, 300 do
          ok = ok and jobs:submitting("k", { sha256 = ("x"):rep(3000 + i) })
          ok = ok and jobs:intended("k") and jobs:claim(1)
        end
        return ok
      end)
      local row = jobs:get("k")
      local after = jobs:count()
      jobs:close()
      workspace.run(("umount %s"):format(folder))
      assert.equal("file", err.kind)
      assert.matches(path .. " cannot grow: the disk is full", err.message, 1,
        true)
      assert.is_true(before > 20)
      if not committed then
        assert.equal("intended", row.state)
        assert.equal(before, after.intended)
      end
    end)

    it("that begins on a full disk is refused, and says so", function()
      mount("16k")
      workspace.run(("head -c 100k /dev/zero >%s/full"):format(folder))
      local jobs, err = store.open(path)
      workspace.run(("umount %s"):format(folder))
      assert.is_nil(jobs)
      assert.equal(("the store %s cannot grow: the disk is full"):format(path),
        err.message)
    end)

    it("that is read-only is refused", function()
      with_job():close()
      mount("1m")
      with_job():close()
      workspace.run(("mount -o remount,ro %s"):format(folder))
      -- LuaDBI never frees what SQLite could not open.
      local fresh = not os.getenv "SANITIZER" and folder .. "/new.db" or nil
      local refusals = {}
      for i, place in ipairs({ path, fresh }) do
        refusals[i] = select(2, store.open(place))
      end
      workspace.run(("umount %s"):format(folder))
      assert.equal(fresh and 2 or 1, #refusals)
      for _, refusal in ipairs(refusals) do
        assert.equal("file", refusal.kind)
        assert.matches("Read-only file system", refusal.message, 1, true)
      end
    end)

    it("whose index has lost a job is refused, as it would be sent again",
      function()
        with_job():close()
        -- The key in the table no longer is the key in the index.
        local bytes = workspace.read(path)
        local at, last = bytes:find("k.wav", 1, true)
        bytes = bytes:sub(1, at - 10) .. bytes:sub(at - 9, last):gsub(
          "kintended", "jintended") .. bytes:sub(last + 1)
        workspace.write(path, bytes)
        local jobs, err = store.open(path)
        assert.is_nil(jobs)
        assert.equal("file", err.kind)
        assert.matches("is damaged", err.message)
      end)

    describe("of some megabytes", function()
      -- Bytes that this process has read meanwhile.
      local function read_by(fn)
        local function count()
          return tonumber(workspace.read("/proc/self/io"):match("rchar: (%d+)"))
        end
        local before = count()
        fn()
        return count() - before
      end

      before_each(function()
        local jobs, list = assert(store.open(path)), {}
        for i = 1, 6000 do
          list[i] = { key = ("key-%05d"):format(i), source = ("x"):rep(200) }
        end
        assert(jobs:add(list))
        jobs:close()
        assert.is_true(select(2, core.stat(path)) > 2 ^ 20)
      end)

      it("is not read as a whole each time that it is opened", function()
        assert.is_true(read_by(function()
          assert(store.open(path)):close()
        end) < 2 ^ 19)
      end)

      it("is read as a whole where it is a copy, in which a job may be lost",
        function()
          local bytes = workspace.read(path):gsub("key%-03000intended",
            "key-0300xintended")
          path = workspace.write(folder .. "/copy.db", bytes)
          fails("file", "is damaged")
        end)

      it("is read as a whole once after a start of the machine", function()
        sql("PRAGMA user_version = 7")
        local size = select(2, core.stat(path))
        local function open()
          assert(store.open(path)):close()
        end
        assert.is_true(read_by(open) >= size)
        assert.is_true(read_by(open) < 2 ^ 19)
      end)
    end)

    it("of random damage gives a clear error or jobs that are sound",
      function()
        local _, result = fuzz.run(folder, 0, 20261122, 200)
        assert.is_number(result, result)
        assert.is_true(result > 10) -- of the others nothing can be read
      end)
  end)

  describe("the module", function()
    it("is not loaded by the client", function()
      local output, status = lua([[
        require "camb"
        for name in pairs(package.loaded) do
          assert(not name:find("camb.store", 1, true) and name ~= "DBI", name)
        end
      ]])
      assert.equal("", output)
      assert.equal(0, status)
    end)

    it("names the packages to install where LuaDBI is missing", function()
      local output = lua([[
        require "cjson"
        require "camb.core"
        package.path = package.path:gsub("/usr/[^;]*", "")
        package.cpath = ""
        for _, spec in ipairs({ arg[1], "postgres://localhost/x" }) do
          local jobs, err = require("camb.store").open(spec)
          assert(jobs == nil)
          print(err)
        end
      ]], path)
      assert.equal("store: the store needs LuaDBI for SQLite3: install "
        .. "luadbi-sqlite3 by LuaRocks, or Debian's lua-dbi-sqlite3\n"
        .. "store: the store needs LuaDBI for PostgreSQL: install "
        .. "luadbi-postgresql by LuaRocks, or Debian's lua-dbi-postgresql\n",
        output)
    end)

    it("raises at the caller's line for what it does not know", function()
      local function open(...)
        return select(2, pcall(store.open, ...))
      end
      assert.matches("unknown option 'leese' %(did you mean 'lease'%?%)",
        open(path, { leese = 5 }))
      assert.matches("option 'lease' must be between 1 and 86400",
        open(path, { lease = 0 }))
      assert.matches("option 'store' is empty", open(""))
      assert.matches("option 'store': string expected, got table", open({}))
    end)

    it("leaves no descriptor and no lock behind", function()
      with_job():close()
      local before = workspace.descriptors()
      for _ = 1, 10 do
        local jobs = with_job()
        jobs:claim(1)
        assert.is_false(pcall(jobs.transact, jobs, function()
          assert(jobs:submitting("k"))
          error("in the middle")
        end))
        jobs:close()
      end
      workspace.expect_descriptors(before)
      assert.same({ "batch.db" }, workspace.list(folder))
    end)
  end)
end)
