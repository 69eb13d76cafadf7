-- The store that camb batch keeps by itself, so that nothing is paid twice.

local command = require "spec.support.command"
local journal = require "camb.journal"
local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"
-- As on a machine without LuaDBI.
local NO_DBI = "env -u LUA_INIT_5_4 LUA_INIT=\"package.preload.DBI = "
  .. "function() error('none') end\" "

describe("the store that camb batch keeps by itself", function()
  local server, folder

  before_each(function()
    folder = workspace.folder()
    server = assert(sandbox.start({ engine = takes.engine(folder),
      workers = 4 }))
    takes.make(folder .. "/in", 2)
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function environment(place)
    return ("export PATH=%s/bin:$PATH CAMB_API_KEY=%s CAMB_BASE_URL=%s; "
      .. "cd '%s'; "):format(BUILD:sub(1, 1) == "/" and BUILD or "$PWD/"
      .. BUILD, server.api_key, server.base_url, place or folder)
  end

  local function run(words, place)
    return workspace.run(environment(place) .. words)
  end

  local function uploads()
    return server:stats().uploads
  end

  it("makes the same line from any folder pay for nothing again", function()
    local line = ("camb batch %s/in -o %s/out --interval 0.05"):format(folder,
      folder)
    local paths, status = run(line .. " 2>/dev/null >paths; echo =$?; sort paths")
    assert.equal(0, status)
    assert.matches("^=0\n%S+background.wav\n", paths)
    assert.equal(paths, run(("%s 2>/dev/null >%s/paths; echo =$?; sort %s/paths")
      :format(line, folder, folder), "/"))
    local again
    again, status = run("camb batch . -o ../out --interval 0.05 2>/dev/null",
      folder .. "/in")
    assert.equal(0, status)
    assert.equal(2, select(2, again:gsub("foreground.wav\n", "")))
    assert.equal(2, uploads())
    assert.is_string(workspace.read(folder .. "/out/.camb.db"))
    assert.is_nil(workspace.read(folder .. "/out/.camb-journal"))
  end)

  it("resumes what was interrupted, and prints the line for that", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local words = command.interrupt(run, folder, "camb batch in -o out "
      .. "--interval 0.05", "take002.*PENDING")
    server:clear_faults()
    assert.matches("status=130\n", words)
    local line = words:match("to resume, run: (camb batch [^\n]+)")
    assert.equal("camb batch in -o out --interval 0.05", line)
    local said, status = run(line)
    assert.equal(0, status, said)
    assert.matches("resuming task %S+, already paid for\n", said)
    assert.equal(2, uploads())
    for i = 1, 2 do
      assert.equal(takes.wav(i), workspace.read(
        ("%s/out/take%03d.foreground.wav"):format(folder, i)))
    end
  end)

  it("takes up what a run without it has paid for", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    command.interrupt(run, folder, "camb separate in/take001.wav -o out "
      .. "--interval 0.05", "PENDING", { signal = "KILL" })
    server:clear_faults()
    local said, status = run("camb batch in -o out --interval 0.05")
    assert.equal(0, status, said)
    assert.equal(2, uploads())
    assert.equal(takes.wav(1),
      workspace.read(folder .. "/out/take001.foreground.wav"))
    assert.same({}, (journal.open_entries(folder .. "/out/.camb-journal")))
  end)

  it("knows by its content what a run without it has paid for", function()
    run("camb separate in/take001.wav -o out --interval 0.05")
    run("camb batch in -o out --interval 0.05; rm out/.camb-journal")
    run("mv in/take001.wav in/moved.wav")
    for _, line in ipairs({ "submit", "separate --overwrite" }) do
      local said, status = run("timeout 60 camb " .. line
        .. " in/moved.wav -o out")
      assert.equal(0, status, said)
    end
    assert.equal(2, uploads())
  end)

  it("takes up what a run without it has downloaded, if the stems are gone",
    function()
      assert.equal(0, select(2, run("camb separate in/take001.wav -o out "
        .. "--interval 0.05 && rm out/take001.*")))
      local said, status = run("camb batch in -o out --interval 0.05")
      assert.equal(0, status, said)
      assert.equal(2, uploads())
      assert.equal(takes.wav(1),
        workspace.read(folder .. "/out/take001.foreground.wav"))
    end)

  it("takes up what a run without it has downloaded, if the stems are there",
    function()
      run("camb separate in/take001.wav -o out --interval 0.05")
      workspace.write(folder .. "/out/take002.foreground.wav", "in the way")
      local planned = run("camb batch in -o out -n")
      assert.matches("done [^\n]* in/take001.wav: task ", planned)
      assert.matches("refused [^\n]* in/take002.wav: ", planned)
      local said, status = run("camb batch in/take001.wav -o out --interval 0.05")
      assert.equal(0, status, said)
      assert.matches("already paid for\n", said, 1, true)
      said, status = run("camb batch in -o out --interval 0.05")
      assert.equal(10, status, said)
      assert.matches("1 done before, 1 failed", said, 1, true)
      assert.equal(1, uploads())
      workspace.write(folder .. "/out/take001.foreground.wav", "my own work")
      run("rm out/.camb.db")
      said, status = run("camb batch in/take001.wav -o out --interval 0.05")
      assert.equal(3, status, said)
      assert.matches("already exists", said, 1, true)
      assert.equal("my own work",
        workspace.read(folder .. "/out/take001.foreground.wav"))
      assert.equal(1, uploads())
    end)

  it("is asked, as is every store that was named in the folder, whoever runs "
    .. "there", function()
    local line = " -o out --interval 0.05"
    assert.equal(0, select(2, run("camb batch in --store a.db" .. line)))
    for _, words in ipairs({ "separate in", "batch in", "batch in --no-store",
      "batch in --store other.db" }) do
      run("rm out/*.wav")
      local planned = run("camb " .. words .. " -o out -n")
      assert.matches("; 0 would be sent", planned, 1, true)
      local said, status = run("camb " .. words .. line)
      assert.equal(0, status, said)
      assert.equal(2, select(2, said:gsub("already paid for", "")), said)
      assert.equal(2, uploads(), words)
    end
    assert.equal(("%s/a.db\n%s/other.db\n"):format(folder, folder),
      workspace.read(folder .. "/out/.camb-stores"))
  end)

  describe("or names in PostgreSQL", function()
    local database = postgres.for_block()

    local function password_of(url)
      return (url:match("://camb:([^@]*)@"):gsub("%%(%x%x)", function(digits)
        return string.char(tonumber(digits, 16))
      end))
    end

    it("is asked, too, and its password is noted nowhere", function()
      local password = password_of(database.url)
      local said, status = run(("camb batch in --store '%s' -o out --interval "
        .. "0.05 && rm out/*.wav"):format(database.url))
      assert.equal(0, status, said)
      said, status = run(("PGPASSWORD='%s' camb separate in -o out "
        .. "--interval 0.05"):format(password))
      assert.equal(0, status, said)
      assert.equal(2, uploads())
      assert.matches("^postgres://camb@[^@]+\n$",
        workspace.read(folder .. "/out/.camb-stores"))
    end)

    it("is not taken for another run by another name", function()
      local name = database:create()
      for i, url in ipairs({ name,
        (name:gsub("//.*@(.*)%?", "//%1?user=camb&")) })
      do
        local said, status = run(("PGPASSWORD='%s' timeout 20 camb batch "
          .. "in/take00%d.wav --store '%s' -o out --interval 0.05"):format(
          password_of(name), i, url))
        assert.equal(0, status, said)
        assert.equal(i, uploads())
      end
    end)
  end)

  it("is asked, too, if what was only added to it was sent since", function()
    assert.equal(0, select(2, run("camb batch in --store a.db -o new/out "
      .. "--add-only")))
    assert.equal(0, select(2, run("camb batch --store a.db --interval 0.05 "
      .. "&& rm new/out/*.wav")))
    local said, status = run("camb batch in -o new/out --interval 0.05")
    assert.equal(0, status, said)
    assert.equal(2, select(2, said:gsub("already paid for", "")), said)
    assert.equal(2, uploads())
  end)

  it("knows a service by its URL without the password, and notes none",
    function()
      local function as(user, base_url)
        return ("CAMB_BASE_URL='%s' "):format((base_url or server.base_url)
          :gsub("//", "//" .. user .. ":s3cr-" .. user .. "@", 1))
      end
      for _, user in ipairs({ "a", "b" }) do
        for _, words in ipairs({ "batch in/take001.wav",
          "separate in/take002.wav" })
        do
          local said, status = run(as(user) .. "camb " .. words
            .. " -o out --interval 0.05 && rm out/*.wav")
          assert.equal(0, status, said)
        end
      end
      assert.equal(2, uploads())
      local said, status = run(as("a", "http://127.0.0.1:9/apis")
        .. "camb batch in -o out")
      assert.equal(1, status, said)
      assert.matches("belongs to the service at " .. server.base_url, said, 1,
        true)
      for _, text in ipairs({ said, workspace.read(folder .. "/out/.camb.db"),
        workspace.read(folder .. "/out/.camb-journal") })
      do
        assert.is_nil(text:find("s3cr", 1, true), text)
      end
    end)

  it("does not take a URL for sent that could not be fetched", function()
    for _, words in ipairs({ "batch --store a.db ", "batch ", "separate " }) do
      local said, status = run("camb " .. words .. server.base_url
        .. "/none.wav -o out")
      assert.equal(3, status, said)
      assert.matches("HTTP 404", said, 1, true)
    end
  end)

  it("leaves nothing where there is nothing to separate", function()
    for _, store in ipairs({ "", "--store a.db", "--no-store" }) do
      local said, status = run("camb batch none.wav -o new/out " .. store)
      assert.equal(3, status, said)
    end
    assert.same({ "a.db", "engine.sh", "in" }, workspace.list(folder))
  end)

  it("is asked, if it was named in the folder, about what was killed", function()
    server:fault({ step = "submit", silence = true, times = math.huge })
    command.interrupt(run, folder, "camb batch in/take001.wav --store a.db -o "
      .. "out", "uploading", { signal = "KILL" })
    server:clear_faults()
    local said, status = run("camb batch in/take001.wav -o out --interval 0.05")
    assert.equal(9, status, said)
    assert.matches("an earlier run was killed while sending this file", said)
    assert.equal(0, uploads())
  end)

  it("is asked, if it was named in the folder, about what is being sent",
    function()
      server:fault({ step = "submit", silence = true, times = math.huge })
      local pid = run("camb batch in/take001.wav --store a.db -o out >words 2>&1 "
        .. "& echo $!"):match("%d+")
      finally(function() workspace.stop(pid, "KILL") end)
      workspace.wait_for_uploads(server, 1)
      local said = run("camb batch in/take001.wav --store a.db -o out -n")
      assert.matches("^resumes .*: another worker is sending it\n.* 0 would be "
        .. "sent", said)
      for _, words in ipairs({ "batch", "batch --retry-failed", "separate",
        "separate", "submit" })
      do
        local status
        said, status = run(("camb %s in/take001.wav -o out"):format(words))
        assert.equal(1, status, said)
        assert.matches("another run is sending this file: run this again once "
          .. "it has ended\n", said, 1, true)
      end
      said = run("camb separate in/take001.wav -o out -n")
      assert.matches("^failed .*: another run is sending it\n", said)
      assert.equal(1, server:stats().requests.submit)
      workspace.stop(pid, "KILL")
      said = run("camb separate in/take001.wav -o out")
      assert.matches("an earlier run was killed while sending this file", said)
      assert.equal(1, server:stats().requests.submit)
      assert.equal(0, select(2, run("camb jobs --store a.db --task T 1")))
      said = run("timeout 60 camb batch in/take001.wav -o out --interval 0.05")
      assert.matches("resuming task T, already paid for\n", said, 1, true)
      assert.equal(1, server:stats().requests.submit)
    end)

  it("names the tasks and their lines if it is removed while it is in use",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local pid = run("camb batch in -o out --interval 0.05 >words 2>&1 & "
        .. "echo $!"):match("%d+")
      local function words()
        return workspace.read(folder .. "/words") or ""
      end
      workspace.wait_for("the tasks", function()
        return select(2, words():gsub("says PENDING", "")) >= 2
      end)
      run("rm -r out")
      workspace.wait_for("its notice", function()
        return select(2, words():gsub("which the store does not have", "")) == 2
      end)
      workspace.stop(pid)
      server:clear_faults()
      assert.is_nil(words():find("to resume", 1, true)) -- which would pay again
      local lines = 0
      for line in words():gmatch("without paying again, run: (camb download "
        .. "[^\n]+)\n")
      do
        local said, status = run(line)
        assert.equal(0, status, said)
        lines = lines + 1
      end
      assert.equal(2, lines)
      assert.equal(2, uploads())
    end)

  it("lets nothing be paid for if one that was named in the folder is damaged",
    function()
      assert.equal(0, select(2, run("camb batch in/take001.wav --store a.db "
        .. "-o out --interval 0.05 && echo no store >a.db")))
      for _, words in ipairs({ "separate in", "batch in", "batch in -n",
        "batch in --store b.db" }) do
        local said, status = run("camb " .. words .. " -o out")
        assert.is_true(status ~= 0, said)
        assert.matches("what was paid for in this folder is unknown (the store "
          .. folder .. "/a.db is not an SQLite database): mend that, or if "
          .. 'that store is gone for good, remove its line from '
          .. '"out/.camb-stores", or use another --output-dir (may be charged '
          .. "twice)\ncamb: once that is fixed, run: camb " .. words, said, 1,
          true)
      end
      assert.equal(1, uploads())
      run("rm a.db") -- it is gone
      assert.equal(0, select(2, run("camb separate in/take002.wav -o out "
        .. "--interval 0.05")))
    end)

  it("knows recordings whose folder was moved, and their stems", function()
    run("camb batch in -o out --interval 0.05; mv in moved")
    local had, planned = uploads(), run("camb batch moved -o out -n")
    assert.matches("; 0 would be sent, ", planned, 1, true)
    assert.is_nil(planned:find("refused", 1, true), planned)
    local said, status = run("camb batch moved -o out --interval 0.05")
    assert.equal(0, status, said)
    run("mv moved again; echo my own work >out/take001.background.wav")
    said, status = run("camb batch again/take001.wav -o out --interval 0.05")
    assert.equal(3, status, said)
    assert.matches("already exists: use --overwrite to replace it\n", said, 1, true)
    assert.equal("my own work\n", (run("cat out/take001.background.wav")))
    said, status = run(said:match("to separate it anyway, and replace "
      .. "that file, run: ([^\n]+)"))
    assert.equal(0, status, said)
    assert.equal(takes.wav(1), workspace.read(folder
      .. "/out/take001.background.wav"))
    assert.equal(had, uploads())
  end)

  it("stays usable in a folder where a store was named that is none", function()
    workspace.write(folder .. "/none.db", "no store")
    for _, spec in ipairs({ "none.db", "new/none.db",
      "postgres://camb:a/b@127.0.0.1:1/none" }) do
      local said, status = run(("camb batch in -o out --store '%s'"):format(spec))
      assert.is_true(status ~= 0, said)
    end
    assert.is_nil(workspace.read(folder .. "/out/.camb-stores"))
    assert.equal(0, select(2, run("camb batch in -o out --interval 0.05")))
    assert.equal(2, uploads())
  end)

  it("is asked by --status, and holds what --retry-failed retries", function()
    workspace.write(folder .. "/in/notes.wav", "not audio")
    assert.equal(10, select(2, run("camb batch in -o out --interval 0.05")))
    local said, status = run("camb batch --status -o out")
    assert.equal(0, status, said)
    assert.matches("downloaded%s+2\nfailed%s+1\n", said)
    workspace.write(folder .. "/in/notes.wav", takes.wav(50))
    said, status = run("camb batch --retry-failed -o out --interval 0.05")
    assert.equal(0, status, said)
    said, status = run("camb batch -o out") -- of itself
    assert.equal(0, status, said)
    assert.equal(3, uploads())
  end)

  it("tells of failed jobs only a line that names them, or none", function()
    workspace.write(folder .. "/notes.wav", "not audio")
    local line = "camb batch %s -o out --interval 0.05"
    assert.equal(3, select(2, run(line:format("notes.wav"))))
    os.remove(folder .. "/notes.wav")
    for _, named in ipairs({ "in/take001.wav", "in" }) do
      local said, status = run(line:format(named))
      assert.equal(0, status, said)
      assert.is_nil(said:find("--retry-failed", 1, true), said)
    end
    local said, status = run(line:format(""))
    assert.equal(10, status, said)
    assert.matches("retry them with: camb batch -o out", said, 1, true)
  end)

  it("tells what failed before as such, but heeds what was not asked for then",
    function()
      server:fault({ step = "submit", status = 422, times = 1 })
      local line = "camb batch in/take001.wav -o out --interval 0.05"
      assert.equal(7, select(2, run(line)))
      local said, status = run(line)
      assert.equal(7, status, said)
      assert.matches("camb: in/take001.wav: failed before: the service rejected",
        said, 1, true)
      workspace.write(folder .. "/out/take002.foreground.wav", "in the way")
      said, status = run("camb batch in/take002.wav -o out --interval 0.05")
      assert.equal(3, status, said)
      line = said:match("replace that file, run: (camb [^\n]+)\n")
      assert.equal("camb batch in/take002.wav -o out --interval 0.05 "
        .. "--overwrite", line)
      said, status = run(line)
      assert.equal(0, status, said)
      assert.equal(1, uploads())
    end)

  it("is asked by --status also where the sandbox has kept it", function()
    assert.equal(0, select(2, run("camb batch in -o out --sandbox")))
    for _, words in ipairs({ "", " --sandbox" }) do
      local said, status = run("camb batch --status -o out" .. words)
      assert.equal(0, status, said)
      assert.matches("downloaded%s+2\n", said)
    end
  end)

  it("is made by no question about it", function()
    local said, status = run("camb batch --status -o out")
    assert.equal(2, status)
    assert.matches("need --store, or an --output-dir", said, 1, true)
    assert.is_nil(workspace.read(folder .. "/out/.camb.db"))
  end)

  it("is not made where no file matches", function()
    local said, status = run("camb batch 'in/*.flac' -o out")
    assert.equal(3, status, said)
    assert.equal("", (run("ls -A out 2>/dev/null")))
  end)

  it("is not kept with --no-store", function()
    local said, status = run("camb batch in -o out --interval 0.05 --no-store")
    assert.equal(0, status, said)
    assert.is_nil(workspace.read(folder .. "/out/.camb.db"))
    said, status = run("camb batch in --no-store --store a.db")
    assert.equal(2, status)
    assert.matches("^camb: %-%-no%-store excludes %-%-store\n", said)
  end)

  it("is missed in one sentence where LuaDBI is not installed", function()
    local said, status = run(NO_DBI .. "camb batch in -o out --interval 0.05")
    assert.equal(0, status, said)
    assert.equal(1, select(2, said:gsub("keeps no store, as LuaDBI for SQLite",
      "")))
    assert.equal(2, uploads())
  end)

  it("is not passed over where LuaDBI is missing", function()
    assert.equal(0, select(2, run("camb batch in -o out --interval 0.05")))
    local said, status = run(NO_DBI .. "camb batch in -o out --interval 0.05")
    assert.equal(1, status, said)
    assert.matches("cannot be read without LuaDBI", said)
    assert.equal(2, uploads())
  end)

  it("is no source, nor is what else camb keeps, whatever the pattern", function()
    assert.equal(0, select(2, run("camb batch in -o out --interval 0.05")))
    workspace.write(folder .. "/out/.camb-journal", "{}\n")
    workspace.write(folder .. "/out/.camb-stores", "a.db\n")
    local said = run("camb batch 'out/.*' -o more --interval 0.05")
    assert.is_nil(said:find("is not audio", 1, true), said)
    assert.matches("files that camb wrote", said)
    assert.equal(2, uploads())
  end)

  it("is another one for the sandbox than for the service", function()
    local said, status = run("camb batch in -o out --sandbox")
    assert.equal(0, status, said)
    said, status = run("camb batch in -o out --overwrite --interval 0.05")
    assert.equal(0, status, said)
    said, status = run("camb batch in -o out --sandbox")
    assert.equal(0, status, said)
    assert.equal(2, uploads())
  end)

  it("locks nobody out of a folder if it holds nothing, as after a full disk",
    function()
      for _, words in ipairs({ "batch in -n", "separate in -n", "separate in",
        "batch in --store other.db" })
      do
        run("rm -rf out other.db; mkdir out; touch out/.camb.db")
        local said, status = run(("camb %s -o out --interval 0.05"):format(words))
        assert.equal(0, status, said)
      end
      assert.equal(2, select(2, run("rm -rf out/*; camb batch in -o out "
        .. "--interval 0.05 2>/dev/null"):gsub("foreground", "")))
      run("mkdir stems; touch stems/.camb.db")
      assert.matches('"stems" contains no stems', run("camb report stems"), 1,
        true)
    end)

  it("is used with another service as long as it has no task at the first",
    function()
      local line = "camb batch in -o out --interval 0.05"
      local said, status = run("CAMB_BASE_URL=http://127.0.0.1:9 timeout 60 "
        .. line)
      assert.not_equal(0, status, said)
      assert.is_string(workspace.read(folder .. "/out/.camb.db"))
      said, status = run(line)
      assert.equal(0, status, said)
      assert.equal(2, uploads())
      said, status = run("CAMB_BASE_URL=http://127.0.0.1:9 timeout 60 " .. line)
      assert.equal(1, status, said)
      assert.matches(("camb: the store out/.camb.db belongs to the service at %s,"
        .. " not to http://127.0.0.1:9: use its --base-url, or another --store")
        :format(server.base_url), said, 1, true)
      assert.is_nil(said:find(line, 1, true))
    end)

  it("has its dry run and its run agree after its folder was moved", function()
    run("mkdir out; touch out/take001.foreground.flac")
    local line = "camb batch in/take001.wav -o %s --interval 0.05 "
    assert.equal(3, select(2, run(line:format("out"))))
    run("mv out moved")
    local said = run(line:format("moved") .. "-n")
    assert.matches(("new [^\n]*: its stems go to %s/out, as its job was made for "
      .. "that folder\n1 file, [^\n]*; 1 would be sent"):format(folder), said)
    said = run(line:format("moved"))
    assert.matches(folder .. "/out/take001.foreground.wav\n", said, 1, true)
    local words = ("camb: stems of files that the store knows go to the folders "
      .. "that their jobs were made for: those of in/take001.wav to %s/out\n")
      :format(folder)
    assert.matches(words, said, 1, true)
    assert.equal(1, uploads())
    run("rm out/*.wav out/*.flac")
    assert.matches(("resumes [^\n]*: task [^\n]+; its stems go to %s/out, as "):
      format(folder), (run(line:format("moved") .. "-n")))
    assert.matches(words, run(line:format("moved")), 1, true)
    said = run(line:format("./moved"))
    assert.is_nil(said:find("made for", 1, true), said)
    run("ln -s out link; mv moved/.camb.db out; rm out/*.wav")
    said = run(line:format("link"))
    assert.matches("out/take001.foreground.wav\n", said, 1, true)
    assert.is_nil(said:find("made for", 1, true), said)
    assert.equal(1, uploads())
  end)

  it("is left as it was by a key that is wrong, and says how to resume",
    function()
      for _, sources in ipairs({ "in/take001.wav", "in" }) do
        local line = ("camb batch %s -o out --interval 0.05"):format(sources)
        local said, status = run("CAMB_API_KEY=wrong " .. line)
        assert.equal(4, status, said)
        assert.is_nil(said:find("retrying", 1, true), said)
        assert.matches("\ncamb: the service rejected the API key", said, 1, true)
        assert.is_nil(said:find("failed", 1, true), said)
        assert.matches(("camb: to resume, run: %s\n$"):format(line:gsub("%p",
          "%%%0")), said)
        if sources == "in" then
          assert.matches("camb: 0 done, 2 unfinished in", said, 1, true)
        end
      end
      local said, status = run("camb batch in -o out --interval 0.05")
      assert.equal(0, status, said)
      assert.is_nil(said:find("rejected", 1, true), said)
      assert.equal(2, uploads())
    end)

  it("cannot be made in a folder that cannot, which costs nothing", function()
    workspace.write(folder .. "/out", "")
    local said, status = run("camb batch in -o out --interval 0.05")
    assert.equal(3, status, said)
    assert.matches('the folder "out" cannot be created', said)
    assert.equal(0, uploads())
  end)
end)
