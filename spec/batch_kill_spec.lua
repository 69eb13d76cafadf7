-- A batch that is killed at any instant, again and again: nothing is lost,
-- nothing is paid for twice, and what nobody can know is said.

local killed = require "spec.support.killed"
local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"
local FILES = 50
local KILLS = 40

describe("a batch with a store #slow #kill", function()
  local folder, server

  before_each(function()
    folder = workspace.folder()
    takes.make(folder .. "/in", FILES)
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function command(round, more)
    return ("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s batch %s/in --store %s/%d.db "
      .. "-o %s/%d --interval 0.03 %s 2>%s/%d.log >/dev/null"):format(
      server.api_key, server.base_url, CAMB, folder, folder, round, folder,
      round, more or "", folder, round)
  end

  -- One run, killed after `seconds`; true where it has ended before, or was
  -- let alone.
  local function run_and_kill(round, seconds)
    local killer = seconds
      and ("(sleep %.3f; kill -9 $pid) >/dev/null 2>&1 &"):format(seconds) or ""
    local text = workspace.run(("%s & pid=$!; %s wait $pid; echo status=$?")
      :format(command(round, "-j 2"), killer))
    return text:match("status=(%d+)") ~= "137"
  end

  local function check(round, resent)
    return killed.check(("%s/%d.db"):format(folder, round), server,
      ("%s/%d"):format(folder, round), FILES, resent)
  end

  it("goes on after each of many kills, and pays for nothing twice",
    function()
      local seed = os.time()
      math.randomseed(seed)
      local kills, round, all_lost = 0, 0, 0
      while kills < KILLS do
        round = round + 1
        if server then
          server:stop()
        end
        server = assert(sandbox.start({ workers = 2, request_log = 2 ^ 17,
          engine = takes.engine(folder) }))
        local ended
        repeat
          ended = run_and_kill(round, kills < KILLS
            and 0.05 + 0.4 * math.random() or nil)
          kills = kills + (ended and 0 or 1)
        until ended
        local ok, unknown, lost = pcall(check, round, {})
        assert(ok, ("seed %d, round %d: %s\n%s"):format(seed, round,
          tostring(unknown), workspace.read(("%s/%d.log"):format(folder,
          round))))
        assert.is_true(lost <= 2 * kills)
        all_lost = all_lost + lost
        -- what is not known is sent again when that is asked for, and once
        workspace.run(command(round, "--resubmit-unknown"))
        assert.same({}, (check(round, unknown)), "seed " .. seed)
      end
      io.stderr:write(("[%d kills, %d rounds, %d unknown, seed %d]"):format(
        kills, round, all_lost, seed))
    end)
end)
