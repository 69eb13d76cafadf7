-- What a batch with a store takes for the same recording: its path from the
-- root, with the size, the times and the content of the file that is there.

local core = require "camb.core"
local stage = require "spec.support.stage"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"

describe("A batch with a store knows a recording:", function()
  local server, client, folder, path

  stage.for_batches(nil, function(...)
    server, client, folder = ...
    path = folder .. "/batch.db"
  end)

  local function all_of(sources, more)
    local items = {}
    for item in client:batch(sources, stage.with({
      output_dir = folder .. "/stems", interval = 0.05, store = path }, more)) do
      items[item.index or -1] = item
    end
    return items
  end

  local function uploads()
    return server:stats().uploads
  end

  local function counts()
    return stage.counts(path)
  end

  -- The item's stems, which are those of recording `seed`.
  local function holds(seed, item)
    assert(item.stems, item.error)
    assert.equal(takes.wav(seed), workspace.read(item.stems.foreground))
    assert.equal(takes.wav(seed), workspace.read(item.stems.background))
  end

  local function make(name, seed)
    workspace.run(("mkdir -p '%s'"):format(folder .. "/in"))
    return workspace.write(folder .. "/in/" .. name, takes.wav(seed))
  end

  it("one that was recorded anew is a new job, which is said", function()
    local take = make("t.wav", 1)
    holds(1, all_of({ take })[1])
    make("t.wav", 2)
    local told = {}
    local item = all_of({ take }, { on_event = function(event)
      told[event.name] = event.source
    end })[1]
    holds(2, item)
    assert.equal(take, told.changed)
    assert.is_true(item.changed)
    assert.is_nil(item.skipped)
    assert.equal(2, uploads())
    -- and is done then
    item = all_of({ take })[1]
    holds(2, item)
    assert.is_true(item.skipped)
    assert.equal(2, uploads())
    assert.same({ downloaded = 2 }, counts())
  end)

  it("one that was rewritten in place, with its size and its time, is another",
    function()
      local take = make("t.wav", 1)
      workspace.run(("touch -d '2020-01-01' '%s'"):format(take))
      holds(1, all_of({ take })[1])
      make("t.wav", 2)
      workspace.run(("touch -d '2020-01-01' '%s'"):format(take))
      holds(2, all_of({ take })[1])
      assert.equal(2, uploads())
    end)

  it("one that was only touched, linked or copied back is the same", function()
    local take = make("t.wav", 1)
    holds(1, all_of({ take })[1])
    for _, command in ipairs({ "touch '%s'", "ln -f '%s' '%s.link'",
      "cp '%s' '%s.copy'; rm '%s'; mv '%s.copy' '%s'" })
    do
      workspace.run(command:gsub("%%s", take))
      local item = all_of({ take })[1]
      assert.is_true(item.skipped)
      assert.is_nil(item.changed)
      holds(1, item)
    end
    assert.equal(1, uploads())
  end)

  it("one of the same name in another folder is another", function()
    for _, place in ipairs({ "a", "b" }) do
      workspace.run(("mkdir -p '%s/%s/takes'"):format(folder, place))
      workspace.write(("%s/%s/takes/t.wav"):format(folder, place),
        takes.wav(place:byte()))
    end
    for _ = 1, 2 do
      for _, place in ipairs({ "a", "b" }) do
        local words, status = workspace.run(("P=$PWD; cd '%s/%s'; "
          .. "CAMB_API_KEY=%s CAMB_BASE_URL=%s LUA_PATH=\"$P/lua/?.lua;"
          .. "$P/lua/?/init.lua;;\" $P/%s/bin/camb batch takes/ -o stems "
          .. "--interval 0.05 --store ../batch.db"):format(folder, place,
          server.api_key, server.base_url, BUILD))
        assert.equal(0, status, words)
        assert.equal(takes.wav(place:byte()), workspace.read(
          ("%s/%s/stems/t.foreground.wav"):format(folder, place)))
      end
      assert.equal(2, uploads())
    end
  end)

  it("one by every spelling of its path", function()
    local take = make("t.wav", 1)
    holds(1, all_of({ take })[1])
    workspace.run(("ln -s in '%s/link'; mkdir '%s/in/deep'"):format(folder,
      folder))
    local here = workspace.run("pwd"):gsub("\n", "")
    local up = ("../"):rep(select(2, here:gsub("/[^/]+", "")))
    for _, spelling in ipairs({ folder .. "//in/./t.wav",
      folder .. "/link/t.wav", folder .. "/in/deep/../t.wav",
      up .. folder:sub(2) .. "/in/t.wav" })
    do
      local item = all_of({ spelling })[1]
      assert.is_true(item.skipped, spelling)
      assert.equal(spelling, item.source)
    end
    assert.same({ downloaded = 1 }, counts())
  end)

  it("one whose folder was moved is sent no second time", function()
    make("t.wav", 1)
    holds(1, all_of(folder .. "/in")[1])
    workspace.run(("mv '%s/in' '%s/moved'"):format(folder, folder))
    local item = all_of(folder .. "/moved",
      { output_dir = folder .. "/stems2" })[1]
    holds(1, item)
    assert.equal(1, uploads())
  end)

  it("takes that change their names have the stems of what they are now, and "
    .. "are not paid again", function()
    local takes_of = { make("a.wav", 1), make("b.wav", 2) }
    for turn = 1, 5 do
      local items = all_of(takes_of)
      for i = 1, 2 do
        holds((i + turn) % 2 == 0 and 1 or 2, items[i])
      end
      workspace.run(("cd '%s/in'; mv a.wav c; mv b.wav a.wav; mv c b.wav")
        :format(folder))
    end
    assert.equal(2, uploads())
  end)

  -- Two folders with a take each, both paid for; and each take's path.
  local function two_folders()
    local paths = {}
    for i, place in ipairs({ "a", "b" }) do
      workspace.run(("mkdir -p '%s/%s'"):format(folder, place))
      paths[i] = workspace.write(("%s/%s/t.wav"):format(folder, place),
        takes.wav(i))
    end
    for i, item in ipairs(all_of(paths)) do
      holds(i, item)
    end
    assert.equal(2, uploads())
    return paths[1], paths[2]
  end

  it("one that was recorded anew is sent, also where a file of another folder "
    .. "has its content", function()
    local take, other = two_folders()
    workspace.write(take, takes.wav(2))
    for run = 1, 2 do
      local item = all_of({ take, other })[1]
      holds(2, item)
      assert.equal(run == 1 or nil, item.changed)
      assert.equal(3, uploads())
    end
    -- what was sent for that path before is not sent again
    workspace.write(take, takes.wav(1))
    holds(1, all_of({ take })[1])
    workspace.write(take, takes.wav(2))
    holds(2, all_of({ take })[1])
    assert.equal(3, uploads())
  end)

  it("one that was recorded anew is not sent where its content may have been",
    function()
      local take, other = make("t.wav", 1), make("u.wav", 2)
      holds(1, all_of({ take })[1])
      server:fault({ step = "submit", at = "accepted", close = true })
      assert.equal("unknown_outcome", all_of({ other })[1].error.kind)
      local before = uploads()
      make("t.wav", 2)
      local item = all_of({ take })[1]
      assert.equal("unknown_outcome", item.error.kind)
      assert.equal(before, uploads())
    end)

  it("one that was renamed over another is not sent again", function()
    local take, other = two_folders()
    workspace.run(("mv '%s' '%s'"):format(other, take))
    holds(2, all_of({ take })[1])
    assert.equal(2, uploads())
  end)

  it("a copy of one that was sent is the same when it was touched", function()
    local take = make("t.wav", 1)
    local copy = make("copy.wav", 1)
    all_of({ take })
    holds(1, all_of({ copy })[1])
    workspace.run(("touch -d '2020-01-01' '%s'"):format(copy))
    local item = all_of({ copy })[1]
    holds(1, item)
    assert.is_true(item.skipped)
    assert.equal(1, uploads())
  end)

  it("one that changed before it was sent is sent as it is", function()
    local take = make("t.wav", 1)
    local jobs = assert(store.open(path, { base_url = client.base_url }))
    local kind, size, mtime = core.stat(take)
    assert.equal("file", kind)
    assert(jobs:add({ { key = take, source = take, name = "t", size = size,
      mtime = mtime, output_dir = folder .. "/stems" } }))
    jobs:close()
    workspace.write(take, takes.wav(2, 500))
    local item = all_of({ take })[1]
    assert(item.stems, item.error)
    assert.is_true(item.changed)
    assert.equal(takes.wav(2, 500), workspace.read(item.stems.foreground))
  end)

  it("one that failed unpaid is tried again when it has changed", function()
    local take = workspace.write(folder .. "/t.wav", "not audio")
    assert.equal("source", all_of({ take })[1].error.kind)
    assert.is_true(all_of({ take })[1].skipped)
    workspace.write(take, takes.wav(1))
    holds(1, all_of({ take })[1])
    assert.same({ downloaded = 1 }, counts())
  end)

  -- Change `take` when it was hashed, and before it goes up.
  local function send_changed(take, command)
    return all_of({ take }, { on_event = function(event)
      if event.name == "upload_started" then
        workspace.run(command)
      end
    end })[1]
  end

  it("one that changes between its hash and its upload is not sent", function()
    local take, other = make("t.wav", 1), make("other", 2)
    for _, command in ipairs({ ("cat '%s' > '%s'"):format(other, take),
      ("truncate -s 500 '%s'"):format(take) })
    do
      make("t.wav", 1)
      local item = send_changed(take, command)
      assert.equal("source", item.error.kind)
      assert.matches("has changed: it ", item.error.message)
      assert.equal(0, uploads())
      workspace.run(("rm '%s'*"):format(path))
    end
    make("t.wav", 1)
    holds(1, all_of({ take }, { retry_failed = true })[1])
  end)

  it("one that is replaced while it goes up is sent as it was hashed",
    function()
      local take, other = make("t.wav", 1), make("other", 2)
      holds(1, send_changed(take, ("mv '%s' '%s'"):format(other, take)))
      holds(2, all_of({ take })[1])
    end)

  it("stems that somebody has changed since are not replaced", function()
    local take = make("t.wav", 1)
    local stem = all_of({ take })[1].stems.foreground
    workspace.write(stem, "edited by hand")
    make("t.wav", 2)
    local item = all_of({ take })[1]
    assert.equal("file", item.error.kind)
    assert.matches("already exists", item.error.message)
    assert.equal("edited by hand", workspace.read(stem))
    assert.equal(1, uploads())
  end)

  it("what is still at the service keeps its stems beside the new ones",
    function()
      local take = make("t.wav", 1)
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local batch
      batch = client:batch({ take }, { output_dir = folder .. "/stems",
        interval = 0.05, store = path, on_event = function(event)
          if event.name == "polled" then
            batch:close()
          end
        end })
      assert.is_nil(batch())
      server:clear_faults()
      make("t.wav", 2)
      local items = all_of({ take })
      holds(2, items[1])
      holds(1, items[-1])
      assert.not_equal(items[1].stems.foreground, items[-1].stems.foreground)
      assert.equal(2, uploads())
    end)

  it("one that comes twice in a list is one upload and two stems", function()
    local take = make("t.wav", 1)
    workspace.run(("ln -s in '%s/link'"):format(folder))
    local sources = { take, folder .. "/link/t.wav",
      { source = take, output_dir = folder .. "/other" } }
    for _ = 1, 2 do
      local items = all_of(sources)
      local seen = {}
      for i = 1, 3 do
        holds(1, items[i])
        assert.is_nil(seen[items[i].stems.foreground])
        seen[items[i].stems.foreground] = true
      end
    end
    assert.equal(1, uploads())
    assert.same({ downloaded = 3 }, counts())
  end)

  it("one that an iterator gives again is an item each time", function()
    local take = make("t.wav", 1)
    for run = 1, 2 do
      local at = 0
      local items = all_of(function()
        at = at + 1
        return at <= 3 and take or nil
      end)
      holds(1, items[1])
      for i = 2, 3 do
        assert.equal("file", items[i].error.kind)
        assert.matches("is in the batch twice", items[i].error.message)
      end
      assert.equal(run > 1 or nil, items[1].skipped)
    end
    assert.equal(1, uploads())
  end)

  it("one that comes by another worker is read from the root", function()
    make("t.wav", 1)
    local here = workspace.run("pwd"):gsub("\n", "")
    local up = ("../"):rep(select(2, here:gsub("/[^/]+", "")))
    all_of({ up .. folder:sub(2) .. "/in/t.wav" },
      { output_dir = up .. folder:sub(2) .. "/stems" })
    local jobs = assert(store.open(path))
    local row = assert(jobs:list())[1]
    jobs:close()
    for _, name in ipairs({ "source", "output_dir", "foreground" }) do
      assert.equal("/", row[name]:sub(1, 1))
    end
  end)
end)
