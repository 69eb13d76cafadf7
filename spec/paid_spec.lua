-- What the command says and keeps of tasks that are paid for, and how their stems
-- are fetched without paying again.

local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"

describe("for a task that is paid for, camb", function()
  local server, folder, take

  before_each(function()
    folder = workspace.folder()
    server = assert(sandbox.start({ engine = takes.engine(folder),
      workers = 4 }))
    take = takes.make(folder .. "/in", 2)
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function environment()
    return ("export PATH=%s/bin:$PATH CAMB_API_KEY=%s CAMB_BASE_URL=%s; cd %s; ")
      :format(BUILD:sub(1, 1) == "/" and BUILD or "$PWD/" .. BUILD,
      server.api_key, server.base_url, folder)
  end

  local function run(words, ...)
    return workspace.run(environment() .. "timeout 60 " .. words:format(...))
  end

  -- Run in the background, and send `signal` once `mark` has been said.
  local function interrupt(words, signal, mark)
    return workspace.run(environment() .. ([[
      set -m; %s >paths 2>words & pid=$!
      for i in $(seq 1000); do grep -q '%s' words && break; sleep 0.02; done
      kill -%s $pid; wait $pid; echo status=$?; cat words]]):format(words, mark,
      signal))
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
    assert.same({}, { workspace.read(folder .. "/out/.camb-journal") })
  end

  for signal, expected in pairs({ INT = 130, TERM = 143, HUP = 129 }) do
    for _, command in ipairs({ "separate in/take001.wav", "batch in" }) do
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
      local words = interrupt("camb batch in -o out --interval 0.05", "INT",
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

  it("says that nobody knows of a file that was being sent", function()
    server:fault({ step = "submit", silence = true, times = math.huge })
    for _, command in ipairs({ "separate in/take001.wav", "batch in" }) do
      local words = workspace.run(environment() .. ([[
        set -m; camb %s -o out >paths 2>words & pid=$!
        for i in $(seq 1000); do grep -q uploading words && break; sleep 0.02
        done; sleep 0.3; kill -INT $pid; wait $pid; cat words]]):format(command))
      assert.matches("take001.wav: .*a task may exist and be charged", words)
      assert.matches("camb: interrupted", words)
    end
  end)

  it("never writes over its id on a terminal", function()
    local words = workspace.run(environment() .. "script -qec 'camb separate "
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
      local stems = assert(assert(load("local client = ...; return " .. line))(
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
    interrupt("camb batch in -o out --interval 0.05", "KILL",
      "take002.*PENDING")
    server:clear_faults()
    local output, status = run("camb batch in -o out --interval 0.05")
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
    assert.matches("take001.background.wav\" exists already", output)
    assert.equal("my own work",
      workspace.read(folder .. "/out/take001.background.wav"))
    os.remove(folder .. "/out/take001.background.wav")
    output, status = run("%s", line)
    assert.equal(0, status, output)
    is_whole("take001")
    assert.equal(1, server:stats().uploads)
  end)

  it("says once that a file may have been sent by a run that was killed",
    function()
      server:fault({ step = "submit", silence = true, times = math.huge })
      workspace.run(environment() .. [[
        set -m; camb separate in/take001.wav -o out >paths 2>words & pid=$!
        for i in $(seq 1000); do
          grep -q submitting out/.camb-journal && break; sleep 0.02
        done; kill -KILL $pid; wait $pid]])
      local output, status = run("camb separate in/take001.wav -o out "
        .. "--interval 0.05")
      assert.equal(9, status)
      assert.matches("an earlier run was killed while it sent this file", output)
      assert.equal(0, server:stats().uploads)
      server:clear_faults()
      output, status = run("camb separate in/take001.wav -o out "
        .. "--interval 0.05")
      assert.equal(0, status, output)
      is_whole("take001")
    end)

  it("fetches the stems of a run by its digits", function()
    local client = require("camb").client({ base_url = server.base_url,
      api_key = server.api_key })
    local urls = assert(client:separate(take[1], { download = false,
      interval = 0.05 }))
    client:close()
    local output, status = run("camb download %s -o out --name x", urls.run_id)
    assert.equal(0, status, output)
    is_whole("x")
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
end)
