-- Batches without a store.

local camb = require "camb"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"
local luas = require "spec.support.luas"

-- The most of the intervals that held at one time.
local function most_at_once(marks)
  table.sort(marks, function(a, b)
    return a.time < b.time or (a.time == b.time and a.change < b.change)
  end)
  local now, most = 0, 0
  for _, mark in ipairs(marks) do
    now = now + mark.change
    most = math.max(most, now)
  end
  return most
end

describe("client:batch", function()
  local server, client, folder, out

  before_each(function()
    folder = workspace.folder()
    out = folder .. "/stems"
    server = nil
  end)

  after_each(function()
    if server then
      stage.close(server, client, folder)
    else
      workspace.remove(folder)
    end
  end)

  local function open(server_options, client_options)
    server, client = stage.open_batch(folder, server_options, client_options)
  end

  local function options(more)
    return stage.with({ output_dir = out, interval = 0.05,
      max_attempts = 1000 }, more)
  end

  -- Every item, by its index.
  local function all_of(sources, more)
    local items, order = {}, {}
    for item in client:batch(sources, options(more)) do
      items[item.index or #items + 1] = item
      order[#order + 1] = item.index
    end
    return items, order
  end

  local function stems_below(path)
    local text = workspace.run(("cd '%s' && find . -type f | sort"):format(path))
    local names = {}
    for name in text:gmatch("%./([^\n]+)") do
      names[#names + 1] = name
    end
    return names
  end

  it("gives every source its stems, in a plain script", function()
    open()
    local paths = takes.make(folder .. "/in", 20)
    local items, order = all_of(paths)
    assert.equal(20, #order)
    for i, path in ipairs(paths) do
      assert.equal(path, items[i].source)
      assert.is_nil(items[i].error)
      assert.equal(("%s/take%03d.foreground.wav"):format(out, i),
        items[i].stems.foreground)
      assert.equal(takes.wav(i), workspace.read(items[i].stems.background))
      assert.is_string(items[i].task_id)
      assert.equal("integer", luas.type(items[i].run_id))
    end
    assert.equal(20, server:stats().uploads)
    assert.equal(40, #workspace.list(out))
  end)

  it("does the same inside of camb.run, and leaves the time to others",
    function()
      open()
      local paths = takes.make(folder .. "/in", 6)
      local count = 0
      local turns = stage.count_turns(server, function()
        luas.each(client:batch(paths, options()), function(item)
          assert(item.stems, item.error)
          count = count + 1
        end)
      end)
      assert.equal(6, count)
      assert.is_true(turns >= 5)
    end)

  it("does the same in somebody else's loop", function()
    local found, cqueues = pcall(require, "cqueues")
    if not found then
      pending("cqueues is not installed")
    end
    open(nil, { loop = require("camb.loop.cqueues") })
    local paths = takes.make(folder .. "/in", 6)
    local count = 0
    local loop = cqueues.new()
    loop:wrap(function()
      luas.each(client:batch(paths, options()), function(item)
        assert(item.stems, item.error)
        count = count + 1
      end)
    end)
    assert(loop:loop())
    assert.equal(6, count)
  end)

  it("reports in the order in which jobs end", function()
    open()
    local paths = takes.make(folder .. "/in", 5)
    server:fault({ step = "status", reply = { status = "PENDING" }, times = 6 })
    server:fault({ step = "submit", status = 429, retry_after = 1, times = 1 })
    local _, order = all_of(paths, { concurrency = 5 })
    table.sort(order)
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("goes on with the others where a file fails", function()
    open()
    local paths = takes.make(folder .. "/in", 4)
    paths[5] = workspace.write(folder .. "/in/notes.wav", "not audio")
    paths[6] = folder .. "/in/nowhere.wav"
    os.remove(paths[2])
    local items = all_of(paths)
    assert.equal("source", items[5].error.kind)
    assert.equal("file", items[6].error.kind)
    assert.equal("file", items[2].error.kind)
    for _, i in ipairs({ 1, 3, 4 }) do
      assert(items[i].stems, items[i].error)
    end
    assert.equal(3, server:stats().uploads)
  end)

  it("knows the task of every error that comes after the upload", function()
    open()
    local paths = takes.make(folder .. "/in", 3)
    server:fault({ step = "status", reply = { status = "ERROR",
      exception_reason = "PROCESSING_ERROR" }, times = 1 })
    local failed = 0
    for _, item in ipairs((all_of(paths))) do
      if item.error then
        failed = failed + 1
        assert.equal("task_failed", item.error.kind)
        assert.equal(item.task_id, item.error.task_id)
        assert.is_false(item.error.retryable)
      end
    end
    assert.equal(1, failed)
  end)

  it("takes a folder, a pattern, and patterns of any depth", function()
    open()
    takes.make(folder .. "/in/a", 2)
    takes.make(folder .. "/in/b/c", 1)
    workspace.write(folder .. "/in/notes.txt", "not audio")
    for _, case in ipairs({
      { folder .. "/in", { "a/take001", "a/take002", "b/c/take001" } },
      { folder .. "/in/**/*.wav",
        { "a/take001", "a/take002", "b/c/take001" } },
      { folder .. "/in/*/take00[12].wav", { "a/take001", "a/take002" } },
      { folder .. "/in/a/take002.wav", { "take002" } },
    }) do
      workspace.remove(out)
      local items = all_of(case[1], { dedupe = false })
      assert.equal(#case[2], #items)
      local expected = {}
      for _, name in ipairs(case[2]) do
        expected[#expected + 1] = name .. ".background.wav"
        expected[#expected + 1] = name .. ".foreground.wav"
      end
      assert.same(expected, stems_below(out))
    end
  end)

  it("says which files of a folder it leaves out, and why", function()
    open()
    local inside = folder .. "/in"
    takes.make(inside, 1)
    for _, name in ipairs({ "b.aiff", "cover.jpg", "deep/noext",
      "deep/x.foreground.aiff" })
    do
      workspace.run(("mkdir -p '%s/deep'"):format(inside))
      workspace.write(inside .. "/" .. name, "any")
    end
    local seen = {}
    local items = all_of(inside, { on_event = function(event)
      if event.name == "left_out" then
        seen[#seen + 1] = { event.source, event.reason, event.sentence }
      end
    end })
    assert.equal(1, #items)
    assert.same({
      { inside .. "/b.aiff", "is AIFF, which the service does not accept: use "
        .. "FLAC, MP3, WAV or AAC", "Left out: is AIFF, which the service does "
        .. "not accept: use FLAC, MP3, WAV or AAC." },
      { inside .. "/cover.jpg", "is not named like a recording",
        "Left out: is not named like a recording." },
      { inside .. "/deep/noext", "is not named like a recording",
        "Left out: is not named like a recording." },
    }, seen)
  end)

  it("says so where a pattern stands for nothing", function()
    open()
    local items = all_of(folder .. "/*.wav")
    assert.equal("source", items[1].error.kind)
    assert.matches("no file matches", items[1].error.message)
  end)

  it("does not take its own stems for sources", function()
    open()
    takes.make(folder .. "/in", 2)
    out = folder .. "/in/stems"
    assert.equal(2, #all_of(folder .. "/in"))
    assert.equal(2, #all_of(folder .. "/in/**/*.wav", { overwrite = true }))
    assert.equal(4, #stems_below(out))
  end)

  it("mirrors the folders of its sources, so that no names collide",
    function()
      open()
      takes.make(folder .. "/in/a", 1)
      takes.make(folder .. "/in/b", 1)
      local wav = workspace.read(folder .. "/in/a/take001.wav")
      workspace.write(folder .. "/in/b/take001.mp3", wav)
      local items = all_of({ folder .. "/in/a/take001.wav",
        folder .. "/in/b/take001.wav", folder .. "/in/b/take001.mp3" })
      assert.equal(3, #items)
      assert.same({
        "a/take001.background.wav", "a/take001.foreground.wav",
        "b/take001.mp3.background.wav", "b/take001.mp3.foreground.wav",
        "b/take001.wav.background.wav", "b/take001.wav.foreground.wav",
      }, stems_below(out))
    end)

  it("gives stems names of their own if two could be taken for one #posix",
    function()
      open()
      local cases = {
        extension = { "x.wav", "x.mp3", "x.wav.flac", "x.wav-2.wav" },
        backslash = { "a\\b.wav", "a_b.wav", "a\\b_.wav" },
        folders = { "a\\b/x.wav", "a_b/x.wav" },
        dots = { ".wav", "..wav", "...wav", "x.wav" },
        case = { "Take.wav", "take.wav", "TAKE.wav" },
        accents = { "caf\195\169.wav", "cafe\204\129.wav" },
      }
      for kind, sources in pairs(cases) do
        local paths, seen = {}, {}
        for i, name in ipairs(sources) do
          local path = ("%s/%s/%s"):format(folder, kind, name)
          workspace.run(("mkdir -p '%s'"):format(path:match("^(.*)/")))
          paths[i] = workspace.write(path, takes.wav(i))
        end
        for i, item in ipairs((all_of(paths, { output_dir = out .. kind }))) do
          assert(item.stems, item.error)
          assert.equal(takes.wav(i), workspace.read(item.stems.foreground))
          local plain = item.stems.foreground:lower()
            :gsub("\195\169", "e"):gsub("\204\129", "")
          assert.is_nil(seen[plain], item.stems.foreground)
          seen[plain] = true
        end
      end
    end)

  it("numbers copies past the names that are taken", function()
    open()
    local paths = takes.make(folder .. "/in", 1)
    paths[2], paths[3] = paths[1], folder .. "/in/take001-2.wav"
    workspace.write(paths[3], takes.wav(2))
    local names = {}
    for i, item in ipairs((all_of(paths))) do
      assert(item.stems, item.error)
      names[i] = item.stems.foreground:match("([^/]+)%.foreground")
    end
    assert.same({ "take001", "take001-3", "take001-2" }, names)
  end)

  for what, batch_store in pairs({ ["with a store #posix"] = true,
    ["without one #posix"] = false })
  do
    it("makes one item with an error of what is no file, " .. what, function()
      open()
      local paths = takes.make(folder .. "/in", 1)
      workspace.run(([[cd '%s/in'; mkfifo pipe.wav; mkdir folder.wav; : > empty.wav
        ln -s nowhere dangling.wav; ln -s loop.wav loop.wav
        cp take001.wav folder.wav/inside.wav
        ln take001.wav hard.wav; ln -s take001.wav soft.wav]]):format(folder))
      for i, name in ipairs({ "hard", "soft", "pipe", "folder", "empty",
        "dangling", "loop" })
      do
        paths[i + 1] = ("%s/in/%s.wav"):format(folder, name)
      end
      local given = { store = batch_store and folder .. "/batch.db" or nil,
        base_dir = folder .. "/in" }
      local items = all_of(paths, given)
      for i = 1, 3 do
        assert(items[i].stems, items[i].error)
      end
      for i, words in ipairs({ "it is not a regular file", "it is a folder",
        "is empty", "No such file", "symbolic links" })
      do
        assert.equal(paths[i + 3], items[i + 3].source)
        assert.matches(words, items[i + 3].error.message)
      end
      assert.equal(1, server:stats().uploads)
      given.output_dir = folder .. "/again"
      given.store = nil
      items = all_of(folder .. "/in", given)
      local ended = 0
      for _, item in pairs(items) do
        ended = ended + (item.stems and 1 or 0)
        assert.is_falsy(item.error and not item.source:find("empty")
          and not item.source:find("dangling") and not item.source:find("loop"))
      end
      assert.equal(4, ended)
    end)

    it("makes one item of a name with a control character, " .. what,
      function()
        open()
        local paths = takes.make(folder .. "/in", 2)
        for _, odd in ipairs({ "a\tb.wav", "a\nb.wav", "a\27[31mb.wav" }) do
          paths[#paths + 1] = workspace.write(folder .. "/in/" .. odd,
            takes.wav(#paths + 1))
        end
        paths[#paths + 1] = { source = "x\0y.wav", name = "x" }
        local given = { store = batch_store and folder .. "/batch.db" or nil,
          concurrency = 2 }
        local items = all_of(paths, given)
        for i = 1, 2 do
          assert(items[i].stems, items[i].error)
        end
        for i, name in ipairs({ "a\\x09b", "a\\x0ab", "a\\x1b[31mb",
          "x\\x00y" }) do
          local item = items[i + 2]
          assert.equal("source", item.error.kind)
          assert.matches(name, item.error.message, 1, true)
          assert.matches(name, item.source, 1, true)
          assert.is_nil(item.source:find("%c"))
        end
        assert.equal(2, server:stats().uploads)
        assert.equal(5, #all_of(folder .. "/in", given))
      end)
  end

  it("never leaves output_dir, whatever the sources are called", function()
    open()
    takes.make(folder .. "/in", 1)
    local path = folder .. "/in/take001.wav"
    local sources = { ("../"):rep(30) .. path:match "^%a?:?/(.*)", path }
    local at = 0
    for item in client:batch(function()
      at = at + 1
      return sources[at]
    end, options({ output_dir = out .. "/deep" })) do
      assert(item.stems, item.error)
      assert.equal(1, (item.stems.foreground:find(out .. "/deep/", 1, true)))
      assert.is_nil(item.stems.foreground:find("..", 1, true))
    end
    assert.same({ "deep" }, workspace.list(out))
  end)

  it("lets an entry have a name, a folder and a form of its own", function()
    open()
    local paths = takes.make(folder .. "/in", 2)
    local items = all_of({
      { source = paths[1], name = "one", project_name = "own" },
      { source = { data = takes.wav(9), filename = "memory.wav" },
        output_dir = folder .. "/other" },
      paths[2],
    }, { project_name = "all" })
    assert.equal(out .. "/one.foreground.wav", items[1].stems.foreground)
    assert.equal(folder .. "/other/memory.foreground.wav",
      items[2].stems.foreground)
    local projects = {}
    for _, request in ipairs(stage.requests(server, "POST", "separation$")) do
      projects[request.file.name] = request.fields.project_name
    end
    assert.same({ ["take001.wav"] = "own", ["memory.wav"] = "all",
      ["take002.wav"] = "all" }, projects)
  end)

  it("uploads the same content once, and gives each its stems", function()
    open()
    local paths = takes.make(folder .. "/in", 3)
    workspace.write(folder .. "/in/copy.wav", takes.wav(1))
    paths[4], paths[5] = folder .. "/in/copy.wav", paths[2]
    local items = all_of(paths)
    for i = 1, 5 do
      assert(items[i].stems, items[i].error)
    end
    assert.equal(3, server:stats().uploads)
    assert.equal(items[1].task_id, items[4].task_id)
    assert.equal(items[2].task_id, items[5].task_id)
    assert.equal(takes.wav(1), workspace.read(items[4].stems.foreground))
    assert.equal(takes.wav(2), workspace.read(items[5].stems.foreground))
    assert.equal(10, #workspace.list(out))
  end)

  it("uploads the same content again where the form differs, or when told",
    function()
      open()
      local paths = takes.make(folder .. "/in", 1)
      all_of({ { source = paths[1], name = "a" },
        { source = paths[1], name = "b", project_name = "p" } })
      assert.equal(2, server:stats().uploads)
      all_of({ { source = paths[1], name = "c" },
        { source = paths[1], name = "d" } }, { dedupe = false })
      assert.equal(4, server:stats().uploads)
    end)

  it("sends no copy of what is unknown, though the file itself is gone",
    function()
      open()
      local paths = takes.make(folder .. "/in", 1)
      paths[2] = folder .. "/in/moved.wav"
      server:fault({ step = "submit", at = "accepted", close = true })
      local at = 0
      local items = all_of(function()
        at = at + 1
        if at == 2 then
          assert(os.rename(paths[1], paths[2]))
        end
        return paths[at]
      end, { concurrency = 1 })
      for i = 1, 2 do
        assert.equal("unknown_outcome", items[i].error.kind)
      end
      assert.equal(1, server:stats().uploads)
    end)

  it("waits for one upload with many that have its content, while others end",
    function()
      open()
      local paths = takes.make(folder .. "/in", 4)
      local long = takes.wav(1) .. ("\0"):rep(2 ^ 20)
      for i = 1, 3 do
        workspace.write(paths[i], long) -- the fourth is sent in less time
      end
      for _, item in ipairs(all_of(paths)) do
        assert(item.stems, item.error)
      end
      assert.equal(2, server:stats().uploads)
    end)

  it("sends a file itself where the upload of the same content has failed", function()
    open()
    local paths = takes.make(folder .. "/in", 1)
    workspace.write(folder .. "/in/copy.wav", takes.wav(1))
    paths[2] = folder .. "/in/copy.wav"
    server:fault({ step = "submit", status = 422, times = 1 })
    local items = all_of(paths, { concurrency = 1 })
    assert.equal("validation", items[1].error.kind)
    assert(items[2].stems, items[2].error)
  end)

  it("finds stems that exist before anything is sent", function()
    open()
    local paths = takes.make(folder .. "/in", 2)
    workspace.run(("mkdir -p '%s'"):format(out))
    workspace.write(out .. "/take001.foreground.wav", "mine")
    local items = all_of(paths)
    assert.equal("file", items[1].error.kind)
    assert.matches("already exists", items[1].error.message)
    assert(items[2].stems, items[2].error)
    assert.equal(1, server:stats().uploads)
    assert.equal("mine", workspace.read(out .. "/take001.foreground.wav"))
  end)

  it("finds stems that it wrote itself before it pays for them again",
    function()
      open()
      local path = takes.make(folder .. "/in", 1)[1]
      local left = 2
      local items = all_of(function()
        left = left - 1
        return left >= 0 and path or nil
      end, { concurrency = 1 })
      assert(items[1].stems, items[1].error)
      assert.matches("already exists", items[2].error.message)
      assert.equal(1, server:stats().uploads)
    end)

  it("tells recordings of one name apart that appear while it runs", function()
    open()
    local paths = takes.make(folder .. "/in", 1)
    local index = 0
    local items = all_of(function()
      index = index + 1
      if index == 2 then
        for _, extension in ipairs({ "wav", "flac" }) do
          paths[#paths + 1] = folder .. "/in/late." .. extension
          workspace.write(paths[#paths], takes.wav(7))
        end
      end
      return paths[index]
    end, { concurrency = 1 })
    for i, name in ipairs({ "take001", "late.wav", "late.flac" }) do
      assert(items[i].stems, items[i].error)
      assert.equal(out .. folder:gsub("^%a:", "") .. "/in/" .. name
        .. ".foreground.wav", items[i].stems.foreground)
    end
  end)

  it("keeps to its bounds for uploads, waiting tasks and downloads", function()
    open()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge }) -- until there are as many as may be
    local paths = takes.make(folder .. "/in", 24)
    local marks = { uploads = {}, pending = {}, downloads = {}, jobs = {} }
    local function mark(what, change)
      table.insert(marks[what], { time = #marks[what], change = change })
    end
    local down = {}
    local count = 0
    for item in client:batch(paths, options({ uploads = 2, pending = 5,
      downloads = 3, concurrency = 9, on_event = function(event)
        if event.name == "upload_started" then
          mark("uploads", 1)
          mark("pending", 1)
          mark("jobs", 1)
          if #marks.pending == 5 then
            server:clear_faults()
          end
        elseif event.name == "submitted" then
          mark("uploads", -1)
        elseif event.name == "run_ready" then
          mark("pending", -1)
        elseif event.name == "download_started" and not down[event.source] then
          down[event.source] = true
          mark("downloads", 1)
        elseif event.name == "finished" then
          mark("downloads", -1)
        end
      end })) do
      assert(item.stems, item.error)
      mark("jobs", -1)
      count = count + 1
    end
    assert.equal(24, count)
    assert.equal(2, most_at_once(marks.uploads))
    assert.equal(5, most_at_once(marks.pending))
    assert.is_true(most_at_once(marks.downloads) <= 3)
    assert.is_true(most_at_once(marks.jobs) <= 9)
  end)

  it("asks for many runs in one request, and singly where that fails",
    function()
      open()
      local paths = takes.make(folder .. "/in", 32)
      local submitted = 0
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      all_of(paths, { uploads = 8, pending = 32, on_event = function(event)
        submitted = submitted + (event.name == "submitted" and 1 or 0)
        if event.name == "submitted" and submitted == 32 then
          server:clear_faults() -- then all of them end at about one time
        end
      end })
      local together = #stage.requests(server, "POST", "results$")
      local singly = #stage.requests(server, "GET", "result/")
      assert.is_true(together > 0)
      assert.is_true(together + singly < 24, together .. "+" .. singly)
      server:fault({ step = "results", status = 404, times = 100 })
      local items = all_of(paths, { overwrite = true, uploads = 8,
        pending = 32 })
      for i = 1, 32 do
        assert(items[i].stems, items[i].error)
      end
      assert.equal(together + 1, #stage.requests(server, "POST", "results$"))
    end)

  it("pulls from an iterator only as jobs end", function()
    open()
    local paths = takes.make(folder .. "/in", 30)
    local pulled, taken, ahead = 0, 0, 0
    for item in client:batch(function()
      pulled = pulled + 1
      ahead = math.max(ahead, pulled - taken)
      return paths[pulled]
    end, options({ concurrency = 4 })) do
      assert(item.stems, item.error)
      taken = taken + 1
    end
    assert.equal(30, taken)
    assert.is_true(ahead <= 5)
  end)

  it("tells its listener of every step, with the source", function()
    open()
    local paths = takes.make(folder .. "/in", 3)
    local names = {}
    all_of(paths, { on_event = function(event)
      names[event.source] = names[event.source] or {}
      names[event.source][event.name] = true
    end })
    for _, path in ipairs(paths) do
      for _, name in ipairs({ "upload_started", "submitted", "run_ready",
        "download_started", "downloaded", "finished" }) do
        assert.is_true(names[path][name], name)
      end
    end
  end)

  it("stops everything when the loop is left early", function()
    open({ processing = 0.2 })
    local paths = takes.make(folder .. "/in", 40)
    luas.leave(1, client:batch(paths, options({ pending = 8 })))
    assert.equal(0, client.session:active())
    local uploads
    repeat -- what had been sent whole may still be counted
      uploads = server:stats().uploads
      camb.sleep(0.3)
    until uploads == server:stats().uploads
    assert.is_true(uploads < 40)
    for _, name in ipairs(workspace.list(out)) do
      assert.is_nil(name:find("%.part$"))
    end
    -- and the names are free again
    local items = all_of(paths, { overwrite = true })
    for i = 1, 40 do
      assert(items[i].stems, items[i].error)
    end
  end)

  it("names what failed after it was paid for, and nobody has taken yet",
    function()
      open()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local paths, failed = takes.make(folder .. "/in", 2), 0
      local batch = client:batch(paths, options({ max_attempts = 1,
        on_event = function(event)
          failed = failed + (event.name == "failed" and 1 or 0)
        end }))
      local first = batch()
      while failed < 2 do
        camb.sleep(0.01)
      end
      for _ = 1, 2 do -- also once it is closed
        local left = batch:unfetched()
        assert.equal(1, #left)
        assert.equal(3 - first.index, left[1].index)
        assert.is_string(left[1].task_id)
        batch:close()
      end
      assert.equal(3 - first.index, batch().index)
      assert.same({}, batch:unfetched())
    end)

  it("stops by close, and when it is forgotten", function()
    open({ processing = math.huge })
    local paths = takes.make(folder .. "/in", 3)
    local batch = client:batch(paths, options())
    assert.equal("camb.Batch", getmetatable(batch).__name)
    batch:close()
    batch:close()
    assert.is_nil(batch())
    assert.equal(0, client.session:active())
    if not luas.collects_tables then
      return
    end
    batch = client:batch(paths, options()) -- luacheck: ignore
    camb.sleep(0.1)
    assert.is_true(client.session:active() > 0)
    batch = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, client.session:active())
  end)

  it("ends with an error for each job when the client is closed", function()
    open({ processing = math.huge })
    local paths = takes.make(folder .. "/in", 3)
    local kinds, waiting = {}, 0
    for item in client:batch(paths, options({ on_event = function(event)
      waiting = waiting + (event.name == "submitted" and 1 or 0)
      if waiting == #paths then
        client:close()
      end
    end })) do
      kinds[#kinds + 1] = item.error.kind
    end
    assert.same({ "cancelled", "cancelled", "cancelled" }, kinds)
  end)

  for how, store in pairs({ ["without a store"] = false,
    ["with a store #stored"] = "batch.db" }) do
    it("works on what an iterator gave while that has none for now, " .. how,
      function()
        open()
        local paths = takes.make(folder .. "/in", 3)
        local ended, at = 0, 0
        for item in client:batch(function()
          if ended < at then
            return false -- none before the last one has ended
          end
          at = at + 1
          return paths[at]
        end, options({ store = store and folder .. "/" .. store or nil })) do
          assert(item.stems, item.error)
          ended = ended + 1
        end
        assert.equal(3, ended)
        assert.equal(3, server:stats().uploads)
      end)
  end

  it("raises what its listener or its iterator raises, where it is iterated",
    function()
      open()
      local paths = takes.make(folder .. "/in", 4)
      local ok, problem = pcall(all_of, paths, { on_event = function(event)
        if event.name == "submitted" then
          error("no more", 0)
        end
      end })
      assert.is_false(ok)
      assert.equal("no more", problem)
      assert.equal(0, client.session:active())
      ok, problem = pcall(all_of, function()
        error("torn tape", 0)
      end)
      assert.is_false(ok)
      assert.equal("torn tape", problem)
    end)

  it("raises at the caller's line where it is misused", function()
    open()
    local here = debug.getinfo(1, "l").currentline
    for _, case in ipairs({
      { 7, nil, "sources: list, iterator or pattern expected" },
      { { 7 }, nil, "source: path or table expected, got number" },
      { { "" }, nil, "option 'source' is empty" },
      { {}, { concurency = 1 }, "unknown option 'concurency' %(did you mean "
        .. "'concurrency'%?%)" },
      { {}, { uploads = 0 }, "option 'uploads' must be a whole number" },
      { { { source = "a", name = "a/b" } }, nil, "without folders" },
      { { { data = "x" } }, { store = "x.db" }, "a store needs a path or a URL" },
    }) do
      local ok, problem = pcall(function()
        local batch = client:batch(case[1], case[2])
        return batch
      end)
      assert.is_false(ok)
      assert.matches(("^spec/batch_spec.lua:%d: "):format(here + 12), problem)
      assert.matches(case[3], problem)
    end
    local at = 0
    local ok, problem = pcall(function()
      for _ in client:batch(function()
        at = at + 1
        return at == 1 and {} or nil
      end, options()) do
        error("not reached", 0)
      end
    end)
    assert.is_false(ok)
    assert.matches("^spec/batch_spec.lua:%d+: source: exactly one", problem)
    assert.equal(0, server:stats().uploads)
  end)

  it("needs no more memory for 400 jobs than for 100", function()
    open()
    local path = takes.make(folder .. "/in", 1)[1]
    local function memory_after(count)
      local at, taken = 0, 0
      local batch = client:batch(function()
        at = at + 1
        return at <= count and { source = path, name = "n" .. at } or nil
      end, options({ overwrite = true, uploads = 8, downloads = 8,
        dedupe = true }))
      for item in batch do
        assert(item.stems, item.error)
        taken = taken + 1
        if taken == count - 60 then -- the last of them are on their way
          luas.collect()
          local kib = collectgarbage("count")
          batch:close()
          return kib
        end
      end
    end
    memory_after(100)
    local few = memory_after(100)
    local many = memory_after(400)
    assert.is_true(many - few < 100, ("%.0f KiB"):format(many - few))
  end)
end)
