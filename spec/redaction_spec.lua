-- What the service, a proxy or a URL may bring into an error or an event, and
-- nobody should find in a log.

local camb = require "camb"
local redact = require "camb.redact"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local KEY = 'k3y/of%secret+"l3tters==' -- with what needs escapes
local BEGINNING = "k3y[/%%\\&]" -- of the key, in all spellings
local ECHOES = {
  ["as it is"] = KEY,
  ["in a URL"] = "k3y%2Fof%25secret%2B%22l3tters%3D%3D",
  ["in a URL, in small letters"] = "k3y%2fof%25secret%2b%22l3tters%3d%3d",
  ["in capitals"] = KEY:upper(),
  ["in HTML"] = "k3y/of%secret+&quot;l3tters==",
  ["in HTML, by numbers"] = "k3y&#x2F;of&#37;secret&#43;&#34;l3tters==",
  ["escaped twice"] = "k3y%252Fof%2525secret%252B%2522l3tters%253D%253D",
}
local IN_JSON = { 'k3y/of%secret+\\"l3tters==', 'k3y\\/of%secret+\\"l3tters==' }

-- Every string in `value`, one to a line.
local function strings(value, seen, found)
  seen, found = seen or {}, found or {}
  if type(value) ~= "table" then
    found[#found + 1] = tostring(value)
  elseif not seen[value] then
    seen[value] = true
    local meta = getmetatable(value)
    found[#found + 1] = meta and meta.__tostring and tostring(value) or nil
    for name, item in pairs(value) do
      strings(name, seen, found)
      strings(item, seen, found)
    end
  end
  return table.concat(found, "\n")
end

describe("an echo of the key", function()
  local server, client, events

  before_each(function()
    events = {}
    server = assert(sandbox.start({ api_key = KEY, processing = math.huge }))
    client = stage.client(server, { retries = 0, on_event = function(event)
      events[#events + 1] = event
    end })
  end)

  after_each(function()
    client:close()
    server:stop()
  end)

  local steps = {
    submit = function()
      return client:submit(MIX)
    end,
    status = function()
      return client:task("t"):status()
    end,
    result = function()
      return client:result(1)
    end,
    results = function()
      return client:results({ 1 })
    end,
  }

  local function fails(fault, call)
    fault.times = math.huge
    server:fault(fault)
    local value, err = call()
    server:clear_faults()
    assert.is_nil(value)
    local text = strings(err) .. strings(events)
    local at = text:lower():find(BEGINNING)
    assert.is_nil(at and text:sub(math.max(1, at - 80), at + 40))
    events = {}
    return err
  end

  for title, echo in pairs(ECHOES) do
    it(title .. " is in no error and no event", function()
      for step, call in pairs(steps) do
        for _, reply in ipairs({ { detail = "bad: " .. echo },
          { error = echo }, { message = { [echo] = echo } },
          { detail = { { loc = { "header", echo }, msg = echo, type = "x" } } },
        }) do
          local err = fails({ step = step, status = 403, reply = reply }, call)
          assert.equal("forbidden", err.kind)
          assert.matches("%[key%]", strings(err))
        end
        -- an excerpt ends somewhere in the key
        for length = 20, 70, 5 do
          fails({ step = step, status = 200, body = ("x"):rep(length)
            .. echo .. " and more and more" }, call)
        end
        -- and a longer one in the core
        for length = 180, echo ~= KEY and 230 or 0, 10 do
          fails({ step = step, status = 302, redirect = "http://127.0.0.1:9/"
            .. ("x"):rep(length) .. echo }, call)
        end
      end
    end)

    it(title .. " is in no error and no event of polling", function()
      for _, reply in ipairs({
        { status = "ERROR", exception_reason = echo, message = echo },
        { status = "ERROR", message = { detail = echo } },
        { status = echo }, { status = 7, message = echo },
        { status = "SUCCESS", message = echo },
        { status = "SUCCESS", run_id = echo },
      }) do
        fails({ step = "status", status = 200, reply = reply }, function()
          return client:task("t"):wait({ interval = 0.01, max_attempts = 2 })
        end)
      end
      fails({ step = "status", status = 200, body = echo .. " is no JSON" },
        function()
          return client:task("t"):wait({ interval = 0.01, max_attempts = 2 })
        end)
    end)
  end

  it("in JSON is not in an excerpt of it", function()
    for step, call in pairs(steps) do
      for _, echo in ipairs(IN_JSON) do
        for length = 20, 70, 5 do
          fails({ step = step, status = 200, body = ('["%s%s"'):format(
            ("x"):rep(length), echo) }, call)
        end
      end
    end
  end)

  it("in base64 or in hexadecimal digits is in no error", function()
    for _, form in ipairs({ "azN5L29mJXNlY3JldCsibDN0dGVycz09",
      "OmszeS9vZiVzZWNyZXQrImwzdHRlcnM9PQ==",
      "dTprM3kvb2Ylc2VjcmV0KyJsM3R0ZXJzPT0=",
      "dTprM3kvb2Ylc2VjcmV0KyJsM3R0ZXJzPT0",
      "6B33792F6F66257365637265742B226C3374746572733D3D",
      "6b33792f6f66257365637265742b226c3374746572733d3d" }) do
      local err = fails({ step = "status", status = 403,
        reply = { detail = "Basic " .. form .. " is none" } }, function()
          return client:task("t"):status()
        end)
      assert.matches("403: Basic %[key%]", err.message)
      assert.is_nil(strings(err):lower():find(form:lower():sub(4, 20), 1,
        true), strings(err))
    end
  end)

  local function told_by_a_server_of(key, words)
    local own = assert(sandbox.start({ api_key = key }))
    local one = stage.client(own, { retries = 0 })
    own:fault({ step = "status", status = 403, reply = { detail = words } })
    local _, err = one:task("t"):status()
    one:close()
    own:stop()
    return err
  end

  it("that holds what looks like an escape, or other letters, is in no text",
    function()
      for key, echoes in pairs({
        ['k+/=%41&<>"\\/x9Z!'] = { 'k+/=%41&amp;&lt;&gt;&quot;\\/x9Z!',
          'k+/=%41&<>\\"\\\\/x9Z!', "k%2B%2F%3D%2541%26%3C%3E%22%5C%2Fx9Z%21" },
        ["schl\195\188ssel-1"] = { "schl%C3%BCssel-1",
          "SCHL%c3%bcSSEL-1" },
      }) do
        echoes[#echoes + 1] = key
        for _, echo in ipairs(echoes) do
          assert.equal("told [key] here", redact.line("told " .. echo
            .. " here", key))
        end
      end
    end)

  it("does not hide a word that the key is, or holds", function()
    for _, case in ipairs({
      { "sandbox", "sandbox-stems of the sandbox" },
      { "foreground", "foreground-stems, xforeground and foreground_2" },
    }) do
      local err = told_by_a_server_of(case[1], case[2])
      assert.is_truthy(err.message:find(case[2], 1, true), err.message)
    end
  end)

  it("that is short is hidden as a word of its own", function()
    local err = told_by_a_server_of("key-12345",
      "api_key=key-12345: KEY-12345 (key-12345)")
    assert.is_nil(err.message:lower():find("12345", 1, true), err.message)
  end)

  it("cannot bring what a terminal obeys into a sentence", function()
    server:fault({ step = "status", status = 422, reply = { detail = {
      { loc = { "body", "x" }, msg = "\27[2J\7no\nsuch\194\155thing" } } } })
    local _, err = client:task("t"):status()
    assert.equal("validation", err.kind)
    assert.matches("no such thing", err.message)
    assert.is_nil(err.message:find("%c"))
    server:fault({ step = "status", reply = { status = "\27[31mODD" },
      times = math.huge })
    _, err = client:task("t"):wait({ interval = 0.01, max_attempts = 2 })
    assert.is_nil((err.message .. err.status):find("%c"))
    for _, event in ipairs(events) do
      assert.is_nil((event.status or event.reason or ""):find("%c"))
    end
  end)

  it("is not in a client or a task that is printed or looked through",
    function()
      local task = client:task("t")
      assert.is_nil(strings({ client, task, client.audio_separation }):find(
        BEGINNING))
    end)
end)

describe("what opens a URL", function()
  local server, client, folder, events

  before_each(function()
    events = {}
    server, client, folder = stage.open({ url_lifetime = 3600 }, { retries = 0,
      on_event = function(event)
        events[#events + 1] = event
      end })
  end)

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function hides(value)
    local text = strings(value) .. strings(events)
    assert.is_nil(text:find("signature", 1, true), text)
    assert.is_nil(text:find("expires=", 1, true), text)
    assert.is_nil(text:find("pass", 1, true), text)
  end

  local function separate(options)
    options.interval, options.max_attempts = 0.1, 5000
    options.output_dir = folder
    return client:separate(MIX, options)
  end

  it("is given back, but not told to listeners", function()
    local stems = assert(separate({}))
    assert.matches("signature=%x", stems.foreground_audio_url)
    hides({})
    assert.equal("finished", events[#events].name)
    assert.matches("^http.*%?…$", events[#events].stems.foreground_audio_url)
    assert.equal(stems.foreground, events[#events].stems.foreground)
  end)

  it("is not in what goes wrong with a stem", function()
    local urls = assert(separate({ download = false }))
    events = {}
    local gone = { foreground_audio_url = "http://127.0.0.1:9/a?signature=1",
      background_audio_url = "http://127.0.0.1:9/b?signature=1" }
    for _, from in ipairs({ gone, urls }) do
      server:fault({ step = "stem", status = 404, times = math.huge,
        reply = { detail = "no " .. urls.foreground_audio_url } })
      local stems, err = client:download(from, { output_dir = folder,
        name = "x", interval = 0.01, max_attempts = 1 })
      assert.is_nil(stems)
      hides(err)
    end
  end)

  it("is not in what goes wrong with a source", function()
    for _, url in ipairs({ "http://me:pass@127.0.0.1:9/x.wav?signature=1",
      server.stem_url .. "/stems/9/x.wav?signature=1&expires=2#signature" }) do
      for _, call in ipairs({ client.submit, client.separate }) do
        local value, err = call(client, url)
        assert.is_nil(value)
        hides(err)
      end
    end
    assert.matches("^http://%[user%]@127.0.0.1:9/x.wav%?…$", events[1].source)
  end)

  it("is not told by an echo of it without a scheme", function()
    local urls = assert(separate({ download = false }))
    local target = urls.foreground_audio_url:match("^%w+://[^/]+(.*)$")
    local host = urls.foreground_audio_url:match("^%w+://(.*)$")
    local query = target:match("%?(.*)$")
    local secret = query:match("signature=(%x+)")
    for _, echo in ipairs({ target, host, "//" .. host, query, "x?" .. query,
      (target:gsub("&", "&amp;")), (target:gsub("&", "\\u0026")),
      (target:gsub("[/?=&]", function(mark)
        return ("%%%02X"):format(mark:byte())
      end)), (urls.foreground_audio_url:gsub("^http", "HTTP")),
      (urls.foreground_audio_url:gsub("/", "\\/")),
      "signature " .. secret .. " is of another day", secret:upper() }) do
      events = {}
      server:fault({ step = "stem", status = 404, times = math.huge,
        reply = { detail = "nothing at " .. echo, place = { echo } } })
      local stems, err = client:download({
        foreground_audio_url = urls.foreground_audio_url,
        background_audio_url = urls.foreground_audio_url,
      }, { output_dir = folder, name = "x" })
      server:clear_faults()
      assert.is_nil(stems)
      local text = strings(err) .. strings(events)
      assert.is_nil(text:lower():find(secret, 1, true), text)
    end
  end)

  it("is in no event and no item of a batch with a store", function()
    local url = server.stem_url:gsub("://", "://me:pass@")
      .. "/stems/9/x.flac?sig=TOPSIG"
    local function is_hidden(value)
      local text = strings(value) .. strings(events)
      assert.is_nil(text:find("TOPSIG", 1, true) or text:find("pass", 1, true),
        text)
    end
    for round = 1, 2 do
      server:fault({ step = "stem", status = 200,
        body = workspace.read(MIX) })
      local count = 0
      for item in client:batch({ url }, { store = folder .. "/s.db",
        output_dir = folder, interval = 0.1, max_attempts = 5000 }) do
        assert.is_nil(item.error)
        assert.equal(round == 2, item.skipped or false)
        is_hidden(item)
        count = count + 1
      end
      assert.equal(1, count)
    end
    local text = workspace.run(("%s/bin/camb batch --store %s/s.db --status")
      :format(os.getenv("BUILD") or "build", folder))
    is_hidden(text)
  end)

  it("is not in a result that cannot be right", function()
    for _, reply in ipairs({
      { foreground_audio_url = "ftp://h/x?signature=1" },
      { foreground_audio_url = "http://h/x?signature=1" },
    }) do
      server:fault({ step = "result", reply = reply })
      hides(select(2, client:result(1)))
    end
    server:fault({ step = "result", body = '"http:\\/\\/h\\/x?signature=1"' })
    hides(select(2, client:result(1)))
  end)

  it("is not in the name of a client", function()
    local named = camb.client({ api_key = "k",
      base_url = "https://me:pass@127.0.0.1:9/apis" })
    assert.equal("camb.Client (https://[user]@127.0.0.1:9/apis)",
      tostring(named))
    hides(select(2, named:task("t"):status({ deadline = 1 })))
    named:close()
  end)

  it("is not printed by the command", function()
    local text, status = workspace.run(("CAMB_API_KEY=k CAMB_BASE_URL=%s "
      .. "%s/bin/camb separate 'http://me:pass@127.0.0.1:9/x.wav?signature=1' "
      .. "--deadline 0.2 -o %s"):format(server.base_url,
      os.getenv("BUILD") or "build", folder))
    assert.equal(6, status)
    hides(text)
  end)
end)

describe("words of others", function()
  -- Each is as long as a reply may be, and grows under some pattern.
  local PIECES = { "a", "http://", "a:/", "://a:b/", "?", "@", "=", "&", "\\",
    "%", "…", "\206", " ", "SECRETKEY12345", "x=SECRET&", "-1", "\n" }

  it("cost time and memory that have a bound #timed", function()
    for _, piece in ipairs(PIECES) do
      local text = piece:rep(math.floor(8e6 / #piece))
      local started = os.clock()
      assert.is_true(#redact.line(text, "SECRETKEY12345", text) < 5000)
      local all = redact.all({ text, { text }, [text] = text }, "SECRETKEY12345",
        text)
      assert.is_true(#strings(all) < 70000)
      redact.urls(text)
      assert.is_true(os.clock() - started < 5, piece)
    end
  end)

  it("are kept whole as far as a person reads", function()
    local words = ("wörds "):rep(500)
    assert.equal(words, redact.text(words, "SECRETKEY12345"))
    assert.matches("^[wörds ]+…$", redact.text(words:rep(2), "SECRETKEY12345"))
    local all = redact.all({ a = { { words } }, [words] = 1 }, "k")
    assert.same({ a = { { words } }, [words] = 1 }, all)
  end)

  it("that a terminal would obey are printed so that it does not", function()
    local server, folder = assert(sandbox.start({})), workspace.folder()
    finally(function()
      server:stop()
      workspace.remove(folder)
    end)
    local id = "t\27]0;owned\7\27[2J\194\155x"
    server:fault({ step = "submit", times = math.huge,
      reply = { task_id = id } })
    server:fault({ step = "status", times = math.huge,
      reply = { status = "ERROR", exception_reason = "\27[31mRED" } })
    local bad = workspace.write(folder .. "/a\27[2J.flac",
      workspace.read(MIX))
    local camb_command = ("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s/bin/camb ")
      :format(server.api_key, server.base_url, os.getenv("BUILD") or "build")
    for _, words in ipairs({ ("separate %s -o %s"):format(MIX, folder),
      ("separate \"%s\" -o %s"):format(bad, folder),
      ("batch %s none* -o %s --store %s/s.db"):format(MIX, folder, folder),
      ("batch --store %s/s.db --status"):format(folder) }) do
      local text, status = workspace.run(camb_command .. words)
      assert.is_number(status)
      assert.is_nil(text:find("[%z\1-\9\11-\31\127]"), text)
      assert.is_nil(text:find("\194[\128-\159]"), text)
      if not words:find("a\27", 1, true) then
        assert.is_truthy(text:find("t\\x1b]0;owned\\x07\\x1b[2J", 1, true),
          text)
      end
    end
  end)
end)

describe("the password of a URL on the command line", function()
  it("is not in the line that takes a task up", function()
    local server, folder = assert(sandbox.start({})), workspace.folder()
    finally(function()
      server:stop()
      workspace.remove(folder)
    end)
    server:fault({ step = "status", status = 404, times = math.huge })
    for command, number in pairs({ submit = 0, separate = 7 }) do
      for _, user in ipairs({ "me:S3CRET@", "me:a%2FS3CRET@" }) do
        local text, status = workspace.run(("CAMB_API_KEY=%s %s/bin/camb %s "
          .. "%s -o %s --base-url %s"):format(server.api_key,
          os.getenv("BUILD") or "build", command, MIX, folder,
          (server.base_url:gsub("://", "%0" .. user:gsub("%%", "%%%%")))))
        assert.equal(number, status, text)
        assert.is_truthy(text:find("--base-url " .. server.base_url, 1, true),
          text)
        assert.is_nil(text:find("S3CRET", 1, true), text)
      end
    end
  end)
end)

describe("the password of a service", function()
  it("is not in the line of camb doctor, which asks the same one", function()
    local said = workspace.run(("CAMB_API_KEY=k %s/bin/camb status xx "
      .. "--base-url http://me:S3CRET@127.0.0.1:1/apis"):format(
      os.getenv("BUILD") or "build"))
    assert.matches("run: camb doctor --base-url http://127.0.0.1:1/apis\n", said,
      1, true)
    assert.is_nil(said:find("S3CRET", 1, true), said)
  end)

  it("is not in that line as part of a folder", function()
    local folder = workspace.folder()
    finally(function()
      workspace.remove(folder)
    end)
    local said, status = workspace.run(("CAMB_API_KEY=k %s/bin/camb batch %s "
      .. "-o s3://me:S3CRET@bucket/stems --store %s/a.db"):format(
      os.getenv("BUILD") or "build", MIX, folder))
    assert.equal(3, status, said)
    assert.is_nil(said:find("S3CRET", 1, true), said)
  end)

  it("is all that is left out of that line", function()
    local said = workspace.run(("CAMB_API_KEY=k %s/bin/camb status xx "
      .. "--base-url http://me:S3CRET@127.0.0.1:1/of/me@other.example/apis")
      :format(os.getenv("BUILD") or "build"))
    assert.matches("run: camb doctor --base-url "
      .. "http://127.0.0.1:1/of/me@other.example/apis\n", said, 1, true)
  end)
end)

describe("the password of a store", function()
  local CLI = os.getenv("BUILD") or "build"

  it("is in nothing that the command prints", function()
    if os.getenv("SANITIZER") == "valgrind" then
      pending("the command begins too slowly")
      return
    end
    local URLS = { "postgres://me:S3CRET@127.0.0.1:9/takes",
      "postgres://127.0.0.1:9/takes?user=me&password=S3CRET",
      "postgres://me:a/S3CRET@127.0.0.1:9/takes",
      "postgres://me:a@S3CRET@127.0.0.1:9/takes",
      "postgres://me:a?S3CRET@127.0.0.1:9/takes",
      "postgres://me@127.0.0.1:9/takes?sslpassword=S3CRET",
      "postgresql://me:%53%33CRET@127.0.0.1:9/takes",
      "POSTGRES://me:S3CRET@127.0.0.1:9/takes" }
    -- Side by side, as each waits for the database.
    local folder, lines = workspace.folder(), {}
    for _, url in ipairs(URLS) do
      for _, words in ipairs({ "--status", MIX .. " --sandbox" }) do
        lines[#lines + 1] = ("(%s/bin/camb batch --store '%s' %s; "
          .. "echo status $?) > '%s/said%d' 2>&1 &"):format(CLI, url, words,
          folder, #lines + 1)
      end
    end
    workspace.run("export CAMB_API_KEY=k; " .. table.concat(lines, "\n")
      .. "\nwait")
    for i = 1, #lines do
      local text = workspace.read(("%s/said%d"):format(folder, i))
      assert.is_nil(text:find("status 0\n", 1, true), text)
      assert.is_nil(text:find("S3CRET", 1, true), text)
      assert.is_nil(text:find("%53%33", 1, true), text)
      if i % 2 == 1 then
        assert.matches("use PGPASSWORD or ~/.pgpass instead", text)
      end
    end
    assert.is_nil(workspace.run("ls"):find("S3CRET", 1, true))
    workspace.remove(folder)
  end)
end)
