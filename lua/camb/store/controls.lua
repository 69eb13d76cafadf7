--- What all workers of a store obey: a pause while the service is out of order,
--- a halt by people, and limits.

local Error = require "camb.error"
local statements = require "camb.store.statements"
local text = require "camb.text"
local transactions = require "camb.store.transactions"

-- Methods of camb.Store.
local Controls = {}

-- A reason for people keeps what a database can hold.
local function tell(self, reason)
  return self.session:text_problem(reason) and text.escape(reason) or reason
end

local function write(self, ...)
  local values = { n = select("#", ...), ... }
  local changed, err = self.session:write(function(conn)
    return conn:run(transactions.unpack(values, 1, values.n))
  end)
  return changed and true, err
end

--- The service is out of order: no worker is to send anything for a while.
---@param seconds number
---@param reason string
---@return boolean? ok
---@return camb.Error?
function Controls:pause(seconds, reason)
  return write(self, statements.pause, seconds, tell(self, reason))
end

--- The service is in order again.
---@return boolean? ok
---@return camb.Error?
function Controls:resume()
  return write(self, statements.resume)
end

--- No worker is to send anything until that is taken back: with nil.  What is
--- paid for is fetched meanwhile.
---@param reason string?
---@return boolean? ok
---@return camb.Error?
function Controls:halt(reason)
  if reason then
    return write(self, statements.set_control, "halt", tell(self, reason))
  end
  return write(self, statements.drop_control, "halt")
end

local LIMITS = { uploads = true, requests = true, jobs = true,
  minutes = true }

--- Limit what all workers do together: `uploads` at once, `requests` a second
--- (each worker gets an equal share), or how many `jobs` or `minutes` of audio
--- are sent from now on.
---@param name "uploads"|"requests"|"jobs"|"minutes"
---@param value number? # nil: no limit
---@return boolean? ok
---@return camb.Error?
function Controls:limit(name, value)
  if not LIMITS[name] then
    return nil, Error.new({ kind = "store",
      message = ('no limit is called "%s"'):format(tostring(name)) })
  elseif value then
    return write(self, statements.set_control, "limit_" .. name,
      text.number(value))
  end
  return write(self, statements.drop_control, "limit_" .. name)
end

--- What holds now for all workers.
---@return { pause: { seconds: number, reason: string }?, halt: string?,
---  uploads: number?, requests: number?, jobs: number?, minutes: number?,
---  workers: integer }?
---@return camb.Error?
function Controls:controls()
  local found, err = self.session:read(statements.controls)
  if not found then
    return nil, err
  end
  local values = {}
  for _, row in ipairs(found) do
    values[row.name] = row.value
  end
  local controls = {
    pause = values.paused_until and {
      seconds = text.tonumber(values.paused_until) or 0,
      reason = values.paused_reason or "",
    } or nil,
    halt = values.halt,
    workers = tonumber(values.workers),
  }
  for name in pairs(LIMITS) do
    controls[name] = text.tonumber(values["limit_" .. name])
  end
  self.limits = controls
  return controls
end

--- When the pause is over, one worker may send one job; the others wait for
--- `seconds` more.
---@param seconds number
---@return boolean? may_send # true without a pause, too
---@return camb.Error?
function Controls:may_probe(seconds)
  return self.session:transact(function(conn)
    local changed = conn:run(statements.probe, seconds)
    local left = changed == 0 and conn:rows(statements.controls)
    if not changed or left == nil then
      return nil, conn.failed
    end
    for _, row in ipairs(left or {}) do
      if row.name == "paused_until" then
        return false
      end
    end
    return true
  end)
end

-- Workers that count what is sent wait for each other.
local function has_place(self, conn)
  local lock = conn.dialect.limits_lock
  if lock and not conn:rows(lock) then
    return nil
  end
  local found = conn:rows(statements.sending)
  return found and tonumber(found[1].jobs) <= self.limits.uploads
end

-- Take a job and its minutes from what is left; nothing if either is too much.
local function spend(conn, limits, minutes)
  local left = not limits.jobs and 1 or conn:run(statements.spend)
  if left and left > 0 and limits.minutes then
    left = conn:run(statements.spend_minutes, minutes, minutes)
    if left == 0 and limits.jobs then
      conn:run(statements.unspend)
    end
  end
  return not conn.failed and (left > 0 or "spent") or nil
end

--- Whether the limits that were last read let one more job be sent, which is
--- `submitting` in this transaction.
---@param minutes number # of its audio, as far as they are known
---@return true|"parked"|"spent"|nil outcome # "parked": not now; "spent": there
---  is too little left of the limit of jobs or of minutes
---@return camb.Error?
function Controls:may_submit(minutes)
  local limits = self.limits or {}
  return self.session:transact(function(conn)
    local outcome = true
    if limits.uploads then
      local may_go = has_place(self, conn)
      if may_go == nil then
        return nil, conn.failed
      end
      outcome = may_go or "parked"
    end
    if outcome == true then
      outcome = spend(conn, limits, minutes)
    end
    return outcome, conn.failed
  end)
end

--- A job that `may_submit` let be sent was not.
---@param minutes number
---@return boolean? ok
---@return camb.Error?
function Controls:give_back(minutes)
  local limits, ok, err = self.limits or {}, true, nil
  if limits.jobs then
    ok, err = write(self, statements.unspend)
  end
  if ok and limits.minutes then
    ok, err = write(self, statements.unspend_minutes, minutes)
  end
  return ok, err
end

return Controls
