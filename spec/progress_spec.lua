-- What the command says while it works: in a real terminal, in a pipe, as JSON.

local cjson = require "cjson"
local events = require "camb.events"
local runner = require("spec.support.command").runner
local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local terminal = require "spec.support.terminal"
local workspace = require "spec.support.workspace"

-- Two columns each, and a letter with an accent of its own.
local NAMES = { "短い名前の録音ファイルはとても長いのです", "cafe\204\129 in Koln",
  "take three" }

describe("what the command says while it works", function()
  local server, folder, log

  before_each(function()
    folder = workspace.folder()
    log = folder .. "/log"
    server = assert(sandbox.start({ engine = takes.engine(folder),
      workers = 4 }))
    workspace.run(("mkdir %s/in"):format(folder))
    for i, name in ipairs(NAMES) do
      workspace.write(("%s/in/%s.wav"):format(folder, name), takes.wav(i))
    end
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function run(words)
    return runner(folder, server)("export LC_ALL=C.UTF-8 TERM=xterm; "
      .. words)
  end

  -- Run it in a terminal until it ends.
  local function in_terminal(command, width, keys)
    local said, status = run(terminal.line(command, width, log,
      keys or "true"))
    return terminal.read(log), status, said
  end

  -- Start it there, and wait until its log has `mark`.
  local function start(command, width, mark, keys)
    run(("{ %s; } >/dev/null 2>&1 & true"):format(terminal.line(command, width, log,
      keys or "for i in $(seq 1000); do grep -q \"^Script done\" " .. log
      .. " && break; sleep 1; done")))
    workspace.wait_for(mark, function()
      return terminal.read(log):find(mark)
    end)
  end

  local function finish()
    workspace.wait_for("its end", function()
      return (workspace.read(log) or ""):find("Script done")
    end)
    server:clear_faults()
    return terminal.read(log)
  end

  local function hang(step)
    server:fault(step == "status" and { step = "status",
      reply = { status = "PENDING" }, times = math.huge }
      or { step = step, silence = true, times = math.huge })
  end

  for _, width in ipairs({ 40, 80, 200 }) do
    it(("fits a terminal of %d columns, with names of any width"):format(width),
      function()
        server:fault({ step = "status", reply = { status = "PENDING" },
          times = 6 })
        local bytes, status = in_terminal("camb batch in -o out --interval 0.3",
          width)
        assert.equal(0, status, bytes)
        local frames, widest = terminal.frames(bytes), 0
        for _, frame in ipairs(frames) do
          local drawn = frame:match("\27%[%?7l(.*)\27%[%?7h")
          widest = math.max(widest, terminal.width(drawn))
        end
        assert.is_true(#frames > 3, #frames)
        assert.is_true(widest < width, widest)
        local lines, is_lost = terminal.show(bytes, width)
        assert.is_false(is_lost)
        local shown = table.concat(lines, "\n")
        assert.is_nil(shown:find("separating", 1, true), shown)
        assert.matches("camb: 3 done", shown, 1, true)
        assert.is_truthy(bytes:find("separating, 0:0", 1, true))
        assert.is_truthy(bytes:find("of 3 done", 1, true))
      end)
  end

  it("is drawn again at once below the paths of stems", function()
    server:fault({ step = "status", reply = { status = "PENDING" }, times = 6 })
    local bytes = in_terminal("camb batch in -o out --interval 0.3", 80)
    local count = 0
    for behind in bytes:gmatch("background%.%w+\r\n()") do
      count = count + 1
      local frame = terminal.frames(bytes:sub(behind))[1] or ""
      assert.equal(behind, bytes:find("\27[?2026h", behind, true), bytes)
      assert.matches(count .. " of 3 done", frame, 1, true)
    end
    assert.equal(3, count)
  end)

  it("keeps each id that is paid for on the terminal", function()
    local bytes = in_terminal("camb batch in -o out --interval 0.1", 40)
    local shown = table.concat((terminal.show(bytes, 40)))
    local count = 0
    for id in bytes:gmatch("submitted as task ([%w_-]+)") do
      count = count + 1
      assert.is_truthy(shown:find(id, 1, true), shown)
    end
    assert.equal(3, count)
  end)

  it("follows a terminal that changes its size", function()
    hang("status")
    start("camb batch in -o out --interval 0.3", 100, "separating")
    local function resize(columns)
      run(("stty -F $(cat %s.tty) cols %d"):format(log, columns))
      local size = #terminal.read(log)
      workspace.wait_for("more frames", function()
        return #terminal.frames(terminal.read(log):sub(size + 1)) > 3
      end)
      local frames = terminal.frames(terminal.read(log))
      return terminal.width(frames[#frames]:match("\27%[%?7l(.*)\27%[%?7h"))
    end
    local narrow, wide = resize(40), resize(150)
    server:clear_faults()
    finish()
    assert.is_true(narrow < 40, narrow)
    assert.is_true(wide > 60 and wide < 150, wide)
  end)

  it("reaches a terminal in one write per frame, which never clears it",
    function()
      if os.getenv("SANITIZER") then
        pending("a sanitizer cannot be traced")
        return
      end
      local bytes = in_terminal(("strace -f -s 4000 -o %s/trace -e trace=write "
        .. "-e write=2 camb batch in -o out --interval 0.2"):format(folder), 80)
      assert.is_nil(bytes:find("\27[2J", 1, true))
      assert.is_nil(bytes:find("\27c", 1, true))
      local frames = 0
      for written in workspace.read(folder .. "/trace"):gmatch(
        'write%(2, "(\\33%[%?2026h[^"]*)"') do
        frames = frames + 1
        assert.matches("\\33%[%?2026l$", written)
      end
      assert.equal(#terminal.frames(bytes), frames)
      assert.is_true(frames > 2)
    end)

  it("is in colour unless NO_COLOR says otherwise", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    local bytes = in_terminal("camb batch in -o out --interval 0.1", 80)
    assert.is_truthy(bytes:find("\27[31m", 1, true))
    bytes = in_terminal("env NO_COLOR=1 camb batch in -o other --interval 0.1", 80)
    assert.is_truthy(bytes:find("not audio", 1, true))
    assert.is_nil(bytes:find("\27[31m", 1, true))
  end)

  it("is help that fits a terminal of 40 columns", function()
    for _, words in ipairs({ "help", "help batch", "serve --help" }) do
      local bytes = in_terminal("camb " .. words, 40)
      for line in bytes:gmatch("[^\r\n]+") do
        assert.is_true(#line <= 40 or not line:find("%S%s+%S"), line)
      end
      assert.matches("\n      %u", bytes)
    end
  end)

  it("is broken at spaces by camb jobs and camb doctor, and whole in a pipe",
    function()
      run("camb batch in -o out --add-only")
      local shown
      for _, words in ipairs({ "doctor", "jobs" }) do
        shown = in_terminal(("camb %s -o out"):format(words), 40)
        assert.matches("\n      %S", shown)
        for line in shown:gmatch("[^\r\n]+") do
          assert.is_true(terminal.width(line) <= 40
            or not line:find("%S%s+%S"), line)
        end
      end
      local whole = run("camb jobs -o out")
      assert.equal(3, select(2, whole:gsub("\n", "")))
      assert.equal((whole:gsub("%s+", " ")), (shown:gsub("%s+", " ")))
    end)

  it("is the address of a page that was written, for a person only", function()
    run("camb batch in -o out --interval 0.1")
    local bytes, status = in_terminal('camb report out -o "a page.html"', 200)
    assert.equal(0, status)
    assert.matches("camb: to listen, open in a browser: file:///%S+/a%%20page"
      .. "%.html\r?\n", bytes)
    assert.equal("a page.html\n", (run('camb report out -o "a page.html"')))
  end)

  it("does not sum up what its errors have said", function()
    workspace.write(folder .. "/notes.wav", "not audio")
    for words, most in pairs({ ["separate none.wav"] = 1,
      ["batch none.wav -o out"] = 1, ["separate notes.wav"] = 1,
      ["batch in -o out --add-only --store jobs.db"] = 1 })
    do
      local lines = terminal.show(in_terminal("camb " .. words, 200), 200)
      local said = table.concat(lines, "\n")
      assert.equal(most, select(2, said:gsub("camb: ", "")), said)
      assert.is_nil(said:find("0 done", 1, true), said)
    end
    local bytes = in_terminal("camb separate notes.wav \"in/take three.wav\" "
      .. "--interval 0.1", 200)
    assert.matches("camb: 1 done, 1 failed", bytes, 1, true)
  end)

  it("is plain lines on a terminal that can only print", function()
    local bytes, status = in_terminal("env TERM=dumb camb batch in -o out "
      .. "--interval 0.1", 80)
    assert.equal(0, status)
    assert.is_nil(bytes:find("\27", 1, true))
    assert.matches("take three.wav: uploading\r?\n", bytes)
    assert.matches("submitted as task", bytes)
  end)

  it("is plain lines in a pipe, and sums up how it went", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    local said, status = run("camb batch in -o out --interval 0.1 2>&1 >paths "
      .. "| cat")
    assert.equal(0, status) -- of cat
    assert.is_nil(said:find("[\27\r]"))
    assert.matches("camb: 3 done, 1 failed", said, 1, true)
    assert.matches("camb: the stems are in out; to listen, run: camb report "
      .. "out\n", said, 1, true)
  end)

  it("is nothing but errors and paths with -q", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    local said = run("camb batch in -o out --interval 0.1 -q 2>&1 >paths")
    assert.equal(0, select(2, said:gsub("uploading", "")))
    assert.matches('^camb: the source "in/notes.wav" is not audio', said)
    assert.is_nil(said:find("done", 1, true))
    assert.equal(6, select(2, workspace.read(folder .. "/paths"):gsub("\n", "")))
  end)

  it("is each step on a line of its own with -v, also on a terminal", function()
    local bytes = in_terminal("camb batch in -v -o out --interval 0.1", 200)
    local shown = table.concat((terminal.show(bytes, 200)), "\n")
    for _, words in ipairs({ "uploading", "submitted as task",
      "the service says SUCCESS", "downloading the foreground",
      "downloaded the background" }) do
      assert.equal(3, select(2, shown:gsub(words, "")), words)
    end
  end)

  -- The objects of a text, each of which holds what the table of events says.
  local function events_of(text)
    local known, list = {}, {}
    for _, event in ipairs(events) do
      known[event.name] = " name time source task_id run_id sentence "
        .. "fraction "
        .. (event.fields or "") .. " "
    end
    for line in text:gmatch("[^\n]+") do
      local event = cjson.decode(line)
      list[#list + 1] = event
      list[event.name] = (list[event.name] or 0) + 1
      assert.is_string(known[event.name], line)
      for field in pairs(event) do
        assert.is_truthy(known[event.name]:find(" " .. field .. " ", 1, true),
          line)
      end
    end
    return list
  end

  it("is an event a line with --json, as the table of events has them",
    function()
      workspace.write(folder .. "/in/notes.wav", "not audio")
      local text, status = run("camb batch in -o out --interval 0.1 --json "
        .. "2>words")
      assert.equal(10, status)
      local list = events_of(text)
      assert.equal(3, list.finished)
      assert.equal(1, list.failed)
      assert.equal("summary", list[#list].name)
      assert.equal(3, list[#list].done)
      assert.equal(1, list[#list].failed)
      for _, event in ipairs(list) do
        if event.name == "finished" then
          assert.matches("/out/.*foreground.wav$", event.stems.foreground)
          assert.is_string(event.task_id)
        elseif event.name == "failed" then
          assert.equal("source", event.error.kind)
        end
      end
    end)

  it("is kept in a file by --log, without what opens anything", function()
    server:fault({ step = "status", status = 500, times = 1,
      body = '{"detail": "no ' .. server.api_key .. ' here"}' })
    local said, status = run("camb separate 'in/take three.wav' -o out "
      .. "--interval 0.1 --log events 2>&1")
    assert.equal(0, status, said)
    run("camb separate 'http://me:PASSWORD@127.0.0.1:9/x.wav?signature=OPENS' "
      .. "-o out --log events --deadline 1")
    local text = workspace.read(folder .. "/events")
    local list = events_of(text)
    assert.equal(1, list.finished)
    assert.equal(1, list.failed)
    assert.equal(2, list.summary)
    for _, secret in ipairs({ "OPENS", "PASSWORD", '"no sandbox' }) do
      assert.is_nil(text:find(secret, 1, true), text)
    end
  end)

  it("says once that its log cannot be written any more", function()
    local said, status = run("camb batch in -o out --interval 0.1 "
      .. "--log /dev/full 2>&1")
    assert.equal(0, status, said)
    assert.equal(1, select(2, said:gsub("camb: the log /dev/full cannot be "
      .. "written: [^\n]*No space left", "")), said)
  end)

  it("counts the jobs of a store that no source names", function()
    run("camb batch in -o out --add-only")
    local bytes, status = in_terminal("camb batch -o out --interval 0.1", 80)
    assert.equal(0, status)
    assert.is_nil(bytes:find("of 0 done", 1, true), bytes)
    assert.is_truthy(bytes:find(" of 3 done", 1, true), bytes)
    assert.matches("camb: 3 done", bytes, 1, true)
    run("camb batch in -o other --add-only")
    assert.matches("camb: 3 done", run("camb batch -o other --interval 0.1 2>&1"),
      1, true)
  end)

  it("says of how many files the stems were there, and that nothing was sent",
    function()
      local line = "camb batch in -o out --interval 0.1"
      run(line)
      local words = "camb: 3 done before: nothing was sent or charged\n"
      assert.matches(words, run(line .. " 2>&1"), 1, true)
      local shown = terminal.show(in_terminal(line, 80), 80)
      assert.matches(words, table.concat(shown, "\n"), 1, true)
      assert.equal("", (run(line .. " --quiet 2>&1 >/dev/null")))
      workspace.write(folder .. "/in/four.wav", takes.wav(4))
      local list = events_of(run(line .. " --json 2>/dev/null"))
      assert.equal(4, list[#list].done)
      assert.equal(3, list[#list].done_before)
      workspace.write(folder .. "/in/five.wav", takes.wav(5))
      workspace.write(folder .. "/in/notes.wav", "not audio")
      assert.matches("camb: 5 done %(4 before%), 1 failed; %S+ seconds of audio "
        .. "in %d", (run(line .. " 2>&1")))
      assert.matches("camb: 5 done before, 1 failed in %d", (run(line
        .. " 2>&1")))
    end)

  it("says where the jobs of a store have their stems, and how to listen",
    function()
      run("camb batch in -o out --store jobs.db --add-only")
      local said, status = run("camb batch --store jobs.db --interval 0.1 2>&1")
      assert.equal(0, status, said)
      assert.matches("camb: the stems are in %S+/out; to listen, run: camb "
        .. "report jobs.db\n", said)
      said = run("camb batch in --store jobs.db -o out 2>&1")
      assert.matches("camb: the stems are in out; to listen, run: camb "
        .. "report jobs.db\n", said, 1, true)
      said = run("camb batch in --no-store --interval 0.1 --foreground-dir a/b "
        .. "--background-dir a/c -o other 2>&1")
      assert.matches("camb: the stems are in %S+/a\n", said)
    end)

  it("says before anything is sent that its log cannot be written", function()
    local said, status = run("camb batch in -o out --log nowhere/log")
    assert.equal(3, status)
    assert.matches("camb: the log cannot be written: nowhere/log: No such file",
      said, 1, true)
    assert.equal(0, server:stats().uploads)
  end)

  local SIGNALS = { INT = 130, TERM = 143, HUP = 129 }
  local PHASES = { { "submit", "uploading", 0 },
    { "status", "separating", 1 }, { "stem", "downloading", 1 } }
  for signal, expected in pairs(SIGNALS) do
    for _, phase in ipairs(PHASES) do
      it(("loses no id when %s comes while it is %s on a terminal"):format(
        signal, phase[2]), function()
        hang(phase[1])
        local command = "camb separate \"in/take three.wav\" -o out "
          .. "--interval 0.1"
        start("sh -c \"echo \\$\\$ > camb.pid; exec " .. command:gsub('"',
          '\\"') .. "\"", 80, phase[2])
        workspace.wait_for_uploads(server, 1)
        run(("kill -%s $(cat camb.pid)"):format(signal))
        local bytes = finish()
        local shown = table.concat((terminal.show(bytes, 80)), "\n")
        assert.matches("camb: interrupted by SIG" .. signal, shown, 1, true)
        assert.matches(('COMMAND_EXIT_CODE="%d"'):format(expected),
          workspace.read(log))
        if phase[3] == 0 then
          assert.is_truthy(bytes:find("may exist and be charged", 1, true))
          return
        end
        local id = assert(bytes:match("submitted as task ([%w_-]+)"))
        local line = assert(bytes:match("run: (camb download [^\r\n]+)"), shown)
        assert.is_truthy(line:find(id, 1, true))
        local said, status = run(line)
        assert.equal(0, status, said)
        assert.equal(1, server:stats().uploads)
      end)
    end
  end

  it("says when Ctrl-C is typed twice that it stops, and what is left",
    function()
      hang("submit")
      start("camb batch in -o out -j 2", 80, "uploading.*uploading",
        "for i in 1 2; do while ! [ -e typed$i ]; do sleep 0.05; done; "
        .. "printf \"\\003\"; done; sleep 2")
      workspace.wait_for_uploads(server, 2)
      workspace.write(folder .. "/typed1", "")
      workspace.wait_for("its words", function()
        return terminal.read(log):find("second SIGINT", 1, true)
      end)
      workspace.write(folder .. "/typed2", "")
      local lines = terminal.show(finish(), 80)
      local last
      for i, line in ipairs(lines) do
        last = line:find("%S") and i or last
      end
      assert.equal("camb: stopped at once: 2 uploads under way may be charged; "
        .. "to resume, run the same line again", lines[last - 1] .. lines[last])
      assert.matches("done, 0:%d%d", lines[last - 2])
      assert.matches('COMMAND_EXIT_CODE="130"', workspace.read(log), 1, true)
      local said = run("camb batch in -o out --interval 0.05 -j 2")
      assert.equal(2, select(2, said:gsub("a task may exist and be charged; ",
        "")), said)
    end)

  it("loses no id when Ctrl-C is typed", function()
    hang("status")
    start("camb batch in -o out --interval 0.1", 80, "separating.*separating",
      "while ! [ -e typed ]; do sleep 0.05; done; printf \"\\003\"; sleep 2")
    workspace.write(folder .. "/typed", "")
    local bytes = finish()
    local line = assert(bytes:match("to resume, run: (camb batch [^\r\n]+)"),
      bytes)
    local said, status = run(line .. " --interval 0.1")
    assert.equal(0, status, said)
    assert.equal(3, server:stats().uploads)
  end)
end)
