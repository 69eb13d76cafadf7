-- Stems come down whole or not at all, whatever their host does.

local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "examples/mix.flac"

describe("a download", function()
  local server, run, known, client, folder, download, truth
  stage.for_stems(MIX, { client = { retries = 2 } }, function(...)
    server, run, known, client, folder, download = ...
  end)

  setup(function()
    truth = { foreground = workspace.read(known.foreground),
      background = workspace.read(known.background) }
  end)

  local function succeeds(options)
    local stems = assert(download(options))
    assert.is_true(truth.foreground == workspace.read(stems.foreground))
    assert.is_true(truth.background == workspace.read(stems.background))
    assert.same({ "x.background.flac", "x.foreground.flac" },
      workspace.list(folder))
  end

  local function fails(kind, text, options)
    local stems, err = download(options)
    assert.is_nil(stems)
    assert.equal(kind, err.kind)
    assert.matches(text, err.message)
    assert.equal(run.id, err.run_id)
    for _, name in ipairs(workspace.list(folder)) do
      assert.matches("%.flac$", name)
      assert.is_true(truth[name:match("%.(%w+)%.")]
        == workspace.read(folder .. "/" .. name))
    end
  end

  for name, fault in pairs({
    ["a cut"] = { cut = 100000 },
    ["a cut at the first byte"] = { cut = 0 },
    ["two cuts"] = { cut = 200000, times = 2 },
    ["a reset before the reply"] = { reset = true },
    ["a 500"] = { status = 500 },
    ["a 429"] = { status = 429, retry_after = 0 },
    ["an expired URL"] = { expired = true },
    ["expired URLs of both"] = { expired = true, times = 2 },
    ["bytes that are not what their digest says"] = { corrupt = true },
  }) do
    it("is whole after " .. name, function()
      fault.step = "stem"
      server:fault(fault)
      succeeds()
    end)
  end

  it("asks for the rest after a cut, by Range and If-Range", function()
    local before = #server:requests()
    server:fault({ step = "stem", cut = 300000 })
    succeeds()
    local ranges = 0
    local requests = server:requests()
    for i = before + 1, #requests do
      local headers = requests[i].headers
      if headers.range then
        ranges = ranges + 1
        assert.matches("^bytes=%d+%-$", headers.range)
        assert.matches('^"', headers["if-range"])
        assert.equal(206, requests[i].status)
      end
      if requests[i].listener == "stem" then
        assert.is_nil(headers["x-api-key"])
      end
    end
    assert.equal(1, ranges)
  end)

  it("begins anew when the stem changed between two ranges", function()
    local before = #server:requests()
    server:fault({ step = "stem", path = "background", cut = 300000 })
    server:fault({ step = "stem", path = "background", changed = true,
      cut = 1000 })
    succeeds({ deadline = 20 })
    local statuses = {}
    local requests = server:requests()
    for i = before + 1, #requests do
      if requests[i].path:find("background") then
        statuses[#statuses + 1] = requests[i].status
      end
    end
    assert.same({ 200, 200, 200 }, statuses)
  end)

  -- What is sent back as If-Range must not make a line of its own.
  it("does not repeat an ETag that contains a line break", function()
    local before = #server:requests()
    server:fault({ step = "stem", path = "background", raw = "HTTP/1.1 200 OK\r\n"
      .. 'Content-Length: 400000\r\nETag: "a\rX-Injected: b"\r\n\r\n'
      .. truth.background:sub(1, 300000) })
    succeeds()
    for i, request in ipairs(server:requests()) do
      if i > before then
        assert.is_nil(request.headers["x-injected"])
        assert.is_nil(request.headers["if-range"])
      end
    end
  end)

  it("refuses a page of HTML", function()
    server:fault({ step = "stem", status = 200, html = true,
      times = math.huge })
    fails("protocol", "the body is not audio but text/html",
      { interval = 0.01, max_attempts = 3 })
  end)

  it("refuses an empty stem", function()
    server:fault({ step = "stem", status = 200, empty = true,
      times = math.huge })
    fails("protocol", "the body is empty",
      { interval = 0.01, max_attempts = 3 })
  end)

  it("gives up when the bytes never match their digest", function()
    server:fault({ step = "stem", corrupt = true, times = math.huge })
    fails("protocol", "the bytes do not match their digest")
  end)

  it("says whose Retry-After is beyond the deadline", function()
    server:fault({ step = "stem", status = 503, retry_after = 3600, times = 2 })
    fails("rate_limited", "the stem's host is unavailable",
      { deadline = 60 })
  end)

  it("gives up on a host that never answers, at the deadline #timed", function()
    server:fault({ step = "stem", silence = true, times = math.huge })
    local core = require "camb.core"
    local started = core.now()
    fails("timeout", "timed out", { deadline = 0.5 })
    assert.near(0.5, core.now() - started, 0.2)
  end)

  it("follows a redirect of the host, and never to a file", function()
    local urls = assert(client:result(run.id))
    server:fault({ step = "stem", path = urls.foreground_audio_url:match(
      "^https?://[^/]+([^?]+)"), status = 302,
      redirect = urls.foreground_audio_url })
    succeeds()
    workspace.run(("rm %s/*"):format(folder))
    server:fault({ step = "stem", status = 302, redirect = "file:///etc/passwd",
      times = math.huge })
    fails("protocol", "a redirect to something that is not")
  end)

  it("tells of a redirect to what is no URL", function()
    server:fault({ step = "stem", status = 302, redirect = "http://[::1",
      times = math.huge })
    fails("protocol", "a redirect to something that is not")
  end)

  it("names the path when the folder cannot be written", function()
    workspace.run(("mkdir %s/x.foreground.part"):format(folder))
    local stems, err = download()
    assert.is_nil(stems)
    assert.equal("file", err.kind)
    assert.matches(folder .. "/x.foreground.part", err.message, 1, true)
    workspace.run(("rmdir %s/x.foreground.part"):format(folder))
  end)

  it("names the whole path of a file that has its name", function()
    for _, deep in ipairs({ "a: b", ("n"):rep(200) .. "/" .. ("m"):rep(200) }) do
      local path = ("%s/%s/x.foreground.flac"):format(folder, deep)
      workspace.run(("mkdir -p '%s/%s'"):format(folder, deep))
      workspace.write(path, "another file")
      local stems, err = client:download(run, { name = "x",
        output_dir = folder .. "/" .. deep })
      assert.is_nil(stems)
      assert.equal(path, err.path)
      assert.equal(('"%s" already exists: pass overwrite = true to replace it')
        :format(path), err.message)
    end
  end)

  it("advises to move a folder away that has its name", function()
    local path = folder .. "/x.foreground.flac"
    for _, overwrite in ipairs({ false, true }) do
      workspace.run("mkdir " .. path)
      local stems, err = download({ overwrite = overwrite })
      assert.is_nil(stems)
      assert.equal("file", err.kind)
      assert.equal(path, err.path)
      assert.equal(('"%s" is a folder: move it away'):format(path), err.message)
      workspace.run("rmdir " .. path) -- it is still empty
    end
  end)

  it("in another format advises to move a folder away that has its name",
    function()
      local path = folder .. "/x.foreground.mp3"
      for _, overwrite in ipairs({ false, true }) do
        workspace.run("mkdir " .. path)
        local stems, err = download({ overwrite = overwrite, format = "mp3" })
        assert.is_nil(stems)
        assert.equal(('"%s" is a folder: move it away; the foreground is '
          .. "complete as %s/x.foreground.flac"):format(path, folder),
          err.message)
        workspace.run(("rmdir %s; rm %s/*"):format(path, folder))
      end
    end)

  it("names the path when the disk is full #posix", function()
    workspace.on_small_disk("256k", pending, function(disk)
      local stems, err = client:download(run, { output_dir = disk })
      assert.is_nil(stems)
      assert.equal("file", err.kind)
      assert.matches("No space left on device", err.message)
      assert.matches(disk, err.message, 1, true)
      assert.same({}, workspace.list(disk))
    end)
  end)

  it("takes names from its caller, never from the URL", function()
    local urls = assert(client:result(run.id))
    local stems = assert(client:download({
      foreground_audio_url = urls.foreground_audio_url
        .. "&response-content-disposition=..%2F..%2Fevil",
      background_audio_url = urls.background_audio_url,
    }, { output_dir = folder }))
    assert.equal(folder .. "/run.foreground.flac", stems.foreground)
  end)

  it("leaves a file alone that another process is writing #posix", function()
    local part = folder .. "/x.foreground.part"
    local pid = workspace.run(("flock %s sh -c 'echo held > %s/held; exec "
      .. "sleep 60' > /dev/null 2>&1 & echo $!"):format(part, folder))
      :match("%d+")
    workspace.run(("for i in $(seq 3000); do [ -e %s/held ] && break; "
      .. "sleep 0.01; done"):format(folder))
    local stems, err = download()
    workspace.run(("pkill -P %s; kill %s"):format(pid, pid))
    assert.is_nil(stems)
    assert.equal("file", err.kind)
    assert.matches("is being written by another job or process", err.message)
  end)

  it("is not stopped by what a killed process left", function()
    workspace.write(folder .. "/x.foreground.part", truth.foreground:sub(1, 9000))
    succeeds()
  end)

  -- Both stems are at `url`, whatever the host is asked for.
  local function fetch(url)
    server:fault({ step = "stem", status = 200, body = truth.foreground,
      times = 2 })
    local stems = assert(client:download({ foreground_audio_url = url,
      background_audio_url = url }, { output_dir = folder, name = "x", overwrite = true }))
    assert.is_true(truth.foreground == workspace.read(stems.foreground))
    local requests = server:requests()
    return requests[#requests]
  end

  it("asks for a URL as it was signed: spaces escaped, dots left alone",
    function()
      assert.equal("/stems/my%20song/fg.flac",
        fetch(server.stem_url .. "/stems/my song/fg.flac").path)
      local request = fetch(server.stem_url
        .. "/stems/a/../b/./c%20d.flac?name=my song\195\164&sig=a/../b")
      assert.equal("/stems/a/../b/./c%20d.flac", request.path)
      assert.equal("name=my%20song%C3%A4&sig=a/../b", request.query)
    end)

  it("unpacks a stem that comes as gzip though nobody asked #gzip", function()
    local packed = workspace.read(workspace.pack(truth.foreground, folder))
    os.remove(folder .. "/packed")
    local labels = { "gzip", "x-gzip" }
    for _, label in ipairs(labels) do
      server:fault({ step = "stem", status = 200, body = packed,
        headers = { ["Content-Encoding"] = label }, times = 4 })
      local stems = assert(download({ overwrite = true }))
      assert.is_true(truth.foreground == workspace.read(stems.foreground))
      assert.is_true(truth.foreground == workspace.read(stems.background))
      server:clear_faults()
    end
  end)

  it("takes plain bytes for what they are, whatever their label says",
    function()
      for _, label in ipairs({ "gzip", "aws-chunked" }) do
        server:fault({ step = "stem", status = 200, body = truth.foreground,
          headers = { ["Content-Encoding"] = label }, times = 2 })
        local stems = assert(download({ overwrite = true }))
        assert.is_true(truth.foreground == workspace.read(stems.foreground))
      end
    end)
end)
