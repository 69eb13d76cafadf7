-- What one step of a client does, and what it leaves to the next: a host that has
-- nothing but a tick must not be held up.

local camb = require "camb"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local traced = require "spec.support.traced"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv "BUILD" or "build"
local LUA = os.getenv "LUA" or "lua5.4"
local MIX = "spec/fixtures/mix.flac"
local WAV_HEAD = "RIFF\255\255\255\255WAVE"
local STEM_BYTES = 2 * 2 ^ 20

-- A service whose stems are large and come as fast as the machine can.
local function start_service()
  local log = os.tmpname()
  local pid = workspace.run(("%s/bench/service 1 %d < /dev/zero > %s 2>&1 & "
    .. "echo $!"):format(BUILD, STEM_BYTES, log)):match "%d+"
  local api, stems = workspace.wait_for("the service", function()
    local text = workspace.read(log)
    return text and text:find "stems %d+" and text
      or not workspace.is_running(pid) and error(text)
  end):match "api (%d+) stems (%d+)"
  os.remove(log)
  return { pid = pid, base_url = "http://127.0.0.1:" .. api,
    stems = "http://127.0.0.1:" .. stems }
end

local function urls(service, n)
  return { foreground_audio_url = ("%s/f/%d.wav"):format(service.stems, n),
    background_audio_url = ("%s/b/%d.wav"):format(service.stems, n) }
end

local STEMS = { "foreground", "background" }

-- Of the first `count` downloads, so far: a part gets its name meanwhile.
local function bytes_in(folder, count)
  local sum = 0
  for i = 1, 2 * count do
    local base = ("%s/x%d.%s"):format(folder, math.ceil(i / 2), STEMS[i % 2 + 1])
    local kind, size = core.stat(base .. ".part")
    if not kind then
      kind, size = core.stat(base .. ".wav")
    end
    sum = sum + (kind and size or 0)
  end
  return sum
end

describe("a step", function()
  local folder

  workspace.for_each(function(path)
    folder = path
  end)

  describe("on a fast link", function()
    local service

    setup(function()
      service = start_service()
    end)

    teardown(function()
      workspace.stop(service.pid)
    end)

    it("takes from one connection what its budget does not forbid, and all "
      .. "comes down", function()
        local client = camb.client({ base_url = service.base_url, api_key = "k",
          step_budget = 0 })
        local jobs = {}
        for i = 1, 4 do
          jobs[i] = camb.spawn(client.download, client, urls(service, i),
            { output_dir = folder, name = "x" .. i })
        end
        local most, before, done, till = 0, 0, 0, core.now() + 60
        while done < #jobs and core.now() < till do
          client:step(0)
          local now = bytes_in(folder, #jobs)
          most, before = math.max(most, now - before), now
          while done < #jobs and jobs[done + 1]:is_done() do
            done = done + 1
          end
        end
        for _, job in ipairs(jobs) do
          local stems = assert(job:join())
          assert.equal(STEM_BYTES, #workspace.read(stems.foreground))
        end
        client:close()
        assert.is_true(most <= 200 * 1024, most .. " bytes in one step")
      end)

    -- The largest read or write of a program that downloads two stems and
    -- uploads a file, in bytes.
    local function largest(how)
      workspace.write(folder .. "/big.wav", WAV_HEAD .. ("\0"):rep(STEM_BYTES))
      workspace.write(folder .. "/program.lua", ([[
        local camb = require "camb"
        local client = camb.client({ base_url = "%s", api_key = "k" })
        local function work()
          assert(client:download({ foreground_audio_url = "%s/f/1.wav",
            background_audio_url = "%s/b/1.wav" }, { output_dir = "%s",
            overwrite = true }))
          client:submit("%s/big.wav") -- the service answers nothing of use
        end
        %s]]):format(service.base_url, service.stems, service.stems, folder,
        folder, how))
      local said, status = workspace.run(("strace -f -s 0 -e trace=recvfrom,sendto "
        .. "-o %s/trace timeout 60 %s %s/program.lua 2>&1"):format(folder, LUA,
        folder))
      assert.equal(0, status, said)
      local trace, read, written = workspace.read(folder .. "/trace"), 0, 0
      for size in trace:gmatch("recvfrom%(%d+, [^,]*, (%d+), 0, NULL") do
        read = math.max(read, tonumber(size))
      end
      for size in trace:gmatch("sendto%(%d+, [^,]*, (%d+), ") do
        written = math.max(written, tonumber(size))
      end
      return read, written
    end

    it("reads and sends more at once if no host waits for its end", function()
      if os.getenv("SANITIZER") then
        pending("a sanitizer cannot be traced")
        return
      end
      local read, written = largest([[
        local job = camb.spawn(work)
        repeat
          client:step(0.1)
        until job:is_done()
        assert(job:join() == nil)]])
      assert.equal(128 * 1024, read)
      assert.is_true(written <= 128 * 1024, written)
      for _, how in ipairs({ "work()", "camb.run(work)" }) do
        read, written = largest(how)
        assert.equal(512 * 1024, read)
        assert.is_true(written > 256 * 1024, written)
      end
    end)
  end)

  -- libcurl takes a hundred records within one call, if they are there; of those
  -- that it has read no socket tells.
  it("goes on at once with what TLS has brought beyond a step", function()
    local size = 4 * 2 ^ 20
    local stem = WAV_HEAD .. ("\7\0\1\0"):rep(size / 4 - 3)
    local task = folder .. "/data/tasks/stems"
    workspace.run(("mkdir -p '%s' '%s/out'"):format(task, folder))
    workspace.write(task .. "/fg.wav", stem)
    workspace.write(task .. "/bg.wav", stem)
    workspace.write(task .. "/task.json", '{"task_id": "stems", '
      .. '"status": "SUCCESS", "run_id": 5000, "foreground": "fg.wav", '
      .. '"background": "bg.wav"}')
    local server = assert(sandbox.start({ tls = true,
      data_dir = folder .. "/data" }))
    local client = stage.client(server, { ca_file = server.ca_file,
      step_budget = 0 })
    local job = camb.spawn(client.download, client, 5000,
      { output_dir = folder .. "/out", name = "x1" })
    local most, before, till = 0, 0, core.now() + 60
    repeat
      client:step(60)
      local now = bytes_in(folder .. "/out", 1)
      most, before = math.max(most, now - before), now
    until job:is_done() or core.now() > till
    assert.is_true(job:is_done())
    local stems = assert(job:join())
    client:close()
    server:stop()
    for _, name in ipairs(STEMS) do
      assert.is_true(stem == workspace.read(stems[name]), name)
    end
    assert.is_true(most <= 100 * 1024, most .. " bytes in one step")
  end)

  it("begins as many jobs as its budget allows", function()
    local server, client = stage.open({}, { step_budget = 0.002 })
    local began = 0
    for _ = 1, 10 do
      camb.spawn(function()
        local at = os.clock()
        repeat until os.clock() - at > 0.005
        began = began + 1
      end)
    end
    client:step(0)
    assert.equal(1, began)
    assert.equal(0, client:timeout())
    for _ = 2, 10 do
      client:step(0)
    end
    assert.equal(10, began)
    client:close()
    server:stop()
  end)

  -- What a program in a process of its own prints, whose fsync takes so long, and
  -- which crashes if it uses memory that was freed.
  local function run_slow(server, ms, code)
    local library = stage.preload(pending)
    local path = workspace.write(folder .. ".lua", ([[
      local camb = require "camb"
      local core = require "camb.core"
      local client = camb.client({ base_url = "%s", api_key = "%s" })
      local OPTIONS = { output_dir = "%s", name = "x", interval = 0.05,
        max_attempts = 1000, overwrite = true }
    ]]):format(server.base_url, server.api_key, folder) .. code)
    local output = workspace.run(("SPEC_SLOW=fsync=%d MALLOC_PERTURB_=90 "
      .. "LD_PRELOAD=%s timeout 100 %s %s"):format(ms, library, LUA, path))
    os.remove(path)
    return output
  end

  describe("where the disk is slow", function()
    local server, run, truth

    setup(function()
      local known
      server, run, known = stage.separated(MIX)
      truth = { foreground = workspace.read(known.foreground),
        background = workspace.read(known.background) }
    end)

    teardown(function()
      server:stop()
    end)

    it("does not wait for it #timed", function()
      assert.equal("x.foreground.flac\ttrue\n", run_slow(server, 2000, ([[
        local job = camb.spawn(client.download, client, %s, OPTIONS)
        local longest = 0
        repeat
          local at = core.now()
          client:step(0.01)
          longest = math.max(longest, core.now() - at)
        until job:is_done()
        print(assert(job:join()).foreground:match("[^/]+$"), longest < 1)
      ]]):format(run.id)))
    end)

    for name, call in pairs {
      ["its download is cancelled"] = [[
        job:cancel()
        OPTIONS.name = "y"
        assert(client:download(run_id, OPTIONS))
      ]],
      ["its client is closed"] = "client:close()",
    } do
      it("leaves a stem whole or absent if " .. name .. " meanwhile", function()
        local out = run_slow(server, 1000, ([[
          local run_id = %s
          local job = camb.spawn(client.download, client, run_id, OPTIONS)
          local part = OPTIONS.output_dir .. "/x.foreground.part"
          local kind, size, was
          repeat
            client:step(0.01)
            was = kind
            kind, size = core.stat(part)
          until size == %d or was and not kind
          %s
          repeat camb.sleep(0.01) until job:is_done()
          print(select(2, job:join()).kind)
          client:close()
        ]]):format(run.id, #truth.foreground, call))
        assert.equal("cancelled\n", out)
        for _, file in ipairs(workspace.list(folder)) do
          local stem = file:match "^%l%.(%l+)%.flac$"
          assert.is_true(truth[stem] == workspace.read(folder .. "/" .. file))
        end
      end)
    end
  end)

  -- A virtual machine leaves to its host for each: it costs more than the rest of
  -- a step.
  it("sets the system's alarm only for a host that waits on the descriptor",
    function()
      if not traced.is_allowed() or not camb.client({ api_key = "k" }):pollfd()
      then
        return pending "no process may be traced here, or there is no alarm"
      end
      local server = stage.open()
      local path = workspace.write(folder .. ".lua", ([[
        local camb = require "camb"
        local client = camb.client({ base_url = "%s", api_key = "%s" })
        local host = arg[1] and client:pollfd()
        assert(client:separate("%s", { output_dir = "%s", overwrite = true,
          interval = 0.01, max_attempts = 1000 }))
      ]]):format(server.base_url, server.api_key, MIX, folder))
      local function alarms(word)
        local log = folder .. "/trace"
        local output, status = workspace.run(("timeout 60 strace -f -o %s -e "
          .. "trace=timerfd_settime %s %s %s"):format(log, LUA, path, word))
        assert.equal(0, status, output)
        return select(2, workspace.read(log):gsub("timerfd_settime", ""))
      end
      assert.equal(0, alarms(""))
      assert.is_true(alarms("host") > 0)
      os.remove(path)
      server:stop()
    end)

  it("does not copy the bytes that it sends, and lets go of them", function()
    local server, client = stage.open()
    local size = 32 * 2 ^ 20
    local data = WAV_HEAD .. ("\0"):rep(size)
    collectgarbage()
    local before, in_lua = workspace.memory(), collectgarbage "count"
    local job = camb.spawn(client.submit, client, { data = data,
      filename = "x.wav" })
    local most = 0
    repeat
      client:step(0.01)
      most = math.max(most, workspace.memory() - before)
    until job:is_done()
    assert(job:join())
    assert.is_true(most < size / 1024 / 2, most .. " KiB")
    assert.equal(#data, server:requests()[1].file.size)
    data, job = nil, nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_true(in_lua - collectgarbage "count" > size / 1024 / 2)
    client:close()
    server:stop()
  end)
end)
