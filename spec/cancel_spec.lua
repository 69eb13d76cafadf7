-- What was stopped ends at once, and leaves nothing behind: not by job:cancel,
-- not by an error, not by a coroutine or a variable that is closed.

local camb = require "camb"
local core = require "camb.core"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local AT_ONCE = 0.05
-- Nothing of a loaded machine takes so many seconds.
local PATIENCE = 30

describe("what is cancelled", function()
  local server, client, folder

  stage.for_each({ engine = "sh spec/support/copy.sh" }, function(...)
    server, client, folder = ...
  end)

  local function wait_until(is_so)
    local deadline = core.now() + 20
    while not is_so() do
      assert.is_true(core.now() < deadline, "it did not come to that")
      camb.sleep(0.005)
    end
  end

  local function has_begun(step)
    return function()
      for _, request in ipairs(server:requests()) do
        if request.path:find(step, 1, true) then
          return true
        end
      end
    end
  end

  -- So many files are whole on the other side.
  local function has_arrived(count)
    return function()
      local whole = 0
      for _, request in ipairs(server:requests()) do
        whole = whole
          + (request.file and request.file.sha256 ~= "" and 1 or 0)
      end
      return whole == count
    end
  end

  -- Cancel a job of `fn` once `is_so`; the seconds until it ended, and how.
  local function cancel(fn, is_so, kind)
    return camb.run(function()
      local job = camb.spawn(fn)
      wait_until(is_so)
      camb.sleep(0.02)
      assert.is_false(job:is_done())
      local before, starved = core.now(), workspace.starved()
      job:cancel()
      local result, err = job:join()
      local took = core.now() - before - (workspace.starved() - starved)
      assert.is_nil(result)
      assert.equal(kind or "cancelled", err.kind)
      assert.equal(0, client.session:active())
      assert.same({}, workspace.list(folder))
      return took, err
    end)
  end

  local function separate()
    return client:separate(MIX, { output_dir = folder, name = "take",
      interval = 0.05, max_attempts = 1000 })
  end

  -- libcurl may close a socket that does not connect yet without a word: its
  -- number is soon that of another descriptor, which has to be watched.
  it("while it connects leaves nothing that a download would wait for",
    function()
      local run = assert(assert(client:submit(MIX)):wait{ interval = 0.02,
        max_attempts = 1000 })
      for _ = 1, 5 do
        local one = camb.client{ base_url = server.base_url,
          api_key = server.api_key, max_connections = 32 }
        local took = camb.run(function()
          local jobs = {}
          for i = 1, 32 do
            jobs[i] = camb.spawn(function()
              return one:task("t" .. i):status()
            end)
          end
          camb.sleep(0)
          for _, job in ipairs(jobs) do
            job:cancel()
            job:join()
          end
          local waker = camb.spawn(camb.sleep, PATIENCE)
          local before = core.now()
          assert(one:download(run.id, { output_dir = folder, overwrite = true }))
          local seconds = core.now() - before
          waker:cancel()
          waker:join()
          return seconds
        end)
        one:close()
        assert.is_true(took < PATIENCE, took)
      end
    end)

  it("is an upload that the service does not read on #timed", function()
    server:fault({ step = "submit", at = "headers", silence = true })
    local source = { data = ("x"):rep(2 ^ 25), filename = "x.flac" }
    local began = false
    local seconds, err = cancel(function()
      began = true
      return client:submit(source, { check = false })
    end, function()
      return began
    end)
    assert.is_true(seconds < AT_ONCE)
    assert.is_nil(err.task_id)
    assert.equal(0, server:stats().uploads)
  end)

  it("is an upload whose reply does not come #timed", function()
    server:fault({ step = "submit", silence = true })
    local seconds, err = cancel(separate, has_arrived(1),
      "unknown_outcome")
    assert.is_true(seconds < AT_ONCE)
    assert.truthy(err.message:find("may exist", 1, true), err.message)
  end)

  it("is an upload in doubt when its client is closed", function()
    server:fault({ step = "submit", silence = true })
    local own = camb.client({ base_url = server.base_url,
      api_key = server.api_key })
    camb.run(function()
      local job = camb.spawn(own.submit, own, MIX)
      wait_until(has_arrived(1))
      own:close()
      local task, err = job:join()
      assert.is_nil(task)
      assert.equal("unknown_outcome", err.kind)
    end)
    assert.equal(1, server:stats().requests.submit)
  end)

  it("is a poll, under way or between two of them #timed", function()
    server:fault({ step = "status", silence = true, times = 2 })
    local seconds, err = cancel(separate, has_begun("separation/"))
    assert.is_true(seconds < AT_ONCE)
    assert.is_string(err.task_id)
    seconds = cancel(function()
      return client:task(err.task_id):wait({ interval = 1000 })
    end, function()
      return true
    end)
    assert.is_true(seconds < AT_ONCE)
  end)

  it("is a request for the stems' URLs #timed", function()
    server:fault({ step = "result", silence = true, times = 2 })
    assert.is_true(cancel(separate, has_begun("-result/")) < AT_ONCE)
  end)

  it("is a download, whose name and files are free again #timed", function()
    server:fault({ step = "stem", body = workspace.read(MIX), truncate = 60000,
      silence = true, times = 2 })
    local seconds, err = cancel(separate, function()
      return #workspace.list(folder) == 2
        and server:stats().requests.stem == 2
    end)
    assert.is_true(seconds < AT_ONCE)
    assert(client:download(err.run_id, { output_dir = folder, name = "take" }))
    assert.equal(2, #workspace.list(folder))
  end)

  it("is a source that is fetched, and its temporary file #timed", function()
    local task = assert(client:submit(MIX))
    local run = assert(task:wait({ interval = 0.02, max_attempts = 1000 }))
    local url = assert(client:result(run.id)).foreground_audio_url
    server:fault({ step = "stem", body = workspace.read(MIX), truncate = 60000,
      silence = true })
    local pid = workspace.read("/proc/self/stat"):match("%d+")
    local function temporary()
      return workspace.run(("ls -l /proc/%s/fd"):format(pid)):match(
        "%-> (%S+/camb%-%S+ %(deleted%))\n")
    end
    local seconds = cancel(function()
      return client:submit(url)
    end, temporary)
    assert.is_true(seconds < AT_ONCE)
    assert.is_nil(temporary())
  end)

  it("is a sleep #timed", function()
    local before = core.now()
    local _, err = camb.run(function()
      local job = camb.spawn(camb.sleep, 1000)
      camb.sleep(0.01)
      job:cancel()
      return job:join()
    end)
    assert.equal("cancelled", err.kind)
    assert.is_true(core.now() - before < 1)
  end)

  it("is a join, while the job that was joined goes on #timed", function()
    local ended = false
    local _, err = camb.run(function()
      local other = camb.spawn(function()
        camb.sleep(0.1)
        ended = true
      end)
      local job = camb.spawn(other.join, other)
      camb.sleep(0.01)
      local before = core.now()
      job:cancel()
      local result, problem = job:join()
      assert.is_true(core.now() - before < AT_ONCE)
      assert.is_false(ended)
      return result, problem
    end)
    assert.equal("cancelled", err.kind)
    assert.is_true(ended)
  end)

  it("is every job of a run within a run", function()
    local kinds = {}
    camb.run(function()
      local job = camb.spawn(camb.run, function()
        for i = 1, 3 do
          camb.spawn(function()
            local _, problem = camb.spawn(camb.sleep, 1000):join()
            kinds[i] = problem.kind
          end)
        end
      end)
      camb.sleep(0.01)
      job:cancel()
      job:join()
      assert.same({ "cancelled", "cancelled", "cancelled" }, kinds)
    end)
  end)

  -- Calls a function with an object that is closed at the end of its scope.
  local within = (loadstring or load)("local object <close>, fn = ...; fn(object)")

  it("ends by itself when its client is closed by an error", function()
    if not within then
      return pending("this Lua has no <close>")
    end
    local descriptors = workspace.descriptors()
    server:fault({ step = "submit", silence = true, times = 2 })
    local kinds = {}
    local ok, problem = pcall(camb.run, function()
      within(stage.client(server), function(one)
        for i = 1, 2 do
          camb.spawn(function()
            local _, err = one:submit(MIX)
            kinds[i] = err.kind
          end)
        end
        wait_until(has_arrived(2))
        error("the job failed", 0)
      end)
    end)
    assert.is_false(ok)
    assert.equal("the job failed", problem)
    assert.same({ "unknown_outcome", "unknown_outcome" }, kinds)
    workspace.expect_descriptors(descriptors)
  end)

  it("is what a scope leaves that holds the job in a <close> variable",
    function()
      if not within then
        return pending("this Lua has no <close>")
      end
      server:fault({ step = "submit", silence = true })
      local _, err = camb.run(function()
        local job = camb.spawn(separate)
        within(job, function()
          wait_until(has_arrived(1))
        end)
        return job:join()
      end)
      assert.equal("unknown_outcome", err.kind)
      assert.equal(0, client.session:active())
    end)

  it("takes no memory for jobs whose coroutines were closed", function()
    if not coroutine.close then
      return pending("this Lua closes no coroutines")
    end
    local function close_many(count)
      camb.run(function()
        for _ = 1, count do
          local thread
          camb.spawn(function()
            thread = coroutine.running()
            return client:task("t"):wait({ interval = 1000 })
          end)
          camb.sleep(0)
          assert(coroutine.close(thread))
        end
      end)
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    server:fault({ step = "status", silence = true, times = math.huge })
    local before = close_many(200)
    assert.is_true(close_many(2000) - before < 16)
  end)

  it("is a job whose coroutine somebody closes", function()
    if not coroutine.close then
      return pending("this Lua closes no coroutines")
    end
    server:fault({ step = "submit", silence = true })
    camb.run(function()
      local thread
      local job = camb.spawn(function()
        thread = coroutine.running()
        return separate()
      end)
      wait_until(has_arrived(1))
      assert(coroutine.close(thread))
      assert.equal(0, client.session:active())
      assert.equal(0, client.waiting)
      local _, err = job:join()
      assert.equal("cancelled", err.kind)
      assert(separate()) -- the name is free again
    end)
    assert.equal(2, #workspace.list(folder))
  end)

  it("holds no name when a listener raises", function()
    local ok, problem = pcall(client.separate, client, MIX, {
      output_dir = folder, name = "take", interval = 0.02, max_attempts = 1000,
      on_event = function(event)
        if event.name == "submitted" then
          error("the listener failed", 0)
        end
      end,
    })
    assert.is_false(ok)
    assert.equal("the listener failed", problem)
    assert.equal(0, client.session:active())
    assert(separate())
  end)
end)
