--- `camb jobs`: list the jobs of a store, and correct them.

local answers = require "camb.cli.answers"
local core = require "camb.core"
local cure = require "camb.cli.cure"
local Error = require "camb.error"
local hash = require "camb.hash"
local json = require "camb.json"
local names = require "camb.batch.names"
local own_store = require "camb.cli.own_store"
local owner = require "camb.store.owner"
local phases = require "camb.cli.phases"
local redact = require "camb.redact"
local screen = require "camb.cli.screen"
local session = require "camb.cli.session"
local shell = require "camb.cli.shell"
local source = require "camb.source"
local status = require "camb.cli.status"
local store = require "camb.store"
local text = require "camb.text"
local need = Error.need

local jobs = {}

local PAGE = 1000
-- Seconds over which the rate of jobs is counted.
local RATE_SPAN = 3600
local DAY = 86400

-- What is shown of a job, in the order of the columns.
local COLUMNS = { "id", "state", "source", "name", "output_dir", "task_id",
  "run_id", "sha256", "foreground", "foreground_sha256", "background",
  "background_sha256", "attempts", "error_kind", "error", "updated" }

local function say(...)
  io.stderr:write("camb: ", redact.visible(string.format(...)), "\n")
end

-- Of these each changes the store, but for the last two.
local CHANGES = { "retry", "resubmit_unknown", "task", "forget", "archive",
  "pause", "resume", "limit", "workers", "archived" }

local function is_look(arguments)
  for i = 1, #CHANGES - 2 do
    if arguments[CHANGES[i]] then
      return false
    end
  end
  return true
end

local function open(arguments)
  local place = arguments.store
  if not store.is_url(place) and not core.stat(place) then
    return nil, Error.new({ kind = "store", shell = "help",
      message = ('there is no store "%s": name one with --store, or the folder '
      .. "of its batch by --output-dir"):format(place) })
  end
  return store.open(place, { read_only = is_look(arguments) })
end

-- The command that continues the store's batch.
local function batch_line(arguments, option)
  local address = store.address(arguments.store)
  local words = { "camb", "batch", "--store",
    store.is_url(address) and address or names.absolute(address) }
  if core.stat(address .. ".sandbox") then -- its tasks are there
    words[#words + 1] = "--sandbox"
  end
  words[#words + 1] = option
  return shell.line(words)
end

local function fields_of(row)
  local fields = {}
  for i, name in ipairs(COLUMNS) do
    local value = row[name]
    if name == "id" then
      value = tonumber(value)
    elseif name == "run_id" then
      value = value and json.digits(value)
    elseif name == "source" then
      value = source.label({ path = value })
    end
    fields[i] = { name, value }
  end
  return fields
end

local function quote_csv(value)
  local cell = value == nil and "" or text.utf8(tostring(value))
  if cell:find('[",\r\n]') then
    cell = '"' .. cell:gsub('"', '""') .. '"'
  end
  return cell
end

local function csv_line(values)
  local cells = {}
  for i = 1, #COLUMNS do
    cells[i] = quote_csv(values[i])
  end
  return table.concat(cells, ",") .. "\r\n"
end

local FORMS = {}

function FORMS.csv(row)
  local values = {}
  for i, field in ipairs(fields_of(row)) do
    values[i] = field[2]
  end
  return csv_line(values)
end

function FORMS.json(row)
  return answers.object(fields_of(row))
end

function FORMS.text(row)
  local line = ("%-7s %-16s%s%s%s"):format(tostring(row.id), row.state,
    source.label({ path = row.source }),
    row.task_id and "  task " .. row.task_id or "",
    row.error and ("  %s: %s"):format(row.error_kind, row.error) or "")
  return screen.wrap(redact.visible(line)) .. "\n"
end

-- Numbers of jobs have fewer digits, and all Luas keep these.
local MOST_DIGITS = 15

-- The row of the job with this number; nil if there is none.
local function find_number(all, word, is_archived)
  local number = #word <= MOST_DIGITS and word:match("^[1-9]%d*$")
    and tonumber(word)
  local row = number and need(all:list({ limit = 1,
    archived = is_archived, after = json.digits(number - 1) }))[1]
  return row and tostring(row.id) == word and row or nil
end

-- The rows that `words` name, each once; nil and the word that names none.  A
-- number that no job has may be the name of a file.
local function find(all, words, is_archived)
  local wanted, rows, found, taken = {}, {}, {}, {}
  local function take(row, word)
    if not taken[row.key] then
      rows[#rows + 1] = row
    end
    taken[row.key], found[word] = true, true
  end
  for _, word in ipairs(words) do
    local row = find_number(all, word, is_archived)
    if row then
      take(row, word)
    else
      wanted[source.is_url(word) and word or names.absolute(word)] = word
    end
  end
  for row in all:each({ archived = is_archived,
    limit = next(wanted) and PAGE or 0 })
  do
    if wanted[row.source] then
      take(row, wanted[row.source])
    end
  end
  for _, word in ipairs(words) do
    if not found[word] then
      return nil, word
    end
  end
  return rows
end

local function each(all, rows, arguments)
  local state, i = arguments.state, 0
  local function next_named()
    i = i + 1
    return rows[i]
  end
  local next_row = rows and next_named or all:each({ state = state,
    limit = PAGE, archived = arguments.archived })
  return function()
    local row
    repeat
      row = next_row()
    until not row or not state or row.state == state
    return row
  end
end

-- `numbers` of those jobs, by their state, or "lost".
local function say_what_helps(arguments, numbers)
  if numbers.failed then
    io.stderr:write("camb: to retry what failed, run: ",
      batch_line(arguments, "--retry-failed"), "\n")
  end
  if numbers.unknown_outcome then
    io.stderr:write("camb: if the dashboard shows the task of a job with an "
      .. "unknown outcome, run: ", cure.jobs_line(numbers.unknown_outcome,
      "--task", "TASK"), "\n")
  end
  if numbers.lost then
    cure.say_lost(numbers.lost)
  end
end

local function list(all, arguments, rows)
  local form = FORMS[arguments.json and "json" or arguments.csv and "csv"
    or "text"]
  local numbers = {} -- true: of several
  if form == FORMS.csv then
    io.stdout:write(csv_line(COLUMNS))
  end
  for row in each(all, rows, arguments) do
    local is_lost = row.state == "failed"
      and cure.is_lost(row.error_kind, row.task_id)
    for _, state in ipairs({ row.state, is_lost and "lost" or nil }) do
      numbers[state] = numbers[state] and true or tonumber(row.id)
    end
    io.stdout:write(form(row))
  end
  if form == FORMS.text then
    io.stdout:flush()
    say_what_helps(arguments, numbers)
  end
end

-- Make `change(row)`, which tells how many jobs it changed, of each row.
local function change_each(rows, change, complaint)
  local changed = 0
  for _, row in ipairs(rows) do
    local count = need(change(row))
    if count == 0 then
      say(complaint, row.id, row.state)
    end
    changed = changed + count
  end
  return changed
end

local function plural(count)
  return count == 1 and "1 job" or count .. " jobs"
end

local function say_done(arguments, count, words)
  say("%s %s", plural(count), words)
  if count > 0 then
    io.stderr:write("camb: to continue the batch, run: ",
      batch_line(arguments), "\n")
  end
end

local ACTIONS = {}

local function begin_again(all, arguments, rows, wanted, complaint)
  local count
  if rows then
    count = change_each(rows, function(row)
      return all:retry_failed({ failed = wanted == "failed",
        unknown = wanted == "unknown_outcome", key = row.key })
    end, complaint)
  else
    count = need(all:retry_failed({ failed = wanted == "failed",
      unknown = wanted == "unknown_outcome" }))
  end
  say_done(arguments, count, "will be retried by the next batch")
  return (rows and count < #rows) and status.USAGE or status.OK
end

function ACTIONS.retry(all, arguments, rows)
  return begin_again(all, arguments, rows, "failed",
    "job %s is %s: only failed jobs are retried")
end

function ACTIONS.resubmit_unknown(all, arguments, rows)
  return begin_again(all, arguments, rows, "unknown_outcome",
    "job %s is %s: only jobs with an unknown outcome are resubmitted")
end

function ACTIONS.task(all, arguments, rows)
  local row = rows and #rows == 1 and rows[1]
  if not row then
    return session.complain("--task needs exactly one job: name its number")
  end
  local count = need(all:assign(row.key, arguments.task,
    row.sha256 or hash.of_file({}, row.source)))
  if count == 0 then
    return session.complain(("job %s is %s, or a batch is using it: it cannot "
      .. "take another task"):format(row.id, row.state))
  elseif row.task_id then
    say("job %s: its task was %s", row.id, row.task_id)
  end
  say_done(arguments, count, "has its task")
  return status.OK
end

function ACTIONS.archive(all, arguments)
  local count = need(all:archive(arguments.archive * DAY))
  say("%s moved into the archive, which camb jobs --archived lists",
    plural(count))
  return status.OK
end

function ACTIONS.pause(all, arguments)
  need(all:halt(arguments.pause))
  say("paused: no worker sends anything; to resume, run: %s",
    shell.line({ "camb", "jobs", "--store",
    (store.address(arguments.store)), "--resume" }))
  return status.OK
end

function ACTIONS.resume(all)
  need(all:halt(nil))
  need(all:resume())
  say("resumed")
  return status.OK
end

function ACTIONS.limit(all, arguments)
  local name, value = arguments.limit:match("^(%l+)=(.*)$")
  need(all:limit(name, tonumber(value)))
  say("limit of %s for all workers: %s", name, value)
  return status.OK
end

function ACTIONS.workers(all)
  for _, worker in ipairs(need(all:workers())) do
    print(redact.visible(("worker    %s, lease %g s, jobs %d"):format(
      owner.label(worker.owner), worker.lease, worker.jobs)))
  end
  local controls = need(all:controls())
  if controls.halt then
    print("paused    " .. redact.visible(controls.halt))
  elseif controls.pause then
    print(("paused    %.0f s more: %s"):format(
      math.max(0, controls.pause.seconds),
      redact.visible(controls.pause.reason)))
  end
  for _, name in ipairs({ "uploads", "requests", "jobs", "minutes" }) do
    if controls[name] then
      print(("limit     %s %g"):format(name, controls[name]))
    end
  end
  local done, left, span = need(all:rate(RATE_SPAN))
  print(("rate      %d done in the last hour, %d left%s"):format(done, left,
    done > 0 and left > 0 and ", about " .. phases.clock(left / done * span)
    or ""))
  return status.OK
end

-- The ids of paid tasks stay on the screen.
local function say_tasks(rows)
  for _, row in ipairs(rows) do
    if row.task_id and row.state ~= "downloaded" then
      say("%s: its task is %s; to download its stems, run: %s",
        source.label({ path = row.source }), row.task_id,
        shell.line(shell.with_ids({ "camb", "download", "-o",
        row.output_dir or "." }, { row.task_id })))
    end
  end
end

function ACTIONS.forget(all, _, rows)
  if not rows then
    return session.complain("--forget needs the jobs to forget: name them by "
      .. "number or source")
  elseif need(all:other_workers()) > 0 then
    return session.complain(Error.new({ kind = "store",
      message = "a batch is using this store: forget jobs once it has ended" }))
  end
  local count = change_each(rows, function(row)
    return all:forget(row.key)
  end, "job %s is %s: a worker has it")
  say_tasks(rows)
  say("%s forgotten", plural(count))
  return status.OK
end

local function act(all, arguments)
  local rows, unknown
  if #arguments.job > 0 then
    rows, unknown = find(all, arguments.job, arguments.archived)
    if not rows then
      return session.complain((arguments.archived
        and 'the archive has no job "%s": camb jobs --archived lists them by '
        .. "number and source" or 'the store has no job "%s": camb jobs lists '
        .. "them by number and source, camb jobs --archived those in the "
        .. "archive"):format(unknown))
    end
  end
  if not is_look(arguments) then
    need(all:other_workers()) -- the jobs of those that ended are free
  end
  for name, action in pairs(ACTIONS) do
    if arguments[name] then
      return action(all, arguments, rows)
    end
  end
  list(all, arguments, rows)
  return status.OK
end

local function problem_of(arguments)
  local given
  for _, name in ipairs(CHANGES) do
    if arguments[name] and given then
      return ("--%s excludes --%s"):format(given:gsub("_", "-"),
        (name:gsub("_", "-")))
    end
    given = arguments[name] and name or given
  end
  if arguments.json and arguments.csv then
    return "--json excludes --csv"
  end
end

--- Run it.
---@param arguments table
---@return integer status
function jobs.run(arguments)
  local problem = problem_of(arguments)
  if problem then
    return session.complain(problem)
  end
  arguments.store = arguments.store or own_store.find(arguments.output_dir)
  local all, err = open(arguments)
  if not all then
    return session.complain(err)
  end
  local ok, result = pcall(act, all, arguments)
  all:close()
  if not ok then
    return session.complain(result)
  end
  return result
end

return jobs
