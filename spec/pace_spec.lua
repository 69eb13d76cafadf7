-- How often a client asks: by its own rate, and by what the service wants.

local camb = require "camb"
local core = require "camb.core"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"

-- When the requests to the API began, in order.
local function times_of(server)
  local times = {}
  for _, request in ipairs(server:requests()) do
    if request.listener == "api" then
      times[#times + 1] = request.time
    end
  end
  table.sort(times)
  return times
end

describe("the pace of a client", function()
  local server, client, folder

  after_each(function()
    stage.close(server, client, folder)
  end)

  it("is its requests_per_second, for all jobs together and polls too",
    function()
      server, client, folder = stage.open({ processing = math.huge },
        { requests_per_second = 50 })
      local started = core.time()
      camb.run(function()
        for _ = 1, 20 do
          camb.spawn(function()
            local task = assert(client:submit(MIX))
            task:wait({ interval = 0.01, max_attempts = 3 })
          end)
        end
      end)
      local times = times_of(server)
      assert.equal(80, #times)
      for i, time in ipairs(times) do
        assert.is_true(time - started >= (i - 1) / 50 - 0.01, i)
      end
    end)

  it("is held, too, when it is too slow for the second request", function()
    for _, rate in ipairs({ 1e-17, 1e-320 }) do
      server, client, folder = stage.open({}, { requests_per_second = rate })
      local task = assert(client:submit(MIX))
      local status, err = task:status({ deadline = 0.5 })
      assert.is_nil(status)
      assert.equal("timeout", err.kind)
      assert.equal(1, #server:requests())
      if rate == 1e-17 then
        stage.close(server, client, folder)
      end
    end
  end)

  it("is not made up for by a burst after a pause", function()
    server, client, folder = stage.open({ processing = math.huge },
      { requests_per_second = 50 })
    local started
    camb.run(function()
      local task = assert(client:submit(MIX))
      camb.sleep(1)
      started = core.time()
      for _ = 1, 20 do
        camb.spawn(task.status, task)
      end
    end)
    local times = times_of(server)
    assert.equal(21, #times)
    for i = 2, #times do
      assert.is_true(times[i] - started >= (i - 2) / 50 - 0.01, i)
    end
  end)

  it("does not slow stems down, which come from elsewhere #timed", function()
    server, client, folder = stage.open(nil, { requests_per_second = 5 })
    assert(client:separate(MIX, { output_dir = folder, interval = 1 }))
    local stems = {}
    for _, request in ipairs(server:requests()) do
      if request.listener == "stem" then
        stems[#stems + 1] = request.time
      end
    end
    assert.equal(2, #stems)
    assert.is_true(math.abs(stems[2] - stems[1]) < 0.15)
  end)

  for name, fault in pairs({
    ["429 with Retry-After"] = { step = "status", status = 429,
      retry_after = 1 },
    ["503 with Retry-After"] = { step = "status", status = 503,
      retry_after = 1 },
  }) do
    it(("rests for all jobs when one is told %s"):format(name), function()
      server, client, folder = stage.open({ processing = math.huge })
      local tasks = {}
      for i = 1, 10 do
        tasks[i] = assert(client:submit(MIX))
      end
      local before = #times_of(server)
      server:fault(fault)
      local waited
      camb.run(function()
        for _, task in ipairs(tasks) do
          camb.spawn(task.wait, task, { interval = 0.5, max_attempts = 4,
            on_event = function(event)
              waited = waited or (event.name == "retrying" and event.next_in)
            end })
        end
      end)
      assert.near(1, waited, 0.01)
      local times = times_of(server)
      assert.equal(before + 40, #times)
      -- of the others each may have been on its way once
      assert.is_true(times[before + 11] - times[before + 1] > 0.95)
    end)
  end

  it("goes on with uploads after the rest, each paid for once", function()
    server, client, folder = stage.open()
    server:fault({ step = "submit", status = 429, retry_after = 1, times = 2 })
    camb.run(function()
      for _ = 1, 6 do
        camb.spawn(function()
          assert(client:submit(MIX))
        end)
      end
    end)
    assert.equal(6, server:stats().uploads)
  end)
end)

describe("a part that a killed process left as a second name of a whole stem",
  function()
    it("is taken away, and the stem stays what it was", function()
      local server, client, folder = stage.open()
      local stems = assert(client:separate(MIX, { output_dir = folder,
        interval = 1 }))
      local whole = workspace.read(stems.foreground)
      local part = folder .. "/mix.foreground.part"
      workspace.run(("ln '%s' '%s'"):format(stems.foreground, part))
      server:fault({ step = "stem", status = 500, times = 20 })
      local _, err = client:download(stems.run_id, { output_dir = folder,
        name = "mix", overwrite = true, deadline = 1 })
      assert.is_not_nil(err)
      assert.equal(whole, workspace.read(stems.foreground))
      server:clear_faults()
      assert(client:download(stems.run_id, { output_dir = folder,
        name = "mix", overwrite = true }))
      assert.equal(whole, workspace.read(stems.foreground))
      assert.same({ "mix.background.flac", "mix.foreground.flac" },
        workspace.list(folder))
      stage.close(server, client, folder)
    end)
  end)
