-- Workers on one PostgreSQL, some of which are killed, while the database
-- itself goes away and comes back.

local core = require "camb.core"
local killed = require "spec.support.killed"
local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"
local FILES = 60
local WORKERS = 4
local KILLS = 12

describe("a batch on PostgreSQL #slow #kill", function()
  local folder, server, url
  local database = postgres.for_block()

  before_each(function()
    folder = workspace.folder()
    takes.make(folder .. "/in", FILES)
    server = assert(sandbox.start({ workers = 2, request_log = 2 ^ 17,
      engine = takes.engine(folder) }))
    url = database:create()
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function command(more)
    return ("CAMB_API_KEY=%s CAMB_BASE_URL=%s exec %s batch %s/in "
      .. "--store '%s' -o %s/out --interval 0.05 -j 2 %s"):format(
      server.api_key, server.base_url, CAMB, folder, url, folder, more or "")
  end

  -- Begin a worker; its status is written when it has ended.
  local function begin(number, more)
    local base = ("%s/worker%d"):format(folder, number)
    workspace.write(base .. ".sh", ("echo $$ > %s.pid\n%s >>%s.log 2>&1\n")
      :format(base, command(more), base))
    os.remove(base .. ".pid")
    workspace.run(("(sh %s.sh; echo $? > %s.status) >/dev/null 2>&1 & true"):format(
      base, base))
    postgres.wait_for(function()
      return (workspace.read(base .. ".pid") or ""):find("\n")
    end, 30)
    return { base = base, pid = workspace.read(base .. ".pid"):match("%d+") }
  end

  local function status_of(worker)
    return (workspace.read(worker.base .. ".status") or ""):match("^(%d+)\n")
  end

  local function kill(worker)
    workspace.run("kill -9 " .. worker.pid)
    postgres.wait_for(function()
      return status_of(worker)
    end, 30)
  end

  it("loses nothing and pays for nothing twice, whoever is killed", function()
    local seed = os.time()
    math.randomseed(seed)
    local workers, begun = {}, WORKERS
    for i = 1, WORKERS do
      workers[i] = begin(i)
    end
    for i = 1, KILLS do
      core.wait(0.05 + 0.3 * math.random())
      if i % 6 == 3 then
        database:restart("immediate")
      end
      local place = math.random(WORKERS)
      kill(workers[place])
      begun = begun + 1
      workers[place] = begin(begun)
    end
    for _, worker in ipairs(workers) do
      postgres.wait_for(function()
        return status_of(worker)
      end, 90)
    end
    local out = folder .. "/out"
    local ok, unknown, lost = pcall(killed.check, url, server, out, FILES, {})
    assert(ok, ("seed %d: %s"):format(seed, tostring(unknown)))
    local words, status = workspace.run("(" .. command("--resubmit-unknown")
      .. ") 2>&1 >/dev/null")
    assert.equal(0, status, words)
    assert.same({}, (killed.check(url, server, out, FILES, unknown)))
    io.stderr:write(("[%d kills, 2 restarts, %d unknown, seed %d]"):format(
      KILLS, lost, seed))
  end)

  it("waits for a database that is away for ten seconds", function()
    -- no more than so many tasks end before
    server:fault({ step = "status", reply = { status = "PENDING" },
      skip = FILES / 2, times = math.huge })
    local worker = begin(1)
    postgres.wait_for(function()
      local stats = server:stats()
      return stats.uploads > 5 or stats.requests.status > FILES / 2
    end, 30)
    database:stop("immediate")
    server:clear_faults()
    core.wait(10)
    assert.is_nil(status_of(worker))
    assert(database:start())
    postgres.wait_for(function()
      return status_of(worker)
    end, 60)
    assert.equal("0", status_of(worker), workspace.read(worker.base .. ".log"))
    assert.same({}, (killed.check(url, server, folder .. "/out", FILES, {})))
  end)

  it("sends once what two workers take up at the same time", function()
    local pairs_of = 12
    workspace.run(("rm -r %s/in; mkdir %s/in"):format(folder, folder))
    for i = 1, pairs_of do
      for _, letter in ipairs({ "a", "b" }) do
        workspace.write(("%s/in/%02d%s.wav"):format(folder, i, letter),
          takes.wav(i, 200000))
      end
    end
    local workers = { begin(1, "-j 1 --pending 1"), begin(2, "-j 1 --pending 1") }
    for _, worker in ipairs(workers) do
      postgres.wait_for(function()
        return status_of(worker)
      end, 90)
      assert.equal("0", status_of(worker), workspace.read(worker.base .. ".log"))
    end
    assert.equal(pairs_of, server:stats().uploads)
    assert.equal(4 * pairs_of, #workspace.run(
      ("find %s/out -name '*.wav' -printf x"):format(folder)))
  end)

  it("is shown by an example that runs as it stands", function()
    local words, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "INTERVAL=0.05 %s examples/worker.lua '%s' %s/in %s/out"):format(
      server.api_key, server.base_url, os.getenv("LUA") or "lua5.4", url,
      folder, folder))
    assert.equal(0, status, words)
    killed.check(url, server, folder .. "/out", FILES, {})
  end)
end)
