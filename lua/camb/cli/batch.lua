--- `camb batch`: many files, and with a store a batch that can be stopped and
--- resumed at any time, by any number of machines.  `camb separate` is a batch
--- without a store, with all stems in one folder; `camb watch` one of what
--- appears in a folder, until it is interrupted.

local camb = require "camb"
local core = require "camb.core"
local cure = require "camb.cli.cure"
local Error = require "camb.error"
local hooks = require "camb.cli.hooks"
local options_table = require "camb.options"
local own_store = require "camb.cli.own_store"
local paid = require "camb.cli.paid"
local plan = require "camb.cli.plan"
local progress = require "camb.cli.progress"
local redact = require "camb.redact"
local rehearsal = require "camb.cli.rehearsal"
local session = require "camb.cli.session"
local several = require "camb.cli.several"
local source = require "camb.source"
local status = require "camb.cli.status"
local store = require "camb.store"
local need = Error.need

local batch = {}

-- A list of the machine's processes shows the whole command line.
local function warn_of_password(arguments)
  if arguments.store and select(2, store.address(arguments.store)) then
    io.stderr:write("camb: other users of this machine can see the password "
      .. "in --store: use PGPASSWORD or ~/.pgpass instead\n")
  end
end

local function open_store(arguments)
  if not store.is_url(arguments.store) and not core.stat(arguments.store) then
    return nil, Error.new({ kind = "store",
      message = ("no such store: %s"):format(arguments.store) })
  end
  return store.open(arguments.store, { read_only = true })
end

local STATES = { "intended", "submitting", "submitted", "finished",
  "downloaded", "archived", "failed", "unknown_outcome" }

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
    local counts = need(jobs:count())
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

local function options_of(arguments, report, base, told)
  local options = session.options(arguments,
    told:listener(report:batch_listener()), "batch")
  options.uploads, options.downloads = arguments.jobs, arguments.jobs
  if arguments.command == "separate" then -- as patient as a single call
    options.max_attempts = options.max_attempts
      or options_table.of("separate").max_attempts.default
  end
  -- the sandbox charges nothing, whatever it has accepted
  options.resubmit_unknown = options.resubmit_unknown or arguments.sandbox
  options.confirm = told:confirm()
  options.base_dir = base ~= "" and base or nil
  options.probe = pcall(require, "camb.audio") or nil
  return options
end

-- How many jobs of the store are in each state, of this run and earlier ones;
-- nil without a store.  `report` heeds what others have done.
local function count(arguments, report)
  local jobs = arguments.store and open_store(arguments)
  local counts = jobs and jobs:count()
  if counts and report then
    report:heed_others(jobs)
  end
  if jobs then
    jobs:close()
  end
  return counts or nil
end

-- Print only what helps.
local function say_how_to_retry(arguments, counts, report)
  if counts and counts.failed then
    cure.say_flag(report.failures > 0 and report.failures == report.of_files
      and "see failures with --status; once their files are mended, retry them "
      .. "with" or "see failures with --status; retry them with",
      "--retry-failed")
  end
  if counts and counts.unknown_outcome then
    cure.say_flag("see unknown outcomes with --status; resubmit them"
      .. (arguments.sandbox and "" or " (may be charged twice)") .. " with",
      "--resubmit-unknown")
  end
end

-- Whether the failures of the store are this line's: it named no files, or
-- other workers may have ended some of them.
local function is_about(arguments, report)
  return #arguments.source == 0 or report.failures > 0 or report.elsewhere > 0
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
  elseif number == status.OK and report.remaining > 0 then
    return status.SOME_REMAIN
  end
  return number
end

-- In a watched folder, the files so far are all.
local function counted(take, report)
  return function()
    local path = take()
    report.total = report.total + (path and 1 or 0)
    return path
  end
end

-- What is left out of it is told as it is found.
local function telling(take, found, report)
  return function()
    local path = take()
    plan.tell_left_out(found, report)
    return path
  end
end

local function tell_item(arguments, report, item)
  if item.skipped and item.error then
    item.error.message = "failed before: " .. item.error.message
  end
  if arguments.command == "watch" and item.skipped and item.stems then
    report:say("%s was done before", item.source)
    report.total = report.total - 1
  elseif item.remains then
    report:leave(item.source)
  elseif item.error and not item.source then
    report:complain(nil, item.error)
  elseif item.error then
    report:failed(item.source, item.error, item.job)
  else
    report.before = report.before + (item.skipped and 1 or 0)
    report:done(item.stems, item.source, item.job)
  end
end

local function begin(client, arguments, found, report, more)
  local list, options = found.list, options_of(arguments, report, found.base,
    more.told)
  if type(list) == "function" then
    list = telling(list, found, report)
  end
  if more.page then
    list = more.page:sources(list)
    more.page:show(report)
    options.on_event = more.page:listener(options.on_event)
  end
  if type(list) == "function" and not more.page then
    report.total = 0
    list = counted(list, report)
  end
  return client:batch(list, options)
end

local function say_added(arguments, report, added, moved)
  if arguments.add_only then
    report:say("added %d job%s to the store", added, added == 1 and "" or "s")
  end
  if moved > 0 then
    report:say("gave %d known job%s priority %d", moved,
      moved == 1 and "" or "s", arguments.priority)
  end
end

-- What a second signal says; `sending` is nil before the first, when a store
-- may not be there yet.
local function last_words(arguments, found, sending)
  local is_charged = sending and sending > 0 and not arguments.sandbox
  return ("stopped at once%s%s"):format(is_charged
    and (": %d upload%s under way may be charged"):format(sending,
    sending == 1 and "" or "s") or "", (found.temporary
    or sending and paid.has_lost_store(arguments)) and ""
    or "; to resume, run the same line again")
end

-- Every item is reported; what is unfetched when a signal comes, and what ended
-- the batch as a whole.
local function follow(client, arguments, found, report, more)
  local whole
  local running = begin(client, arguments, found, report, more)
  local is_done = false
  report:last_words(last_words(arguments, found))
  camb.spawn(several.watch, function(is_first)
    local sending = running:drain(arguments.drain)
    report:last_words(last_words(arguments, found, sending))
    if is_first and sending > 0 then
      report:say("finishing uploads under way; a second %s stops at once",
        core.caught_signal())
    end
  end, function()
    return is_done
  end, report)
  local ok, problem = pcall(function()
    for item in running do
      more.told:tell(item)
      tell_item(arguments, report, item)
      whole = whole or not item.source and item.error
      if more.page then
        more.page:ended(item)
      end
    end
  end)
  is_done = true
  more.told:finish()
  report.remaining, report.is_full = running:remaining()
  if ok then
    say_added(arguments, report, running:added())
  end
  running:close()
  report:clear()
  if not ok then
    error(problem, 0)
  end
  return running:unfetched(), whole
end

-- A batch's page is closed by a signal, which interrupts nothing if nothing is
-- under way.
local function signal_of(page, unfetched)
  local is_over = page and not page.is_watch and page:is_idle()
  return not (is_over and #unfetched == 0) and core.caught_signal() or nil
end

-- `more`: told, which is called with each item; page, on which it is shown.
local function work(client, arguments, found, more)
  local report = progress.new(type(found.list) == "table"
    and not arguments.add_only and #found.list or 0, arguments)
  if arguments.command == "watch" then
    report:say("watching %s", arguments.folder)
  end
  for _, problem in ipairs(found.problems) do
    io.stderr:write("camb: ", redact.visible(problem.message), "\n")
  end
  local ok, unfetched, whole = pcall(follow, client, arguments, found, report,
    more)
  local problem = not ok and unfetched or nil
  unfetched = ok and unfetched or {}
  for _, item in ipairs(unfetched) do
    report:failed(item.source, item.error, item.job)
  end
  plan.tell_left_out(found, report)
  local signal = signal_of(more.page, unfetched)
  local counts = ok and not signal and not (whole and whole.kind == "store")
    and not arguments.add_only and count(arguments, not whole and report)
    or nil
  counts = is_about(arguments, report) and counts or nil
  report:sum_up()
  if signal or not ok then -- or a value that no option takes
    return session.complain(signal and "interrupted by " .. signal or problem,
      signal and status.of_signal(signal))
  end
  say_how_to_retry(arguments, counts, report)
  if whole and whole.kind ~= "store" and whole.kind ~= "file" then
    cure.say_resume(whole)
  end
  local number = status_of(counts, report, found.problems,
    whole or report.refusal)
  return number == status.OK and more.told.failures > 0 and status.GENERAL
    or number
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

local function with_page(client, arguments, found, told)
  if not arguments.page then
    return work(client, arguments, found, { told = told })
  end
  local page, problem = require("camb.cli.page").open(arguments)
  if not page then
    return session.complain(problem)
  end
  local number = work(client, arguments, found, { told = told, page = page })
  page:close()
  return number
end

-- Separate what `arguments.source` stands for.
local function separate(arguments)
  local told, err = hooks.new(arguments)
  local found
  if told then
    found, err = plan.of(arguments)
  end
  if found then
    plan.say_waiting(arguments, found)
  end
  local number, is_prepared
  if found and not arguments.dry_run then
    is_prepared, err = own_store.prepare(arguments, found)
  elseif found then
    number, err = rehearsal.run(arguments, found)
  end
  if is_prepared then
    local more, port_path = sandbox_of(arguments)
    number = session.run(arguments, function(client)
      keep_port(port_path, client)
      return with_page(client, arguments, found, told)
    end, more)
  end
  if found then
    plan.clear(found)
  end
  return number or session.complain(err, err.kind == "cancelled"
    and status.of_signal(core.caught_signal()) or nil)
end

local function run_batch(arguments)
  local needs_store = arguments.command ~= "watch" -- which makes one
    and (arguments.status or arguments.retry_failed
    or arguments.resubmit_unknown and #arguments.source == 0)
  local is_s3 = source.is_s3(arguments.output_dir)
  if is_s3 and (not arguments.store or arguments.page) then
    return session.complain("an --output-dir in S3 needs --store, a file or a "
      .. "database for the jobs, and excludes --page")
  end
  local ok, problem = own_store.choose(arguments, needs_store)
  if not ok then
    return session.complain(problem)
  elseif needs_store and not arguments.store then
    return session.complain("--status, --retry-failed and --resubmit-unknown "
      .. "need --store, or an --output-dir that a batch has kept one in")
  elseif arguments.status then
    warn_of_password(arguments)
    return print_status(arguments)
  elseif #arguments.source == 0 and not arguments.store
    and not arguments.page
  then
    return session.complain("no files: name some, or a --store or an "
      .. "--output-dir that holds jobs")
  elseif arguments.sandbox and arguments.store
    and store.is_url(arguments.store) then
    return session.complain("--sandbox needs a --store that is a file, as it "
      .. "keeps its tasks beside it")
  end
  for _, role in ipairs({ "add_only", "follow" }) do
    if arguments[role] and not arguments.store then
      return session.complain(("--%s needs a store: name one with --store")
        :format((role:gsub("_", "-"))))
    end
  end
  if arguments.add_only and arguments.follow then
    return session.complain("--add-only excludes --follow")
  end
  if arguments.command == "watch" and not arguments.store then
    return session.complain("watch needs a store, so that nothing is paid for "
      .. "twice: install LuaDBI for SQLite (Debian: lua-dbi-sqlite3)")
  end
  warn_of_password(arguments)
  return separate(arguments)
end

local RUN = { batch = run_batch }

function RUN.separate(arguments)
  arguments.source = arguments.file
  return separate(arguments)
end

function RUN.watch(arguments)
  local kind, reason = core.stat(arguments.folder)
  if kind ~= "folder" then
    return session.complain(('"%s" cannot be watched: %s'):format(
      arguments.folder, kind and "it is not a folder" or reason), status.FILE)
  end
  arguments.source = { arguments.folder }
  return run_batch(arguments)
end

--- Run the one that is named; the exit status is 0 only when every file's stems
--- are whole.
---@param arguments table
---@return integer status
function batch.run(arguments)
  return RUN[arguments.command](arguments)
end

return batch
