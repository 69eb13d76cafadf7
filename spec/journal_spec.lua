-- A client's journal: what is paid for is on the disk before anything can happen
-- to the process.

local camb = require "camb"
local earlier = require "camb.journal.earlier"
local journal = require "camb.journal"
local luas = require "spec.support.luas"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"

describe("a client's journal", function()
  local server, client, folder, path, take

  before_each(function()
    folder = workspace.folder()
    path = folder .. "/journal"
    local other
    server, client, other = stage.open({ engine = takes.engine(folder),
      workers = 4 }, { journal = path })
    workspace.remove(other)
    take = takes.make(folder .. "/in", 3)
  end)

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function states()
    local found = {}
    for state in (workspace.read(path) or ""):gmatch('"state":"([%w_]+)"') do
      found[#found + 1] = state
    end
    return table.concat(found, " ")
  end

  it("has a line before the upload begins, and one with its id", function()
    local before
    local task = assert(client:submit(take[1], { on_event = function(event)
      before = before or event.name == "upload_started" and states()
    end }))
    assert.equal("submitting", before)
    assert.equal("submitting submitted", states())
    local open = journal.open_entries(path)
    assert.equal(1, #open)
    assert.equal(task.id, open[1].task_id)
    assert.equal(take[1], open[1].source)
    assert.equal(server.base_url, open[1].base_url)
  end)

  it("has nothing open where the stems are fetched or nothing was accepted",
    function()
      assert(client:separate(take[1], { output_dir = folder .. "/out",
        interval = 0.05, max_attempts = 1000 }))
      assert.equal("submitting submitted fetched", states())
      server:fault({ step = "submit", status = 402 })
      assert.is_nil((client:submit(take[2])))
      assert.matches("submitting refused$", states())
      server:fault({ step = "status", reply = { status = "ERROR" } })
      assert.is_nil((client:separate(take[3], { output_dir = folder .. "/out",
        interval = 0.05, max_attempts = 1000 })))
      assert.matches("submitting submitted failed$", states())
      assert.same({}, (journal.open_entries(path)))
    end)

  it("says where nobody knows whether a task was made", function()
    server:fault({ step = "submit", at = "accepted", close = true })
    local _, err = client:submit(take[1])
    assert.equal("unknown_outcome", err.kind)
    assert.equal("submitting unknown_outcome", states())
  end)

  it("is kept for every job of a batch without a store", function()
    for item in client:batch(take, { output_dir = folder .. "/out",
      interval = 0.05, max_attempts = 1000 })
    do
      assert(item.stems, item.error)
    end
    local _, fetched = states():gsub("fetched", "")
    assert.equal(3, fetched)
    assert.same({}, (journal.open_entries(path)))
  end)

  it("sends nothing where it cannot be written", function()
    workspace.run("mkdir " .. path)
    local task, err = client:submit(take[1])
    assert.is_nil(task)
    assert.equal("file", err.kind)
    assert.equal(path, err.path)
    assert.matches('^the journal "[^"]+" cannot be written: ', err.message)
    assert.equal(0, server:stats().uploads)
  end)

  it("waits for nobody to write where it is a pipe", function()
    workspace.run(("mkdir %s/out; mkfifo %s/out/.camb-journal"):format(folder,
      folder))
    local said, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "timeout 60 %s/bin/camb separate %s -o %s/out"):format(server.api_key,
      server.base_url, os.getenv("BUILD") or "build", take[1], folder))
    assert.equal(3, status, said)
    assert.matches('the journal "[^"]+" cannot be written: ', said)
    assert.equal(0, server:stats().uploads)
  end)

  it("has the id when the host quits, and another run takes it up", function()
    workspace.write(folder .. "/host.lua", ([[
      local client = require("camb").client({ journal = "%s" })
      client:separate("%s", { output_dir = "%s/out", on_event = function(event)
        if event.name == "submitted" then
          io.popen("kill -KILL $PPID"):close()
        end
      end })
    ]]):format(path, take[1], folder))
    workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s %s/host.lua"):format(
      server.api_key, server.base_url, LUA, folder))
    local open = journal.open_entries(path)
    assert.equal(1, #open)
    assert.equal(folder .. "/out", open[1].output_dir)
    local run = assert(client:task(open[1].task_id):wait({ interval = 0.05,
      max_attempts = 1000 }))
    assert(client:download(run, { output_dir = open[1].output_dir,
      name = open[1].name }))
    assert.equal(takes.wav(1),
      workspace.read(folder .. "/out/take001.foreground.wav"))
    assert.same({}, (journal.open_entries(path)))
    assert.equal(1, server:stats().uploads)
  end)

  -- A host that separates `count` takes as a batch and is killed where `place`
  -- says.
  local function killed_host(count, place)
    workspace.write(folder .. "/host.lua", ([[
      local function die() io.popen("kill -KILL $PPID"):close() end
      local client, started = require("camb").client({ journal = "%s" }), 0
      local takes = { "%s" }
      for item in client:batch(takes, { output_dir = "%s/out", interval = 0.05,
        max_attempts = 1000,
        on_event = function(event)
          started = started + (event.name == "upload_started" and 1 or 0)
          if "%s" == "started" and started == #takes then die() end
        end })
      do
        io.write(item.error and item.error.kind or "done", "\n")
        io.flush()
        die()
      end
    ]]):format(path, table.concat(take, '", "', 1, count), folder, place))
    return (workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s %s/host.lua")
      :format(server.api_key, server.base_url, LUA, folder)))
  end

  -- The kinds of errors of a whole batch of `count` takes, in one line.
  local function batch_of(count, resubmit)
    local kinds = {}
    for item in client:batch({ luas.unpack(take, 1, count) }, {
      output_dir = folder .. "/out", interval = 0.05, max_attempts = 1000,
      resubmit_unknown = resubmit })
    do
      kinds[#kinds + 1] = item.error and item.error.kind or "done"
    end
    return table.concat(kinds, " ")
  end

  it("keeps a doubt until the file is sent again on request, through kills",
    function()
      server:fault({ step = "submit", silence = true, times = math.huge })
      killed_host(3, "started")
      server:clear_faults()
      assert.matches("^unknown_outcome\n", killed_host(3, "told"))
      for _ = 1, 2 do
        assert.equal("unknown_outcome unknown_outcome unknown_outcome",
          batch_of(3))
      end
      assert.equal(0, server:stats().uploads)
      assert.equal("done done done", batch_of(3, true))
      assert.equal("done done done", batch_of(3))
      assert.equal(3, server:stats().uploads)
    end)

  it("keeps the doubt of a lost reply, too", function()
    server:fault({ step = "submit", at = "accepted", close = true })
    assert.matches("^unknown_outcome\n", killed_host(1, "told"))
    for _ = 1, 2 do
      assert.equal("unknown_outcome", batch_of(1))
    end
    assert.equal("submitting unknown_outcome", states())
    assert.equal("unknown_outcome",
      journal.open_entries(path)[1].state)
    assert.equal("done", batch_of(1, true))
    assert.equal(2, server:stats().uploads)
  end)

  it("tells of a doubt for each copy in a batch", function()
    server:fault({ step = "submit", silence = true, times = math.huge })
    killed_host(1, "started")
    server:clear_faults()
    workspace.run(("cp %s %s; cp %s %s"):format(take[1], take[2], take[1],
      take[3]))
    assert.equal("unknown_outcome unknown_outcome unknown_outcome", batch_of(3))
    assert.equal(0, server:stats().uploads)
  end)

  it("tells of a doubt also where a listener has ended the upload", function()
    server:fault({ step = "submit", at = "accepted", silence = true })
    local ok = pcall(client.submit, client, take[1], {
      on_event = function(event)
        if event.name == "upload_progress" and event.bytes == event.total then
          error("enough")
        end
      end })
    assert.is_false(ok)
    server:clear_faults()
    for item in client:batch({ take[1] }, { output_dir = folder .. "/out",
      interval = 0.05, max_attempts = 1000 })
    do
      assert.is_nil(item.stems)
      assert.equal("unknown_outcome", item.error.kind)
    end
    assert.is_true(server:stats().uploads < 2)
  end)

  it("keeps a line that was cut short apart from the next one", function()
    workspace.write(path, '{"job":"x","state":"submi')
    local task = assert(client:submit(take[1]))
    local open = journal.open_entries(path)
    assert.equal(1, #open)
    assert.equal(task.id, open[1].task_id)
  end)

  it("knows names of any bytes again", function()
    local odd = workspace.write(folder .. '/in/a\255"\\ \194\133c.wav', takes.wav(1))
    assert(client:submit(odd))
    assert.equal(odd, journal.open_entries(path)[1].source)
  end)

  it("knows what another process noted meanwhile, and copies of it", function()
    local find = earlier.finder(client, true)
    assert.is_nil(find(take[1]))
    local other = stage.client(server, { journal = path })
    local task = assert(other:submit(take[1]))
    other:close()
    workspace.run(("cp %s %s/copy.wav"):format(take[1], folder))
    assert.equal(task.id, find(folder .. "/copy.wav").task_id)
    assert.is_nil(find(take[2]))
  end)

  it("takes memory for what is about the file alone, however long it is",
    function()
      local file = assert(io.open(path, "w"))
      for i = 1, 20000 do
        file:write(('{"job":"%d","state":"submitted","task_id":"T-%d",'
          .. '"source":"/takes/take%d.wav","size":"%d"}\n'):format(i, i, i,
          10000 + i))
      end
      file:close()
      local task = assert(client:submit(take[1]))
      local find = earlier.finder(client, true)
      find(take[1])
      collectgarbage()
      collectgarbage()
      local before = collectgarbage("count")
      assert.is_nil(find(workspace.write(folder .. "/new", "new")))
      assert.equal(task.id, find(take[1]).task_id)
      collectgarbage()
      collectgarbage()
      assert.is_true(collectgarbage("count") - before < 100)
    end)

  it("reads nothing of other files of one size before it sends one", function()
    local file = assert(io.open(path, "w"))
    local size = #assert(workspace.read(take[1]))
    for i = 1, 5000 do
      file:write(('{"job":"%d","state":"submitting","size":"%d",'
        .. '"piece":"%064d"}\n{"job":"%d","state":"submitted","task_id":"T-%d",'
        .. '"sha256":"%064d"}\n'):format(i, size, i, i, i, i))
    end
    local length = file:seek()
    file:close()
    collectgarbage()
    collectgarbage("stop")
    local before = collectgarbage("count")
    local task = client:submit(take[1])
    local taken = collectgarbage("count") - before
    collectgarbage("restart")
    assert(task)
    assert.is_true(1024 * taken < 4 * length + 2 ^ 20, taken)
  end)

  it("takes the lines of a hundred jobs at once", function()
    local paths = takes.make(folder .. "/many", 100)
    camb.run(function()
      for _, one in ipairs(paths) do
        camb.spawn(client.submit, client, one)
      end
    end)
    assert.equal(100, #journal.open_entries(path))
  end)
end)
