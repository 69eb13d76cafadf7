-- Batches with a store in SQLite: they go on from wherever they were left, and
-- whatever goes wrong with the store, nothing is sent that it does not know of.

local camb = require "camb"
local command = require "spec.support.command"
local core = require "camb.core"
local hash = require "camb.hash"
local ports = require "spec.support.ports"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local luas = require "spec.support.luas"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"
local LUA = os.getenv("LUA") or "lua5.4"

describe("a batch with a store", function()
  local server, client, folder, out, path

  stage.for_batches(nil, function(...)
    server, client, folder = ...
    out, path = folder .. "/stems", folder .. "/batch.db"
  end)

  local function options(more)
    return stage.with({ output_dir = out, interval = 0.05, store = path }, more)
  end

  -- Every item, by its index.
  local function all_of(sources, more, one)
    local items = {}
    for item in (one or client):batch(sources, options(more)) do
      items[item.index or -#items - 1] = item
    end
    return items
  end

  local function change(sql)
    local jobs = assert(store.open(path))
    local changed = assert(jobs.session:write(function(conn)
      return conn:run(sql)
    end))
    jobs:close()
    return changed
  end

  local function counts()
    return stage.counts(path)
  end

  local function key_of(source)
    return source
  end

  it("does nothing twice when it is run again", function()
    local paths = takes.make(folder .. "/in", 8)
    for run = 1, 3 do
      local items = all_of(paths)
      for i = 1, 8 do
        assert(items[i].stems, items[i].error)
        assert.equal(run > 1 or nil, items[i].skipped)
        assert.equal(takes.wav(i), workspace.read(items[i].stems.foreground))
      end
      assert.equal(8, server:stats().uploads)
    end
    assert.same({ downloaded = 8 }, counts())
    assert.equal(16, server:stats().requests.stem)
  end)

  it("asks the database for known files in pages", function()
    if os.getenv("SANITIZER") then
      pending("strace does not work with it")
      return
    end
    local KNOWN = 600
    all_of({})
    change(([[WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL
      SELECT n + 1 FROM numbers WHERE n < %d) INSERT INTO camb_jobs (key, state,
      source, name, output_dir, error_kind, error) SELECT '%s/in/' || n,
      'failed', '%s/in/' || n, n, '%s', 'network', 'x' FROM numbers]]):format(
      KNOWN, core.real_path(folder), folder, out))
    workspace.write(folder .. "/known.lua", ([[
      local camb = require "camb"
      local client, list = camb.client(), {}
      for i = 1, %d do
        list[i] = arg[1] .. "/" .. i
      end
      local skipped = 0
      for item in client:batch(list, { store = arg[2], output_dir = arg[3] }) do
        skipped = skipped + (item.skipped and 1 or 0)
      end
      print(skipped)
    ]]):format(KNOWN))
    workspace.run(("mkdir %s/in"):format(folder))
    local output, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "timeout 60 strace -f -o %s/trace -e trace=fcntl %s %s/known.lua "
      .. "%s/in %s %s"):format(server.api_key, server.base_url, folder,
      os.getenv("LUA") or "lua5.4", folder, folder, path, out))
    if not workspace.read(folder .. "/trace") then
      pending("strace does not work here")
      return
    end
    assert.equal(0, status, output)
    assert.equal(KNOWN, tonumber(output))
    -- each transaction takes a lock for its readers
    local locks = select(2, workspace.read(folder .. "/trace")
      :gsub("l_type=F_RDLCK", ""))
    assert.is_true(locks > 0 and locks < KNOWN / 2, locks)
  end)

  it("keeps the SHA-256 of each stem, also of one that came in two pieces",
    function()
      local paths = takes.make(folder .. "/in", 2)
      server:fault({ step = "stem", cut = 100, times = 1 })
      for _ = 1, 2 do
        for _, item in ipairs(all_of(paths)) do
          for _, stem in ipairs({ "foreground", "background" }) do
            local found = workspace.run(("sha256sum < '%s'"):format(
              item.stems[stem])):match("^%x+")
            assert.equal(found, item.stems[stem .. "_sha256"])
          end
        end
      end
      assert.equal(5, server:stats().requests.stem)
    end)

  it("goes on from every state that a job can be left in", function()
    local paths = takes.make(folder .. "/in", 6)
    local task = assert(client:submit(paths[2]))
    local ready = assert(assert(client:submit(paths[3])):wait({
      interval = 1 }))
    local before = server:stats().uploads
    local gone = assert(store.open(path, { lease = 1,
      base_url = client.base_url }))
    local rows = {}
    for i, source in ipairs(paths) do
      rows[i] = { key = key_of(source), source = source, output_dir = out,
        name = source:match("([^/]+)%.wav$") }
    end
    assert(gone:add(rows))
    assert.equal(6, #assert(gone:claim(6)))
    for i = 2, 5 do
      assert(gone:submitting(rows[i].key))
    end
    assert(gone:submitted(rows[2].key, task.id))
    assert(gone:submitted(rows[3].key, ready.task_id))
    assert(gone:finished(rows[3].key, ready.id))
    assert(gone:failed(rows[5].key, { kind = "validation",
      message = "refused" }))
    gone.session:close() -- as a process that was killed leaves it
    local items = all_of(paths)
    for _, i in ipairs({ 1, 2, 3, 6 }) do
      assert(items[i].stems, items[i].error)
      assert.equal(takes.wav(i), workspace.read(items[i].stems.background))
    end
    assert.equal(task.id, items[2].task_id)
    assert.equal(ready.id, items[3].run_id)
    assert.equal("unknown_outcome", items[4].error.kind)
    assert.equal("validation", items[5].error.kind)
    assert.is_true(items[5].skipped)
    assert.equal(before + 2, server:stats().uploads)
    assert.same({ downloaded = 4, failed = 1, unknown_outcome = 1 }, counts())
    -- each is begun again only when that is asked for
    items = all_of(paths)
    assert.equal("unknown_outcome", items[4].error.kind)
    items = all_of(paths, { retry_failed = true })
    assert(items[5].stems, items[5].error)
    assert.equal("unknown_outcome", items[4].error.kind)
    items = all_of(paths, { resubmit_unknown = true })
    assert(items[4].stems, items[4].error)
    assert.equal(before + 4, server:stats().uploads)
    assert.same({ downloaded = 6 }, counts())
  end)

  it("retries, if it is run again, what costs nothing and was not refused",
    function()
      local paths = takes.make(folder .. "/in", 4)
      local port = ports.free()
      local away = assert(sandbox.start({ port = port,
        engine = takes.engine(folder) }))
      local late = stage.client(away, { retries = 0 })
      away:stop()
      local function fail(kind, i, more)
        local item = all_of({ paths[i] }, more, late)[1]
        assert.equal(kind, item.error and item.error.kind)
      end
      fail("network", 1)
      away = assert(sandbox.start({ port = port,
        engine = takes.engine(folder) }))
      finally(function()
        late:close()
        away:stop()
      end)
      away:fault({ step = "submit", status = 422, times = 1 })
      fail("validation", 2)
      away:fault({ step = "status", reply = { status = "PENDING" }, times = 1 })
      fail("timeout", 3, { max_attempts = 1 })
      workspace.write(out .. "/take004.foreground.wav", "in the way")
      fail("file", 4)
      fail("file", 4)
      os.remove(out .. "/take004.foreground.wav")
      assert.equal(1, away:stats().uploads)
      local items = all_of(paths, nil, late)
      for _, i in ipairs({ 1, 3, 4 }) do
        assert(items[i].stems, items[i].error)
        assert.is_nil(items[i].skipped)
      end
      assert.equal("validation", items[2].error.kind)
      assert.is_true(items[2].skipped)
      assert.equal(3, away:stats().uploads)
    end)

  it("removes what a killed process left of a stem that never comes",
    function()
      local paths = takes.make(folder .. "/in", 1)
      all_of({})
      local jobs = assert(store.open(path))
      assert(jobs:add({ { key = paths[1], source = paths[1], name = "take001",
        output_dir = out } }))
      assert(jobs:claim(1))
      assert(jobs:submitting(paths[1]))
      assert(jobs:submitted(paths[1], "gone"))
      assert(jobs:finished(paths[1], 987654))
      jobs:close()
      workspace.run(("mkdir -p '%s'"):format(out))
      workspace.write(out .. "/take001.foreground.part",
        takes.wav(1):sub(1, 100))
      local items = all_of(paths)
      assert.equal("not_found", items[1].error.kind)
      assert.equal("gone", items[1].error.task_id)
      assert.same({}, workspace.list(out))
      assert.equal(0, server:stats().uploads)
    end)

  it("works on the jobs of the store where no sources are given", function()
    local paths = takes.make(folder .. "/in", 12)
    for item in client:batch(paths, options({ add_only = true })) do
      assert.is_nil(item.error)
    end
    local left = 0
    for item in client:batch({}, options()) do
      assert(item.stems, item.error)
      assert.is_nil(item.index)
      left = left + 1
    end
    assert.equal(12, left)
    assert.same({ downloaded = 12 }, counts())
    assert.equal(12, server:stats().uploads)
  end)

  it("leaves a stem alone that somebody has edited, but for overwrite",
    function()
      local paths = takes.make(folder .. "/in", 1)
      local stem = assert(all_of(paths)[1].stems).foreground
      workspace.write(stem, "edited by hand")
      local item = all_of(paths)[1]
      assert.is_true(item.skipped)
      assert.equal("edited by hand", workspace.read(stem))
      assert(all_of(paths, { overwrite = true })[1].stems)
      assert.are_not.equal("edited by hand", workspace.read(stem))
      workspace.write(stem, "edited again")
      os.remove(item.stems.background)
      item = all_of(paths)[1]
      assert(item.stems, item.error)
      assert.is_string(workspace.read(item.stems.background))
      assert.equal("edited again", workspace.read(stem))
      assert(all_of(paths, { overwrite = true })[1].stems)
      assert.equal(takes.wav(1), workspace.read(stem))
      assert.equal(1, server:stats().uploads)
    end)

  it("makes a stem anew that was emptied, also in another format", function()
    local paths = takes.make(folder .. "/in", 1)
    for _, more in ipairs({ {}, { format = "mp3" } }) do
      local stems = assert(all_of(paths, more)[1].stems)
      local before = workspace.read(stems.foreground)
      for _ = 1, 2 do
        workspace.write(stems.foreground, "")
        local item = all_of(paths, more)[1]
        assert(item.stems, item.error)
        assert.equal(stems.foreground, item.stems.foreground)
        assert.equal(before, workspace.read(stems.foreground))
        workspace.write(stems.background, "")
      end
    end
    assert.equal(1, server:stats().uploads)
  end)

  it("replaces an edited stem of the same size, too, for overwrite", function()
    local paths = takes.make(folder .. "/in", 1)
    local stem = assert(all_of(paths)[1].stems).foreground
    workspace.write(stem, ("x"):rep(#takes.wav(1)))
    assert(all_of(paths, { overwrite = true })[1].stems)
    assert.equal(takes.wav(1), workspace.read(stem))
    assert.equal(1, server:stats().uploads)
  end)

  it("makes stems under other names and in other folders, and pays for nothing",
    function()
      local paths = takes.make(folder .. "/in", 1)
      assert(all_of(paths)[1].stems)
      for file, more in pairs({
        ["stems/foreground of take001.wav"] = { stem_name = "{stem} of {name}" },
        ["voices/take001.foreground.wav"] = { foreground_dir = folder
          .. "/voices" },
        ["voices/foreground.wav"] = { foreground_dir = folder .. "/voices",
          stem_name = "{stem}" },
        ["stems/foreground {id}.wav"] = { stem_name = "{stem} {task}" },
      }) do
        for again = 1, 3 do
          local item = all_of(paths, more)[1]
          local wanted = folder .. "/" .. file:gsub("{id}", item.task_id)
          assert(item.stems, item.error)
          assert.equal(wanted, item.stems.foreground)
          assert.equal(takes.wav(1), workspace.read(wanted))
          assert.equal(again > 1 or nil, item.skipped)
        end
      end
      assert.is_true(all_of(paths)[1].skipped)
      assert.same({ downloaded = 1 }, counts())
      assert.equal(1, server:stats().uploads)
    end)

  it("takes no file of a user's for a stem under another name", function()
    local paths = takes.make(folder .. "/in", 1)
    assert(all_of(paths)[1].stems)
    local mine = workspace.write(out .. "/x foreground.wav", "mine")
    local item = all_of(paths, { stem_name = "x {stem}" })[1]
    assert.equal("file", item.error.kind)
    assert.equal("mine", workspace.read(mine))
    assert.equal(1, server:stats().uploads)
  end)

  it("replaces no file that appeared while the task was under way", function()
    local paths = takes.make(folder .. "/in", 1)
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local batch = client:batch(paths, options({ on_event = function(event)
      if event.name == "polled" then
        error("left", 0)
      end
    end }))
    assert.is_false((pcall(batch)))
    server:clear_faults()
    local mine = workspace.write(out .. "/take001.foreground.wav", "my own work")
    for _, more in ipairs({ {}, { retry_failed = true } }) do
      local item = all_of(paths, more)[1]
      assert.equal("file", item.error.kind)
      assert.is_string(item.error.task_id)
      assert.equal("my own work", workspace.read(mine))
    end
    os.remove(mine)
    assert(all_of(paths, { retry_failed = true })[1].stems)
    assert.equal(1, server:stats().uploads)
  end)

  it("fetches stems again that are gone, and sends nothing for that",
    function()
      local paths = takes.make(folder .. "/in", 2)
      local items = all_of(paths)
      os.remove(items[2].stems.foreground)
      items = all_of(paths)
      assert.is_true(items[1].skipped)
      assert.equal(takes.wav(2), workspace.read(items[2].stems.foreground))
      assert.equal(2, server:stats().uploads)
    end)

  it("pays for a content once, also when it comes again another day",
    function()
      local paths = takes.make(folder .. "/in", 2)
      all_of(paths)
      paths[3] = workspace.write(folder .. "/in/copy.wav", takes.wav(1))
      local items = all_of(paths)
      assert(items[3].stems, items[3].error)
      assert.equal(takes.wav(1), workspace.read(items[3].stems.foreground))
      assert.equal(items[1].task_id, items[3].task_id)
      assert.equal(2, server:stats().uploads)
    end)

  it("takes up a job that waits for another worker's upload, though there is "
    .. "room for no other", function()
    local paths = takes.make(folder .. "/in", 1)
    local task = assert(client:submit(paths[1]))
    local other = assert(store.open(path, { base_url = client.base_url }))
    assert(other:add({ { key = "theirs", source = "theirs.wav",
      name = "theirs", output_dir = out } }))
    assert(other:claim(1))
    assert(other:submitting("theirs", { sha256 = workspace.run(
      "sha256sum < " .. paths[1]):match("^%x+") }))
    local running = client:batch(paths, options({ concurrency = 1 }))
    local item
    camb.run(function()
      local job = camb.spawn(function()
        return running()
      end)
      local stop = core.now() + 60
      local waiting
      repeat
        camb.sleep(0.01)
        waiting = next(running.run.active)
      until waiting and waiting.sha256 and not waiting.is_pending
        or core.now() > stop
      assert(other:submitted("theirs", task.id))
      other:close()
      while not job:is_done() and core.now() < stop do
        camb.sleep(0.05)
      end
      job:cancel()
      item = job:join()
    end)
    running:close()
    assert(item.stems, item.error)
    assert.equal(task.id, item.task_id)
    assert.equal(1, server:stats().uploads)
  end)

  it("sends no copy of a file whose outcome is unknown, until it is told to",
    function()
      local paths = takes.make(folder .. "/in", 2)
      paths[3] = workspace.write(folder .. "/in/copy.wav", takes.wav(1))
      server:fault({ step = "submit", at = "accepted", close = true })
      for _ = 1, 2 do
        local items = all_of(paths, { uploads = 1 })
        for _, i in ipairs({ 1, 3 }) do
          assert.equal("unknown_outcome", items[i].error.kind)
        end
        assert.matches('the same content was sent as "' .. paths[1] .. '"',
          items[3].error.message, 1, true)
        assert(items[2].stems, items[2].error)
        assert.equal(2, server:stats().uploads)
      end
      local items = all_of(paths, { resubmit_unknown = true })
      for i = 1, 3 do
        assert(items[i].stems, items[i].error)
      end
      assert.equal(3, server:stats().uploads)
    end)

  it("sends a file anew whose task was given up, when it retries what failed",
    function()
      local paths = takes.make(folder .. "/in", 1)
      server:fault({ step = "status", reply = { status = "ERROR" } })
      local items = all_of(paths)
      assert.equal("task_failed", items[1].error.kind)
      assert.is_true(items[1].error.task_ended)
      local ended = items[1].task_id
      assert.equal("task_failed", all_of(paths)[1].error.kind)
      assert.equal(1, server:stats().uploads)
      items = all_of(paths, { retry_failed = true })
      assert(items[1].stems, items[1].error)
      assert.not_equal(ended, items[1].task_id)
      assert.equal(2, server:stats().uploads)
    end)

  it("takes up the task of a copy that failed on the way to its stems",
    function()
      local paths = takes.make(folder .. "/in", 1)
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = 2 })
      local first = all_of(paths, { max_attempts = 1 })[1]
      assert.equal("timeout", first.error.kind)
      workspace.write(folder .. "/in/copy.wav", takes.wav(1))
      local item = all_of({ folder .. "/in/copy.wav" })[1]
      assert(item.stems, item.error)
      assert.equal(first.task_id, item.task_id)
      assert.equal(1, server:stats().uploads)
    end)

  it("waits for a task that is paid for beyond the polls of a batch without",
    function()
      local paths = takes.make(folder .. "/in", 1)
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = 1000 })
      local item = all_of(paths, { interval = 0.001 })[1]
      assert(item.stems, item.error)
      assert.equal(1, server:stats().uploads)
    end)

  it("gives a task up that never says how it is", function()
    local paths = takes.make(folder .. "/in", 1)
    server:fault({ step = "status", reply = { status = "QUEUED" },
      times = math.huge })
    local item = all_of(paths, { interval = 0.001 })[1]
    assert.equal("protocol", item.error.kind)
    assert.matches("QUEUED", item.error.message)
  end)

  it("takes names and forms from the store, whatever is asked for later",
    function()
      local paths = takes.make(folder .. "/in", 2)
      local first = client:batch(paths, options({ uploads = 1,
        project_name = "first" }))
      assert(first().stems)
      first:close()
      for item in client:batch(paths, options({ project_name = "second",
        output_dir = folder .. "/elsewhere" })) do
        assert(item.stems, item.error)
        assert.equal(1, (item.stems.foreground:find(out, 1, true)))
      end
      for _, request in ipairs(server:requests()) do
        if request.file then
          assert.equal("first", request.fields.project_name)
        end
      end
    end)

  it("refuses a source that has changed or is gone since, unless it was sent",
    function()
      local paths = takes.make(folder .. "/in", 4)
      local items = all_of(paths, { uploads = 1, on_event = function(event)
        if event.name == "submitted" and event.source == paths[1] then
          workspace.write(paths[2], takes.wav(99, 500))
          os.remove(paths[3])
          os.remove(paths[1])
        end
      end })
      assert(items[1].stems, items[1].error)
      assert.equal("source", items[2].error.kind)
      assert.matches("has changed since", items[2].error.message)
      assert.equal("file", items[3].error.kind)
      assert(items[4].stems, items[4].error)
      assert.equal(2, server:stats().uploads)
      -- found again, it goes on
      workspace.write(paths[3], takes.wav(3))
    end)

  it("says that the output folder cannot be written, and sends nothing",
    function()
      local paths = takes.make(folder .. "/in", 2)
      workspace.write(out, "a file is in the way")
      local items = all_of(paths)
      assert.equal("file", items[1].error.kind)
      assert.matches("cannot be created", items[2].error.message)
      assert.equal(0, server:stats().uploads)
      os.remove(out)
      items = all_of(paths, { retry_failed = true })
      assert(items[1].stems and items[2].stems, items[1].error)
    end)

  it("refuses a store of a newer version, of another service, or no store",
    function()
      local paths = takes.make(folder .. "/in", 1)
      local function refusal(words)
        local items = all_of(paths)
        assert.matches(words, items[-1].error.message)
        assert.is_nil(items[1])
      end
      workspace.write(path, ("not a database "):rep(100))
      refusal("is not an SQLite database")
      os.remove(path)
      all_of({})
      change("INSERT INTO camb_jobs (key, state, source, task_id) VALUES "
        .. "('x', 'submitted', 'x.wav', 'task')")
      change("UPDATE camb_meta SET value = 'http://other/apis' "
        .. "WHERE name = 'base_url'")
      refusal("belongs to the service at")
      os.execute("rm -f " .. path .. "*")
      all_of({})
      change("UPDATE camb_meta SET value = '99' WHERE name = 'schema'")
      refusal("written by a newer camb")
      assert.equal(0, server:stats().uploads)
    end)

  -- A second handle that keeps everybody else from writing.
  local function lock()
    local jobs = assert(store.open(path))
    assert(jobs.session.conn:begin())
    return jobs
  end

  it("waits for a store that another process is writing to", function()
    local paths = takes.make(folder .. "/in", 3)
    all_of({})
    local held, pauses = lock(), 0
    local items = all_of(paths, { on_event = function(event)
      if event.step == "store" then
        pauses = pauses + 1
        assert.equal(0, server:stats().uploads)
        if pauses == 2 then
          held:close()
        end
      end
    end })
    for i = 1, 3 do
      assert(items[i].stems, items[i].error)
    end
    assert.equal(2, pauses)
    assert.equal(3, server:stats().uploads)
  end)

  it("sends nothing while the store cannot say so first", function()
    local paths = takes.make(folder .. "/in", 3)
    all_of({})
    local held
    local events = 0
    local items = all_of(function()
      held = held or lock()
      events = events + 1
      return paths[events]
    end, { store_timeout = 1 })
    held:close()
    assert.is_not_nil(items[-1].error)
    assert.matches("is locked by another process", items[-1].error.message)
    assert.equal(0, server:stats().uploads)
  end)

  it("fetches what the store could not record, and sends nothing more",
    function()
      local paths = takes.make(folder .. "/in", 6)
      local held
      local items = all_of(paths, { uploads = 1, lease = 1, store_timeout = 1,
        on_event = function(event)
          if event.name == "upload_started" then
            held = held or lock()
          end
        end })
      held:close()
      local fetched = 0
      for _, item in pairs(items) do
        if item.stems then
          fetched = fetched + 1
          assert.is_string(item.task_id)
        else
          assert.equal("store", item.error.kind)
        end
      end
      assert.equal(1, fetched)
      assert.equal(1, server:stats().uploads)
      -- the row says submitting, and nobody is there who could know more
      items = all_of(paths)
      local unknown = 0
      for i = 1, 6 do
        unknown = unknown + (items[i].error
          and items[i].error.kind == "unknown_outcome" and 1 or 0)
      end
      assert.equal(1, unknown)
      assert.equal(6, server:stats().uploads)
    end)

  it("neither loses nor doubles a job when the disk is full", function()
    takes.make(folder .. "/in", 30)
    workspace.write(folder .. "/batch.lua", ([[
      local camb = require "camb"
      local client = camb.client()
      local bad = 0
      for item in client:batch("%s/in", { store = "%s", output_dir = "%s",
        interval = 0.05, store_timeout = 0.5, retry_failed = true }) do
        bad = bad + (item.error and 1 or 0)
        if item.error then
          print(item.error)
        end
      end
      os.exit(bad > 0 and 1 or 0)
    ]]):format(folder, path, out))
    local line = ("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s %s/batch.lua"):format(
      server.api_key, server.base_url, LUA, folder)
    local words, status = workspace.run(
      "(trap '' XFSZ; ulimit -f 320; " .. line .. ")")
    assert.equal(1, status, words)
    assert.matches("the store %S+ ", words)
    words, status = workspace.run(line)
    local lost = counts().unknown_outcome or 0
    assert.equal(lost > 0 and 1 or 0, status, words)
    assert.equal(30, (counts().downloaded or 0) + lost)
    local seen = {}
    for _, request in ipairs(server:requests()) do
      if request.file and request.status == 200 then
        assert.is_nil(seen[request.file.name])
        seen[request.file.name] = true
      end
    end
  end)

  it("leaves the jobs to whoever took them over after its lease", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge }) -- until that worker is stopped
    local paths = takes.make(folder .. "/in", 6)
    workspace.write(folder .. "/worker.lua", ([[
      local camb = require "camb"
      local client = camb.client()
      for item in client:batch("%s/in", { store = "%s", output_dir = "%s",
        interval = 0.05, lease = 1, on_event = function(event)
          if event.name == "submitted" then
            io.write(event.source, "\n")
            io.flush()
          end
        end }) do
        print(item.error or "item")
      end
      print("ended")
    ]]):format(folder, path, out))
    local log = folder .. "/log"
    local pid = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s "
      .. "%s/worker.lua > %s 2>&1 & echo $!"):format(server.api_key,
      server.base_url, LUA, folder, log)):match("%d+")
    local function wait_for(what)
      for _ = 1, 1500 do
        if workspace.read(log):find(what) then
          return
        end
        camb.sleep(0.02)
      end
      error(what .. " did not come: " .. workspace.read(log))
    end
    -- Between two of its writes: stopped in one, it would lock the others out.
    local function stop_worker()
      workspace.run("kill -STOP " .. pid)
      workspace.wait_for("process " .. pid .. " to stop", function()
        return workspace.read(("/proc/%s/status"):format(pid))
          :find("\nState:%s*T")
      end)
      return workspace.run(("sqlite3 %s 'BEGIN IMMEDIATE; ROLLBACK;'"):format(
        path)) == ""
    end
    wait_for("take006.wav\n")
    while (counts().submitted or 0) < 6 or not stop_worker() do
      workspace.run("kill -CONT " .. pid)
      camb.sleep(0.02)
    end
    server:clear_faults()
    local items = all_of(paths)
    for i = 1, 6 do
      assert(items[i].stems, items[i].error)
    end
    local before = core.time()
    workspace.run("kill -CONT " .. pid)
    wait_for("ended\n")
    assert.is_nil(workspace.read(log):find("item\n"))
    assert.equal(6, server:stats().uploads)
    for _, name in ipairs(workspace.list(out)) do
      local _, _, written = core.stat(out .. "/" .. name)
      assert.is_true(written < before)
    end
    assert.equal(12, #workspace.list(out))
  end)

  it("lets go of its jobs when it was taken for dead, and takes them anew",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge }) -- until it is
      local paths = takes.make(folder .. "/in", 6)
      local submitted, resumed = 0, 0
      local items = all_of(paths, { lease = 1, on_event = function(event)
        if event.name == "resumed" then
          resumed = resumed + 1
        elseif event.name == "submitted" then
          submitted = submitted + 1
        elseif event.name == "polled" and submitted == 6
          and (counts().submitted or 0) == 6
        then
          submitted = 0
          change("DELETE FROM camb_workers")
          change("UPDATE camb_jobs SET owner = NULL")
          server:clear_faults()
        end
      end })
      for i = 1, 6 do
        assert(items[i].stems, items[i].error)
      end
      assert.equal(6, resumed)
      assert.equal(6, #items)
      assert.equal(6, server:stats().uploads)
      assert.same({ downloaded = 6 }, counts())
    end)

  -- Others take this worker for dead.
  local function bury()
    change("DELETE FROM camb_workers")
    change("UPDATE camb_jobs SET owner = NULL")
  end

  -- What becomes of `count` jobs where `listen` buries the worker, and waits.
  -- `bury_some` runs beside it; it and a listener in `more` may wait.
  local function survive(count, more, bury_some)
    if not luas.has_pcall then
      return pending("nothing can wait within pcall on this Lua")
    end
    more.lease = 1
    local list = client:batch(takes.make(folder .. "/in", count),
      options(more))
    local stems, has_ended = 0, false
    camb.run(function()
      camb.spawn(function()
        pcall(bury_some or function() end)
        pcall(workspace.wait_for, "the stems", function()
          camb.sleep(0.05)
          return has_ended
        end, 60)
        list:close()
      end)
      for item in list do
        stems = stems + (item.stems and 1 or 0)
      end
      has_ended = true
    end)
    assert.same({ downloaded = count }, counts())
    assert.equal(count, stems)
    assert.equal(count, server:stats().uploads)
  end

  it("keeps a job whose task it learns when it was taken for dead", function()
    local is_buried = false
    survive(3, { on_event = function(event)
      if event.name == "submitted" and not is_buried then
        is_buried = true
        bury()
        camb.sleep(1) -- it finds that out meanwhile
      end
    end })
  end)

  it("keeps a job in whose upload it was taken for dead, and takes it up again "
    .. "after the next time", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local times = 0
    survive(3, { on_event = function(event)
      if event.name == "upload_started" and times == 0 then
        times = 1
        bury()
        camb.sleep(1)
      elseif event.name == "polled" and times == 1
        and counts().submitted == 3
      then
        times = 2
        bury()
        server:clear_faults()
      end
    end })
  end)

  it("lets go of jobs that wait for a download when it was taken for dead",
    function()
      server:fault({ step = "stem", silence = true, times = math.huge })
      survive(6, { downloads = 1 }, function()
        workspace.wait_for("jobs that wait", function()
          camb.sleep(0.05)
          return counts().finished == 6
        end, 30)
        bury()
        server:clear_faults()
      end)
    end)

  it("gives everything back when the loop is left, and goes on", function()
    local paths = takes.make(folder .. "/in", 30)
    luas.leave(5, client:batch(paths, options({ pending = 8 })))
    assert.is_nil(counts().submitting)
    local jobs = assert(store.open(path))
    for row in jobs:each() do
      assert.is_nil(row.owner)
    end
    jobs:close()
    local lost = counts().unknown_outcome or 0
    local items = all_of(paths)
    for i = 1, 30 do
      assert.is_true(items[i].stems ~= nil
        or items[i].error.kind == "unknown_outcome", items[i].error)
    end
    assert.is_true(lost <= 4)
    assert.is_true(server:stats().uploads <= 30)
    assert.equal(30 - lost, counts().downloaded)
  end)

  it("knows that an upload which was put off is not under way", function()
    local paths = takes.make(folder .. "/in", 1)
    server:fault({ step = "submit", status = 429, retry_after = 100 })
    local list
    list = client:batch(paths, options({ on_event = function(event)
      if event.name == "retrying" then
        list:close()
      end
    end }))
    assert.is_nil(list())
    assert.same({ intended = 1 }, counts())
    assert.equal(1, server:stats().requests.submit)
    local other = stage.client(server) -- this one does not wait for 100 s
    assert(all_of(paths, nil, other)[1].stems)
    other:close()
    assert.equal(1, server:stats().uploads)
  end)

  for name, case in pairs({ retrying = { 408, "intended" },
    failed = { 422, "failed" } })
  do
    it("knows that a file was not sent if it is stopped at the event " .. name,
      function()
        local paths = takes.make(folder .. "/in", 1)
        local other = stage.client(server, { retries = 0 })
        server:fault({ step = "submit", status = case[1] })
        local list
        list = other:batch(paths, options({ attempts = 2,
          on_event = function(event)
            if event.name == name then
              list:close()
            end
          end }))
        assert.is_nil(list())
        other:close()
        assert.same({ [case[2]] = 1 }, counts())
        assert.equal(1, server:stats().requests.submit)
      end)
  end

  it("waits until its deadline for another worker that sends the same file",
    function()
      local source = takes.make(folder .. "/in", 1)[1]
      local other = assert(store.open(path, { owner = "elsewhere", lease = 3600,
        base_url = client.base_url }))
      assert(other:add({ { key = "b", source = "b" } }))
      assert(other:claim(1))
      assert.is_true(other:submitting("b", { sha256 = hash.of_file({}, source) }))
      workspace.write(folder .. "/late.lua", ([[
        local client = require("camb").client()
        print(client:batch({ %q }, { store = %q, output_dir = %q,
          deadline = 1 })().error)
      ]]):format(source, path, out))
      local said = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s timeout 60 "
        .. "%s %s/late.lua"):format(server.api_key, server.base_url, LUA,
        folder))
      assert.equal("timeout: the deadline passed while other uploads were under "
        .. "way\n", said)
      assert.same({ failed = 1, submitting = 1 }, counts())
      assert.equal(0, server:stats().uploads)
      other:close()
    end)

  -- As a kill leaves it after one stem, or both, had their names.
  for name, more in pairs({
    ["another format"] = { format = "mp3" },
    ["names with the task"] = { stem_name = "{task}.{stem}" },
    ["both"] = { stem_name = "{task}.{stem}", format = "mp3" },
  }) do
    it("resumes a job whose stems had got " .. name, function()
      local source = takes.make(folder .. "/in", 1, 8000)
      local stems = all_of(source, more)[1].stems
      local heard = workspace.read(stems.foreground)
      for _, lost in ipairs({ false, stems.background }) do
        change("UPDATE camb_jobs SET state = 'finished', foreground = NULL, "
          .. "background = NULL")
        if lost then
          os.remove(lost)
        end
        local item = all_of(source, more)[1]
        assert(item.stems, item.error)
        assert.equal(stems.background, item.stems.background)
        assert.equal(2, #workspace.list(out))
      end
      assert.equal(heard, workspace.read(stems.foreground))
      change("UPDATE camb_jobs SET state = 'finished', foreground = NULL, "
        .. "background = NULL")
      workspace.write(stems.foreground, "mine")
      local err = all_of(source, more)[1].error
      assert.matches("already exists", err.message, 1, true)
      assert.equal("mine", workspace.read(stems.foreground))
      assert.equal(1, server:stats().uploads)
    end)
  end

  describe("by camb batch", function()
    local function camb_batch(words, ...)
      return workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s/bin/camb "
        .. "batch --interval 0.05 -o %s "):format(server.api_key,
        server.base_url, BUILD, out) .. words:format(...))
    end

    it("prints the stems, keeps a status, and begins what failed again",
      function()
        takes.make(folder .. "/in", 3)
        workspace.write(folder .. "/in/notes.wav", "not audio")
        local words, status = camb_batch("%s/in --store %s 2>/dev/null", folder, path)
        assert.equal(10, status)
        local stems = 0
        for stem in words:gmatch("[^\n]+") do
          assert.equal("file", core.stat(stem))
          stems = stems + 1
        end
        assert.equal(6, stems)
        words, status = camb_batch("--status --store %s", path)
        assert.equal(0, status)
        assert.matches("downloaded%s+3\n", words)
        assert.matches("failed%s+1\n", words)
        assert.matches("failed: %S+notes.wav: the source %S+ is not audio",
          words)
        workspace.write(folder .. "/in/notes.wav", takes.wav(50))
        words, status = camb_batch("--retry-failed --store %s", path)
        assert.equal(0, status, words)
        assert.same({ downloaded = 4 }, counts())
        assert.equal(4, server:stats().uploads)
      end)

    it("advises --retry-failed where something failed", function()
      takes.make(folder .. "/in", 1)
      workspace.write(folder .. "/in/notes.wav", "not audio")
      for _ = 1, 2 do
        local said = camb_batch("%s/in --store %s", folder, path)
        assert.matches("see failures with --status; once their "
          .. "files are mended, retry them with: "
          .. ("camb batch --interval 0.05 -o %s %s/in --store %s "
          .. "--retry-failed\n"):format(out, folder, path), said, 1, true)
      end
    end)

    it("advises no --retry-failed for what is not in the store", function()
      takes.make(folder .. "/in", 1)
      workspace.write(folder .. "/in/a\nb.wav", takes.wav(2))
      local said, status = camb_batch("%s/in %s/none --store %s", folder, folder,
        path)
      assert.not_equal(0, status)
      assert.matches("control character", said)
      assert.is_nil(said:find("--retry-failed", 1, true), said)
    end)

    it("advises --resubmit-unknown, and what it may cost, and no --retry-failed "
      .. "where nothing else failed", function()
      takes.make(folder .. "/in", 1)
      server:fault({ step = "submit", at = "accepted", close = true })
      local said = camb_batch("%s/in --store %s", folder, path)
      assert.is_nil(said:find("--retry-failed", 1, true), said)
      assert.matches(("charged twice) with: camb batch --interval 0.05 -o %s "
        .. "%s/in --store %s --resubmit-unknown\n"):format(out, folder, path),
        said, 1, true)
    end)

    it("advises --resubmit-unknown also beside what failed", function()
      takes.make(folder .. "/in", 1)
      workspace.write(folder .. "/in/notes.wav", "not audio")
      server:fault({ step = "submit", at = "accepted", close = true })
      local said = camb_batch("%s/in --store %s", folder, path)
      for _, flag in ipairs({ "--retry-failed", "--resubmit-unknown" }) do
        assert.matches(("with: camb batch --interval 0.05 -o %s %s/in --store %s "
          .. "%s\n"):format(out, folder, path, flag), said, 1, true)
      end
    end)

    it("advises nothing that needs a store which was removed", function()
      takes.make(folder .. "/in", 3)
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = 20 })
      local function said_words()
        return workspace.read(folder .. "/words")
      end
      local pid = command.begin(command.runner(folder, server), "exec camb batch "
        .. "in -j 1 --interval 0.05 -o %s --store %s >words 2>&1", out, path)
      command.wait_for("a task", function()
        return said_words():find("submitted as", 1, true)
      end, said_words)
      workspace.run("rm -f " .. path .. "*")
      workspace.wait_for_end(pid)
      local said = said_words()
      assert.matches("was removed", said)
      assert.is_nil(said:find("with: camb batch", 1, true), said)
    end)

    it("says in a sentence what is missing", function()
      for words, expected in pairs({
        [""] = { 2, "camb: no files: name some" },
        ["--status"] = { 2, "%-%-resubmit%-unknown need %-%-store" },
        ["--status --store " .. folder .. "/none.db"] = { 1, "no such store" },
        [folder .. "/none*.wav --no-store"] = { 3, "no file matches" },
      }) do
        local said, status = camb_batch(words)
        assert.equal(expected[1], status)
        assert.matches(expected[2], said)
      end
    end)

    it("leaves the store in order when it is interrupted, and says how to go "
      .. "on", function()
      takes.make(folder .. "/in", 40)
      -- so many polls are not enough for all of them
      server:fault({ step = "status", reply = { status = "PENDING" },
        skip = 30, times = math.huge })
      local words = command.interrupt(command.runner(folder, server), folder,
        ("camb batch %s/in -j 1 --interval 0.05 -o %s --store %s"):format(folder,
        out, path), function(line)
          return line:find(out, 1, true) == 1
        end)
      server:clear_faults()
      assert.matches("status=130\n", words)
      assert.matches("camb: interrupted", words)
      assert.matches(("to resume, run: camb batch %s/in -j 1 --interval 0.05 "
        .. "-o %s --store %s\n"):format(folder, out, path), words, 1, true)
      assert.is_nil(counts().submitting)
      local said, status = camb_batch("--store %s", path)
      local lost = counts().unknown_outcome or 0
      assert.equal(lost > 0 and 10 or 0, status, said)
      assert.equal(40, (counts().downloaded or 0) + lost)
      assert.is_true(server:stats().uploads <= 40)
    end)
  end)

  it("is shown by an example that runs as it stands", function()
    local paths = takes.make(folder .. "/in", 2)
    local words, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s "
      .. "examples/resume.lua '%s/in/*.wav' %s %s"):format(server.api_key,
      server.base_url, LUA, folder, out, path))
    assert.equal(0, status, words)
    for i in ipairs(paths) do
      assert.equal(takes.wav(i),
        workspace.read(("%s/take%03d.foreground.wav"):format(out, i)))
    end
  end)
end)
