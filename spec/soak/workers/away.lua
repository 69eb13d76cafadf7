--- The database goes away for a while, or for good; workers are restarted by a
--- supervisor, as systemd does it, where they give up.
---   away.lua [seconds=5,75] [how=stop] [jobs=300] [workers=2]
---
--- seconds: one outage after the other; "ever" is one that lasts until all workers
--- have ended, for which nobody restarts them.  how: "stop", the server is gone;
--- "silent", it is there and does not answer.

local core = require "camb.core"
local crew = require "spec.soak.crew"
local workspace = require "spec.support.workspace"

local given = crew.options({ seconds = "5,75", how = "stop", jobs = 300,
  workers = 2 })

local function take_away(team)
  if given.how == "silent" then
    team.database:signal("STOP")
  else
    team.database:stop("immediate")
  end
end

local function bring_back(team)
  if given.how == "silent" then
    team.database:signal("CONT")
    return true
  end
  return team:restore()
end

-- Tasks that workers have written down because the store does not have them: it
-- gets them, as an operator would do it.
local function give_tasks(team)
  local told = 0
  for source, task in workspace.run(("cat %s/worker*.log"):format(team.folder))
    :gmatch('camb: ([^\n]-): its task is "([^"]+)", which the store does not')
  do
    local words, status = team:camb(("jobs '%s' --task %s"):format(source, task))
    told = told + 1
    if status ~= 0 and not words:find("has a task", 1, true) then
      team:say("%s, %s: %s", source, task, words)
    end
  end
  return told
end

-- They have to end by themselves, and say why.
local function wait_for_ends(team)
  local began = core.now()
  team:wait_for("workers that give up", function()
    for _, worker in ipairs(team.workers) do
      if not worker.status then
        return false
      end
    end
    return true
  end, 300)
  for _, worker in ipairs(team.workers) do
    local words = workspace.read(worker.base .. ".log") or ""
    team:say("worker %d gave up with %s after %.0f s: %s", worker.number,
      tostring(worker.status), core.now() - began,
      (team.last_words(worker):gsub("{.*", "")))
    if worker.status == "0" or not words:find("the store postgres", 1, true)
    then
      team:complain("worker %d does not say why it ended", worker.number)
    end
  end
  team.workers = {}
end

local function run(team, seconds)
  local is_for_good = seconds == "ever"
  team:say("away for %s", seconds)
  for _ = 1, given.workers do
    team:begin({ restarts = not is_for_good })
  end
  team:wait_for_uploads(team.server:stats().uploads
    + math.floor(given.jobs / 3))
  take_away(team)
  team:say("the database is away")
  if is_for_good then
    wait_for_ends(team)
  else
    team:wait(tonumber(seconds))
  end
  bring_back(team)
  team:say("the database is back: %s", team:states())
  if is_for_good then
    for _ = 1, given.workers do
      team:begin()
    end
  end
  team:wait_for_all(300)
  local told = give_tasks(team)
  if told > 0 then
    team:say("%d tasks were told of", told)
    team:begin()
    team:wait_for_all(300)
  end
  team:settle()
end

for seconds in given.seconds:gmatch("[^,]+") do
  local team = crew.open(given.jobs)
  team:enlist()
  run(team, seconds)
  team:finish()
end
crew.exit()
