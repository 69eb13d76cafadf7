-- What the sandbox does to those who want too much of it, or take too long.

local cjson = require "cjson"
local raw = require "spec.support.raw"
local sandboxed = require "spec.support.sandboxed"
local served = require "spec.support.served"
local workspace = require "spec.support.workspace"

local http, start, KEY = sandboxed.http, sandboxed.start, sandboxed.key
local work

sandboxed.for_file(function(folder)
  work = folder
end)

local HEAD = "POST /apis/audio-separation HTTP/1.1\\r\\nHost: h\\r\\n"
  .. "x-api-key: sandbox\\r\\n"
local FORM = HEAD .. "Content-Type: multipart/form-data; boundary=limit\\r\\n"

describe("a client that takes its time #timed", function()
  -- Cut by the server, and not by the helper's own end.
  local function is_cut(server, bytes, byte)
    local _, took = raw.drip(server.base_url, bytes, byte, 15)
    assert.is_true(took > 0.8, took)
    assert.is_true(took < 6, took)
  end

  it("over its headers is cut", function()
    local server = start({ idle_timeout = 1 })
    is_cut(server, "GET / HTTP/1.1\\r\\nX: ", "x")
    is_cut(server, "", "x")
    is_cut(server, "GET /x HTTP/1.1\\r\\nHost: h\\r\\n\\r\\nG", "E")
  end)

  it("over its body is cut", function()
    local server = start({ idle_timeout = 1 })
    is_cut(server, FORM .. "Content-Length: 100000\\r\\n\\r\\n", "x")
    is_cut(server, FORM .. "Transfer-Encoding: chunked\\r\\n\\r\\n",
      "1\\r\\nx\\r\\n")
    sandboxed.wait_for("the request's end", function()
      return #server:requests() > 1
    end)
    assert.same({}, workspace.list(server.data_dir .. "/uploads"))
  end)

  it("over its TLS handshake is cut", function()
    local server = start({ idle_timeout = 1, tls = true })
    is_cut(server, "\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc", "\\x03")
  end)

  it("but goes on sending is waited for", function()
    local server = start({ idle_timeout = 1 })
    workspace.write(work .. "/slow.flac", ("x"):rep(60000))
    local reply = http(KEY .. "--limit-rate 20k -F media_file=@" .. work
      .. "/slow.flac " .. server.base_url .. "/audio-separation")
    assert.equal(200, reply.status)
  end)
end)

describe("too many connections", function()
  it("are closed, and those there are go on", function()
    local server = start({ max_connections = 3 })
    local other = raw.talk(server.base_url, ([[
      exec 4<>/dev/tcp/127.0.0.1/%s 5<>/dev/tcp/127.0.0.1/%s
      sleep 0.2
      curl -s --max-time 5 -o /dev/null -w 'fourth %%{http_code}\n' %s/x
      printf 'GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' >&4
      head -1 <&4]]):format(server.base_url:match(":(%d+)"),
      server.base_url:match(":(%d+)"), server.base_url), 10)
    assert.matches("fourth 000", other)
    assert.matches("HTTP/1.1 404", other)
    sandboxed.wait_for("room", function()
      return http(server.base_url .. "/x").status == 404
    end)
  end)
end)

describe("a path", function()
  -- What the data folder holds besides stems, and what nobody may read.
  local TARGETS = {
    "/", "//", "/stems", "/stems/", "/stems/5000", "/stems/5000/",
    "/stems/5000/../../secret", "/stems/../secret", "/../../etc/passwd",
    "/stems/5000/%%2e%%2e/%%2e%%2e/secret", "/%%2e%%2e/%%2e%%2e/etc/passwd",
    "/stems/5000%%2f..%%2f..%%2fsecret", "/stems/5000/..%%5c..%%5csecret",
    "/stems/5000/foreground.flac%%00.wav", "/stems/5000/fg.flac",
    "/stems/5000/foreground.flac/../fg.flac", "/stems//etc/passwd",
    "/etc/passwd", "file:///etc/passwd", "http://h/etc/passwd", "secret",
    "/stems/5000/task.json", "/stems/-1/foreground.flac",
    "/stems/99999999999999999999/foreground.flac", "*",
    "/apis/audio-separation/..%%2f..%%2fsecret",
    "/apis/audio-separation/%%00", "/apis/audio-separation/../../secret",
    "/apis/audio-separation-result/5000%%00", "/apis/../secret",
    "/stems/5000/foreground.flac\\0.wav", "/" .. ("a/"):rep(4000),
    "/" .. ("%%2e%%2e%%2f"):rep(1000) .. "etc/passwd",
  }

  it("leads to no file but a stem, and lists no folder", function()
    local server = sandboxed.start_with_stems("paths")
    local secret = workspace.read(server.data_dir .. "/secret")
    for _, url in ipairs({ server.base_url, server.stem_url }) do
      for _, target in ipairs(TARGETS) do
        local reply = raw.send(url, ("GET %s HTTP/1.1\\r\\nHost: h\\r\\n"
          .. "x-api-key: sandbox\\r\\nConnection: close\\r\\n\\r\\n"):format(
          (target:gsub("%%", "%%%%"))):gsub("%%%%%%%%", "%%%%"))
        assert.is_nil(reply:match("^HTTP/1%.1 [123]"), target .. reply)
        assert.is_nil(reply:find("root:", 1, true), target)
        assert.is_nil(reply:find(secret, 1, true), target)
        assert.is_nil(reply:find("0123456789", 1, true), target)
      end
    end
    assert.equal(200, http("'" .. sandboxed.urls(server, 5000)
      .foreground_audio_url .. "'").status)
  end)

  it("leads nowhere by a symbolic link in the data folder", function()
    local outside = sandboxed.fresh("outside")
    local folder = sandboxed.plant(outside, { task_id = "planted",
      status = "SUCCESS", run_id = 5000, foreground = "fg.flac",
      background = "bg.wav" }, { ["fg.flac"] = "x", ["bg.wav"] = "y" })
    local data = sandboxed.fresh("linked")
    workspace.run(("mkdir -p %s/tasks; ln -s %s %s/tasks/planted"):format(data,
      folder, data))
    local server = start({ data_dir = data })
    assert.equal(404, http(KEY .. server.base_url
      .. "/audio-separation-result/5000").status)
    assert.equal(404, sandboxed.poll(server, "planted").status)
  end)
end)

describe("a form", function()
  local server

  before_each(function()
    server = start({ max_upload = 4000000 })
  end)

  after_each(function()
    assert.same({}, workspace.list(server.data_dir .. "/uploads"))
    assert.same({}, workspace.list(server.data_dir .. "/tasks"))
  end)

  local function post(body, boundary, more)
    workspace.write(work .. "/form", body)
    return http(("%s -H 'Content-Type: multipart/form-data; boundary=%s' "
      .. "%s --data-binary @%s/form %s/audio-separation"):format(KEY, boundary,
      more or "-H Expect:", work, server.base_url))
  end

  local function part(name, value, boundary)
    return ("--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n")
      :format(boundary or "limit", name, value)
  end

  it("of too many parts is refused", function()
    local file = part('media_file"; filename="x.wav', "x")
    assert.equal(400, post(part("a", "x"):rep(1001) .. "--limit--\r\n", "limit").status)
    assert.equal(400, post(file:rep(1001) .. "--limit--\r\n", "limit").status)
    assert.equal(422, post(part("a", "x"):rep(1000) .. "--limit--\r\n", "limit").status)
  end)

  it("with a name, a boundary or a field that is too long is refused",
    function()
      local long = ("n"):rep(200000)
      assert.equal(400, post(part(long, "x") .. "--limit--\r\n", "limit").status)
      assert.equal(413, post(part("a", long) .. "--limit--\r\n", "limit").status)
      assert.equal(413, post(part("a", ("x"):rep(60000)):rep(20)
        .. "--limit--\r\n", "limit").status)
      local boundary = ("b"):rep(70000)
      assert.equal(400, post(part("a", "x", boundary) .. "--" .. boundary
        .. "--\r\n", boundary).status)
    end)

  it("that is larger than the server takes is refused, announced or not",
    function()
      local body = part('media_file"; filename="x.wav', ("x"):rep(5000000))
        .. "--limit--\r\n"
      -- A reply before the body closes the connection: whoever sends a body
      -- all the same may lose it.
      assert.equal(413, post(body, "limit", "-H 'Expect: 100-continue' "
        .. "--expect100-timeout 50").status)
      assert.equal(413, post(body, "limit",
        "-H Expect: -H 'Transfer-Encoding: chunked'").status)
    end)

  it("that lies about its length is cut or refused", function()
    for _, length in ipairs({ "-1", "99999999999999999999", "1x", "0x10" }) do
      local reply = raw.send(server.base_url, FORM .. "Content-Length: "
        .. length .. "\\r\\nConnection: close\\r\\n\\r\\nxxxx")
      assert.is_nil(reply:match("^HTTP/1%.1 2"), length)
    end
  end)
end)

describe("a request whose end is ambiguous", function()
  local SECOND = "GET /apis/audio-separation/second HTTP/1.1\\r\\nHost: h\\r\\n"
    .. "x-api-key: sandbox\\r\\n\\r\\n"

  for name, headers in pairs({
    ["a length and chunks"] = { "Content-Length: 4", "Transfer-Encoding: chunked" },
    ["chunks and a length"] = { "Transfer-Encoding: chunked", "Content-Length: 0" },
    ["two lengths"] = { "Content-Length: 0", "Content-Length: 90" },
    ["two lengths in one"] = { "Content-Length: 0, 90" },
    ["a sign"] = { "Content-Length: +0" },
    ["a name with a space"] = { "Content-Length : 90" },
    ["a name with a tab"] = { "Transfer-Encoding\t: chunked" },
    ["another coding"] = { "Transfer-Encoding: xchunked" },
    ["two codings"] = { "Transfer-Encoding: identity, chunked" },
    ["codings in two lines"] = { "Transfer-Encoding: identity",
      "Transfer-Encoding: chunked" },
  }) do
    it("is refused, and no second one within it is seen: " .. name, function()
      local server = start({})
      local reply = raw.send(server.base_url, HEAD .. table.concat(headers,
        "\\r\\n") .. "\\r\\n\\r\\n0\\r\\n\\r\\n" .. SECOND)
      assert.matches("^HTTP/1.1 400 ", reply)
      for status in reply:gmatch("HTTP/1.1 (%d+)") do
        assert.equal("400", status)
      end
      for _, request in ipairs(server:requests()) do
        assert.is_nil(request.path:find("second", 1, true))
      end
    end)
  end

  it("is none where the same length stands there twice", function()
    local server = start({})
    local reply = raw.send(server.base_url, HEAD .. "Content-Length: 2\\r\\n"
      .. "Content-Length: 2\\r\\nConnection: close\\r\\n\\r\\nxx")
    assert.is_nil(reply:match("^HTTP/1.1 400 "), reply)
  end)
end)

describe("a request for results", function()
  it("is limited in size and in depth", function()
    local server = start({})
    for depth, bytes in pairs({ [422] = ("["):rep(100000),
      [413] = '{"run_ids":[' .. ("1,"):rep(4500000) .. "1]}" }) do
      workspace.write(work .. "/json", bytes)
      assert.equal(depth, http(KEY .. sandboxed.json .. "-H Expect: "
        .. "--data-binary @" .. work .. "/json " .. server.base_url
        .. "/audio-separation-results").status)
    end
  end)
end)

describe("a key", function()
  it("is right as a whole only", function()
    local server = start({ api_key = "secret-key" })
    for key, status in pairs({ ["secret-key"] = 404, ["secret-ke"] = 401,
      ["secret-keyy"] = 401, ["secret-keysecret-key"] = 401, ["S"] = 401,
      ["Secret-key"] = 401 }) do
      assert.equal(status, http(("-H 'x-api-key: %s' %s/audio-separation/x")
        :format(key, server.base_url)).status, key)
    end
    assert.equal(401, http("-H 'x-api-key;' " .. server.base_url
      .. "/audio-separation/x").status)
  end)
end)

describe("an attack", function()
  it("costs the server a bounded amount of memory", function()
    local own = served.start("")
    local function memory()
      return tonumber(workspace.read("/proc/" .. own.pid .. "/status")
        :match("VmRSS:%s*(%d+)"))
    end
    local before = memory()
    local key = KEY .. "--max-time 20 -H Expect: -H 'Transfer-Encoding: chunked' "
    local endless = "head -c 200000000 /dev/zero | tr '\\0' '1' | curl -s -o "
      .. "/dev/null -w '%{http_code} %{size_upload}\\n' -T - "
    local url = own.base_url
    for _, request in ipairs({
      "-X GET " .. key .. url .. "/audio-separation/x",
      "-X POST " .. key .. sandboxed.json .. url .. "/audio-separation-results",
      "-X POST " .. key .. url .. "/nowhere",
      "-X POST " .. key .. "-H 'Content-Type: multipart/form-data; boundary=limit' "
        .. url .. "/audio-separation",
      "-X GET " .. key .. url:gsub("/apis", "/stems/1"),
    }) do
      workspace.run(endless .. request)
    end
    raw.send(url, "GET /" .. ("a"):rep(1000000) .. " HTTP/1.1\\r\\n\\r\\n")
    workspace.run(("for i in $(seq 200); do printf 'GET / HTTP/1.1\\r\\nX: %s' "
      .. "> /dev/tcp/127.0.0.1/%s & done; wait"):format(("x"):rep(1000),
      url:match(":(%d+)")))
    local grown = memory() - before
    assert.equal(404, http(KEY .. url .. "/audio-separation/x").status)
    own.stop()
    assert.is_true(os.getenv("SANITIZER") ~= nil or grown < 64 * 1024, grown)
  end)

  it("by requests with large headers does not fill the log", function()
    local server = start({})
    local headers = {}
    for i = 1, 25 do
      headers[i] = ("X-%d: %s"):format(i, ("y"):rep(4000))
    end
    workspace.write(work .. "/headers", table.concat(headers, "\n") .. "\n")
    local before = workspace.memory()
    assert.equal(0, select(2, workspace.run(("curl -s -o /dev/null --max-time 60 "
      .. "-H @%s/headers '%s/x[1-800]'"):format(work, server.base_url))))
    local requests = server:requests()
    assert.matches("/x800$", requests[#requests].path)
    assert.equal(("y"):rep(4000), requests[#requests].headers["x-25"])
    assert.is_true(#requests < 800, #requests)
    assert.equal(800, server:stats().requests.unknown)
    requests = nil -- luacheck: ignore
    collectgarbage()
    assert.is_true(workspace.memory() - before < 100 * 1024)
  end)

  it("by a record of a task stops nothing", function()
    local data = sandboxed.fresh("records")
    sandboxed.plant(data, { task_id = "planted", status = "SUCCESS",
      run_id = 5000, foreground = "../../secret", background = "/etc/passwd" })
    workspace.write(data .. "/tasks/planted/task.json.bak", cjson.encode({}))
    local server = start({ data_dir = data })
    local reply = http(KEY .. server.base_url .. "/audio-separation-result/5000")
    for _, url in pairs(reply.status == 200 and cjson.decode(reply.body) or {})
    do
      assert.equal(404, http("'" .. url .. "'").status)
    end
  end)
end)
