--- What the command says while it works: on a terminal a picture that is
--- redrawn, elsewhere a line for each step.  Both go to standard error;
--- standard output is for results, or with `--json` for events.

local core = require "camb.core"
local cure = require "camb.cli.cure"
local description = require "camb.description"
local Error = require "camb.error"
local json = require "camb.json"
local names = require "camb.batch.names"
local phases = require "camb.cli.phases"
local picture = require "camb.cli.picture"
local record = require "camb.cli.record"
local redact = require "camb.redact"
local screen = require "camb.cli.screen"
local shell = require "camb.cli.shell"
local status = require "camb.cli.status"
local store = require "camb.store"

local is_s3 = require("camb.source").is_s3

local progress = {}

---@class camb.Progress
local Progress = {}
Progress.__index = Progress

-- Seconds between two pictures.
local FRAME = 0.1

-- Lines are redrawn only for a person, on a terminal that can do so.
local function view_of(arguments)
  if arguments.json or arguments.quiet then
    return "none"
  elseif core.is_terminal() and os.getenv("TERM") ~= "dumb" then
    return "screen"
  end
  return "lines"
end

--- Open the file of `--log`, before anything is paid for.
---@param arguments table # of the command
---@return camb.Error? problem
function progress.open_log(arguments)
  local file, problem
  if arguments.log then
    file, problem = io.open(arguments.log, "a")
  end
  if problem then
    return Error.new({ kind = "file", path = arguments.log, shell = "fixed",
      message = "the log cannot be written: " .. problem })
  elseif file then
    file:setvbuf("line")
    arguments.log_file = file
  end
end

--- For `total` files.
---@param total integer
---@param arguments table # of the command
function progress.new(total, arguments)
  local view = view_of(arguments)
  return setmetatable({
    arguments = arguments,
    view = view,
    total = total,
    ended = 0,
    before = 0,       -- of these, done by earlier runs
    failures = 0,
    cut = 0,          -- by a signal, or not sent as all were refused
    refusal = nil,    -- of the key or the account, with which nothing is sent
    left_out = 0,
    of_files = 0, -- failures that are the file's own
    remaining = 0,
    elsewhere = 0,    -- that other workers have brought to an end
    doubts = {},      -- sources that may have been sent, by jobs' numbers
    minutes = 0,      -- of audio that is done, as far as is known
    durations = {},   -- by source
    active = {},      -- label and phase of each file under way
    by_source = {},   -- those by what they are called
    said = {},        -- the last words, by source
    told = setmetatable({}, { __mode = "k" }), -- what is wrong with all files
    began = core.now(),
    drawn = 0,        -- when
    screen = view == "screen" and screen.new() or nil,
    has_colour = view == "screen" and (os.getenv("NO_COLOR") or "") == "",
  }, Progress)
end

local function percent(event)
  if not event.total or event.total == 0 then
    return ("%.1f MB"):format(event.bytes / 1e6)
  end
  return ("%d %%"):format(math.floor(event.bytes * 100 / event.total))
end

-- Words for a step; nil if there is nothing to say.
local WORDS = {
  upload_started = function()
    return "uploading"
  end,
  submitted = function(event)
    return "submitted as task " .. event.task_id
  end,
  resumed = function(event, is_free)
    return ("resuming task %s%s"):format(event.task_id, is_free and ""
      or ", already paid for")
  end,
  polled = function(event)
    return event.status and "the service says " .. event.status
  end,
  run_ready = function(event)
    return event.message and "the service remarks: " .. event.message
  end,
  download_started = function(event)
    return "downloading the " .. event.stem
  end,
  downloaded = function(event)
    return ("downloaded the %s, %s"):format(event.stem, percent(event))
  end,
  retrying = function(event)
    if event.next_in then
      return ("%s: retrying in %.1f s%s"):format(event.reason, event.next_in,
        event.gives_up_in and ("; giving up in %s (--outage-timeout), or at "
        .. "Ctrl-C"):format(phases.clock(event.gives_up_in)) or "")
    end -- a first refusal by the service, which the error repeats if it stays
    return event.source ~= "the service" and event.reason or nil
  end,
  warning = function(event)
    return event.message
  end,
  probed = function(event)
    return ("%s %g kHz, %d channel%s%s"):format(event.codec, event.rate / 1000,
      event.channels, event.channels == 1 and "" or "s", event.duration
      and ", " .. phases.clock(event.duration) or "")
  end,
  changed = function()
    return "it has changed since its last run: it is a new job"
  end,
}

-- Lines that stay, also on a terminal: ids that are paid for, and what differs
-- from what was expected.
local STAYS = { submitted = true, resumed = true, warning = true,
  changed = true, run_ready = true }
-- Lines for --verbose alone.
local IS_VERBOSE = { probed = true, download_started = true,
  downloaded = true }

function Progress:record(event)
  description.add(event)
  local line = (self.arguments.json or self.arguments.log_file)
    and record.line(event)
  if self.arguments.json then
    self:print(line)
  end
  local log = self.arguments.log_file
  local ok, problem = true, nil
  if log then
    ok, problem = log:write(line)
  end
  if not ok and not self.is_unlogged then
    self.is_unlogged = true
    self:say("the log %s cannot be written: %s", self.arguments.log, problem)
  end
end

-- Whether jobs have folders of their own, whatever `--output-dir` says.
local function has_named_store(self)
  return self.arguments.store and not self.arguments.has_own_store
end

-- The folder of all stems so far: that of the command line if they are in it or
-- below it.  Nil if there is none.
local function place_of(self)
  local given = self.arguments.output_dir
  local output_dir = self.place and names.normal(names.absolute(given))
  if not self.place or self.place == core.root(self.place) then
    return nil
  elseif self.place == output_dir or not has_named_store(self)
    and names.common(self.place, output_dir) == output_dir
  then
    return given
  end
  return self.place
end

-- Of a store there may be more than the command line names.
local function count(self)
  return math.max(self.total, self.ended + #self.active)
end

local function draw(self, kept)
  local width, height = self.screen:size()
  self.drawn, self.is_drawn = core.now(), true
  self.is_due = false
  self.screen:draw(picture.lines({ active = self.active, total = count(self),
    ended = self.ended, failures = self.failures,
    seconds = self.drawn - self.began }, width, height), kept)
end

-- A result, to standard output.
function Progress:print(lines)
  local was_drawn = self.is_drawn
  self:clear()
  local ok, problem = io.stdout:write(lines)
  if ok then
    ok, problem = io.stdout:flush()
  end
  if not ok and not self.is_unwritten then
    self.is_unwritten = true
    local place = place_of(self)
    self:say("standard output cannot be written (%s)%s", problem,
      place and "; the stems are in " .. place or "")
  end
  if was_drawn then
    draw(self)
  end
end

--- Draw the picture if it is time; call it a few times a second.
function Progress:tick()
  local now = core.now()
  if self.screen and (self.is_due and now - self.drawn >= FRAME
    or now - self.drawn >= 5 * FRAME)
  then
    draw(self)
  end
end

--- Remove the picture, before something else is written.
function Progress:clear()
  if self.is_drawn then
    self.screen:draw({})
    self.is_drawn = false
  end
end

-- A line for people, which stays: names and ids are what others have made them.
local function keep(self, form, ...)
  local line = redact.visible(form:format(...)) .. "\n"
  if self.is_drawn then
    draw(self, line)
  else
    io.stderr:write(line)
  end
end

--- Say a line that stays.
function Progress:say(form, ...)
  if self.view ~= "none" then
    keep(self, "camb: " .. form, ...)
  end
end

--- What a second signal says, below the picture.
---@param words string
function Progress:last_words(words)
  core.last_words(("%scamb: %s\n"):format(self.screen and "\n" or "", words))
end

--- `words` about `source`, which they may name themselves: a store by the whole
--- path.
---@param source string? # nil: about all
---@param words string
---@return string
function progress.about(source, words)
  if not source or words:sub(1, #source) == source
    or words:find('"' .. source .. '"', 1, true)
  then
    return words
  end
  local whole = '"' .. names.absolute(source) .. '"'
  local first, last = words:find(whole, 1, true)
  return first and words:sub(1, first) .. source .. words:sub(last)
    or ("%s: %s"):format(source, words)
end

local about = progress.about

local function tell(self, event)
  local words = WORDS[event.name]
    and WORDS[event.name](event, self.arguments.sandbox)
  local is_verbose = self.arguments.verbose
  if not words or IS_VERBOSE[event.name] and not is_verbose then
    return
  elseif event.name == "warning" then
    keep(self, "camb: %s", words)
  elseif STAYS[event.name] or is_verbose
    or self.view == "lines" and words ~= self.said[event.source]
  then
    keep(self, "%s", about(event.source, words))
    self.said[event.source] = words
  end
end

-- The file under way that the event is about.
local function active_of(self, event)
  local source = event.source or ""
  local one = self.by_source[source]
  if not one then
    one = { label = redact.visible(source), source = source,
      phase = phases.new() }
    self.by_source[source] = one
    self.active[#self.active + 1] = one
  end
  return one
end

local function forget(self, source)
  local one = self.by_source[source]
  self.by_source[source], self.said[source] = nil, nil
  for i = #self.active, 1, -1 do
    if self.active[i] == one then
      table.remove(self.active, i)
    end
  end
  self.is_due = true
end

-- These are reported with whatever else is known at the end.
local IS_END = { finished = true, failed = true }

local function hear(self, event)
  if IS_END[event.name] then
    return
  end
  self:record(event)
  self.durations[event.source or false] = event.duration
    or self.durations[event.source or false]
  if self.screen then
    active_of(self, event).phase:hear(event)
    self.is_due = true
  end
  if self.view ~= "none" then
    tell(self, event)
    self:tick()
  end
end

--- A listener for on_event, of one file, or of the task that stands for it.
function Progress:listener(source)
  return function(event)
    event.source = event.source or source
    hear(self, event)
  end
end

--- A listener for the on_event of a batch.
function Progress:batch_listener()
  return function(event)
    hear(self, event)
  end
end

-- The folder that all stems so far are below of; false if there is none.
local function note_place(self, path)
  if path and is_s3(path) then
    self.place = false
  elseif path then
    local folder = names.normal(names.absolute(path):match("^(.*)/"))
    self.place = self.place == nil and folder
      or self.place and names.common(self.place, folder) or false
  end
end

-- A job that was said to have failed counts by its new end.
local function take_back(self, job)
  if self.doubts[job or false] then
    self.doubts[job] = nil
    self.ended, self.failures = self.ended - 1, self.failures - 1
  end
end

--- One file is done, or what stands for it, which gives lines of its own.
---@param stems { foreground: string?, background: string?, lines: string? }
---@param label string?
---@param job integer? # its number in the store
function Progress:done(stems, label, job)
  take_back(self, job)
  self.ended = self.ended + 1
  self.minutes = self.minutes + (self.durations[label or false] or 0) / 60
  forget(self, label)
  if stems.lines then
    self:print(stems.lines)
    return
  end
  note_place(self, stems.foreground)
  note_place(self, stems.background)
  self:record({ name = "finished", time = core.time(), source = label,
    task_id = stems.task_id, run_id = stems.run_id,
    stems = { foreground = stems.foreground,
      background = stems.background } })
  if not self.arguments.json then
    self:print((stems.foreground and stems.foreground .. "\n" or "")
      .. (stems.background and stems.background .. "\n" or ""))
  end
end

local RED, NORMAL = "\27[31m", "\27[m"

-- A signal has cut short what becomes of one file.
local function unfinished(self, source, err)
  self.cut = self.cut + 1
  self:record({ name = "unfinished", time = core.time(), source = source,
    task_id = err.task_id, run_id = err.run_id })
  io.stderr:write("camb: ", redact.visible(("%s: unfinished%s"):format(source,
    err.task_id and err.task_id ~= source and not self.arguments.sandbox
    and ("; its task %s is paid for"):format(err.task_id) or "")), "\n")
  cure.say(err)
end

-- Whether it was said of another file: the key is wrong for all, and what ends
-- a batch is the one error of all that it had not sent.
local function was_told(self, err)
  local what = (Error.refuses_all(err) or err.kind == "authentication"
    and err.step ~= "download") and err.kind or err
  local was = self.told[what]
  self.told[what] = true
  return was
end

--- What is called `source` failed; nil: all of a batch.
---@param source string?
---@param job integer|true|nil # a file of its own: as for `cure.say`
function Progress:complain(source, err, job)
  self:clear()
  source = source and redact.urls(source)
  self:record({ name = "failed", time = core.time(), source = source,
    task_id = err.task_id, run_id = err.run_id, error = err })
  local line = not was_told(self, err)
    and redact.visible(about(source, err.message)) or ""
  if line ~= "" then
    io.stderr:write("camb: ", self.has_colour and RED or "", line,
      self.has_colour and NORMAL or "", "\n")
  end
  local id = err.task_id and redact.visible(err.task_id)
  if id and id ~= source and not line:find(id, 1, true) then
    io.stderr:write("camb: ", redact.visible(about(source, "its task is "
      .. id)), "\n")
  end
  cure.say(err, job)
end

--- One file failed, or was cut short; `job` is its number in the store.
function Progress:failed(source, err, job)
  forget(self, source)
  self:clear()
  if err.kind == "cancelled" then
    unfinished(self, redact.urls(source), err)
    return
  end
  take_back(self, job)
  if Error.refuses_all(err) then
    self.cut, self.refusal = self.cut + 1, err
    self:complain(source, err, job or true)
    return
  end
  self.ended = self.ended + 1
  self.failures = self.failures + 1
  self.of_files = self.of_files + (err.kind == "source" and 1 or 0)
  if job and err.kind == "unknown_outcome" then
    self.doubts[job] = source
  end
  self.last = err
  self:complain(source, err, job or true)
end

--- One file is left as it was, with all others.
function Progress:leave(source)
  forget(self, source)
end

-- Files that were begun, or not even that.
local function count_unfinished(self)
  return math.max(self.cut, self.total - self.ended - self.remaining
    - self.elsewhere)
end

--- The batch is over: what it has not done itself, others have.
---@param jobs camb.Store
function Progress:heed_others(jobs)
  for job, source in pairs(self.doubts) do
    local row = (jobs:list({ limit = 1, after = json.digits(job - 1) })
      or {})[1]
    if row and tonumber(row.id) == job and row.state == "downloaded" then
      take_back(self, job)
      self:say("%s: another worker has downloaded its stems", source)
    end
  end
  self.elsewhere = math.max(0, self.total - self.ended - self.remaining)
end

-- "3 done (2 before), 1 failed, 2 left out; 12.5 minutes of audio in 1:10".
local function outcome(self, seconds)
  local done, before = self.ended - self.failures, self.before
  local words = { ("%d done"):format(done) .. (before == 0 and ""
    or before == done and " before" or (" (%d before)"):format(before)) }
  for _, part in ipairs({ { self.failures, "%d failed" },
    { self.elsewhere, "%d by other workers" },
    { self.left_out, "%d left out" },
    { self.remaining, self.remaining == 1 and "%d remains" or "%d remain" },
    { count_unfinished(self), "%d unfinished" } })
  do
    words[#words + 1] = part[1] > 0 and part[2]:format(part[1]) or nil
  end
  if before > 0 and before == self.ended and self.elsewhere == 0
    and count_unfinished(self) == 0
  then
    return table.concat(words, ", ") .. ": nothing was sent or charged"
  end
  local audio = self.minutes >= 0.1
    and ("; %.1f minutes of audio"):format(self.minutes)
    or self.minutes > 0 and ("; %.1f seconds of audio"):format(60
    * self.minutes) or ""
  return ("%s%s in %s"):format(table.concat(words, ", "), audio,
    phases.clock(seconds))
end

-- Say where the stems are, and how to listen to them.
local function say_place(self)
  local given, folder = self.arguments, place_of(self)
  local page = has_named_store(self) and store.address(given.store)
    or (given.store or folder == given.output_dir) and given.output_dir
  local words = { folder and "the stems are in " .. folder }
  words[#words + 1] = page
    and "to listen, run: " .. shell.line({ "camb", "report", page }) or nil
  if #words > 0 then
    self:say("%s", table.concat(words, "; "))
  end
end

-- Say what kept files from being sent.
local function say_limit(self)
  local given, names_of = self.arguments, {}
  if self.is_full then
    self:say("a full disk stopped the sending: free space, then run the same "
      .. "line again")
    return
  end
  for _, option in ipairs({ { "max_jobs", "--max-jobs" },
    { "max_minutes", "--max-minutes" }, { "send_until", "--until" } })
  do
    names_of[#names_of + 1] = given[option[1]] and option[2] or nil
  end
  self:say("%s stopped the sending: run the same line again to send more%s",
    #names_of > 0 and table.concat(names_of, " or ") or "camb jobs --limit",
    (given.max_jobs or given.max_minutes) and ", or one with a higher limit"
    or "")
end

--- Say how it went, and where to listen.
function Progress:sum_up()
  local seconds = core.now() - self.began
  self:clear()
  self:record({ name = "summary", time = core.time(),
    done = self.ended - self.failures, done_before = self.before,
    failed = self.failures, elsewhere = self.elsewhere,
    left_out = self.left_out, remaining = self.remaining,
    unfinished = count_unfinished(self), minutes = self.minutes,
    seconds = seconds })
  local is_told = count(self) < 2 and self.remaining == 0
    and (not self.screen or self.ended == self.failures) -- by its error
  if self.arguments.command == "watch" then -- which may be long ago
    is_told = self.ended == 0
  end
  if self.view == "none" or is_told then
    return
  end
  self:say("%s", outcome(self, seconds))
  if self.remaining > 0 then
    say_limit(self)
  end
  if self.place then
    say_place(self)
  end
end

--- The exit status: that of the error if there was one file, or one answer for
--- several.
---@return integer
function Progress:status()
  if self.refusal then
    return status.of(self.refusal)
  elseif self.failures == 0 then
    return self.is_unwritten and status.FILE or status.OK
  end
  return self.total == 1 and status.of(self.last) or status.SOME_FAILED
end

return progress
