-- What the command says of the files that a signal leaves unfinished, and how
-- the line that was typed takes them up.

local cjson = require "cjson"
local command = require "spec.support.command"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("a file that a signal leaves unfinished", function()
  local server, folder, run

  command.for_each(2, nil, function(...)
    server, folder, run = ...
  end)

  local function hang()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
  end

  local function interrupt(line, mark, more)
    return command.interrupt(run, folder, line, mark, more)
  end

  local function told_line(words)
    return assert(words:match("\ncamb: to resume, run: ([^\n]+)\n$"), words)
  end

  for name, line in pairs({ ["with a store"] = "camb batch in -o out",
    ["without one"] = "camb batch --no-store in -o out",
    ["of camb separate"] = "camb separate in/take001.wav in/take002.wav -o out"
  }) do
    it(("is not called failed, and the line that was typed resumes it, %s")
      :format(name), function()
      hang()
      local words = interrupt(line .. " --interval 0.05", "says PENDING",
        { count = 2 })
      assert.matches("^status=130\n", words)
      assert.is_nil(words:find("failed", 1, true), words)
      for i = 1, 2 do
        local id = assert(words:match(("take00%d.wav: submitted as task (%%S+)")
          :format(i)))
        assert.matches(("camb: in/take00%d.wav: unfinished; its task %s is "
          .. "paid for\n"):format(i, id), words, 1, true)
      end
      assert.matches("camb: 0 done, 2 unfinished in ", words, 1, true)
      assert.is_nil(words:find("uploads under way", 1, true), words)
      assert.equal(line .. " --interval 0.05", told_line(words))
      server:clear_faults()
      local said, status = run(told_line(words))
      assert.equal(0, status, said)
      assert.equal(2, server:stats().uploads)
      assert.equal(takes.wav(2),
        workspace.read(folder .. "/out/take002.foreground.wav"))
    end)
  end

  for name, words in pairs({ ["with a store"] = "batch in",
    ["without one"] = "batch --no-store in" })
  do
    it(("stays unsent, and is not waited for, if nothing could be sent, %s")
      :format(name), function()
      local typed = ("camb %s -o out -j 1 --interval 0.05"):format(words)
      local said = interrupt(typed .. " --base-url http://127.0.0.1:1/apis",
        "retrying")
      server:fault({ step = "submit", status = 503, retry_after = 60 })
      said = said .. interrupt(typed, "retrying")
      assert.is_nil(said:find("finishing uploads", 1, true), said)
      assert.is_nil(said:find("charge", 1, true), said)
      if name == "with a store" then
        assert.equal("intended        2\n", (run("camb batch -o out --status")))
      end
      local output, status = run("timeout 60 " .. typed)
      assert.equal(0, status, output)
      assert.equal(2, server:stats().uploads)
    end)
  end

  it("gets the reply to its upload where one Ctrl-C comes as two signals, as "
    .. "from a terminal and a parent", function()
    server:fault({ step = "submit", reply = { task_id = "T-1" },
      slow = "headers", pace = 0.01 })
    run("{ env --default-signal camb batch in -o out -j 1 --interval 0.05 "
      .. ">paths 2>words & echo $! >pid; wait $!; echo status=$? >>words; } "
      .. ">/dev/null 2>&1 & true")
    workspace.wait_for_uploads(server, 1)
    run("pid=$(cat pid); kill -INT $pid; kill -INT $pid")
    local words = workspace.wait_for("its end", function()
      local said = workspace.read(folder .. "/words")
      return said:find("status=%d+\n") and said
    end)
    assert.matches("status=130\n", words, 1, true)
    assert.matches("unfinished; its task T-1 is paid for\n", words, 1, true)
    assert.equal("intended        1\nsubmitted       1\n",
      (run("camb batch -o out --status")))
  end)

  it("is not lost to a second signal that comes before the first is noticed",
    function()
      workspace.write(folder .. "/twice.lua", [[
        local core = require "camb.core"
        core.catch_signals()
        os.execute("kill -TERM $PPID; " -- which is held up meanwhile
          .. "until grep -q '^ShdPnd:.0*$' /proc/$PPID/status; do :; done; "
          .. "kill -TERM $PPID")
        print(core.caught_signal())
      ]])
      assert.equal("SIGTERM\n", (workspace.run(("timeout 60 %s %s/twice.lua"):format(
        os.getenv("LUA") or "lua5.4", folder))))
    end)

  it("is an event of its own, and counted in the summary", function()
    hang()
    local words = interrupt("camb batch in -o out --interval 0.05 --json",
      function(text)
        return text:find("PENDING", 1, true) and text:find("take002", 1, true)
      end, { signal = "TERM" })
    assert.matches("^status=143\n", words)
    local count, summary = 0, nil
    for text in workspace.read(folder .. "/paths"):gmatch("[^\n]+") do
      local event = cjson.decode(text)
      assert.not_equal("failed", event.name)
      count = count + (event.name == "unfinished" and event.task_id and 1 or 0)
      summary = event.name == "summary" and event or summary
    end
    assert.equal(2, count)
    assert.equal(0, summary.failed)
    assert.equal(2, summary.unfinished)
  end)

  it("was not paid for in the sandbox, which is said nowhere", function()
    for _, line in ipairs({ "camb separate in/take001.wav -o out1",
      "camb batch in -o out2" }) do
      local words = interrupt(line .. " --sandbox --engine 'sh -c \"sleep 60\"'",
        "says PENDING")
      assert.matches("camb: in/take001.wav: unfinished\n", words, 1, true)
      assert.is_nil(words:find("charge", 1, true), words)
      assert.is_nil(words:find("paid", 1, true), words)
      assert.is_nil(words:find("failed", 1, true), words)
      assert.equal(line .. " --sandbox --engine 'sh -c \"sleep 60\"'", told_line(words))
    end
    local said, status = run("camb batch in -o out2 --sandbox --engine '%s'",
      takes.engine(folder))
    assert.equal(0, status, said)
    assert.is_nil(said:find("paid", 1, true), said)
  end)

  it("is resumed by the line that was typed, whatever a shell reads in it",
    function()
      run("mkdir 'it is'; cp in/take001.wav 'it is/-a $b.wav'")
      hang()
      local words = interrupt("sh -c 'cd \"it is\"; exec camb separate "
        .. "--interval 0.05 -o \"o\\$\" -- \"-a \\$b.wav\"'", "says PENDING")
      local line = told_line(words)
      assert.equal("camb separate --interval 0.05 -o 'o$' -- '-a $b.wav'", line)
      server:clear_faults()
      local said, status = run("cd 'it is'; " .. line)
      assert.equal(0, status, said)
      assert.equal(1, server:stats().uploads)
    end)

  it("of a URL is resumed by the same line, and another URL is not taken for it",
    function()
      local client = require("camb").client({ base_url = server.base_url,
        api_key = server.api_key })
      local urls = {}
      for name, stem in pairs({ take001 = "foreground", take002 = "background" })
      do
        urls[stem] = assert(client:separate(folder .. "/in/" .. name .. ".wav",
          { download = false, interval = 0.05,
            max_attempts = 1000 }))[stem .. "_audio_url"]
      end
      client:close()
      hang()
      local line = "camb separate '%s' -o out --interval 0.05"
      local words = interrupt(line:format(urls.foreground), "says PENDING")
      server:clear_faults()
      assert.matches("to resume, run", words)
      for _, url in ipairs({ urls.foreground, urls.background }) do
        local said, status = run(line, url)
        assert.equal(0, status, said)
      end
      assert.equal(4, server:stats().uploads)
    end)

  it("is resumed by a line that is not repeated where it holds a secret",
    function()
      hang()
      local words = interrupt("camb separate in/take001.wav -o out --interval "
        .. "0.05 --api-key " .. server.api_key, "says PENDING")
      assert.is_nil(words:find(server.api_key, 1, true))
      assert.matches("\ncamb: to resume, run the same line again\n$", words)
    end)

  it("of standard input is resumed by no line but that of its task", function()
    hang()
    local words = interrupt("sh -c 'exec camb separate - -o out --interval "
      .. "0.05 <in/take001.wav'", "says PENDING")
    assert.is_nil(words:find("to resume", 1, true), words)
    assert.matches("run: camb download %-o out %-%-name stdin %S+\n", words)
  end)

  it("of standard input leaves no copy of it behind, whenever it comes",
    function()
      hang()
      run("mkdir temporary; mkfifo pipe")
      for mark, rest in pairs({ ["reading"] = "", ["says PENDING"]
        = "exec 3>&-;" }) do
        for signal, number in pairs({ INT = 130, TERM = 143, HUP = 129 }) do
          local words, status = run([[
            exec 3<>pipe
            TMPDIR=temporary env --default-signal camb separate - -o out \
              --interval 0.05 <pipe >paths 2>words 3>&- & pid=$!
            cat in/take001.wav >&3
            for i in $(seq 1500); do
              [ -n "$(ls temporary)" ] \
                && grep -q '^State:.S' /proc/$pid/status && break
              sleep 0.02; done; %s
            for i in $(seq 1500); do
              [ '%s' = reading ] || grep -q '%s' words && break
              sleep 0.02; done
            kill -%s $pid; wait $pid]], rest, mark, mark, signal)
          assert.equal(number, status, words)
          assert.same({}, workspace.list(folder .. "/temporary"))
        end
      end
    end)

  it("by camb wait and camb download is resumed by their lines", function()
    hang()
    local id = run("camb submit in/take001.wav -o out 2>/dev/null"):match("%S+")
    for _, verb in ipairs({ "wait", "download -o out" }) do
      local line = ("camb %s --interval 0.05 -- %s"):format(verb, id)
      local words = interrupt(line, "says PENDING")
      assert.matches("camb: " .. id .. ": unfinished", words, 1, true)
      assert.equal(line, told_line(words))
    end
  end)
end)

describe("the line that retries what failed", function()
  local server, folder, run

  command.for_each(1, nil, function(...)
    server, folder, run = ...
  end)

  it("is the one that was typed, with one option more", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    for typed, expected in pairs({
      ["-o out in"] = "-o out in --retry-failed",
      ["-o out2 -- in"] = "-o out2 --retry-failed -- in",
      ["-o out3 --retry-failed in"] = "-o out3 --retry-failed in",
    }) do
      if typed:find("retry") then
        run("camb batch -o out3 in --interval 0.05")
      end
      local said = run("camb batch --interval 0.05 " .. typed)
      assert.matches("retry them with: camb batch --interval 0.05 " .. expected
        .. "\n", said, 1, true)
    end
  end)

  it("is told without the secrets of the one that was typed", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    local said = run("camb batch -o out in --interval 0.05 --api-key %s",
      server.api_key)
    assert.is_nil(said:find(server.api_key, 1, true))
    assert.matches("retry them with the same line and --retry-failed\n", said, 1, true)
  end)
end)
