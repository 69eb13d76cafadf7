--- The service turns to 401, 402 and 503, for uploads or for everything, and
--- back: what was not sent stays as it is, and all is done in the end.
---   refused.lua [jobs=300] [workers=2] [seconds=20] [statuses=401,402,503]

local crew = require "spec.soak.crew"

local given = crew.options({ jobs = 300, workers = 2, seconds = 20,
  statuses = "401,402,503" })

local function turn(team, steps, status)
  for _, step in ipairs(steps) do
    team.server:fault({ step = step, status = tonumber(status),
      times = math.huge })
  end
end

local function run(status, steps)
  local team = crew.open(given.jobs)
  team:enlist()
  for _ = 1, given.workers do
    team:begin()
  end
  team:wait_for_uploads(math.floor(given.jobs / 4))
  turn(team, steps, status)
  local requests = team.server:stats().requests.submit
  team:wait(given.seconds)
  local counts = team:count()
  team:say("%s for %s, after %g s: %s; %d requests to submit", status,
    table.concat(steps, " "), given.seconds, team:states(),
    team.server:stats().requests.submit - requests)
  if counts.failed then
    team:complain("%d jobs failed", counts.failed)
  elseif not counts.intended then
    team:complain("no job is left to be sent")
  end
  team.server:clear_faults()
  team:wait_for_all(600)
  team:settle()
  team:finish()
end

for status in given.statuses:gmatch("[^,]+") do
  run(status, { "submit" })
  run(status, { "submit", "status", "result", "results" })
end
crew.exit()
