-- The line of the shell that an error of the command ends with.

local command = require "spec.support.command"
local workspace = require "spec.support.workspace"

describe("the line that an error ends with", function()
  local server, folder, run

  command.for_each(1, nil, function(...)
    server, folder, run = ...
  end)

  -- What a line says, which ends with `number`, and its advice.
  local function fail(number, line)
    local said, status = run("timeout 60 " .. line)
    assert.equal(number, status, said)
    return said, said:match("run: (camb [^\n]+)\n$")
  end

  it("separates a file that stands in the place of a command", function()
    run("cp in/take001.wav 'a take.wav'")
    local _, line = fail(2, "camb 'a take.wav'")
    assert.equal("camb separate 'a take.wav'", line)
    assert.equal(0, select(2, run("timeout 60 " .. line)))
  end)

  it("comes after the command or the option that may be meant", function()
    for words, meant in pairs({ ["seperate x.wav"] = "separate",
      ["help seperate"] = "separate",
      ["separate x.wav --output s"] = "--output-dir",
      ["batch x.wav --retry"] = "--retry-failed" })
    do
      local said = fail(2, "camb " .. words)
      assert.matches(("camb: Did you mean '%s'?\ncamb: to see what it takes, "
        .. "run: camb help"):format(meant), said, 1, true)
    end
  end)

  it("downloads the task that the dashboard shows to where its stems belong",
    function()
      server:fault({ step = "submit", status = 502 })
      local said = fail(9, "camb separate in/take001.wav -o out --only background")
      assert.matches("if the dashboard shows its task, run: camb download "
        .. "-o out --only background --name take001 TASK\n", said, 1, true)
      server:clear_faults()
      local task = run("timeout 60 camb submit in/take001.wav -o . 2>words")
      assert.equal(0, select(2, run("timeout 60 "
        .. said:match("task, run: (camb [^\n]+)TASK") .. task:match("%S+"))))
      assert.equal("out/take001.background.wav\n", (run("ls out/*.wav")))
    end)

  it("replaces no folder that has a stem's name", function()
    server:fault({ step = "stem", status = 404, times = math.huge })
    local typed = "camb separate in/take001.wav -o out --interval 0.05"
    local said = run("timeout 60 %s --deadline 4", typed)
    local line = assert(said:match("run: (camb download [^\n]+)"), said)
    server:clear_faults()
    run("mkdir out/take001.background.wav")
    for _, words in ipairs({ line, typed }) do
      local told
      said, told = fail(3, words)
      assert.matches('take001.background.wav" is a folder: move it away', said, 1,
        true)
      assert.equal(line, told)
    end
    typed = "camb separate in/take001.wav -o new --sandbox"
    run("mkdir -p new/take001.background.wav")
    assert.equal(typed, select(2, fail(3, typed)))
  end)

  it("replaces nothing because a file's name speaks of --overwrite", function()
    run("echo Dear diary >'use --overwrite.wav'")
    local said = fail(3, "camb separate 'use --overwrite.wav' -o out")
    assert.matches("is not audio", said, 1, true)
    assert.is_nil(said:find("replace that file", 1, true), said)
  end)

  it("does not explain the command when a file is wrong", function()
    run("mkdir empty; touch empty.wav; echo Dear diary >notes.wav")
    for words, sentence in pairs({
      ["nowhere.wav"] = '"nowhere.wav" cannot be found: No such file',
      ["empty"] = '"empty" contains no recordings',
      ["'in/*.mp3'"] = 'no file matches "in/*.mp3"',
      ["empty.wav"] = '"empty.wav" is empty',
      ["notes.wav"] = '"notes.wav" is not audio that the service accepts: its '
        .. "first bytes are not those of FLAC, MP3, WAV or AAC; if it is audio, "
        .. "use --convert\n",
      ["'a\nb.wav'"] = 'the name "a\\x0ab.wav" contains a control character' })
    do
      for _, verb in ipairs({ "separate", "batch --no-store", "separate -n" }) do
        local said = run(("camb %s %s"):format(verb, words))
        assert.matches(sentence:gsub("\n$", ""), said, 1, true)
        assert.is_nil(said:find("camb help", 1, true), said)
      end
    end
    local said = run("camb submit 'a\nb.wav'")
    assert.matches('camb: .*the name "a\\x0ab.wav" contains a control character: '
      .. "rename the file\n$", said)
    assert.equal("camb help report", select(2, fail(3, "camb report nowhere")))
  end)

  it("names a file that looks like an option so that it is none", function()
    run("cp in/take001.wav ./-dash.wav")
    local said, status = run("camb separate -dash.wav")
    assert.equal(2, status)
    assert.matches("camb: to name the file, write ./-dash.wav\n", said, 1, true)
  end)

  it("sends nobody to the doctor for a source that is no file", function()
    run("mkfifo pipe.wav")
    local said = run("camb separate pipe.wav -o out")
    assert.matches("it is not a regular file\ncamb: once that is fixed, run: camb "
      .. "separate pipe.wav -o out\n", said, 1, true)
  end)

  it("mends files before it retries them", function()
    run("echo Dear diary >in/notes.wav")
    local said = run("camb batch in -o out --interval 0.05")
    assert.matches("see failures with --status; once their files are mended, "
      .. "retry them with: camb batch in -o out --interval 0.05 --retry-failed\n",
      said, 1, true)
  end)

  it("is the one that was typed where the sandbox met a local fault", function()
    run("touch file")
    for words, number in pairs({ ["-o file"] = 3,
      ["--log nowhere/log"] = 3, ["--engine nowhere"] = 3 })
    do
      for _, verb in ipairs({ "separate", "batch" }) do
        local typed = ("camb %s in/take001.wav --sandbox %s"):format(verb, words)
        local said = fail(number, typed)
        assert.matches("\ncamb: once that is fixed, run: " .. typed .. "\n", said,
          1, true)
      end
    end
  end)

  it("comes after a sentence that names its file once", function()
    run("echo text > x.wav")
    for _, verb in ipairs({ "separate", "batch -o out", "batch -n" }) do
      local said = run(("timeout 60 camb %s x.wav in --interval 0.05"):format(verb))
      assert.matches('the source "x.wav" is not audio', said, 1, true)
      assert.is_nil(said:find("x.wav: ", 1, true), said)
    end
  end)

  it("replaces a file and retries the job that it stopped", function()
    run("mkdir out; echo other > out/take001.foreground.wav")
    local said = fail(3, "camb batch in -o out --interval 0.05")
    local line = said:match("and replace that file, run: (camb [^\n]+)\n")
    assert.is_nil(said:find("retry them with", 1, true), said)
    local output, status = run("timeout 60 " .. line)
    assert.equal(0, status, output)
    assert.equal(1, server:stats().uploads)
    assert.not_equal("other\n", workspace.read(folder
      .. "/out/take001.foreground.wav"))
  end)

  it("says that it may be charged only where it may", function()
    local charged = "to separate it anyway (may be charged), and replace"
    run("mkdir out; echo other > out/take001.foreground.wav")
    for _, verb in ipairs({ "batch in", "separate in/take001.wav" }) do
      local said = fail(3, ("camb %s -o out --interval 0.05"):format(verb))
      assert.matches(charged, said, 1, true)
    end
    local said = fail(3, "camb separate in/take001.wav -o out --sandbox")
    assert.matches("to separate it anyway, and replace", said, 1, true)
    run("rm -r out")
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    run("timeout 60 camb batch in -o out --interval 0.05 --deadline 1")
    server:clear_faults()
    run("echo other > out/take001.foreground.wav")
    said = fail(3, "camb batch in -o out --interval 0.05")
    assert.matches("to separate it anyway, and replace", said, 1, true)
    assert.equal(1, server:stats().uploads)
  end)

  it("runs again what another process has the names of #posix", function()
    run("mkdir out")
    command.begin(run, "exec flock -F out/take001.foreground.part sleep 60 "
      .. ">words 2>&1")
    command.wait_for("the lock", function()
      return select(2, run("flock -n out/take001.foreground.part true")) == 1
    end, function()
      return workspace.read(folder .. "/words")
    end)
    local typed
    for _, words in ipairs({ "separate in/take001.wav", "batch in --no-store",
      "batch in" })
    do
      typed = ("camb %s -o out --interval 0.05"):format(words)
      local said, line = fail(3, typed)
      assert.matches('/take001.foreground" is being written by another job or '
        .. "process: run this again once that has ended\n", said, 1, true)
      assert.is_nil(said:find("another --output-dir", 1, true), said)
      assert.equal(words ~= "batch in" and typed or nil, line)
    end
    command.stop("KILL")
    assert.equal(0, select(2, run("timeout 60 " .. typed)))
    assert.equal(1, server:stats().uploads)
  end)

  it("does not replace a file for what the service does not take", function()
    workspace.write(folder .. "/a.aif", "FORM\0\0\0\0AIFFCOMM")
    run("mkdir out; echo other > out/a.foreground.wav")
    for _, verb in ipairs({ "batch", "separate" }) do
      local said = fail(3, ("camb %s a.aif -o out"):format(verb))
      assert.matches("--convert", said, 1, true)
      assert.is_nil(said:find("overwrite", 1, true), said)
    end
  end)

  it("sends a file elsewhere whose task the service does not know any more",
    function()
      server:fault({ step = "status", status = 404, times = 20 })
      for _ = 1, 2 do
        local said = run("timeout 60 camb separate in/take001.wav -o out "
          .. "--interval 0.05")
        assert.matches("camb: to send the file again (may be charged twice), "
          .. "name another --output-dir\n", said, 1, true)
      end
      assert.equal(1, server:stats().uploads)
      local said, status = run("timeout 60 camb separate in/take001.wav "
        .. "-o other --interval 0.05")
      assert.equal(0, status, said)
    end)

  it("has the doctor look at the store that is damaged", function()
    run("echo text > damaged.db")
    local _, line = fail(3, "camb jobs --store damaged.db")
    assert.equal("camb doctor --store damaged.db", line)
  end)

  it("explains the sandbox that cannot start", function()
    run("touch file")
    for _, words in ipairs({ "--port " .. server.base_url:match(":(%d+)/"),
      "--data-dir file --port 0", "--engine nowhere --port 0" })
    do
      local said, status = run("timeout 60 camb serve " .. words)
      assert.not_equal(0, status)
      assert.matches("\ncamb: to see what it takes, run: camb help serve\n$",
        said)
    end
  end)

  it("stores no key where the key is not what is missing", function()
    run("echo key > key; chmod 644 key")
    assert.equal("camb help status", select(2, fail(4,
      "camb status x --api-key k --api-key-file key")))
    local said, line = fail(4, "camb status x --api-key-file key")
    assert.matches("run chmod 600 'key'\ncamb: once that is fixed, run: camb",
      said, 1, true)
    assert.equal("camb status x --api-key-file key", line)
    run("chmod 600 key; camb login <key; chmod 644 .config/camb/config.json")
    assert.equal("camb status x", select(2, fail(4,
      "env -u CAMB_API_KEY camb status x")))
  end)

  it("explains that the secret of a webhook needs one", function()
    run("echo secret > secret; chmod 600 secret")
    local said = fail(2, "camb batch in -o out --webhook-secret-file secret")
    assert.matches("camb: --webhook-secret-file needs --webhook\n", said, 1, true)
    assert.equal(0, server:stats().uploads)
  end)

  it("sends what --max-jobs or --max-minutes left unsent", function()
    local said = fail(11, "camb separate in/take001.wav --max-minutes 0.00001")
    assert.matches("camb: 0 done, 1 remains in %d+:%d%d\n", said)
    assert.matches("camb: --max-minutes stopped the sending: run the same line "
      .. "again to send more, or one with a higher limit\n", said, 1, true)
  end)
end)
