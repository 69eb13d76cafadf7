--- Two workers as in two containers: a PID namespace each, and one host name.
--- Neither takes the other for dead while it lives; when one dies, the other
--- takes its jobs over when its lease has ended.
---   namespaces.lua [jobs=200] [lease=5] [seconds=20]

local core = require "camb.core"
local crew = require "spec.soak.crew"

local given = crew.options({ jobs = 200, lease = 5, seconds = 20 })

local CONTAINER = "unshare --pid --uts --fork --kill-child --mount-proc "
  .. "sh -c 'hostname box && exec \"$@\"' box"

local team = crew.open(given.jobs)
team:enlist()

-- The workers that the store knows, and what they hold.
local function held()
  local owners = {}
  for owner, jobs in team.database:query("SELECT owner, (SELECT count(*) FROM "
    .. "camb_jobs WHERE owner = w.owner) FROM camb_workers w")
    :gmatch("([^|\n]+)|(%d+)\n")
  do
    owners[owner] = tonumber(jobs)
  end
  return owners
end

local function count(owners)
  local number, jobs = 0, 0
  for _, held_jobs in pairs(owners) do
    number, jobs = number + 1, jobs + held_jobs
  end
  return number, jobs
end

-- Nothing is done, so that both hold jobs all the time.
team.server:fault({ step = "status", reply = { status = "PENDING" },
  times = math.huge })
for _ = 1, 2 do
  team:begin({ lease = given.lease, wrapper = CONTAINER })
end
team:wait_for("both workers", function()
  local owners = held()
  local number, jobs = count(owners)
  return number == 2 and jobs >= 40
end, 60)
local owners = held()
for owner, jobs in pairs(owners) do
  team:say("%s holds %d", owner, jobs)
end
local ends = core.now() + given.seconds
repeat
  team:wait(1)
  local now = held()
  for owner in pairs(owners) do
    if not now[owner] then
      team:complain("%s was taken for dead", owner)
      owners[owner] = nil
    end
  end
until core.now() > ends
local _, before = count(held())
local died = core.now()
team:signal(team.workers[1], "KILL")
team:wait_for("the jobs of the dead worker", function()
  local number = count(held())
  return number == 1
end, given.lease + 15)
team:say("one died; %d jobs, taken over after %.1f s (lease %d s): now %d",
  before, core.now() - died, given.lease, select(2, count(held())))
team.server:clear_faults()
team:wait_for_all(300)
team:settle()
team:finish()
crew.exit()
