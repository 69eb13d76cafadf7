--- Advice in the reader's terms: those of a program, or of the shell.

local json = require "camb.json"

local words = {}

local LUA = {
  overwrite = "pass overwrite = true to replace it, or another output_dir",
  names = "give one of them another name or output_dir",
  stem = "pass check = false to send it anyway",
}

local SHELL = {
  overwrite = "use --overwrite to replace it, or another --output-dir",
  names = "use another --output-dir for one of them",
  stem = "use camb separate to send it",
}

local spoken = LUA

--- From now on a shell is what is read in.
function words.speak_shell()
  spoken = SHELL
end

--- The advice `name`.
---@param name "overwrite" | "names" | "stem"
---@return string
function words.advice(name)
  return spoken[name]
end

--- How to take a task up again, to come behind `mark`; nothing in the shell,
--- where the command says how.
---@param mark string
---@param task_id string
---@return string
function words.take_up(mark, task_id)
  return spoken == LUA
    and ('%s resume it with client:task("%s")'):format(mark, task_id)
    or ""
end

--- How to fetch the stems of a run that is paid for.
---@param operation table # run_id, output_dir, name
---@return string
function words.fetch(operation)
  return spoken == LUA and ("; download the stems at no cost with "
    .. "client:download(%s, { output_dir = %q, name = %q })"):format(
    json.digits(operation.run_id), operation.output_dir, operation.name) or ""
end

return words
