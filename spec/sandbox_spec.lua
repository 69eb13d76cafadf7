-- The sandbox server over real HTTP: its API, its memory, its life.

local cjson = require "cjson"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"
local sandboxed = require "spec.support.sandboxed"

local key = sandboxed.key
local json = sandboxed.json
local run = sandboxed.run
local read = sandboxed.read
local write = sandboxed.write
local start = sandboxed.start
local start_with_stems = sandboxed.start_with_stems
local http = sandboxed.http
local submit = sandboxed.submit
local poll = sandboxed.poll
local finished = sandboxed.finished
local urls = sandboxed.urls

local work

sandboxed.for_file(function(folder)
  work = folder
end)

--- The samples of an audio file, each as two bytes.
local function samples(path)
  local out = work .. "/samples"
  local text, code = run(("ffmpeg -v error -y -i %s -f s16le %s"):format(path,
    out))
  assert.equal(0, code, text)
  return read(out)
end

local function sample(bytes, at)
  local low, high = bytes:byte(at, at + 1)
  return low + 256 * (high < 128 and high or high - 256)
end

local function sum_is(mixture, a, b)
  if #mixture ~= #a or #a ~= #b then
    return false
  end
  for at = 1, #mixture, 2 do
    if sample(mixture, at) ~= sample(a, at) + sample(b, at) then
      return false
    end
  end
  return true
end

describe("the tutorial's flow", function()
  it("ends in two stems that sum to the mixture, sample by sample", function()
    local server = start()
    local id = submit(server)
    local done = finished(server, id)
    assert.equal("SUCCESS", done.status)
    assert.equal(cjson.null, done.exception_reason)
    local stems = urls(server, done.run_id)
    for name, url in pairs(stems) do
      assert.equal(200, http(("'%s'"):format(url)).status)
      os.rename(work .. "/body", work .. "/" .. name .. ".flac")
    end
    assert.is_true(sum_is(samples(work .. "/mix.flac"),
      samples(work .. "/foreground_audio_url.flac"),
      samples(work .. "/background_audio_url.flac")))
  end)

  it("ends in ERROR with a reason for a file that is no audio", function()
    local server = start()
    write(work .. "/text.wav", "this is not audio\n")
    local done = finished(server,
      submit(server, "-F media_file=@" .. work .. "/text.wav"))
    assert.equal("ERROR", done.status)
    assert.equal(cjson.null, done.run_id)
    assert.is_string(done.exception_reason)
  end)

  it("stays PENDING for ever where processing is math.huge", function()
    local server = start{ processing = math.huge }
    local reply = poll(server, submit(server))
    assert.equal('{"status":"PENDING","run_id":null,"exception_reason":null,'
      .. '"message":null}', reply.body)
    assert.equal("application/json", reply.headers["content-type"])
  end)

  it("stays PENDING for as long as processing says", function()
    local server = start{ processing = 2.5 }
    local before = os.time()
    local id = submit(server)
    assert.equal("SUCCESS", finished(server, id).status)
    assert.is_true(os.time() - before >= 2)
  end)

  it("takes a task id letter by letter, percent-encoded or not", function()
    local server = start{ processing = math.huge }
    local id = submit(server)
    local encoded = id:gsub(".", function(c) return ("%%%02x"):format(c:byte()) end)
    assert.equal(200, poll(server, encoded).status)
    local swapped = id:gsub("%a", function(c)
      return c:upper() == c and c:lower() or c:upper()
    end)
    assert.equal(404, poll(server, swapped).status)
    assert.equal(404, poll(server, id .. "%00").status)
    assert.equal(404, poll(server, id .. "%2f").status)
  end)

  it("gives many runs at once, without those that do not exist", function()
    local server = start_with_stems "bulk"
    local reply = http(key .. json .. [[-d '{"run_ids":[5000,"5000",1]}' ]]
      .. server.base_url .. "/audio-separation-results")
    assert.equal(200, reply.status)
    local map = cjson.decode(reply.body)
    assert.equal("5000", next(map))
    assert.is_nil(next(map, "5000"))
    assert.equal(200, http("'" .. map["5000"].background_audio_url .. "'").status)
  end)
end)

describe("what the server remembers", function()
  it("is each request as it came", function()
    local server = start{ processing = math.huge }
    submit(server, "-H 'traceparent: 00-a-b-01' -F project_name=Zoë -F folder_id=7 "
      .. "-F 'media_file=@" .. work .. "/mix.flac;filename=My Mix.FLAC;"
      .. "type=audio/flac'")
    local request = server:requests()[1]
    assert.equal("api", request.listener)
    assert.equal("POST", request.method)
    assert.equal("/apis/audio-separation", request.path)
    assert.is_nil(request.query)
    assert.equal(200, request.status)
    assert.equal("sandbox", request.headers["x-api-key"])
    assert.equal("00-a-b-01", request.headers.traceparent)
    assert.same({ project_name = "Zoë", folder_id = "7" }, request.fields)
    local mix = read(work .. "/mix.flac")
    assert.same({ field = "media_file", name = "My Mix.FLAC", size = #mix,
      content_type = "audio/flac",
      sha256 = run("sha256sum " .. work .. "/mix.flac"):match "^%x+" }, request.file)
    assert.equal(tonumber(request.headers["content-length"]), request.body_bytes)
  end)

  it("shows a key that came to the stems", function()
    local server = start_with_stems "leak"
    local url = urls(server, 5000).foreground_audio_url
    http(("'%s'"):format(url))
    http(key .. ("'%s'"):format(url))
    local requests = server:requests()
    assert.equal("stem", requests[2].listener)
    assert.equal(url:match "%?(.*)", requests[2].query)
    assert.is_nil(requests[2].headers["x-api-key"])
    assert.equal("sandbox", requests[3].headers["x-api-key"])
  end)

  it("is bounded, while the counters are not", function()
    local server = start{ request_log = 3 }
    local url = server.base_url .. "/audio-separation/"
    http(key .. url .. "1")
    run(("curl -s %s '%s[2-5]'"):format(key, url))
    local paths = {}
    for i, request in ipairs(server:requests()) do
      paths[i] = request.path:match "%d"
    end
    assert.same({ "3", "4", "5" }, paths)
    assert.equal(5, server:stats().requests.status)
  end)

  it("counts connections, operations and accepted uploads", function()
    local server = start_with_stems("counted", { processing = math.huge })
    submit(server)
    http(key .. "-F a=b " .. server.base_url .. "/audio-separation")
    run(("curl -s %s '%s/audio-separation/[1-4]'"):format(key, server.base_url))
    http(("'%s'"):format(urls(server, 5000).foreground_audio_url))
    http(key .. server.base_url .. "/nothing")
    assert.same({ uploads = 1, connections = { api = 5, stem = 1 },
      requests = { submit = 2, status = 4, result = 1, results = 0, stem = 1,
        page = 0, unknown = 1 } }, server:stats())
  end)

  it("can be read after the server has stopped", function()
    local server = start{ processing = math.huge }
    local id = submit(server)
    server:stop()
    assert.equal(1, #server:requests())
    assert.equal("PENDING", server:task(id).status)
  end)

  it("is all of a task that a spec may want", function()
    local server = start()
    local id = submit(server, "-F a=b -F 'media_file=@" .. work
      .. "/mix.flac;filename=../../x.FlaC'")
    finished(server, id)
    local task = server:task(id)
    assert.equal("SUCCESS", task.status)
    assert.equal("../../x.FlaC", task.file_name)
    assert.equal(task.folder .. "/input.flac", task.input)
    assert.equal(read(work .. "/mix.flac"), read(task.input))
    assert.equal("fLaC", read(task.foreground):sub(1, 4))
    assert.equal(1001, task.run_id)
    assert.same({ a = "b" }, task.fields)
    assert.is_nil(server:task "another")
  end)
end)

describe("starting and stopping", function()
  it("gives an error of kind network for a port in use", function()
    local server = start()
    local port = server.base_url:match ":(%d+)/"
    local other, err = sandbox.start{ port = tonumber(port) }
    assert.is_nil(other)
    assert.equal(("network: cannot listen on port %s of '127.0.0.1': "
      .. "Address already in use"):format(port), tostring(err))
  end)

  it("listens on the loopback address alone", function()
    local server = start()
    local elsewhere = server.base_url:gsub("127%.0%.0%.1", "127.0.0.2")
    assert.equal(7, http(key .. elsewhere .. "/audio-separation/x").code)
  end)

  it("listens on an IPv6 address as well", function()
    local server, err = sandbox.start{ host = "::1" }
    if not server then
      return pending("no IPv6 here: " .. tostring(err))
    end
    assert.matches("^http://%[::1%]:%d+/apis$", server.base_url)
    assert.equal(404, http("-g " .. key .. server.base_url
      .. "/audio-separation/x").status)
    server:stop()
  end)

  it("gives every descriptor and thread back, fifty times over", function()
    local self = read("/proc/self/stat"):match "^%d+"
    local function count_threads()
      return tonumber((run(("ls /proc/%s/task | wc -l"):format(self))))
    end
    sandbox.start():stop()
    local descriptors, threads = workspace.descriptors(), count_threads()
    for _ = 1, 50 do
      local server = assert(sandbox.start{ workers = 3 })
      server:stop()
    end
    workspace.expect_descriptors(descriptors)
    sandboxed.wait_for("the kernel to be rid of the threads", function()
      return count_threads() == threads
    end)
  end)

  it("is done by close, by the collector, and as often as one likes", function()
    local server = start()
    local url = key .. server.base_url .. "/audio-separation/x"
    assert.equal(404, http(url).status)
    server:close()
    server:stop()
    assert.equal(7, http(url).code)
    url = key .. sandbox.start().base_url .. "/audio-separation/x"
    collectgarbage()
    collectgarbage()
    assert.equal(7, http(url).code)
  end)

  it("is done at the end of a <close> variable", function()
    local chunk = (loadstring or load)("local server <close> = ...; return "
      .. "server.base_url")
    if not chunk then
      return pending("this Lua has no <close>")
    end
    local url = chunk(start())
    assert.equal(7, http(key .. url .. "/audio-separation/x").code)
  end)

  it("leaves no descriptor open in programs that are run", function()
    local before = run "ls -l /proc/self/fd | grep -c socket"
    local server = start()
    assert.equal(before, run "ls -l /proc/self/fd | grep -c socket")
    assert.is_truthy(server)
  end)

  it("refuses headers that are too long", function()
    local server = start{ max_headers = 16384 }
    local big = "-H 'X-Big: " .. ("a"):rep(20000) .. "' "
    assert.equal(431, http(big .. server.base_url .. "/x").status)
  end)

  it("cuts clients that say nothing", function()
    local server = start{ idle_timeout = 1 }
    local port = server.base_url:match ":(%d+)/"
    local _, code = run(("timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; "
      .. "cat <&3'"):format(port))
    assert.equal(0, code)
  end)

  it("keeps a connection for the requests that follow, refused or not", function()
    local server = start()
    run(("curl -s '%s/audio-separation/[1-3]'"):format(server.base_url))
    assert.equal(1, server:stats().connections.api)
    assert.equal(3, #server:requests())
  end)
end)

describe("a mistake in the options", function()
  local whole = "must be a whole number from "
  for _, case in ipairs{
    { "text", "options: table expected, got string" },
    { { prt = 1 }, "unknown option 'prt' (did you mean 'port'?)" },
    { { 7 }, "unknown option '1'" },
    { { port = "80" }, "option 'port': number expected, got string" },
    { { port = 1.5 }, "option 'port' " .. whole .. "0 to 65535" },
    { { port = 65536 }, "option 'port' " .. whole .. "0 to 65535" },
    { { workers = 0 }, "option 'workers' " .. whole .. "1 to 64" },
    { { max_upload = math.huge }, "option 'max_upload' " .. whole
      .. "1 to 9007199254740992" },
    { { processing = -1 }, "option 'processing' must be 0 or more" },
    { { processing = 0 / 0 }, "option 'processing' must be 0 or more" },
    { { api_key = "a\r\nb" }, "option 'api_key' contains a line break" },
    { { api_key = "" }, "option 'api_key' is empty" },
    { { data_dir = "a\0b" }, "option 'data_dir' contains a NUL byte" },
    { { data_dir = {} }, "option 'data_dir': string expected, got table" },
    { { public_url = "ftp://a" }, "option 'public_url' must be an http or https "
      .. "URL" },
    { { engine = 7 }, "option 'engine': string expected, got number" },
    { { tls = { host = "" } }, "option 'tls' has a 'host' that is empty" },
    { { tls = { old = 1 } }, "option 'tls' must have a boolean as 'old'" },
  } do
    it("raises where it was made: " .. case[2], function()
      local ok, message = pcall(function() return (sandbox.start(case[1])) end)
      assert.is_false(ok)
      assert.matches("sandbox_spec.lua:%d+: ", message)
      assert.matches(case[2], message, 1, true)
    end)
  end
end)
