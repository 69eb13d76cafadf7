-- The sandbox server, over real HTTP by the curl command.

local cjson = require "cjson"
local sandbox = require "camb.sandbox"

local KEY = "-H 'x-api-key: sandbox' "
local JSON = "-H 'Content-Type: application/json' "
local work -- a folder for what the specs make

local function sh(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "a"
  local ok, _, code = pipe:close()
  return text, ok and 0 or code
end

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function spit(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- One request by curl: {status=, headers=, body=, code=curl's exit}.
local function http(arguments)
  local head, body = work .. "/head", work .. "/body"
  os.remove(head)
  os.remove(body)
  local text, code = sh(("curl -sS --max-time 60 -D %s -o %s -w %%{http_code} %s")
    :format(head, body, arguments))
  local reply = { headers = {}, code = code, body = "",
    status = tonumber(text:match "%d+$") }
  local file = io.open(body, "rb")
  if file then
    reply.body = file:read "a"
    file:close()
  end
  for line in io.lines(head) do
    local name, value = line:match "^([^:]+): (.-)\r?$"
    if name then reply.headers[name:lower()] = value end
  end
  return reply
end

local function wait_for(what, condition)
  local deadline = os.time() + 60
  repeat
    local value = condition()
    if value then return value end
    os.execute "sleep 0.02"
  until os.time() > deadline
  error("waited in vain for " .. what, 2)
end

local function submit(server, form)
  local reply = http(KEY .. (form or "-F media_file=@" .. work .. "/mix.flac")
    .. " " .. server.base_url .. "/audio-separation")
  assert.equal(200, reply.status, reply.body)
  return cjson.decode(reply.body).task_id
end

local function status(server, id)
  return http(KEY .. server.base_url .. "/audio-separation/" .. id)
end

local function finished(server, id)
  return wait_for("task " .. id, function()
    local reply = cjson.decode(status(server, id).body)
    return reply.status ~= "PENDING" and reply
  end)
end

local function urls(server, run)
  local reply = http(KEY .. server.base_url .. "/audio-separation-result/" .. run)
  assert.equal(200, reply.status, reply.body)
  return cjson.decode(reply.body)
end

--- The samples of an audio file as one string of 16-bit numbers.
local function samples(path)
  local out = work .. "/samples"
  assert(os.execute(("ffmpeg -v error -y -i %s -f s16le %s"):format(path, out)))
  return slurp(out)
end

local function sum_is(mixture, a, b)
  if #mixture ~= #a or #a ~= #b then return false end
  for i = 1, #mixture, 2 do
    if ("<i2"):unpack(mixture, i) ~= ("<i2"):unpack(a, i) + ("<i2"):unpack(b, i)
    then
      return false
    end
  end
  return true
end

--- A finished task made by hand, as csrc/sandbox/task.h describes it.
local function plant(data_dir, record, files)
  local folder = data_dir .. "/tasks/planted"
  assert(os.execute("mkdir -p " .. folder))
  spit(folder .. "/task.json", cjson.encode(record))
  for name, text in pairs(files or {}) do spit(folder .. "/" .. name, text) end
  return folder
end

local function fresh(name)
  local path = work .. "/" .. name
  os.execute("rm -rf " .. path)
  return path
end

local function stem_server(name, options)
  local data = fresh(name)
  plant(data, { task_id = "planted", status = "SUCCESS", run_id = 5000,
    foreground = "fg.flac", background = "bg.wav",
    foreground_sha256 = "84d89877f0d4041efb6bf91a16f0248f"
      .. "2fd573e6af05c19f96bedb9f882f7882" },
    { ["fg.flac"] = "0123456789", ["bg.wav"] = "background" })
  options = options or {}
  options.data_dir = data
  return assert(sandbox.start(options))
end

setup(function()
  work = sh "mktemp -d":gsub("%s+$", "")
  assert(os.execute("ffmpeg -v error -y -f lavfi -i 'sine=440:d=2' -f lavfi "
    .. "-i 'anoisesrc=d=2:a=0.2:r=44100:s=7' -filter_complex amerge "
    .. "-sample_fmt s16 " .. work .. "/mix.flac"))
end)

teardown(function()
  os.execute("rm -rf " .. work)
end)

describe("the tutorial's flow", function()
  it("ends in two stems that sum to the mixture, sample by sample", function()
    local server <close> = sandbox.start()
    local id = submit(server)
    local done = finished(server, id)
    assert.equal("SUCCESS", done.status)
    assert.equal(cjson.null, done.exception_reason)
    local stems = urls(server, math.tointeger(done.run_id))
    for name, url in pairs(stems) do
      assert.equal(200, http(("'%s'"):format(url)).status)
      os.rename(work .. "/body", work .. "/" .. name .. ".flac")
    end
    assert.is_true(sum_is(samples(work .. "/mix.flac"),
      samples(work .. "/foreground_audio_url.flac"),
      samples(work .. "/background_audio_url.flac")))
  end)

  it("ends in ERROR with a reason for a file that is no audio", function()
    local server <close> = sandbox.start()
    spit(work .. "/text.wav", "this is not audio\n")
    local done = finished(server,
      submit(server, "-F media_file=@" .. work .. "/text.wav"))
    assert.equal("ERROR", done.status)
    assert.equal(cjson.null, done.run_id)
    assert.is_string(done.exception_reason)
  end)

  it("stays PENDING for ever where processing is math.huge", function()
    local server <close> = sandbox.start{ processing = math.huge }
    local reply = status(server, submit(server))
    assert.equal('{"status":"PENDING","run_id":null,"exception_reason":null,'
      .. '"message":null}', reply.body)
    assert.equal("application/json", reply.headers["content-type"])
  end)

  it("stays PENDING for as long as processing says", function()
    local server <close> = sandbox.start{ processing = 1.5 }
    local before = os.time()
    local id = submit(server)
    assert.equal("SUCCESS", finished(server, id).status)
    assert.is_true(os.time() - before >= 1)
  end)

  it("takes a task id letter by letter, percent-encoded or not", function()
    local server <close> = sandbox.start{ processing = math.huge }
    local id = submit(server)
    local encoded = id:gsub(".", function(c) return ("%%%02x"):format(c:byte()) end)
    assert.equal(200, status(server, encoded).status)
    local swapped = id:gsub("%a", function(c)
      return c:upper() == c and c:lower() or c:upper()
    end)
    assert.equal(404, status(server, swapped).status)
    assert.equal(404, status(server, id .. "%00").status)
    assert.equal(404, status(server, id .. "%2f").status)
  end)

  it("gives many runs at once, without those that do not exist", function()
    local server <close> = stem_server "bulk"
    local reply = http(KEY .. JSON .. [[-d '{"run_ids":[5000,"5000",1]}' ]]
      .. server.base_url .. "/audio-separation-results")
    assert.equal(200, reply.status)
    local map = cjson.decode(reply.body)
    assert.equal("5000", next(map))
    assert.is_nil(next(map, "5000"))
    assert.equal(200, http("'" .. map["5000"].background_audio_url .. "'").status)
  end)
end)

describe("an error reply", function()
  local server
  setup(function() server = assert(sandbox.start{ max_upload = 200000 }) end)
  teardown(function() server:stop() end)

  local NO_KEY = '{"error":"Invalid API key","status":401}'
  local function problem(where, message, kind)
    return ('{"detail":[{"loc":[%s],"msg":"%s","type":"%s"}]}')
      :format(where, message, kind)
  end
  local function missing(where)
    return problem(where, "field required", "value_error.missing")
  end
  local function integer(where)
    return problem(where, "value is not a valid integer", "type_error.integer")
  end
  local FILE = "-F media_file=@%s/mix.flac "

  -- what it is for; path; curl's arguments; status; body
  local cases = {
    { "a missing key", "/audio-separation/x", "", 401, NO_KEY },
    { "a wrong key", "/audio-separation/x", "-H 'x-api-key: Sandbox' ", 401, NO_KEY },
    { "the beginning of the key", "/audio-separation/x", "-H 'x-api-key: sand' ",
      401, NO_KEY },
    { "an upload without a key", "/audio-separation", FILE, 401, NO_KEY },
    { "many runs without a key", "/audio-separation-results",
      JSON .. "-d '{\"run_ids\":[]}' ", 401, NO_KEY },
    { "an unknown path", "/separation", KEY, 404, '{"detail":"Not Found"}' },
    { "a path below an operation", "/audio-separation/a/b", KEY, 404,
      '{"detail":"Not Found"}' },
    { "an unknown task", "/audio-separation/x", KEY, 404,
      '{"detail":"Task not found"}' },
    { "an unknown run", "/audio-separation-result/7", KEY, 404,
      '{"detail":"Run not found"}' },
    { "a wrong method", "/audio-separation", KEY .. "-X PUT ", 405,
      '{"detail":"Method Not Allowed"}' },
    { "a form without a file", "/audio-separation", KEY .. "-F project_name=a ",
      422, missing '"body","media_file"' },
    { "a file that is a plain field", "/audio-separation",
      KEY .. "-F media_file=/some/path.wav ", 422, missing '"body","media_file"' },
    { "a file under another name", "/audio-separation",
      KEY .. "-F audio_file=@%s/mix.flac ", 422, missing '"body","media_file"' },
    { "a body that is no form", "/audio-separation", KEY .. JSON .. "-d '{}' ",
      422, missing '"body","media_file"' },
    { "a folder that is no integer", "/audio-separation",
      KEY .. FILE .. "-F folder_id=seven ", 422, integer '"body","folder_id"' },
    { "a tracing id that is no integer", "/audio-separation?run_id=1.5",
      KEY .. FILE, 422, integer '"query","run_id"' },
    { "a tracing id of a status", "/audio-separation/x?run_id=a", KEY, 422,
      integer '"query","run_id"' },
    { "a run that is no integer", "/audio-separation-result/None", KEY, 422,
      integer '"path","run_id"' },
    { "run ids without a body", "/audio-separation-results",
      KEY .. JSON .. "-X POST ", 422, missing '"body"' },
    { "run ids in no object", "/audio-separation-results",
      KEY .. JSON .. "-d '[1]' ", 422,
      problem('"body"', "value is not a valid dict", "type_error.dict") },
    { "run ids in a form", "/audio-separation-results",
      KEY .. "-d 'run_ids=1' ", 422,
      problem('"body"', "value is not a valid dict", "type_error.dict") },
    { "run ids that are not there", "/audio-separation-results",
      KEY .. JSON .. "-d '{}' ", 422, missing '"body","run_ids"' },
    { "run ids that are no list", "/audio-separation-results",
      KEY .. JSON .. "-d '{\"run_ids\":1}' ", 422,
      problem('"body","run_ids"', "value is not a valid list", "type_error.list") },
    { "a run id that is no integer", "/audio-separation-results",
      KEY .. JSON .. "-d '{\"run_ids\":[1,\"a\"]}' ", 422,
      integer '"body","run_ids",1' },
    { "JSON that is cut", "/audio-separation-results",
      KEY .. JSON .. "-d '{\"run_ids\":' ", 422,
      problem('"body",11', "unexpected token near end of file: line 1 column 11 "
        .. "(char 11)", "value_error.jsondecode") },
    { "a form that is cut", "/audio-separation", KEY
      .. "-H 'Content-Type: multipart/form-data; boundary=b' "
      .. "-d $'--b\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n\\r\\nx' ",
      400, '{"detail":"There was an error parsing the body"}' },
    { "an upload that is too large", "/audio-separation",
      KEY .. "-F media_file=@%s/large ", 413, '{"detail":"The upload is too large"}' },
    { "an upload that becomes too large", "/audio-separation",
      KEY .. "-H 'Transfer-Encoding: chunked' -F media_file=@%s/large ", 413,
      '{"detail":"The upload is too large"}' },
    { "a field that is too large", "/audio-separation",
      KEY .. FILE .. "-F 'project_name=<%s/field' ", 413,
      '{"detail":"The upload is too large"}' },
  }
  for _, case in ipairs(cases) do
    local title, path, arguments, code, body = table.unpack(case)
    it(("for %s has status %d and says why"):format(title, code), function()
      spit(work .. "/large", ("x"):rep(300000))
      spit(work .. "/field", ("x"):rep(70000))
      local reply = http("--globoff " .. arguments:gsub("%%s", work) .. "'"
        .. server.base_url .. path .. "'")
      assert.equal(body, reply.body)
      assert.equal(code, reply.status)
      assert.equal("application/json", reply.headers["content-type"])
    end)
  end

  it("for a wrong method names the right one", function()
    local reply = http(KEY .. "-X DELETE " .. server.base_url
      .. "/audio-separation/x")
    assert.equal("GET", reply.headers.allow)
  end)

  it("for several mistakes lists them all", function()
    local reply = http(KEY .. "-F folder_id=x '" .. server.base_url
      .. "/audio-separation?run_id=y'")
    local places = {}
    for _, item in ipairs(cjson.decode(reply.body).detail) do
      places[#places + 1] = table.concat(item.loc, ".")
    end
    assert.same({ "query.run_id", "body.media_file", "body.folder_id" }, places)
  end)

  it("leaves no task and no file behind", function()
    assert.equal(0, server:stats().uploads)
    assert.equal("", sh("find " .. server.data_dir .. " -type f "
      .. "! -name lock ! -name secret"))
  end)

  it("for a wrong key comes before a body that waits for a 100", function()
    local head = sh("curl -sv --max-time 20 -H 'x-api-key: wrong' "
      .. "-H 'Expect: 100-continue' -F media_file=@" .. work .. "/mix.flac "
      .. server.base_url .. "/audio-separation")
    assert.matches("HTTP/1.1 401", head, 1, true)
    assert.not_matches("100 Continue", head, 1, true)
    local requests = server:requests()
    assert.equal(0, requests[#requests].body_bytes)
  end)

  it("is no answer for a right key that waits for a 100", function()
    local head = sh("curl -sv --max-time 20 -H 'Expect: 100-continue' " .. KEY
      .. "-F media_file=@" .. work .. "/mix.flac " .. server.base_url
      .. "/audio-separation")
    assert.matches("100 Continue", head, 1, true)
  end)
end)

describe("a stem", function()
  local server, foreground, background
  setup(function()
    server = stem_server("stems", { url_lifetime = 100 })
    local found = urls(server, 5000)
    foreground = found.foreground_audio_url
    background = found.background_audio_url
  end)
  teardown(function() server:stop() end)

  local function get(arguments, url)
    return http(("%s '%s'"):format(arguments, url or foreground))
  end

  it("comes whole, with validators, digest and type", function()
    local reply = get ""
    assert.equal("0123456789", reply.body)
    assert.equal("audio/flac", reply.headers["content-type"])
    assert.equal("bytes", reply.headers["accept-ranges"])
    assert.matches('^"%x+"$', reply.headers.etag)
    assert.matches("^%a+, %d%d %a+ %d+ [%d:]+ GMT$", reply.headers["last-modified"])
    assert.equal("sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:",
      reply.headers["repr-digest"])
  end)

  it("has the name and the type that its file has", function()
    assert.matches("/stems/5000/background%.wav%?", background)
    assert.equal("audio/wav", get("", background).headers["content-type"])
    assert.equal(403, get("", (background:gsub("%.wav", ".flac"))).status)
  end)

  it("is at another origin than the API", function()
    assert.equal(server.stem_url, foreground:match "^http://[^/]+")
    assert.not_equal(server.base_url:match "^http://[^/]+", server.stem_url)
  end)

  for range, part in pairs{ ["2-4"] = "2-4", ["7-"] = "7-9", ["-3"] = "7-9",
    ["8-99999999999999999999999"] = "8-9", ["-50"] = "0-9", ["0-0"] = "0-0" } do
    it("gives the range " .. range, function()
      local reply = get("-H 'Range: bytes=" .. range .. "'")
      assert.equal(206, reply.status)
      assert.equal("bytes " .. part .. "/10", reply.headers["content-range"])
      local first, last = part:match "(%d)-(%d)"
      assert.equal(("0123456789"):sub(first + 1, last + 1), reply.body)
    end)
  end

  for _, range in ipairs{ "bytes=4-2", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2",
    "bytes=1 -2", "bytes=", "bytes=-" } do
    it("comes whole for the range " .. range, function()
      local reply = get("-H 'Range: " .. range .. "'")
      assert.equal(200, reply.status)
      assert.equal("0123456789", reply.body)
    end)
  end

  for _, range in ipairs{ "10-", "10-20", "-0" } do
    it("has nothing for the range " .. range, function()
      local reply = get("-H 'Range: bytes=" .. range .. "'")
      assert.equal(416, reply.status)
      assert.equal("bytes */10", reply.headers["content-range"])
    end)
  end

  it("gives a range only of the file that If-Range means", function()
    local head = get("-I").headers
    local range = "-H 'Range: bytes=2-4' -H 'If-Range: "
    assert.equal("234", get(range .. head.etag .. "'").body)
    assert.equal("234", get(range .. head["last-modified"] .. "'").body)
    assert.equal("0123456789", get(range .. '"other"' .. "'").body)
    assert.equal("0123456789", get(range .. "W/" .. head.etag .. "'").body)
  end)

  it("tells its length for HEAD without a body", function()
    local reply = get "-I -H 'Range: bytes=2-4'"
    assert.equal(200, reply.status)
    assert.equal("10", reply.headers["content-length"])
  end)

  it("is refused where the URL was tampered with", function()
    for _, pattern in ipairs{ "signature=%x", "expires=%d", "/5000/", "foreground%." }
    do
      local url = foreground:gsub(pattern, function(s)
        return s:sub(1, -2) .. (s:sub(-1) == "1" and "2" or "1")
      end)
      local reply = get("", url)
      assert.equal(403, reply.status, url)
      assert.matches("SignatureDoesNotMatch", reply.body, 1, true)
    end
    assert.equal(403, get("", (foreground:gsub("%?.*", ""))).status)
  end)

  it("is refused once its URL has expired", function()
    local other <close> = stem_server("expired", { url_lifetime = 0 })
    local url = urls(other, 5000).foreground_audio_url
    local reply = wait_for("the URL to expire", function()
      local reply = get("", url)
      return reply.status ~= 200 and reply
    end)
    assert.equal(403, reply.status)
    assert.matches("Request has expired", reply.body, 1, true)
  end)

  it("is not served through a symbolic link", function()
    local folder = server.data_dir .. "/tasks/planted/"
    os.execute(("mv %sbg.wav %sreal && ln -s real %sbg.wav"):format(folder, folder,
      folder))
    finally(function() os.execute(("mv %sreal %sbg.wav"):format(folder, folder)) end)
    assert.equal(404, get("", background).status)
  end)

  it("is at the public URL, which a proxy may stand before", function()
    local other <close> = stem_server("public", { public_url = "https://cdn.test/x/" })
    local url = urls(other, 5000).foreground_audio_url
    assert.equal("https://cdn.test/x/stems/5000/foreground.flac", url:match "^[^?]+")
    url = url:gsub("https://cdn.test/x", other.stem_url)
    assert.equal("0123456789", get("", url).body)
  end)

  it("outlives clients that break off in the middle", function()
    assert(os.execute("truncate -s 2G " .. server.data_dir
      .. "/tasks/planted/bg.wav"))
    for _ = 1, 5 do
      local _, code = sh(("curl -s --limit-rate 1M --max-time 0.2 -o /dev/null '%s'")
        :format(background))
      assert.equal(28, code)
    end
    assert.equal("0123456789", get("").body)
  end)
end)

describe("what the server remembers", function()
  it("is each request as it came", function()
    local server <close> = sandbox.start{ processing = math.huge }
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
    local mix = slurp(work .. "/mix.flac")
    assert.same({ field = "media_file", name = "My Mix.FLAC", size = #mix,
      content_type = "audio/flac",
      sha256 = sh("sha256sum " .. work .. "/mix.flac"):match "^%x+" }, request.file)
    assert.equal(tonumber(request.headers["content-length"]), request.body_bytes)
  end)

  it("shows a key that came to the stems", function()
    local server <close> = stem_server "leak"
    local url = urls(server, 5000).foreground_audio_url
    http(("'%s'"):format(url))
    http(KEY .. ("'%s'"):format(url))
    local requests = server:requests()
    assert.equal("stem", requests[2].listener)
    assert.equal(url:match "%?(.*)", requests[2].query)
    assert.is_nil(requests[2].headers["x-api-key"])
    assert.equal("sandbox", requests[3].headers["x-api-key"])
  end)

  it("is bounded, while the counters are not", function()
    local server <close> = sandbox.start{ request_log = 3 }
    local url = server.base_url .. "/audio-separation/"
    http(KEY .. url .. "1")
    sh(("curl -s %s '%s[2-5]'"):format(KEY, url))
    local paths = {}
    for i, request in ipairs(server:requests()) do
      paths[i] = request.path:match "%d"
    end
    assert.same({ "3", "4", "5" }, paths)
    assert.equal(5, server:stats().requests.status)
  end)

  it("counts connections, operations and accepted uploads", function()
    local server <close> = stem_server("counted", { processing = math.huge })
    submit(server)
    http(KEY .. "-F a=b " .. server.base_url .. "/audio-separation")
    sh(("curl -s %s '%s/audio-separation/[1-4]'"):format(KEY, server.base_url))
    http(("'%s'"):format(urls(server, 5000).foreground_audio_url))
    http(KEY .. server.base_url .. "/nothing")
    assert.same({ uploads = 1, connections = { api = 5, stem = 1 },
      requests = { submit = 2, status = 4, result = 1, results = 0, stem = 1,
        unknown = 1 } }, server:stats())
  end)

  it("can be read after the server has stopped", function()
    local server = sandbox.start{ processing = math.huge }
    local id = submit(server)
    server:stop()
    assert.equal(1, #server:requests())
    assert.equal("PENDING", server:task(id).status)
  end)

  it("is all of a task that a spec may want", function()
    local server <close> = sandbox.start()
    local id = submit(server, "-F a=b -F 'media_file=@" .. work
      .. "/mix.flac;filename=../../x.FlaC'")
    finished(server, id)
    local task = server:task(id)
    assert.equal("SUCCESS", task.status)
    assert.equal("../../x.FlaC", task.file_name)
    assert.equal(task.folder .. "/input.flac", task.input)
    assert.equal(slurp(work .. "/mix.flac"), slurp(task.input))
    assert.equal("fLaC", slurp(task.foreground):sub(1, 4))
    assert.equal(1001, task.run_id)
    assert.same({ a = "b" }, task.fields)
    assert.is_nil(server:task "another")
  end)
end)

describe("a data folder", function()
  it("finishes what was pending when a server starts on it again", function()
    local data = fresh "again"
    local first = sandbox.start{ data_dir = data, processing = math.huge }
    local ids = { submit(first), submit(first) }
    first:stop()
    local second <close> = sandbox.start{ data_dir = data }
    assert.equal(1001, finished(second, ids[1]).run_id)
    assert.equal(1002, finished(second, ids[2]).run_id)
  end)

  it("gives no run id twice, even if a task is removed by hand", function()
    local data = fresh "removed"
    local first = sandbox.start{ data_dir = data }
    local id = submit(first)
    assert.equal(1001, finished(first, id).run_id)
    first:stop()
    os.execute("rm -r " .. first:task(id).folder)
    local second <close> = sandbox.start{ data_dir = data }
    assert.equal(404, status(second, id).status)
    assert.equal(1002, finished(second, submit(second)).run_id)
  end)

  it("keeps a signed URL good over a restart", function()
    local first = stem_server "signed"
    local url = urls(first, 5000).foreground_audio_url
    first:stop()
    local second <close> = sandbox.start{ data_dir = first.data_dir }
    url = url:gsub("^http://[^/]+", second.stem_url)
    assert.equal("0123456789", http("'" .. url .. "'").body)
  end)

  it("keeps a task pending whose separation was cancelled", function()
    local long = work .. "/long.flac"
    assert(os.execute("ffmpeg -v error -y -stream_loop 400 -i " .. work
      .. "/mix.flac " .. long))
    local server = sandbox.start{ data_dir = fresh "cancelled" }
    local id = submit(server, "-F media_file=@" .. long)
    local before = os.time()
    server:stop()
    assert.is_true(os.time() - before <= 2)
    local record = cjson.decode(slurp(server:task(id).folder .. "/task.json"))
    assert.equal("PENDING", record.status)
  end)

  it("is rid of uploads that broke, at once and at the next start", function()
    local data = fresh "broken"
    local server = sandbox.start{ data_dir = data }
    local _, code = sh("curl -sS --limit-rate 20k --max-time 0.5 " .. KEY
      .. "-F media_file=@" .. work .. "/mix.flac " .. server.base_url
      .. "/audio-separation")
    assert.equal(28, code)
    local request = wait_for("the broken request", function()
      return server:requests()[1]
    end)
    assert.is_nil(request.status)
    assert.is_nil(request.file)
    assert.is_true(request.body_bytes > 0)
    assert.equal("", sh("ls " .. data .. "/uploads " .. data .. "/tasks | grep -v :")
      :gsub("%s", ""))
    assert.equal(0, server:stats().uploads)
    server:stop()
    os.execute("mkdir " .. data .. "/uploads/killed")
    spit(data .. "/uploads/killed/input.flac", "fLaC")
    local second <close> = sandbox.start{ data_dir = data }
    assert.equal("", sh("ls " .. data .. "/uploads"))
    assert.is_truthy(second)
  end)

  it("is rid of an upload whose end came together with its last bytes", function()
    local server <close> = sandbox.start()
    local part = '--b\\r\\nContent-Disposition: form-data; '
      .. 'name="media_file"; filename="a.wav"\\r\\n\\r\\nRIFF'
    local before = os.time()
    for _ = 1, 20 do
      sh(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; printf \"%s\" >&3'"):format(
        server.base_url:match ":(%d+)/", ("POST /apis/audio-separation HTTP/1.1\\r\\n"
        .. "Host: a\\r\\nx-api-key: sandbox\\r\\nContent-Length: 1000\\r\\n"
        .. "Content-Type: multipart/form-data; boundary=b\\r\\n\\r\\n" .. part)
        :gsub('"', '\\"')))
    end
    wait_for("the broken requests", function() return #server:requests() == 20 end)
    assert.is_true(os.time() - before < 30)
    assert.equal("", sh("ls " .. server.data_dir .. "/uploads"))
  end)

  it("belongs to one server at a time", function()
    local data = fresh "shared"
    local first <close> = sandbox.start{ data_dir = data }
    local second, err = sandbox.start{ data_dir = data }
    assert.is_nil(second)
    assert.equal("file: the folder '" .. first.data_dir
      .. "' is in use by another sandbox", tostring(err))
    first:stop()
    local third <close> = assert(sandbox.start{ data_dir = data })
    assert.equal(first.data_dir, third.data_dir)
  end)

  it("is removed in the end if it was not given", function()
    local server = sandbox.start()
    assert.equal(0, select(2, sh("test -d " .. server.data_dir)))
    server:stop()
    assert.equal(1, select(2, sh("test -e " .. server.data_dir)))
  end)

  it("is left alone where a record in it leads out of it", function()
    local data = fresh "hostile"
    spit(work .. "/secret.flac", "not for you")
    plant(data, { task_id = "out", status = "SUCCESS", run_id = 5000,
      foreground = "../../../secret.flac", background = ".hidden" })
    local server <close> = sandbox.start{ data_dir = data }
    local url = urls(server, 5000).foreground_audio_url
    assert.equal(404, http("'" .. url .. "'").status)
  end)

  it("that cannot be made is an error of kind file", function()
    local server, err = sandbox.start{ data_dir = work .. "/mix.flac/x" }
    assert.is_nil(server)
    assert.equal("file", err.kind)
    assert.equal("cannot make the folder '" .. work
      .. "/mix.flac/x': Not a directory", err.message)
  end)
end)

describe("a command as the engine", function()
  local function engine(script, options)
    options = options or {}
    options.engine = "sh " .. spit(work .. "/engine.sh", script)
    return assert(sandbox.start(options))
  end

  it("gets the input and a folder, and names the stems", function()
    local server <close> = engine('cp "$1" "$2/foreground.wav"\n'
      .. 'printf bg > "$2/background.mp3"\n')
    local id = submit(server)
    local found = urls(server, math.tointeger(finished(server, id).run_id))
    assert.matches("/foreground.wav?", found.foreground_audio_url, 1, true)
    assert.equal(slurp(work .. "/mix.flac"), slurp(server:task(id).foreground))
    local reply = http("'" .. found.background_audio_url .. "'")
    assert.equal("bg", reply.body)
    assert.equal("audio/mpeg", reply.headers["content-type"])
  end)

  for script, message in pairs{
    ["exit 3"] = "The engine's command ended with status 3.",
    ["kill -9 $$"] = "The engine's command ended with status 137.",
    ['> "$2/foreground.wav"'] = "The engine's command left no stems.",
  } do
    it("that does '" .. script .. "' ends the task in ERROR", function()
      local server <close> = engine("echo said; " .. script)
      local id = submit(server)
      local done = finished(server, id)
      assert.equal("ERROR", done.status)
      assert.equal("PROCESSING_ERROR", done.exception_reason)
      assert.equal(message, done.message)
      assert.equal("said\n",
        slurp(server:task(id).folder .. "/engine.log"):sub(1, 5))
    end)
  end

  it("is killed with its children when the server stops", function()
    local mark = work .. "/started"
    local server = engine("sleep 1000 & echo $! > " .. mark .. ".new; mv " .. mark
      .. ".new " .. mark .. "; wait", { data_dir = fresh "killed" })
    local id = submit(server)
    local child = wait_for("the command", function()
      local file = io.open(mark)
      return file and file:read "n"
    end)
    server:stop()
    wait_for("its child's end", function()
      return select(2, sh("kill -0 " .. child)) ~= 0
    end)
    assert.equal("PENDING", server:task(id).status)
  end)
end)

describe("starting and stopping", function()
  it("gives an error of kind network for a port in use", function()
    local server <close> = sandbox.start()
    local port = server.base_url:match ":(%d+)/"
    local other, err = sandbox.start{ port = tonumber(port) }
    assert.is_nil(other)
    assert.equal(("network: cannot listen on port %s of '127.0.0.1': "
      .. "Address already in use"):format(port), tostring(err))
  end)

  it("listens on the loopback address alone", function()
    local server <close> = sandbox.start()
    local elsewhere = server.base_url:gsub("127%.0%.0%.1", "127.0.0.2")
    assert.equal(7, http(KEY .. elsewhere .. "/audio-separation/x").code)
  end)

  it("listens on an IPv6 address as well", function()
    local server, err = sandbox.start{ host = "::1" }
    if not server then
      return pending("no IPv6 here: " .. tostring(err))
    end
    assert.matches("^http://%[::1%]:%d+/apis$", server.base_url)
    assert.equal(404, http("-g " .. KEY .. server.base_url
      .. "/audio-separation/x").status)
    server:stop()
  end)

  it("gives every descriptor and thread back, fifty times over", function()
    local self = slurp "/proc/self/stat":match "^%d+"
    local function count(what)
      return tonumber((sh(("ls /proc/%s/%s | wc -l"):format(self, what))))
    end
    sandbox.start():stop()
    local descriptors, threads = count "fd", count "task"
    for _ = 1, 50 do
      local server = assert(sandbox.start{ workers = 3 })
      server:stop()
    end
    assert.equal(descriptors, count "fd")
    assert.equal(threads, count "task")
  end)

  it("is done by close, by the collector, and as often as one likes", function()
    local server = sandbox.start()
    local url = KEY .. server.base_url .. "/audio-separation/x"
    assert.equal(404, http(url).status)
    server:close()
    server:stop()
    assert.equal(7, http(url).code)
    url = KEY .. sandbox.start().base_url .. "/audio-separation/x"
    collectgarbage()
    collectgarbage()
    assert.equal(7, http(url).code)
  end)

  it("leaves no descriptor open in programs that are run", function()
    local before = sh "ls -l /proc/self/fd | grep -c socket"
    local server <close> = sandbox.start()
    assert.equal(before, sh "ls -l /proc/self/fd | grep -c socket")
    assert.is_truthy(server)
  end)

  it("refuses headers that are too long", function()
    local server <close> = sandbox.start{ max_headers = 16384 }
    local big = "-H 'X-Big: " .. ("a"):rep(20000) .. "' "
    assert.equal(431, http(big .. server.base_url .. "/x").status)
  end)

  it("cuts clients that say nothing", function()
    local server <close> = sandbox.start{ idle_timeout = 1 }
    local port = server.base_url:match ":(%d+)/"
    local _, code = sh(("timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; "
      .. "cat <&3'"):format(port))
    assert.equal(0, code)
  end)

  it("keeps a connection for the requests that follow, refused or not", function()
    local server <close> = sandbox.start()
    sh(("curl -s '%s/audio-separation/[1-3]'"):format(server.base_url))
    assert.equal(1, server:stats().connections.api)
    assert.equal(3, #server:requests())
  end)
end)

describe("a mistake in the options", function()
  local START = "sandbox.start: "
  local integer = "must be an integer from "
  for _, case in ipairs{
    { "text", "options must be a table, got string" },
    { { prot = 1 }, "unknown option 'prot'" },
    { { 7 }, "unknown option '1'" },
    { { port = "80" }, "option 'port' " .. integer .. '0 to 65535, got "80"' },
    { { port = 1.5 }, "option 'port' " .. integer .. "0 to 65535, got 1.5" },
    { { port = 65536 }, "option 'port' " .. integer .. "0 to 65535, got 65536" },
    { { workers = 0 }, "option 'workers' " .. integer .. "1 to 64, got 0" },
    { { max_upload = math.huge }, "option 'max_upload' " .. integer
      .. "1 to 9007199254740992, got inf" },
    { { processing = -1 }, "option 'processing' must be a number of seconds, got -1" },
    { { processing = 0 / 0 }, "option 'processing' must be a number of seconds" },
    { { api_key = "a\r\nb" }, "option 'api_key' must be a string without control "
      .. "characters" },
    { { api_key = "" }, "option 'api_key' must be a string without control" },
    { { data_dir = "a\0b" }, "option 'data_dir' must be a string without control" },
    { { data_dir = {} }, "option 'data_dir' must be a string without control "
      .. "characters, got table" },
    { { public_url = "ftp://a" }, "option 'public_url' must be an http or https "
      .. 'URL, got "ftp://a"' },
    { { engine = 7 }, "option 'engine' must be a string without control "
      .. "characters, got 7" },
  } do
    it("raises where it was made: " .. case[2], function()
      local ok, message = pcall(function() return (sandbox.start(case[1])) end)
      assert.is_false(ok)
      assert.matches("sandbox_spec.lua:%d+: ", message)
      assert.matches(START .. case[2], message, 1, true)
    end)
  end
end)
