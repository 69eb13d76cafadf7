-- A batch that is killed at any instant, again and again: nothing is lost,
-- nothing is paid for twice, and what nobody can know is said.

local sandbox = require "camb.sandbox"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"
local FILES = 50
local KILLS = 40

-- By file name, how often the service has accepted it.
local function accepted(server)
  local counts = {}
  for _, request in ipairs(server:requests()) do
    if request.method == "POST" and request.status == 200
      and request.path:find("audio%-separation$")
    then
      counts[request.file.name] = (counts[request.file.name] or 0) + 1
    end
  end
  return counts
end

local function rows_of(path)
  local jobs <close> = assert(store.open(path))
  local rows = {}
  for row in jobs:each() do
    rows[#rows + 1] = row
  end
  return rows
end

describe("a batch with a store #slow #kill", function()
  local folder, server

  setup(function()
    folder = workspace.folder()
    takes.make(folder .. "/in", FILES)
  end)

  teardown(function()
    workspace.remove(folder)
  end)

  before_each(function()
    server = assert(sandbox.start({ workers = 2, request_log = 2 ^ 17,
      engine = takes.engine(folder) }))
  end)

  after_each(function()
    server:stop()
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

  -- The files of which nobody knows; `resent` are those that were sent again.
  local function check(round, resent)
    local unknown, counts = {}, accepted(server)
    local rows = rows_of(("%s/%d.db"):format(folder, round))
    assert.equal(FILES, #rows)
    for i, row in ipairs(rows) do
      local name = row.source:match("[^/]+$")
      local count = counts[name] or 0
      if row.state == "unknown_outcome" then
        unknown[name] = true
        assert.is_true(count <= 1, name)
      else
        assert.equal("downloaded", row.state, row.error)
        assert.is_true(count == 1 or resent[name] and count == 2, name)
        assert.equal(takes.wav(i), workspace.read(row.foreground))
        assert.equal(takes.wav(i), workspace.read(row.background))
      end
    end
    local left = workspace.run(("find %s/%d -name '*.part'"):format(folder,
      round))
    assert.equal("", left)
    return unknown
  end

  it("goes on after each of many kills, and pays for nothing twice",
    function()
      local seed = os.time()
      math.randomseed(seed)
      local kills, round, lost = 0, 0, 0
      while kills < KILLS do
        round = round + 1
        server:stop()
        server = assert(sandbox.start({ workers = 2, request_log = 2 ^ 17,
          engine = takes.engine(folder) }))
        local ended
        repeat
          ended = run_and_kill(round, kills < KILLS
            and 0.05 + 0.4 * math.random() or nil)
          kills = kills + (ended and 0 or 1)
        until ended
        local ok, unknown = pcall(check, round, {})
        assert(ok, ("seed %d, round %d: %s\n%s"):format(seed, round,
          tostring(unknown), workspace.read(("%s/%d.log"):format(folder,
          round))))
        for _ in pairs(unknown) do
          lost = lost + 1
        end
        -- what is not known is sent again when that is asked for, and once
        workspace.run(command(round, "--resubmit-unknown"))
        assert.same({}, check(round, unknown), "seed " .. seed)
      end
      io.stderr:write(("[%d kills, %d rounds, %d unknown, seed %d]"):format(
        kills, round, lost, seed))
    end)
end)
