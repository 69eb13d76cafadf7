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

  local function camb_batch(words, verb)
    local output, status = workspace.run(("P=$PWD; cd '%s/in'; "
      .. "CAMB_API_KEY=%s CAMB_BASE_URL=%s LUA_PATH=\"$P/lua/?.lua;"
      .. "$P/lua/?/init.lua;;\" $P/%s/bin/camb %s --interval 0.05 %s"):format(
      folder, server.api_key, server.base_url, BUILD, verb or "batch", words))
    return output, status
  end

  local function uploads()
    return server:stats().uploads
  end

  it("stems beside their sources", function()
    assert.equal(0, select(2, camb_batch(".")))
    assert.equal(3, uploads()) -- two are copies
    local words = camb_batch(". -o elsewhere")
    assert.matches("camb: skipped 10 files that camb wrote\n", words, 1, true)
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

  it("stems that are named, and says how to send one that is alone", function()
    assert.equal(0, select(2, camb_batch("take001.wav")))
    for _, line in ipairs({ "take001.*ground.wav -o a", "take001.background.wav "
      .. "--dry-run" })
    do
      for _, verb in ipairs({ "batch", "separate" }) do
        local said, status = camb_batch(line, verb)
        assert.equal(3, status, said)
        assert.matches('camb: the source "take001.background.wav" is a stem '
          .. "that camb wrote: use camb separate - < FILE to send it\n", said, 1,
          true)
      end
    end
    assert.equal(0, select(2, camb_batch("*.wav -o a"))) -- with recordings
    assert.equal(1 + 2, uploads())
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
      output_dir = folder .. "/in", interval = 0.05, max_attempts = 1000 })
    do
      assert(item.stems, item.error)
    end
    local given = { output_dir = folder .. "/out", interval = 0.05,
      max_attempts = 1000 }
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

  it("the files of a sandbox that keeps its data there", function()
    local sandbox = require "camb.sandbox"
    local other = assert(sandbox.start({ data_dir = folder .. "/in/served",
      engine = engine(folder) }))
    local own = stage.client(other)
    local task = assert(own:submit(folder .. "/in/take001.wav"))
    assert(task:wait({ interval = 0.05, max_attempts = 1000 }))
    own:close()
    for _ = 1, 2 do
      for _, words in ipairs({ ". -o out1", "served -o out2",
        "'served/**/*' -o out3", "served/tasks -o out4" })
      do
        local said = camb_batch(words)
        assert.is_nil(said:find("input.wav", 1, true), words .. "\n" .. said)
      end
      other:stop() -- nor those that one has left
    end
    assert.equal(3, uploads())
  end)

  it("but recordings in folders of the same names are sources", function()
    workspace.run(("cd '%s/in' && mkdir -p tasks uploads && cp take001.wav "
      .. "tasks/ && cp take002.wav uploads/"):format(folder))
    local words, status = camb_batch("tasks uploads -o out")
    assert.equal(0, status, words)
    assert.equal(2, uploads())
  end)
end)

describe("A batch passes nothing in silence:", function()
  local server, client, folder, become

  before_each(function()
    folder = workspace.folder()
    local other
    server, client, other = stage.open({ engine = engine(folder) })
    workspace.remove(other)
    takes.make(folder .. "/in", 1)
    takes.make(folder .. "/in/shut", 2)
    workspace.run("chmod -R a+rwX " .. folder)
    become = workspace.without_rights()
  end)

  after_each(function()
    workspace.run(("chmod 700 %s/in/shut"):format(folder))
    stage.close(server, client, folder)
  end)

  local function camb_batch(mode, words)
    workspace.run(("chmod %s %s/in/shut"):format(mode, folder))
    return workspace.run(("P=$PWD; cd '%s'; CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "LUA_PATH=\"$P/lua/?.lua;$P/lua/?/init.lua;;\" %s $P/%s/bin/camb batch "
      .. "--interval 0.05 -o out %s"):format(folder, server.api_key,
      server.base_url, become or "", BUILD, words))
  end

  for _, words in ipairs({ "in", "in/shut", "'in/**/*.wav'", "'in/s*/*.wav'" })
  do
    it("a folder that cannot be listed, by " .. words, function()
      if not become then
        pending("somebody else may not read this checkout")
      end
      local said, status = camb_batch("000", words)
      assert.not_equal(0, status, said)
      assert.matches('camb: "in/shut" cannot be listed: Permission denied\n',
        said, 1, true)
      assert.is_nil(said:find("no file matches", 1, true))
      assert.equal(words:find("shut") and 0 or words:find("s%*") and 0 or 1,
        server:stats().uploads)
    end)
  end

  it("files that cannot be looked at", function()
    if not become then
      pending("somebody else may not read this checkout")
    end
    local said, status = camb_batch("444", "in")
    assert.not_equal(0, status, said)
    for i = 1, 2 do
      assert.matches(('camb: the source "in/shut/take%03d.wav" [^\n]*Permission denied')
        :format(i), said)
    end
  end)

  it("a link that leads nowhere", function()
    workspace.run(("ln -s nowhere.wav %s/in/gone.wav; ln -s x %s/in/gone.txt")
      :format(folder, folder))
    local said, status = camb_batch("755", "in")
    assert.not_equal(0, status, said)
    assert.matches('camb: the source "in/gone.wav" [^\n]*No such file', said)
    assert.is_nil(said:find("gone.txt", 1, true))
  end)

  it("a link to a folder, what is no file, and what is hidden", function()
    workspace.run(("cd %s; mkdir links links/deep links/.cache; mkfifo "
      .. "links/a.wav; cp in/take001.wav links/.a.wav; ln -s ../../in "
      .. "links/deep/more; ln -s .. links/deep/up"):format(folder))
    local link = (" is a link to a folder: name it to take its recordings\n")
    for _, words in ipairs({ "links", "links --dry-run" }) do
      local said, status = camb_batch("755", words)
      assert.equal(3, status, said)
      assert.matches("camb: links/a.wav is not a regular file\n", said, 1, true)
      assert.matches("camb: links/deep/more" .. link, said, 1, true)
      assert.matches("camb: links/deep/up" .. link, said, 1, true)
      assert.matches("camb: skipped 2 hidden files or folders\n", said, 1, true)
    end
    local said = camb_batch("755", "'links/**/*.wav'")
    assert.matches("camb: links/a.wav is not a regular file\n", said, 1, true)
    assert.matches("camb: links/deep/more" .. link, said, 1, true)
    assert.is_nil(said:find("camb: skipped", 1, true))
    local left = {}
    for item in client:batch(folder .. "/links", { output_dir = folder .. "/out",
      on_event = function(event)
        left[#left + 1] = event.name == "left_out" and event.source:match(
          "links/(.*)") .. " " .. event.reason:match("^is %l+ ?%l*")
          or nil
      end })
    do
      assert(item.error)
    end
    assert.equal(0, server:stats().uploads)
    assert.same({ "a.wav is not a", "deep/more is a link", "deep/up is a link",
      ".a.wav is hidden", ".cache is hidden" }, left)
    said = camb_batch("755", "links links/deep/more")
    assert.matches("/out/take001.foreground.wav\n", said, 1, true)
  end)

  it("a folder that cannot be listed, in Lua", function()
    if become ~= "" then
      return -- root may list any
    end
    workspace.run(("chmod 000 %s/in/shut"):format(folder))
    local failed
    for item in client:batch(folder .. "/in", { output_dir = folder .. "/out",
      interval = 0.05, max_attempts = 1000 })
    do
      failed = item.error and item or failed
    end
    assert.equal("source", failed.error.kind)
    assert.matches("cannot be listed", failed.error.message)
  end)
end)
