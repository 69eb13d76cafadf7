-- A PostgreSQL that accepts and never answers: every call has an end.

local core = require "camb.core"
local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local scripted = require "spec.support.scripted"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"

describe("a database that accepts and never answers", function()
  local server = postgres.for_block_unless_sanitized()
  if not server then
    return
  end

  local folder

  before_each(function()
    folder = workspace.folder()
  end)

  after_each(function()
    server:signal("CONT")
    workspace.remove(folder)
  end)

  it("is told of when the store is opened #timed", function()
    local peer = scripted.start("require('cqueues').sleep(60)")
    local url = ("postgres://camb@127.0.0.1:%d/camb?connect_timeout=0")
      :format(peer.port)
    local before = workspace.descriptors()
    local started = core.now()
    local jobs, err = store.open(url, { store_timeout = 1 })
    assert.is_true(core.now() - started < 20)
    assert.is_nil(jobs)
    assert.matches("is unreachable: no answer for 10 seconds", err.message, 1,
      true)
    workspace.expect_descriptors(before)
    peer.stop()
  end)

  it("is told from one that rejects, where libpq gives it up", function()
    local peer = scripted.start("require('cqueues').sleep(60)")
    local jobs, err = store.open(("postgres://camb@127.0.0.1:%d/camb"):format(
      peer.port), { store_timeout = 0 })
    assert.is_nil(jobs)
    assert.matches("is unreachable: no answer for %d+ seconds", err.message)
    peer.stop()
  end)

  it("ends a call, and loses nothing when it goes on #timed", function()
    local url = server:create()
    local told = {}
    local jobs = assert(store.open(url, { store_timeout = 60,
      on_wait = function(err)
        told[#told + 1] = err.message
        server:signal("CONT")
      end }))
    assert(jobs:add({ { key = "a", source = "a" } }))
    assert.equal(1, #jobs:claim(1))
    server:signal("STOP")
    local started = core.now()
    assert.is_true(jobs:submitting("a"))
    assert.is_true(core.now() - started < 25)
    assert.matches("no answer for 10 seconds", told[1], 1, true)
    assert.same({ submitting = 1 }, jobs:count())
    jobs:close()
  end)

  it("does not keep a store from being closed #timed", function()
    local url = server:create()
    local jobs = assert(store.open(url))
    assert(jobs:add({ { key = "a", source = "a" } }))
    assert.equal(1, #jobs:claim(1))
    server:signal("STOP")
    local started = core.now()
    jobs:close()
    assert.is_true(core.now() - started < 25)
  end)

  it("is given up when a signal comes, and what was paid for is told #timed",
    function()
      takes.make(folder .. "/in", 6)
      local service = assert(sandbox.start({ processing = 1 }))
      local url = server:create()
      workspace.write(folder .. "/run.sh", ("export CAMB_API_KEY=%s "
        .. "CAMB_BASE_URL=%s\necho $$ > %s/pid\nexec %s batch %s/in --store '%s'"
        .. " -o %s/out -j 2 --drain 2 > %s/log 2>&1\n"):format(service.api_key,
        service.base_url, folder, CAMB, folder, url, folder, folder))
      workspace.run(("(bash %s/run.sh; echo $? > %s/status) > /dev/null 2>&1 & true")
        :format(folder, folder))
      postgres.wait_for(function()
        return #service:requests({ method = "POST" }) >= 2
      end, 30)
      server:signal("STOP")
      core.wait(2) -- it is amid a call
      local started = core.now()
      workspace.run(("kill -INT $(cat %s/pid)"):format(folder))
      postgres.wait_for(function()
        return core.stat(folder .. "/status") == "file"
      end, 45)
      assert.is_true(core.now() - started < 40)
      assert.equal("130\n", workspace.read(folder .. "/status"))
      service:stop()
    end)

  it("is told from one that rejects the user, within seconds #timed", function()
    local url = server:create()
    for _, wrong in ipairs({ (url:gsub("s3cret", "wr0ng")),
      (url:gsub("/postgres%?", "/none?")) })
    do
      local attempts = 0
      local before = workspace.descriptors()
      local started = core.now()
      local jobs, err = store.open(wrong, { on_wait = function()
        attempts = attempts + 1
      end })
      assert.is_nil(jobs)
      assert.matches("rejected the user, the password or the database",
        err.message, 1, true)
      assert.is_true(core.now() - started < 15)
      assert.is_true(attempts < 12)
      workspace.expect_descriptors(before)
    end
  end)

  it("is told from one behind a pooler, which forgets what was prepared",
    function()
      local jobs = assert(store.open(server:create()))
      assert.is_table(jobs:count())
      assert(jobs.session.conn.handle:prepare("DEALLOCATE ALL")):execute()
      local counts, err = jobs:count()
      assert.is_nil(counts)
      assert.matches("has to run in session mode", err.message, 1, true)
      jobs:close()
    end)

  it("is told from one that rejects the user by a batch, too #timed", function()
    takes.make(folder .. "/in", 1)
    local url = server:create():gsub("s3cret", "wr0ng")
    local started = core.now()
    local words, status = workspace.run(("CAMB_API_KEY=key "
      .. "CAMB_BASE_URL=http://127.0.0.1:9/apis %s batch %s/in --store '%s' "
      .. "-o %s/out 2>&1"):format(CAMB, folder, url, folder))
    assert.matches("rejected the user, the password or the database", words, 1,
      true)
    assert.is_true(status ~= 0)
    assert.is_true(core.now() - started < 20)
  end)
end)
