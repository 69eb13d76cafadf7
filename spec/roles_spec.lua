-- Who adds jobs to a store, and who works on those that others add.

local core = require "camb.core"
local stage = require "spec.support.stage"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"
local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"

describe("with a store", function()
  local server, client, folder, path

  stage.for_batches({ retries = 0 }, function(...)
    server, client, folder = ...
    path = folder .. "/batch.db"
  end)

  local function line(more)
    return ("CAMB_API_KEY=%s CAMB_BASE_URL=%s exec %s batch --store %s -o "
      .. "%s/out --interval 0.05 %s"):format(server.api_key, server.base_url,
      CAMB, path, folder, more)
  end

  local function run(more)
    return workspace.run("(" .. line(more) .. ")")
  end

  -- A worker in the background; `ended()` gives its status.
  local function begin(more)
    workspace.write(folder .. "/worker.sh", ("echo $$ > %s/pid\n%s "
      .. "> %s/log 2>&1\n"):format(folder, line(more), folder))
    workspace.run(("(sh %s/worker.sh; echo $? > %s/status) "
      .. "> /dev/null 2>&1 & true"):format(folder, folder))
    return {
      stop = function()
        workspace.run("kill -TERM $(cat " .. folder .. "/pid)")
      end,
      ended = function()
        return core.stat(folder .. "/status") == "file"
          and tonumber(workspace.read(folder .. "/status"))
      end,
    }
  end

  it("a worker leaves to others what it cannot send yet, and is seen", function()
    server:fault({ step = "submit", silence = true, times = math.huge })
    takes.make(folder .. "/in", 8)
    local worker = begin(("-j 2 --drain 0 %s/in"):format(folder))
    workspace.wait_for("two uploads", function()
      return (server:stats().requests.submit or 0) >= 2
    end)
    local jobs = assert(store.open(path))
    local taken = #assert(jobs:claim(8))
    local told = workspace.run(("%s jobs --store %s --workers"):format(CAMB,
      path))
    jobs:close()
    worker.stop()
    workspace.wait_for("its end", worker.ended)
    assert.is_true(taken >= 4, taken)
    assert.matches(("worker    process %s, lease 60 s, jobs %%d\n"):format(
      workspace.read(folder .. "/pid"):match("%d+")), told)
  end)

  it("a signal lets uploads get their reply, and its like ends the worker",
    function()
      server:fault({ step = "submit", silence = true, times = math.huge })
      takes.make(folder .. "/in", 1)
      local worker = begin(("--drain 1000 %s/in"):format(folder))
      workspace.wait_for_uploads(server, 1)
      worker.stop()
      workspace.wait_for("its words", function()
        return (workspace.read(folder .. "/log") or ""):find("camb: finishing "
          .. "uploads under way; a second SIGTERM stops at once\n", 1, true)
      end)
      worker.stop()
      workspace.wait_for("its end", worker.ended)
      assert.equal(143, worker.ended())
      assert.matches("\ncamb: stopped at once: 1 upload under way may be "
        .. "charged; to resume, run the same line again\n$",
        workspace.read(folder .. "/log"))
    end)

  -- A worker that is taken for dead in its upload, which stands still until
  -- `go` is there.
  local FROZEN = [[
    local camb = require "camb"
    local workspace = require "spec.support.workspace"
    local client = camb.client()
    for item in client:batch({ "%s/in/take001.wav" }, { store = "%s",
      output_dir = "%s/out", interval = 0.05, on_event = function(event)
        if event.name == "upload_started" then
          workspace.write("%s/frozen", "")
          workspace.wait_for("go", function()
            return workspace.read("%s/go")
          end)
        end
      end })
    do
      assert(item.stems, item.error)
    end
  ]]

  local function count_submitted()
    local jobs = assert(store.open(path, { read_only = true }))
    local count = jobs:count().submitted
    jobs:close()
    return count
  end

  -- What a worker says that has taken a job over whose upload comes to its end
  -- elsewhere; `meanwhile(pid)` gets the process that sends it.
  local function take_over(meanwhile)
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    takes.make(folder .. "/in", 2)
    workspace.write(folder .. "/frozen.lua", FROZEN:format(folder, path, folder,
      folder, folder))
    local frozen = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s "
      .. "%s/frozen.lua > %s/frozen.log 2>&1 & echo $!"):format(server.api_key,
      server.base_url, LUA, folder, folder)):match("%d+")
    workspace.wait_for("its upload", function()
      return workspace.read(folder .. "/frozen")
    end)
    assert.equal("", workspace.run(("sqlite3 %s 'DELETE FROM camb_workers; "
      .. "UPDATE camb_jobs SET owner = NULL'"):format(path)))
    local worker = begin(folder .. "/in")
    workspace.wait_for("the doubt", function()
      return (workspace.read(folder .. "/log") or ""):find("may exist and be "
        .. "charged", 1, true)
    end)
    workspace.write(folder .. "/go", "")
    workspace.wait_for("both tasks", function()
      return count_submitted() == 2
    end)
    meanwhile(frozen)
    server:clear_faults()
    workspace.wait_for("its end", worker.ended)
    workspace.stop(frozen)
    local words = workspace.read(folder .. "/log")
    assert.equal(0, worker.ended(), words)
    assert.equal(2, server:stats().uploads)
    return words
  end

  it("a job that another worker brings to its end after all has not failed",
    function()
      local words = take_over(function() end)
      assert.matches("take001.wav: another worker has downloaded its stems\n",
        words, 1, true)
      assert.matches("camb: 1 done, 1 by other workers; ", words, 1, true)
    end)

  it("a job in doubt that comes again counts once", function()
    local words = take_over(function(pid)
      workspace.stop(pid, "KILL")
    end)
    assert.matches("camb: 2 done; ", words, 1, true)
  end)

  it("a batch that only adds sends nothing and ends", function()
    local sources = takes.make(folder .. "/in", 5)
    sources[6] = folder .. "/in/none.wav"
    local running = client:batch(sources, { store = path, add_only = true,
      output_dir = folder .. "/out" })
    local items = {}
    for item in running do
      items[#items + 1] = item
    end
    assert.equal(0, server:stats().requests.submit or 0)
    assert.equal(6, running:added() + #items)
    local jobs = assert(store.open(path))
    assert.equal(running:added(), jobs:count().intended)
    jobs:close()
  end)

  it("a batch that only adds leaves what has ended alone", function()
    local sources = takes.make(folder .. "/in", 2)
    for _ in client:batch(sources, { store = path, output_dir = folder
      .. "/out", interval = 0.05 })
    do end
    workspace.run("rm -r " .. folder .. "/out")
    for _ in client:batch(sources, { store = path, output_dir = folder
      .. "/out", add_only = true })
    do
      error("an item")
    end
    assert.is_nil(core.stat(folder .. "/out"))
  end)

  it("a role is refused where there is none, or where it excludes another",
    function()
      for _, role in ipairs({ "add_only", "follow" }) do
        local ok, err = pcall(client.batch, client, {}, { [role] = true })
        assert.is_false(ok)
        assert.matches("option '" .. role .. "' needs a store", err, 1, true)
      end
      local ok, err = pcall(client.batch, client, {}, { store = path,
        add_only = true, follow = true })
      assert.is_false(ok)
      assert.matches("'add_only' excludes 'follow'", err, 1, true)
    end)

  it("the command adds, and a worker that began before does the work",
    function()
      local worker = begin("--follow")
      workspace.wait_for("the store", function()
        return core.stat(path) == "file"
      end)
      takes.make(folder .. "/in", 3)
      local words, status = run(folder .. "/in --add-only")
      assert.equal(0, status, words)
      assert.matches("added 3 jobs to the store", words, 1, true)
      local jobs = assert(store.open(path))
      workspace.wait_for("the stems", function()
        return jobs:count().downloaded == 3
      end)
      assert.equal(0, select(2, run(folder .. "/in --add-only")))
      takes.make(folder .. "/in", 4)
      assert.equal(0, select(2, run(folder .. "/in --add-only")))
      workspace.wait_for("one more", function()
        return jobs:count().downloaded == 4
      end)
      jobs:close()
      assert.is_false(worker.ended())
      worker.stop()
      workspace.wait_for("the end", worker.ended)
      assert.equal(143, worker.ended())
      assert.equal(4, server:stats().uploads)
    end)

  it("the priority of files that are known changes until they are sent",
    function()
      takes.make(folder .. "/in", 3)
      assert.matches("added 3 jobs", run(("--add-only %s/in"):format(folder)),
        1, true)
      local said = run(("--add-only --priority 7 %s/in/take002.wav"):format(
        folder))
      assert.matches("added 0 jobs to the store\n.*camb: gave 1 known job "
        .. "priority 7\n", said)
      assert.is_nil(run(("--add-only %s/in"):format(folder)):find("gave", 1,
        true))
      local function priority(number)
        local jobs = assert(store.open(path, { read_only = true }))
        local row = assert(jobs:list({ after = number - 1, limit = 1 }))[1]
        jobs:close()
        return row.source:match("take00%d"), row.priority
      end
      assert.same({ "take001", 0 }, { priority(1) })
      assert.same({ "take002", 7 }, { priority(2) })
      said = run("--max-jobs 1")
      assert.matches("take002.foreground.wav", said, 1, true)
      said = run(("--add-only --priority -2 %s/in"):format(folder))
      assert.matches("gave 2 known jobs priority -2\n", said, 1, true)
      assert.same({ "take002", 7 }, { priority(2) })
    end)

  it("nothing more is sent from the minute on that --until names", function()
    takes.make(folder .. "/in", 1)
    local minute, sent, said, status
    for _ = 1, 3 do -- as it may end meanwhile
      workspace.run(("rm -rf %s* %s/out"):format(path, folder))
      minute, sent = os.date("%H:%M"), server:stats().requests.submit or 0
      said, status = run(("--until %s %s/in"):format(minute, folder))
      if minute == os.date("%H:%M") then
        break
      end
    end
    assert.equal(11, status, said)
    assert.matches("camb: 0 done, 1 remains", said, 1, true)
    assert.matches("camb: --until stopped the sending: run the same line again "
      .. "to send more\n", said, 1, true)
    assert.equal(sent, server:stats().requests.submit or 0)
  end)

  it("who only adds needs no key, and a worker's is used", function()
    takes.make(folder .. "/in", 2)
    local words, status = workspace.run(("env -u CAMB_API_KEY -u XDG_CONFIG_HOME "
      .. "HOME=%s CAMB_BASE_URL=%s %s batch %s/in --store %s -o %s/out "
      .. "--add-only"):format(folder, server.base_url, CAMB, folder, path,
      folder))
    assert.equal(0, status, words)
    assert.matches("added 2 jobs to the store", words, 1, true)
    assert.equal(0, select(2, run("")))
    assert.equal(2, server:stats().uploads)
  end)

  it("a job that may pass is tried again, as often as it is told to",
    function()
      local slow, patient = stage.open_batch(folder, { processing = 1 })
      local function run_batch(more)
        more.store, more.output_dir, more.interval = path, folder .. "/out",
          0.05
        more.max_attempts = 2
        local items = {}
        for item in patient:batch(takes.make(folder .. "/in", 2), more) do
          items[#items + 1] = item
        end
        return items
      end
      for _, item in ipairs(run_batch({})) do
        assert.equal("timeout", item.error.kind)
      end
      local told = {}
      local items = run_batch({ attempts = 2, retry_failed = true,
        on_event = function(event)
          told[#told + 1] = event.name == "retrying" and event.next_in or nil
        end })
      assert.equal(2, #items)
      for i, item in ipairs(items) do
        assert.is_table(item.stems)
        assert.is_number(item.index)
        assert.equal(5, told[i])
      end
      assert.equal(2, slow:stats().uploads)
      patient:close()
      slow:stop()
    end)

  it("the status tells whether some failed or no work could be done",
    function()
      takes.make(folder .. "/in", 3)
      server:fault({ step = "submit", status = 422, times = 1 })
      assert.equal(10, select(2, run(folder .. "/in")))
      takes.make(folder .. "/in", 6)
      server:fault({ step = "submit", status = 401, times = math.huge })
      assert.equal(4, select(2, run(folder .. "/in")))
      server:clear_faults()
      assert.equal(10, select(2, run(folder .. "/in")))
      assert.equal(0, select(2, run(folder .. "/in --retry-failed")))
      workspace.write(path, "no database")
      assert.equal(3, select(2, run(folder .. "/in")))
    end)
end)
