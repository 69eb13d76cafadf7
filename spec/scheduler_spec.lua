local camb = require "camb"
local core = require "camb.core"
local luas = require "spec.support.luas"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"

describe("camb.run", function()
  it("returns what its function returns", function()
    assert.same({ 1, nil, 3 }, { camb.run(function(a)
      return a, nil, 3
    end, 1) })
  end)

  it("waits for every job", function()
    local done = 0
    camb.run(function()
      for _ = 1, 10 do
        camb.spawn(function()
          camb.sleep(0.01)
          done = done + 1
        end)
      end
    end)
    assert.equal(10, done)
  end)

  it("lets jobs sleep side by side, and wakes them in order #timed", function()
    local order = {}
    local started = os.time()
    camb.run(function()
      for _, delay in ipairs({ 0.3, 0.1, 0.2 }) do
        camb.spawn(function()
          camb.sleep(delay)
          order[#order + 1] = delay
        end)
      end
    end)
    assert.same({ 0.1, 0.2, 0.3 }, order)
    assert.is_true(os.time() - started <= 1)
  end)

  it("hands a job's results to whoever joins it", function()
    local a, b = camb.run(function()
      local job = camb.spawn(function(x)
        camb.sleep(0.01)
        return x, "more"
      end, 7)
      job:join()
      return job:join()
    end)
    assert.equal(7, a)
    assert.equal("more", b)
  end)

  it("raises a job's error where it is joined, and lets the others go on",
    function()
      local finished = false
      local ok, problem = camb.run(function()
        local bad = camb.spawn(error, "broken", 0)
        camb.spawn(function()
          camb.sleep(0.02)
          finished = true
        end)
        camb.sleep(0.001) -- pcall cannot be waited in, in Lua 5.1
        return pcall(bad.join, bad)
      end)
      assert.is_false(ok)
      assert.equal("broken", problem)
      assert.is_true(finished)
    end)

  it("raises an error that nobody joined, after the others are done",
    function()
      local finished = false
      local ok, problem = pcall(camb.run, function()
        camb.spawn(error, "unseen", 0)
        camb.spawn(function()
          camb.sleep(0.02)
          finished = true
        end)
      end)
      assert.is_false(ok)
      assert.equal("unseen", problem)
      assert.is_true(finished)
    end)

  it("calls a function with what a job returned, once it has ended", function()
    local told = {}
    camb.run(function()
      local job = camb.spawn(function()
        camb.sleep(0.02)
        return "a", nil, "c"
      end)
      job:on_done(function(...)
        told = { n = select("#", ...), ... }
        assert(job:is_done())
      end)
      job:on_done(error):cancel()
      assert.same({}, told)
    end)
    assert.same({ n = 3, "a", nil, "c" }, told)
  end)

  it("calls it with nil and an error for a job that is cancelled", function()
    local kind
    camb.run(function()
      local job = camb.spawn(camb.sleep, 1000)
      job:on_done(function(value, err)
        assert.is_nil(value)
        kind = err.kind
      end)
      job:cancel()
    end)
    assert.equal("cancelled", kind)
  end)

  it("raises a job's error that only such a function waits for", function()
    local is_called = false
    local ok, problem = pcall(camb.run, function()
      camb.spawn(error, "broken", 0):on_done(function()
        is_called = true
      end)
    end)
    assert.is_false(ok)
    assert.equal("broken", problem)
    assert.is_false(is_called)
    ok, problem = pcall(camb.run, function()
      camb.spawn(tostring, 1):on_done(function()
        error("in the function", 0)
      end)
    end)
    assert.is_false(ok)
    assert.equal("in the function", problem)
  end)

  it("refuses what is not a function at the caller's line", function()
    local _, problem = pcall(camb.run, function()
      camb.spawn(tostring, 1):on_done(1)
    end)
    assert.matches("^%S*scheduler_spec.lua:%d+: job:on_done: function expected, "
      .. "got number$", problem)
  end)

  it("notices jobs that wait for each other", function()
    local ok, problem = pcall(camb.run, function()
      local first
      local second = camb.spawn(function()
        first:join()
      end)
      first = camb.spawn(function()
        second:join()
      end)
    end)
    assert.is_false(ok)
    assert.equal("deadlock in camb.run: every job waits for another", problem)
  end)

  it("ends its jobs before it raises what is wrong with them", function()
    local kinds = {}
    pcall(camb.run, function()
      local jobs = {}
      for i = 1, 2 do
        jobs[i] = camb.spawn(function()
          local _, err = jobs[3 - i]:join()
          kinds[i] = err.kind
        end)
      end
    end)
    assert.same({ "cancelled", "cancelled" }, kinds)
  end)

  it("ends a cancelled job's sleep at once", function()
    local before = os.clock()
    local _, err = camb.run(function()
      local job = camb.spawn(function()
        while true do
          camb.sleep(1000)
        end
      end)
      camb.sleep(0.01)
      job:cancel()
      return job:join()
    end)
    assert.equal("cancelled", err.kind)
    assert.is_true(os.clock() - before < 1)
  end)

  it("does not begin a job that is cancelled before its turn", function()
    local began = false
    local _, err = camb.run(function()
      local job = camb.spawn(function()
        began = true
      end)
      job:cancel()
      return job:join()
    end)
    assert.equal("cancelled", err.kind)
    assert.is_false(began)
  end)

  it("can be used inside of itself", function()
    assert.equal(3, camb.run(function()
      return camb.run(function()
        camb.sleep(0.01)
        return 3
      end)
    end))
  end)
end)

describe("jobs of one client", function()
  local server, client, folder

  stage.for_each({ workers = 2 }, function(...)
    server, client, folder = ...
  end)

  it("separate side by side and share its connections", function()
    local results = {}
    camb.run(function()
      local jobs = {}
      for i = 1, 12 do
        jobs[i] = camb.spawn(client.separate, client, MIX,
          { output_dir = folder, name = "take" .. i, interval = 0.1,
            max_attempts = 1000 })
      end
      for i, job in ipairs(jobs) do
        results[i] = assert(job:join())
      end
    end)
    assert.equal(12, #results)
    assert.equal(24, #workspace.list(folder))
    assert.is_true(server:stats().connections.api <= 12 + 8)
    assert.equal(12, server:stats().uploads)
  end)

  it("leave the time to others while they wait", function()
    local turns = stage.count_turns(server, function()
      local task = assert(client:submit(MIX))
      assert(task:wait({ interval = 0.1, max_attempts = 1000 }))
    end)
    assert.is_true(turns >= 5)
  end)

  it("cannot wait inside of a C function, and go on when they tried",
    function()
      for name, wait in pairs({
        gsub = function()
          ("x"):gsub(".", function()
            client:separate(MIX)
          end)
        end,
        sort = function()
          table.sort({ 1, 2, 3 }, function()
            camb.sleep(0.01)
          end)
        end,
      }) do
        camb.run(function()
          local ok, problem = pcall(wait)
          assert.is_false(ok)
          assert.matches("^%S*scheduler_spec.lua:%d+: " .. name .. " cannot wait "
            .. "inside a job: call camb outside it$",
            (problem:gsub(" in Lua 5%.1", "")))
          assert.equal(0, client.waiting)
          assert(client:submit(MIX))
        end)
      end
    end)

  it("are not kept waiting by an upload that waits for its source", function()
    if not luas.has_pcall then
      return pending("in this Lua a reader of a source cannot wait")
    end
    local file = assert(io.open(MIX, "rb"))
    local size = file:seek "end"
    file:seek "set"
    local waits, answered = false, false
    camb.run(function()
      local upload = camb.spawn(client.submit, client, { size = size,
        filename = "mix.flac", read = function()
          local piece = file:read(math.floor(size / 4) + 1)
          while file:seek() > size / 2 and not answered do
            waits = true
            camb.sleep(0.005)
          end
          return piece
        end })
      while not waits do
        camb.sleep(0.005)
      end
      local _, err = client:task("none"):status({ deadline = 5 })
      answered = true
      assert.are_not.equal("timeout", err.kind)
      assert(upload:join())
    end)
    file:close()
  end)

  it("call a function in client:step once they have ended", function()
    local task, err
    camb.spawn(client.submit, client, MIX):on_done(function(...)
      task, err = ...
    end)
    local give_up = core.now() + 60
    while not task and not err and core.now() < give_up do
      client:step(0.05)
    end
    assert.is_nil(err)
    assert.is_string(task.id)
  end)

  it("work on several clients at once", function()
    local other = stage.client(server)
    local a, b = camb.run(function()
      local one = camb.spawn(client.submit, client, MIX)
      local two = camb.spawn(other.submit, other, MIX)
      return assert(one:join()).id, assert(two:join()).id
    end)
    other:close()
    assert.is_string(a)
    assert.are_not.equal(a, b)
  end)

  it("are not kept waiting by many clients that nothing happens to #timed",
    function()
      server:fault({ step = "status", silence = true, times = 100 })
      local others = {}
      camb.run(function()
        local id = assert(client:submit(MIX)).id
        for i = 1, 70 do
          others[i] = stage.client(server)
          camb.spawn(function()
            others[i]:task(id):wait({ interval = 1000 })
          end)
        end
        local give_up = core.now() + 60
        while #server:requests() < 71 do
          assert.is_true(core.now() < give_up)
          camb.sleep(0.02)
        end
        local before = core.now()
        for _ = 1, 3 do
          assert(client:submit(MIX))
        end
        assert.is_true(core.now() - before < 5)
        for _, other in ipairs(others) do
          other:close()
        end
      end)
    end)

  it("stop an upload, a poll or a download when they are cancelled",
    function()
      for _, at in ipairs({ "upload_started", "submitted",
        "download_started" }) do
        local job
        local stems, err = camb.run(function()
          job = camb.spawn(client.separate, client, MIX, {
            output_dir = folder,
            interval = 0.1, max_attempts = 1000,
            on_event = function(event)
              if event.name == at then
                job:cancel()
              end
            end,
          })
          return job:join()
        end)
        assert.is_nil(stems)
        assert.equal("cancelled", err.kind)
        assert.equal(at ~= "upload_started", err.task_id ~= nil)
        assert.same({}, workspace.list(folder))
      end
    end)

  it("refuse a name that another job is writing, before it is paid for",
    function()
      local err = camb.run(function()
        local first = camb.spawn(client.separate, client, MIX,
          { output_dir = folder, interval = 1 })
        local second = camb.spawn(client.separate, client, MIX,
          { output_dir = folder .. "/", interval = 1 })
        local _, problem = second:join()
        assert(first:join())
        return problem
      end)
      assert.equal("file", err.kind)
      assert.matches("is being written by another job", err.message)
      assert.equal(1, server:stats().uploads)
    end)
end)
