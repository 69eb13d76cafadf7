-- What programs that the host starts meanwhile see of a client: nothing.

local stage = require "spec.support.stage"
local traced = require "spec.support.traced"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"
local MIX = "spec/fixtures/mix.flac"

-- What a program inherits that is started now, but for the three of its own
-- and the pipe of io.popen.
local LOOK = [[
  local function look()
    local pipe = io.popen("for fd in /proc/self/fd/*; do readlink $fd; done")
    local text = pipe:read("*a")
    pipe:close()
    return (text:gsub("[^\n]*/proc/[^\n]*\n", ""):gsub("pipe:%[%d+%]", "pipe"))
  end
  local before = look()
  local function inherited()
    local now = look()
    return now ~= before and "inherited:\n" .. now .. "but before:\n" .. before
      or "nothing\n"
  end
]]

describe("a program that the host starts", function()
  local folder

  workspace.for_each(function(path)
    folder = path
  end)

  -- The output of a program of its own, which has no descriptors of ours.
  local function run(code, environment)
    local script = workspace.write(folder .. "/host.lua", LOOK .. code)
    return (workspace.run(("env %s timeout 300 %s %s 3>&- 4>&- 5>&- 6>&- 7>&-")
      :format(environment or "", LUA, script)))
  end

  it("inherits no socket, no file and no timer of a client at work", function()
    local text = run(([[
      local server = assert(require("camb.sandbox").start{ engine =
        "sh -c 'cp \"$0\" $1/foreground.flac; cp \"$0\" $1/background.flac' "
        .. "{input} {output_dir}" })
      before = look()
      local words, wanted = {}, { upload_started = true, submitted = true,
        download_started = true, finished = true }
      local client = require("camb").client{ base_url = server.base_url,
        api_key = server.api_key, on_event = function(event)
          if wanted[event.name] and not words[event.name] then
            words[event.name] = inherited()
          end
        end }
      assert(client:separate(%q, { output_dir = %q, interval = 0.1,
        max_attempts = 100 }))
      words.idle = inherited()
      client:close()
      server:stop()
      for name, word in pairs(words) do
        print(name, word)
      end]]):format(MIX, folder))
    for _, name in ipairs({ "upload_started", "submitted", "download_started",
      "finished", "idle" }) do
      assert.matches("\n?" .. name .. "\tnothing\n", text)
    end
    assert.is_nil(text:find("inherited", 1, true), text)
  end)

  -- What is marked only after it is open is inherited now and then.
  it("cannot inherit a recording, as each is marked as it is opened", function()
    if not traced.is_allowed() then
      pending("needs strace")
      return
    end
    local script = workspace.write(folder .. "/host.lua", ([[
      local camb, audio = require "camb", require "camb.audio"
      local server = assert(require("camb.sandbox").start{})
      local client = camb.client{ base_url = server.base_url,
        api_key = server.api_key }
      local stems = assert(client:separate(%q, { output_dir = %q,
        interval = 0.1, max_attempts = 1000 }))
      assert(audio.probe(stems.foreground))
      assert(audio.convert(stems.foreground, %q))
      client:close()
      server:stop()]]):format(MIX, folder, folder .. "/voice.m4a"))
    local said, status = workspace.run(("timeout 300 strace -f -o %s/trace "
      .. "-e trace=open,openat,creat %s %s"):format(folder, LUA, script))
    assert.equal(0, status, said)
    local opened = 0
    for line in io.lines(folder .. "/trace") do
      if line:find("%.flac") or line:find("%.m4a") then
        opened = opened + 1
        assert.matches("O_CLOEXEC", line)
      end
    end
    assert.is_true(opened >= 6, opened)
  end)

  it("inherits nothing of what waits for a name server", function()
    local library = stage.preload(pending)
    local text = run([[
      local camb = require "camb"
      local client = camb.client{ base_url = "http://service.slow",
        api_key = "k", retries = 0 }
      camb.run(function()
        local job = camb.spawn(function()
          print(select(2, client:task("t"):status{ deadline = 2 }).kind)
        end)
        camb.sleep(0.5)
        print(inherited())
        job:join()
      end)]], "LD_PRELOAD=" .. library)
    assert.equal("nothing\n\ntimeout\n", text)
  end)
end)
