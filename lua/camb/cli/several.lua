--- Several files at once, each reported when it is done; a signal stops all of
--- them, and each says what is paid for.

local camb = require "camb"
local core = require "camb.core"
local progress = require "camb.cli.progress"
local scheduler = require "camb.async.scheduler"
local session = require "camb.cli.session"
local status = require "camb.cli.status"

local several = {}

-- Seconds between two looks for a signal.
local LOOK = 0.1

--- From a signal on, call `stop(is_first)` now and then; ends when `is_done()`.
---@param stop fun(is_first: boolean)
---@param is_done fun(): boolean
---@param report camb.Progress
function several.watch(stop, is_done, report)
  local is_stopped = false
  while not is_done() do
    if core.caught_signal() then
      stop(not is_stopped)
      is_stopped = true
    end
    report:tick()
    camb.sleep(LOOK)
  end
end

local function run_all(arguments, list, report, work)
  local next_one, running = 1, {}
  local alive = math.min(arguments.jobs, #list)
  local function take()
    while list[next_one] and not core.caught_signal() and not report.refusal
    do
      local place, one = next_one, list[next_one]
      next_one = next_one + 1
      local stems, err, label = work(one, report:listener(one), place, report)
      if stems then
        report:done(stems, one)
      elseif err then
        report:failed(label or one, err)
      end
    end
  end
  local function work_through()
    local ok, problem = scheduler.protect(take)
    alive = alive - 1
    if not ok then
      error(problem, 0)
    end
  end
  camb.run(function()
    for i = 1, alive do
      running[i] = camb.spawn(work_through)
    end
    several.watch(function(is_first)
      for _, job in ipairs(is_first and running or {}) do
        job:cancel()
      end
    end, function()
      return alive == 0
    end, report)
  end)
end

--- Do `work(one, listener, place, report)` for each of `list`.  It returns
--- stems, or nil, an error and what to call `one`, or nothing if it has
--- reported itself.
---@param arguments table
---@param list string[]
---@param work fun(one: string, listener: function, place: integer,
---  report: table): table?, camb.Error?, string?
---@return integer status
function several.run(arguments, list, work)
  local report = progress.new(#list, arguments)
  local ok, problem = pcall(run_all, arguments, list, report, work)
  report:clear()
  if arguments.command == "download" then
    report:sum_up()
  end
  local signal = core.caught_signal()
  if not ok then -- a value that no option takes
    return session.complain(problem)
  elseif signal then
    return session.complain("interrupted by " .. signal,
      status.of_signal(signal))
  end
  return report:status()
end

return several
