-- How long a task is waited for: so many polls, or as long as they would take.

local camb = require "camb"
local core = require "camb.core"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("waiting for a task", function()
  local server, client

  stage.for_each({ processing = math.huge }, function(...)
    server, client = ...
  end)

  local function wait_for(fault, options)
    fault.step, fault.times = "status", math.huge
    server:fault(fault)
    local started = core.now()
    local run, err = client:task("t"):wait(options)
    assert.is_nil(run)
    return err, core.now() - started
  end

  for title, fault in pairs({
    ["never answer"] = { silence = true },
    ["break off in the body"] = { reply = { padding = "x" }, truncate = 3,
      silence = true },
    ["drip"] = { reply = { padding = ("x"):rep(1000) }, slow = "body",
      pace = 0.05 },
  }) do
    it(("ends when the attempts' time is over, where polls %s #timed")
      :format(title), function()
        local err, took = wait_for(fault, { interval = 1, max_attempts = 4 })
        assert.equal("timeout", err.kind)
        assert.equal("t", err.task_id)
        assert.matches("the service did not report the task's status within 1 poll "
          .. "%(no reply within 4 s%)", err.message)
        assert.is_true(took > 3.9 and took < 10, tostring(took))
      end)
  end

  it("counts a rest that the service asks for as the attempts it lasts #timed",
    function()
      local err, took = wait_for({ status = 503, retry_after = 3 },
        { interval = 1, max_attempts = 4 })
      assert.equal("timeout", err.kind)
      assert.equal(2, err.attempts)
      assert.is_true(took > 2.9 and took < 10, tostring(took))
    end)

  it("asks once more after a rest that is longer than all attempts", function()
    server:fault({ step = "status", status = 429, retry_after = 3, times = 1 })
    server:fault({ step = "status", reply = { status = "SUCCESS", run_id = 7 } })
    local started = core.now()
    local run = assert(client:task("t"):wait({ interval = 0.1,
      max_attempts = 2 }))
    assert.equal(7, run.id)
    assert.is_true(core.now() - started > 2.9)
  end)

  it("heeds a rest that is longer than what it would wait unpaid", function()
    server:fault({ step = "status", status = 429, retry_after = 500 })
    local told
    local job = camb.spawn(function()
      return client:task("t"):wait({ on_event = function(event)
        told = event.name == "retrying" and event.next_in or told
      end })
    end)
    local deadline = core.now() + 20
    while not told and not job:is_done() and core.now() < deadline do
      client:step(0.1)
    end
    local is_done = job:is_done()
    job:cancel()
    while not job:is_done() and core.now() < deadline do
      client:step(0.1)
    end
    assert.is_false(is_done)
    assert.equal(500, told)
  end)

  it("reads the reply that came, though the next poll is under way", function()
    server:fault({ step = "status", reply = { status = "SUCCESS" } })
    server:fault({ step = "status", silence = true })
    local session = core.session({ base_url = server.base_url,
      authorization = "x-api-key: " .. server.api_key })
    local poll = session:poll({ url = server.base_url .. "/audio-separation/t",
      interval = 0.01, max_attempts = 10000, retries = 0 })
    local kind
    workspace.wait_for("the reply", function()
      session:step(0.05)
      kind = select(2, session:next()) or kind
      return kind
    end)
    workspace.wait_for("the next poll", function()
      session:step(0.05)
      return server:stats().requests.status == 2
    end)
    local body = poll:body()
    poll:close()
    session:close()
    assert.equal("reply", kind)
    assert.matches("SUCCESS", body)
  end)

  it("does not say that a task goes on which the service does not know",
    function()
      for status, kind in pairs({ [404] = "not_found", [410] = "not_found",
        [422] = "validation" }) do
        local err = wait_for({ status = status }, {})
        assert.equal(kind, err.kind)
        assert.equal("t", err.task_id)
        assert.is_false(err.retryable)
        assert.is_nil(err.message:find("continues", 1, true))
        assert.matches("; check the id, and that the key belongs to the "
          .. "account that created it$", err.message)
        server:clear_faults()
      end
    end)

  it("says that a task goes on whose polls the key is no longer good for",
    function()
      for _, status in ipairs({ 401, 402, 403 }) do
        local err = wait_for({ status = status }, {})
        assert.matches("; the task continues, resume it with "
          .. 'client:task("t")', err.message, 1, true)
        server:clear_faults()
      end
    end)

  it("counts a reply that takes less than its interval as one attempt",
    function()
      local err = wait_for({ reply = { status = "PENDING" }, slow = "headers",
        pace = 0.2, chunk = 100 }, { interval = 0.01, max_attempts = 3 })
      assert.equal("timeout", err.kind)
      assert.equal(3, err.attempts)
      assert.matches("still PENDING after 3 polls", err.message)
    end)
end)

describe("a task that was just accepted", function()
  local server, client, folder, mix
  local quick = { interval = 0.05 }

  before_each(function()
    local other
    folder = workspace.folder()
    server, client, other = stage.open({ engine = takes.engine(folder) })
    workspace.remove(other)
    mix = workspace.write(folder .. "/mix.wav", takes.wav(1))
  end)

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function absent(step, times)
    server:fault({ step = step, status = 404, times = times })
  end

  it("goes on where the service does not know it in the first polls",
    function()
      absent("status", 4)
      local retries = 0
      local stems = assert(client:separate(mix, { interval = 0.05,
        output_dir = folder, on_event = function(event)
          if event.name == "retrying" then
            retries = retries + 1
            assert.equal("HTTP 404", event.reason)
          end
        end }))
      assert.is_string(workspace.read(stems.background))
      assert.equal(4, retries)
      absent("status", 4)
      local task = assert(client:submit(mix))
      assert(task:wait(quick))
      assert.equal(2, server:stats().uploads)
    end)

  it("goes on in a batch, with a store and without #stored", function()
    for _, path in ipairs({ false, folder .. "/batch.db" }) do
      absent("status", 4)
      for item in client:batch({ mix }, { interval = 0.05,
        output_dir = folder .. "/" .. #tostring(path), store = path or nil })
      do
        assert(item.stems, item.error)
      end
    end
  end)

  it("goes on where the service does not know its run at first", function()
    absent("result", 3)
    local stems = assert(client:separate(mix, { interval = 0.05,
      output_dir = folder }))
    assert.is_string(workspace.read(stems.background))
    assert.equal(4, server:stats().requests.result)
  end)

  it("ends where it stays unknown, with its id, within its polls", function()
    absent("status", math.huge)
    for most, polls in pairs({ [60] = 10, [3] = 3 }) do
      local stems, err = client:separate(mix, { interval = 0.05,
        max_attempts = most, output_dir = folder })
      assert.is_nil(stems)
      assert.equal("not_found", err.kind)
      assert.equal(polls, err.attempts)
      assert.matches(("still after %d polls; the service accepted this task "
        .. 'before; resume it with client:task("%s")'):format(polls,
        err.task_id), err.message, 1, true)
    end
  end)

  it("is waited for no longer than the deadline", function()
    absent("status", math.huge)
    local started = core.now()
    local stems, err = client:separate(mix, { interval = 5, deadline = 1,
      output_dir = folder })
    assert.is_nil(stems)
    assert.is_string(err.task_id)
    assert.is_true(core.now() - started < 10)
  end)

  it("ends at once where the service has known it before", function()
    server:fault({ step = "status", reply = { status = "PENDING" } })
    absent("status", math.huge)
    local stems, err = client:separate(mix, { interval = 0.05,
      output_dir = folder })
    assert.is_nil(stems)
    assert.equal("not_found", err.kind)
    assert.equal(2, err.attempts)
  end)
end)
