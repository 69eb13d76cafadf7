-- The paid upload is sent once, and again only where the service cannot have
-- accepted it.  The sandbox counts the uploads that it accepted.

local camb = require "camb"
local ports = require "spec.support.ports"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"

local MIX = "examples/mix.flac"

describe("the paid upload", function()
  local server, client, folder

  before_each(function()
    server, client, folder = stage.open({ processing = math.huge }, { retries = 2 })
  end)

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function small()
    return { data = "fLaC" .. ("\0"):rep(1000), filename = "small.flac" }
  end

  local function posts()
    return #server:requests()
  end

  -- The service says goodbye and takes the rest all the same.
  it("is sent once before a close that comes while it is sent", function()
    server:fault({ step = "submit", at = "body", after = 2 ^ 19, close = true })
    local task, err = client:submit(MIX)
    assert.is_nil(task)
    assert.equal("unknown_outcome", err.kind)
    assert.equal(1, posts())
  end)

  it("is sent once when the deadline passes before the reply", function()
    server:fault({ step = "submit", silence = true })
    local task, err = client:submit(small(), { deadline = 1 })
    assert.is_nil(task)
    assert.equal("unknown_outcome", err.kind)
    assert.equal(1, posts())
  end)

  it("is in doubt without a status where only a 100 came", function()
    server:fault({ step = "submit", reset = true })
    local task, err = client:submit(
      { data = "fLaC" .. ("\0"):rep(2 ^ 22), filename = "x.flac" })
    assert.is_nil(task)
    assert.equal("unknown_outcome", err.kind)
    assert.is_nil(err.http_status)
  end)

  -- libcurl sends a body again by itself when a kept connection turns out to
  -- be dead; on such a connection the answer may be lost just as well.
  it("is sent once on a connection that served before", function()
    assert(client:submit(small()))
    server:fault({ step = "submit", at = "accepted", close = true })
    local task, err = client:submit(small())
    assert.is_nil(task)
    assert.equal("unknown_outcome", err.kind)
    assert.equal(2, posts())
    assert.equal(2, server:stats().uploads)
  end)

  -- Faults after which no task can exist.
  for name, fault in pairs({
    ["a 408"] = { status = 408 },
    ["a 429"] = { status = 429, retry_after = 0 },
    ["a 429 with a date"] = { status = 429, retry_after_date = 0 },
    ["a 503 with Retry-After"] = { status = 503, retry_after = 0 },
    ["a reset in the middle of the upload"] =
      { at = "body", after = 2 ^ 19, reset = true },
  }) do
    it(("is sent again, the same, after %s"):format(name), function()
      local retries = {}
      fault.step = "submit"
      server:fault(fault)
      -- more than the sockets' buffers take: what is in them counts as sent
      local bytes = "fLaC" .. ("\1\2\3\4"):rep(2 ^ 23)
      local trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      assert(client:submit({ data = bytes, filename = "x.flac" }, {
        project_name = "p", folder_id = 7, run_id = 5, traceparent = trace,
        on_event = function(event)
          retries[#retries + 1] = event.name == "retrying" and event or nil
        end,
      }))
      local requests = server:requests()
      assert.equal(2, #requests)
      assert.equal(1, #retries)
      assert.equal("submit", retries[1].step)
      assert.is_string(retries[1].reason)
      assert.equal(1, server:stats().uploads)
      for _, request in ipairs(requests) do
        assert.equal("run_id=5", request.query)
        assert.equal(trace, request.headers.traceparent)
      end
      assert.same({ project_name = "p", folder_id = "7" }, requests[2].fields)
      assert.equal(#bytes, requests[2].file.size)
    end)
  end

  -- The head of a reply says that nothing was accepted; what becomes of its
  -- body cannot make that unknown.
  local heads = {
    [408] = { status = 408 },
    [429] = { status = 429, retry_after = 0 },
    [503] = { retry_after = 0 },
    [302] = { redirect = "http://127.0.0.1:9/x" },
    [307] = { status = 307, redirect = "file:///x" },
    [401] = { status = 401 },
    [425] = { status = 425 },
  }
  local ENDS = { [302] = "protocol", [307] = "protocol",
    [401] = "authentication", [425] = "server" }

  local function headed(status, more)
    local fault = { step = "submit", reply = { padding = "x" }, truncate = 5 }
    for key, value in pairs(heads[status]) do
      fault[key] = value
    end
    for key, value in pairs(more) do
      fault[key] = value
    end
    return fault
  end

  -- Side by side: each fault is met by one of them.
  for ending, more in pairs({
    ["breaks off"] = { close = true },
    ["is reset"] = { reset = true },
    ["stalls"] = { silence = true },
  }) do
    it(("is refused by a reply whose body %s"):format(ending), function()
      local hasty = stage.client(server, { stall_timeout = 1, retries = 3,
        max_connections = 20 })
      local kinds = {}
      camb.run(function()
        for status in pairs(heads) do
          server:fault(headed(status, more))
          camb.spawn(function()
            local task, err = hasty:submit(small())
            if not task then
              kinds[err.http_status or 0] = err.kind
            end
          end)
        end
      end)
      assert.same(ENDS, kinds)
      assert.equal(10, posts())
      assert.equal(3, server:stats().uploads)
      hasty:close()
    end)
  end

  it("is refused by a reply whose body comes after the deadline", function()
    local wide = stage.client(server, { max_connections = 20 })
    local kinds = {}
    camb.run(function()
      for status in pairs(heads) do
        server:fault(headed(status, { silence = true }))
        camb.spawn(function()
          local task, err = wide:submit(small(), { deadline = 2 })
          assert.is_nil(task)
          kinds[err.http_status or 0] = err.kind
        end)
      end
    end)
    assert.same({ [302] = "protocol", [307] = "protocol",
      [401] = "authentication", [425] = "server", [408] = "server",
      [429] = "rate_limited", [503] = "rate_limited" }, kinds)
    wide:close()
    assert.equal(0, server:stats().uploads)
  end)

  -- 64 MiB: more than the sockets' buffers take.
  it("is in doubt once a reply has begun, though it was not sent whole",
    function()
      local source = { data = "fLaC" .. ("\0"):rep(2 ^ 26),
        filename = "x.flac" }
      local kinds = {}
      camb.run(function()
        for _, status in ipairs({ 200, 502 }) do
          server:fault({ step = "submit", at = "body", after = 1,
            status = status, reply = { padding = "x" }, truncate = 5,
            silence = true })
          camb.spawn(function()
            local task, err = client:submit(source, { deadline = 3 })
            assert.is_nil(task)
            kinds[err.http_status or 0] = err.kind
          end)
        end
      end)
      assert.same({ [200] = "unknown_outcome", [502] = "unknown_outcome" },
        kinds)
    end)

  it("is not sent half when its reader cannot be rewound", function()
    local given = 0
    server:fault({ step = "submit", status = 429, retry_after = 0 })
    local task, err = client:submit({ size = 100000, filename = "x.flac",
      read = function()
        given = given + 1
        return given == 1 and "fLaC" .. ("\0"):rep(99996) or nil
      end })
    assert.is_nil(task)
    assert.equal("rate_limited", err.kind)
    assert.equal(1, posts())
  end)

  it("is byte for byte the same in every attempt", function()
    local named = stage.client(server, { retries = 2,
      headers = { ["Idempotency-Key"] = "7f3a" } })
    server:fault({ step = "submit", status = 429, retry_after = 0 })
    server:fault({ step = "submit", status = 408 })
    assert(named:submit(small(), { project_name = " ä&=+% ", run_id = 5,
      project_description = "two\nlines \"quoted\"", folder_id = 2 ^ 53,
      traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    }))
    local requests = server:requests()
    assert.equal(3, #requests)
    for _, request in ipairs(requests) do
      assert.same(requests[1].fields, request.fields)
      assert.same(requests[1].file, request.file)
      assert.equal(requests[1].query, request.query)
      request.headers["content-type"] = nil -- holds libcurl's boundary
      assert.same(requests[1].headers, request.headers)
      assert.equal("7f3a", request.headers["idempotency-key"])
    end
    assert.equal(" ä&=+% ", requests[3].fields.project_name)
    assert.equal(1, server:stats().uploads)
    named:close()
  end)

  -- A reader of 32 MiB, and what it has given.
  local function reader()
    local given = 0
    return { size = 2 ^ 25, filename = "x.flac", read = function()
      given = given + 1
      return given <= 32 and ("fLaC" .. ("\0"):rep(2 ^ 20 - 4)) or nil
    end }, function()
      return given
    end
  end

  it("is sent neither half nor twice when its reader was begun", function()
    for _, fault in ipairs({ { at = "body", after = 2 ^ 22, reset = true },
      { at = "body", after = 2 ^ 22, status = 429, retry_after = 0 },
      { status = 503, retry_after = 0 }, { status = 408 } }) do
      local source, given = reader()
      local before = posts()
      fault.step, fault.times = "submit", math.huge
      server:fault(fault)
      local task, err = client:submit(source)
      assert.is_nil(task)
      assert.not_equal("unknown_outcome", err.kind)
      assert.equal(before + 1, posts(), tostring(err))
      assert.is_true(given() <= 33)
      assert.equal(0, server:stats().uploads)
      server:clear_faults()
    end
  end)

  it("is whole when it is refused before its reader is begun", function()
    server:fault({ step = "submit", at = "headers", status = 429,
      retry_after = 0 })
    local task, err = client:submit((reader()))
    assert.equal(task and 1 or 0, server:stats().uploads, tostring(err))
    if task then
      assert.equal(2 ^ 25, server:requests()[2].file.size)
    end
  end)

  it("is sent again when its reader was not begun", function()
    local source = reader()
    local retries = 0
    local port = ports.free()
    server:stop()
    server = assert(sandbox.start({ port = port }))
    server:stop()
    local late = stage.client(server, { retries = 3 })
    assert(late:submit(source, { on_event = function(event)
      if event.name == "retrying" then
        retries = retries + 1
        server = assert(sandbox.start({ port = port,
          processing = math.huge }))
      end
    end }))
    assert.equal(1, retries)
    assert.equal(1, server:stats().uploads)
    assert.equal(2 ^ 25, server:requests()[1].file.size)
    late:close()
  end)

  -- Of a 303 nobody knows: it may come after a task was made.
  it("does not follow a redirect, but names the place", function()
    for _, status in ipairs({ 301, 302, 303, 307, 308 }) do
      local other = assert(sandbox.start({}))
      server:fault({ step = "submit", status = status,
        redirect = other.base_url .. "/audio-separation?token=secret" })
      local task, err = client:submit(small())
      assert.is_nil(task)
      assert.equal(status == 303 and "unknown_outcome" or "protocol", err.kind)
      assert.matches(other.base_url, err.message, 1, true)
      assert.is_nil(err.message:find("secret", 1, true))
      assert.equal(0, #other:requests())
      other:stop()
    end
  end)

  it("is made again neither by a lost poll nor by a lost download", function()
    server:stop()
    server = assert(sandbox.start({}))
    client = stage.client(server)
    server:fault({ step = "status", reset = true, times = 2 })
    server:fault({ step = "result", status = 502, html = true })
    server:fault({ step = "stem", cut = 70000, times = 2 })
    assert(client:separate(MIX, { output_dir = folder, interval = 0.1,
      max_attempts = 5000 }))
    assert.equal(1, server:stats().uploads)
  end)
end)
