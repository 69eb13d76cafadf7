-- One deadline over everything: whatever the other side does, or does not, the
-- call returns by then, with the task id once there is one.

local camb = require "camb"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local system = require "spec.support.system"
local workspace = require "spec.support.workspace"

local DEADLINE, SLACK = 0.5, 0.2
local SMALL = { data = "fLaC" .. ("\0"):rep(1000), filename = "x.flac" }
local LARGE = { data = "fLaC" .. ("\0"):rep(2 ^ 23), filename = "x.flac" }

-- What drags on, as a fault; a step's reply would be `reply`.
local drags = {
  ["silence"] = { silence = true },
  ["headers a byte at a time"] = { reply = {}, slow = "headers", pace = 0.03 },
  ["a body a byte at a time"] = { reply = { padding = ("x"):rep(1000) },
    slow = "body", pace = 0.03 },
  ["headers without end, slowly"] = { endless_headers = true,
    slow = "headers", pace = 0.02, chunk = 100 },
  ["a body without end"] = { json_size = 10 ^ 15, slow = "body", pace = 0.01,
    chunk = 4096 },
  ["silence in the body"] = { reply = { padding = "x" }, truncate = 3,
    silence = true },
}

-- What ends again and again.
local storms = {
  ["503 for ever"] = { status = 503, retry_after = 0 },
  ["429 for ever"] = { status = 429, retry_after = 0 },
  ["resets for ever"] = { reset = true },
  ["HTML for ever"] = { html = true },
}

describe("a deadline #timed", function()
  local server, client, folder, task, urls

  setup(function()
    folder = workspace.folder()
    server = assert(sandbox.start({}))
    client = stage.client(server, { retries = 1000, max_connections = 100 })
    task = assert(client:submit("spec/fixtures/mix.flac"))
    local run = assert(task:wait({ interval = 0.05, max_attempts = 1000 }))
    urls = assert(client:result(run.id))
  end)

  teardown(function()
    stage.close(server, client, folder)
  end)

  -- One that was told to pause heeds that in its next call as well.
  local function renew()
    client:close()
    server:clear_faults()
    client = stage.client(server, { retries = 1000, max_connections = 100 })
    task = client:task(task.id)
  end

  after_each(function()
    renew()
  end)

  local calls = {
    submit = function(options)
      return client:submit(SMALL, options)
    end,
    status = function(options)
      return task:status(options)
    end,
    poll = function(options)
      options.interval, options.max_attempts = 0.05, 100000
      return task:wait(options)
    end,
    result = function(options)
      return client:result(urls.run_id, options)
    end,
    results = function(options)
      return client:results({ urls.run_id }, options)
    end,
    stem = function(options)
      options.output_dir, options.overwrite = folder, true
      options.name = ("x%d"):format(math.random(2 ^ 30))
      return client:download(urls, options)
    end,
  }

  -- Call `fn` with a deadline: its error. A machine that lets us wait for the
  -- processor is not our doing.
  local function bounded(fn, least)
    local started, starved = core.now(), workspace.starved()
    local result, err = fn({ deadline = DEADLINE })
    local seconds = core.now() - started
    assert.is_nil(result)
    assert.is_true(seconds - (workspace.starved() - starved)
      <= DEADLINE + SLACK, ("%.2f s: %s"):format(seconds, tostring(err)))
    assert.is_true(seconds >= (least or 0), ("%.2f s: %s"):format(seconds,
      tostring(err)))
    return err
  end

  local function always(step, fault)
    local copy = { step = step == "poll" and "status" or step,
      times = math.huge }
    for name, value in pairs(fault) do
      copy[name] = value
    end
    if step == "stem" and copy.json_size then -- what is no audio ends sooner
      copy.json_size, copy.body = nil, LARGE.data
    end
    server:fault(copy)
  end

  for step in pairs({ submit = 1, status = 1, poll = 1, result = 1,
    results = 1, stem = 1 }) do
    for name, fault in pairs(drags) do
      it(("ends %s at the step %s"):format(name, step), function()
        always(step, fault)
        local err = bounded(calls[step], DEADLINE - 0.01)
        assert.equal(step == "submit" and "unknown_outcome" or "timeout",
          err.kind)
      end)
    end
    for name, fault in pairs(storms) do
      it(("ends %s at the step %s"):format(name, step), function()
        always(step, fault)
        bounded(calls[step])
      end)
    end
    it(("is not waited for when Retry-After lies beyond it (%s)"):format(step),
      function()
        for _, status in ipairs({ 429, 503 }) do
          always(step, { status = status, retry_after = 60 })
          local started = core.now()
          local err = bounded(calls[step])
          assert.is_true(core.now() - started < DEADLINE - 0.05)
          assert.equal("rate_limited", err.kind)
          assert.equal(60, err.retry_after)
          assert.matches("retry in 60 s", err.message)
          assert.is_true(err.retryable)
          renew()
        end
      end)
  end

  for step in pairs({ status = 1, result = 1, stem = 1 }) do
    it(("brings the task id with it: silence at %s"):format(step), function()
      always(step, { silence = true })
      server:fault({ step = "status", reply = { status = "SUCCESS",
        run_id = urls.run_id }, times = math.huge })
      local err = bounded(function(options)
        options.output_dir, options.name = folder, "id-" .. step
        return client:separate(SMALL, options)
      end, DEADLINE - 0.01)
      assert.equal("timeout", err.kind)
      assert.is_string(err.task_id)
    end)
  end

  it("holds for many jobs at a time", function()
    for _, step in ipairs({ "submit", "status", "result", "results", "stem" }) do
      always(step, drags["silence"])
    end
    camb.run(function()
      local jobs = {}
      for _, call in pairs(calls) do
        for _ = 1, 10 do
          jobs[#jobs + 1] = camb.spawn(bounded, call, DEADLINE - 0.01)
        end
      end
      for _, job in ipairs(jobs) do
        job:join()
      end
    end)
  end)

  -- Peers that only the kernel plays.
  local function against(port, options, fn)
    local url = ("http://127.0.0.1:%d"):format(port)
    options = options or { base_url = url }
    options.proxy = options.proxy and url
    options.api_key, options.retries = "k", 1000
    local other = camb.client(options)
    finally(function() other:close() end)
    return bounded(function(given)
      return fn(other, given)
    end, DEADLINE - 0.01)
  end

  local function submit(other, given)
    return other:submit(LARGE, given)
  end

  local function status(other, given)
    return other:task("t"):status(given)
  end

  it("ends an upload that nobody reads", function()
    local fd, port = system.listen(16)
    local err = against(port, nil, submit)
    system.close(fd)
    assert.equal("timeout", err.kind)
    assert.matches("before the upload was complete", err.message)
  end)

  it("ends a connection that is never made", function()
    local fd, port = system.listen(0)
    local fillers = {}
    for i = 1, 3 do
      fillers[i] = system.connect(port)
    end
    for _, call in ipairs({ status, submit }) do
      assert.equal("timeout", against(port, nil, call).kind)
    end
    for _, filler in ipairs(fillers) do
      system.close(filler)
    end
    system.close(fd)
  end)

  it("ends a proxy that hangs, and a TLS handshake", function()
    local fd, port = system.listen(16)
    for _, url in ipairs({ "http://service.example", "https://service.example"
    }) do
      against(port, { base_url = url, proxy = true }, status)
    end
    against(port, { base_url = ("https://127.0.0.1:%d"):format(port) }, status)
    system.close(fd)
  end)

  it("ends a name that is not resolved", function()
    local library = stage.preload(pending)
    local text = workspace.run(("LD_PRELOAD=%s %s -e '%s'"):format(library,
      os.getenv("LUA") or "lua5.4", [[
        local camb, core = require "camb", require "camb.core"
        local client = camb.client({ base_url = "http://service.slow",
          api_key = "k", proxy = false })
        local workspace = require "spec.support.workspace"
        local started, starved = core.now(), workspace.starved()
        local _, err = client:task("t"):status({ deadline = 0.5 })
        client:close()
        print(err.kind, core.now() - started, workspace.starved() - starved)
        os.exit(0)]]))
    local kind, seconds, starved = text:match("(%S+)%s+(%S+)%s+(%S+)")
    assert.equal("timeout", kind, text)
    assert.is_true(tonumber(seconds) >= DEADLINE - 0.01, text)
    assert.is_true(seconds - starved <= DEADLINE + SLACK, text)
  end)
end)
