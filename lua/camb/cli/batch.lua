--- `camb batch`: many files, and with a store a batch that can be stopped and
--- resumed at any time, by any number of machines.

local camb = require "camb"
local core = require "camb.core"
local Error = require "camb.error"
local journal = require "camb.journal"
local redact = require "camb.redact"
local progress = require "camb.cli.progress"
local session = require "camb.cli.session"
local source = require "camb.source"
local status = require "camb.cli.status"
local sources = require "camb.batch.sources"
local store = require "camb.store"
local workers = require "camb.cli.workers"

local batch = {}

local LEAVE_IT_OUT = "PGPASSWORD or ~/.pgpass"

-- How to run it again, as far as it matters, with more words behind it.
local function again(arguments, words)
  local address, is_less = store.address(arguments.store)
  if address:find("[^%w@%%+=:,./_-]") then
    address = "'" .. address:gsub("'", "'\\''") .. "'"
  end
  return ("camb batch --store %s%s%s"):format(redact.visible(address), words,
    is_less and "  (with its password in " .. LEAVE_IT_OUT .. ")" or "")
end

-- A list of the machine's processes shows the whole command line.
local function warn_of_password(arguments)
  if arguments.store and select(2, store.address(arguments.store)) then
    io.stderr:write("camb: other users of this machine see the password in "
      .. "--store: leave it to ", LEAVE_IT_OUT, "\n")
  end
end

local function open_store(arguments)
  if not store.is_url(arguments.store) and not core.stat(arguments.store) then
    return nil, Error.new({ kind = "store",
      message = ("no such store: %s"):format(arguments.store) })
  end
  return store.open(arguments.store)
end

local STATES = { "intended", "submitting", "submitted", "finished",
  "downloaded", "failed", "unknown_outcome" }

local function say(words)
  print(redact.visible(words))
end

local function print_reasons(jobs, state)
  for row in jobs:each({ state = state }) do
    local label = source.label({ path = row.source })
    say(("%s: %s: %s"):format(state, label, row.error or "no reason"))
    if row.task_id then
      say(("%s: %s: its task is %s"):format(state, label, row.task_id))
    end
  end
end

--- How many jobs are in which state, and why some failed.
local function print_status(arguments)
  local jobs, problem = open_store(arguments)
  if not jobs then
    return session.complain(problem)
  end
  local ok, err = pcall(function()
    local counts = assert(jobs:count())
    for _, state in ipairs(STATES) do
      if counts[state] then
        print(("%-16s%d"):format(state, counts[state]))
      end
    end
    print_reasons(jobs, "failed")
    print_reasons(jobs, "unknown_outcome")
  end)
  jobs:close()
  if not ok then
    return session.complain(err)
  end
  return 0
end

local function options_of(arguments, report, base)
  local options = session.options(arguments, report:batch_listener())
  options.uploads, options.downloads = arguments.jobs, arguments.jobs
  options.pending = arguments.pending
  options.base_dir = base ~= "" and base or nil
  options.store = arguments.store
  options.retry_failed = arguments.retry_failed or nil
  options.resubmit_unknown = arguments.resubmit_unknown or nil
  return options
end

-- How many jobs of the store are where, of this run or of earlier ones; nil
-- if there is no store, or no more.
local function count(arguments)
  local jobs = arguments.store and open_store(arguments)
  local counts = jobs and jobs:count()
  if jobs then
    jobs:close()
  end
  return counts or nil
end

-- Only what helps.
local function say_how_to_resume(arguments, counts, is_stopped)
  local words, option = nil, ""
  if is_stopped then
    words = (counts or store.is_url(arguments.store or ""))
      and "to resume, run"
  elseif counts and counts.failed then
    words, option = "see failures with --status; retry them with",
      " --retry-failed"
  elseif counts and counts.unknown_outcome then
    words, option = "see unknown outcomes with --status; resubmit them (may be "
      .. "charged twice) with", " --resubmit-unknown"
  end
  local line = words and again(arguments, option)
  if line and not line:find("…", 1, true) then
    io.stderr:write("camb: ", words, ": ", line, "\n")
  end
end

local function status_of(counts, report, problems, whole)
  local number = report:status()
  local has_failed = counts and (counts.failed or counts.unknown_outcome)
  if whole then
    return status.of(whole)
  elseif #problems > 0 and report.ended == 0 then
    return status.FILE
  elseif number == status.OK and (#problems > 0 or has_failed) then
    return status.SOME_FAILED
  end
  return number
end

local function work(client, arguments)
  local list, base, problems, left_out = sources.expand(arguments.source,
    arguments.output_dir, arguments.store)
  local report = progress.new(#list, arguments)
  local whole -- what ended the batch as a whole
  for _, problem in ipairs(problems) do
    io.stderr:write("camb: ", redact.visible(problem.message), "\n")
  end
  if left_out > 0 then
    report:say("skipped %d file%s that camb wrote", left_out,
      left_out == 1 and "" or "s")
  end
  local running
  local unfetched = {}
  local ok, problem = pcall(function()
    running = client:batch(list, options_of(arguments, report, base))
    local is_done = false
    camb.spawn(workers.watch, function()
      unfetched = running:unfetched()
      running:close()
    end, function()
      return is_done
    end)
    for item in running do
      if item.error then
        report:failed(item.source or (store.address(arguments.store)),
          item.error)
        whole = whole or not item.source and item.error
      else
        report:done(item.stems)
      end
    end
    is_done = true
  end)
  if running then
    running:close()
  end
  report:clear()
  for _, item in ipairs(unfetched) do
    report:failed(item.source, item.error)
  end
  if client.journal then
    journal.clear(client.journal)
  end
  local signal = core.caught_signal()
  if signal then
    ok, problem = false, "interrupted by " .. signal
  end
  if not ok then -- or a value that no option takes
    local number = session.complain(problem,
      signal and status.of_signal(signal))
    say_how_to_resume(arguments, count(arguments), true)
    return number
  end
  local counts = count(arguments)
  say_how_to_resume(arguments, counts, false)
  return status_of(counts, report, problems, whole)
end

-- A sandbox for a store has to be there again, tasks and all, when the store
-- is resumed.
local function sandbox_of(arguments)
  if not arguments.sandbox or not arguments.store then
    return nil
  end
  local folder = arguments.store .. ".sandbox"
  core.make_folder(folder)
  local file = io.open(folder .. "/port")
  local port = file and tonumber(file:read("*a"))
  if file then
    file:close()
  end
  return { data_dir = folder .. "/data", port = port }, folder .. "/port"
end

-- Remember the port for the next time.
local function keep_port(path, client)
  local port = client.base_url:match(":(%d+)/")
  local file = path and io.open(path, "w")
  if file then
    file:write(port)
    file:close()
  end
end

--- Run it; the exit status is 0 only when every file's stems are whole.
---@param arguments table
---@return integer status
function batch.run(arguments)
  local needs_store = arguments.status or arguments.retry_failed
    or arguments.resubmit_unknown
  if needs_store and not arguments.store then
    return session.complain("--status, --retry-failed and --resubmit-unknown "
      .. "need --store")
  elseif arguments.status then
    warn_of_password(arguments)
    return print_status(arguments)
  elseif #arguments.source == 0 and not arguments.store then
    return session.complain("no files: name some, or a --store that holds jobs")
  elseif arguments.sandbox and arguments.store
    and store.is_url(arguments.store) then
    return session.complain("--sandbox needs a --store that is a file, as it "
      .. "keeps its tasks beside it")
  end
  warn_of_password(arguments)
  local more, port_path = sandbox_of(arguments)
  return session.run(arguments, function(client)
    keep_port(port_path, client)
    return work(client, arguments)
  end, more)
end

return batch
