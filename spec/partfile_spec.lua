-- What becomes of a stem's part, on any file system and beside any other file.

local takes = require "spec.support.takes"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"
-- Errors of Linux by their numbers.
local ENOLCK, ENOSYS, EINVAL, EPERM, EOPNOTSUPP, EIO = 37, 38, 22, 1, 95, 5

describe("the part of a stem", function()
  local server, run, known, client, folder, download, truth
  stage.for_stems(MIX, { server = { workers = 2 }, client = { retries = 0 } },
    function(...)
      server, run, known, client, folder, download = ...
    end)

  setup(function()
    truth = workspace.read(known.foreground)
  end)

  local function succeeds(options)
    local stems = assert(download(options))
    assert.is_true(truth == workspace.read(stems.foreground))
    return stems
  end

  -- Each call of the system by itself, as a file system without it answers.
  for _, lacking in ipairs({
    { "flock", ENOLCK, "no locks" }, { "flock", ENOSYS, "no locks" },
    { "flock", EOPNOTSUPP, "no locks" }, { "fsync", EINVAL, "cannot sync" },
    { "fsync", EOPNOTSUPP, "cannot sync" }, { "fsync", ENOSYS, "cannot sync" },
    { "renameat2", EINVAL }, { "renameat2", ENOSYS },
    { "renameat2=22,link", EPERM, "cannot rename without replacing" },
    { "renameat2=22,link", EOPNOTSUPP, "cannot rename without replacing" },
  }) do
    local call, number, words = lacking[1], lacking[2], lacking[3]
    it(("is kept where %s ends in error %d, and what is weaker is said once "
      .. "#posix"):format(call, number), function()
      local library = stage.preload(pending)
      local output, status = workspace.run((
        "cp %s %s/a.flac; cp %s %s/b.flac; cd %s; SPEC_REFUSED=%s=%d "
        .. "LD_PRELOAD=%s CAMB_BASE_URL=%s CAMB_API_KEY=%s "
        .. "%s separate a.flac b.flac -o out --interval 0.2"):format(MIX, folder,
        MIX, folder, folder, call, number, library, server.base_url,
        server.api_key, workspace.run("realpath " .. CAMB):match("[^\n]+")))
      assert.equal(0, status, output)
      assert.is_true(truth == workspace.read(folder .. "/out/a.foreground.flac"))
      local _, count = output:gsub("camb: the file system of [^\n]*", "")
      assert.equal(words and 1 or 0, count, output)
      assert.matches(words or "", output, 1, true)
    end)
  end

  it("is not taken for whole where the disk fails to sync it #posix", function()
    local library = stage.preload(pending)
    local output = workspace.run(("SPEC_REFUSED=fsync=%d LD_PRELOAD=%s %s -e '%s'")
      :format(EIO, library, os.getenv("LUA") or "lua5.4", ([[
        local camb = require "camb"
        local client = camb.client({ base_url = "%s", api_key = "%s" })
        local stems, err = client:download(%s, { output_dir = "%s",
          name = "x" })
        print(stems, err)
        os.exit(0)]]):format(server.base_url, server.api_key, run.id,
        folder)))
    assert.matches("nil\tfile: .*Input/output error", output)
    assert.same({}, workspace.list(folder))
  end)

  it("takes the place of what a killed process left", function()
    workspace.write(folder .. "/x.foreground.part", truth:sub(1, 50000))
    workspace.write(folder .. "/x.background.part", "")
    succeeds()
    assert.same({ "x.background.flac", "x.foreground.flac" },
      workspace.list(folder))
  end)

  for name, make in pairs({
    ["a file of somebody else's"] = "printf 'my own notes' > %s",
    ["a pipe"] = "mkfifo %s",
    ["a socket"] = "perl -MIO::Socket::UNIX -e "
      .. "'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)' %s",
    ["a link to a file"] = "printf 'my own notes' > %s.notes; ln -s %1$s.notes "
      .. "%s",
  }) do
    it("leaves alone " .. name .. " that has its name, and says which",
      function()
        local part = folder .. "/x.foreground.part"
        workspace.run((make:gsub("%%1%$s", part):gsub("%%s", part)))
        local before = workspace.run("stat -L -c '%F %s %i' " .. part)
        local stems, err = download({ overwrite = true })
        assert.is_nil(stems)
        assert.equal("file", err.kind)
        assert.matches("x.foreground.part", err.message, 1, true)
        assert.equal(before, workspace.run("stat -L -c '%F %s %i' " .. part))
        assert.is_nil(workspace.read(folder .. "/x.foreground.flac"))
      end)
  end

  it("leaves no other format of a stem that it replaces", function()
    workspace.write(folder .. "/x.foreground.wav", takes.wav(1))
    workspace.write(folder .. "/x.foreground.flac", "an older stem")
    workspace.write(folder .. "/x.foreground.txt", "notes")
    workspace.write(folder .. "/x.foreground2.wav", takes.wav(2))
    local stems = succeeds({ overwrite = true })
    assert.equal(folder .. "/x.foreground.flac", stems.foreground)
    assert.same({ "x.background.flac", "x.foreground.flac",
      "x.foreground.txt", "x.foreground2.wav" }, workspace.list(folder))
  end)

  it("never takes the place of the source", function()
    for _, extension in ipairs({ "flac", "wav" }) do
      local source = ("%s/x.background.%s"):format(folder, extension)
      local bytes = extension == "wav" and takes.wav(1) or workspace.read(MIX)
      workspace.write(source, bytes)
      local uploads = server:stats().uploads
      for _, overwrite in ipairs({ false, true }) do
        local stems, err = client:separate(source, { name = "x",
          output_dir = folder .. "/../" .. folder:match("[^/]+$"),
          overwrite = overwrite })
        assert.is_nil(stems)
        assert.equal("file", err.kind)
        assert.matches('" is the source: use another output_dir', err.message,
          1, true)
      end
      assert.equal(uploads, server:stats().uploads)
      assert.is_true(bytes == workspace.read(source))
      os.remove(source)
    end
  end)

  it("holds nothing that is not audio, even while it comes down", function()
    local page = "<html>" .. ("wait "):rep(40000)
    server:fault({ step = "stem", path = "foreground", body = page,
      truncate = 150000, silence = true, times = math.huge })
    local seen
    local _, err = download({ interval = 0.01, max_attempts = 3, on_event = function(event)
      if event.name == "download_progress" and event.stem == "foreground" then
        seen = workspace.read(folder .. "/x.foreground.part")
      end
    end })
    assert.equal("protocol", err.kind)
    assert.is_true(seen == nil or seen == "")
  end)
end)
