--- A worker is killed that has paid tasks and a long way to go, and started
--- again: how long it takes until each of the tasks is asked for again.
---   restart.lua [jobs=600] [paid=32] [rounds=3] [seconds=5]

local core = require "camb.core"
local crew = require "spec.soak.crew"

local given = crew.options({ jobs = 600, paid = 32, rounds = 3, seconds = 5 })

local team = crew.open(given.jobs)
team:enlist()

-- The tasks that the store knows and that have not ended.
local function paid()
  local tasks, count = {}, 0
  for id in team.database:query("SELECT task_id FROM camb_jobs WHERE state "
    .. "= 'submitted'"):gmatch("%S+")
  do
    tasks[id], count = true, count + 1
  end
  return tasks, count
end

-- Seconds from `began` to the first poll of the task that was last.
local function latest_poll(tasks, began)
  local first, left = {}, 0
  for _, request in ipairs(team.server:requests()) do
    local id = request.method == "GET"
      and request.path:match("audio%-separation/([^/?]+)$")
    if id and tasks[id] and request.time >= began and not first[id] then
      first[id] = request.time - began
    end
  end
  local latest = 0
  for id in pairs(tasks) do
    latest = math.max(latest, first[id] or 0)
    left = left + (first[id] and 0 or 1)
  end
  return left == 0 and latest or nil
end

team.server:fault({ step = "status", reply = { status = "PENDING" },
  times = math.huge })
local words = ("--pending %d"):format(given.paid)
local worker = team:begin({ words = words })
for _ = 1, given.rounds do
  team:wait_for("paid tasks", function()
    return select(2, paid()) >= given.paid
  end, 60)
  team:signal(worker, "KILL")
  local tasks, count = paid()
  local began, latest = core.time(), nil
  worker = team:begin({ words = words })
  team:wait_for("polls of all paid tasks", function()
    latest = latest_poll(tasks, began)
    return latest
  end, 60)
  team:say("%d paid tasks, %d jobs to go: all were polled %.2f s after the start",
    count, team:count().intended or 0, latest or -1)
  if not latest or latest > given.seconds then
    team:complain("that is more than %g s", given.seconds)
  end
end
team.server:clear_faults()
team:wait_for_all(600)
team:settle()
team:finish()
crew.exit()
