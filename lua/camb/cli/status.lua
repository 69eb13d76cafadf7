--- The exit statuses of the command.  Those of errors come from camb.error.

local errors = require "camb.error"

local status = {
  OK = 0,
  GENERAL = 1,
  USAGE = 2,
  FILE = 3,
  AUTHENTICATION = 4,
  NETWORK = 6,
  SOME_FAILED = 10,
  SOME_REMAIN = 11,
}

local MEANINGS = {
  [0] = "success: all is done, and both stems of every file are complete",
  [1] = "any other failure",
  [2] = "wrong usage: an unknown option, an invalid or a missing value",
  [3] = "the source, or a local file",
  [4] = "the API key",
  [5] = "payment required",
  [6] = "the network, or the service",
  [7] = "the task failed, or was refused",
  [8] = "timeout; the task may still finish",
  [9] = "unknown outcome: a task may exist and be charged",
  [10] = "some of several files failed, or all of them",
  [11] = "stopped by --max-jobs, --max-minutes, --until or --limit: files "
    .. "remain",
  [129] = "ended by SIGHUP",
  [130] = "ended by SIGINT, such as Ctrl-C",
  [131] = "ended by SIGQUIT, such as Ctrl-\\",
  [143] = "ended by SIGTERM",
}

local SIGNALS = { SIGHUP = 129, SIGINT = 130, SIGQUIT = 131,
  SIGTERM = 143 }

--- The status of an error.  What is raised as a string is wrong usage.
---@param problem camb.Error|string
---@return integer
function status.of(problem)
  local entry = errors.is_error(problem) and errors.kind(problem.kind)
  if entry then
    return entry.exit
  end
  return errors.is_error(problem) and status.GENERAL or status.USAGE
end

--- The status of a command that a signal ended.
---@param signal string # as core.caught_signal names it
---@return integer
function status.of_signal(signal)
  return SIGNALS[signal]
end

--- Whether a signal ended what exits with `number`.
---@param number integer?
---@return boolean
function status.is_of_signal(number)
  return number ~= nil and number > 128
end

--- All statuses in order.
---@return { number: integer, meaning: string, kinds: string[] }[]
function status.list()
  local list = {}
  for number, meaning in pairs(MEANINGS) do
    local kinds = {}
    for _, entry in ipairs(errors.KINDS) do
      if entry.exit == number then
        kinds[#kinds + 1] = entry.kind
      end
    end
    list[#list + 1] = { number = number, meaning = meaning, kinds = kinds }
  end
  table.sort(list, function(a, b)
    return a.number < b.number
  end)
  return list
end

return status
