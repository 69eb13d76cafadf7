local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"
local MIX = "spec/fixtures/mix.flac"

describe("the command camb", function()
  local folder

  workspace.for_each(function(path)
    folder = path
  end)

  local function camb(words, ...)
    return workspace.run((CAMB .. " " .. words):format(...))
  end

  it("separates with the sandbox, and prints the paths of the stems",
    function()
      local paths, status = workspace.run(
        ("%s separate %s --sandbox -o %s/out 2>/dev/null"):format(CAMB, MIX,
          folder))
      assert.equal(0, status)
      assert.equal(("%s/out/mix.foreground.flac\n%s/out/mix.background.flac\n")
        :format(folder, folder), paths)
      assert.matches("^fLaC", workspace.read(folder
        .. "/out/mix.foreground.flac"))
    end)

  it("says each step on a line of its own when there is no terminal",
    function()
      local output, status = camb("separate %s --sandbox -o %s", MIX, folder)
      assert.equal(0, status)
      assert.matches("mix.flac: uploading\n", output)
      assert.matches("mix.flac: submitted as task %S+\n", output)
      assert.matches("the service says SUCCESS\n", output)
      assert.is_nil(output:find("\r", 1, true))
    end)

  it("says what the service remarks on a task that has succeeded", function()
    workspace.write(folder .. "/cut.flac", workspace.read(MIX):sub(1, 60000))
    local output, status = camb("separate %s/cut.flac --sandbox -o %s", folder,
      folder)
    assert.equal(0, status)
    assert.matches("cut.flac: the service remarks: the source ends early: "
      .. "[^\n]+\n", output)
  end)

  it("separates files of one name, each once, and passes over an odd one",
    function()
      workspace.run(("mkdir %s/a %s/b; cp %s %s/a/01.flac; cp %s %s/b/01.flac")
        :format(folder, folder, MIX, folder, MIX, folder))
      workspace.write(folder .. "/a/tab\tbed.flac", workspace.read(MIX))
      local output, status = workspace.run(("cd '%s' && '%s'/%s separate "
        .. "a/01.flac a/tab* b/01.flac ./b/01.flac --sandbox -o out"):format(
        folder, workspace.run("pwd"):gsub("\n", ""), CAMB))
      assert.equal(10, status, output)
      assert.matches('camb: the name "a/tab\\x09bed.flac" '
        .. "contains a control character", output, 1, true)
      assert.matches("camb: ./b/01.flac is the same file as b/01.flac\n",
        output, 1, true)
      assert.same({ "01-2.background.flac", "01-2.foreground.flac",
        "01.background.flac", "01.foreground.flac" },
        workspace.list(folder .. "/out"))
    end)

  it("goes on with the other files when one fails, and exits with 10",
    function()
      workspace.write(folder .. "/notes.wav", "not audio")
      local output, status = camb("separate %s/notes.wav %s --sandbox -o %s/o",
        folder, MIX, folder)
      assert.equal(10, status)
      assert.matches('camb: the source ".*notes.wav" is not audio', output)
      assert.same({ "mix.background.flac", "mix.foreground.flac" },
        workspace.list(folder .. "/o"))
    end)

  -- The name of each stem of two sources, once they are whole.
  local function stems_of_two()
    local names = {}
    for _, name in ipairs(workspace.list(folder .. "/out")) do
      names[#names + 1] = name:match("^.%.%l+%.flac$")
    end
    return table.concat(names, " ")
  end
  local TWO = "a.background.flac a.foreground.flac b.background.flac "
    .. "b.foreground.flac"

  for name, words in pairs({
    ["its steps"] = "2>&1 > /dev/null | head -n 1",
    ["the paths of its stems"] = "2> /dev/null | head -n 1",
  }) do
    it("brings what it was told to home when nobody reads on " .. name,
      function()
        workspace.run(("cp %s %s/a.flac; cp %s %s/b.flac"):format(MIX, folder,
          MIX, folder))
        workspace.run(("timeout 120 %s separate %s/a.flac %s/b.flac -j 1 "
          .. "--sandbox -o %s/out %s"):format(CAMB, folder, folder, folder,
          words))
        assert.equal(TWO, stems_of_two())
      end)
  end

  it("says that its output cannot be written, and where the stems are",
    function()
      workspace.run(("cp %s %s/a.flac; cp %s %s/b.flac"):format(MIX, folder,
        MIX, folder))
      for _, command in ipairs({ "separate %s/a.flac %s/b.flac",
        "batch %s/a.flac %s/b.flac" }) do
        local said, status = camb(command .. " --sandbox -o %s/out > /dev/full",
          folder, folder, folder)
        assert.equal(3, status, said)
        assert.matches("camb: standard output cannot be written (No space left "
          .. "on device); the stems are in " .. folder .. "/out\n", said, 1, true)
        assert.equal(1, select(2, said:gsub("standard output cannot", "")))
        assert.equal(TWO, stems_of_two())
        workspace.remove(folder .. "/out")
      end
    end)

  it("says of every answer that it cannot be written", function()
    camb("batch %s -o %s/out --sandbox", MIX, folder)
    for _, words in ipairs({ "jobs -o " .. folder .. "/out --csv",
      "batch --status -o " .. folder .. "/out", "help jobs",
      "completion bash", "report " .. folder .. "/out -o " .. folder
      .. "/r.html" })
    do
      local output, status = camb("%s >/dev/full", words)
      assert.equal("camb: standard output cannot be written\n", output)
      assert.equal(3, status, words)
    end
  end)

  it("ends at once when it is interrupted, without a word of Lua's", function()
    local output = workspace.run(([[
      mkfifo %s/pipe; sleep 100 >%s/pipe & writer=$!
      env --default-signal XDG_CONFIG_HOME=%s %s login <%s/pipe 2>%s/words &
      pid=$!
      for i in $(seq 1000); do
        grep -qs camb/core.so /proc/$pid/maps && break; sleep 0.02; done
      sleep 0.2; kill -INT $pid; wait $pid; echo status=$?
      kill $writer; cat %s/words]]):format(folder, folder, folder, CAMB, folder,
      folder, folder))
    assert.equal("status=130\n", output)
  end)

  it("ends so, too, when it is interrupted before it is loaded", function()
    local output = workspace.run(([[
      export LUA_INIT="package.preload['camb.core'] = function()
        io.popen('kill -INT \$PPID'):close() end"
      unset LUA_INIT_5_2 LUA_INIT_5_3 LUA_INIT_5_4
      env --default-signal %s --version; echo status=$?]]):format(CAMB))
    assert.equal("status=130\n", output)
  end)

  it("writes into no file of its own where its streams are closed", function()
    if os.getenv("SANITIZER") then
      pending("a sanitizer cannot be traced")
      return
    end
    local _, status = workspace.run(("timeout 60 strace -f -y -o %s/trace -e "
      .. "trace=write %s separate %s --sandbox -o %s/out 0<&- 1>&- 2>&-"):format(
      folder, CAMB, MIX, folder))
    assert.equal(0, status)
    local written = 0
    for to in workspace.read(folder .. "/trace"):gmatch("write%([12](%b<>)") do
      assert.equal("</dev/null>", to)
      written = written + 1
    end
    assert.is_true(written > 2)
  end)

  it("says that a stem is larger than a limit of its process lets it be",
    function()
      local server = assert(sandbox.start())
      local said, status = workspace.run(("ulimit -f 20; CAMB_API_KEY=%s "
        .. "CAMB_BASE_URL=%s timeout 60 %s separate %s -o %s/out"):format(
        server.api_key, server.base_url, CAMB, MIX, folder))
      server:stop()
      assert.equal(3, status, said)
      assert.matches("File too large", said)
      assert.matches("camb download", said)
    end)

  it("says in one sentence that there is no key", function()
    local output, status = camb("separate %s -o %s", MIX, folder)
    assert.equal(4, status)
    assert.matches("^camb: no API key: get one in CAMB.AI Studio [^\n]+\n"
      .. "camb: to store a key, run: camb login\n$", output)
  end)

  it("takes key and URL from options or from the environment", function()
    local server = assert(sandbox.start({ api_key = "k1" }))
    local _, status = camb("separate %s --api-key k1 --base-url %s -o %s/a "
      .. "--interval 0.2 --max-attempts 500", MIX, server.base_url, folder)
    assert.equal(0, status)
    _, status = workspace.run(("CAMB_API_KEY=k1 CAMB_BASE_URL=%s %s separate "
      .. "%s -o %s/b --interval 0.2 --max-attempts 500"):format(server.base_url,
      CAMB, MIX, folder))
    assert.equal(0, status)
    local output
    output, status = camb("separate %s --api-key k2 --base-url %s -o %s/c", MIX,
      server.base_url, folder)
    server:stop()
    assert.equal(4, status)
    assert.matches("the service rejected the API key", output)
    assert.is_nil(output:find("k2", 1, true))
  end)

  it("explains an option that it does not know", function()
    local output, status = camb("separate x.wav --colour")
    assert.is_true(status ~= 0)
    assert.equal("camb: unknown option '--colour'\ncamb: to see what it takes, "
      .. "run: camb help separate\n", output)
  end)

  it("explains itself where nothing is asked of it", function()
    local output, status = camb("")
    assert.equal(2, status)
    assert.matches("Commands:\n   separate  ", output)
  end)

  it("helps with what it does before how it gets to the service", function()
    local output = camb("help batch")
    assert.matches("\n   %-o, %-%-output%-dir DIR  Folder for the stems", output)
    assert.matches("\nOptions:\n.*\n   %-%-only STEM.*\nOther options:\n.*"
      .. "\n   %-%-api%-key KEY", output)
    assert.matches("{date}", output, 1, true)
    for line in output:gmatch("[^\n]+") do
      assert.is_true(#line <= 80, line)
    end
  end)

  it("names the option whose value is wrong, as the shell has it", function()
    for words, sentence in pairs({
      ["separate x.wav -j 0"] = "--jobs must be a whole number of 1 or more",
      ["separate x.wav -j abc"] = "--jobs: 'abc' is not a number",
      ["separate x.wav --folder-id x"] = "--folder-id must be an integer",
      ["separate x.wav --deadline 0"] = "--deadline must be more than 0",
      ["separate x.wav --output-dir ''"] = "--output-dir is empty",
      ["separate x.wav --api-key 'a b'"] =
        "the key from --api-key contains a space or a control character",
      ["status '' --api-key k"] = "the id of the task is empty",
      ["separate x.wav --api-key k --base-url foo"] = "--base-url is "
        .. "invalid: it is not an absolute http or https URL",
      ["separate x.wav --api-key k --ca-file /nowhere"] =
        '--ca-file names "/nowhere", which cannot be read',
      ["separate '' --api-key k"] = "the source is empty",
      ["batch x.wav --requests-per-second 0"] =
        "--requests-per-second must be more than 0",
      ["separate x.wav --only vocals"] = "camb: --only must be one of "
        .. "'foreground', 'background'",
      ["serve --port 99999"] = "--port must be a whole number from 0 to 65535",
      ["serve --processing x"] = "--processing: 'x' is not a number",
    }) do
      local output, status = camb("%s", words)
      assert.not_equal(0, status)
      assert.is_truthy(output:find(sentence, 1, true), output)
      assert.is_nil(output:find("option '", 1, true), output)
    end
  end)

  it("says what a file of faults does that raises no words", function()
    workspace.write(folder .. "/faults.lua", "error({})")
    local output, status = camb("serve --faults %s/faults.lua", folder)
    assert.equal(3, status)
    assert.equal(("camb: cannot read the faults: %s/faults.lua raises a table\n"
      .. "camb: to see what it takes, run: camb help serve\n"):format(folder),
      output)
  end)

  it("says of a fault with a misspelt field what fields there are", function()
    workspace.write(folder .. "/faults.lua", "return {{ step = 'submit', "
      .. "delay = 2 }}")
    local output, status = camb("serve --faults %s/faults.lua", folder)
    assert.equal(2, status)
    assert.matches("faults[1]: unknown 'delay'; a fault takes step, path, "
      .. "skip, times, at, after, status, ", output, 1, true)
  end)

  it("serves until it is told to stop, and leaves nothing behind", function()
    for _, signal in ipairs({ "INT", "TERM", "HUP", "QUIT" }) do
      local output = workspace.run(([[
        env --default-signal TMPDIR=%s %s serve --port 0 --api-key k > %s/log &
        pid=$!
        for i in $(seq 1000); do grep -qs http %s/log && break; sleep 0.02; done
        base=$(sed -n 's/.*listens at //p' %s/log)
        curl -s -o /dev/null -w '%%{http_code} ' -H 'x-api-key: k' \
          $base/audio-separation/nowhere
        kill -%s $pid; wait $pid; echo $?
        rm %s/log; ls -A %s]]):format(folder, CAMB, folder, folder, folder,
        signal, folder, folder))
      assert.equal("404 0\n", output)
    end
  end)

  it("serves tasks of a data folder again after a restart", function()
    local output = workspace.run(([[
      serve() {
        rm -f %s/log
        %s serve --port 0 --api-key k --data-dir %s/data > %s/log & pid=$!
        for i in $(seq 1000); do grep -qs http %s/log && break; sleep 0.02; done
        base=$(sed -n 's/.*listens at //p' %s/log)
      }
      serve
      CAMB_API_KEY=k CAMB_BASE_URL=$base %s separate %s -o %s/o \
        --interval 0.2 --max-attempts 500 2>&1 | sed -n 's/.* task //p' > %s/id
      kill $pid; wait $pid
      serve
      curl -s -H 'x-api-key: k' $base/audio-separation/$(cat %s/id)
      kill $pid; wait $pid]]):format(folder, CAMB, folder, folder, folder, folder, CAMB,
      MIX, folder, folder, folder))
    assert.matches('"status": ?"SUCCESS"', output)
  end)
end)
