-- The same body for every loop: a client is waited for in coroutines of it.

local camb = require "camb"
local condition = require "camb.async.condition"
local core = require "camb.core"
local scheduler = require "camb.async.scheduler"
local luas = require "spec.support.luas"
local served = require "spec.support.served"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local MANY = 100

-- go(fn): run fn in a coroutine of the loop; drain(): run the loop until it has
-- nothing to do; sleep(seconds): the loop's own.
local LOOPS = {}

function LOOPS.cqueues()
  local cqueues = require "cqueues"
  local controller = cqueues.new()
  return {
    go = function(fn)
      controller:wrap(fn)
    end,
    drain = function()
      assert(controller:loop())
    end,
    sleep = cqueues.sleep,
  }
end

function LOOPS.luv()
  local uv = require "luv"
  return {
    go = function(fn)
      coroutine.wrap(fn)()
    end,
    drain = function()
      uv.run()
    end,
    sleep = function(seconds)
      local thread = coroutine.running()
      local timer = uv.new_timer()
      timer:start(math.floor(seconds * 1000), 0, function()
        timer:close()
        assert(coroutine.resume(thread))
      end)
      coroutine.yield()
    end,
  }
end

function LOOPS.copas()
  local copas = require "copas"
  return { go = copas.addthread, drain = copas.loop, sleep = copas.pause }
end

for _, name in ipairs { "cqueues", "luv", "copas" } do
  describe("the loop " .. name, function()
    local available, loop = pcall(require, "camb.loop." .. name)
    if not available then
      pending("runs where it is installed: " .. tostring(loop):match("[^\n]+"))
      return
    end

    local server, client, folder, native

    before_each(function()
      server, client, folder = stage.open({ engine = "sh spec/support/copy.sh",
        workers = 2 }, { loop = loop })
      native = LOOPS[name]()
    end)

    after_each(function()
      stage.close(server, client, folder)
    end)

    -- Run functions side by side in the loop until all have ended.
    local function run(...)
      local problems = {}
      for _, fn in ipairs({ ... }) do
        native.go(function()
          local ok, problem = scheduler.protect(fn)
          if not ok then
            problems[#problems + 1] = tostring(problem)
          end
        end)
      end
      native.drain()
      assert.same({}, problems)
    end

    -- `fn` as often, side by side.
    local function run_many(fn)
      local functions = {}
      for i = 1, MANY do
        functions[i] = function()
          fn(i)
        end
      end
      run(luas.unpack(functions))
    end

    it("lets a hundred coroutines separate through one client", function()
      local ended, starved = 0, workspace.starved()
      run_many(function(i)
        local stems = assert(client:separate(MIX, { output_dir = folder,
          name = "take" .. i, interval = 0.1, max_attempts = 1000 }))
        assert.equal(folder .. "/take" .. i .. ".foreground.flac",
          stems.foreground)
        ended = ended + 1
      end)
      assert.equal(MANY, ended)
      assert.equal(2 * MANY, #workspace.list(folder))
      assert.equal(MANY, server:stats().uploads)
      -- a starved server may give up one that idles
      local most = workspace.starved() - starved < 1 and 8 or 16
      assert.is_true(server:stats().connections.api <= MANY + most)
      assert.is_true(server:stats().connections.stem <= most)
    end)

    it("keeps a ticker of 10 ms on time beside a hundred that wait #timed",
      function()
        -- in a process of its own, whose work must not hold us up
        local other = served.start("--processing 1e9")
        local one = stage.client(other, { loop = loop })
        finally(function()
          one:close()
          other:stop()
        end)
        local ended, worst, ticks = 0, 0, 0
        local function ticker()
          local before, starved = core.now(), workspace.starved()
          while ended < MANY do
            native.sleep(0.01)
            local now, hungry = core.now(), workspace.starved()
            worst = math.max(worst, now - before - (hungry - starved) - 0.01)
            before, starved, ticks = now, hungry, ticks + 1
          end
        end
        native.go(ticker)
        run_many(function()
          local task = assert(one:submit(MIX))
          local _, err = task:wait({ interval = 0.1, max_attempts = 15 })
          assert.equal("timeout", err.kind)
          ended = ended + 1
        end)
        assert.is_true(ticks > 5)
        assert.is_true(worst <= 0.02, ("missed by %.0f ms"):format(worst * 1000))
      end)

    it("steps two clients at one time", function()
      local other = stage.client(server, { loop = loop })
      local ids = {}
      local function send(one)
        return function()
          local task = assert(one:submit(MIX))
          assert(task:wait({ interval = 0.05, max_attempts = 1000 }))
          ids[task.id] = true
        end
      end
      run(send(client), send(other), send(client), send(other))
      other:close()
      local count = 0
      for _ in pairs(ids) do
        count = count + 1
      end
      assert.equal(4, count)
    end)

    it("runs jobs: they are joined, raise, sleep, and wait for conditions",
      function()
        run(function()
          local news, is_so = condition.new(client), false
          local waiter = scheduler.spawn_for(client, function()
            while not is_so do
              news:wait()
            end
            return "heard"
          end)
          local job = scheduler.spawn_for(client, function(a, b)
            camb.sleep(0.02)
            is_so = true
            news:notify()
            return a + b, camb.spawn(function()
              return "its own"
            end):join()
          end, 3, 4)
          assert.is_false(job:is_done())
          local sum, word = job:join()
          assert.equal(7, sum)
          assert.equal("its own", word)
          assert.equal("heard", (waiter:join()))
        end)
      end)

    it("tells the joiners of a job that it has raised", function()
      run(function()
        local bad = scheduler.spawn_for(client, function()
          camb.sleep(0.02)
          error("broken", 0)
        end)
        local joiner = scheduler.spawn_for(client, function()
          return scheduler.protect(bad.join, bad)
        end)
        assert.same({ false, "broken" }, { joiner:join() })
      end)
    end)

    it("ends a cancelled job's sleep, join and wait for a task at once #timed",
      function()
        server:stop()
        server = assert(require("camb.sandbox").start(
          { processing = math.huge }))
        client:close()
        client = stage.client(server, { loop = loop })
        local function expect_end(fn)
          local job = scheduler.spawn_for(client, fn)
          scheduler.sleep_for(client, 0.2)
          assert.is_false(job:is_done())
          local before, starved = core.now(), workspace.starved()
          job:cancel()
          local _, err = job:join()
          assert.equal("cancelled", err.kind)
          assert.is_true(core.now() - before
            - (workspace.starved() - starved) < 0.05)
        end
        run(function()
          expect_end(function()
            camb.sleep(1000)
          end)
          local other = scheduler.spawn_for(client, function()
            condition.new(client):wait()
          end)
          expect_end(function()
            return other:join()
          end)
          other:cancel()
          expect_end(function()
            return assert(client:submit(MIX)):wait()
          end)
          expect_end(function()
            return client:separate(MIX, { output_dir = folder })
          end)
        end)
        assert.same({}, workspace.list(folder))
      end)

    it("lets the client be closed while coroutines wait for it", function()
      local descriptors = workspace.descriptors()
      local kinds, submitted = {}, 0
      local one = stage.client(server, { loop = loop })
      local function wait()
        local task = assert(one:submit(MIX))
        submitted = submitted + 1
        local _, err = task:wait({ interval = 100 })
        kinds[#kinds + 1] = err and err.kind
      end
      server:fault({ step = "status", silence = true, times = 100 })
      run(wait, wait, wait, function()
        local give_up = core.now() + 60
        while submitted < 3 or server:stats().requests.status < 3 do
          assert.is_true(core.now() < give_up)
          native.sleep(0.01)
        end
        one:close()
        -- whoever gets the client's descriptor now is left alone
        local again = assert(io.open(MIX, "rb"))
        native.sleep(0.02)
        again:close()
      end)
      assert.same({ "cancelled", "cancelled", "cancelled" }, kinds)
      workspace.expect_descriptors(descriptors)
    end)

    it("blocks where no coroutine of it runs", function()
      assert.is_string(assert(client:submit(MIX)).id)
      run(function()
        assert.is_string(assert(client:submit(MIX)).id)
      end)
    end)

    it("has an example that runs", function()
      local output, status = workspace.run(("env -u CAMB_API_KEY timeout 100 "
        .. "%s examples/with_%s.lua %s %s"):format(os.getenv("LUA")
        or "lua5.4", name, folder, MIX))
      assert.equal(0, status, output)
      assert.matches("mix.foreground.flac", output, 1, true)
      assert.matches("%d+ times meanwhile", output)
      assert.equal(2, #workspace.list(folder))
    end)

    it("lets go of what a closed coroutine waited for", function()
      if not coroutine.close then
        return
      end
      server:fault({ step = "submit", silence = true })
      local thread
      run(function()
        thread = coroutine.running()
        client:separate(MIX, { output_dir = folder, name = "one" })
      end, function()
        local give_up = core.now() + 60
        while #server:requests() == 0 do
          assert.is_true(core.now() < give_up)
          native.sleep(0.01)
        end
        assert.equal(1, client.session:active())
        if name ~= "luv" then
          return client:close() -- these loops close their coroutines themselves
        end
        assert(coroutine.close(thread))
        assert.equal(0, client.session:active())
        assert.equal(0, client.waiting)
        assert(client:separate(MIX, { output_dir = folder, name = "one",
          interval = 1 }))
      end)
    end)
  end)
end
