-- The verbs that take one step each: submit, status, wait, result, download.

local journal = require "camb.journal"
local command = require "spec.support.command"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

describe("of one step, the command", function()
  local server, folder, run

  command.for_each(2, nil, function(...)
    server, folder, run = ...
  end)

  local function submit()
    local id, status = run("timeout 60 camb submit in/take001.wav 2>words")
    assert.equal(0, status, workspace.read(folder .. "/words"))
    return assert(id:match("^(%S+)\n$"), id)
  end

  it("submits, and prints the id and the line that downloads the stems",
    function()
      local id = submit()
      local line = workspace.read(folder .. "/words"):match(
        "to wait for the stems and download them, run: (camb [^\n]+)\n")
      assert.equal("camb download -o . " .. id, line)
      local output, status = run("timeout 60 " .. line)
      assert.equal(0, status, output)
      assert.matches("./take001.foreground.wav\n", output, 1, true)
      assert.is_string(workspace.read(folder .. "/take001.background.wav"))
      assert.equal(1, server:stats().uploads)
    end)

  it("says an id that looks like an option where a shell takes it for none",
    function()
      server:fault({ step = "submit", reply = { task_id = "-V" } })
      local output = run("camb submit in/take001.wav -o out")
      assert.matches("run: camb download -o out -- -V\n", output, 1, true)
      output = run("camb wait --interval 0.05 -- -V")
      assert.matches('(task "-V")', output, 1, true)
    end)

  it("downloads without ids what was submitted here, once", function()
    submit()
    local output, status = run("timeout 60 camb download")
    assert.equal(0, status, output)
    assert.is_string(workspace.read(folder .. "/take001.foreground.wav"))
    assert.same({}, (journal.open_entries(folder .. "/.camb-journal")))
  end)

  it("downloads without ids nothing that was submitted to another service",
    function()
      local other = assert(sandbox.start())
      run("CAMB_BASE_URL=%s CAMB_API_KEY=%s timeout 60 camb submit in/*",
        other.base_url, other.api_key)
      other:stop()
      assert.matches("no task: name one", (run("timeout 60 camb download")))
      submit()
      local output, status = run("timeout 60 camb download")
      assert.equal(0, status, output)
    end)

  it("does not pay again for a file whose stems are yet to be downloaded",
    function()
      local id = submit()
      assert.equal(id, submit())
      assert.matches("camb: in/take001.wav: its task is already paid for (noted "
        .. "in ./.camb-journal)\n", workspace.read(folder .. "/words"), 1, true)
      local output, status = run("timeout 60 camb separate in/take001.wav")
      assert.equal(0, status, output)
      assert.matches("./take001.foreground.wav\n", output, 1, true)
      assert.equal(1, server:stats().uploads)
      run("touch in/take001.wav; echo other >>in/take001.wav")
      assert.not_equal(id, submit())
      assert.equal(2, server:stats().uploads)
    end)

  it("does not pay again for a file whose stems were downloaded, or are gone",
    function()
      local id = submit()
      assert.equal(0, select(2, run("timeout 60 camb download")))
      for _ = 1, 2 do
        assert.equal(id, submit())
        local words = workspace.read(folder .. "/words")
        assert.matches("camb: in/take001.wav: its task is already paid for, and "
          .. "its stems were downloaded (noted in ./.camb-journal)\n", words, 1,
          true)
        local line = words:match(
          "to download the stems again, run: (camb download [^\n]+)\n")
        run("rm *.foreground.wav *.background.wav")
        assert.equal(0, select(2, run("timeout 60 " .. line)))
        assert.is_string(workspace.read(folder .. "/take001.background.wav"))
      end
      local output = run("timeout 60 camb separate in/take001.wav -n")
      assert.matches("^done ", output)
      assert.equal(1, server:stats().uploads)
      assert.equal(0, select(2, run("camb submit in/take001.wav -o other")))
      assert.equal(2, server:stats().uploads)
    end)

  it("says each time that a file may have been sent by a run that was killed",
    function()
      server:fault({ step = "submit", silence = true })
      local pid = run("camb submit in/take001.wav >out 2>words & echo $!")
      workspace.wait_for_uploads(server, 1)
      run("kill -KILL " .. pid:match("%d+"))
      server:clear_faults()
      local line = "timeout 60 camb submit in/take001.wav"
      for _ = 1, 2 do
        local output, status = run(line)
        assert.equal(9, status, output)
        assert.matches("an earlier run was killed while sending this file",
          output)
      end
      assert.equal(0, server:stats().uploads)
      assert.equal(0, select(2, run(line .. " --resubmit-unknown")))
      assert.equal(1, server:stats().uploads)
    end)

  it("submits the same file once", function()
    local output, status = run("timeout 60 camb submit in/take001.wav "
      .. "./in/../in/take001.wav in/take002.wav --json 2>words")
    assert.equal(0, status)
    assert.equal(2, server:stats().uploads)
    assert.matches('{"source":"in/take001.wav","task_id":"[^"]+"}\n', output)
    assert.matches("is the same file as in/take001.wav",
      workspace.read(folder .. "/words"), 1, true)
    assert.equal(0, select(2, run("cp in/take001.wav in/copy.wav; cp in/take001.wav "
      .. "in/other.wav; timeout 60 camb submit in/copy.wav in/other.wav "
      .. "-o another")))
    assert.equal(3, server:stats().uploads)
  end)

  it("prints the ids in the order of the files, whichever is sent first",
    function()
      server:fault({ step = "submit", status = 429, retry_after = 1 })
      local line = "camb submit in/take001.wav in/no.wav in/take002.wav "
      local ids = run(line .. "2>/dev/null")
      local sent = {}
      for source, id in run(line .. "--json 2>/dev/null"):gmatch(
        '"source":"([^"]+)","task_id":"([^"]+)"')
      do
        sent[source] = id
      end
      assert.equal(("%s\n%s\n"):format(sent["in/take001.wav"],
        sent["in/take002.wav"]), ids)
      assert.equal(2, server:stats().uploads)
    end)

  it("says of a URL that comes again nothing that opens it", function()
    local URL = "'http://tom:hidden@127.0.0.1:9/a.wav?key=hidden'"
    for _, line in ipairs({ "submit", "separate --json" }) do
      local said = run("timeout 60 camb %s %s %s --deadline 1", line, URL, URL)
      assert.matches(line == "submit" and "is the same file as"
        or '"reason":"is named twice"', said, 1, true)
      assert.is_nil(said:find("hidden", 1, true), said)
    end
  end)

  it("waits, then tells the state and the URLs, in lines or in JSON", function()
    local id = submit()
    local run_id, status = run("timeout 60 camb wait %s --interval 0.1 "
      .. "2>/dev/null", id)
    assert.equal(0, status)
    run_id = assert(run_id:match("^" .. id:gsub("%p", "%%%0")
      .. "\t(%d+)\n$") or run_id:match("\t(%d+)\t%-\n$"), run_id)
    assert.equal(("%s\tSUCCESS\t%s\t-\t-\n"):format(id, run_id),
      (run("timeout 60 camb status %s", id)))
    assert.equal(('{"task_id":"%s","status":"SUCCESS","run_id":"%s"}\n'):format(
      id, run_id), (run("timeout 60 camb status %s --json", id)))
    local by_task = run("timeout 60 camb result %s", id)
    assert.matches("^http://%S+foreground%S*\nhttp://%S+background%S*\n$",
      by_task)
    local object = run("timeout 60 camb result %s --json", run_id)
    assert.matches('{"run_id":"%d+","foreground_audio_url":"http[^"]+",'
      .. '"background_audio_url":"http[^"]+"}\n', object)
    assert.equal(1, server:stats().uploads)
  end)

  it("exits with 7 for a task that failed, and says what the service says",
    function()
      server:fault({ step = "status", reply = { status = "ERROR",
        exception_reason = "SOURCE_TOO_LONG" }, times = math.huge })
      local id = submit()
      for _, verb in ipairs({ "status", "wait", "result" }) do
        local output, status = run("timeout 60 camb %s %s", verb, id)
        assert.equal(7, status, output)
        assert.matches("SOURCE_TOO_LONG", output)
        local line = verb ~= "status" and "camb status " .. id or nil
        assert.equal(line, output:match("run: (camb status[^\n]+)"))
      end
    end)

  it("exits with 8 for a task that is not ready, and says how to wait",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local id = submit()
      local output, status = run("timeout 60 camb status %s", id)
      assert.equal(0, status)
      assert.equal(id .. "\tPENDING\t-\t-\t-\n", output)
      output, status = run("timeout 60 camb result %s", id)
      assert.equal(8, status)
      assert.matches("it has no result yet\n", output)
      assert.matches("run: camb wait " .. id .. "\n", output, 1, true)
      output, status = run("timeout 60 camb wait %s --interval 0.05 "
        .. "--max-attempts 2", id)
      assert.equal(8, status)
      assert.matches("run: camb wait " .. id, output, 1, true)
    end)

  it("separates with the patience that its help tells, 60 polls", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local output, status = run("timeout 25 camb separate in/take001.wav -o out "
      .. "--interval 0.05")
    assert.equal(8, status, output)
    assert.matches("max%-attempts N +Number of polls before a timeout. "
      .. "Default: 60.", (run("camb help separate")))
    for verb, default in pairs({ watch = "none",
      batch = "none, but 720 without a store" })
    do
      assert.matches("polls before a timeout. Default: " .. default .. ".",
        (run("camb help " .. verb):gsub("%s+", " ")), 1, true)
    end
  end)

  it("says of an id that the service does not know where the key is from",
    function()
      for _, words in ipairs({ "status nobody", "wait nobody",
        "result nobody", "result 123456789" }) do
        local output, status = run("timeout 60 camb %s", words)
        assert.equal(7, status, output)
        assert.matches("to see what is wrong, run: camb doctor\n", output)
      end
    end)

  it("keeps every id on the screen where a signal ends the waiting", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local id = submit()
    local output = command.interrupt(run, folder, "camb wait " .. id
      .. " --interval 0.05", "PENDING")
    assert.matches("status=130\n", output)
    assert.matches("to resume, run: camb wait " .. id .. " --interval 0.05\n",
      output, 1, true)
  end)

  it("says versions, and helps with each of its verbs", function()
    local output, status = run("camb --version")
    assert.equal(0, status)
    assert.matches("^camb %S+\nLua[^\n]+\nlibcurl/[^\n]+\ncamb%-sandbox: "
      .. "libmicrohttpd [%d.]+, FFmpeg [^\n]+\n$", output)
    for _, entry in ipairs(require("camb.cli").COMMANDS) do
      local helped
      helped, status = run("camb help %s", entry.name)
      assert.equal(0, status)
      assert.equal(helped, (run("camb %s --help", entry.name)))
    end
    output, status = run("camb help nothing")
    assert.equal(2, status)
    assert.matches("unknown command 'nothing'\n", output)
  end)

  it("ends wrong usage with the line that helps", function()
    for words, line in pairs({ ["status"] = "camb help status",
      ["nothing"] = "camb help", ["wait x --interval 0"] = "camb help wait",
      ["download --name x a b"] = "camb help download",
      ["help nothing"] = "camb help" }) do
      local output, status = run("camb %s", words)
      assert.equal(2, status)
      assert.equal(line, output:match("run: (camb[^\n]*)\n$"), output)
    end
  end)

  it("says with which line stems are replaced that are there", function()
    run("mkdir out; touch out/take001.foreground.wav")
    local output, status = run("timeout 60 camb separate in/take001.wav -o out")
    assert.equal(3, status)
    local line = output:match("to separate it anyway %(may be charged%), "
      .. "and replace that file, run: (camb [^\n]+)\n$")
    assert.equal("camb separate in/take001.wav -o out --overwrite", line)
    assert.equal(0, server:stats().uploads)
    assert.equal(0, select(2, run("timeout 60 " .. line)))
  end)

  it("says each thing once, and sends nobody to the doctor for a name", function()
    local output = run("timeout 60 camb status nobody")
    assert.is_nil(output:find("its task is", 1, true), output)
    for _, words in ipairs({ "report nowhere", "report in/take001.wav" }) do
      output = run("camb %s", words)
      assert.is_nil(output:find("doctor", 1, true), output)
    end
  end)

  it("says where to look for the key that the service rejects", function()
    local output, status = run("CAMB_API_KEY=other timeout 60 camb status x")
    assert.equal(4, status)
    assert.matches("to see what is wrong, run: camb doctor\n", output, 1, true)
  end)

  it("counts files, and not the batch that they are of", function()
    server:fault({ step = "submit", status = 402, times = math.huge })
    local output, status = run("timeout 60 camb batch in -o out "
      .. "--outage-timeout 0.1")
    assert.equal(5, status, output)
    assert.matches("\ncamb: the account is out of credit", output, 1, true)
    assert.matches("camb: 0 done, 2 unfinished in", output, 1, true)
  end)

  it("says with which line to try again when payment is required", function()
    server:fault({ step = "submit", status = 402 })
    local output, status = run("timeout 60 camb separate 'in/take001.wav' -o "
      .. "'an out'")
    assert.equal(5, status)
    assert.matches("once you have bought credit, run: camb separate "
      .. "in/take001.wav -o 'an out'\n", output, 1, true)
    server:fault({ step = "submit", status = 402 })
    output = run("timeout 60 camb separate in/take001.wav --api-key %s",
      server.api_key)
    assert.matches("once you have bought credit, run the same line again\n",
      output, 1, true)
  end)
end)
