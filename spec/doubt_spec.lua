-- A file that may have been sent stays so until someone decides: no later run
-- sends it again by itself.

local command = require "spec.support.command"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("a file in doubt", function()
  local server, folder, run

  command.for_each(1, nil, function(...)
    server, folder, run = ...
  end)

  -- The next upload is accepted, and its reply is lost.
  local function lose()
    server:fault({ step = "submit", at = "accepted", close = true })
  end

  local function task_id()
    return assert(run("cat %s/tasks/*/task.json", server.data_dir):match(
      '"task_id": ?"([^"]+)"'))
  end

  local function uploads()
    return server:stats().uploads
  end

  local function camb(number, words)
    local said, status = run("timeout 60 camb " .. words)
    assert.equal(number, status, said)
    return said
  end

  local function camb_is_told(words)
    local said = camb(9, words)
    assert.matches("an earlier run sent this file with an unknown outcome: a "
      .. "task may exist and be charged", said, 1, true)
    return said
  end

  local LINES = { separate = "separate in/take001.wav -o out --interval 0.05",
    batch = "batch in --no-store -o out --interval 0.05",
    submit = "submit in/take001.wav -o out" }

  -- A run whose upload gets no reply; what others send later does.
  local function begin_upload()
    server:fault({ step = "submit", silence = true, times = math.huge })
    command.begin(run, "camb %s >words 2>&1", LINES.separate)
    workspace.wait_for_uploads(server, 1)
    server:clear_faults()
  end

  for name, line in pairs(LINES) do
    it("is not sent again by the same line until it says so: " .. name,
      function()
        lose()
        local said = camb(9, line)
        local again = said:match("\ncamb: if not, to resubmit it %(may be "
          .. "charged twice%), run: camb ([^\n]+)\n$")
        assert.equal(line .. " --resubmit-unknown", again)
        for _ = 1, 3 do
          camb_is_told(line)
        end
        for _, other in pairs(LINES) do
          camb_is_told(other)
        end
        assert.equal(1, uploads())
        lose()
        camb(9, again)
        camb_is_told(line)
        assert.equal(2, uploads())
        camb(0, again)
        camb(0, LINES.separate)
        camb(0, LINES.separate .. " --overwrite")
        assert.equal(3, uploads())
      end)
  end

  it("is listed as one", function()
    lose()
    camb(9, LINES.separate)
    for _, words in ipairs({ LINES.separate, LINES.batch,
      "batch in -o out" })
    do
      local said = camb(0, words .. " -n")
      assert.matches("^failed .* its outcome is unknown: %-%-resubmit%-unknown "
        .. "sends it again\n.* 0 would be sent", said)
      assert.matches("^new ", (camb(0, words .. " -n --resubmit-unknown")))
    end
  end)

  for _, more in ipairs({ "", " --only background",
    " --name '{stem} of {name}'" })
  do
    it("has the task that is downloaded by the line it says:" .. more,
      function()
        lose()
        local line = LINES.separate .. more
        local words = "its task, run: camb ([^\n]+)\n"
        local advised = camb(9, line):match(words)
        assert.equal(advised, (camb_is_told(line):match(words):gsub(
          "%-%-mixture %S+", "--mixture in/take001.wav")))
        camb(0, (advised:gsub("TASK", task_id())))
        camb(0, line)
        assert.equal(1, uploads())
      end)
  end

  it("has the task that is downloaded for a file below a folder", function()
    run("mkdir in/sub; mv in/*.wav in/sub")
    lose()
    local line = camb(9, LINES.batch):match("its task, run: camb ([^\n]+)\n")
    camb(0, (line:gsub("TASK", task_id())))
    assert.is_string(workspace.read(folder
      .. "/out/sub/take001.background.wav"))
    camb(0, LINES.batch)
    assert.equal(1, uploads())
  end)

  it("has the task that is downloaded after camb submit", function()
    lose()
    local said = camb(9, LINES.submit)
    assert.matches("camb download -o out --name take001 TASK\n", said, 1, true)
    camb(0, "download -o out --name other " .. task_id())
    camb_is_told(LINES.separate)
    camb(0, "download -o out --name take001 " .. task_id())
    camb(0, LINES.separate)
    assert.equal(1, uploads())
  end)

  it("is one with its copies, which have one line", function()
    run("cp in/take001.wav in/take002.wav")
    lose()
    local line = "separate in/take001.wav in/take002.wav -o out "
      .. "--interval 0.05"
    for _ = 1, 2 do
      local said = camb(10, line)
      local _, lines = said:gsub("camb download ", "")
      assert.equal(1, lines, said)
      assert.matches("camb download -o out --name take001 TASK\n", said, 1,
        true)
    end
    assert.equal(1, uploads())
    camb(0, "download -o out --name take001 " .. task_id())
    camb(0, line)
    assert.equal(1, uploads())
  end)

  it("that is a URL is not sent again, nor is its secret told", function()
    camb(0, LINES.separate)
    local client = stage.client(server)
    local done = assert(client:task(task_id()):wait({ interval = 0.05,
      max_attempts = 1000 }))
    local stem = assert(client:result(done.id)).foreground_audio_url
    client:close()
    lose()
    local line = ("separate '%s' -o other --interval 0.05"):format(stem)
    for _ = 1, 2 do
      local said = camb(9, line)
      assert.matches("\ncamb: if not, to resubmit it (may be charged twice), "
        .. "run the same line and --resubmit-unknown\n", said, 1, true)
      assert.is_nil(said:find(stem:match("%?.+"), 1, true))
    end
    assert.equal(2, uploads())
    camb(0, line .. " --resubmit-unknown")
    camb(3, line)
    assert.equal(3, uploads())
  end)

  it("stays one if another file's stems are downloaded", function()
    run("cp in/take001.wav in/take002.wav; echo more >>in/take002.wav")
    lose()
    camb(9, LINES.separate)
    camb(0, LINES.separate:gsub("take001", "take002"))
    camb(0, LINES.separate:gsub("take001", "take002") .. " --overwrite")
    camb_is_told(LINES.separate)
    assert.equal(2, uploads())
  end)

  it("of a batch with a store is one for the folder's other lines", function()
    lose()
    camb(9, "batch in -o out")
    for _ = 1, 2 do
      local said = camb_is_told(LINES.separate)
      assert.matches("run: camb jobs --store out/.camb.db --task TASK 1\n", said,
        1, true)
      camb_is_told(LINES.batch)
      camb_is_told(LINES.submit)
    end
    assert.matches("^failed .* its outcome is unknown", camb(0, LINES.separate
      .. " -n"))
    assert.equal(1, uploads())
    camb(0, "jobs --store out/.camb.db --task " .. task_id() .. " 1")
    camb(0, LINES.separate)
    assert.equal(1, uploads())
  end)

  it("of a batch with a store is sent again by another line that says so",
    function()
      lose()
      camb(9, "batch in -o out")
      camb(0, LINES.separate .. " --resubmit-unknown")
      camb(0, LINES.separate .. " --overwrite")
      camb(0, "batch in -o out --resubmit-unknown")
      assert.equal(2, uploads())
    end)

  it("of a batch with a store is not decided by a task that failed before",
    function()
      server:fault({ step = "status", status = 200,
        body = '{"status":"ERROR","run_id":null}' })
      camb(7, LINES.separate)
      lose()
      camb(9, "batch in -o out --interval 0.05")
      for _, line in pairs(LINES) do
        camb_is_told(line)
      end
      assert.equal(2, uploads())
    end)

  it("is one for a batch with a store, which sends it again on request",
    function()
      lose()
      camb(9, LINES.separate)
      for _ = 1, 2 do
        camb(9, "batch in -o out --interval 0.05")
      end
      assert.equal(1, uploads())
      camb(0, "batch in -o out --interval 0.05 --resubmit-unknown")
      assert.equal(2, uploads())
    end)

  it("that was being sent when its run was killed is one for a batch with a "
    .. "store", function()
    begin_upload()
    command.stop("KILL")
    for _ = 1, 2 do
      assert.matches("an earlier run was killed while sending this file",
        camb(9, "batch in -o out --interval 0.05"))
    end
    assert.equal(0, uploads())
  end)

  it("is not sent by another line while a run sends it", function()
    begin_upload()
    run("cp in/take001.wav copy.wav")
    for _, line in ipairs({ LINES.submit, "separate copy.wav -o out",
      "batch copy.wav -o out", "batch copy.wav -o out",
      "separate copy.wav -o out --resubmit-unknown" })
    do
      assert.matches("another run is sending this file: run this again once it "
        .. "has ended\n", camb(1, line), 1, true)
    end
    assert.equal(0, uploads())
    command.stop("KILL")
    assert.matches("an earlier run was killed while sending this file",
      camb(9, "batch copy.wav -o out"), 1, true)
    assert.equal(0, uploads())
  end)

  -- Processes that have looked into the journal, and are about to note that they
  -- send the file: it is locked until all are, and `meanwhile` was called.
  local function race(lines, meanwhile)
    run("mkdir -p out; touch out/.camb-journal; flock out/.camb-journal sh -c "
      .. "'until [ -e go ]; do sleep 0.01; done' >held 2>&1 & true")
    local inode = run("stat -c %i out/.camb-journal"):match("%d+")
    local function wait_for(mark, count)
      workspace.wait_for(mark, function()
        local _, found = workspace.read("/proc/locks"):gsub("%f[%-%w]" .. mark
          .. "%s[^\n]*:" .. inode .. " ", "")
        return found == count
      end)
    end
    wait_for("FLOCK", 1)
    for _, line in ipairs(lines) do
      run("(timeout 60 camb %s; echo status=$?) >>words 2>&1 & true", line)
    end
    wait_for("-> FLOCK", #lines)
    if meanwhile then
      meanwhile()
    end
    run("touch go")
    return workspace.wait_for("the end", function()
      local words = workspace.read(folder .. "/words") or ""
      return select(2, words:gsub("status=", "")) == #lines and words
    end)
  end

  for name, line in pairs(LINES) do
    it("is sent by one of two processes that begin at once: " .. name,
      function()
        run("mkdir copies; cp in/take001.wav copies/copy.wav")
        local words = race({ line, (line:gsub("in/take001.wav",
          "copies/copy.wav"):gsub("batch in ", "batch copies ")) })
        assert.matches("another run is sending this file: run this again once "
          .. "it has ended\n", words, 1, true)
        assert.matches("status=0\n", words, 1, true)
        assert.matches("status=1\n", words, 1, true)
        camb(0, (line:gsub("in/take001.wav", "copies/copy.wav")))
        assert.equal(1, uploads())
      end)
  end

  for _, before in ipairs({ "true", "camb batch other.wav -o out" }) do
    it("is not sent by a line that has looked before a batch did: " .. before,
      function()
        run("cp in/take001.wav copy.wav; { cat copy.wav; echo; } >other.wav; "
          .. before)
        local had = uploads()
        local words = race({ "separate copy.wav -o out" }, function()
          camb(0, "batch in -o out --interval 0.05")
        end)
        assert.matches("another run is sending this file: run this again once "
          .. "it has ended\n", words, 1, true)
        camb(0, "separate copy.wav -o out")
        assert.equal(had + 1, uploads())
      end)
  end

  it("is in none where a store that cannot be read has come meanwhile",
    function()
      local words = race({ "separate in/take001.wav -o out" }, function()
        run("echo damaged >out/.camb.db")
      end)
      assert.matches("what was paid for in this folder is unknown", words, 1,
        true)
      assert.equal(0, uploads())
      run("rm out/.camb.db")
      camb(0, LINES.separate)
    end)

  describe("that a batch with a store", function()
    local had

    local function in_store(sql)
      local said, status = run("sqlite3 -cmd '.timeout 60000' out/.camb.db "
        .. '"%s"', sql)
      assert.equal(0, status, said)
      return said
    end

    -- The batch has looked, and can record nothing before `release`.
    before_each(function()
      run("{ cat in/take001.wav; echo; } >other.wav")
      camb(0, "batch other.wav -o out --interval 0.05")
      had = uploads()
      in_store("CREATE TRIGGER hold BEFORE UPDATE ON camb_jobs WHEN "
        .. "new.state = 'submitting' BEGIN SELECT RAISE(ABORT, 'it is held'); "
        .. "END; CREATE TABLE given_back (id); CREATE TRIGGER note AFTER UPDATE "
        .. "ON camb_jobs WHEN old.state = 'submitting' AND "
        .. "new.state = 'intended' BEGIN INSERT INTO given_back "
        .. "VALUES (new.id); END")
      command.begin(run, "camb batch in -o out --interval 0.05 >words 2>&1")
      workspace.wait_for("the look", function()
        return workspace.read(folder .. "/words"):find("it is held", 1, true)
      end)
    end)

    local function release()
      in_store("DROP TRIGGER hold")
    end

    -- The batch did, and all was sent once.
    local function ends_well()
      workspace.wait_for("the stems", function()
        return workspace.read(folder .. "/words"):find(
          "take001.background.wav", 1, true)
      end)
      assert.equal(had + 1, uploads())
    end

    it("has looked for is not sent by it if another line did", function()
      camb(0, "submit in/take001.wav -o out")
      release()
      ends_well()
    end)

    -- Another process begins, and goes on once the batch has seen it.
    local function begin_both()
      local client = stage.client(server, { journal = folder
        .. "/out/.camb-journal" })
      local stems, err = client:separate(folder .. "/in/take001.wav", {
        output_dir = folder .. "/stems", interval = 0.05, max_attempts = 1000,
        on_event = function(event)
          if event.name == "upload_started" then
            release()
            workspace.wait_for("the batch to step back", function()
              return in_store("SELECT id FROM given_back") ~= ""
            end)
          end
        end })
      client:close()
      return stems, err
    end

    it("begins to send at once with another line is sent by that line",
      function()
        assert(begin_both())
        ends_well()
      end)

    it("begins to send at once with a line that is refused is sent by the batch",
      function()
        server:fault({ step = "submit", status = 402 })
        assert.equal("payment_required", select(2, begin_both()).kind)
        ends_well()
      end)
  end)

  it("is sent once by camb submit, which another run waits for", function()
    server:fault({ step = "submit", silence = true, times = math.huge })
    command.begin(run, "camb %s >words 2>&1", LINES.submit)
    workspace.wait_for_uploads(server, 1)
    server:clear_faults()
    for _, line in pairs(LINES) do
      assert.matches("another run is sending this file: run this again once it "
        .. "has ended\n", camb(1, line .. " --resubmit-unknown"), 1, true)
    end
    command.stop("KILL")
    assert.matches("an earlier run was killed while sending this file",
      camb(9, LINES.submit), 1, true)
    assert.equal(0, uploads())
  end)

  it("is sent once with its copies on request", function()
    run("cp in/take001.wav in/take002.wav")
    begin_upload()
    command.stop("KILL")
    camb(0, LINES.batch .. " --resubmit-unknown")
    assert.equal(1, uploads())
  end)

  describe("in Lua", function()
    local client, take, out

    before_each(function()
      client = stage.client(server, { journal = folder .. "/journal" })
      take, out = folder .. "/in/take001.wav", folder .. "/stems"
    end)

    after_each(function()
      client:close()
    end)

    local CALLS = {
      submit = function(options)
        return client:submit(take, options)
      end,
      separate = function(options)
        return client:separate(take, stage.with({ output_dir = out,
          interval = 0.05, max_attempts = 1000 }, options))
      end,
      batch = function(options)
        local stems, err
        for item in client:batch({ take }, stage.with({ output_dir = out,
          interval = 0.05, max_attempts = 1000 }, options))
        do
          stems, err = item.stems, item.error
        end
        return stems, err
      end,
    }

    for name, call in pairs(CALLS) do
      it("is not sent again unless resubmit_unknown says so: " .. name,
        function()
          lose()
          for number = 1, 3 do
            local _, err = call()
            assert.equal("unknown_outcome", err.kind)
            assert.equal(number > 1, err.message:find(
              "before you send it again with resubmit_unknown = true", 1, true)
              ~= nil)
          end
          assert.equal(1, uploads())
          assert(call({ resubmit_unknown = true }))
          assert.equal(2, uploads())
        end)
    end

    it("takes the task that another process got while it was looked at",
      function()
        local said, status = run("ffmpeg -v error -i %s in/a.aiff; "
          .. "cp in/a.aiff copy.aiff; cp in/a.aiff other.aiff", take)
        assert.equal(0, status, said)
        client:close()
        client = stage.client(server, { journal = out .. "/.camb-journal" })
        local tasks = {}
        for item in client:batch({ folder .. "/in/a.aiff" }, { output_dir = out,
          convert = true, probe = true, interval = 0.05,
          max_attempts = 1000, on_event = function(event)
            if event.name == "probed" then
              camb(0, "separate copy.aiff -o stems --convert --interval 0.05")
            end
            tasks[#tasks + 1] = event.name == "resumed" and event.task_id or nil
          end })
        do
          assert.is_nil(item.error)
        end
        assert.same({ task_id() }, tasks)
      end)

    it("is one once a listener has raised", function()
      client:close()
      client = stage.client(server, { journal = out .. "/.camb-journal" })
      run("mkdir stems")
      server:fault({ step = "submit", at = "accepted", silence = true })
      assert.has_error(function()
        client:submit(take, { on_event = function(event)
          if event.bytes and event.bytes == event.total then
            error("no", 0)
          end
        end })
      end, "no")
      assert.matches("an earlier run sent this file with an unknown outcome",
        camb(9, "submit in/take001.wav -o stems"), 1, true)
    end)

    for _, store in ipairs({ "no store", "a store" }) do
      local function begin_batch(on_event)
        client:close()
        client = stage.client(server, { journal = out .. "/.camb-journal" })
        return client:batch({ take }, { output_dir = out, on_event = on_event,
          store = store == "a store" and folder .. "/a.db" or nil })
      end

      -- A batch whose upload has come, and gets no reply.
      local function begin_to_send()
        server:fault({ step = "submit", at = "accepted", silence = true })
        local batch = begin_batch()
        workspace.wait_for("the upload", function()
          client:step(0)
          return uploads() == 1
        end)
        return batch
      end

      it("is not sent by another line while a batch sends it, with " .. store,
        function()
          local batch = begin_to_send()
          assert.matches("another run is sending this file", camb(1,
            "submit in/take001.wav -o stems"), 1, true)
          batch:close()
          assert.equal(1, uploads())
        end)

      it("is one once a batch was closed while it sent it, with " .. store,
        function()
          begin_to_send():close()
          client:step(0) -- its jobs end
          assert.matches("an earlier run sent this file with an unknown outcome",
            camb(9, "submit in/take001.wav -o stems"), 1, true)
          assert.equal("unknown_outcome", select(2, CALLS.submit()).kind)
          assert.equal(1, uploads())
        end)

      it("is in none once a batch was closed before it was sent, with " .. store,
        function()
          local batch, has_begun
          batch = begin_batch(function(event)
            if event.name == "upload_started" then
              has_begun = true
              batch:close()
            end
          end)
          workspace.wait_for("the upload", function()
            client:step(0)
            return has_begun
          end)
          assert(CALLS.submit())
          assert.equal(1, uploads())
        end)
    end

    it("stays one whatever task its file has from before", function()
      assert(CALLS.submit())
      lose()
      for _ = 1, 2 do
        assert.equal("unknown_outcome", select(2, CALLS.submit()).kind)
        assert.equal("unknown_outcome", select(2, CALLS.separate()).kind)
      end
      assert.equal(2, uploads())
      assert(CALLS.submit({ resubmit_unknown = true }))
      assert(CALLS.submit()) -- decided: it is paid for on request, as ever
      assert.equal(4, uploads())
    end)

    it("has the task whose stems are downloaded under its names", function()
      lose()
      CALLS.separate()
      local found = assert(client:task(task_id()):wait({ interval = 0.05,
        max_attempts = 1000 }))
      assert(client:download(found, { output_dir = out, name = "take001" }))
      assert(CALLS.batch())
      assert.equal(takes.wav(1), workspace.read(out .. "/take001.foreground.wav"))
      assert.equal(1, uploads())
    end)
  end)
end)
