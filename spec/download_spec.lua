-- What a stem's host may answer, and for how long it is waited for.

local camb = require "camb"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "examples/mix.flac"
local CUT = 300000

describe("a download", function()
  local server, run, known, client, folder, download
  local truth, sha256, other
  stage.for_stems(MIX, { client = { retries = 1 } }, function(...)
    server, run, known, client, folder, download = ...
  end)

  setup(function()
    truth = workspace.read(known.foreground)
    other = workspace.read(known.background)
    sha256 = workspace.run("sha256sum " .. known.foreground):match("%x+")
  end)

  local function succeeds(options)
    local stems = assert(download(options))
    assert.is_true(truth == workspace.read(stems.foreground))
    assert.same({ "x.background.flac", "x.foreground.flac" },
      workspace.list(folder))
    return stems
  end

  local function answer(status, headers, body)
    server:fault({ step = "stem", path = "foreground", status = status,
      headers = headers, body = body })
  end

  local function cut(headers)
    local lines = { "HTTP/1.1 200 OK", "Content-Length: " .. #truth }
    for name, value in pairs(headers) do
      lines[#lines + 1] = name .. ": " .. value
    end
    server:fault({ step = "stem", path = "foreground",
      raw = table.concat(lines, "\r\n") .. "\r\n\r\n" .. truth:sub(1, CUT) })
  end

  local function rest(first)
    return truth:sub((first or CUT) + 1)
  end

  local function range(first, total)
    return ("bytes %d-%d/%s"):format(first, #truth - 1, total or #truth)
  end

  -- Answers to a request for the rest of a stem with the ETag "a"; after each
  -- of them the host is sane again.
  for name, odd in pairs({
    ["206 of a size it does not know"] = function()
      return 206, { ["Content-Range"] = range(CUT, "*") }, rest()
    end,
    ["206 in capitals"] = function()
      return 206, { ["Content-Range"] = range(CUT):upper() }, rest()
    end,
    ["206 without Content-Range"] = function()
      return 206, {}, rest()
    end,
    ["206 with a Content-Range that nobody can read"] = function()
      return 206, { ["Content-Range"] = "bytes */" .. #truth }, rest()
    end,
    ["206 with all of it"] = function()
      return 206, { ["Content-Range"] = range(0) }, truth
    end,
    ["206 of another place"] = function()
      return 206, { ["Content-Range"] = range(CUT - 1000) }, rest(CUT - 1000)
    end,
    ["206 with more than it says"] = function()
      return 206, { ["Content-Range"] = ("bytes %d-%d/%d"):format(CUT,
        CUT + 99, #truth) }, other
    end,
    ["206 with fewer bytes than it says"] = function()
      return 206, { ["Content-Range"] = range(CUT) }, rest():sub(1, 20)
    end,
    ["206 in parts"] = function()
      return 206, { ["Content-Type"] = "multipart/byteranges; boundary=B",
        ["Content-Range"] = range(CUT) },
        "--B\r\nContent-Range: " .. range(CUT) .. "\r\n\r\n" .. rest()
        .. "\r\n--B--\r\n"
    end,
    ["206 under another ETag"] = function()
      return 206, { ["Content-Range"] = range(CUT), ETag = '"b"' },
        other:sub(CUT + 1, #truth)
    end,
    ["206 of another size"] = function()
      return 206, { ["Content-Range"] = range(CUT, #truth + 9) }, rest()
    end,
    ["206 that does not say of which file"] = function()
      return 206, { ["Content-Range"] = range(CUT), ETag = false },
        other:sub(CUT + 1)
    end,
    ["200 with the rest alone"] = function()
      return 200, { ["Content-Range"] = range(CUT) }, rest()
    end,
    ["200 with nothing"] = function()
      return 200, {}, ""
    end,
    ["204"] = function()
      return 204, { ["Content-Length"] = false }
    end,
    ["304"] = function()
      return 304, {}
    end,
    ["412"] = function()
      return 412, {}
    end,
    ["416"] = function()
      return 416, { ["Content-Range"] = "bytes */100" }
    end,
    ["400"] = function()
      return 400, {}
    end,
    ["500"] = function()
      return 500, {}
    end,
  }) do
    it("is whole where the host answers to a resume with " .. name, function()
      cut({ ETag = '"a"' })
      local status, headers, body = odd()
      if headers.ETag == nil then
        headers.ETag = '"a"'
      end
      answer(status, headers, body)
      succeeds({ deadline = 60 })
    end)
  end

  it("is whole where a host refuses each request for a range", function()
    cut({ ETag = '"a"' })
    answer(500, {})
    answer(500, {})
    local before = #server:requests()
    succeeds({ deadline = 60, interval = 1, max_attempts = 30 })
    local asked = {}
    for i, request in ipairs(server:requests()) do
      if i > before and request.path:find("foreground", 1, true) then
        asked[#asked + 1] = request.headers.range and "range" or "all"
      end
    end
    assert.same({ "all", "range", "range", "all" }, asked)
  end)

  for name, headers in pairs({
    ["no validator"] = {},
    ["a weak ETag"] = { ETag = 'W/"a"' },
    ["an ETag without quotes"] = { ETag = "a" },
    ["a date of the same second"] = {
      ["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT",
      Date = "Mon, 01 Jan 2024 00:00:00 GMT" },
    ["a date, and no clock to compare it with"] = {
      ["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT" },
  }) do
    it("does not ask for the rest where the first bytes came with " .. name,
      function()
        local before = #server:requests()
        cut(headers)
        succeeds()
        for i, request in ipairs(server:requests()) do
          assert.is_nil(i > before and request.headers.range or nil)
        end
      end)
  end

  it("does not take up a file of another date", function()
    local date = "Mon, 01 Jan 2024 00:00:00 GMT"
    cut({ ["Last-Modified"] = date, Date = "Tue, 02 Jan 2024 00:00:00 GMT" })
    answer(206, { ["Content-Range"] = range(CUT) }, other:sub(CUT + 1, #truth))
    succeeds()
  end)

  it("resumes where the date says that it is the same file", function()
    local date = "Mon, 01 Jan 2024 00:00:00 GMT"
    cut({ ["Last-Modified"] = date, Date = "Tue, 02 Jan 2024 00:00:00 GMT" })
    answer(206, { ["Content-Range"] = range(CUT), ["Last-Modified"] = date },
      rest())
    succeeds()
  end)

  for name, make in pairs({
    ["a 206 that nobody asked for"] = function()
      answer(206, { ["Content-Range"] = range(0) }, truth)
    end,
    ["a 206 with the beginning, and the rest"] = function()
      answer(206, { ETag = '"a"',
        ["Content-Range"] = ("bytes 0-%d/%d"):format(CUT - 1, #truth) },
        truth:sub(1, CUT))
      answer(206, { ETag = '"a"', ["Content-Range"] = range(CUT) }, rest())
    end,
    ["a 206 with all in place of the rest"] = function()
      cut({ ETag = '"a"' })
      answer(206, { ["Content-Range"] = range(0) }, truth)
    end,
  }) do
    it("tells the SHA-256 of the file after " .. name, function()
      make()
      local part = assert(core.part(folder .. "/y"))
      local session = client.session
      local urls = assert(client:result(run.id))
      local transfer = assert(session:download({ part = part, hash = true,
        url = urls.foreground_audio_url, retries = 3 }))
      local deadline = core.now() + 30
      while not transfer:path() and not transfer:failure()
        and core.now() < deadline
      do
        client:step(1)
      end
      assert.equal(sha256, transfer:sha256())
      assert.is_true(truth == workspace.read(transfer:path()))
      transfer:close()
      os.remove(folder .. "/y.flac")
    end)
  end

  -- One attempt more than there are retries, without a byte.
  for name, fault in pairs({
    ["a host that is away"] = { close = true },
    ["a 404, as the stem is not there yet"] = { status = 404,
      body = "<Error><Code>NoSuchKey</Code></Error>" },
    ["a 403 that asks for less"] = { status = 403,
      body = "<Error><Code>SlowDown</Code></Error>" },
    ["a 202"] = { status = 202, empty = true },
    ["a page in place of the stem"] = { html = true },
    ["a 503"] = { status = 503 },
    ["nothing at all"] = { empty = true },
  }) do
    it("waits longer than its retries for what is paid for: " .. name,
      function()
        fault.step, fault.path, fault.times = "stem", "foreground", 3
        server:fault(fault)
        succeeds({ interval = 1, max_attempts = 30 })
      end)

    it("does not wait for ever: " .. name, function()
      fault.step, fault.path, fault.times = "stem", "foreground", math.huge
      server:fault(fault)
      local started = core.now()
      local stems, err = download({ interval = 0.25, max_attempts = 4 })
      assert.is_nil(stems)
      assert.is_not.equal("timeout", err.kind)
      assert.equal(run.id, err.run_id)
      assert.is_true(core.now() - started >= 1)
    end)
  end

  it("outlives any number of cuts, and of URLs that expire, while bytes come",
    function()
      for _ = 1, 8 do
        server:fault({ step = "stem", path = "foreground", cut = 30000 })
        server:fault({ step = "stem", path = "foreground", expired = true })
      end
      succeeds({ interval = 0.01, max_attempts = 1 })
    end)

  -- The pause before the next attempt after a 503 with these headers.
  local function pause_after(headers)
    local told
    server:fault({ step = "stem", path = "foreground", status = 503,
      headers = headers })
    local job = camb.spawn(download, { on_event = function(event)
      if event.name == "retrying" then
        told = event.next_in
      end
    end })
    local deadline = core.now() + 20
    while not told and not job:is_done() and core.now() < deadline do
      client:step(0.1)
    end
    job:cancel()
    while not job:is_done() and core.now() < deadline do
      client:step(0.1)
    end
    return told
  end

  local NOON = "Mon, 02 Jan 2034 12:00:00 GMT" -- our clock may say what it wants

  for value, seconds in pairs({
    ["121"] = 121, -- longer than where nothing is paid for
    ["  90 "] = 90,
    ["90 s"] = 90,
    ["30.5"] = 31,
    ["Mon, 02 Jan 2034 12:01:30 GMT"] = 90,
    ["Monday, 02-Jan-34 12:01:30 GMT"] = 90,
    ["Mon Jan  2 12:01:30 2034"] = 90,
    ["2034-01-02T12:01:30Z"] = 90,
    ["2034-01-02T14:01:30.250+02:00"] = 90,
    ["2034-01-02 10:31:30-0130"] = 90,
    ["2019816090"] = 90,
    ["2019816090000"] = 90,
  }) do
    it(("reads Retry-After: %s, by the clock of the server"):format(value),
      function()
        assert.equal(seconds, pause_after({ ["Retry-After"] = value,
          Date = NOON }))
      end)
  end

  for _, value in ipairs({ "Mon, 02 Jan 2034 11:59:00 GMT", "soon", "-5", "" })
  do
    it(("waits no longer than it would anyway for Retry-After: %s"):format(
      value), function()
      assert.is_true(pause_after({ ["Retry-After"] = value, Date = NOON }) <= 1)
    end)
  end

  it("asks for the result as long as for the stems", function()
    server:fault({ step = "result", status = 502, times = 4 })
    succeeds({ interval = 1, max_attempts = 30 })
  end)
end)

describe("a batch with a store", function()
  it("does not give a stem up while its host is away #stored", function()
    local folder = workspace.folder()
    local server = assert(sandbox.start({}))
    local client = camb.client({ base_url = server.base_url,
      api_key = server.api_key, retries = 0 })
    server:fault({ step = "stem", close = true, times = 6 })
    local items = {}
    for item in client:batch({ "spec/fixtures/mix.flac" }, {
      store = folder .. "/jobs.db", output_dir = folder .. "/out",
      interval = 0.01, max_attempts = 1000,
    }) do
      items[#items + 1] = item
    end
    client:close()
    server:stop()
    workspace.remove(folder)
    assert.equal(1, #items)
    assert(items[1].stems, items[1].error)
  end)
end)
