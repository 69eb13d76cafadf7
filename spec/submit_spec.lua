-- The upload against servers that no sandbox plays: what they answer decides
-- whether it may be sent again, and an id that they name is never lost.

local camb = require "camb"
local core = require "camb.core"
local scripted = require "spec.support.scripted"
local workspace = require "spec.support.workspace"

-- Libcurl asks first, by Expect, where a body is larger than 1 MiB.
local LARGE = { data = "fLaC" .. ("\0"):rep(2 ^ 21), filename = "large.flac" }
local SMALL = { data = "fLaC" .. ("\0"):rep(1000), filename = "small.flac" }

describe("the upload", function()
  local peer, client

  -- A peer that runs `script`, and a client of it.
  local function open(script, options, scheme)
    peer = scripted.start(script, scheme)
    options = options or {}
    options.base_url, options.api_key = peer.base_url, peer.api_key
    options.danger_accept_invalid_certificates = scheme == "https"
    client = camb.client(options)
  end

  after_each(function()
    client:close()
    peer.stop()
  end)

  -- Every upload of it is read and answered by `answer`.
  local function answering(answer)
    return ([[
      local c, n = ...
      while c:upload() do
        print("TAKEN")
        %s
      end]]):format(answer)
  end

  local function taken()
    return scripted.count(peer, "TAKEN")
  end

  local function in_doubt(source, options)
    local task, err = client:submit(source, options)
    assert.is_nil(task)
    assert.equal("unknown_outcome", err.kind, tostring(err))
    assert.is_false(err.retryable)
    assert.equal(1, taken(), tostring(err))
    return err
  end

  describe("after a 417", function()
    local function refusing(answer)
      return ([[
        local c, n = ...
        while true do
          local request = c:head()
          if not request then
            return
          elseif request.headers.expect then
            c:reply(417, "")
            return -- on a slow machine some of the body may come all the same
          else
            c:body(request)
            print("TAKEN")
            %s
          end
        end]]):format(answer)
    end

    it("is sent without Expect", function()
      open(refusing [[c:reply(200, '{"task_id":"t"}')]], { retries = 0 })
      assert.equal("t", assert(client:submit(LARGE)).id)
      assert.equal(1, taken())
    end)

    for name, answer in pairs({ closes = "do return end",
      hangs = "c:hang() return" }) do
      it(("is in doubt when the service takes it and %s"):format(name),
        function()
          open(refusing(answer), { retries = 3 })
          local err = in_doubt(LARGE, { deadline = 2 })
          assert.is_nil(err.http_status)
        end)
    end

    it("is refused when that comes without Expect, too", function()
      open(answering [[c:reply(417, "")]])
      local task, err = client:submit(LARGE)
      assert.is_nil(task)
      assert.equal("protocol", err.kind)
      assert.equal(417, err.http_status)
      assert.equal(2, taken())
    end)
  end)

  it("has no status of a proxy's reply to CONNECT", function()
    for _, status in ipairs({ 200, 204, 299 }) do
      open(([[
        local c, n = ...
        c:head()
        c:send("HTTP/1.1 %d X\r\nRetry-After: 0\r\n\r\n")
        if c:tls("http/1.1") and c:upload() then
          print("TAKEN")
        end]]):format(status), { proxy = false, retries = 2 }, "https")
      client:close()
      client = camb.client({ base_url = "https://127.0.0.1:9/apis",
        api_key = "k", proxy = "http://127.0.0.1:" .. peer.port, retries = 2,
        danger_accept_invalid_certificates = true })
      assert.is_nil(in_doubt(SMALL).http_status)
      if status ~= 299 then
        client:close()
        peer.stop()
      end
    end
  end)

  -- A task may exist after these, though the client is at fault or sent away.
  for _, status in ipairs({ 303, 304, 409, 460, 499 }) do
    it(("is in doubt after a %d"):format(status), function()
      open(answering(([[c:send("HTTP/1.1 %d X\r\nContent-Length: 0\r\n"
        .. "Location: /elsewhere\r\n\r\n")]]):format(status)), { retries = 3 })
      assert.equal(status, in_doubt(SMALL).http_status)
    end)
  end

  describe("that is accepted", function()
    local function chunked(text)
      return ("HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
        .. "%x\\r\\n%s\\r\\n"):format(#text, text)
    end

    local JSON = '{"task_id":"PAID-77"}'
    local told = {
      ["in chunks that break off"] = "c:send('" .. chunked(JSON)
        .. "') do return end",
      ["in chunks that hang"] = "c:send('" .. chunked(JSON) .. "') c:hang()",
      ["in a body that is shorter than announced"] =
        "c:send('HTTP/1.1 200 OK\\r\\nContent-Length: 99\\r\\n\\r\\n" .. JSON
        .. "') do return end",
      ["in a body that is longer than announced"] =
        "c:send('HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\n" .. JSON
        .. "') c:hang()",
      ["behind a length that is no number"] =
        "c:send('HTTP/1.1 200 OK\\r\\nContent-Length: 2x\\r\\n\\r\\n" .. JSON
        .. "') c:hang()",
      ["behind two lengths"] = "c:send('HTTP/1.1 200 OK\\r\\n"
        .. "Content-Length: 21\\r\\nContent-Length: 4\\r\\n\\r\\n" .. JSON
        .. "') c:hang()",
      ["in JSON that breaks off behind the id"] =
        [[c:reply(200, '{"task_id":"PAID-77"')]],
      ["as HTTP/1.0 without a length"] =
        "c:send('HTTP/1.0 200 OK\\r\\n\\r\\n" .. JSON .. "') do return end",
      ["with a trailer"] = "c:send('" .. chunked(JSON)
        .. "0\\r\\nX-Sum: 1\\r\\n\\r\\n')",
      ["after a 102 and a 103"] = "c:send('HTTP/1.1 102 X\\r\\n\\r\\n"
        .. "HTTP/1.1 103 X\\r\\nLink: <x>\\r\\n\\r\\n') c:reply(200, '" .. JSON
        .. "')",
      ["in an object inside"] = [[c:reply(200, '{"data":{"task_id":"PAID-77"}}')]],
      ["in a list"] = [[c:reply(200, '[{"task_id":"PAID-77"}]')]],
      ["behind a byte order mark"] = "c:reply(200, '\\239\\187\\191" .. JSON
        .. "')",
      ["before a proxy's words"] = "c:reply(200, '" .. JSON
        .. "\\n<!-- proxy -->')",
      ["beside NaN"] = [[c:reply(200, '{"eta":NaN,"task_id":"PAID-77"}')]],
      ["with escaped letters"] = [[c:reply(200, '{"task_id":"PAID\\u002d77"}')]],
      ["with status 201"] = "c:reply(201, '" .. JSON .. "')",
      ["with status 202"] = "c:reply(202, '" .. JSON .. "')",
      ["with status 206"] = "c:reply(206, '" .. JSON .. "')",
      ["as taskId"] = [[c:reply(200, '{"taskId":"PAID-77"}')]],
      ["as Task-ID in JSON that breaks off"] =
        [[c:reply(200, '{"Task-ID":"PAID-77"')]],
      ["in a header"] = [[c:reply(202, '{}', "X-Task-Id: PAID-77")]],
      ["in a body that is said to be gzip'd"] = "c:reply(200, '" .. JSON
        .. "', 'Content-Encoding: gzip')",
      ["in a body of an encoding that nobody knows"] = "c:reply(200, '" .. JSON
        .. "', 'Content-Encoding: x-new')",
      ["in Location alone"] = [[c:reply(201, "",
        "Location: /apis/audio-separation/PAID%2D77?x=y")]],
      ["in an absolute Location"] = [[c:reply(204, "",
        "Location: http://other/apis/audio-separation/PAID-77")]],
    }
    for name, answer in pairs(told) do
      it("has the id that stands " .. name, function()
        open(answering(answer), { stall_timeout = 1, retries = 3 })
        local task, err = client:submit(SMALL)
        assert.is_nil(err)
        assert.equal("PAID-77", task.id)
        assert.equal(1, taken())
      end)
    end

    for digits, id in pairs({ ["777001"] = "777001", ["0"] = "0",
      ["12345678901234567890123"] = "12345678901234567890123" }) do
      it("has the id that is the number " .. digits, function()
        open(answering(([[c:reply(200, '{"task_id":%s}')]]):format(digits)))
        assert.equal(id, assert(client:submit(SMALL)).id)
      end)
    end

    for name, reply in pairs({
      ["one key twice"] = [[{"task_id":"OTHER-1","task_id":"PAID-77"}]],
      ["two spellings"] = [[{"taskId":"OTHER-1","task_id":"PAID-77"}]],
      ["two depths"] = [[{"a":{"task_id" : "OTHER-1"},"task_id":"PAID-77"}]],
    }) do
      it("tells of a second task in " .. name, function()
        local warning
        open(answering(("c:reply(200, '%s')"):format(reply)))
        local task = assert(client:submit(SMALL, { on_event = function(event)
          warning = event.name == "warning" and event.message or warning
        end }))
        assert.equal("PAID-77", task.id)
        assert.equal('the reply to the upload also names task "OTHER-1"',
          warning)
      end)

      it("tells of it in an error, too, with " .. name, function()
        open(answering(("c:reply(500, '%s')"):format(reply)))
        local err = in_doubt(SMALL)
        assert.equal("PAID-77", err.task_id)
        assert.matches('it also names task "OTHER-1"', err.message, 1, true)
      end)
    end

    it("tells of no second task where one is named twice", function()
      open(answering [[c:reply(200,
        '{"task_id":"PAID-77","data":{"taskId":"PAID-77"}}')]])
      assert(client:submit(SMALL, { on_event = function(event)
        assert.not_equal("warning", event.name)
      end }))
    end)

    it("is not larger than anyone needs", function()
      open(answering [[c:reply(200, '{"x":"' .. ("y"):rep(2097152) .. '"}')]])
      assert.matches("the reply is larger than allowed",
        in_doubt(SMALL).message, 1, true)
    end)

    it("has the id of a reply that is larger", function()
      open(answering [[c:reply(200, '{"task_id":"PAID-77","x":"'
        .. ("y"):rep(2097152) .. '"}')]])
      assert.equal("PAID-77", assert(client:submit(SMALL)).id)
    end)

    it("has the id of a reply that hangs at the deadline", function()
      open(answering("c:send('" .. chunked(JSON) .. "') c:hang()"))
      assert.equal("PAID-77", assert(client:submit(SMALL, { deadline = 1 })).id)
    end)

    it("has the id of a reply that hangs when it is cancelled", function()
      open(answering("c:send('" .. chunked(JSON)
        .. "') print('SENT') c:hang()"))
      local job = camb.spawn(client.submit, client, SMALL)
      local stop = core.now() + 10
      while scripted.count(peer, "SENT") == 0 and core.now() < stop do
        client:step(0.05)
      end
      for _ = 1, 10 do
        client:step(0.02)
      end
      job:cancel()
      local task, err = job:join()
      assert.is_nil(task)
      assert.equal("PAID-77", err.task_id)
    end)
  end)

  -- Here the reply says no, or nothing, and yet names a task.
  describe("that may be accepted", function()
    local doubtful = {
      ["a 500"] = "c:reply(500, '{\"task_id\":\"PAID-77\",\"detail\":\"slow\"}')",
      ["a 504 with a number"] = "c:reply(504, '{\"task_id\":  77}')",
      ["a 409"] = "c:reply(409, '{\"task_id\":\"PAID-77\"}')",
      ["a 422"] = "c:reply(422, '{\"error\":\"x\",\"task_id\":\"PAID-77\"}')",
      ["a 429"] = "c:reply(429, '{\"task_id\":\"PAID-77\"}')",
      ["a 429 that says taskId"] = "c:reply(429, '{\"taskId\":\"PAID-77\"}')",
      ["a 429 that is said to be gzip'd"] =
        "c:reply(429, '{\"task_id\":\"PAID-77\"}', 'Content-Encoding: gzip')",
      ["a 503 of many words"] = "c:reply(503, ('x'):rep(9999) "
        .. ".. '{\"task_id\":\"PAID-77\"}', 'Retry-After: 0')",
      ["a header of a 429"] = "c:reply(429, '', 'Task-Id: PAID-77')",
      ["a 503 with Retry-After"] = "c:reply(503, '{\"task_id\":\"PAID-77\"}',"
        .. "'Retry-After: 0')",
      ["a 408 that breaks off"] = "c:send('HTTP/1.1 408 X\\r\\n"
        .. "Content-Length: 99\\r\\n\\r\\n{\"task_id\":\"PAID-77\"}')"
        .. "do return end",
      ["the place of a 303"] = "c:reply(303, '',"
        .. "'Location: /apis/audio-separation/PAID-77')",
      ["the place of a 302"] = "c:reply(302, '',"
        .. "'Location: /apis/audio-separation/PAID-77')",
    }
    for name, text in pairs({
      ["JSON alone"] = "", ["a 100 and JSON"] = "HTTP/1.1 100 X\\r\\n\\r\\n",
      ["blank lines before the head"] = "\\r\\n\\r\\nHTTP/1.1 200 X\\r\\n\\r\\n",
      ["another protocol's head"] = "ICY 200 OK\\r\\n\\r\\n",
    }) do
      text = "c:send('" .. text .. '{"task_id":"PAID-77"}' .. "')"
      doubtful["what is not HTTP: " .. name] = text .. "do return end"
      doubtful["what is not HTTP, and stays open: " .. name] = text
        .. "c:hang()"
    end
    for name, answer in pairs(doubtful) do
      it(("is not sent again, and has the id in %s"):format(name), function()
        open(answering(answer), { retries = 3, stall_timeout = 1 })
        local id = name:find("number") and "77" or "PAID-77"
        local err = in_doubt(SMALL)
        assert.equal(id, err.task_id)
        assert.matches(id, err.message, 1, true)
      end)
    end

    local guesses = {
      ["another key"] = [[c:reply(200, '{"task":{"id":"PAID-77"}}')]],
      ["HTML"] = [[c:reply(200, '<p data-task-id="PAID-77">Thank you</p>')]],
      ["another place"] = [[c:reply(201, '', 'Location: /tasks/PAID-77?x=y')]],
      ["the place of what was made"] = [[c:reply(201, '',
        'Content-Location: /tasks/PAID-77')]],
      ["the place of what is done"] = [[c:reply(202, '',
        'Operation-Location: https://x/tasks/PAID-77')]],
      ["words"] = [[c:reply(502, 'made Task ID: PAID-77')]],
      ["words that are not HTTP"] = "c:send('task_id: PAID-77') do return end",
    }
    for name, answer in pairs(guesses) do
      it(("tells what looks like an id in %s"):format(name), function()
        open(answering(answer))
        local err = in_doubt(SMALL)
        assert.is_nil(err.task_id)
        assert.matches("its id may be \"PAID-77\"", err.message, 1, true)
      end)
    end

    for name, answer in pairs({
      ["a key that nobody knows"] = [[c:reply(200, '{"task":"PAID-77"}')]],
      ["a list"] = [[c:reply(200, '{"data":\n["PAID-77"]}')]],
      ["a string"] = [[c:reply(201, '"PAID-77"')]],
      ["a link"] = [[c:reply(200,
        '{"links":{"self":"https://x/y/audio-separation/PAID-77"}}')]],
      ["a 502"] = [[c:reply(502, '{"made":"PAID-77"}')]],
      ["words"] = [[c:reply(500, '{"message":"made PAID-77"}')]],
    }) do
      it(("tells the reply, where nothing else looks like an id: %s"):format(
        name), function()
          open(answering(answer))
          local err = in_doubt(SMALL)
          assert.matches("PAID-77", err.message, 1, true)
          assert.equal(1, select(2, err.message:gsub("PAID", "")), err.message)
        end)
    end

    it("tells of a page no more than its beginning", function()
      open(answering [[c:reply(502, '<html>' .. ('x'):rep(5000))]])
      local err = in_doubt(SMALL)
      assert.is_true(#err.message < 300, err.message)
    end)

    it("is followed by its id, not sent again, in a batch #stored",
      function()
        local folder = workspace.folder()
        workspace.run("cp spec/fixtures/mix.flac " .. folder .. "/a.flac")
        open([[
          local c, n = ...
          while true do
            local request = c:upload()
            if not request then
              return
            elseif request.method == "POST" then
              print("TAKEN")
              c:reply(504, '{"task_id":"PAID-77"}')
            else
              c:reply(200, '{"status":"ERROR"}')
            end
          end]])
        local kinds = {}
        for _, options in ipairs({ {}, { retry_failed = true },
          { resubmit_unknown = true } }) do
          options.store, options.output_dir = folder .. "/b.db", folder
          for item in client:batch({ folder .. "/a.flac" }, options) do
            kinds[#kinds + 1] = item.error.kind
            assert.equal("PAID-77", item.error.task_id)
          end
        end
        assert.same({ "unknown_outcome", "unknown_outcome", "task_failed" },
          kinds)
        assert.equal(1, taken())
        workspace.remove(folder)
      end)

    it("keeps the reply in which nothing looks like an id", function()
      open(answering [[c:reply(200, 'Danke: Vorgang PAID-77')]])
      assert.equal("Danke: Vorgang PAID-77", in_doubt(SMALL).detail)
    end)
  end)

  it("is not accepted where something that is not HTTP answers it before its "
    .. "last byte", function()
    open([[
      local c = ...
      c:head()
      c:send("SSH-2.0-x {\"task_id\":\"X\"}\r\n")]], { retries = 1 })
    local task, err = client:submit(LARGE)
    assert.is_nil(task)
    assert.equal("network", err.kind, tostring(err))
    assert.is_nil(err.task_id)
  end)

  it("is refused by a reply whose task is null, or empty", function()
    for _, value in ipairs({ "null", '""' }) do
      open(answering(([[c:reply(402, '{"error":"no","task_id":%s}')]])
        :format(value)))
      local task, err = client:submit(SMALL)
      assert.is_nil(task)
      assert.equal("payment_required", err.kind)
      if value == "null" then
        client:close()
        peer.stop()
      end
    end
  end)

  describe("when it is whole", function()
    it("waits for the reply for longer than for a stall", function()
      open(answering [[require("cqueues").sleep(2.5)
        c:reply(200, '{"task_id":"t"}')]], { stall_timeout = 1 })
      assert.equal("t", assert(client:submit(SMALL)).id)
    end)

    for name, answer in pairs({
      ["does not come"] = "c:hang()",
      ["drips in its head"] = "c:drip('HTTP/1.1 200 OK\\r\\nX: ' .. "
        .. "('x'):rep(9999))",
      ["drips in its body"] = "c:send('HTTP/1.1 200 OK\\r\\n"
        .. "Content-Length: 9999\\r\\n\\r\\n') c:drip(('x'):rep(9999))",
    }) do
      it(("is in doubt after reply_timeout when the reply %s #timed")
        :format(name), function()
          open(answering(answer), { reply_timeout = 1 })
          local started = core.now()
          local err = in_doubt(SMALL)
          assert.matches("no complete reply within 1 s", err.message, 1, true)
          assert.is_true(core.now() - started < 10)
        end)
    end

    it("is in doubt after the stall timeout when the reply stops #timed",
      function()
        open(answering [[c:send('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{')
          c:hang()]], { stall_timeout = 1 })
        local started = core.now()
        local err = in_doubt(SMALL)
        assert.matches("no bytes moved for 1 s", err.message, 1, true)
        assert.is_true(core.now() - started < 10)
      end)
  end)

  it("ends when a refusal drips, though it is not whole #timed", function()
    open([[
      local c, n = ...
      c:head()
      c:send('HTTP/1.1 413 X\r\nContent-Length: 9999\r\n\r\n')
      c:drip(('x'):rep(9999))]], { reply_timeout = 1 })
    local started = core.now()
    local task, err = client:submit(LARGE)
    assert.is_nil(task)
    assert.equal("source", err.kind)
    assert.is_true(core.now() - started < 10)
  end)

  it("never goes on a connection that has served before", function()
    open [[
      local c, n = ...
      for i = 1, math.huge do
        local request = c:upload()
        if not request or request.method == "POST" and i > 1 then
          return
        end
        c:reply(200, request.method == "POST" and '{"task_id":"t"}'
          or '{"status":"PENDING"}')
      end]]
    for _ = 1, 3 do
      assert(assert(client:submit(SMALL)):status())
    end
  end)

  describe("over HTTP/2 #h2", function()
    -- The first stream meets `answer`, further ones are accepted.
    local function meeting(answer)
      return ([[
        local c, n = ...
        if not c:tls("h2") then
          return
        end
        while true do
          local stream = c:stream()
          if not stream then
            return
          elseif n > 1 then
            print("TAKEN")
            c:answer(stream, 200, '{"task_id":"t"}')
          else
            %s
          end
        end]]):format(answer)
    end

    for name, answer in pairs({
      ["a GOAWAY says that it was not taken"] = "c:goaway(0) c:hang()",
      ["such a GOAWAY closes the connection"] = "c:goaway(0) return",
      ["a GOAWAY with an error says so"] = "c:goaway(0, 11) c:hang()",
      ["its stream is refused"] = "c:reset(stream, 7) c:hang()",
    }) do
      it(("is sent again when %s"):format(name), function()
        open(meeting(answer), { retries = 1 }, "https")
        assert.equal("t", assert(client:submit(SMALL)).id)
        assert.equal(1, taken())
      end)
    end

    for name, answer in pairs({
      ["a GOAWAY says that it was taken"] = "c:goaway(1) return",
      ["its stream is cancelled"] = "c:reset(stream, 8) c:hang()",
      ["its stream ends without a reply"] = "c:reset(stream, 0) c:hang()",
      ["HTTP/1.1 is asked for"] = "c:reset(stream, 13) c:hang()",
    }) do
      it(("is in doubt when %s"):format(name), function()
        open(meeting("print('TAKEN') " .. answer), { retries = 3 }, "https")
        in_doubt(SMALL)
      end)
    end

    it("has the id of a reply whose stream breaks off behind it", function()
      open(meeting([[print("TAKEN")
        c:frame(1, 4, stream, "\136")
        c:frame(0, 0, stream, '{"task_id":"PAID-77"}')
        c:reset(stream, 2)]]), { retries = 3 }, "https")
      assert.equal("PAID-77", assert(client:submit(SMALL)).id)
      assert.equal(1, taken())
    end)

    it("is in doubt when HTTP/1.1 is asked for and spoken", function()
      open([[
        local c, n = ...
        if n == 1 then
          c:tls("h2")
          c:reset(c:stream(), 13)
          print("TAKEN")
          c:hang()
        elseif c:tls("http/1.1") and c:upload() then
          print("TAKEN")
        end]], { retries = 3 }, "https")
      in_doubt(SMALL)
    end)

    it("has a connection of its own, and no more of them than allowed",
      function()
        open([[
          local c, n = ...
          c:tls("h2")
          print("OPEN")
          while true do
            local stream = c:stream()
            if not stream then
              return
            end
            print("TAKEN")
            c:answer(stream, 200, '{"task_id":"t"}')
          end]], { max_connections = 4 }, "https")
        camb.run(function()
          for _ = 1, 20 do
            camb.spawn(function()
              assert(client:submit(SMALL))
            end)
          end
        end)
        assert.equal(20, taken())
        assert.equal(20, scripted.count(peer, "OPEN"))
      end)
  end)
end)
