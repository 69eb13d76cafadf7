-- What a separation is going to write is opened, and kept from others, before
-- anything is paid for.

local camb = require "camb"
local core = require "camb.core"
local stage = require "spec.support.stage"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"

-- A folder in which not even root can make a file.
local UNWRITABLE = "/proc/self"

describe("before anything is paid for, a separation", function()
  local server, client, folder, take

  stage.for_batches(nil, function(...)
    server, client, folder = ...
    take = takes.make(folder .. "/in", 2)
  end)

  local function refused(words, options)
    local stems, err = client:separate(options.source or take[1],
      { output_dir = options.output_dir, name = options.name,
        format = options.format, overwrite = options.overwrite,
        interval = 0.05, max_attempts = 1000 })
    assert.is_nil(stems)
    assert.equal("file", err.kind)
    assert.matches(words, err.message)
    for item in client:batch({ { source = options.source or take[1],
      output_dir = options.output_dir, name = options.name } },
      { format = options.format, overwrite = options.overwrite,
        interval = 0.05, max_attempts = 1000 })
    do
      assert.equal("file", item.error.kind)
    end
    assert.equal(0, server:stats().uploads)
  end

  it("refuses a folder on a file system that is read-only #posix", function()
    refused("cannot be written: ", { output_dir = UNWRITABLE })
  end)

  it("refuses a full disk, whichever stem goes there #posix", function()
    workspace.on_small_disk("64k", pending, function(disk)
      workspace.run(("head -c 1M /dev/zero >%s/full"):format(disk))
      refused("cannot be written: No space left on device",
        { output_dir = disk })
      for _, stem in ipairs({ "foreground", "background" }) do
        local stems, err = client:separate(take[1], { output_dir = folder,
          [stem .. "_dir"] = disk, interval = 0.05, max_attempts = 1000 })
        assert.is_nil(stems)
        assert.matches("take001." .. stem .. '.part" cannot be written: No '
          .. "space", err.message)
      end
      for item in client:batch({ take[1] }, { output_dir = disk,
        store = folder .. "/jobs.db", interval = 0.05 })
      do
        assert.equal("file", item.error.kind)
      end
      assert.equal(0, server:stats().uploads)
      assert.same({ "full" }, workspace.list(disk))
    end)
  end)

  it("takes a disk on which the stems just have room #posix", function()
    workspace.on_small_disk("8k", pending, function(disk)
      assert(client:separate(take[1], { output_dir = disk, interval = 0.05,
        max_attempts = 1000 }))
      assert.equal(2, #workspace.list(disk))
    end)
  end)

  it("refuses a folder without write permission, though an old part is there",
    function()
      local output_dir = folder .. "/ro"
      workspace.run(("mkdir %s; touch %s/take001.foreground.part; chmod 555 %s")
        :format(output_dir, output_dir, output_dir))
      if workspace.run(("touch %s/x 2>/dev/null; ls %s"):format(output_dir,
        output_dir)):find("x\n")
      then
        return -- root may write anywhere
      end
      refused("cannot be written: Permission denied",
        { output_dir = output_dir })
    end)

  it("refuses a name to which nothing can be added", function()
    refused("is too long: give its stems a shorter name with name or stem_name",
      { output_dir = folder, name = ("n"):rep(245) })
  end)

  it("refuses a name to which no other format can be added #posix", function()
    local MOST = { mp3 = 230, opus = 229 }
    for format, most in pairs(MOST) do
      refused("is too long: ", { output_dir = folder, format = format,
        name = ("n"):rep(most + 1) })
    end
    for format, most in pairs(MOST) do
      assert(client:separate(take[1], { output_dir = folder, format = format,
        name = ("n"):rep(most), interval = 0.05, max_attempts = 1000 }))
    end
  end)

  it("refuses a name to which nothing can be added, in bytes #posix", function()
    local long = folder .. "/" .. ("音"):rep(80) .. ".wav"
    workspace.write(long, workspace.read(take[1]))
    refused("is too long: ", { output_dir = folder, source = long })
  end)

  it("refuses a stem's name that a broken link has #posix", function()
    workspace.run(("ln -s /nowhere/x %s/take001.foreground.flac"):format(
      folder))
    refused("foreground.flac\" already exists", { output_dir = folder })
  end)

  it("refuses a folder under a part's name", function()
    workspace.run(("mkdir %s/take001.background.part"):format(folder))
    refused("background.part\" cannot be written: Is a directory",
      { output_dir = folder })
    assert.is_nil(core.stat(folder .. "/take001.foreground.part"))
  end)

  it("refuses a folder under a stem's name, also when it may overwrite",
    function()
      workspace.run(("mkdir %s/take001.background.wav"):format(folder))
      for _, overwrite in ipairs({ false, true }) do
        refused("background.wav\" is a folder: move it away, or use another "
          .. "output_dir", { output_dir = folder, overwrite = overwrite })
      end
    end)

  it("says that a folder is read-only before it advises to replace a stem "
    .. "#posix", function()
    workspace.on_small_disk("1M", pending, function(disk)
      workspace.write(disk .. "/take001.foreground.wav", "another file")
      local _, status = workspace.run(("mount -o remount,ro '%s'"):format(disk))
      assert.equal(0, status)
      refused("foreground.part\" cannot be written: Read.only file system",
        { output_dir = disk })
    end)
  end)

  it("leaves a pipe alone that has a part's name #posix", function()
    workspace.run(("mkfifo %s/take001.foreground.part"):format(folder))
    refused("foreground.part\" cannot be written: ", { output_dir = folder })
    assert.equal("other", core.stat(folder .. "/take001.foreground.part"))
  end)

  it("keeps its names from another job that spells the folder otherwise",
    function()
      workspace.run(("mkdir %s/two; ln -s two %s/link"):format(folder, folder))
      camb.run(function()
        local jobs, failures = {}, {}
        for i, way in ipairs({ "two", "./two", "x/../two", "two//", "link" }) do
          workspace.run(("mkdir -p %s/x"):format(folder))
          jobs[i] = camb.spawn(client.separate, client, take[1], {
            output_dir = folder .. "/" .. way, name = "n", interval = 0.05,
            max_attempts = 1000 })
        end
        for _, job in ipairs(jobs) do
          local stems, err = job:join()
          failures[#failures + 1] = not stems and err or nil
        end
        assert.equal(4, #failures)
        for _, err in ipairs(failures) do
          assert.equal("file", err.kind)
          assert.matches("is being written by another job or process",
            err.message)
        end
      end)
      assert.equal(1, server:stats().uploads)
    end)

  it("keeps its names from other processes until its stems are whole",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local job = camb.spawn(client.separate, client, take[1],
        { output_dir = folder, name = "n", interval = 0.05,
          max_attempts = 1000 })
      while server:stats().uploads == 0 do
        client:step(0.05)
      end
      workspace.write(folder .. "/other.lua", ([[
        local client = require("camb").client()
        print(select(2, client:separate("%s", { output_dir = "%s/in/..",
          name = "n" })))
        for item in client:batch({ { source = "%s", output_dir = "%s",
          name = "n" } }) do
          print(item.error)
        end
      ]]):format(take[2], folder, take[2], folder))
      local output = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
        .. "timeout 300 %s %s/other.lua"):format(server.api_key,
        server.base_url, LUA, folder))
      local _, count = output:gsub("is being written by another job or process",
        "")
      assert.equal(2, count, output)
      server:clear_faults()
      local give_up = core.now() + 60
      while not job:is_done() and core.now() < give_up do
        client:step(0.05)
      end
      assert(assert(job:join()).foreground)
      assert.equal(1, server:stats().uploads)
    end)

  it("holds no more parts than it may have files open #posix", function()
    workspace.write(folder .. "/many.lua", ([[
      local client = require("camb").client()
      local at, count = 0, 0
      for item in client:batch(function()
        at = at + 1
        return at <= 60 and { source = "%s", name = "n" .. at } or nil
      end, { output_dir = "%s", concurrency = 60, pending = 60,
        dedupe = false, interval = 0.05, max_attempts = 1000 }) do
        count = count + (item.stems and 1 or 0)
      end
      print(count)
    ]]):format(take[1], folder))
    local output = workspace.run(("ulimit -n 150; CAMB_API_KEY=%s "
      .. "CAMB_BASE_URL=%s timeout 300 %s %s/many.lua"):format(server.api_key,
      server.base_url, LUA, folder))
    assert.equal("60\n", output)
  end)

  it("sends nothing where the listener cannot work #stored", function()
    local function raise()
      error("no listener", 0)
    end
    for _, source in ipairs({ take[1], { data = takes.wav(7) } }) do
      assert.is_false((pcall(client.separate, client, source,
        { output_dir = folder .. "/l", on_event = raise })))
      assert.is_false((pcall(client.submit, client, source,
        { on_event = raise })))
    end
    for _, path in ipairs({ folder .. "/l.db", false }) do
      local batch = client:batch(take, { output_dir = folder .. "/l",
        store = path or nil, on_event = raise })
      camb.sleep(0.2) -- nobody asks for an item yet
      assert.is_false((pcall(batch)))
      batch:close()
    end
    assert.equal(0, server:stats().uploads)
    assert.is_false((pcall(client.separate, client, take[1],
      { output_dir = folder, on_event = "not a function" })))
  end)

  it("opens the parts that a batch with a store will write #stored", function()
    local path = folder .. "/batch.db"
    for item in client:batch({ take[1] }, { store = path,
      output_dir = UNWRITABLE, interval = 0.05 })
    do
      assert.equal("file", item.error.kind)
    end
    local jobs = assert(store.open(path))
    assert.same({ failed = 1 }, jobs:count())
    jobs:close()
    assert.equal(0, server:stats().uploads)
  end)

  it("leaves no part where it ends early, and none that was there before",
    function()
      server:fault({ step = "submit", status = 402 })
      workspace.write(folder .. "/take001.foreground.part", "fLaC half of it")
      local _, err = client:separate(take[1], { output_dir = folder })
      assert.equal("payment_required", err.kind)
      assert.is_nil(table.concat(workspace.list(folder), " "):find("%.part"))
    end)
end)
