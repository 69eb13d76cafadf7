-- How long a task is waited for: so many polls, or as long as they would take.

local camb = require "camb"
local core = require "camb.core"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

describe("waiting for a task", function()
  local server, client, folder

  before_each(function()
    server, client, folder = stage.open({ processing = math.huge })
  end)

  after_each(function()
    stage.close(server, client, folder)
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
