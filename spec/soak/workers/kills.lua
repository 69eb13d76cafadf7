--- Workers are killed and the database crashes, at moments by chance, all along:
--- what was paid for is paid for once, or reported as unknown.
---   kills.lua [jobs=2000] [workers=4] [kills=60] [crashes=10] [seed=N]

local crew = require "spec.soak.crew"

local given = crew.options({ jobs = 2000, workers = 4, kills = 60, crashes = 10,
  seed = os.time() % 1000000 })
math.randomseed(given.seed)

-- What happens when so many uploads were accepted.
local function plan()
  local events = {}
  for i = 1, given.kills + given.crashes do
    events[i] = { at = math.random(0, math.floor(given.jobs * 0.97)),
      is_crash = i <= given.crashes }
  end
  table.sort(events, function(a, b)
    return a.at < b.at
  end)
  return events
end

local team = crew.open(given.jobs, { processing = 2 })
team:say("seed %d", given.seed)
team:enlist()
for _ = 1, given.workers do
  team:begin()
end
local crashes = 0
for _, event in ipairs(plan()) do
  if not team:wait_for_uploads(event.at) then
    break
  end
  team:wait(math.random() * 0.3)
  if event.is_crash then
    crashes = crashes + 1
    team:crash(crashes % 2 == 0 and "kill" or "stop")
  elseif #team.workers > 0 then
    team:signal(team.workers[math.random(#team.workers)], "KILL")
    team:begin()
  end
end
team:wait_for_all(900)
local unknown, lost = team:account()
team:say("%d kills, %d crashes, %d unknown", given.kills, given.crashes, lost)
team:resubmit(unknown)
team:finish()
crew.exit()
