-- Each of examples/ does what its first lines say.  Those of event loops are run
-- by loops_spec, the HTTP service by other_luas_spec, the engine by
-- engine_command_spec, and those of hosts by make hosts, but for two.

local audio = require "spec.support.audio"
local cjson = require "cjson"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local LUA = os.getenv "LUA" or "lua5.4"

local server, folder

setup(function()
  server = assert(sandbox.start{ workers = 2 })
end)

teardown(function()
  server:stop()
end)

workspace.for_each(function(path)
  folder = path
  assert(os.execute(("mkdir '%s/takes' '%s/out'"):format(folder, folder)))
  audio.cut("examples/mix.flac", 6, 2, folder .. "/takes/one.wav")
  audio.cut("examples/mix.flac", 9, 2, folder .. "/takes/two.wav")
end)

local function environment()
  return ("CAMB_API_KEY='%s' CAMB_BASE_URL='%s'"):format(server.api_key,
    server.base_url)
end

--- Run an example in the checkout; FOLDER in `words` is the spec's folder.
local function run(words)
  local output, status = workspace.run(("%s timeout 100 %s examples/%s"):format(
    environment(), LUA, (words:gsub("FOLDER", folder))))
  assert.equal(0, status, output)
  return output
end

--- The names below the output folder, hidden ones apart.
local function made()
  local output = workspace.run(("cd '%s/out' && find . -type f -name '[!.]*' "
    .. "| sort"):format(folder))
  local names = {}
  for name in output:gmatch "%./([^\n]+)" do
    names[#names + 1] = name
  end
  return names
end

local function assert_stems(...)
  local expected = {}
  for _, name in ipairs { ... } do
    local base = ("%s/out/%s."):format(folder, name)
    assert.is_nil((audio.compare(("%s/takes/%s.wav"):format(folder, name),
      base .. "foreground.flac", base .. "background.flac")))
    expected[#expected + 1] = name .. ".background.flac"
    expected[#expected + 1] = name .. ".foreground.flac"
  end
  assert.same(expected, made())
end

-- A program that runs on; what it prints, and how to end it.
local function start(command)
  local log = folder .. "/log"
  local pid = workspace.run(("cd '%s' && %s > '%s' 2>&1 & echo $!"):format(
    workspace.run "pwd":match "[^\n]+", command, log)):match "%d+"
  return pid, function()
    return workspace.read(log) or ""
  end
end

describe("the example #slow", function()
  -- REAPER's script with a recording whose name is not a plain one: what it
  -- prints, and says.
  local function reaper(key)
    workspace.run(("cp -n '%s/takes/one.wav' '%s/out/ein Ä 音.wav'"):format(
      folder, folder))
    local output, status = workspace.run(("%s timeout 100 %s "
      .. "spec/support/reaper.lua examples/hosts/reaper.lua "
      .. "'%s/out/ein Ä 音.wav' %s 2> '%s/said'"):format(environment(), LUA,
      folder, key or server.api_key, folder))
    assert.equal(0, status, output)
    return output, workspace.read(folder .. "/said")
  end

  local PLACED = [[
mix	4	0.5	ein Ä 音.wav
mix	nil	nil	nil
mix	10	6.5	ein Ä 音.wav
voice	4	0.5	ein Ä 音.foreground.flac
voice	10	6.5	ein Ä 音.foreground.flac
music	4	0.5	ein Ä 音.background.flac
music	10	6.5	ein Ä 音.background.flac
]]

  it("of REAPER puts the stems on two tracks below the items'", function()
    local placed, said = reaper()
    assert.equal(PLACED, placed)
    assert.matches("An item has no file of its own", said)
  end)

  it("of REAPER pays once for the items of one recording", function()
    local before = server:stats().uploads
    assert.equal(PLACED, (reaper()))
    assert.equal(PLACED, (reaper()))
    assert.equal(before + 1, server:stats().uploads)
  end)

  it("of REAPER says what to do about a stem in the way", function()
    local path = folder .. "/out/ein Ä 音.foreground.flac"
    workspace.write(path, "my own work")
    local before = server:stats().uploads
    local placed, said = reaper()
    assert.is_nil(placed:find("voice", 1, true), placed)
    assert.matches("\n" .. path .. " is in the way: move it away, then run this "
      .. "again\n", said, 1, true)
    assert.is_nil(said:find("overwrite", 1, true), said)
    assert.equal(before, server:stats().uploads)
    os.remove(path)
  end)

  it("of REAPER asks again for a key that the service refuses", function()
    local _, said = reaper "wrong"
    assert.matches("forgotten: api_key", said)
  end)

  it("of a process tells a tick how far it is, and of its end", function()
    local path = workspace.write(folder .. "/host.lua", ([[
      package.path = "examples/hosts/?.lua;" .. package.path
      local core, process = require "camb.core", require "process"
      local job, last = process.start("%s/takes/one.wav", "%s/out"), 0
      while not process.tick(job) do
        assert(job.fraction >= last)
        last = job.fraction
        core.wait(0.02)
      end
      print(job.name, job.fraction, job.sentence)]]):format(folder, folder))
    local output = workspace.run(("%s timeout 100 %s %s"):format(environment(),
      LUA, path))
    assert.equal("finished\t1\tThe stems are ready.\n", output)
    assert_stems("one")
  end)

  it("of one file makes its stems", function()
    assert.matches("foreground: .*one.foreground.flac",
      run "one_file.lua FOLDER/takes/one.wav FOLDER/out")
    assert_stems("one")
  end)

  it("of one file starts a sandbox if there is no key", function()
    local output, status = workspace.run(("env -u CAMB_API_KEY timeout 100 %s "
      .. "examples/one_file.lua %s/takes/one.wav %s/out"):format(LUA, folder,
      folder))
    assert.equal(0, status, output)
    assert_stems("one")
  end)

  it("of a folder makes the stems of all in it", function()
    run "folder.lua FOLDER/takes FOLDER/out"
    assert_stems("one", "two")
  end)

  it("of several files in one program makes the stems of each", function()
    run "concurrent.lua -o FOLDER/out FOLDER/takes/one.wav FOLDER/takes/two.wav"
    assert_stems("one", "two")
  end)

  it("of a crash resumes after one, and pays once", function()
    local before = server:stats().uploads
    local asked = server:stats().requests.status or 0
    server:fault{ step = "status", silence = true, times = math.huge }
    local pid = start(("%s %s examples/resume.lua %s/takes %s/out %s/batch.db")
      :format(environment(), LUA, folder, folder, folder))
    workspace.wait_for("the polls of both", function()
      return (server:stats().requests.status or 0) >= asked + 2
    end)
    workspace.stop(pid, "KILL")
    server:clear_faults()
    run "resume.lua FOLDER/takes FOLDER/out FOLDER/batch.db"
    assert_stems("one", "two")
    assert.equal(before + 2, server:stats().uploads)
    assert.matches("done before",
      run "resume.lua FOLDER/takes FOLDER/out FOLDER/batch.db")
  end)

  it("of karaoke leaves the music alone, as MP3", function()
    run "karaoke.lua FOLDER/out FOLDER/takes/one.wav FOLDER/takes/two.wav"
    assert.same({ "one.background.mp3", "two.background.mp3" }, made())
    local probe = require("camb.audio").probe
    assert.equal("mp3", probe(folder .. "/out/one.background.mp3").codec)
  end)

  it("of voices leaves the voice alone, as WAV", function()
    run "voice_only.lua FOLDER/takes FOLDER/out"
    assert.same({ "one.foreground.wav", "two.foreground.wav" }, made())
    local probe = require("camb.audio").probe
    assert.equal(2, probe(folder .. "/out/one.foreground.wav").duration)
  end)

  it("of a watched folder separates what appears in it once it is complete",
    function()
      local pid, said = start(("%s %s examples/watched_folder.lua %s/in %s/out "
        .. "2"):format("mkdir " .. folder .. "/in; exec env " .. environment(),
        LUA, folder, folder))
      local ok, problem = pcall(function()
        workspace.wait_for("the watch", function()
          return said():find "watching"
        end)
        -- in two pieces, less than two seconds apart
        os.execute(("cd '%s' && { head -c 100000 takes/one.wav; sleep 0.2; "
          .. "tail -c +100001 takes/one.wav; } > in/one.wav"):format(folder))
        workspace.wait_for("the stems", function()
          return said():find "one.foreground.flac"
        end)
        assert_stems("one")
      end)
      workspace.stop(pid, "INT")
      assert(ok, tostring(problem) .. said())
    end)

  it("of progress tells what each file is at", function()
    local output = run("progress.lua FOLDER/out FOLDER/takes/one.wav "
      .. "FOLDER/takes/two.wav")
    for _, words in ipairs { "waiting", "uploading, 100 %", "paid for, task ",
      "separating, ", "downloading foreground", "done" }
    do
      assert.truthy(output:find(words, 1, true), output)
    end
    assert_stems("one", "two")
  end)

  it("of a callback calls it at the end of each file", function()
    local seen = {}
    for line in run("when_done.lua FOLDER/out FOLDER/takes/one.wav "
      .. "FOLDER/takes/none.wav"):gmatch "[^\n]+"
    do
      local told = cjson.decode(line)
      seen[told.source:match "[^/]+$"] = told
    end
    assert.matches("one.foreground.flac$", seen["one.wav"].stems.foreground)
    assert.equal("file", seen["none.wav"].error.kind)
    assert_stems("one")
  end)

  it("of two workers shares the jobs of a store between them", function()
    local before = server:stats().uploads
    local command = ("%s INTERVAL=0.1 timeout 100 %s examples/worker.lua "
      .. "%s/batch.db"):format(environment(), LUA, folder)
    local output, status = workspace.run(("%s %s/takes %s/out & first=$!; "
      .. "while [ ! -s %s/batch.db ]; do sleep 0.05; done; %s && wait $first")
      :format(command, folder, folder, folder, command))
    assert.equal(0, status, output)
    assert_stems("one", "two")
    assert.equal(before + 2, server:stats().uploads)
  end)

  it("of the tutorial prints the URLs of both stems", function()
    local output = run "tutorial.lua FOLDER/takes/one.wav"
    assert.matches("Status: SUCCESS\nForeground URL: http.-\nBackground URL: http",
      output)
  end)
end)

describe("the examples", function()
  it("are each named in the guide", function()
    local guide = workspace.read "doc/guide.md"
    for _, name in ipairs(workspace.list "examples") do
      if name:find "%.lua$" and name ~= "make_mix.lua" then
        assert.truthy(guide:find("](../examples/" .. name .. ")", 1, true), name)
      end
    end
  end)

  for _, lua in ipairs { "lua5.1", "lua5.2", "lua5.3", "lua5.4", "luajit" } do
    it("are in the syntax of " .. lua, function()
      if select(2, workspace.run("command -v " .. lua)) ~= 0 then
        return pending("no " .. lua)
      end
      local output, status = workspace.run(("for f in examples/*.lua; do %s -e "
        .. "\"assert(loadfile '$f')\" || exit 1; done"):format(lua))
      assert.equal(0, status, output)
    end)
  end
end)
