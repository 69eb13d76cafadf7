-- A look at a store, where it cannot or must not be changed.

local command = require "spec.support.command"
local core = require "camb.core"
local postgres = require "spec.support.postgres"
local store = require "camb.store"
local workspace = require "spec.support.workspace"

local LOOKS = { "batch --status", "jobs --json", "jobs --workers",
  "batch in --dry-run -o out" }

describe("a look at a store", function()
  local folder, run

  command.for_each(2, nil, function(_, ...)
    folder, run = ...
  end)

  before_each(function()
    assert.equal(0, select(2, run("timeout 60 camb batch in -o out --interval "
      .. "0.05 --store b.db")))
  end)

  after_each(function()
    run("chmod -R u+w .")
  end)

  local function looks(form)
    for _, look in ipairs(LOOKS) do
      local words, status = run(form, look .. " --store b.db")
      assert.equal(0, status, words)
    end
  end

  local function sums()
    return (run("md5sum b.db*; ls -la --time-style=full-iso b.db*"))
  end

  it("does not change it", function()
    local before = sums()
    looks("camb %s")
    assert.equal(before, sums())
    local words = run("camb batch --status --store b.db")
    assert.matches("downloaded      2\n", words, 1, true)
  end)

  it("needs no right to write to the file or its folder", function()
    local become = workspace.without_rights()
    if not become then
      pending("somebody else may not read this checkout")
    end
    run("chmod -R a+rX . ; chmod a-w b.db .")
    looks(become .. "env HOME=/tmp camb %s")
  end)

  it("sees what a worker has written that was killed, and leaves its log",
    function()
      run("cp in/take001.wav in/take003.wav; sh -c 'echo $$ >pid; exec camb "
        .. "batch in -o out --interval 0.05 --store b.db --follow' >log 2>&1 & "
        .. "true")
      workspace.wait_for("the worker", function()
        return (workspace.read(folder .. "/log") or ""):find(
          "take003.background", 1, true)
      end)
      run("kill -9 $(cat pid)")
      local before = run("md5sum b.db b.db-wal")
      assert.matches("3\n", run("camb batch --status --store b.db"), 1, true)
      assert.equal(before, run("md5sum b.db b.db-wal"))
    end)

  it("sees what is in the log, behind a link, too", function()
    local jobs = assert(store.open(folder .. "/b.db"))
    assert(jobs:add({ { key = "y", source = "/y" } }))
    run("mkdir elsewhere; ln -s ../b.db elsewhere/link.db")
    for _, path in ipairs({ "/b.db", "/elsewhere/link.db" }) do
      local look = assert(store.open(folder .. path, { read_only = true }))
      assert.equal(1, look:count().intended)
      look:close()
    end
    jobs:close()
  end)

  it("of a store of an older camb says what brings it up to date", function()
    run("sqlite3 b.db \"DROP VIEW camb_all; DROP TABLE camb_archive; UPDATE "
      .. "camb_meta SET value = '4' WHERE name = 'schema'\"")
    local words, status = run("camb jobs --store b.db")
    assert.equal(1, status, words)
    assert.matches("b.db was written by an older camb: the next batch brings "
      .. "it up to date, a look does not", words, 1, true)
    assert.equal(0, select(2, run("timeout 60 camb batch in -o out --store "
      .. "b.db")))
    looks("camb %s")
  end)

  it("of a store that is not there makes none", function()
    local jobs, err = store.open(folder .. "/none.db", { read_only = true })
    assert.is_nil(jobs)
    assert.matches("none.db does not exist", err.message, 1, true)
    assert.is_nil(core.stat(folder .. "/none.db"))
  end)

  it("refuses to write", function()
    local jobs = assert(store.open(folder .. "/b.db", { read_only = true }))
    local added, err = jobs:add({ { key = "y", source = "y" } })
    assert.is_nil(added)
    assert.matches("cannot be written: it is read-only", err.message, 1, true)
    jobs:close()
  end)
end)

describe("a copy of a store", function()
  local folder, path, jobs

  before_each(function()
    folder = workspace.folder()
    path = folder .. "/a.db"
    jobs = assert(store.open(path))
    assert(jobs:add({ { key = "a", source = "/a" } }))
  end)

  after_each(function()
    jobs:close()
    workspace.remove(folder)
  end)

  local function halt_of(copy)
    local opened = assert(store.open(copy))
    local halt = assert(opened:controls()).halt
    opened:close()
    return halt
  end

  local function copy(files)
    workspace.run(("mkdir %s/b; cp %s %s/b"):format(folder, files, folder))
    return folder .. "/b/a.db"
  end

  it("that lacks the log of one in use lets nothing be sent, and says why",
    function()
      local place = copy(path)
      for _ = 1, 2 do
        assert.matches("this store is a copy that was made while a batch used "
          .. "it: what was recorded later, or was in its log, is missing",
          halt_of(place), 1, true)
      end
      workspace.run(("%s/bin/camb jobs --store %s --resume"):format(
        os.getenv("BUILD") or "build", place))
      assert.is_nil(halt_of(place))
    end)

  it("that has the log is a store like any other", function()
    assert.is_nil(halt_of(copy(path .. "*")))
  end)

  it("that was made when nobody used it is one, too", function()
    jobs:close()
    assert.is_nil(halt_of(copy(path)))
  end)

  it("is no store that moved, or whose worker was killed", function()
    local script = workspace.write(folder .. "/killed.lua", [[
      local jobs = assert(require("camb.store").open(arg[1]))
      jobs:add({ { key = "b", source = "/b" } })
      os.execute("kill -9 $PPID")
    ]])
    jobs:close()
    workspace.run(("%s %s %s"):format(os.getenv("LUA") or "lua5.4", script,
      path))
    workspace.run(("mkdir %s/b; sqlite3 %s 'SELECT 1'; mv %s* %s/b"):format(
      folder, path, path, folder))
    assert.is_nil(halt_of(folder .. "/b/a.db"))
  end)
end)

describe("a look at PostgreSQL's replica", function()
  local server = postgres.for_block_unless_sanitized()
  if not server then
    return
  end

  it("tells the states, the jobs and the workers", function()
    local jobs = assert(store.open(server.url))
    jobs:add({ { key = "a", source = "/a" } })
    local replica = server:replica()
    for words, expected in pairs({ ["batch --status"] = "intended        1\n",
      ["jobs"] = "intended        /a\n", ["jobs --workers"] = "worker    " })
    do
      local output, status = workspace.run(("%s/bin/camb %s --store '%s'")
        :format(os.getenv("BUILD") or "build", words, replica.url))
      assert.equal(0, status, output)
      assert.matches(expected, output, 1, true)
    end
    local opened, err = store.open(replica.url)
    assert.is_nil(opened)
    assert.matches("read-only transaction", err.message, 1, true)
    replica:stop()
    jobs:close()
  end)
end)
