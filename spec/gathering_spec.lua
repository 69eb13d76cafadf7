-- What bounds and what joins the jobs of a batch: semaphores and gatherings.

local camb = require "camb"
local core = require "camb.core"
local gathering = require "camb.async.gathering"
local semaphore = require "camb.async.semaphore"

describe("a semaphore", function()
  it("lets so many in at a time, the first come first", function()
    local places = semaphore.new(nil, 2)
    local inside, most, order = 0, 0, {}
    camb.run(function()
      for i = 1, 6 do
        camb.spawn(function()
          assert(places:acquire())
          inside = inside + 1
          most = math.max(most, inside)
          order[#order + 1] = i
          camb.sleep(0.01)
          inside = inside - 1
          places:release()
        end)
      end
    end)
    assert.equal(2, most)
    assert.same({ 1, 2, 3, 4, 5, 6 }, order)
    assert.equal(2, places.free)
  end)

  it("gives the place of one that is cancelled to the next", function()
    local places = semaphore.new(nil, 1)
    local taken = {}
    camb.run(function()
      assert(places:acquire())
      local jobs = {}
      for i = 1, 2 do
        jobs[i] = camb.spawn(function()
          taken[i] = places:acquire()
        end)
      end
      camb.sleep(0)
      places:release() -- the first is woken, and cancelled before it runs
      jobs[1]:cancel()
    end)
    assert.same({ false, true }, taken)
  end)

  it("lets nobody wait once it is closed", function()
    local places = semaphore.new(nil, 0)
    local got
    camb.run(function()
      camb.spawn(function()
        got = places:acquire()
      end)
      camb.sleep(0)
      places:close()
    end)
    assert.is_false(got)
    assert.is_false(places:acquire())
  end)
end)

describe("a gathering", function()
  local calls, shared

  local function make(seconds)
    calls = {}
    shared = gathering.new(nil, seconds, function(items)
      calls[#calls + 1] = #items
      for _, item in ipairs(items) do
        item.answer = item.question * 2
      end
    end)
  end

  it("does the work of many at once, and each has its own of it", function()
    make(0.05)
    local answers = {}
    camb.run(function()
      for i = 1, 5 do
        camb.spawn(function()
          camb.sleep(i / 1000)
          local item = { question = i }
          assert.is_true(shared:join(item))
          answers[i] = item.answer
        end)
      end
    end)
    assert.same({ 5 }, calls)
    assert.same({ 2, 4, 6, 8, 10 }, answers)
  end)

  it("waits for nobody where one of them is urgent", function()
    make(60)
    local started = core.now()
    camb.run(function()
      for i = 1, 3 do
        camb.spawn(function()
          camb.sleep(i / 1000)
          assert.is_true(shared:join({ question = i }, i == 3))
        end)
      end
    end)
    assert.same({ 3 }, calls)
    assert.is_true(core.now() - started < 30)
  end)

  it("hands on to those who come while it works", function()
    make(0)
    local first
    shared.work = function(items)
      calls[#calls + 1] = #items
      if not first then
        first = true
        while #shared.waiting < 2 do
          camb.sleep(0.001)
        end
      end
    end
    camb.run(function()
      for i = 1, 3 do
        camb.spawn(function()
          while i > 1 and not first do
            camb.sleep(0.001)
          end
          assert.is_true(shared:join({ question = i }))
        end)
      end
    end)
    assert.same({ 1, 2 }, calls)
  end)

  it("keeps what was not done when it is closed", function()
    make(60)
    local was_done
    camb.run(function()
      camb.spawn(function()
        was_done = shared:join({ question = 1 })
      end)
      camb.sleep(0.01)
      shared:close()
    end)
    assert.is_false(was_done)
    assert.same({}, calls)
    assert.equal(1, #shared.waiting)
  end)
end)
