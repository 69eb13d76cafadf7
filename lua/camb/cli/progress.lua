--- What the command says while it works: on a terminal one line that is written
--- over, elsewhere a line for each step.  Both go to standard error; standard
--- output is for results.

local core = require "camb.core"
local paid = require "camb.cli.paid"
local redact = require "camb.redact"
local status = require "camb.cli.status"

local progress = {}

---@class camb.Progress
local Progress = {}
Progress.__index = Progress

local WIDTH = 78

--- For `total` files.
---@param total integer
---@param arguments table # of the command
function progress.new(total, arguments)
  return setmetatable({
    arguments = arguments,
    total = total,
    ended = 0,
    failures = 0,
    is_terminal = core.is_terminal(),
    has_line = false,
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
  upload_progress = function(event)
    return "uploading " .. percent(event)
  end,
  submitted = function(event)
    return "submitted as task " .. event.task_id
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
  download_progress = function(event)
    return ("downloading the %s %s"):format(event.stem, percent(event))
  end,
  retrying = function(event)
    return event.next_in and ("%s: retrying in %.1f s"):format(
      event.reason, event.next_in) or event.reason
  end,
}

-- Steps that come often are for the terminal's line only.
local IS_FREQUENT = {
  upload_progress = true,
  download_progress = true,
  download_started = true,
}

-- A line for people: names and ids are what others have made them.
local function write(form, ...)
  io.stderr:write(redact.visible(form:format(...)), "\n")
end

local function shorten(text, width)
  return #text > width and text:sub(1, width - 1) .. "…" or text
end

function Progress:clear()
  if self.has_line then
    io.stderr:write("\r", (" "):rep(WIDTH), "\r")
    self.has_line = false
  end
end

function Progress:show(text)
  self:clear()
  io.stderr:write(shorten(text, WIDTH))
  io.stderr:flush()
  self.has_line = true
end

--- Say a line that stays.
function Progress:say(form, ...)
  self:clear()
  write("camb: " .. form, ...)
end

-- Say the event's words, unless they were `said` before; the words.
local function tell(self, event, said)
  if event.name == "warning" then
    self:clear()
    io.stderr:write(("camb: %s\n"):format(event.message))
    return said
  elseif event.name == "changed" then
    self:say("%s has changed since its last run: it is a new job",
      event.source)
    return said
  end
  local words = WORDS[event.name] and WORDS[event.name](event)
  if not words then
    return said
  end
  if self.is_terminal and event.name == "submitted" then
    self:clear() -- nothing is written over it
    write("%s: %s", event.source, words)
  elseif self.is_terminal then
    self:show(redact.visible(("[%d/%d] %s: %s"):format(self.ended, self.total,
      event.source, words)))
  elseif not IS_FREQUENT[event.name] and words ~= said then
    write("%s: %s", event.source, words)
    return words
  end
  return said
end

--- A listener for on_event, of one file, or of the task that stands for it.
function Progress:listener(source)
  local said
  return function(event)
    event.source = event.source or source
    said = tell(self, event, said)
  end
end

--- A listener for the on_event of a batch.
function Progress:batch_listener()
  local said = {}
  return function(event)
    said[event.source] = tell(self, event, said[event.source])
    if event.name == "finished" or event.name == "failed" then
      said[event.source] = nil
    end
  end
end

--- One file is done.
function Progress:done(stems)
  self.ended = self.ended + 1
  self:clear()
  local ok, problem = io.stdout:write(stems.foreground, "\n", stems.background,
    "\n")
  if ok then
    ok, problem = io.stdout:flush()
  end
  if not ok and not self.is_unwritten then
    self.is_unwritten = true
    self:say("standard output cannot be written (%s); the stems are in %s",
      problem, self.arguments.output_dir)
  end
end

--- One file failed.
function Progress:failed(source, err)
  self.ended = self.ended + 1
  self.failures = self.failures + 1
  self.last = err
  self:clear()
  source = redact.urls(source)
  write("camb: %s: %s", source, err.message)
  local id = err.task_id and redact.visible(err.task_id)
  if id and not err.message:find(id, 1, true) then
    write("camb: %s: its task is %s", source, id)
  end
  local line = paid.line(self.arguments, err)
  if line then
    io.stderr:write("camb: to download its stems without paying again, run: ",
      line, "\n")
  end
end

--- The exit status: that of the error if there was one file, or one answer for
--- several.
---@return integer
function Progress:status()
  if self.failures == 0 then
    return self.is_unwritten and status.FILE or status.OK
  end
  return self.total == 1 and status.of(self.last) or status.SOME_FAILED
end

return progress
