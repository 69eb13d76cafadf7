-- What the command line's sources stand for, and what is said of them before
-- money is spent.

local cjson = require "cjson"
local command = require "spec.support.command"
local core = require "camb.core"
local luas = require "spec.support.luas"
local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("before money is spent, camb", function()
  local server, folder, run

  command.for_each(2, 16000, function(...)
    server, folder, run = ...
    takes.make(folder .. "/in/deep", 3, 8000)
    workspace.run(("rm %s/in/deep/take00[12].wav"):format(folder))
  end)

  local function uploads()
    return server:stats().uploads
  end

  local function ffmpeg(name)
    local said, status = run(("ffmpeg -v error -y -i in/take001.wav -metadata "
      .. "title=Words in/%s"):format(name))
    assert.equal(0, status, said)
  end

  -- A second of a tone.
  local function tone(rate, words)
    local said, status = run("ffmpeg -v error -f lavfi -i sine=r=%d:d=1 %s",
      rate, words)
    assert.equal(0, status, said)
  end

  -- A recording of one bit at 2.8 MHz.
  local function dsf()
    local block, count = 4096, 86
    local bytes = ("\105"):rep(2 * block * count)
    return "DSD " .. luas.pack("<I8I8I8", 28, 92 + #bytes, 0)
      .. "fmt " .. luas.pack("<I8I4I4I4I4I4I4I8I4I4", 52, 1, 0, 2, 2, 2822400,
        1, 8 * block * count, block, 0)
      .. "data" .. luas.pack("<I8", 12 + #bytes) .. bytes
  end

  -- The stems in out, whatever their folders, without their extensions.
  local function stems()
    return (run("cd out; find . -name '*.foreground.*' | sort | "
      .. "sed 's/.foreground.*//'"))
  end

  it("says how many files of earlier batches a line resumes besides its own",
    function()
      run("camb batch in -o out --add-only")
      local said = run("camb batch in -o out -n")
      assert.is_nil(said:find("also resumes", 1, true), said)
      run("cp in/take001.wav other.wav; echo >>other.wav")
      for _, words in ipairs({ "-n", "--interval 0.05" }) do
        said = run("timeout 60 camb batch other.wav in/take002.wav -o out "
          .. words)
        local line = said:match("^camb: also resumes 2 files of earlier batches; "
          .. "to drop one, run: (camb [^\n]+) JOB\n")
        assert.equal("camb jobs --store out/.camb.db --forget", line, said)
      end
      assert.equal(4, uploads())
      said = run("timeout 60 camb batch other.wav -o out")
      assert.is_nil(said:find("also resumes", 1, true), said)
    end)

  it("separates files, folders, patterns and standard input into one folder",
    function()
      workspace.run(("mkdir %s/other; mv %s/in/deep/take003.wav %s/other/a.wav; "
        .. "cp %s/other/a.wav %s/other/b.wav"):format(folder, folder, folder,
        folder, folder))
      workspace.write(folder .. "/other/b.wav", takes.wav(77))
      local said, status = run("camb separate in 'other/[b]*' other/a.wav - "
        .. "in/take001.wav -o out --interval 0.05 <in/take002.wav 2>&1")
      assert.equal(0, status, said)
      assert.equal("./a\n./b\n./stdin\n./take001\n./take002\n", stems())
      assert.matches("camb: in/take001.wav is named twice\n", said, 1, true)
      assert.matches("standard input: %l+ .*task ", said)
      assert.equal(4, uploads()) -- standard input has the content of a file
    end)

  it("takes each file of a batch once, however it is named", function()
    local said, status = run("camb batch in ./in/take001.wav 'in/*2.wav' "
      .. "in/../in/take001.wav -o out --interval 0.05 2>&1")
    assert.equal(0, status, said)
    assert.matches("camb: ./in/take001.wav is the same file as in/take001.wav\n",
      said, 1, true)
    assert.matches("camb: in/take002.wav is named twice\n", said, 1, true)
    assert.matches("camb: 3 done, 3 left out", said, 1, true)
    assert.equal(3, uploads())
  end)

  it("refuses to read a batch from standard input", function()
    local said, status = run("camb batch - -o out --no-store <in/take001.wav")
    assert.equal(3, status)
    assert.matches("a batch does not read standard input: use camb separate -",
      said, 1, true)
  end)

  it("lists with --dry-run what it would send, without a key", function()
    ffmpeg("song.ogg")
    workspace.write(folder .. "/in/notes.wav", "not audio")
    for _, verb in ipairs({ "separate", "batch" }) do
      local said, status = run("unset CAMB_API_KEY; camb " .. verb
        .. " in --dry-run -o out")
      assert.equal(0, status, said)
      assert.matches("new +0:02 +8 kHz +mono +pcm_s16le +in/take001.wav\n", said)
      assert.matches('refused +the source "in/notes.wav" is not audio', said)
      assert.matches("4 files, 0:05 in total; 3 would be sent, 0:05\n", said, 1,
        true)
      assert.matches("camb: in/song.ogg is OGG, which the service does not "
        .. "accept: use --convert to send it as FLAC\n", said, 1, true)
    end
    assert.equal(0, uploads())
    assert.is_nil(workspace.read(folder .. "/out/.camb.db"))
    assert.equal("", (run("ls out 2>/dev/null")))
  end)

  it("makes no folder with --dry-run", function()
    for _, verb in ipairs({ "separate", "batch" }) do
      assert.equal(0, select(2, run("camb %s in -o new/deep -n", verb)))
      assert.is_nil(core.stat(folder .. "/new"))
    end
  end)

  it("inspects with --dry-run what it would send, as a run does", function()
    run("rm -r in; mkdir in")
    tone(8000, "-c:a aac in/cut.m4a")
    tone(8000, "in/whole.wav")
    tone(8000, "-f lavfi -i color=s=16x16:d=1 -map 1:v in/mute.mp4")
    workspace.write(folder .. "/in/cut.m4a",
      workspace.read(folder .. "/in/cut.m4a"):sub(1, 400))
    local said = run("camb batch in -o out -n")
    assert.matches("refused [^\n]*in/cut.m4a[^\n]*Invalid data", said)
    assert.matches("refused [^\n]*in/mute.mp4[^\n]*audio track", said)
    assert.matches(" 1 would be sent", said, 1, true)
    said = run("camb batch in -o out --interval 0.05")
    assert.matches("camb: [^\n]*in/cut.m4a[^\n]*Invalid data", said)
    assert.matches("camb: [^\n]*in/mute.mp4[^\n]*audio track", said)
    assert.equal(1, uploads())
  end)

  it("lists with --dry-run in columns, whatever the rate and the codec",
    function()
      run("rm -r in; mkdir in")
      tone(8000, "in/a.wav")
      tone(11025, "-c:a adpcm_ima_wav in/b.wav")
      tone(22050, "in/c.flac")
      workspace.write(folder .. "/in/d.dsf", dsf())
      local said = run("camb batch in -o out --dry-run --convert")
      local names, column = 0, nil
      for line in said:gmatch("new [^\n]+") do
        local at = line:find("in/", 1, true)
        column, names = column or at, names + 1
        assert.equal(column, at, said)
      end
      assert.equal(4, names, said)
      assert.matches("352.8 kHz +stereo +dsd_lsbf_planar ", said)
      assert.matches("11.025 kHz +mono +adpcm_ima_wav ", said)
    end)

  it("says the same of other formats, however they are named", function()
    local lines = { "separate new", "separate new/*", "batch new", "batch new/*" }
    for name, format in pairs({ ["a.wv"] = "WV", ["b.aiff"] = "AIFF",
      ["c.mov"] = "MOV", ["d.m4b"] = "M4B", ["e.w64"] = "W64",
      ["f.opus"] = "OPUS", ["g.voc"] = "VOC" })
    do
      run("mkdir new")
      ffmpeg("../new/" .. name)
      local cure = (" is %s, which the service does not accept: use --convert "
        .. "to send it as FLAC\n"):format(format)
      -- by its name each of them, and one in the other ways as well
      lines[#lines + 1] = "batch new/" .. name
      while lines[1] do
        local line = ("camb %s -o out "):format(table.remove(lines))
        assert.matches(cure, (run(line .. "--interval 0.05")), 1, true)
        local said = run("rm -rf out; " .. line .. "--dry-run")
        assert.matches(cure, said, 1, true)
        assert.matches(" 0 would be sent", said, 1, true)
        assert.matches(" 1 would be sent", run(line .. "-n --convert"), 1, true)
      end
      local said = run("camb submit new/" .. name)
      assert.matches("does not accept: use FLAC, MP3, WAV or AAC\n", said, 1, true)
      run("rm -r new")
    end
    assert.equal(0, uploads())
  end)

  it("takes WAV of broadcasting like WAV, and counts files of other names",
    function()
      run("cd in; mv take001.wav a.bwf; mv take002.wav b.rf64; rm -r deep; "
        .. "cp a.bwf noext; cp a.bwf notes.txt; mkdir ../misc; cp noext ../misc")
      local said, status = run("camb batch in -o out --interval 0.05")
      assert.equal(0, status, said)
      assert.equal("./a\n./b\n", stems())
      assert.equal(2, uploads())
      for _, words in ipairs({ "", "--dry-run" }) do
        said = run("camb batch in -o out " .. words)
        assert.matches("camb: skipped 2 files that are not named like "
          .. "recordings\n", said, 1, true)
        local left = {}
        for line in run("camb batch in -o out --json 2>/dev/null " .. words)
          :gmatch("[^\n]+")
        do
          local event = cjson.decode(line)
          left[#left + 1] = event.name == "left_out" and event.source or nil
        end
        assert.same({ "in/noext", "in/notes.txt" }, left)
        said, status = run("camb separate misc -o out " .. words)
        assert.equal(3, status)
        assert.matches('camb: "misc" contains no recordings\n', said, 1, true)
        assert.matches("camb: skipped 1 file that is not named like a "
          .. "recording\n", said, 1, true)
      end
    end)

  it("tells with --dry-run what a store has done", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    run("camb batch in -o out --interval 0.05")
    workspace.write(folder .. "/in/take001.wav", takes.wav(9, 9000))
    local text, status = run("camb batch in -o out --dry-run --json")
    assert.equal(0, status)
    local states = {}
    for line in text:gmatch("[^\n]+") do
      local event = cjson.decode(line)
      assert.equal("planned", event.name)
      states[event.source:match("[^/]*$")] = event.state
    end
    assert.same({ ["notes.wav"] = "failed", ["take001.wav"] = "new",
      ["take002.wav"] = "done", ["take003.wav"] = "done" }, states)
    assert.matches("new [^\n]*/take001.wav: its stems replace those that are "
      .. "there\n", (run("camb batch in -o out -n")))
    run("cp out/take002.foreground.wav out/take001.foreground.wav")
    assert.matches("refused [^\n]*/take001.wav: ", (run("camb batch in -o out -n")))
    assert.equal(3, uploads())
  end)

  it("tells with --dry-run what is known by its content, and pays once for it",
    function()
      run("cp in/take001.wav in/copy.wav")
      for words, number in pairs({ ["separate in"] = 3, ["batch in"] = 3,
        ["batch in --max-jobs 1"] = 1 })
      do
        local said = run("camb " .. words .. " -o out -n")
        assert.matches((" %d would be sent"):format(number), said, 1, true)
        assert.matches(number == 3 and "new .* in/copy.wav\nresumes .* in/"
          .. "take001.wav: its content is that of in/copy.wav\n"
          or "new .*remains .*remains .*remains ", said)
      end
      local line = "camb batch in -o out --interval 0.05"
      assert.equal(0, select(2, run(line)))
      assert.equal(3, uploads())
      run("touch in/take002.wav; cp in/take002.wav more.wav")
      local said = run("camb batch in more.wav -o out -n")
      assert.matches("done [^\n]* in/take002.wav: task ", said)
      assert.matches("resumes [^\n]* more.wav: task %S+\n5 files, [^\n]*; 0 would "
        .. "be sent", said)
      assert.equal(0, select(2, run(line .. " more.wav")))
      assert.equal(3, uploads())
      run("mv more.wav x.wav")
      said = run("camb batch x.wav -o out -n --project-name x") -- is sent, too
      assert.matches("; 1 would be sent", said, 1, true)
    end)

  it("tells with --dry-run what a batch refuses as its stems are there", function()
    run("mkdir out; touch out/take001.foreground.wav")
    for _, store in ipairs({ "", "--store jobs.db" }) do
      local line = ("camb batch in/take001.wav -o out %s "):format(store)
      local text = run(line .. "--dry-run")
      assert.matches("^refused .*take001.wav: .*take001.foreground.wav\" already "
        .. "exists: use %-%-overwrite", text)
      local said, status = run(line)
      assert.equal(3, status, said)
      assert.matches("already exists: use --overwrite", said, 1, true)
    end
    assert.matches("^refused ", (run("camb separate in/take001.wav -o out -n")))
    run("rm out/*; mkdir out/take001.foreground.wav out/take001.background.mp3")
    for _, words in ipairs({ "", "--overwrite", "--only background --format mp3" })
    do
      for _, flag in ipairs({ "-n", "" }) do
        assert.matches("is a folder: move it away, or use another --output-dir",
          (run("camb batch in/take001.wav -o out %s %s", words, flag)), 1, true)
      end
    end
    assert.equal(0, uploads())
  end)

  it("takes with --dry-run nothing that another service has separated for done",
    function()
      local other = assert(sandbox.start({ engine = takes.engine(folder) }))
      local there = ("CAMB_BASE_URL=%s CAMB_API_KEY=%s timeout 60 "):format(
        other.base_url, other.api_key)
      for _, line in ipairs({ "camb separate in -o out1 ",
        "camb batch in -o out2 --no-store ", "camb batch in -o out3 " })
      do
        run(there .. line .. "--interval 0.05")
        local said = run(line .. "-n")
        local refusal = line:find("out3", 1, true) and "belongs to the service "
          .. "at " .. other.base_url or "\" already exists: use --overwrite"
        assert.matches(refusal, said, 1, true)
        assert.is_nil(said:find("done", 1, true), said)
        assert.matches(refusal, run("timeout 60 " .. line), 1, true)
      end
      other:stop()
      assert.equal(0, uploads())
    end)

  it("tells with --dry-run what is in the way of a task's stems", function()
    assert.equal(0, select(2, run("camb separate in/take001.wav -o out "
      .. "--interval 0.05")))
    run("mkdir copy; cp in/take001.wav copy/x.wav; echo X >out/x.foreground.wav")
    run("ln -s out link")
    for _, place in ipairs({ "out", "./out/", "link" }) do
      assert.matches("^done ", (run("camb batch in/take001.wav -o %s -n", place)))
    end
    for _, verb in ipairs({ "separate", "batch" }) do
      local line = ("camb %s copy -o out "):format(verb)
      assert.matches("^refused [^\n]*x.foreground.wav\" already exists",
        (run(line .. "-n")))
      assert.matches("already exists", (run(line .. "--interval 0.05")))
      run("sed -i '/copy.x.wav/d' out/.camb-journal")
    end
    assert.equal(1, uploads())
  end)

  it("tells with --dry-run what else its store has to do", function()
    run("camb batch in -o out --store jobs.db --add-only")
    local said = run("camb batch --store jobs.db --dry-run")
    assert.equal(3, select(2, said:gsub("new +0:0%d .-\n", "")), said)
    assert.matches("3 files, 0:05 in total; 3 would be sent, 0:05\n", said, 1,
      true)
    said = run("camb batch in/deep --store jobs.db --dry-run --max-jobs 2")
    assert.matches("\nnew [^\n]* in/deep/take003.wav: its stems go to [^\n]*"
      .. "/out/deep, as its job was made for that folder\n", said)
    assert.matches("3 files, 0:05 in total; 2 would be sent", said, 1, true)
    said = run("camb batch in/deep --store jobs.db --add-only --dry-run")
    assert.matches("1 file, ", said, 1, true)
  end)

  it("tells with --dry-run what would be tried again, if that is asked for",
    function()
      run("mkdir out; touch out/take001.foreground.wav; "
        .. "camb batch in -o out --interval 0.05; rm out/take001.*")
      for words, number in pairs({ ["batch -o out --retry-failed"] = 1,
        ["batch in -o out --retry-failed"] = 1, ["batch in -o out"] = 1,
        ["batch -o out"] = 0 })
      do
        local said = run("camb " .. words .. " --dry-run")
        assert.equal(number == 1, said:find("new [^\n]*/take001.wav\n") ~= nil,
          said)
        assert.matches((" %d would be sent"):format(number), said, 1, true)
      end
    end)

  it("tells with --dry-run what is paid for, whatever was sent since",
    function()
      local line = "camb separate in/take001.wav -o out --overwrite "
      assert.equal(0, select(2, run(line .. "--interval 0.05")))
      run("cp -p in/take001.wav old; printf x >>in/take001.wav")
      assert.matches("1 would be sent", run(line .. "--dry-run"), 1, true)
      assert.equal(0, select(2, run(line .. "--interval 0.05")))
      run("cp -p old in/take001.wav")
      assert.matches("resumes .*0 would be sent", run(line .. "--dry-run"))
    end)

  it("sends no more than --max-jobs, and says how many remain", function()
    for _, verb in ipairs({ "separate in", "batch in" }) do
      local sent = uploads()
      local said, status = run(("camb %s -o out%d --interval 0.05 --max-jobs 2")
        :format(verb, sent))
      assert.equal(11, status, said)
      assert.equal(sent + 2, uploads())
      assert.matches("camb: 2 done, 1 remain", said, 1, true)
    end
    local said, status = run("camb batch in -o out2 --interval 0.05 --max-jobs 2")
    assert.equal(0, status, said)
    assert.equal(5, uploads())
  end)

  for words, line in pairs({ ["camb separate"] = "separate in -o %s",
    ["camb batch"] = "batch in -o %s --store jobs.db",
    ["camb watch"] = "watch in -o %s --store jobs.db --settle 0" })
  do
    it(("sends nothing more once the disk of the stems is full, by %s #posix")
      :format(words), function()
      -- 39 contents: 2 have room, and 34 may be under way then
      takes.make(folder .. "/in", 39, 8000)
      workspace.on_small_disk("64k", pending, function(disk)
        local said, status = run("camb " .. line .. " -j 1 --interval 0.05",
          disk)
        assert.equal(10, status, said)
        assert.matches("No space left on device", said)
        assert.is_true(uploads() < 39, said)
        assert.matches("camb: %d done, %d+ failed, %d+ remain", said)
        assert.matches("camb: a full disk stopped the sending: free space, then "
          .. "run the same line again\n", said, 1, true)
        if words ~= "camb watch" then -- which would watch on
          run("mount -o remount,size=4m %s", disk)
          said, status = run("camb " .. line .. " --interval 0.05", disk)
          assert.equal(0, status, said)
          assert.equal(39, uploads())
        end
      end)
    end)
  end

  it("sends no more than --max-minutes",
    function()
      local said, status = run("camb batch in -o out --interval 0.05 -j 1 "
        .. "--max-minutes 0.07")
      assert.equal(11, status, said)
      assert.equal(2, uploads())
      said, status = run("camb batch in -o out --interval 0.05 --max-minutes 0")
      assert.equal(11, status, said)
      assert.equal(2, uploads())
      said, status = run("camb batch in -o out --interval 0.05 --max-minutes 1")
      assert.equal(0, status, said)
      assert.equal(3, uploads())
    end)

  it("finishes what is paid for beyond a limit", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    command.interrupt(run, folder, "camb batch in -o out --interval 0.05",
      "PENDING", { signal = "KILL", count = 3 })
    server:clear_faults()
    local said, status = run("camb batch in -o out --interval 0.05 --max-jobs 0")
    assert.equal(0, status, said)
    assert.equal(3, uploads())
    assert.equal("./deep/take003\n./take001\n./take002\n", stems())
  end)

  it("does not count what is sent for no charge, but what may be", function()
    server:fault({ step = "submit", status = 422, times = 1 })
    local said, status = run("camb batch in -o out --interval 0.05 -j 1 "
      .. "--max-jobs 2")
    assert.equal(10, status, said)
    assert.equal(2, uploads())
    server:fault({ step = "submit", at = "accepted", close = true, times = 1 })
    local sent = uploads()
    run("camb separate in -o other --interval 0.05 -j 1 --max-jobs 1")
    assert.is_true(uploads() <= sent + 1)
  end)

  it("sends recordings of other formats as FLAC with --convert, each once",
    function()
      for _, name in ipairs({ "a.aiff", "b.ogg", "c.opus", "d.wma", "e.caf",
        "f.mkv", "g.mov" }) do
        ffmpeg(name)
      end
      run("rm in/take* in/deep/*")
      local line = "camb batch in -o out --interval 0.05 --convert"
      local said, status = run(line)
      assert.equal(0, status, said)
      assert.equal("./a\n./b\n./c\n./d\n./e\n./f\n./g\n", stems())
      local sent = uploads()
      for _, request in ipairs(server:requests()) do
        assert.is_true(not request.filename
          or request.filename:find("%.flac$") ~= nil, request.filename)
      end
      said, status = run(line)
      assert.equal(0, status, said)
      assert.equal(sent, uploads())
    end)

  it("sends with --convert what it refused before without it", function()
    ffmpeg("a.ogg")
    local line = "camb batch in/a.ogg -o out --interval 0.05 "
    assert.equal(3, select(2, run(line)))
    local said, status = run(line)
    assert.equal(3, status)
    assert.matches("failed before: .* use %-%-convert", said)
    assert.matches("; 1 would be sent", run(line .. "--convert -n"), 1, true)
    said, status = run(line .. "--convert")
    assert.equal(0, status, said)
    assert.equal("./a\n", stems())
  end)

  it("sends with --convert what a program refused, whose words are others",
    function()
      ffmpeg("a.ogg")
      local said, status = run("lua5.4 -e 'local client = require(\"camb\")"
        .. ".client() for item in client:batch({ \"in/a.ogg\" }, { store = "
        .. "\"out.db\", output_dir = \"out\" }) do print(item.error) end'")
      assert.equal(0, status, said)
      assert.matches("^source: .* use FLAC, MP3, WAV or AAC", said)
      said, status = run("camb batch in/a.ogg -o out --store out.db "
        .. "--interval 0.05 --convert")
      assert.equal(0, status, said)
      assert.equal("./a\n", stems())
    end)

  it("does not send again with --convert what the service refused", function()
    run("mv in/take001.wav 'in/use --convert.wav'")
    server:fault({ step = "submit", status = 413 })
    local line = "camb batch 'in/use --convert.wav' -o out --interval 0.05 "
    local said, status = run(line)
    assert.not_equal(0, status, said)
    local sent = uploads()
    said = run(line .. "--convert")
    assert.matches("failed before: ", said, 1, true)
    assert.equal(sent, uploads())
  end)

  it("says where a temporary file cannot be written #posix", function()
    ffmpeg("a.aiff")
    for words, what in pairs({ ["- <in/take001.wav"]
      = "standard input cannot be kept", ["in/a.aiff --convert"] = "a.aiff" })
    do
      local said, status = run("TMPDIR=$PWD/none camb separate -o out %s", words)
      assert.equal(3, status, said)
      assert.matches(('%s: a temporary file cannot be written in "%s/none": No '
        .. "such file or directory; set TMPDIR to another folder\n"):format(what,
        folder), said, 1, true)
    end
    assert.equal(0, uploads())
  end)

  it("leaves no converted file behind, however it ends", function()
    ffmpeg("a.aiff")
    run("mkdir tmp; rm in/take* in/deep/*")
    server:fault({ step = "submit", status = 422, times = 1 })
    run("TMPDIR=$PWD/tmp camb separate in -o out --convert --interval 0.05")
    run("TMPDIR=$PWD/tmp camb separate in -o out --convert --interval 0.05")
    assert.equal("./a\n", stems())
    assert.same({}, workspace.list(folder .. "/tmp"))
  end)

  it("needs camb-sandbox for what FFmpeg does, and says so", function()
    for words, name in pairs({ ["--convert"] = "--convert",
      ["--max-minutes 3"] = "--max-minutes" }) do
      local said, status = run(command.NO_AUDIO .. "camb batch in -o out " .. words)
      assert.equal(2, status)
      assert.matches("camb: " .. name .. " needs the rock camb-sandbox\n", said,
        1, true)
    end
    local said, status = run(command.NO_AUDIO
      .. "unset CAMB_API_KEY; camb batch in -o out --dry-run")
    assert.equal(0, status, said)
    assert.matches("durations need the rock camb-sandbox", said, 1, true)
    assert.equal(0, uploads())
  end)

  it("sends nothing that ends before its samples", function()
    workspace.write(folder .. "/in/head.wav", workspace.read(folder
      .. "/in/take001.wav"):sub(1, 44))
    local words = 'head.wav" contains no sound: it ends where that would begin'
    for i, verb in ipairs({ "batch", "batch --convert", "separate" }) do
      local line = ("camb %s in/head.wav -o out%d"):format(verb, i)
      local said, status = run(line .. " --dry-run")
      assert.equal(0, status, said)
      assert.matches(words, said, 1, true)
      assert.matches("0 would be sent", said, 1, true)
      said, status = run(line)
      assert.equal(3, status, said)
      assert.matches(words, said, 1, true)
    end
    local said, status = run("camb submit in/head.wav -o out")
    assert.equal(3, status, said)
    assert.matches(words, said, 1, true)
    assert.equal(0, uploads())
  end)

  it("sends nothing in which FFmpeg finds no sound", function()
    workspace.write(folder .. "/in/hollow.wav", "RIFF\36\0\0\0WAVEjunk\0\0\0\0")
    local said, status = run("camb batch in -o out --interval 0.05")
    assert.equal(10, status, said)
    assert.matches('camb: "in/hollow.wav": the source is', said, 1, true)
    assert.equal(3, uploads())
  end)
end)
