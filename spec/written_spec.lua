-- What camb wrote is never a source of a batch, and is not paid for.

local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"

-- Stems that are other recordings than their source, as real ones are.
local function engine(folder)
  return "sh " .. workspace.write(folder .. "/engine.sh", [[
    { cat "$1"; echo foreground; } > "$2/foreground.wav"
    { cat "$1"; echo background; } > "$2/background.wav"
  ]])
end

describe("A batch takes no file for a source that camb wrote:", function()
  local server, client, folder

  before_each(function()
    folder = workspace.folder()
    local other
    server, client, other = stage.open({ engine = engine(folder) })
    workspace.remove(other)
    takes.make(folder .. "/in", 2)
    takes.make(folder .. "/in/deep", 3)
  end)

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function camb_batch(words)
    local output, status = workspace.run(("P=$PWD; cd '%s/in'; "
      .. "CAMB_API_KEY=%s CAMB_BASE_URL=%s LUA_PATH=\"$P/lua/?.lua;"
      .. "$P/lua/?/init.lua;;\" $P/%s/bin/camb batch --interval 0.05 %s"):format(
      folder, server.api_key, server.base_url, BUILD, words))
    return output, status
  end

  local function uploads()
    return server:stats().uploads
  end

  it("stems beside their sources", function()
    assert.equal(0, select(2, camb_batch(".")))
    assert.equal(3, uploads()) -- two are copies
    local words = camb_batch(". -o elsewhere")
    assert.matches("camb: left out 10 files that camb wrote\n", words, 1, true)
    assert.equal(3 + 3, uploads())
    camb_batch("'**/*' *.wav -o third")
    assert.equal(3 + 3 + 3, uploads())
  end)

  it("stems in other folders, with a store, also under other names",
    function()
      assert.equal(0, select(2, camb_batch(". -o stems --store a.db")))
      workspace.run(("cd '%s/in'; mv stems/take001.foreground.wav new.wav; "
        .. "cp stems/deep/take003.background.wav stems/other.wav"):format(
        folder))
      local words, status = camb_batch(". -o stems2 --store a.db")
      assert.equal(10, status)
      assert.matches('the source "./new.wav" is a stem that camb wrote for "',
        words, 1, true)
      assert.matches("use camb separate", words, 1, true)
      assert.equal(3, uploads())
    end)

  it("stems in the folder that they go to, however it is spelled", function()
    for i, words in ipairs({ "$PWD -o stems", ". -o $PWD/stems",
      ". -o stems/../stems", "../in -o stems/", "link -o stems",
      ". -o link/stems" })
    do
      workspace.run(("cd '%s/in'; rm -rf stems; mkdir -p stems; ln -sfn . link; "
        .. "touch stems/mine.wav"):format(folder))
      local said = camb_batch(words)
      assert.is_nil(said:find("mine.wav"), words .. "\n" .. said)
      assert.equal(3 * i, uploads())
    end
  end)

  it("half a stem, or the store", function()
    for _, name in ipairs({ "x.foreground.part", "x.background.part", "a.db",
      "a.db-wal" })
    do
      workspace.write(folder .. "/in/" .. name, takes.wav(9))
    end
    os.remove(folder .. "/in/a.db")
    os.remove(folder .. "/in/a.db-wal")
    camb_batch("'*' -o out --store a.db")
    assert.equal(2, uploads())
    local words = camb_batch("'*' -o out --store $PWD/a.db")
    assert.is_nil(words:find("not audio"), words)
    assert.equal(2, uploads())
  end)

  it("the files of the sandbox beside a store", function()
    for _ = 1, 2 do
      local words = camb_batch(". -o out --sandbox --store a.db --engine '"
        .. engine(folder) .. "'")
      local stems = 0
      for _ in words:gmatch("%.foreground%.wav\n") do
        stems = stems + 1
      end
      assert.equal(5, stems, words)
      assert.is_nil(words:find("a.db.sandbox/", 1, true), words)
    end
  end)

  it("a stem in a list, unless it is told to", function()
    local stem = folder .. "/in/take001.background.wav"
    for item in client:batch({ folder .. "/in/take001.wav" }, {
      output_dir = folder .. "/in", interval = 0.05 })
    do
      assert(item.stems, item.error)
    end
    local given = { output_dir = folder .. "/out", interval = 0.05 }
    for item in client:batch({ stem }, given) do
      assert.equal("source", item.error.kind)
      assert.matches("is a stem that camb wrote", item.error.message)
    end
    assert.equal(1, uploads())
    given.check = false
    for item in client:batch({ stem }, given) do
      assert(item.stems, item.error)
    end
    assert.equal(2, uploads())
  end)

  it("but recordings in the folder that the stems go to are sources", function()
    local words, status = camb_batch("$PWD/deep -o $PWD")
    assert.equal(0, status, words)
    assert.equal(3, uploads())
  end)
end)
