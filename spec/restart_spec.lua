-- The sandbox is killed, at any instant, and started again with the same data:
-- what it had accepted is finished, and a client that waits finishes with it.

local camb = require "camb"
local copied = require "spec.support.copied"
local ports = require "spec.support.ports"
local system = require "spec.support.system"
local workspace = require "spec.support.workspace"

local SEED = os.time() % 100000
local ROUNDS = 4
-- So much more than the sockets between two processes take that an upload of
-- which the server has read a third cannot have been sent whole.
local LARGE = copied.source("0123456789abcdef", 24 * 2 ^ 20)
local SMALL = copied.source("0123456789abcdef", 100000)

describe("a sandbox that is killed and started again #slow", function()
  local folder, server

  -- `fault`, if any, is what a file of faults holds between braces.
  local function start(at, fault)
    local log, faults = folder .. "/log", folder .. "/faults.lua"
    os.remove(log)
    workspace.write(faults, ("return { %s }"):format(fault or ""))
    local pid = workspace.run(("%s/bin/camb serve --port %d --stem-port %d "
      .. "--data-dir %s/data --engine '%s' --processing 0.3 --faults %s "
      .. "> %s 2>&1 & echo $!"):format(os.getenv("BUILD") or "build", at[1],
        at[2], folder, copied.ENGINE, faults, log)):match("%d+")
    return { pid = tonumber(pid), log = log, ports = at,
      base_url = ("http://127.0.0.1:%d/apis"):format(at[1]) }
  end

  local function wait_until_up(one)
    workspace.wait_for("the server to listen", function()
      return (workspace.read(one.log) or ""):find("listens at")
        or not workspace.is_running(one.pid) and error(workspace.read(one.log))
    end)
  end

  -- By SIGKILL; the next one starts when its ports and data are free.
  local function restart(fault)
    workspace.stop(server.pid, "KILL")
    server = start(server.ports, fault)
  end

  local function tasks()
    return #workspace.list(folder .. "/data/tasks")
  end

  before_each(function()
    folder = workspace.folder()
    server = start({ ports.free(), ports.free() })
    wait_until_up(server)
  end)

  after_each(function()
    pcall(system.kill, server.pid)
    workspace.remove(folder)
  end)

  -- Separate `source`, killing the server at the first event that `is_time`
  -- says yes to.
  local function separate(source, is_time)
    local seen = { killed = false, events = {} }
    local client = camb.client({ base_url = server.base_url,
      api_key = "sandbox", retries = 8 })
    local stems, err = client:separate({ data = source, filename = "x.wav" }, {
      output_dir = folder, interval = 0.1, max_attempts = 1000, deadline = 60,
      on_event = function(event)
        seen.events[#seen.events + 1] = event
        if not seen.killed and is_time(event) then
          seen.killed = true
          restart()
        end
      end })
    client:close()
    return stems, err, seen
  end

  local function check(source, stems)
    for stem, bytes in pairs(copied.stems(source)) do
      assert.is_true(workspace.read(stems[stem]) == bytes, stem)
    end
    assert.equal(1, tasks())
    assert.equal("", (workspace.run(("find %s -maxdepth 1 -name '*.part'")
      :format(folder))))
  end

  it("while a file goes up: it is sent again, and makes one task", function()
    math.randomseed(SEED)
    for round = 1, ROUNDS do
      local at = math.random(1, math.floor(#LARGE / 3))
      -- It reads so far and then no more: the rest is still to be sent.
      restart(('{ step = "submit", at = "body", after = %d, silence = true }')
        :format(at))
      wait_until_up(server)
      local stems, err, seen = separate(LARGE, function(event)
        return event.name == "upload_progress" and event.bytes >= at
      end)
      local what = ("seed %d, round %d: %s"):format(SEED, round, tostring(err))
      assert(stems, what)
      assert.is_true(seen.killed, what)
      check(LARGE, stems)
      workspace.run(("rm -rf %s/*.wav %s/data/tasks/*"):format(folder, folder))
    end
  end)

  it("while a task is worked on: the client that waits gets its stems",
    function()
      math.randomseed(SEED)
      for round = 1, ROUNDS do
        local polls, at = 0, math.random(1, 4)
        local stems, err, seen = separate(SMALL, function(event)
          polls = polls + (event.name == "polled" and 1 or 0)
          return polls == at or event.name == "run_ready"
        end)
        local what = ("seed %d, round %d: %s"):format(SEED, round,
          tostring(err))
        assert(stems, what)
        assert.is_true(seen.killed, what)
        check(SMALL, stems)
        for _, event in ipairs(seen.events) do
          if event.task_id then
            assert.equal(stems.task_id, event.task_id)
          end
        end
        workspace.run(("rm -rf %s/*.wav %s/data/tasks/*"):format(folder,
          folder))
      end
    end)

  it("while stems come down: they are whole, and go on where they were",
    function()
      math.randomseed(SEED)
      for round = 1, ROUNDS do
        -- Soon after its begin the kernel may have all the bytes already: every
        -- other time there is something left for certain.
        local at, is_cut = math.random(2 ^ 16, 2 ^ 22), round % 2 == 1
        local most, resumed = {}, 0
        if is_cut then
          restart(('{ step = "stem", cut = %d, times = 2 }'):format(at))
          wait_until_up(server)
        end
        local stems, err, seen = separate(LARGE, function(event)
          return is_cut and event.name == "retrying"
            or not is_cut and event.name == "download_progress"
            and event.bytes > at
        end)
        local what = ("seed %d, round %d: %s"):format(SEED, round,
          tostring(err))
        assert(stems, what)
        assert.is_true(seen.killed, what)
        check(LARGE, stems)
        for _, event in ipairs(seen.events) do
          if event.name == "download_progress" then
            assert.is_true(event.bytes >= (most[event.stem] or 0), what)
            most[event.stem] = event.bytes
          elseif event.name == "retrying" then
            resumed = resumed + 1
          end
        end
        assert.is_true(resumed > 0 or not is_cut, what)
        workspace.run(("rm -rf %s/*.wav %s/data/tasks/*"):format(folder,
          folder))
      end
    end)

  it("while a small file goes up: nobody knows, or it is done", function()
    math.randomseed(SEED)
    for round = 1, ROUNDS do
      local at = math.random() * 0.01
      local client = camb.client({ base_url = server.base_url,
        api_key = "sandbox", retries = 8 })
      local before = tasks()
      local task, err
      camb.run(function()
        camb.spawn(function()
          task, err = client:submit({ data = SMALL, filename = "x.wav" })
        end)
        camb.sleep(at)
        restart()
      end)
      wait_until_up(server)
      local what = ("seed %d, round %d: %s"):format(SEED, round, tostring(err))
      if task then
        assert.equal(before + 1, tasks(), what)
        assert(task:wait({ interval = 0.1, max_attempts = 1000 }))
      else
        assert.equal("unknown_outcome", err.kind, what)
        assert.is_true(tasks() <= before + 1, what)
      end
    end
  end)
end)
