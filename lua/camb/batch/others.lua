--- What the workers of a store share: who lives and who has which job, pauses
--- while the service is out of order, and the limits that people set.

local core = require "camb.core"
local Error = require "camb.error"

-- Methods of the ledger.
local Others = {}

-- Requests a second once there is no limit.
local NO_LIMIT = 1e6
local SPENT = "the store's limit of jobs or minutes is used up"

--- Too little is left of a limit: who follows waits for a new one.
function Others:spend()
  self.short_of = self.store.limits and self.store.limits.minutes or nil
  if self.run.options.follow then
    self.run.breaker:halt(SPENT)
  else
    self.run.is_spent = true
  end
end

-- Each worker makes its share of the requests.
local function share_rate(self, controls)
  local run = self.run
  local rate = controls.requests
    and controls.requests / math.max(1, controls.workers)
    or self.rate and (run.options.requests_per_second or NO_LIMIT)
  if rate and rate ~= self.rate then
    self.rate = rate
    run.client.session:limit_rate(rate)
  end
end

--- What other workers found out about the service, or people decided.
function Others:heed_others()
  local run = self.run
  local controls = self:ask(function(jobs)
    return jobs:controls()
  end)
  if not controls then
    return
  end
  local pause = controls.pause
  run.breaker:share(pause and pause.seconds, pause and pause.reason)
  share_rate(self, controls)
  run.counts_minutes = controls.minutes ~= nil
  if controls.minutes and not pcall(require, "camb.audio") then
    self:abandon(Error.new({ kind = "store", message = "the store limits "
      .. "minutes of audio, which this worker cannot count: install "
      .. "camb-sandbox" }))
  elseif not controls.halt and (controls.jobs == 0 or self.short_of
    and controls.minutes and controls.minutes <= self.short_of)
  then
    self:spend()
  else
    run.breaker:halt(controls.halt)
  end
end

--- A job that is lost may come to this worker again.
function Others:expect(job)
  self.known[job.key], self.labels[job.key] = job.index, job.source
end

--- If this worker was taken for dead, it drops the jobs that it had; an upload
--- under way finishes, and its task is recorded.
function Others:heed_loss()
  if not self.store or self.store.generation == self.generation then
    return
  end
  self.generation, self.has_new = self.store.generation, true
  for _, job in ipairs(self.claimed) do
    self:expect(job)
  end
  self.claimed = {}
  for job in pairs(self.run.active) do
    if job.key and not job.is_apart and job.state ~= "submitting" then
      job:lose()
    end
  end
end

--- Show the others that this worker lives.
function Others:renew()
  self.renewed = core.now()
  self:ask(function(jobs)
    return jobs:renew()
  end)
  self:heed_loss()
end

--- The service is out of order: no worker sends anything for `seconds`.
---@param seconds number
---@param reason string
function Others:share_pause(seconds, reason)
  self:ask(function(jobs)
    return jobs:pause(seconds, reason)
  end)
end

--- Whether this worker may send a job now; no other one may for `seconds`.
---@param seconds number
---@return boolean
function Others:may_probe(seconds)
  return self:ask(function(jobs)
    return jobs:may_probe(seconds)
  end) or false
end

--- The service is in order.
function Others:share_end()
  self:ask(function(jobs)
    return jobs:resume()
  end)
end

return Others
