-- Which stems come, in which format, under which names and in which folders.

local camb = require "camb"
local command = require "spec.support.command"
local scripted = require "spec.support.scripted"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("stems", function()
  local server, folder, run

  command.for_each(2, 16000, function(...)
    server, folder, run = ...
  end)

  local function uploads()
    return server:stats().uploads
  end

  -- All files below a folder, but for those that the command keeps.
  local function files(place)
    return (run("cd '%s' && find . -type f ! -name '.camb*' | LC_ALL=C sort | "
      .. "tr '\\n' ' '", place))
  end

  -- A source with tags and a cover, and stems without.
  local function tagged(name)
    workspace.write(folder .. "/engine.sh", 'ffmpeg -v error -y -i "$1" '
      .. '-map 0:a -map_metadata -1 "$2/foreground.wav"; '
      .. 'cp "$2/foreground.wav" "$2/background.wav"\n')
    local said, status = run("ffmpeg -v error -y -f lavfi -i color=red:s=32x32 "
      .. "-frames:v 1 cover.png; ffmpeg -v error -y -i in/take001.wav -i "
      .. "cover.png -map 0 -map 1 -c:v copy -disposition:v attached_pic "
      .. "-metadata title=Words -metadata artist=Somebody in/%s", name)
    assert.equal(0, status, said)
  end

  for _, line in ipairs({ "separate in", "batch in --no-store", "batch in" }) do
    it("come alone with --only, by camb " .. line, function()
      local said, status = run("camb %s -o out --only foreground "
        .. "--interval 0.05 2>/dev/null", line)
      assert.equal(0, status, said)
      assert.equal(2, select(2, said:gsub("foreground.wav\n", "")))
      assert.is_nil(said:find("background", 1, true))
      assert.equal("./take001.foreground.wav ./take002.foreground.wav ",
        files("out"))
      if line == "batch in" then
        local again
        again, status = run("camb batch in -o out --only foreground "
          .. "--interval 0.05 2>/dev/null")
        assert.equal(0, status)
        assert.equal(#said, #again)
        assert.equal(2, uploads())
        assert.matches("downloaded%s+2\n", (run("camb batch --status -o out")))
        assert.equal(0, select(2, run("camb batch in -o out --interval 0.05")))
        assert.equal("./take001.background.wav ./take001.foreground.wav "
          .. "./take002.background.wav ./take002.foreground.wav ",
          files("out")) -- what is paid for can be had
        assert.equal(2, uploads())
      end
    end)
  end

  it("come in the format that is asked for, with the source's tags and cover",
    function()
      tagged("song.flac")
      for format, extension in pairs({ flac = "flac", wav = "wav", mp3 = "mp3",
        opus = "opus", aac = "m4a" }) do
        local said, status = run("camb separate in/song.flac -o %s "
          .. "--format %s --interval 0.05", format, format)
        assert.equal(0, status, said)
        assert.equal(("./song.background.%s ./song.foreground.%s "):format(
          extension, extension), files(format))
        for _, stem in ipairs({ "foreground", "background" }) do
          local path = ("%s/%s/song.%s.%s"):format(folder, format, stem,
            extension)
          local found = require("camb.audio").probe(path)
          assert.equal("Words", found.tags.title, path)
          assert.equal("Somebody", found.tags.artist, path)
          assert.equal(format ~= "wav", found.has_cover, path)
        end
      end
      assert.equal(5, uploads())
    end)

  it("in another format are in the store as they are on the disk", function()
    local line = "camb batch in -o out --format mp3 --interval 0.05"
    assert.equal(0, select(2, run(line)))
    assert.equal("./take001.background.mp3 ./take001.foreground.mp3 "
      .. "./take002.background.mp3 ./take002.foreground.mp3 ", files("out"))
    assert.equal(0, select(2, run(line)))
    run("mkdir more; cp out/take001.foreground.mp3 more/voice.mp3")
    local said, status = run("camb batch more -o out --format mp3 "
      .. "--interval 0.05")
    assert.equal(3, status)
    assert.matches("is a stem that camb wrote", said)
    assert.equal(2, uploads())
  end)

  describe("of a batch that is run again", function()
    local function batch(words)
      local said, status = run("camb batch in -o out --interval 0.05 %s",
        words or "")
      assert.equal(0, status, said)
      return said
    end

    local function downloads()
      return server:stats().requests.stem
    end

    -- Each stem with its extension, as it is on the disk.
    local function state()
      return (run("cd out; stat -c '%%n %%i %%y' take* | LC_ALL=C sort"))
    end

    it("come without those that are there, once", function()
      batch("--only foreground")
      local before, count = state(), downloads()
      batch()
      assert.equal(count + 2, downloads())
      assert.is_truthy(state():find(before:match("^[^\n]+"), 1, true))
      local whole = state()
      local said = batch()
      assert.equal(4, select(2, said:gsub("ground.wav\n", "")))
      batch("--only background")
      assert.equal(whole, state())
      assert.equal(count + 2, downloads())
      assert.equal(2, uploads())
      assert.equal(4, select(2, run("camb jobs -o out --csv"):gsub(
        "take%d+.%a+ground.wav", "")))
    end)

    it("are converted where they are, to another format", function()
      batch()
      local before, count = state(), downloads()
      local said = batch("--format mp3")
      assert.equal(4, select(2, said:gsub("ground.mp3\n", "")))
      assert.is_nil(said:find("resuming", 1, true), said)
      local after = state()
      for line in before:gmatch("[^\n]+") do
        assert.is_truthy(after:find(line, 1, true), after)
      end
      for _, format in ipairs({ "mp3", "wav" }) do
        said = batch("--format " .. format)
        assert.equal(4, select(2, said:gsub("ground." .. format .. "\n", "")))
      end
      batch()
      assert.equal(after, state())
      assert.equal(count, downloads())
      assert.equal(2, uploads())
    end)

    it("are those of the service, and a pair of one format, without a format",
      function()
        batch("--format mp3")
        local count = downloads()
        assert.equal(4, select(2, batch():gsub("ground.mp3\n", "")))
        assert.equal(count, downloads())
        run("rm out/take001.foreground.mp3")
        local said = batch()
        assert.equal(2, select(2, said:gsub("take001.%a+ground.wav\n", "")), said)
        assert.equal(2, select(2, said:gsub("take002.%a+ground.mp3\n", "")), said)
        assert.equal(count + 2, downloads())
        batch("--format mp3")
        run("rm out/take001.foreground.mp3")
        assert.equal(2, select(2, batch():gsub("take001.%a+ground.wav\n", "")))
        assert.equal(count + 2, downloads())
        assert.equal(2, uploads())
      end)

    it("are downloaded again where they lack what a format keeps", function()
      batch("--format mp3")
      local count = downloads()
      batch("--format flac")
      assert.equal(count + 4, downloads())
      assert.equal("./take001.background.flac ./take001.background.mp3 "
        .. "./take001.foreground.flac ./take001.foreground.mp3 "
        .. "./take002.background.flac ./take002.background.mp3 "
        .. "./take002.foreground.flac ./take002.foreground.mp3 ", files("out"))
      assert.equal(2, uploads())
    end)

    it("are made anew with --overwrite", function()
      batch()
      local count = downloads()
      batch("--overwrite --format mp3")
      assert.equal(count + 4, downloads())
      assert.equal("./take001.background.mp3 ./take001.foreground.mp3 "
        .. "./take002.background.mp3 ./take002.foreground.mp3 ", files("out"))
      assert.equal(2, uploads())
    end)
  end)

  it("that are there stay where others are made of them", function()
    local line = "camb separate in/take001.wav -o out --interval 0.05 "
    assert.equal(0, select(2, run(line)))
    local function state()
      return (run("cd out; stat -c '%n %i %y' take001.*.wav"))
    end
    local before = state()
    for _, words in ipairs({ "--format flac", "--format mp3",
      "--name '{stem}-{task}'", "--name '{stem} {task}' --format mp3" }) do
      local said, status = run(line .. words)
      assert.equal(0, status, said)
      assert.equal(before, state(), words)
    end
    assert.equal(10, select(2, files("out"):gsub("ground", "")))
    assert.equal(run("cat out/take001.foreground.wav | sha256sum"),
      run("cat out/foreground-*.wav | sha256sum"))
    assert.equal(1, uploads())
  end)

  it("need camb-sandbox for another format, which is said before anything is "
    .. "sent", function()
    for _, line in ipairs({ "separate in/take001.wav", "batch in" }) do
      local said, status = run(command.NO_AUDIO .. "camb %s -o out --format mp3", line)
      assert.equal(2, status, said)
      assert.matches("camb: --format needs the rock camb-sandbox\n", said, 1,
        true)
    end
    local said, status = run("camb separate in --format ogg")
    assert.equal(2, status)
    assert.matches("%-%-format'? must be one of", said)
    assert.equal(0, uploads())
  end)

  it("have names by a pattern, of the source and of the task", function()
    run("touch -d 2025-03-04 in/take001.wav")
    local said, status = run("camb separate in/take001.wav -o out "
      .. "--name '{date} {folder} {name}, {stem}' --interval 0.05")
    assert.equal(0, status, said)
    assert.equal("./2025-03-04 in take001, background.wav "
      .. "./2025-03-04 in take001, foreground.wav ", files("out"))
    said, status = run("camb batch in -o ids --name '{stem}-{task}-{run}' "
      .. "--interval 0.05")
    assert.equal(0, status, said)
    for id in said:gmatch("submitted as task ([%w_-]+)") do
      assert.is_truthy(files("ids"):find("./foreground-" .. id .. "-1", 1, true))
    end
    assert.equal(4, select(2, files("ids"):gsub("ground", "")))
    assert.equal(3, uploads())
    assert.equal(0, select(2, run("camb batch in -o ids "
      .. "--name '{stem}-{task}-{run}' --interval 0.05")))
    assert.equal(3, uploads())
  end)

  it("of a converted source have the name that was kept for them", function()
    run("ffmpeg -v error -i in/take001.wav in/song.ogg; rm in/*.wav; "
      .. "touch -d 2025-03-04 in/song.ogg")
    for _, line in ipairs({ "separate in", "batch in" }) do
      local said, status = run("camb %s -o %s --convert --name "
        .. "'{folder} {date} {stem}' --interval 0.05", line, line:sub(1, 3))
      assert.equal(0, status, said)
      assert.equal("./in 2025-03-04 background.flac "
        .. "./in 2025-03-04 foreground.flac ", files(line:sub(1, 3)))
    end
  end)

  it("of a URL are called as its host says", function()
    local peer = scripted.start(([[
      local connection = ...
      while connection:head() do
        local body = %q
        connection:send("HTTP/1.1 200 OK\r\nContent-Disposition: attachment; "
          .. 'filename="song.wav"' .. "\r\nContent-Length: " .. #body
          .. "\r\n\r\n" .. body)
      end
    ]]):format(takes.wav(7)))
    local said, status = run("camb separate 'http://127.0.0.1:%d/get?id=1' "
      .. "-o out --interval 0.05", peer.port)
    peer.stop()
    assert.equal(0, status, said)
    assert.equal("./song.background.wav ./song.foreground.wav ", files("out"))
  end)

  it("have no name by a pattern that is wrong", function()
    for pattern, words in pairs({
      ["{nam}.{stem}"] = "--name has the unknown placeholder {nam}",
      ["{name"] = "--name has an unmatched brace",
      ["{name}"] = "--name must contain {stem}",
      ["{folder}/{stem}"] = "--name must be a file name without folders: "
        .. "other options say where stems go\n",
    }) do
      local said, status = run("camb batch in --name '%s'", pattern)
      assert.equal(2, status)
      assert.is_truthy(said:find(words, 1, true), said)
    end
    assert.equal(0, uploads())
  end)

  it("of two sources never get one name", function()
    for _, line in ipairs({ "separate in", "batch in", "batch in --dry-run" })
    do
      local said, status = run("camb %s -o out --name '{folder}.{stem}'", line)
      assert.equal(2, status, said)
      assert.matches("--name gives the stems of in/take001.wav and "
        .. "in/take002.wav the same name", said, 1, true)
    end
    assert.equal(0, uploads())
  end)

  it("with a name that is too long cost nothing", function()
    local said, status = run("camb separate in/take001.wav -o out --name "
      .. "'{stem}%s{task}'", ("x"):rep(180))
    assert.equal(3, status, said)
    assert.matches("is too long", said)
    assert.equal(0, uploads())
  end)

  it("are refused if they would get too long a name, and come with --name",
    function()
      local long = ("x"):rep(240)
      run("mkdir long; mv in/take001.wav long/%s.wav", long)
      for _, verb in ipairs({ "separate", "batch" }) do
        local line = ("camb %s long -o %s --interval 0.05"):format(verb, verb)
        for _, words in ipairs({ line .. " -n", line }) do
          local said = run(words)
          assert.matches('the name "' .. long .. '.foreground" is too long: '
            .. "give its stems a shorter name, such as --name 'take.{stem}'\n",
            said, 1, true)
          assert.is_nil(said:find("camb doctor", 1, true), said)
        end
        assert.equal(verb == "batch" and 1 or 0, uploads())
        local said, status = run(line .. " --name 'take.{stem}'")
        assert.equal(0, status, said)
      end
    end)

  it("go into a folder each, which mirror those of the sources", function()
    run("mkdir in/deep; mv in/take002.wav in/deep")
    local line = "camb batch in -o out --foreground-dir voice "
      .. "--background-dir music --interval 0.05"
    local said, status = run(line)
    assert.equal(0, status, said)
    assert.equal("./deep/take002.foreground.wav ./take001.foreground.wav ",
      files("voice"))
    assert.equal("./deep/take002.background.wav ./take001.background.wav ",
      files("music"))
    assert.equal("", files("out"))
    said, status = run(line)
    assert.equal(0, status, said)
    assert.equal(2, uploads())
  end)

  it("that stand in the way, by whatever option, cost nothing", function()
    run("mkdir voice; echo mine > voice/take001.foreground.flac; "
      .. "echo mine > x-foreground.wav; mkdir out; "
      .. "echo mine > out/take001.foreground.opus")
    for _, words in ipairs({ "-o out2 --foreground-dir voice",
      "-o . --name x-{stem}", "-o out --format opus" }) do
      local said, status = run("camb separate in/take001.wav %s --interval 0.05",
        words)
      assert.equal(3, status, said)
      assert.matches("already exists", said)
    end
    assert.equal(0, uploads())
  end)

  it("are no sources under the names of a pattern, nor in their folders",
    function()
      local line = "camb batch in -o in --foreground-dir in/voice --no-store "
        .. "--name '{name}-{stem}' --interval 0.05"
      assert.equal(0, select(2, run(line)))
      local said = run(line .. " --dry-run")
      assert.matches("skipped 4 files that camb wrote", said)
      assert.matches("done [^\n]+\ndone [^\n]+\n.*2 files", said)
    end)

  -- By the line that camb prints when no stem of `words` can be downloaded.
  local function download_later(words)
    server:fault({ step = "stem", status = 404, times = math.huge })
    local said = run("camb separate in/take001.wav -o out --interval 0.05 "
      .. "--deadline 4 %s", words)
    server:clear_faults()
    local line = assert(said:match("run: (camb download [^\n]+)"), said)
    local status
    said, status = run("%s", line)
    assert.equal(0, status, said)
    assert.equal(1, uploads())
  end

  it("come by camb download as they were asked for", function()
    download_later("--only foreground --format mp3 --foreground-dir voice")
    assert.equal("./take001.foreground.mp3 ", files("voice"))
  end)

  it("come by camb download with the names and tags of their source", function()
    tagged("song.flac")
    run("touch -d 2025-03-04 in/song.flac")
    local id = run("camb submit in/song.flac -o out 2>/dev/null"):match("%S+")
    run("cp -r out other; cp -r out gone")
    local line = "camb download -o %s --format mp3 --interval 0.05 %s -- " .. id
    local said, status = run(line, "out",
      "--name '{date} {folder} {name}, {stem}'")
    assert.equal(0, status, said)
    assert.equal("./2025-03-04 in song, background.mp3 "
      .. "./2025-03-04 in song, foreground.mp3 ", files("out"))
    said, status = run(line, "other", "--name voice")
    assert.equal(0, status, said)
    assert.equal("./voice.background.mp3 ./voice.foreground.mp3 ",
      files("other"))
    for _, path in ipairs({ "out/2025-03-04 in song, foreground.mp3",
      "other/voice.background.mp3" }) do
      local found = require("camb.audio").probe(folder .. "/" .. path)
      assert.equal("Words", found.tags.title)
      assert.is_true(found.has_cover)
    end
    run("echo >>in/song.flac") -- another recording, maybe
    said, status = run(line, "gone", "")
    assert.equal(0, status, said)
    assert.equal("./song.background.mp3 ./song.foreground.mp3 ", files("gone"))
    assert.matches("its source is unknown here, or has changed", said)
    assert.is_nil(require("camb.audio").probe(folder
      .. "/gone/song.foreground.mp3").tags.title)
    assert.equal(1, uploads())
  end)

  it("come by camb download with what is known of their source, as far as that "
    .. "is", function()
    tagged("song.flac")
    local id = run("camb submit in/song.flac -o out 2>/dev/null"):match("%S+")
    local line = "camb download -o %s --interval 0.05 %s -- " .. id
    local said, status = run(line, "a", "--format flac")
    assert.equal(0, status, said)
    assert.equal("./run-1.background.flac ./run-1.foreground.flac ",
      (files("a"):gsub("run%-%d+", "run-1")))
    assert.matches("camb: " .. id .. ": its source is unknown here, or has "
      .. "changed: name it with --mixture for its name, tags and cover\n", said,
      1, true)
    said, status = run(line, "b", "--format flac --mixture in/song.flac "
      .. "--name '{name} in {folder}.{stem}'")
    assert.equal(0, status, said)
    assert.is_nil(said:find("unknown", 1, true), said)
    assert.equal("./song in in.background.flac ./song in in.foreground.flac ",
      files("b"))
    assert.equal("Words", require("camb.audio").probe(folder
      .. "/b/song in in.foreground.flac").tags.title)
    for words, expected in pairs({
      ["x y --name one"] = "%-%-name needs exactly one task",
      ["x y --name '{date}.{stem}'"] = "%-%-name gives the stems of several "
        .. "tasks one name",
      ["x --name '{nam}.{stem}'"] = "%-%-name has the unknown placeholder",
      ["x y --mixture in/song.flac"] = "%-%-mixture needs exactly one task",
      ["x --mixture nowhere.flac"] = '"nowhere.flac" cannot be read: No such',
    }) do
      said, status = run("camb download %s", words)
      assert.is_true(status == 2 or status == 3, said)
      assert.matches(expected, said)
    end
    assert.equal(1, uploads())
  end)

  it("have the names that were asked for by camb download, too", function()
    download_later("--name '{folder}, {name}, {stem}'")
    assert.equal("./in, take001, background.wav ./in, take001, foreground.wav ",
      files("out"))
  end)

  it("are named and tagged by the options of single calls, too", function()
    tagged("song.flac")
    local client = camb.client({ base_url = server.base_url,
      api_key = server.api_key })
    local song, out = folder .. "/in/song.flac", folder .. "/out"
    local result = assert(client:separate(song, { output_dir = out,
      stem_name = "{folder} {name} {stem} {run}", interval = 0.05,
      max_attempts = 1000 }))
    assert.equal(("%s/in song foreground %s.wav"):format(out, result.run_id),
      result.foreground)
    local _, err = client:separate(song, { output_dir = out,
      stem_name = ("x"):rep(241) .. "{stem}" })
    assert.equal("file", err.kind)
    assert.matches("is too long", err.message)
    local stems = assert(client:download(result.run_id, { output_dir = out,
      mixture = song, format = "flac", stem_name = "{name}, {stem}" }))
    assert.equal(out .. "/song, foreground.flac", stems.foreground)
    assert.equal("Words", require("camb.audio").probe(stems.foreground).tags
      .title)
    assert.has_error(function()
      client:separate(song, { mixture = song })
    end)
    client:close()
    assert.equal(1, uploads())
  end)

  it("never take the place of the source, whatever their format", function()
    run("ffmpeg -v error -y -i in/take001.wav in/take.foreground.opus")
    local bytes = workspace.read(folder .. "/in/take.foreground.opus")
    for _, verb in ipairs({ "separate", "batch --no-store", "batch" }) do
      local said, status = run("camb %s in/take.foreground.opus -o in --convert "
        .. "--overwrite --format opus --name 'take.{stem}' --interval 0.05", verb)
      assert.equal(3, status, said)
      assert.matches("is the source", said, 1, true)
    end
    assert.is_true(bytes == workspace.read(folder
      .. "/in/take.foreground.opus"))
    assert.equal(0, uploads())
  end)

  it("are chosen by the options of a call, too", function()
    local client = camb.client({ base_url = server.base_url,
      api_key = server.api_key })
    local result = assert(client:separate(folder .. "/in/take001.wav", {
      output_dir = folder .. "/out", foreground_dir = folder .. "/voice",
      only = "foreground", format = "flac", interval = 0.05,
      max_attempts = 1000 }))
    client:close()
    assert.is_nil(result.background)
    assert.equal(folder .. "/voice/take001.foreground.flac", result.foreground)
    assert.matches("^fLaC", workspace.read(result.foreground))
  end)
end)
