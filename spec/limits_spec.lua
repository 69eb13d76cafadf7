-- What all workers of a store heed: halts and limits.

local camb = require "camb"
local command = require "spec.support.command"
local core = require "camb.core"
local stage = require "spec.support.stage"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("the workers of a store", function()
  local server, client, other, folder, path, jobs, run

  after_each(function()
    jobs:close()
    other:close()
  end)

  stage.for_batches({ retries = 0 }, function(...)
    server, client, folder = ...
    other = stage.client(server, { retries = 0 })
    path = folder .. "/batch.db"
    jobs = assert(store.open(path, { base_url = client.base_url }))
    run = command.runner(folder, server)
  end)

  local function options(more)
    return stage.with({ output_dir = folder .. "/out", interval = 0.05,
      store = path }, more)
  end

  local function work(one, sources, more)
    local kinds = {}
    for item in one:batch(sources, options(more)) do
      local kind = item.stems and "stems" or item.error.kind
      kinds[kind] = (kinds[kind] or 0) + 1
    end
    return kinds
  end

  local function control(more)
    local words, status = run("camb jobs --store batch.db " .. more)
    assert.equal(0, status, words)
    return words
  end

  -- Take all items in a job; the function says how many came with stems so far.
  local function count_stems(running)
    local done = 0
    camb.spawn(function()
      for item in running do
        done = done + (item.stems and 1 or 0)
      end
    end)
    return function()
      return done
    end
  end

  it("begin no upload that waited for the end of another once they stop",
    function()
      assert(jobs:limit("uploads", 1))
      local paths, running = takes.make(folder .. "/in", 4), nil
      running = client:batch(paths, options({ uploads = 4,
        on_event = function(event)
          if event.name == "submitted" then
            running:drain(60)
          end
        end }))
      for item in running do
        assert(item.stems, item.error)
      end
      assert.equal(1, server:stats().uploads)
    end)

  it("begin no upload of a file that was being read when they stop", function()
    local paths, running = takes.make(folder .. "/in", 1, 5e5), nil
    running = client:batch(paths, options({ probe = true,
      on_event = function(event)
        if event.name == "probed" then -- its content is read next
          camb.spawn(running.drain, running, 60)
        end
      end }))
    assert.is_nil(running())
    assert.equal(0, server:stats().requests.submit or 0)
    assert.same({ intended = 1 }, jobs:count())
    assert.same({ stems = 1 }, work(client, {}))
  end)

  it("send no more uploads at once than all of them may", function()
    assert(jobs:limit("uploads", 2))
    local paths, most = takes.make(folder .. "/in", 10), 0
    camb.run(function()
      local running = 2
      for _, one in ipairs({ client, other }) do
        camb.spawn(function()
          work(one, one == client and paths or {}, { uploads = 4 })
          running = running - 1
        end)
      end
      while running > 0 do
        most = math.max(most, jobs:count().submitting or 0)
        camb.sleep(0)
      end
    end)
    assert.is_true(most <= 2, most)
    assert.is_true(most > 0)
    assert.same({ downloaded = 10 }, jobs:count())
    assert.equal(10, server:stats().uploads)
  end)

  it("send no more jobs than all of them may, and the rest stays", function()
    assert(jobs:limit("jobs", 4))
    local paths = takes.make(folder .. "/in", 9)
    assert.same({ stems = 4 }, work(client, paths))
    assert.same({}, work(other, {}))
    assert.same({ downloaded = 4, intended = 5 }, jobs:count())
    assert(jobs:limit("jobs", nil))
    assert.same({ stems = 5 }, work(other, {}))
    assert.equal(9, server:stats().uploads)
  end)

  it("send no more minutes of audio than all of them may", function()
    assert(jobs:limit("minutes", 0.11)) -- of 2 s each: 3
    local paths = takes.make(folder .. "/in", 5, 16000)
    assert.same({ stems = 2 }, work(client, { paths[1], paths[2] }))
    local running = other:batch({ paths[3], paths[4], paths[5] }, options())
    local stems = 0
    for item in running do
      stems = stems + (item.stems and 1 or 0)
    end
    assert.equal(1, stems)
    assert.equal(2, running:remaining())
    assert.same({ downloaded = 3, intended = 2 }, jobs:count())
    local left = assert(jobs:controls()).minutes
    assert.is_true(left > 0.009 and left < 0.011, left)
    assert.matches("limit     minutes 0.0099", control("--workers"), 1, true)
    control("--limit minutes=none")
    assert.same({ stems = 2 }, work(client, {}))
    assert.equal(5, server:stats().uploads)
  end)

  it("send nothing whose minutes cannot be counted", function()
    local sound = takes.make(folder .. "/in", 1, 16000)[1]
    local ogg = folder .. "/in/x.ogg"
    workspace.run(("ffmpeg -v error -i %s %s"):format(sound, ogg))
    assert(jobs:limit("minutes", 0.01)) -- of 2 s each: none
    local running = client:batch({ ogg }, options({ check = false }))
    assert.is_nil(running())
    assert.equal(1, running:remaining())
    for item in client:batch({ { data = workspace.read(sound),
      filename = "a.wav" } }, { output_dir = folder, max_minutes = 1 })
    do
      assert.equal("source", item.error.kind)
      assert.matches('the minutes of "a.wav", which count, are unknown',
        item.error.message, 1, true)
    end
    assert.equal(0, server:stats().uploads)
  end)

  it("take no minutes from the limit for what is not sent", function()
    assert(jobs:limit("minutes", 0.05))
    local paths = takes.make(folder .. "/in", 1, 16000)
    server:fault({ step = "submit", status = 402, times = 1 })
    assert.is_number(work(client, paths).payment_required)
    assert.is_true(jobs:controls().minutes > 0.0499)
    assert.same({ stems = 1 }, work(client, {}))
    assert.equal(1, server:stats().uploads)
  end)

  it("that follow wait for a larger limit of minutes", function()
    assert(jobs:limit("minutes", 0.04))
    local running = client:batch(takes.make(folder .. "/in", 2, 16000),
      options({ follow = true, uploads = 1 }))
    local items = 0
    camb.run(function()
      camb.spawn(function()
        for _ in running do
          items = items + 1
        end
      end)
      while items < 1 do
        camb.sleep(0.05)
      end
      camb.sleep(1.5)
      assert.equal(1, items)
      assert.equal(1, server:stats().uploads)
      assert(jobs:limit("minutes", 1))
      while items < 2 do
        camb.sleep(0.05)
      end
      running:close()
    end)
    assert.equal(2, server:stats().uploads)
  end)

  it("that follow wait for a new limit of jobs", function()
    assert(jobs:limit("jobs", 1))
    local running = client:batch(takes.make(folder .. "/in", 3),
      options({ follow = true }))
    camb.run(function()
      local done = count_stems(running)
      workspace.wait_for("the first", function()
        camb.sleep(0.05)
        return done() == 1
      end)
      camb.sleep(1.5)
      assert.equal(1, done())
      assert(jobs:limit("jobs", 5))
      workspace.wait_for("the others", function()
        camb.sleep(0.05)
        return done() == 3
      end)
      running:close()
    end)
    assert.equal(3, jobs:controls().jobs)
  end)

  it("share the requests that are allowed in a second", function()
    assert(jobs:limit("requests", 6))
    local took = {}
    local paths = takes.make(folder .. "/in", 4)
    local before = core.now()
    work(client, paths)
    took[1] = core.now() - before
    -- four uploads, and a poll, a result or two downloads for each
    assert.is_true(took[1] > 1, took[1])
    assert(jobs:limit("requests", nil))
  end)

  it("send nothing from a time of day on", function()
    local ended = os.date("%H:%M", os.time() + 60)
    local paths = takes.make(folder .. "/in", 2)
    local running = client:batch(paths, options({ send_until = ended }))
    assert.is_true(running.run.ends > core.time())
    assert.is_true(running.run.ends <= core.time() + 61)
    running.run.ends = core.time() - 1 -- that time has come
    camb.run(function()
      camb.spawn(function()
        for item in running do
          assert.is_table(item.stems)
        end
      end)
    end)
    local counts = jobs:count()
    assert.equal(2, (counts.intended or 0) + (counts.downloaded or 0))
    assert.is_false(pcall(client.batch, client, {}, { store = path,
      send_until = "24:00" }))
    assert.is_false(pcall(client.batch, client, {}, { send_until = "06:00" }))
  end)

  it("are paused by one 429 that outlasts the retries, and none is lost",
    function()
      server:fault({ step = "submit", status = 429, retry_after = 2, times = 1 })
      local paths, paused = takes.make(folder .. "/in", 6), nil
      camb.run(function()
        local kinds
        camb.spawn(function()
          kinds = work(client, paths, { uploads = 1 })
        end)
        workspace.wait_for("the pause", function()
          camb.sleep(0.05)
          paused = jobs:controls().pause
          return paused
        end)
        assert.is_true(paused.seconds > 0.5)
        workspace.wait_for("the end", function()
          camb.sleep(0.05)
          return kinds
        end)
        assert.same({ stems = 6 }, kinds)
      end)
      assert.equal(6, server:stats().uploads)
    end)

  it("are paused and resumed from the shell, whatever is under way", function()
    local paths = takes.make(folder .. "/in", 400)
    local running = client:batch(paths, options({ uploads = 1 }))
    camb.run(function()
      local done = count_stems(running)
      workspace.wait_for("an upload", function()
        camb.sleep(0)
        return (jobs:count().submitting or 0) > 0
      end)
      control("--pause 'for the night'")
      workspace.wait_for("its end", function()
        camb.sleep(0.05)
        return done() > 0
      end)
      camb.sleep(2)
      local sent = server:stats().uploads
      assert.is_true(sent < 400)
      camb.sleep(1)
      assert.equal(sent, server:stats().uploads)
      local told = control("--workers")
      assert.matches("paused    for the night", told, 1, true)
      assert.matches("worker    ", told, 1, true)
      assert.matches("in the last hour, ", told, 1, true)
      control("--resume")
      workspace.wait_for("another upload", function()
        camb.sleep(0.05)
        return server:stats().uploads > sent
      end)
      running:close()
    end)
  end)

  it("are said to need as long for the rest as for what they have done",
    function()
      local paths = takes.make(folder .. "/in", 5)
      assert.same({ stems = 2 }, work(client, paths, { max_jobs = 2 }))
      assert.matches("rate      2 done in the last hour, 3 left, about %d%d?:%d%d\n",
        control("--workers"))
    end)

  it("are limited from the shell", function()
    control("--limit uploads=3")
    control("--limit requests=2.5")
    assert.equal(3, jobs:controls().uploads)
    assert.equal(2.5, jobs:controls().requests)
    assert.matches("limit     requests 2.5", control("--workers"), 1, true)
    control("--limit uploads=none")
    assert.is_nil(jobs:controls().uploads)
    local _, status = run("camb jobs --store batch.db --limit x=1")
    assert.equal(2, status)
  end)
end)
