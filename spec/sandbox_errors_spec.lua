-- What the sandbox's API answers to requests that are wrong.

local cjson = require "cjson"
local sandboxed = require "spec.support.sandboxed"

local key = sandboxed.key
local json = sandboxed.json
local run = sandboxed.run
local write = sandboxed.write
local http = sandboxed.http

local work

setup(function()
  work = sandboxed.open()
end)
teardown(sandboxed.close)

describe("an error reply", function()
  local server
  setup(function()
    server = sandboxed.start{ max_upload = 400000 }
    write(work .. "/large", ("x"):rep(500000))
    write(work .. "/field", ("x"):rep(70000))
    write(work .. "/cut", '--b\r\nContent-Disposition: form-data; name="a"'
      .. "\r\n\r\nx")
  end)

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
  -- A reply that comes before the body, and closes the connection, is only
  -- sure to be read by a client that has not sent any.
  local FIRST_ASK = "-H 'Expect: 100-continue' --expect100-timeout 50 "

  -- what it is for; path; curl's arguments; status; body
  local cases = {
    { "a missing key", "/audio-separation/x", "", 401, NO_KEY },
    { "a wrong key", "/audio-separation/x", "-H 'x-api-key: Sandbox' ", 401, NO_KEY },
    { "the beginning of the key", "/audio-separation/x", "-H 'x-api-key: sand' ",
      401, NO_KEY },
    { "an upload without a key", "/audio-separation", FIRST_ASK .. FILE, 401,
      NO_KEY },
    { "many runs without a key", "/audio-separation-results",
      json .. "-d '{\"run_ids\":[]}' ", 401, NO_KEY },
    { "an unknown path", "/separation", key, 404, '{"detail":"Not Found"}' },
    { "a path below an operation", "/audio-separation/a/b", key, 404,
      '{"detail":"Not Found"}' },
    { "an unknown task", "/audio-separation/x", key, 404,
      '{"detail":"Task not found"}' },
    { "an unknown run", "/audio-separation-result/7", key, 404,
      '{"detail":"Run not found"}' },
    { "a wrong method", "/audio-separation", key .. "-X PUT ", 405,
      '{"detail":"Method Not Allowed"}' },
    { "a form without a file", "/audio-separation", key .. "-F project_name=a ",
      422, missing '"body","media_file"' },
    { "a file that is a plain field", "/audio-separation",
      key .. "-F media_file=/some/path.wav ", 422, missing '"body","media_file"' },
    { "a file under another name", "/audio-separation",
      key .. "-F audio_file=@%s/mix.flac ", 422, missing '"body","media_file"' },
    { "a body that is no form", "/audio-separation", key .. json .. "-d '{}' ",
      422, missing '"body","media_file"' },
    { "a folder that is no integer", "/audio-separation",
      key .. FILE .. "-F folder_id=seven ", 422, integer '"body","folder_id"' },
    { "a tracing id that is no integer", "/audio-separation?run_id=1.5",
      key .. FILE, 422, integer '"query","run_id"' },
    { "a tracing id of a status", "/audio-separation/x?run_id=a", key, 422,
      integer '"query","run_id"' },
    { "a run that is no integer", "/audio-separation-result/None", key, 422,
      integer '"path","run_id"' },
    { "run ids without a body", "/audio-separation-results",
      key .. json .. "-X POST ", 422, missing '"body"' },
    { "run ids in no object", "/audio-separation-results",
      key .. json .. "-d '[1]' ", 422,
      problem('"body"', "value is not a valid dict", "type_error.dict") },
    { "run ids in a form", "/audio-separation-results",
      key .. "-d 'run_ids=1' ", 422,
      problem('"body"', "value is not a valid dict", "type_error.dict") },
    { "run ids that are not there", "/audio-separation-results",
      key .. json .. "-d '{}' ", 422, missing '"body","run_ids"' },
    { "run ids that are no list", "/audio-separation-results",
      key .. json .. "-d '{\"run_ids\":1}' ", 422,
      problem('"body","run_ids"', "value is not a valid list", "type_error.list") },
    { "a run id that is no integer", "/audio-separation-results",
      key .. json .. "-d '{\"run_ids\":[1,\"a\"]}' ", 422,
      integer '"body","run_ids",1' },
    { "JSON that is cut", "/audio-separation-results",
      key .. json .. "-d '{\"run_ids\":' ", 422,
      problem('"body",11', "unexpected token near end of file: line 1 column 11 "
        .. "(char 11)", "value_error.jsondecode") },
    { "a form that is cut", "/audio-separation", key
      .. "-H 'Content-Type: multipart/form-data; boundary=b' "
      .. "--data-binary @%s/cut ",
      400, '{"detail":"There was an error parsing the body"}' },
    { "an upload that is too large", "/audio-separation",
      key .. FIRST_ASK .. "-F media_file=@%s/large ", 413,
      '{"detail":"The upload is too large"}' },
    { "an upload that becomes too large", "/audio-separation",
      key .. "-H 'Transfer-Encoding: chunked' -F media_file=@%s/large ", 413,
      '{"detail":"The upload is too large"}' },
    { "a field that is too large", "/audio-separation",
      key .. FILE .. "-F 'project_name=<%s/field' ", 413,
      '{"detail":"The upload is too large"}' },
  }
  for _, case in ipairs(cases) do
    local title, path, arguments = case[1], case[2], case[3]
    local code, body = case[4], case[5]
    it(("for %s has status %d and says why"):format(title, code), function()
      local reply = http("--globoff " .. arguments:gsub("%%s", work) .. "'"
        .. server.base_url .. path .. "'")
      assert.equal(body, reply.body)
      assert.equal(code, reply.status)
      assert.equal("application/json", reply.headers["content-type"])
    end)
  end

  it("for a wrong method names the right one", function()
    local reply = http(key .. "-X DELETE " .. server.base_url
      .. "/audio-separation/x")
    assert.equal("GET", reply.headers.allow)
  end)

  it("for several mistakes lists them all", function()
    local reply = http(key .. "-F folder_id=x '" .. server.base_url
      .. "/audio-separation?run_id=y'")
    local places = {}
    for _, item in ipairs(cjson.decode(reply.body).detail) do
      places[#places + 1] = table.concat(item.loc, ".")
    end
    assert.same({ "query.run_id", "body.media_file", "body.folder_id" }, places)
  end)

  it("leaves no task and no file behind", function()
    assert.equal(0, server:stats().uploads)
    assert.equal("", run("find " .. server.data_dir .. " -type f "
      .. "! -name lock ! -name secret"))
  end)

  it("for a wrong key comes before a body that waits for a 100", function()
    local head = run("curl -sv --max-time 20 -H 'x-api-key: wrong' "
      .. "-H 'Expect: 100-continue' -F media_file=@" .. work .. "/mix.flac "
      .. server.base_url .. "/audio-separation")
    assert.matches("HTTP/1.1 401", head, 1, true)
    assert.not_matches("100 Continue", head, 1, true)
    local requests = server:requests()
    assert.equal(0, requests[#requests].body_bytes)
  end)

  it("is no answer for a right key that waits for a 100", function()
    local head = run("curl -sv --max-time 20 -H 'Expect: 100-continue' " .. key
      .. "-F media_file=@" .. work .. "/mix.flac " .. server.base_url
      .. "/audio-separation")
    assert.matches("100 Continue", head, 1, true)
  end)
end)
