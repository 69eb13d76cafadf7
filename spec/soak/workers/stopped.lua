--- Each worker in turn is stopped for longer than its lease, while the others
--- take its jobs over, and then continued: no job fails, none is paid for twice.
---   stopped.lua [jobs=300] [workers=2] [lease=5] [leases=3] [seed=N]

local crew = require "spec.soak.crew"

local given = crew.options({ jobs = 300, workers = 2, lease = 5, leases = 3,
  seed = os.time() % 1000000 })
math.randomseed(given.seed)

local team = crew.open(given.jobs, { processing = 2 })
team:say("seed %d", given.seed)
team:enlist()
for _ = 1, given.workers do
  team:begin({ lease = given.lease })
end
for i, worker in ipairs(team.workers) do
  team:wait_for_uploads(math.floor(given.jobs * (i - 0.5) / (given.workers + 1)))
  team:wait(math.random())
  -- what it has is not done while it is stopped, nor can the others run out
  team.server:fault({ step = "status", reply = { status = "PENDING" },
    times = math.huge })
  team:signal(worker, "STOP")
  team:say("worker %d is stopped: %s", worker.number, team:states())
  team:wait(given.lease * given.leases)
  team:signal(worker, "CONT")
  team:say("worker %d is continued: %s", worker.number, team:states())
  team:wait(given.lease)
  team.server:clear_faults()
end
team:wait_for_all(600)
local counts = team:count()
if counts.failed then
  team:complain("%d jobs failed", counts.failed)
end
team:settle()
team:finish()
crew.exit()
