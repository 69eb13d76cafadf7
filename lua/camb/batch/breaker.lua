--- When the service as a whole refuses or fails, a batch stops sending: unsent
--- jobs wait, paid ones continue.  After a growing pause one job is sent as a
--- probe; the first that is accepted lets all continue.  With a store the pause
--- holds for all of its workers.  A service that is away altogether, as a free
--- request shows, is sent no probe: what became of it would be unknown.
---
--- Where the key or the account is refused to who asks for paid tasks, these
--- wait, too: one asks again now and then, and its answer lets all go on.

local Error = require "camb.error"
local api = require "camb.api"
local core = require "camb.core"
local job = require "camb.batch.job"
local operations = require "camb.operations"
local scheduler = require "camb.async.scheduler"

---@class camb.BatchBreaker
local Breaker = {}
Breaker.__index = Breaker

local breaker = {}

-- Seconds: the first pause, the longest, and between two looks of a waiting
-- job.
local FIRST, LONGEST, LOOK = 1, 60, 0.25
-- Seconds after which those who wait say so again.
local REMINDER = 10
-- This many unknown outcomes in a row are the service's fault, not a job's.
local MOST_DOUBTS = 3

local REFUSALS = Error.REFUSALS
local DOUBTFUL = { rate_limited = true, server = true, network = true,
  timeout = true, unknown_outcome = true }

-- Errors of any request to a service that is away; a proxy answers for it so.
local AWAY = { rate_limited = true, network = true, timeout = true,
  [502] = true, [503] = true, [504] = true }
-- No task is called so.
local NO_TASK = "0"

--- For `run`.
---@param run camb.BatchRun
---@return camb.BatchBreaker
function breaker.new(run)
  return setmetatable({
    run = run,
    reopens = false,      -- when a probe may be sent, while nothing else may
    probe = false,        -- the job that is one
    pause = FIRST,
    doubts = 0,           -- since the last upload that was accepted
    has_accepted = false, -- any upload of this run
    under_way = 0,        -- uploads without an answer so far
    began = false,        -- when the outage did
    given_up = false,     -- the error, if it lasts
    halted = false,       -- why people stopped all sending
    waiting = 0,          -- jobs that could be the next probe
    refused = false,      -- since when what asks for paid tasks is refused
    asks_at = 0,          -- when one of these jobs asks again,
    asks_after = FIRST,   -- after this pause,
    asker = false,        -- and which one does
    reason = "", told = 0, -- what was said last, and when
  }, Breaker)
end

--- Whether nothing but a probe may be sent.
---@return boolean
function Breaker:is_open()
  return self.reopens ~= false or self.halted ~= false
end

--- Whether an unsent job may begin: one that waits is enough.
---@return boolean
function Breaker:has_room()
  return not self:is_open() or self.given_up ~= false
    or not self.halted and self.waiting == 0 and not self.probe
end

local function tell(self, step, reason, seconds)
  self.reason, self.told = reason, core.now()
  local who = self.halted and "the store" or "the service"
  local since = step == "poll" and self.refused or self.began
  local left = since and self.run.options.outage_timeout + since - self.told
  job.new(self.run, { source = who }):emit("retrying", { step = step,
    reason = reason, next_in = seconds, gives_up_in = seconds and left
    and left < math.huge and math.max(0, left) or nil })
end

-- Nothing stands still for long without a word.
local function remind(self, step, goes_on)
  local now = core.now()
  if now - self.told >= REMINDER then
    tell(self, step, self.reason, not self.halted
      and math.max(0, goes_on - now) or nil)
  end
end

local function open(self, seconds)
  local now = core.now()
  self.began = self.began or now
  self.reopens, self.probe = now + seconds, false
end

local function is_overdue(self)
  return core.now() - self.began > self.run.options.outage_timeout
end

local function give_up(self, err)
  self.given_up = Error.new({ kind = err.kind, step = "submit",
    http_status = err.http_status, message = err.message
      .. ": nothing more was sent" })
  self.run.room:notify()
end

--- Other workers of the store have found the service out of order, or (nil) in
--- order again.
---@param seconds number? # until a probe may go
---@param reason string
function Breaker:share(seconds, reason)
  if not seconds then
    if self.is_shared then
      self:close()
    end
  elseif not self.reopens then
    open(self, math.max(seconds, 0))
    tell(self, "submit", reason, math.max(seconds, 0))
    self.is_shared = true
  elseif not self.probe then
    self.reopens, self.is_shared = core.now() + math.max(seconds, 0), true
  end
end

--- People stop all sending, whatever the service does, until they resume it
--- (nil).
---@param reason string?
function Breaker:halt(reason)
  local was_halted = self.halted
  self.halted = reason or false
  if self.run.options.add_only then
    return -- sends nothing anyway
  elseif reason and not was_halted then
    tell(self, "submit", "sending is paused: " .. reason)
  elseif reason then
    remind(self, "submit")
  elseif was_halted and not reason then
    self.run.room:notify()
  end
end

--- All may continue.
function Breaker:close()
  self.reopens, self.probe, self.is_shared = false, false, nil
  self.pause, self.doubts, self.began = FIRST, 0, false
  self.run.room:notify()
end

local function may_probe(self, candidate)
  if self.halted or self.probe or core.now() < self.reopens then
    return false
  end
  self.probe = candidate
  local granted = self.run.ledger:may_probe(math.min(self.pause * 2, LONGEST))
  if not granted and self.probe == candidate then
    self.probe = false
  end
  return granted and self.probe == candidate
end

-- Whether a free request finds the service away; then all wait longer.
local function is_away(self, candidate)
  local request = operations.request("status", self.run.client.base_url,
    { task_id = NO_TASK })
  request.is_unpaid, request.retries = true, 0 -- the pauses are ours
  local _, err = candidate:request("status", api.read_status, request)
  if not err or not (AWAY[err.kind] or AWAY[err.http_status])
    or self.probe ~= candidate or candidate:is_over()
    or candidate:is_late()
  then
    return false
  end
  self.pause = math.min(self.pause * 2, LONGEST)
  local seconds = math.max(self.pause, err.retry_after or 0)
  open(self, seconds)
  tell(self, "submit", err.message, seconds)
  if is_overdue(self) then
    give_up(self, err)
  end
  self.run.ledger:share_pause(seconds, err.message)
  return true
end

--- Wait until `candidate` may be sent, or its deadline.
---@param candidate camb.BatchJob
---@return true? ok
---@return camb.Error? err # nil, too: the batch was closed
function Breaker:pass(candidate)
  self.waiting = self.waiting + 1
  local may_go, is_cut = not self:is_open(), false
  while not may_go and not is_cut and self:is_open() and not self.given_up
    and not self.run.is_spent and not candidate:is_over()
    and not candidate:is_late()
  do
    may_go = may_probe(self, candidate) and not is_away(self, candidate)
    remind(self, "submit", self.reopens or 0)
    is_cut = not may_go and not scheduler.sleep_for(self.run.client, LOOK)
  end
  self.waiting = self.waiting - 1
  if is_cut or candidate:is_over() then
    return nil
  elseif self.given_up then
    return nil, self.given_up
  elseif not may_go and self:is_open() and candidate:is_late() then
    return nil, Error.new({ kind = "timeout", step = "submit", retryable = true,
      message = "the deadline passed while nothing could be sent: "
      .. (self.halted or self.reason) })
  end
  return true
end

--- `candidate` was not sent in the end: another job may be the probe.
---@param candidate camb.BatchJob
function Breaker:leave(candidate)
  self.probe = self.probe ~= candidate and self.probe
end

--- The service has accepted an upload.
function Breaker:accepted()
  self.has_accepted, self.doubts = true, 0
  if self.reopens then
    self:close()
    self.run.ledger:share_end()
  end
end

--- An upload has failed with `err`.
---@param failed camb.BatchJob
---@param err camb.Error
---@return boolean is_kept # it was not sent, and waits to be sent again
function Breaker:failed(failed, err)
  local is_refusal = REFUSALS[err.kind] -- or a proxy refuses all
    or err.kind == "network" and not err.retryable
  local is_doubtful = DOUBTFUL[err.kind]
  local is_probe = self.probe == failed
  if not is_refusal and not is_doubtful then
    self.probe = not is_probe and self.probe
    if err.kind ~= "cancelled" and err.kind ~= "source" and err.kind ~= "file"
    then
      self:accepted() -- it answers: this job is refused alone
    end
    return false
  end
  self.doubts = self.doubts + 1
  if not is_refusal and err.kind ~= "rate_limited"
    and self.doubts < MOST_DOUBTS and not is_probe
  then
    return false
  end
  self.pause = is_probe and math.min(self.pause * 2, LONGEST) or self.pause
  local seconds = math.max(self.pause, err.retry_after or 0)
  local is_news = is_probe or not self.reopens
  if is_news then
    open(self, seconds)
  end
  -- What is sent besides may be accepted: its answer is still to come.
  local is_first = is_refusal and not self.has_accepted
  if is_first and self.under_way == 0 or is_overdue(self) then
    give_up(self, err)
  elseif is_news then
    tell(self, "submit", err.message, not is_first and seconds or nil)
  end
  if is_news and not is_first then -- which others find out by themselves
    self.run.ledger:share_pause(seconds, err.message) -- others go on meanwhile
  end
  return err.kind ~= "unknown_outcome" and not err.task_id
    and not failed.origin.read
end

--- Whether what asked for a paid task was refused for the key or the account,
--- and not because that task is another account's.
---@param err camb.Error
---@return boolean
function Breaker:is_refusal(err)
  return not err.task_ended and (err.kind == "authentication"
    or err.kind == "payment_required"
    or REFUSALS[err.kind] and self:is_open()) or false
end

-- The first one begins; from then on who asks again says how it went.
local function note_refusal(self, refused, err)
  if self.refused and self.asker ~= refused then
    return
  end
  self.asks_after = self.refused and math.min(self.asks_after * 2, LONGEST)
    or FIRST
  self.refused = self.refused or core.now()
  self.asker, self.asks_at = false, core.now() + self.asks_after
  if not self.has_accepted
    or core.now() - self.refused > self.run.options.outage_timeout
  then
    give_up(self, err)
  else
    tell(self, "poll", err.message, self.asks_after)
  end
end

--- After such a refusal: wait until the paid task of `refused` may be asked for
--- again; false if it may not.
---@param refused camb.BatchJob
---@param err camb.Error
---@return boolean asks_again
function Breaker:wait_out(refused, err)
  self.has_accepted = self.has_accepted or err.status ~= nil
  if not self.given_up then
    note_refusal(self, refused, err)
  end
  while self.refused and not self.given_up and not refused:is_over()
    and not refused:is_late()
  do
    if not self.asker and core.now() >= self.asks_at then
      self.asker = refused
      return true
    end
    remind(self, "poll", self.asks_at)
    if not scheduler.sleep_for(self.run.client, LOOK) then
      return false
    end
  end
  return not self.given_up and not refused:is_over()
end

--- `asked` no longer asks for its paid task.
---@param asked camb.BatchJob
---@param is_answered boolean
function Breaker:heard(asked, is_answered)
  if is_answered then
    self.has_accepted, self.refused = true, false
  end
  if is_answered or self.asker == asked then
    self.asker = false
  end
end

return breaker
