--- The shell command that fixes an error, printed after it.

local errors = require "camb.error"
local paid = require "camb.cli.paid"
local redact = require "camb.redact"
local shell = require "camb.cli.shell"

local cure = {}

local arguments, typed = {}, {}
local said = {}

local BUY = "once you have bought credit, run"
local BUY_FIRST = "a refused file is not charged; " .. BUY

--- From now on it is about the command that was typed so.
---@param parsed table # its arguments
---@param words string[]
function cure.begin(parsed, words)
  arguments, typed, said = parsed, words, {}
end

local function has_secret(word)
  local store = require "camb.store"
  if store.is_url(word) then -- in which a user's name is none
    return select(2, store.address(word))
  end
  return word:find("^%-%-api%-key=") or word == "--api-key"
    or redact.urls(word) ~= word
end

--- The line that was typed, with the flags; nil if it holds a secret.
---@param ... string
---@return string?
function cure.again(...)
  local words, place, is_there = { "camb" }, nil, {}
  for i, word in ipairs(typed) do
    words[i + 1] = word
    place = place or word == "--" and i + 1 or nil
    is_there[word] = true
    if has_secret(word) then
      return nil
    end
  end
  for _, flag in ipairs({ ... }) do
    if not is_there[flag] then
      table.insert(words, place or #words + 1, flag)
    end
  end
  return shell.line(words)
end

local function say(words, line)
  io.stderr:write("camb: ", words, line and ": " .. line or "", "\n")
end

-- Whether standard input, which is gone, is among the sources.
local function has_input()
  for _, word in ipairs(arguments.source or {}) do
    if word == "-" then
      return true
    end
  end
  return false
end

--- Say what takes up whatever a signal, or `err`, has left unfinished.
---@param err camb.Error?
function cure.say_resume(err)
  local line = cure.again()
  if not has_input() and not paid.has_lost_store(arguments)
    and not said[line or "resume"]
  then
    local words = err and err.kind == "payment_required" and BUY_FIRST
      or "to resume, run"
    say(line and words or words .. " the same line again", line)
    said[line or "resume"] = true
  end
end

--- Say which `flag` of a batch does what `words` say.
---@param words string
---@param flag string
function cure.say_flag(words, flag)
  local line = cure.again(flag)
  if said[cure.again("--overwrite", flag) or false]
    or said[cure.again("--overwrite") or false]
  then
    return -- it retries, too, and that alone would fail again
  end
  say(line and words or words .. " the same line and " .. flag, line)
end

-- What makes another command speak to the same service.
local function same_service(verb)
  local words = { "camb", verb }
  for _, word in ipairs(paid.whose(arguments)) do
    words[#words + 1] = word
  end
  return words
end

local function about_task(verb, id)
  return shell.line(shell.with_ids(same_service(verb), { id }))
end

-- Nothing for a command that needs neither the service nor a folder of stems.
local function doctor_line()
  if not arguments.output_dir and not arguments.task then
    return nil
  end
  local words = same_service("doctor")
  if arguments.output_dir and arguments.output_dir ~= "." then
    words[#words + 1] = "-o"
    words[#words + 1] = (arguments.output_dir:gsub("^([sS]3://)[^/]*@", "%1"))
  end
  if arguments.command == "jobs" then -- the store is all that it needs
    words[#words + 1] = "--store"
    words[#words + 1] = (require("camb.store").address(arguments.store))
  end
  return "to see what is wrong, run", shell.line(words)
end

local function jobs_line(store, job, ...)
  return shell.line({ "camb", "jobs", "--store",
    (require("camb.store").address(store)), ... }) .. " "
    .. (type(job) == "number" and ("%d"):format(job) or "JOB")
end

--- The line of `camb jobs` for one job of the store.
---@param job integer|true|nil # its number; else "JOB" stands for it
---@param ... string # flags
---@return string
function cure.jobs_line(job, ...)
  return jobs_line(arguments.store, job, ...)
end

-- By the word of camb.error's table: what the line does, and the line.
local LINES = {
  again = function(err)
    return err.kind == "payment_required" and BUY or "to try again, run",
      cure.again()
  end,
  fixed = function()
    return "once that is fixed, run", cure.again()
  end,
  overwrite = function(problem)
    local is_retry = arguments.command == "batch" and arguments.store
      and #arguments.source == 0 -- a line that names files retries these
    local is_paid = problem.task_id and not problem.task_ended
    return arguments.command == "download" and "to replace it, run"
      or ("to separate it anyway%s, and replace that file, run"):format(
      (is_paid or arguments.sandbox) and "" or " (may be charged)"),
      cure.again("--overwrite", is_retry and "--retry-failed" or nil)
  end,
  doctor = doctor_line,
  login = function(err)
    if err.http_status then -- there is a key: where is it from?
      return doctor_line()
    end
    local words = { "camb", "login" }
    if arguments.profile then
      words[3], words[4] = "--profile", arguments.profile
    end
    return "to store a key, run", shell.line(words)
  end,
  help = function()
    return "to see what it takes, run", "camb help " .. arguments.command
  end,
  status = function(err)
    return "to see what the service says, run", err.task_id
      and about_task("status", err.task_id)
  end,
  wait = function(err)
    if arguments.store then
      return nil -- whose batch keeps waiting
    end
    return err.task_id and "to go on waiting, run" or "to try again, run",
      err.task_id and about_task("wait", err.task_id) or cure.again()
  end,
  task = function(err, job)
    local row = arguments.store and { store = arguments.store, id = job }
      or err.row
    return "if the dashboard shows its task, run", row
      and jobs_line(row.store, row.id, "--task", "TASK")
      or paid.doubt_line(arguments, err)
  end,
}

-- Errors by which the service says that it does not know a task.
local LOST = { not_found = true, validation = true }

--- Whether the service does not know the task of a job: a retry asks for the
--- same one.
---@param kind string? # of the error
---@param task_id string?
---@return boolean
function cure.is_lost(kind, task_id)
  return task_id ~= nil and LOST[kind or false] or false
end

--- Say what helps then: a task that may be paid for is given up only by a line
--- of its own.
---@param job integer|true|nil # as for `cure.say`
function cure.say_lost(job)
  local cost = arguments.sandbox and "" or " (may be charged twice)"
  if arguments.store then
    say("if the service has the file as another task, run", cure.jobs_line(job,
      "--task", "TASK"))
    say(("to send the file again%s, run the batch after"):format(cost),
      cure.jobs_line(job, "--forget"))
  elseif arguments.command == "separate" or arguments.command == "batch" then
    say(("to send the file again%s, name another --output-dir"):format(cost))
  end
end

-- What helps in place of lines that ask a service: a sandbox ends with the
-- command.
local IN_SANDBOX = { doctor = "again", wait = "again", task = "again",
  login = false, status = false }

-- The word for the line: of the error, or of its kind.
local function word_of(problem, job)
  local entry = errors.kind(problem.kind)
  local word = problem.shell or entry and entry.shell
  if problem.exists then
    return "overwrite"
  elseif word == "doctor" and problem.kind == "file" and (arguments.sandbox
    or not doctor_line())
  then
    word = "fixed"
  elseif arguments.sandbox and word and IN_SANDBOX[word] ~= nil then
    word = IN_SANDBOX[word]
  end
  -- The batch says at its end how to retry the jobs of its store.
  return not (job and arguments.store and (word == "fixed"
    or word == "again")) and word or nil
end

local REPEATS = { again = true, fixed = true, wait = true }

local function line_of(problem, job, is_lost)
  if type(problem) == "string" then
    return LINES.help()
  elseif is_lost and arguments.store then
    return nil
  end
  local line = paid.line(arguments, problem)
  if line then
    return ("to download its stems without paying again%s, run"):format(
      problem.exists and ", and replace that file" or ""), line
  end
  local word = word_of(problem, job)
  local what
  if word then
    what, line = LINES[word](problem, job)
  end
  if line == cure.again() and not REPEATS[word] then
    return nil -- which was what failed
  end
  return what, line
end

-- A batch with a store says it at its end.
local function say_resubmit(problem)
  local line = cure.again("--resubmit-unknown")
  if problem.kind == "unknown_outcome" and not problem.task_id
    and not arguments.store and not arguments.sandbox
    and not said[line or false]
  then
    cure.say_flag("if not, to resubmit it (may be charged twice), run",
      "--resubmit-unknown")
    said[line or false] = true
  end
end

--- Say it, on standard error; the same line once.
---@param problem camb.Error|string # a string: wrong usage
---@param job integer|true|nil # one of several: its number in the store, if
---  there is one
function cure.say(problem, job)
  if problem.kind == "payment_required" and errors.refuses_all(problem) then
    cure.say_resume(problem)
    return
  end
  local is_lost = job and cure.is_lost(problem.kind, problem.task_id)
  local words, line = line_of(problem, job, is_lost)
  if line and not said[line] then
    said[line] = true
    say(words, line)
  end
  if is_lost then
    cure.say_lost(job)
  end
  say_resubmit(problem)
end

return cure
