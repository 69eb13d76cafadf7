-- What the command says and keeps of tasks that are paid for, and how their stems
-- are fetched without paying again.

local journal = require "camb.journal"
local scripted = require "spec.support.scripted"
local shell = require "spec.support.command"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"

describe("for a task that is paid for, camb", function()
  local server, folder, run_there, take

  shell.for_each(2, nil, function(...)
    server, folder, run_there = ...
    take = { folder .. "/in/take001.wav", folder .. "/in/take002.wav" }
  end)

  local function run(words, ...)
    return run_there("timeout 60 " .. words:format(...))
  end

  local function interrupt(line, signal, mark)
    return shell.interrupt(run_there, folder, line, mark, { signal = signal })
  end

  local function told_line(words)
    return assert(words:match("without paying again, run: (camb download [^\n]+)"),
      words)
  end

  local function is_whole(name)
    for _, stem in ipairs({ "foreground", "background" }) do
      assert.is_string(workspace.read(("%s/out/%s.%s.wav"):format(folder, name,
        stem)), name)
    end
    assert.same({}, (journal.open_entries(folder .. "/out/.camb-journal")))
  end

  for signal, expected in pairs({ INT = 130, TERM = 143, HUP = 129,
    QUIT = 131 })
  do
    for _, command in ipairs({ "separate in/take001.wav",
      "batch --no-store in" }) do
      it(("tells the line that fetches its stems where %s ends camb %s"):format(
        signal, command), function()
        server:fault({ step = "status", reply = { status = "PENDING" },
          times = math.huge })
        local words = interrupt(("camb %s -o out --interval 0.05"):format(
          command), signal, "says PENDING")
        assert.matches(("status=%d\n"):format(expected), words)
        assert.matches("camb: interrupted by SIG" .. signal, words)
        local line = told_line(words)
        assert.is_nil(words:find('client:task', 1, true))
        server:clear_faults()
        local output, status = run("%s", line)
        assert.equal(0, status, output)
        local name = line:match("%-%-name (%S+)")
        assert.matches(name .. ".foreground.wav\n", output)
        assert.is_string(workspace.read(folder .. "/out/" .. name
          .. ".background.wav"))
        if not command:find("batch") then
          is_whole(name)
          assert.equal(1, server:stats().uploads)
        end
      end)
    end
  end

  it("tells of every task of a batch, and fetches all that a folder waits for",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local words = interrupt("camb batch --no-store in -o out --interval 0.05", "INT",
        "take002.*PENDING")
      local _, count = words:gsub("camb download ", "")
      assert.equal(2, count, words)
      server:clear_faults()
      local output, status = run("camb download -o out")
      assert.equal(0, status, output)
      is_whole("take001")
      is_whole("take002")
      assert.equal(2, server:stats().uploads)
    end)

  it("says where a paid stem cannot go if its folder is removed, and the line "
    .. "that fetches it", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local pid = run_there("camb separate in/take001.wav -o out --interval 0.05 "
      .. ">words 2>&1 & echo $!"):match("%d+")
    workspace.wait_for("its task", function()
      return (workspace.read(folder .. "/words") or ""):find("says PENDING")
    end)
    run_there("rm -r out")
    server:clear_faults()
    workspace.wait_for_end(pid)
    local words = workspace.read(folder .. "/words")
    assert.matches("ground.part\" cannot be written: No such file or directory\n",
      words, 1, true)
    local output, status = run("%s", told_line(words))
    assert.equal(0, status, output)
    is_whole("take001")
    assert.equal(1, server:stats().uploads)
  end)

  it("says that nobody knows of a file that was being sent", function()
    server:fault({ step = "submit", silence = true, times = math.huge })
    for i, command in ipairs({ "separate in/take001.wav",
      "batch --no-store in" }) do
      shell.begin(run_there, "exec env --default-signal camb %s --drain 1 -o out "
        .. ">paths 2>words", command)
      workspace.wait_for_uploads(server, i)
      shell.stop("INT")
      local words = workspace.read(folder .. "/words")
      assert.matches("take001.wav: .*a task may exist and be charged", words)
      assert.matches("camb: interrupted", words)
    end
  end)

  it("takes a reply that came while it was stopped, whatever time has passed",
    function()
      workspace.write(take[1], takes.wav(1, 2 ^ 20))
      local peer = scripted.start([[
        local connection, number = ...
        if connection:upload() and number == 1 then
          print("taken")
          require("cqueues").sleep(3)
          connection:reply(200, '{"task_id":"paid"}')
          connection:hang()
        end]])
      finally(peer.stop)
      local pid = run_there("CAMB_API_KEY=k CAMB_BASE_URL=%s camb separate "
        .. "in/take001.wav -o out --reply-timeout 5 >words 2>&1 & echo $!",
        peer.base_url):match("%d+")
      workspace.wait_for("the upload", function()
        return peer.log():find("taken")
      end)
      run_there("sleep 1.5; kill -STOP %s; sleep 5; kill -CONT %s", pid, pid)
      workspace.wait_for("the outcome", function()
        return workspace.read(folder .. "/words"):find("submitted as task paid\n")
          or not workspace.is_running(pid)
      end)
      assert.is_true(workspace.is_running(pid),
        workspace.read(folder .. "/words"))
      workspace.stop(pid, "KILL")
    end)

  it("never writes over its id on a terminal", function()
    local words = run_there("script -qec 'camb separate "
      .. "in/take001.wav -o out --interval 0.05' /dev/null")
    assert.matches("submitted as task [^\r\n ]+\r?\n", words)
  end)

  it("tells how to fetch its stems where a download fails, and to pay for "
    .. "nothing", function()
    server:fault({ step = "stem", status = 403, times = math.huge })
    local words, status = run("camb separate in/take001.wav -o out "
      .. "--interval 0.05 --deadline 5")
    assert.equal(4, status)
    assert.is_nil(words:find("overwrite", 1, true))
    assert.is_nil(words:find("client:", 1, true))
    local line = told_line(words)
    server:clear_faults()
    local output
    output, status = run("%s", line)
    assert.equal(0, status, output)
    is_whole("take001")
    assert.equal(1, server:stats().uploads)
  end)

  it("says in Lua's words how to fetch its stems", function()
    local client = require("camb").client({ base_url = server.base_url,
      api_key = server.api_key })
    local out = folder .. "/it's \"here\""
    server:fault({ step = "stem", status = 404, times = math.huge })
    local _, first = client:separate(take[1], { output_dir = out,
      interval = 0.05, deadline = 5 })
    local second
    for item in client:batch({ take[2] }, { output_dir = out, interval = 0.05,
      deadline = 5 })
    do
      second = item.error
    end
    server:clear_faults()
    for i, err in ipairs({ first, second }) do
      assert.is_nil(err.message:find("overwrite", 1, true))
      local line = assert(err.message:match("at no cost with (client:.*)$"),
        err.message)
      local stems = assert(assert((loadstring or load)("local client = ...; return " .. line))(
        client))
      assert.equal(("%s/take00%d.foreground.wav"):format(out, i),
        stems.foreground)
    end
    assert.equal(2, server:stats().uploads)
    client:close()
  end)

  it("takes it up where the same line is run again", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    interrupt("camb separate in/take001.wav -o out --interval 0.05", "KILL",
      "says PENDING")
    server:clear_faults()
    local output, status = run("camb separate in/take001.wav -o out "
      .. "--interval 0.05")
    assert.equal(0, status, output)
    assert.matches("resuming task", output)
    is_whole("take001")
    assert.equal(1, server:stats().uploads)
  end)

  it("takes it up where the same batch is run again", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    interrupt("camb batch --no-store in -o out --interval 0.05", "KILL",
      "take002.*PENDING")
    server:clear_faults()
    local output, status = run("camb batch --no-store in -o out --interval 0.05")
    assert.equal(0, status, output)
    is_whole("take001")
    is_whole("take002")
    assert.equal(2, server:stats().uploads)
  end)

  it("does not take it for that of another recording of the same name",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      interrupt("camb separate in/take001.wav -o out --interval 0.05", "KILL",
        "says PENDING")
      server:clear_faults()
      workspace.write(take[1], takes.wav(9, 500))
      local output, status = run("camb separate in/take001.wav -o out "
        .. "--interval 0.05")
      assert.equal(0, status, output)
      assert.equal(takes.wav(9, 500),
        workspace.read(folder .. "/out/take001.foreground.wav"))
      assert.equal(2, server:stats().uploads)
    end)

  it("is not advised again for a task that the service does not know",
    function()
      local said, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
        .. "%s/bin/camb download -o %s no-such-task"):format(server.api_key,
        server.base_url, BUILD, folder))
      assert.equal(7, status, said)
      assert.matches("check the id", said)
      assert.is_nil(said:find("camb download", 1, true), said)
    end)

  it("goes on from a stem that is there, and replaces no other file", function()
    server:fault({ step = "stem", status = 404, times = math.huge })
    local words = run("camb separate in/take001.wav -o out --interval 0.05 "
      .. "--deadline 5")
    server:clear_faults()
    local line = told_line(words)
    workspace.write(folder .. "/out/take001.background.wav", "my own work")
    workspace.write(folder .. "/out/take001.foreground.wav", takes.wav(1))
    local output, status = run("%s", line)
    assert.equal(3, status)
    assert.matches("take001.background.wav\" already exists: use --overwrite",
      output, 1, true)
    assert.equal(line .. " --overwrite",
      output:match("to replace it, run: (camb [^\n]+)\n"))
    assert.equal("my own work",
      workspace.read(folder .. "/out/take001.background.wav"))
    os.remove(folder .. "/out/take001.background.wav")
    output, status = run("%s", line)
    assert.equal(0, status, output)
    is_whole("take001")
    assert.equal(1, server:stats().uploads)
  end)

  for _, words in ipairs({ "", "--format mp3", "--name '{stem} of {name}'",
    "--only foreground --foreground-dir voice" })
  do
    it(("tells the line that replaces an edited stem: separate %s"):format(words),
      function()
        local typed = "camb separate in/take001.wav -o out --interval 0.05 "
          .. words
        local paths, status = run("%s 2>words", typed)
        assert.equal(0, status, paths)
        local edited = folder .. "/" .. paths:match("[^\n]+")
        workspace.write(edited, "edited")
        local said
        said, status = run("%s", typed)
        assert.equal(3, status, said)
        assert.matches("already exists: use --overwrite to replace it", said, 1,
          true)
        assert.is_nil(said:find("another --output-dir", 1, true), said) -- paid
        local line = said:match("to download its stems without paying again, "
          .. "and replace that file, run: (camb download [^\n]+)\n$")
        said, status = run("%s", line)
        assert.equal(0, status, said)
        assert.not_equal("edited", workspace.read(edited))
        assert.equal(1, server:stats().uploads)
      end)
  end

  it("says each time that a file may have been sent by a run that was killed",
    function()
      server:fault({ step = "submit", silence = true, times = math.huge })
      shell.begin(run_there, "exec camb separate in/take001.wav -o out "
        .. ">paths 2>words")
      workspace.wait_for_uploads(server, 1)
      shell.stop("KILL")
      server:clear_faults()
      local line = "camb separate in/take001.wav -o out --interval 0.05"
      for _ = 1, 2 do
        local output, status = run(line)
        assert.equal(9, status)
        assert.matches("an earlier run was killed while sending this file",
          output)
      end
      assert.equal(0, server:stats().uploads)
      local output, status = run(line .. " --resubmit-unknown")
      assert.equal(0, status, output)
      is_whole("take001")
      assert.equal(0, select(2, run(line .. " --overwrite")))
      assert.equal(1, server:stats().uploads)
    end)

  it("fetches the stems of a run by its digits", function()
    local client = require("camb").client({ base_url = server.base_url,
      api_key = server.api_key })
    local urls = assert(client:separate(take[1], { download = false,
      interval = 0.05, max_attempts = 1000 }))
    client:close()
    local output, status = run("camb download %s -o out --name x", urls.run_id)
    assert.equal(0, status, output)
    is_whole("x")
  end)

  it("replaces stems that are there, and makes missing ones, without paying again",
    function()
      local line = "timeout 60 camb separate in/take001.wav -o out --interval 0.05"
      assert.equal(0, select(2, run(line)))
      for _, words in ipairs({ "--overwrite", "", "--overwrite" }) do
        local output, status = run(line .. " " .. words)
        assert.equal(0, status, output)
        is_whole("take001")
        assert.equal(1, server:stats().uploads)
      end
      run("rm out/*.wav")
      local output, status = run(line)
      assert.equal(0, status, output)
      assert.matches("already paid for\n", output)
      is_whole("take001")
      assert.equal(1, server:stats().uploads)
    end)

  it("knows a recording by its content, whatever its file's times say",
    function()
      local line = "camb separate in/take001.wav -o out --overwrite "
        .. "--interval 0.05"
      assert.equal(0, select(2, run(line)))
      run("touch in/take001.wav")
      assert.equal(0, select(2, run(line)))
      assert.equal(1, server:stats().uploads)
      run("cp -p in/take001.wav old; cp in/take002.wav in/take001.wav; "
        .. "touch -r old in/take001.wav")
      assert.equal(0, select(2, run(line)))
      assert.equal(takes.wav(2),
        workspace.read(folder .. "/out/take001.foreground.wav"))
      assert.equal(2, server:stats().uploads)
      run("cp -p old in/take001.wav")
      assert.equal(0, select(2, run(line)))
      assert.equal(takes.wav(1),
        workspace.read(folder .. "/out/take001.foreground.wav"))
      assert.equal(2, server:stats().uploads)
    end)

  it("knows the copies that share it by their content, too", function()
    run("cp in/take001.wav in/copy.wav")
    local line = "camb separate in/take001.wav in/copy.wav -o out --overwrite "
      .. "--interval 0.05"
    assert.equal(0, select(2, run(line)))
    run("cp -p in/copy.wav old; cp in/take002.wav in/copy.wav; "
      .. "touch -r old in/copy.wav")
    assert.equal(0, select(2, run(line)))
    assert.equal(takes.wav(2),
      workspace.read(folder .. "/out/copy.foreground.wav"))
    assert.equal(2, server:stats().uploads)
  end)

  it("pays for none of the files that share it again", function()
    run("cp in/take001.wav in/copy.wav")
    local line = "camb separate in/take001.wav in/copy.wav -o out --interval 0.05"
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    interrupt(line, "KILL", "copy.wav: the service says PENDING")
    server:clear_faults()
    for _, words in ipairs({ "", "--overwrite", "--overwrite" }) do
      local output, status = run("%s", line .. " " .. words)
      assert.equal(0, status, output)
      is_whole("take001")
      is_whole("copy")
      assert.equal(1, server:stats().uploads)
    end
    run("rm out/copy.*")
    assert.equal(0, select(2, run("%s", line)))
    is_whole("copy")
    assert.equal(1, server:stats().uploads)
  end)

  it("pays again for what the service has forgotten, and for another recording",
    function()
      local line = "timeout 60 camb separate in/take001.wav -o out --overwrite "
        .. "--interval 0.05"
      assert.equal(0, select(2, run(line)))
      server:fault({ step = "status", status = 404, times = math.huge })
      local output, status = run(line)
      assert.equal(7, status, output)
      server:clear_faults()
      output, status = run(line)
      assert.equal(0, status, output)
      assert.equal(2, server:stats().uploads)
      workspace.write(folder .. "/in/take001.wav", takes.wav(3))
      assert.equal(0, select(2, run(line)))
      assert.equal(3, server:stats().uploads)
    end)

  -- Each has paid for it in the folder, and has made its stems.
  local PAYING = { batch = "batch in", separate = "separate in/take001.wav",
    ["batch --no-store"] = "batch --no-store in" }
  for name, paying in pairs(PAYING) do
    it("pays for no recording again after camb " .. name .. ", wherever it lies",
      function()
        local output, status = run("camb %s -o out --interval 0.05", paying)
        assert.equal(0, status, output)
        local uploads = server:stats().uploads
        run("mkdir other; cp in/take001.wav other/copy.wav; "
          .. "ln -s ../in/take001.wav other/link.wav; rm out/*.wav")
        for _, words in ipairs({ "in/take001.wav", "in/take001.wav --overwrite",
          "other/copy.wav", "other/link.wav", "- <in/take001.wav",
          "in/take001.wav --name '{stem} of {name}'",
          "in/take001.wav --only background --overwrite" })
        do
          output, status = run("camb separate %s -o out --interval 0.05", words)
          assert.equal(0, status, output)
          assert.matches("already paid for\n", output)
        end
        assert.equal(takes.wav(1),
          workspace.read(folder .. "/out/foreground of take001.wav"))
        assert.equal(uploads, server:stats().uploads)
      end)
  end

  it("takes up what a batch with a store was interrupted at", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    interrupt("camb batch in -o out --interval 0.05", "KILL",
      "take002.*PENDING")
    server:clear_faults()
    local output, status = run("camb submit in/take001.wav -o out")
    assert.equal(0, status, output)
    output, status = run("camb separate in/take001.wav -o out --interval 0.05")
    assert.equal(0, status, output)
    is_whole("take001")
    assert.equal(2, server:stats().uploads)
  end)

  it("is sent again once the service has forgotten the task of a store",
    function()
      assert.equal(0, select(2, run("camb batch in -o out --interval 0.05")))
      local line = "camb separate in/take001.wav -o out --overwrite "
        .. "--interval 0.05"
      server:fault({ step = "status", status = 404, times = math.huge })
      assert.equal(7, select(2, run(line)))
      server:clear_faults()
      assert.equal(0, select(2, run(line)))
      assert.equal(3, server:stats().uploads)
    end)

  it("says each time that a batch may have sent a file when it was killed",
    function()
      server:fault({ step = "submit", silence = true, times = math.huge })
      interrupt("camb batch in/take001.wav -o out", "KILL", "uploading")
      server:clear_faults()
      local line = "camb separate in/take001.wav -o out --interval 0.05"
      for _ = 1, 2 do
        local output, status = run(line)
        assert.equal(9, status, output)
        assert.matches("an earlier run was killed while sending this file",
          output)
      end
      assert.equal(0, select(2, run(line .. " --resubmit-unknown")))
      is_whole("take001")
    end)

  it("is not looked for in the store of another service", function()
    assert.equal(0, select(2, run("camb batch in/take001.wav -o out "
      .. "--interval 0.05")))
    local output, status = run("camb separate in/take001.wav -o out --overwrite "
      .. "--interval 0.05 --base-url %s",
      (server.base_url:gsub("127.0.0.1", "localhost")))
    assert.equal(0, status, output)
    assert.equal(2, server:stats().uploads)
  end)

  it("is not paid for where the store in the folder cannot be read", function()
    run("mkdir out; echo nonsense >out/.camb.db")
    local output, status = run("camb separate in/take001.wav -o out")
    assert.is_not.equal(0, status)
    assert.matches("what was paid for in this folder is unknown %(", output)
    assert.matches("): mend that, or use another --output-dir (may be charged "
      .. "twice)\ncamb: once that is fixed, run: camb separate in/take001.wav "
      .. "-o out\n", output, 1, true)
    assert.equal(0, server:stats().uploads)
  end)

  it("quotes what a shell would read otherwise", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    workspace.write(folder .. "/in/it's a $(take).wav", takes.wav(3))
    local words = interrupt("camb separate in/it\\'s\\ a\\ \\$\\(take\\).wav "
      .. "-o 'my stems' --interval 0.05", "INT", "says PENDING")
    server:clear_faults()
    local output, status = run("%s", told_line(words))
    assert.equal(0, status, output)
    assert.equal("my stems/it's a $(take).foreground.wav\n"
      .. "my stems/it's a $(take).background.wav\n", output:match("my stems/.*"))
  end)

  for _, place in ipairs({ "", "--no-store" }) do
    it(("lets uploads under way get their reply when it ends: batch %s"):format(
      place), function()
      takes.make(folder .. "/in", 12)
      server:fault({ step = "submit", reply = { task_id = "T-1" },
        slow = "headers", pace = 0.01, times = math.huge })
      shell.begin(run_there, "exec camb batch in -j 4 -o out --interval 0.05 "
        .. "%s >words 2>&1", place)
      workspace.wait_for_uploads(server, 4)
      shell.stop("TERM")
      local words = workspace.read(folder .. "/words")
      assert.matches("finishing uploads under way", words)
      assert.is_nil(words:find("unknown", 1, true), words)
      if place == "" then
        local output = run("camb batch -o out --status")
        assert.matches("intended +8\n", output)
        assert.matches("submitted +4\n", output)
      else
        assert.matches("T%-1", words)
      end
    end)
  end
end)
