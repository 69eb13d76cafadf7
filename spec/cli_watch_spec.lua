-- `camb watch`, and who is told of each file.

local cjson = require "cjson"
local command = require "spec.support.command"
local core = require "camb.core"
local hooks = require "camb.cli.hooks"
local scripted = require "spec.support.scripted"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("camb watch", function()
  local server, folder, run

  command.for_each(4, nil, function(...)
    server, folder, run = ...
    run("mv in made; mkdir in")
  end)

  local function begin(words, ...)
    command.begin(run, "camb watch in %s >paths 2>words", words:format(...))
  end

  local function words()
    return workspace.read(folder .. "/words") or ""
  end

  -- What is in a file once `mark` stands there.
  local function wait_for(path, mark)
    return command.wait_for(mark, function()
      local text = workspace.read(folder .. "/" .. path)
      return text and text:find(mark, 1, true) and text
    end, words)
  end

  local function start(more)
    begin("-o out --settle 0.3 --interval 0.1 " .. (more or ""))
    wait_for("words", "watching in")
  end

  it("separates what is there, and what appears, in folders below, too",
    function()
      run("cp made/take001.wav in")
      start()
      wait_for("paths", "/out/take001.background.wav\n")
      run("mkdir in/new; cp made/take002.wav in/new; mv made/take003.wav in")
      wait_for("paths", "/out/new/take002.background.wav\n")
      wait_for("paths", "/out/take003.background.wav\n")
      assert.equal(3, server:stats().uploads)
    end)

  it("takes no stems for sources, however they are called", function()
    begin("-o in --foreground-dir in/voices --name '{name} ({stem})' "
      .. "--settle 0.3 --interval 0.1")
    run("cp made/take001.wav in")
    wait_for("paths", "/in/take001 (background).wav\n")
    run("cp made/take002.wav in")
    wait_for("paths", "/in/take002 (background).wav\n")
    core.wait(2.5) -- longer than it takes to see them, and to settle
    assert.equal("in/take001 (background).wav\nin/take001.wav\n"
      .. "in/take002 (background).wav\nin/take002.wav\n"
      .. "in/voices/take001 (foreground).wav\n"
      .. "in/voices/take002 (foreground).wav\n",
      (run("find in -name '*.wav' | LC_ALL=C sort")))
  end)

  it("leaves a file alone while somebody writes to it", function()
    start()
    run("{ head -c 300 made/take001.wav; while ! [ -e go ]; do sleep 0.05; done; "
      .. "tail -c +301 made/take001.wav; } >in/slow.wav 2>/dev/null & true")
    run("cp made/take002.wav in")
    wait_for("paths", "/out/take002.background.wav\n")
    core.wait(1.5) -- longer than it takes to settle
    assert.equal(1, server:stats().uploads)
    run("touch go")
    wait_for("paths", "/out/slow.background.wav\n")
    assert.equal(workspace.read(folder .. "/made/take001.wav"),
      workspace.read(folder .. "/out/slow.foreground.wav"))
  end)

  it("waits until a file has stayed as it is, whoever writes to it", function()
    start("--settle 1")
    for i = 1, 4 do
      run("head -c %d made/take001.wav >in/grows.wav", 100 * i)
      core.wait(0.5)
      assert.equal(0, server:stats().uploads)
    end
    run("cp made/take001.wav in/grows.wav")
    wait_for("paths", "/out/grows.background.wav\n")
    assert.equal(1, server:stats().uploads)
  end)

  it("pays for nothing again after a restart, and says how to start it again",
    function()
      run("cp made/take00[12].wav in")
      start()
      wait_for("paths", "take001.background.wav\n")
      wait_for("paths", "take002.background.wav\n")
      command.stop()
      local line = workspace.read(folder .. "/words"):match(
        "to resume, run: (camb watch [^\n]+)\n")
      assert.equal("camb watch in -o out --settle 0.3 --interval 0.1", line)
      start("--on-done 'cat >>told'")
      wait_for("words", "in/take002.wav was done before\n")
      run("cp made/take003.wav in")
      wait_for("told", "take003")
      assert.equal(3, server:stats().uploads)
      assert.is_nil(workspace.read(folder .. "/told"):find("take001"))
      command.stop()
    end)

  it("takes a file that is recorded again for a new one", function()
    run("cp made/take001.wav in/a.wav")
    start()
    wait_for("paths", "/out/a.background.wav\n")
    run("cp made/take002.wav in/a.wav")
    workspace.wait_for("the second upload", function()
      return server:stats().uploads == 2
    end)
  end)

  it("sends again with --resubmit-unknown what may have been sent, and with "
    .. "--retry-failed what failed", function()
    run("cp made/take001.wav in")
    server:fault({ step = "submit", at = "accepted", close = true })
    start("--retry-failed") -- also where nothing has failed so far
    wait_for("words", "may exist and be charged")
    command.stop()
    run("rm words")
    start("--resubmit-unknown")
    wait_for("paths", "/out/take001.background.wav\n")
    command.stop()
    server:fault({ step = "submit", status = 422 })
    run("cp made/take002.wav in; rm words")
    start()
    wait_for("words", "rejected the request")
    command.stop()
    run("rm words")
    start("--retry-failed")
    wait_for("paths", "/out/take002.background.wav\n")
    assert.equal(3, server:stats().uploads)
  end)

  it("does not pay again for what another command has sent meanwhile",
    function()
      start()
      local said, status = run("camb separate made/take001.wav -o out "
        .. "--interval 0.1")
      assert.equal(0, status, said)
      run("cp made/take001.wav in/copy.wav")
      wait_for("paths", "/out/copy.background.wav\n")
      assert.equal(1, server:stats().uploads)
    end)

  it("prints events with --json, and nothing else", function()
    run("cp made/take001.wav in")
    begin("-o out --settle 0.3 --interval 0.1 --json")
    wait_for("paths", '"name":"finished"')
    command.stop()
    local last
    for line in workspace.read(folder .. "/paths"):gmatch("[^\n]+") do
      last = cjson.decode(line)
    end
    assert.equal("summary", last.name)
    assert.equal(1, last.done)
    assert.is_nil(workspace.read(folder .. "/words"):find("watching", 1, true))
  end)

  it("ends when the service has refused all for --outage-timeout", function()
    run("cp made/take00[12].wav in")
    server:fault({ step = "submit", status = 402, skip = 1, times = math.huge })
    local said, status = run("timeout 60 camb watch in -o out --settle 0.3 "
      .. "--interval 0.1 --outage-timeout 0.1 --drain 1")
    assert.equal(5, status, said)
    assert.matches("camb: 1 done, 1 unfinished", said, 1, true)
    assert.equal(1, server:stats().uploads)
  end)

  it("separates with another engine in the sandbox", function()
    run("cp made/take001.wav in")
    begin("-o out --settle 0.3 --sandbox --engine 'sh -c \"echo >%s/ran; "
      .. "%s {input} {output_dir}\"'", folder, takes.engine(folder))
    wait_for("paths", "/out/take001.background.wav\n")
    assert.equal("\n", workspace.read(folder .. "/ran"))
  end)

  it("lists with --dry-run what it would send now, and ends", function()
    run("cp made/take001.wav in")
    local said, status = run("timeout 60 camb watch in -o out --dry-run")
    assert.equal(0, status, said)
    assert.matches("new .* in/take001.wav\n", said)
    assert.matches("1 file, 0:00 in total; 1 would be sent", said, 1, true)
    assert.equal(0, server:stats().uploads)
  end)

  it("sends other formats with --convert, and says without it what it leaves "
    .. "out", function()
    local said, status = run("ffmpeg -v error -i made/take001.wav in/a.aiff")
    assert.equal(0, status, said)
    start()
    wait_for("words", "camb: in/a.aiff is AIFF, which the service does not "
      .. "accept: use --convert to send it as FLAC\n")
    command.stop()
    start("--convert")
    wait_for("paths", "/out/a.background.flac\n")
  end)

  it("counts files that are not named like recordings, once each, and names "
    .. "all that it leaves out in its events", function()
    run("cp made/take001.wav in; echo 1 >in/notes.txt; echo 1 >in/a.aiff")
    start("--log log")
    local function wait_for_count(count)
      workspace.wait_for("the count", function()
        return select(2, workspace.read(folder .. "/words"):gsub("camb: skipped "
          .. "1 file that is not named like a recording\n", "")) == count
      end)
    end
    wait_for_count(1)
    run("echo 2 >>in/notes.txt; cp made/take002.wav in/noext; mkdir in/new; "
      .. "cp made/take003.wav in/new")
    wait_for_count(2)
    wait_for("paths", "/out/new/take003.background.wav\n")
    command.stop()
    local left, summary = {}, nil
    for line in io.lines(folder .. "/log") do
      local event = cjson.decode(line)
      if event.name == "left_out" then
        left[#left + 1] = event.source .. " " .. event.reason
      end
      summary = event
    end
    table.sort(left)
    assert.same({ "in/a.aiff is AIFF, which the service does not accept: use "
      .. "--convert to send it as FLAC",
      "in/noext is not named like a recording",
      "in/notes.txt is not named like a recording" }, left)
    assert.equal(3, summary.left_out)
    assert.equal(2, summary.done)
  end)

  it("takes neither stems nor a store for a recording", function()
    run("cp made/take001.wav in")
    begin("-o in --settle 0 --interval 0.1")
    wait_for("paths", "in/take001.background.wav\n")
    run("cp made/take002.wav in")
    wait_for("paths", "in/take002.background.wav\n")
    assert.equal(2, server:stats().uploads)
  end)

  it("tells again after a restart of what failed, and runs no command for it",
    function()
      workspace.write(folder .. "/in/no.wav", "no audio")
      start()
      wait_for("words", 'no.wav" is not audio')
      command.stop()
      assert.matches("camb: 0 done, 1 failed in 0:0",
        workspace.read(folder .. "/words"), 1, true)
      run("rm words")
      start("--on-done 'cat >>told'")
      wait_for("words", 'failed before: the source "in/no.wav" is not audio')
      run("cp made/take003.wav in")
      wait_for("told", "take003")
      assert.is_nil(workspace.read(folder .. "/told"):find("no.wav", 1, true))
    end)

  it("refuses what is no folder, and to send what nobody could verify", function()
    local output, status = run("camb watch nowhere -o out")
    assert.equal(3, status)
    assert.matches('"nowhere" cannot be watched: No such file', output, 1, true)
    output, status = run("camb watch made/take001.wav -o out")
    assert.equal(3, status)
    assert.matches("cannot be watched: it is not a folder", output, 1, true)
    output, status = run("camb watch in -o out --webhook http://x")
    assert.equal(2, status)
    assert.matches("--webhook needs a secret to sign with", output, 1, true)
  end)

  it("gives each item to a command on its standard input, done or failed",
    function()
      workspace.write(folder .. "/in/no.wav", "no audio")
      run("cp made/take001.wav in")
      local output, status = run("timeout 60 camb batch in -o out --interval 0.1 "
        .. "--on-done 'cat >>told; echo said by it'")
      assert.equal(10, status, output)
      assert.matches("said by it\n", output)
      local told = workspace.read(folder .. "/told")
      assert.matches('{"source":"in/take001.wav","state":"done","task_id":'
        .. '"[^"]+","run_id":"%d+","foreground":"/[^"]+/out/take001.foreground'
        .. '.wav","foreground_sha256":"%x+","background":"/[^"]+",'
        .. '"background_sha256":"%x+","time":"20[%d-]+T[%d:]+Z"}\n', told)
      assert.matches('{"source":"in/no.wav","state":"failed","error_kind":'
        .. '"source","error":"[^"]+.*,"time":"[^"]+"}\n', told)
    end)

  it("says that a command failed, and exits with 1", function()
    run("cp made/take001.wav in")
    local output, status = run("timeout 60 camb batch in -o out --interval 0.1 "
      .. "--on-done 'exit 3'")
    assert.equal(1, status, output)
    assert.matches("camb: in/take001.wav: the command of --on-done ended with "
      .. "status 3\n", output, 1, true)
  end)

  -- Prints what it got; the first time it is away.
  local HOOK = [[
    local connection, number = ...
    local request = connection:head()
    for name, value in pairs(request.headers) do
      print(name .. ": " .. value)
    end
    print(request.method .. " " .. request.path)
    print("BODY " .. connection.socket:read(
      tonumber(request.headers["content-length"])))
    connection:reply(number == 1 and 503 or %d, "", "Connection: close")
  ]]

  it("posts each item, signed, and tries again until it is taken", function()
    local peer = scripted.start(HOOK:format(200))
    run("cp made/take001.wav in")
    local output, status = run("CAMB_WEBHOOK_SECRET=sesame timeout 60 camb batch "
      .. "in -o out --interval 0.1 --webhook http://127.0.0.1:%d/hook?a=b",
      peer.port)
    local log = peer.log()
    peer.stop()
    assert.equal(0, status, output)
    assert.matches("POST /hook%?a=b\n", log)
    local body = log:match("BODY ({[^\n]+}\n)")
    assert.matches('"state":"done"', body)
    local signed = {}
    for signature in log:gmatch("x%-camb%-signature%-256: sha256=(%x+)") do
      signed[#signed + 1] = signature
    end
    assert.equal(2, #signed)
    assert.equal(hooks.sign("sesame", body), signed[2])
    local first, second = log:match("x%-camb%-delivery: (%x+).*"
      .. "x%-camb%-delivery: (%x+)")
    assert.equal(first, second)
    assert.is_nil(log:find(server.api_key, 1, true))
    assert.is_nil(log:find("x-api-key", 1, true))
  end)

  it("says that nobody took the post, and exits with 1", function()
    run("cp made/take001.wav in; echo sesame >secret; chmod 600 secret")
    local peer = scripted.start(HOOK:format(410))
    local output, status = run("timeout 60 camb batch in -o out --interval 0.1 "
      .. "--webhook http://127.0.0.1:%d/hook --webhook-secret-file secret",
      peer.port)
    peer.stop()
    assert.equal(1, status, output)
    assert.matches("camb: in/take001.wav: --webhook failed: HTTP 410\n",
      output, 1, true)
  end)
end)

describe("a webhook's signature", function()
  -- RFC 4231, test cases 1, 2, 3 and 6.
  it("is that of RFC 4231", function()
    for _, case in ipairs({
      { ("\11"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b"
        .. "881dc200c9833da726e9376c2e32cff7" },
      { "Jefe", "what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
      { ("\170"):rep(20), ("\221"):rep(50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
      { ("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key "
        .. "First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    }) do
      assert.equal(case[3], hooks.sign(case[1], case[2]))
    end
  end)
end)
