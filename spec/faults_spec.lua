-- A sandbox that fails on command: what it was told to get wrong is wrong on
-- the wire, with the curl command at the other end.

local cjson = require "cjson"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local sandboxed = require "spec.support.sandboxed"
local served = require "spec.support.served"
local workspace = require "spec.support.workspace"

local http = sandboxed.http
local key = sandboxed.key
local run = sandboxed.run
local wait_for = sandboxed.wait_for

local work
setup(function()
  work = sandboxed.open()
  sandboxed.write(work .. "/large", ("x"):rep(2 ^ 20))
end)
teardown(sandboxed.close)

local server
before_each(function()
  server = sandboxed.start()
end)
after_each(sandboxed.stop)

-- A poll of a task that is not there: 404 without a fault.
local function poll(arguments)
  return http(key .. "--max-time 10 " .. (arguments or "") .. " '"
    .. server.base_url .. "/audio-separation/x'")
end

local function upload(arguments)
  return http(key .. "--max-time 10 -H 'Expect:' " .. (arguments
    or "-F project_name=p -F media_file=@" .. work .. "/mix.flac") .. " "
    .. server.base_url .. "/audio-separation")
end

local function last_request()
  local requests = server:requests()
  return requests[#requests]
end

-- What a poll gets that suffers `fault`.
local function suffer(fault, arguments)
  fault.step = "status"
  server:fault(fault)
  return poll(arguments)
end

describe("a fault strikes", function()
  it("one request, then the server is as it was", function()
    server:fault{ step = "status", status = 500 }
    assert.equal(500, poll().status)
    assert.equal(404, poll().status)
  end)

  it("so often as it was told, after letting some requests pass", function()
    server:fault{ step = "status", status = 500, skip = 1, times = 2 }
    local seen = {}
    for i = 1, 4 do
      seen[i] = poll().status
    end
    assert.same({ 404, 500, 500, 404 }, seen)
  end)

  it("in the order of the faults", function()
    server:fault{ step = "status", status = 501 }
    server:fault{ step = "status", status = 502, skip = 1 }
    server:fault{ step = "status", status = 503, times = math.huge }
    local seen = {}
    for i = 1, 5 do
      seen[i] = poll().status
    end
    assert.same({ 501, 503, 502, 503, 503 }, seen)
    server:clear_faults()
    assert.equal(404, poll().status)
  end)

  it("its own step alone, and its own path", function()
    server:fault{ step = "result", status = 500 }
    server:fault{ step = "status", status = 502, path = "/y" }
    assert.equal(404, poll().status)
    assert.equal(502, http(key .. server.base_url .. "/audio-separation/y")
      .status)
    assert.equal(500, http(key .. server.base_url
      .. "/audio-separation-result/1").status)
  end)

  it("each of the five steps", function()
    local paths = {
      submit = "/audio-separation -F a=b",
      status = "/audio-separation/x",
      result = "/audio-separation-result/1",
      results = "/audio-separation-results -d {}",
    }
    for step, path in pairs(paths) do
      server:fault{ step = step, status = 599 }
      assert.equal(599, http(key .. server.base_url .. path).status, step)
    end
    server:fault{ step = "stem", status = 599 }
    assert.equal(599, http(server.stem_url .. "/stems/1/a.flac").status)
  end)

  it("from the first request on when it is given to start", function()
    server = sandboxed.start{ faults = {
      { step = "status", status = 500 }, { step = "status", status = 501 } } }
    assert.equal(500, poll().status)
    assert.equal(501, poll().status)
  end)
end)

describe("the moment of a fault", function()
  it("is before the body: not one byte of it was read", function()
    server:fault{ step = "submit", at = "headers", status = 503 }
    local reply = upload("-F media_file=@" .. work .. "/large")
    assert.equal(503, reply.status)
    assert.equal(0, last_request().body_bytes)
    assert.equal(503, last_request().status)
    assert.equal(0, server:stats().uploads)
  end)

  it("is before the key is looked at, when it is before the body", function()
    server:fault{ step = "status", at = "headers", status = 503 }
    assert.equal(503, http(server.base_url .. "/audio-separation/x").status)
  end)

  it("is in the body: exactly so many bytes were read", function()
    server:fault{ step = "submit", at = "body", after = 100000, reset = true }
    local reply = upload("-F media_file=@" .. work .. "/large")
    assert.is_true(reply.code == 55 or reply.code == 56, reply.code)
    local request = last_request()
    assert.equal(100000, request.body_bytes)
    assert.is_nil(request.file)
    assert.is_nil(request.status)
  end)

  it("is at the end of a body that is shorter", function()
    server:fault{ step = "submit", at = "body", after = 2 ^ 40, close = true }
    assert.equal(52, upload().code)
    assert.equal(0, server:stats().uploads)
  end)

  it("is the end of the request: all of it is in the log, nothing is done",
    function()
      server:fault{ step = "submit", close = true }
      assert.equal(52, upload().code)
      local request = last_request()
      assert.equal("POST", request.method)
      assert.equal("p", request.fields.project_name)
      assert.equal("mix.flac", request.file.name)
      assert.equal(#sandboxed.read(work .. "/mix.flac"), request.file.size)
      assert.equal(run("sha256sum < " .. work .. "/mix.flac"):match("^%x+"),
        request.file.sha256)
      assert.is_true(request.body_bytes > request.file.size)
      assert.equal(0, server:stats().uploads)
      wait_for("the upload to be removed", function()
        return run("find " .. server.data_dir .. "/uploads -type f") == ""
      end)
    end)

  it("is after the task was made", function()
    server:fault{ step = "submit", at = "accepted", status = 502 }
    assert.equal(502, upload().status)
    assert.equal(1, server:stats().uploads)
    assert.equal(502, last_request().status)
    assert.is_not_nil(last_request().file.sha256)
    assert.equal("", (run("ls " .. server.data_dir .. "/tasks | grep -c .")
      :gsub("1\n", "")))
  end)

  it("does not come in a request that the server refuses", function()
    server:fault{ step = "submit", close = true }
    server:fault{ step = "submit", at = "accepted", reset = true }
    local path = server.base_url .. "/audio-separation"
    assert.equal(401, http("-F media_file=@" .. work .. "/mix.flac " .. path)
      .status)
    assert.equal(52, upload().code)
    assert.equal(422, upload("-F project_name=p").status)
    assert.equal(56, upload().code)
    assert.equal(1, server:stats().uploads)
    assert.equal(200, upload().status)
  end)
end)

describe("a fault's reply", function()
  it("has any status, body and headers", function()
    local reply = suffer{ status = 418, body = "\0\1short", headers = {
      ["X-A"] = "1", ["content-type"] = "audio/wav", Many = { "a", "b" },
      Connection = false } }
    assert.equal(418, reply.status)
    assert.equal("\0\1short", reply.body)
    assert.equal("1", reply.headers["x-a"])
    assert.equal("audio/wav", reply.headers["content-type"])
    assert.equal("b", reply.headers.many)
    assert.is_nil(reply.headers.connection)
    assert.equal("7", reply.headers["content-length"])
  end)

  it("has a body that says what the status means, where none is given",
    function()
      local reply = suffer{ status = 503 }
      assert.equal('{"detail":"Service Unavailable"}', reply.body)
      assert.equal("application/json", reply.headers["content-type"])
      assert.equal("", suffer{ status = 204 }.body)
    end)

  it("is JSON of a Lua value, with null", function()
    local reply = suffer{ reply = { status = "SUCCESS",
      run_id = sandbox.null } }
    assert.equal(200, reply.status)
    assert.same({ status = "SUCCESS", run_id = cjson.null },
      cjson.decode(reply.body))
  end)

  it("asks to come back, in seconds or by a date", function()
    local reply = suffer{ status = 429, retry_after = 7 }
    assert.equal("7", reply.headers["retry-after"])
    local before = os.time()
    reply = suffer{ retry_after_date = 3600 }
    assert.equal(503, reply.status)
    local after = os.time()
    local date = reply.headers["retry-after"]
    assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", date)
    local seconds = tonumber((run("date -d '" .. date .. "' +%s")))
    assert.is_true(seconds >= before + 3600 and seconds <= after + 3600)
  end)

  for _, status in ipairs{ 301, 302, 303, 307, 308 } do
    it(("sends elsewhere by %d"):format(status), function()
      local reply = suffer{ status = status,
        redirect = "file:///stems/fg.flac" }
      assert.equal(status, reply.status)
      assert.equal("file:///stems/fg.flac", reply.headers.location)
    end)
  end

  it("is a page of HTML, empty, or what a storage says", function()
    local reply = suffer{ html = true }
    assert.equal(200, reply.status)
    assert.matches("^text/html", reply.headers["content-type"])
    assert.matches("Sign in", reply.body)
    reply = suffer{ empty = true }
    assert.equal(200, reply.status)
    assert.equal("0", reply.headers["content-length"])
    server:fault{ step = "stem", expired = true }
    reply = http(server.stem_url .. "/stems/1/a.flac")
    assert.equal(403, reply.status)
    assert.matches("Request has expired", reply.body)
  end)

  it("is valid JSON of a size, or of a depth", function()
    local body = suffer{ json_size = 1000000 }.body
    assert.equal(1000000, #body)
    assert.equal(1000000 - 14, #cjson.decode(body).padding)
    body = suffer{ json_depth = 10000 }.body
    assert.equal(("["):rep(10000) .. ("]"):rep(10000), body)
  end)

  it("is a small gzip of something large", function()
    for _, size in ipairs{ 0, 100, 2 ^ 20, 5 * 2 ^ 20 + 3, 1e8 } do
      local reply = suffer{ gzip_bomb = size }
      assert.equal("gzip", reply.headers["content-encoding"])
      assert.is_true(#reply.body < 200 + size / 500)
      assert.equal(("%.0f\n"):format(size),
        (run("gzip -dc < " .. work .. "/body | wc -c")))
      assert.equal("", (run("gzip -t < " .. work .. "/body")))
    end
  end)

  it("is any bytes at all", function()
    assert.equal("HELO", suffer({ raw = "HELO" }, "--http0.9").body)
    assert.equal(1, suffer{ raw = "SSH-2.0\r\n" }.code)
    assert.equal(8, suffer{ raw = "HTTP/1.1 200 OK\r\n"
      .. "Content-Length: x\r\n\r\n" }.code)
  end)
end)

describe("a reply goes wrong", function()
  it("by a wrong length", function()
    local reply = suffer{ body = "12345", content_length = 10 }
    assert.equal(18, reply.code)
    assert.equal("12345", reply.body)
    assert.equal("123", suffer{ body = "12345", content_length = 3 }.body)
    assert.equal(8, suffer{ body = "12345", content_length = "many" }.code)
  end)

  it("by a cut", function()
    local reply = suffer{ body = "12345", truncate = 3 }
    assert.equal(18, reply.code)
    assert.equal("123", reply.body)
    assert.equal("5", reply.headers["content-length"])
    reply = suffer{ json_size = 1e8, truncate = 100000 }
    assert.equal(18, reply.code)
    assert.equal(100000, #reply.body)
  end)

  it("by a cut between chunks", function()
    local reply = suffer{ body = "12345", chunked = true }
    assert.equal(0, reply.code)
    assert.equal("12345", reply.body)
    assert.equal("chunked", reply.headers["transfer-encoding"])
    assert.is_nil(reply.headers["content-length"])
    reply = suffer{ body = "12345", chunked = true, truncate = 3 }
    assert.equal(18, reply.code)
    assert.equal("123", reply.body)
  end)

  it("by bytes too many", function()
    server:fault{ step = "status", body = "12345", longer = 5 }
    assert.equal("12345xxxxx", (run(("curl -s --ignore-content-length %s %s")
      :format(key, server.base_url .. "/audio-separation/x"))))
    assert.equal("12345", suffer{ body = "12345", longer = 5 }.body)
  end)

  it("by slow headers, or a slow body", function()
    local function timed(fault)
      local started = core.now()
      local reply = suffer(fault)
      return reply, core.now() - started
    end
    local reply, seconds = timed{ body = "12345", slow = "headers",
      pace = 0.01, headers = { ["X-Padding"] = ("x"):rep(40) } }
    assert.equal("12345", reply.body)
    assert.is_true(seconds >= 1, seconds)
    reply, seconds = timed{ body = ("12345"):rep(100), slow = "body",
      pace = 0.1, chunk = 100 }
    assert.equal(500, #reply.body)
    assert.is_true(seconds >= 0.4 and seconds < 30, seconds)
  end)

  it("by headers without end, until the client has enough", function()
    server:fault{ step = "status", endless_headers = true }
    local text = run(("curl -si %s %s | head -c 200000 | tail -c 100")
      :format(key, server.base_url .. "/audio-separation/x"))
    assert.matches("eeee", text)
  end)
end)

describe("a connection ends", function()
  it("without a reply: closed, or reset", function()
    assert.equal(52, suffer{ close = true }.code)
    assert.equal(56, suffer{ reset = true }.code)
    server:fault{ step = "submit", reset = true }
    assert.equal(56, upload().code)
    assert.equal(0, server:stats().uploads)
    server:fault{ step = "submit", at = "accepted", reset = true }
    assert.equal(56, upload().code)
    assert.equal(1, server:stats().uploads)
  end)

  it("by a reset in the reply, of which all that was sent arrives", function()
    for _ = 1, 20 do
      local reply = suffer{ json_size = 200000, truncate = 100000,
        reset = true }
      assert.equal(56, reply.code)
      assert.equal(100000, #reply.body)
    end
  end)

  it("not at all: before a reply, in its headers, in its body", function()
    assert.equal(28, suffer({ silence = true }, "-m 1").code)
    local reply = suffer({ body = "12345", truncate = 3, silence = true },
      "-m 1")
    assert.equal(28, reply.code)
    assert.equal("123", reply.body)
    reply = suffer({ raw = "HTTP/1.1 200 OK\r\nX: y\r\n", silence = true },
      "-m 1")
    assert.equal(28, reply.code)
  end)

  it("cleanly for a client that goes on sending", function()
    for _ = 1, 10 do
      server:fault{ step = "submit", at = "headers", status = 413 }
      local reply = upload("-F media_file=@" .. work .. "/large")
      assert.equal(413, reply.status)
      assert.equal('{"detail":"Content Too Large"}', reply.body)
    end
  end)
end)

describe("a stem", function()
  local content, url
  before_each(function()
    content = "fLaC" .. ("0123456789"):rep(1000)
    local data = sandboxed.fresh("stems")
    sandboxed.plant(data, { task_id = "planted", status = "SUCCESS",
      run_id = 5000, foreground = "fg.flac", background = "bg.flac",
      foreground_sha256 = ("ab"):rep(32) },
      { ["fg.flac"] = content, ["bg.flac"] = content })
    server = sandboxed.start{ data_dir = data }
    url = sandboxed.urls(server, 5000).foreground_audio_url
  end)

  local function fetch(arguments)
    return http((arguments or "") .. " '" .. url .. "'")
  end

  it("is cut, and can be resumed", function()
    server:fault{ step = "stem", cut = 4000 }
    local reply = fetch()
    assert.equal(18, reply.code)
    assert.equal(content:sub(1, 4000), reply.body)
    assert.equal(tostring(#content), reply.headers["content-length"])
    server:fault{ step = "stem", cut = 0 }
    assert.equal("", fetch("-r 4000-").body)
    server:fault{ step = "stem", cut = 1000 }
    assert.equal(content:sub(4001, 5000), fetch("-r 4000-").body)
    assert.equal(content:sub(5001), fetch("-r 5000-").body)
  end)

  it("changes between two ranges", function()
    local before = fetch().headers
    server:fault{ step = "stem", changed = true, times = math.huge }
    local reply = fetch("-r 4000- -H 'If-Range: " .. before.etag .. "'")
    assert.equal(200, reply.status)
    assert.not_equal(before.etag, reply.headers.etag)
    assert.is_nil(reply.headers["repr-digest"])
    assert.equal(#content, #reply.body)
    assert.equal(content:sub(1, 12), reply.body:sub(1, 12))
    for i = 13, #content do
      assert.not_equal(content:byte(i), reply.body:byte(i))
    end
    local part = fetch("-r 4000- -H 'If-Range: " .. reply.headers.etag .. "'")
    assert.equal(206, part.status)
    assert.equal(reply.body:sub(4001), part.body)
  end)

  it("has another ETag, or other bytes than its digest says", function()
    local before = fetch()
    server:fault{ step = "stem", etag = '"mine"' }
    local reply = fetch()
    assert.equal('"mine"', reply.headers.etag)
    assert.equal(content, reply.body)
    server:fault{ step = "stem", corrupt = true }
    reply = fetch()
    assert.equal(before.headers.etag, reply.headers.etag)
    assert.equal(before.headers["repr-digest"], reply.headers["repr-digest"])
    assert.equal(#content, #reply.body)
    assert.not_equal(content, reply.body)
    assert.equal(content, fetch().body)
  end)

  it("is not altered where it is refused", function()
    server:fault{ step = "stem", cut = 1 }
    assert.equal(403, http("'" .. url .. "x'").status)
    assert.equal(1, #fetch().body)
  end)

  it("is another one for one of the two paths only", function()
    server:fault{ step = "stem", path = "background", html = true }
    assert.equal(content, fetch().body)
    url = sandboxed.urls(server, 5000).background_audio_url
    assert.matches("Sign in", fetch().body)
  end)
end)

describe("a server with faults", function()
  local function threads()
    local pid = workspace.read("/proc/self/stat"):match "^%d+"
    return #workspace.list("/proc/" .. pid .. "/task")
  end

  it("stops at once in the middle of them #timed", function()
    server:fault{ step = "status", silence = true, times = 5 }
    server:fault{ step = "status", body = ("x"):rep(1000), slow = "body",
      pace = 1, times = 5 }
    local pipe = io.popen(("curl -sS -Z --parallel-immediate --max-time 30 %s "
      .. "-w '%%{exitcode} ' -o /dev/null '%s/audio-separation/[1-10]' "
      .. "2>/dev/null")
      :format(key, server.base_url))
    wait_for("ten faults to strike", function()
      return #server:requests() == 10
    end)
    local started = core.now()
    server:stop()
    assert.is_true(core.now() - started < 0.5)
    local codes = {}
    for code in pipe:read("*a"):gmatch("%d+") do
      codes[code] = (codes[code] or 0) + 1
    end
    pipe:close()
    assert.is_true(core.now() - started < 2)
    assert.equal(5, codes["52"])
    assert.equal(5, codes["18"])
  end)

  it("has its descriptors and threads back after two hundred", function()
    poll()
    local descriptors, tasks = workspace.descriptors(), threads()
    for _, fault in ipairs{
      { status = 500 }, { reset = true }, { close = true },
      { silence = true }, { json_size = 1e6 }, { at = "headers", close = true },
      { body = "123", truncate = 1, reset = true }, { html = true },
      { json_size = 1e6, chunked = true, truncate = 5e5 },
      { body = "123", slow = "body", pace = 0.01 } } do
      fault.step, fault.times = "status", 20
      server:fault(fault)
    end
    run(("curl -sS -Z --parallel-immediate --parallel-max 40 "
      .. "--max-time 1.5 %s -o /dev/null '%s/audio-separation/[1-200]'")
      :format(key, server.base_url))
    wait_for("two hundred requests", function()
      return #server:requests() == 201
    end)
    assert.equal(404, poll().status)
    workspace.expect_descriptors(descriptors)
    wait_for("the threads", function()
      return threads() == tasks
    end)
  end)

  it("takes them, and forgets them, after it has stopped", function()
    server:stop()
    server:fault{ step = "status", status = 500 }
    server:clear_faults()
  end)
end)

describe("a fault that is none is refused:", function()
  local cases = {
    { "no step", { status = 500 }, "option 'step' is missing" },
    { "a wrong step", { step = "poll", status = 500 },
      'option \'step\' must be one of "submit", "status", "result", '
        .. '"results", "stem"' },
    { "an unknown option", { step = "status", statsu = 500 },
      "unknown option 'statsu'" },
    { "an option that is one slip away", { step = "status", tims = 500 },
      "unknown option 'tims' (did you mean 'times'?)" },
    { "nothing to do", { step = "status", times = 2 },
      "a fault needs an effect: a status, a body, reset, "
        .. "close, silence, …" },
    { "a wrong type", { step = "status", status = "500" },
      "option 'status': number expected, got string" },
    { "no status", { step = "status", status = 50 },
      "option 'status' must be a whole number from 100 to 999" },
    { "two bodies", { step = "status", body = "", html = true },
      "option 'html' cannot be combined with 'body'" },
    { "two ends", { step = "status", close = true, reset = true },
      "option 'reset' cannot be combined with 'close'" },
    { "no pace", { step = "status", body = "x", slow = "body" },
      "option 'slow' needs 'pace'" },
    { "a number of bytes without a body", { step = "submit", after = 5,
      at = "request", reset = true }, 'option \'after\' needs at = "body"' },
    { "a cut reply of JSON", { step = "status", cut = 5 },
      "option 'cut' needs step = \"stem\"" },
    { "a cut of what is not the real reply", { step = "stem", cut = 5,
      status = 500 }, "option 'status' cannot be combined with 'cut'" },
    { "a header that is two", { step = "status",
      headers = { A = "b\r\nc: d" } }, "option 'headers' needs a string without "
        .. "line breaks, a number or false as 'A'" },
    { "a false flag", { step = "status", reset = false },
      "option 'reset' must be true or left out" },
    { "what no JSON is", { step = "status", reply = { print } },
      "option 'reply' is not JSON: Cannot serialise function: "
        .. "type not supported" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local ok, message = pcall(function()
        server:fault(case[2])
      end)
      assert.is_false(ok)
      local file, text = message:match("^([^:]+):%d+: (.*)$")
      assert.matches("faults_spec.lua$", file)
      assert.equal(case[3], text)
    end)
  end

  it("in a list, by its number", function()
    local ok, message = pcall(sandbox.start, { faults = {
      { step = "status", reset = true }, { step = "status" } } })
    assert.is_false(ok)
    assert.matches("sandbox.start: faults%[2%]: a fault needs an effect",
      message)
  end)
end)

describe("camb serve --faults", function()
  it("rehearses what a file lists", function()
    workspace.write(work .. "/faults.lua",
      'return { { step = "status", status = 418 } }')
    local process = served.start("--faults " .. work .. "/faults.lua")
    assert.equal(418, http(key .. process.base_url .. "/audio-separation/x")
      .status)
    process.stop()
  end)

  for text, wanted in pairs{
    ["return 3"] = "returns a number, not a list of faults",
    ["return {"] = "cannot read the faults: .*unexpected symbol",
    ["error 'x'"] = "cannot read the faults: .*x",
    ["return { step = 'status' }"] = "faults must be a list of tables",
    ["return { { step = 'status' } }"] = "faults%[1%]: a fault needs an effect",
  } do
    it("says what is wrong with a file: " .. text, function()
      workspace.write(work .. "/faults.lua", text)
      local said, code = run("timeout 100 camb serve --port 0 --faults "
        .. work .. "/faults.lua")
      assert.equal(wanted:find("faults must", 1, true)
        and 2 or wanted:find("effect", 1, true) and 2 or 3, code)
      assert.matches("^camb: [^\n]*" .. wanted .. "[^\n]*\ncamb: to see what "
        .. "it takes, run: camb help serve\n$", said)
    end)
  end
end)

describe("a server with TLS", function()
  local function secure(tls)
    server = sandboxed.start{ tls = tls }
    assert.matches("^https://", server.base_url)
    assert.matches("^https://", server.stem_url)
    return "--cacert " .. server.ca_file
  end

  it("is trusted by its own authority, also under its other name", function()
    local trust = secure(true)
    assert.equal(404, poll(trust).status)
    assert.equal(60, poll().code)
    local named = server.base_url:gsub("127%.0%.0%.1", "localhost")
    assert.equal(404, http(key .. trust .. " " .. named
      .. "/audio-separation/x").status)
    assert.matches("600", (run("stat -c %a " .. server.data_dir
      .. "/ca-key.pem")))
  end)

  it("keeps its authority with its data", function()
    local data = sandboxed.fresh("secure")
    local first = sandboxed.start{ tls = true, data_dir = data }
    local before = workspace.read(first.ca_file)
    first:stop()
    server = sandboxed.start{ tls = true, data_dir = data }
    assert.equal(before, workspace.read(server.ca_file))
    assert.equal(404, poll("--cacert " .. server.ca_file).status)
  end)

  for problem, words in pairs{
    expired = "certificate has expired",
    self_signed = "self%-signed certificate",
  } do
    it("is refused when its certificate is wrong: " .. problem, function()
      local trust = secure({ [problem] = true })
      local text = run("curl -sS " .. trust .. " " .. server.base_url)
      assert.matches("curl: %(60%).*" .. words, text)
    end)
  end

  it("is refused when its certificate is for another host", function()
    assert.equal(60, poll(secure({ host = "other.example" })).code)
    local port = server.base_url:match(":(%d+)/")
    assert.equal(404, http(("%s --cacert %s "
      .. "--resolve other.example:%s:127.0.0.1 "
      .. "https://other.example:%s/apis/audio-separation/x"):format(key,
      server.ca_file, port, port)).status)
  end)

  it("is refused when it speaks an old version", function()
    assert.equal(35, poll(secure({ old = true }) .. " --tlsv1.2").code)
  end)

  it("has faults like any other", function()
    local trust = secure(true)
    local reply = suffer({ status = 302, redirect = "http://x/" }, trust)
    assert.equal("http://x/", reply.headers.location)
    reply = suffer({ json_size = 3e6 }, trust)
    assert.equal(3e6, #reply.body)
    reply = suffer({ body = "12345", truncate = 2 }, trust)
    assert.equal("12", reply.body)
    assert.equal(18, reply.code)
    assert.equal(56, suffer({ reset = true }, trust).code)
    assert.equal(52, suffer({ close = true }, trust).code)
    assert.equal(28, suffer({ silence = true }, trust .. " -m 2").code)
    assert.equal(404, poll(trust).status)
  end)

  it("uploads and separates as without", function()
    assert.equal(200, upload(secure(true) .. " -F media_file=@" .. work
      .. "/mix.flac").status)
    assert.equal(1, server:stats().uploads)
  end)

  it("raises for what it does not know", function()
    assert.has_error(function()
      sandbox.start{ tls = { wrong = true } }
    end, "option 'tls' has an unknown field 'wrong'")
  end)
end)
