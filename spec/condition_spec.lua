-- The built-in loop without camb.run: in a plain script, and in a host that has
-- nothing but a tick.

local camb = require "camb"
local condition = require "camb.async.condition"
local core = require "camb.core"
local luas = require "spec.support.luas"
local scheduler = require "camb.async.scheduler"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"

describe("a condition", function()
  it("wakes all who wait, or as many as it is told, the first come first",
    function()
      local order = {}
      camb.run(function()
        local news = condition.new()
        for i = 1, 4 do
          camb.spawn(function()
            assert.is_true(news:wait())
            order[#order + 1] = i
          end)
        end
        camb.sleep(0)
        news:notify(1)
        camb.sleep(0)
        assert.same({ 1 }, order)
        news:notify()
      end)
      assert.same({ 1, 2, 3, 4 }, order)
    end)

  it("says so when the job that waited was cancelled", function()
    camb.run(function()
      local news, answer = condition.new(), nil
      local job = camb.spawn(function()
        answer = news:wait()
      end)
      camb.sleep(0)
      job:cancel()
      job:join()
      assert.is_false(answer)
    end)
  end)

  it("passes on what was meant for one who was cancelled", function()
    camb.run(function()
      local news = condition.new()
      local first = camb.spawn(news.wait, news)
      local second = camb.spawn(news.wait, news)
      camb.sleep(0)
      news:notify(1)
      first:cancel()
      assert.is_false((first:join()))
      assert.is_true((second:join()))
    end)
  end)

  it("is waited for as long as is said, and what comes later is another's",
    function()
      camb.run(function()
        local news, began = condition.new(), core.now()
        assert.is_true(news:wait(0.05))
        assert.is_true(core.now() - began > 0.049)
        local next_one = camb.spawn(news.wait, news)
        camb.sleep(0)
        news:notify(1)
        assert.is_true((next_one:join()))
        local patient = camb.spawn(news.wait, news, 3600)
        camb.sleep(0)
        news:notify(1)
        assert.is_true((patient:join()))
      end)
    end)

  it("is waited for outside of all jobs, which run meanwhile", function()
    local news, count = condition.new(), 0
    for i = 1, 3 do
      scheduler.spawn_for(nil, function()
        camb.sleep(0.01 * i)
        count = count + 1
        news:notify()
      end)
    end
    while count < 3 do
      assert.is_true(news:wait())
    end
  end)

  it("does not wait for what nobody could say", function()
    assert.has_error(function()
      condition.new():wait()
    end, "deadlock: nothing running can wake this coroutine")
  end)
end)

describe("a host without camb.run", function()
  local server, client, folder

  stage.for_each({ engine = "sh spec/support/copy.sh" }, function(...)
    server, client, folder = ...
  end)

  it("gets its stems out of a tick that steps the client #timed", function()
    local stems, slept
    camb.spawn(function()
      stems = assert(client:separate(MIX, { output_dir = folder,
        interval = 0.05, max_attempts = 1000 }))
    end)
    camb.spawn(function()
      camb.sleep(0.05)
      slept = true
    end)
    local deadline, longest = core.now() + 30, 0
    while not (stems and slept) do
      local before, starved = core.now(), workspace.starved()
      assert.is_true(before < deadline)
      client:step(0)
      longest = math.max(longest,
        core.now() - before - (workspace.starved() - starved))
      workspace.run("sleep 0.01") -- whatever else the host does
    end
    assert.equal(2, #workspace.list(folder))
    assert.is_true(longest < 0.5)
  end)

  it("learns from the client how long a job sleeps", function()
    assert.is_nil(client:timeout())
    local job = camb.spawn(camb.sleep, 1000)
    assert.equal(0, client:timeout())
    client:step(0)
    assert.near(990, client:timeout(), 20)
    job:cancel()
    client:step(0)
    assert.is_true(job:is_done())
  end)

  it("is told by the step of an error that nobody joins", function()
    camb.spawn(error, "unseen", 0)
    assert.has_error(function()
      client:step(0)
    end, "unseen")
    client:step(0)
  end)

  it("can join a job, which runs then", function()
    local job = camb.spawn(function(a)
      camb.sleep(0.01)
      return a + 1
    end, 6)
    assert.equal(7, job:join())
  end)

  it("goes on with its jobs while a call blocks", function()
    local done = 0
    for _ = 1, 3 do
      camb.spawn(function()
        assert(client:submit(MIX))
        done = done + 1
      end)
    end
    assert(assert(client:submit(MIX)):wait({ interval = 0.05,
      max_attempts = 1000 }))
    while done < 3 do
      client:step(0.1)
    end
    assert.equal(4, server:stats().uploads)
  end)
end)

describe("jobs", function()
  it("are collected when they are done, joined or not", function()
    local function many()
      camb.run(function()
        for _ = 1, 5000 do
          camb.spawn(camb.sleep, 0)
        end
      end)
      luas.collect()
      return collectgarbage("count")
    end
    local before = many()
    many()
    assert.is_true(many() - before < 64)
  end)

  -- What `measure` gives while 2000 jobs wait.
  local function while_waiting(measure)
    local result
    camb.run(function()
      local news = condition.new()
      camb.sleep(0)
      collectgarbage()
      local before = collectgarbage("count")
      for _ = 1, 2000 do
        camb.spawn(news.wait, news)
      end
      camb.sleep(0)
      camb.sleep(0)
      collectgarbage()
      result = measure(before)
      news:notify()
    end)
    return result
  end

  it("need little memory while they wait", function()
    local kib = while_waiting(function(before)
      return collectgarbage("count") - before
    end)
    if not os.getenv("COVERAGE") then -- which gives each coroutine a hook
      assert.is_true(kib / 2000 < 2)
    end
  end)

  it("need little time while they wait #timed", function()
    assert.is_true(while_waiting(function()
      local clock = os.clock()
      camb.sleep(0.3)
      return os.clock() - clock
    end) < 0.05)
  end)
end)
