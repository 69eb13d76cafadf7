-- Whatever the service answers arrives as its own kind of error, with the task
-- id from the moment there is one.

local camb = require "camb"
local ports = require "spec.support.ports"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"

describe("a 3xx that leads nowhere", function()
  for _, code in ipairs({ 300, 302, 304 }) do
    it("is told by its status, and not as a redirect: " .. code, function()
      local server = assert(sandbox.start())
      local client = require("camb").client{ base_url = server.base_url,
        api_key = server.api_key, retries = 0 }
      server:fault({ step = "status", status = code, body = "" })
      local _, err = client:task("t"):status()
      client:close()
      server:stop()
      assert.equal("protocol", err.kind)
      assert.equal(code, err.http_status)
      assert.matches("(HTTP " .. code, err.message, 1, true)
      assert.is_nil(err.message:find("redirect", 1, true), err.message)
    end)
  end
end)

describe("the words of a refusal", function()

  for _, key in ipairs({ "detail", "error", "message" }) do
    it("are told where they stand under " .. key, function()
      local server = assert(sandbox.start())
      local client = require("camb").client{ base_url = server.base_url,
        api_key = server.api_key, retries = 0 }
      server:fault({ step = "status", status = 403,
        reply = { [key] = "not today" } })
      local _, err = client:task("t"):status()
      client:close()
      server:stop()
      assert.matches("(HTTP 403: not today)", err.message, 1, true)
    end)
  end
end)

describe("an error", function()
  local server, client, folder

  stage.for_each(nil, function(...)
    server, client, folder = ...
  end)

  local function fails(fields, result, err)
    assert.is_nil(result)
    for name, value in pairs(fields) do
      assert.equal(value, err[name], name)
    end
    return err
  end

  it("401 at the upload: authentication, and not a byte of the file is sent",
    function()
      local stranger = stage.client(server, { api_key = "secret-of-mine" })
      local path = workspace.write(folder .. "/big.flac",
        "fLaC" .. ("\0"):rep(4 * 2 ^ 20))
      local err = fails({
        kind = "authentication",
        http_status = 401,
        step = "submit",
        retryable = false,
        message = "the service rejected the API key "
          .. "(HTTP 401: Invalid API key)",
      }, stranger:submit(path))
      assert.is_nil(err.task_id)
      assert.is_nil(tostring(err):find("secret-of-mine", 1, true))
      assert.equal(0, server:requests()[1].body_bytes)
      assert.equal(1, #server:requests())
      stranger:close()
    end)

  it("401 at a poll: authentication, with the task id", function()
    local stranger = stage.client(server, { api_key = "x" })
    local err = fails({ kind = "authentication", step = "poll",
      task_id = "some-task" }, stranger:task("some-task"):wait())
    assert.equal(1, err.attempts)
    stranger:close()
  end)

  it("404: not_found, with the URL that was asked for", function()
    local lost = camb.client({ api_key = server.api_key, retries = 0,
      base_url = server.base_url:gsub("/apis$", "/api") })
    finally(function()
      lost:close()
    end)
    for place, call in pairs({
      ["/audio-separation"] = function()
        return lost:submit(MIX)
      end,
      ["/audio-separation/t"] = function()
        return lost:task("t"):wait()
      end,
      ["/audio-separation-result/7"] = function()
        return lost:result(7)
      end,
    }) do
      local result, err = call()
      assert.is_nil(result)
      assert.is_truthy(err.message:find("HTTP 404 from " .. lost.base_url
        .. place, 1, true), err.message)
    end
    server:fault({ step = "stem", status = 404, times = 2 })
    local urls = server.stem_url .. "/stems/9/x.flac?signature=1"
    local _, err = client:download({ foreground_audio_url = urls,
      background_audio_url = urls }, { output_dir = folder, name = "x" })
    assert.matches("HTTP 404 from " .. server.stem_url .. "/stems/9/x.flac[:)]",
      err.message)
  end)

  it("404 at a poll: not_found, with the task id", function()
    fails({
      kind = "not_found",
      http_status = 404,
      task_id = "no/such task",
    }, client:task("no/such task"):wait())
    fails({ kind = "not_found", task_id = "x" }, client:task("x"):status())
  end)

  it("404 at a result: not_found, with the run id", function()
    local err = fails({ kind = "not_found", run_id = 4711, step = "result" },
      client:result(4711))
    assert.matches("%(run 4711%)", err.message)
  end)

  it("422: validation, with the field and the service's own detail", function()
    server:fault({ step = "submit", status = 422, body =
      '{"detail":[{"loc":["body","folder_id"],"msg":"value is not a valid '
      .. 'integer","type":"type_error.integer"}]}' })
    local err = fails({
      kind = "validation",
      http_status = 422,
      message = "the service rejected the request "
        .. "(HTTP 422: folder_id: value is not a valid integer)",
    }, client:submit(MIX))
    assert.equal("type_error.integer", err.detail[1].type)
  end)

  it("402: payment_required at the upload, and with the task id at a poll",
    function()
      server:fault({ step = "submit", status = 402,
        body = '{"detail":"No credit"}' })
      fails({ kind = "payment_required", http_status = 402,
        message = "the account is out of credit (HTTP 402: No credit)" },
        client:submit(MIX))
      local task = assert(client:submit(MIX))
      server:fault({ step = "status", status = 402,
        body = '{"detail":"No credit"}' })
      fails({ kind = "payment_required", task_id = task.id }, task:wait())
    end)

  it("403: forbidden", function()
    server:fault({ step = "submit", status = 403, body = "{}" })
    fails({ kind = "forbidden", http_status = 403,
      message = "the API key lacks permission (HTTP 403)" }, client:submit(MIX))
  end)

  it("of another path than the service's names the base URL", function()
    for _, path in ipairs({ "", "/api" }) do
      local other = camb.client({ api_key = server.api_key, retries = 0,
        base_url = server.base_url:gsub("/apis$", path) })
      local _, err = other:submit(MIX)
      assert.matches("; the base URL does not end with /apis, as that of the "
        .. "service does", err.message, 1, true)
      other:close()
    end
    local _, err = client:task("t"):status()
    assert.is_nil(err.message:find("base URL", 1, true))
  end)

  it("429: rate_limited once the retries are used up, and when to come back",
    function()
      local impatient = stage.client(server, { retries = 1 })
      server:fault({ step = "submit", status = 429, times = 2,
        retry_after = 1 })
      local err = fails({ kind = "rate_limited", http_status = 429,
        retry_after = 1, attempts = 2, retryable = true },
        impatient:submit(MIX))
      assert.matches("retry in 1 s", err.message)
      assert.equal(2, #server:requests())
      assert.equal(0, server:stats().uploads)
      impatient:close()
    end)

  it("429 with a pause beyond the deadline: rate_limited at once #timed", function()
    server:fault({ step = "submit", status = 429, retry_after = 3600 })
    local started = os.time()
    fails({ kind = "rate_limited", retry_after = 3600, attempts = 1 },
      client:submit(MIX, { deadline = 5 }))
    assert.is_true(os.time() - started <= 2)
  end)

  it("a task that ends as ERROR: task_failed, with the reason", function()
    local path = workspace.write(folder .. "/broken.flac",
      "fLaC" .. ("x"):rep(1000))
    local err = fails({
      kind = "task_failed",
      status = "ERROR",
      step = "poll",
      retryable = false,
      exception_reason = "INVALID_SOURCE_DATA",
    }, client:separate(path, { output_dir = folder, interval = 1 }))
    assert.is_string(err.task_id)
    assert.matches("INVALID_SOURCE_DATA", err.message)
    assert.same({ "broken.flac" }, workspace.list(folder))
  end)

  for word, kind in pairs({ FAILED = "task_failed", TIMEOUT = "task_timeout",
    PAYMENT_REQUIRED = "payment_required" }) do
    it(("a task that ends as %s: %s"):format(word, kind), function()
      local task = assert(client:submit(MIX))
      server:fault({ step = "status", status = 200, body =
        ('{"status":"%s","exception_reason":"NONE"}'):format(word) })
      local err = fails({ kind = kind, status = word, task_id = task.id },
        task:wait())
      assert.is_nil(err.exception_reason)
    end)
  end

  it("attempts used up: timeout, with the task id and how to go on", function()
    local slow, patient, other = stage.open({ processing = math.huge })
    local task = assert(patient:submit(MIX))
    local err = fails({
      kind = "timeout",
      status = "PENDING",
      task_id = task.id,
      attempts = 3,
      retryable = true,
    }, task:wait({ interval = 0.01, max_attempts = 3 }))
    assert.equal(("the task was still PENDING after 3 polls; it may finish "
      .. 'later; resume it with client:task("%s")'):format(task.id),
      err.message)
    stage.close(slow, patient, other)
  end)

  it("the deadline passed: timeout, with the task id, on time #timed", function()
    local slow, patient, other = stage.open({ processing = math.huge })
    local core = require "camb.core"
    local started = core.now()
    local err = fails({ kind = "timeout", retryable = false },
      patient:separate(MIX, { output_dir = folder, deadline = 0.5 }))
    assert.near(0.5, core.now() - started, 0.2)
    assert.is_string(err.task_id)
    stage.close(slow, patient, other)
  end)

  it("a status word that is not documented: shown, waited out, then named",
    function()
      local task = assert(client:submit(MIX))
      server:fault({ step = "status", status = 200, times = 3,
        body = '{"status":"QUEUED"}' })
      local seen = {}
      local err = fails({ kind = "protocol", status = "QUEUED",
        task_id = task.id, retryable = true },
        task:wait({ interval = 0.01, max_attempts = 3,
          on_event = function(event)
            seen[#seen + 1] = event.name == "polled" and event.status or nil
          end }))
      assert.same({ "QUEUED", "QUEUED", "QUEUED" }, seen)
      assert.matches('"QUEUED", which is not documented', err.message)
    end)

  it("SUCCESS without a run id: protocol", function()
    local task = assert(client:submit(MIX))
    server:fault({ step = "status", status = 200,
      body = '{"status":"SUCCESS","run_id":null}' })
    fails({ kind = "protocol", task_id = task.id,
      message = "the task ended as SUCCESS without a run id" }, task:wait())
  end)

  it("a page of HTML with status 200 is polled over, then named", function()
    local task = assert(client:submit(MIX))
    server:fault({ step = "status", status = 200, times = 2,
      body = "<html>Sign in</html>" })
    assert(task:wait({ interval = 0.05, max_attempts = 5000 }))
    server:fault({ step = "status", status = 200, times = 2,
      body = "<html>Sign in</html>" })
    local err = fails({ kind = "protocol", task_id = task.id },
      task:wait({ interval = 0.01, max_attempts = 2 }))
    assert.matches("Sign in", err.message)
  end)

  it("a 5xx at the upload: unknown_outcome, and it is not sent again",
    function()
      server:fault({ step = "submit", status = 502, times = 10,
        body = "<html>Bad Gateway</html>" })
      local err = fails({ kind = "unknown_outcome", http_status = 502,
        retryable = false }, client:submit(MIX))
      assert.matches("a task may exist and be charged", err.message)
      assert.equal(1, #server:requests())
    end)

  it("503 with Retry-After at the upload: sent again, the same form",
    function()
      server:fault({ step = "submit", status = 503, retry_after = 0 })
      assert(client:submit(MIX, { project_name = "p", folder_id = 3 }))
      local requests = server:requests()
      assert.equal(2, #requests)
      assert.same(requests[1].fields, requests[2].fields)
      assert.equal("p", requests[2].fields.project_name)
      assert.equal(requests[1].file.sha256, requests[2].file.sha256)
      assert.equal(1, server:stats().uploads)
    end)

  it("a 5xx at a poll is survived", function()
    local task = assert(client:submit(MIX))
    server:fault({ step = "status", status = 500, times = 2 })
    local retries = 0
    assert(task:wait({ interval = 0.05, max_attempts = 5000,
      on_event = function(event)
        retries = retries + (event.name == "retrying" and 1 or 0)
      end }))
    assert.equal(2, retries)
  end)

  it("an expired URL is asked for again by its run id", function()
    server:fault({ step = "stem", status = 403, body = "expired" })
    local stems = assert(client:separate(MIX, { output_dir = folder,
      interval = 0.1, max_attempts = 5000 }))
    assert.matches("^fLaC", workspace.read(stems.foreground))
    assert.matches("^fLaC", workspace.read(stems.background))
  end)

  it("a request that breaks: network, and names the request", function()
    local fast = stage.client(server, { retries = 0 })
    local calls = {
      status = function()
        return fast:task("x"):status()
      end,
      result = function()
        return fast:result(1)
      end,
    }
    for step, call in pairs(calls) do
      server:fault({ step = step, reset = true })
      local err = fails({ kind = "network", step = step }, call())
      assert.matches("^the " .. step .. " request failed after 1 attempt: ",
        err.message)
    end
    fast:close()
  end)

  it("no server: network, after the retries, with nothing sent", function()
    local hasty = camb.client({ retries = 1, api_key = "k",
      base_url = ("http://127.0.0.1:%d/apis"):format(ports.free()) })
    local err = fails({ kind = "network", step = "submit", attempts = 2,
      retryable = true }, hasty:submit(MIX))
    assert.matches("the upload failed after 2 attempts: ", err.message)
    hasty:close()
  end)
end)
