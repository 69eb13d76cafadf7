--- Who works on which job: a worker claims free jobs, holds them by a lease
--- that it renews, and takes over those of a worker that ended.

local ascii = require "camb.ascii"
local core = require "camb.core"
local Error = require "camb.error"
local owner = require "camb.store.owner"
local rows = require "camb.store.rows"
local statements = require "camb.store.statements"

-- Methods of camb.Store.
local Claims = {}

-- Seconds between two looks at who is dead.
local REAP_INTERVAL = 0.5

local LONGEST_LEASE = 86400

-- How long we have watched `worker` without a sign of it.  A pause between two
-- looks may be one in which all stood still: it counts for a part of a lease.
local function silence_of(self, worker, lease)
  local last = self.watched[worker.owner]
  if not last or last.beat ~= worker.beat then
    return 0
  end
  return last.silence + math.min(core.now() - self.reaped, lease / 3)
end

local function lease_of(self, worker)
  local lease = ascii.tonumber(worker.lease) or 0
  return lease > 0 and lease <= LONGEST_LEASE and lease or self.lease
end

-- Free the jobs of workers that gave no sign for as long as their lease is, or
-- whose process has ended.
local function reap(self, conn)
  local workers, err = conn:rows(statements.workers)
  if not workers then
    return nil, err
  end
  local watched = {}
  for _, worker in ipairs(workers) do
    local lease = lease_of(self, worker)
    local silence = silence_of(self, worker, lease)
    watched[worker.owner] = { beat = worker.beat, silence = silence }
    if worker.owner ~= self.owner
      and (silence >= lease or owner.is_dead(worker.owner))
      and not conn:run(statements.dismiss, worker.owner)
    then
      return nil, conn.failed
    end
  end
  self.watched, self.reaped = watched, core.now()
  return conn:run(statements.free_dead), conn.failed
end

local function by_id(a, b)
  return tonumber(a.id) < tonumber(b.id)
end

-- Take up to `n` free jobs into `taken`.
local function take(self, conn, n, state, taken)
  for _, claim in ipairs(statements.claim) do
    if #taken < n and (state == nil or state == claim.state) then
      local found, err = conn:rows(claim.sql, n - #taken, self.owner)
      if not found then
        return nil, err
      end
      table.sort(found, by_id)
      for _, row in ipairs(found) do
        taken[#taken + 1] = rows.one(row)
      end
    end
  end
  return taken
end

-- Jobs that the database says are ours and nobody here knows of: the reply to
-- the claim that took them was lost.
local function recall(self, conn)
  local found, err = conn:rows(statements.held, self.owner)
  if not found then
    return nil, err
  end
  local taken = {}
  self.has_recalled = true
  for _, row in ipairs(found) do
    local is_held = self.effects[row.key]
    if is_held == nil and not self.held[row.key] then
      taken[#taken + 1] = rows.one(row)
    end
  end
  return taken
end

local function claim_in(self, conn, n, state)
  local taken, err = {}, nil
  if conn.in_doubt or self.session.has_doubts then
    taken, err = recall(self, conn)
  end
  local ok = taken
    and conn:run(statements.register, self.owner, self.lease)
  if not ok then
    return nil, err or conn.failed
  end
  if not take(self, conn, n, state, taken) then
    return nil, conn.failed
  end
  if #taken < n and core.now() - self.reaped >= REAP_INTERVAL then
    if not reap(self, conn) or not take(self, conn, n, state, taken) then
      return nil, conn.failed
    end
  end
  return taken
end

--- Take up to `n` free jobs that need work, those that are furthest first.  A
--- job whose worker ended between submitting and its task id comes once, in
--- the state `unknown_outcome`: report it and `release` it.
---@param n integer
---@param state string? # only jobs that were left in this state
---@return table[]? rows
---@return camb.Error?
function Claims:claim(n, state)
  return self:transact(function()
    local found, err = self.session:transact(function(conn)
      return claim_in(self, conn, n, state)
    end)
    for _, row in ipairs(found or {}) do
      self:hold(row.key, true)
    end
    return found, err
  end)
end

--- Extend the lease of this worker, for all its jobs at once.  Where it had
--- ended and others have taken its jobs, this says so, and begins a new one.
---@return boolean? ok
---@return camb.Error?
function Claims:renew()
  local changed, err = self.session:write(function(conn)
    return conn:run(statements.renew, self.lease, self.owner)
  end)
  if not changed then
    return nil, err
  elseif changed > 0 then
    return true
  end
  local ok
  ok, err = self.session:write(function(conn)
    return conn:run(statements.register, self.owner, self.lease)
  end)
  if not ok then
    return nil, err
  end
  return nil, Error.new({
    kind = "store",
    is_taken = true,
    message = "the lease of this worker expired before it was renewed: other "
      .. "workers may have taken over its jobs",
  })
end

return Claims
