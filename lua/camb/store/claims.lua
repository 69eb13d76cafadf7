--- Who works on which job: a worker claims free jobs, holds them by a lease
--- that it renews, and takes over those of a worker that ended.

local core = require "camb.core"
local Error = require "camb.error"
local owner = require "camb.store.owner"
local statements = require "camb.store.statements"
local text = require "camb.text"

-- Methods of camb.Store.
local Claims = {}

-- Seconds between two looks at who is dead.
local REAP_INTERVAL = 0.5

local LONGEST_LEASE = 86400

-- How long we have watched `worker` without a sign of it.  In a pause between
-- two looks everything may have stood still: it counts as part of a lease only.
local function silence_of(self, worker, lease)
  local last = self.watched[worker.owner]
  if not last or last.beat ~= worker.beat then
    return 0
  end
  return last.silence + math.min(core.now() - self.reaped, lease / 3)
end

local function lease_of(self, worker)
  local lease = text.tonumber(worker.lease) or 0
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
  return conn:run(statements.free_dead) and conn:run(statements.awake),
    conn.failed
end

local function by_turn(a, b)
  if a.priority ~= b.priority then
    return a.priority > b.priority
  end
  return tonumber(a.id) < tonumber(b.id)
end

-- Take up to `n` free jobs into `taken`.
local function take(self, conn, n, state, taken)
  local begun = conn:rows(statements.begun)
  if not begun then
    return nil, conn.failed
  end
  for _, claim in ipairs(statements.claim) do
    if #taken < n and (state == nil or state == claim.state
      or state == "paid" and claim.state ~= "intended")
      and (claim.state == "intended" or #begun > 0)
    then
      local found, err = conn:rows(claim.sql, n - #taken, self.owner)
      if not found then
        return nil, err
      end
      table.sort(found, by_turn)
      for _, row in ipairs(found) do
        taken[#taken + 1] = statements.row(row)
      end
    end
  end
  return taken
end

-- Jobs that the database lists as ours but that this worker does not know: the
-- reply to the claim was lost.
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
      taken[#taken + 1] = statements.row(row)
    end
  end
  return taken
end

-- Show that this worker lives.  One that was taken for dead gets a new name:
-- what it still does for the jobs that it had changes no row.
local function sign(self, conn)
  local changed = conn:run(statements.renew, self.lease, self.owner)
  if changed == 0 then
    self.owner = owner.anew(self.owner)
    self.generation = self.generation + 1
    self.has_recalled = true
    changed = conn:run(statements.register, self.owner, self.lease)
  end
  return changed and true or nil, conn.failed
end

local function claim_in(self, conn, n, state)
  local taken, err = {}, nil
  if conn.in_doubt or self.session.has_doubts then
    taken, err = recall(self, conn)
  end
  local generation = self.generation
  local ok = taken and sign(self, conn)
  if not ok then
    return nil, err or conn.failed
  elseif self.generation ~= generation then
    return {} -- it has to drop what it had before it takes more
  end
  -- However many are waiting: what a dead worker has paid for goes first.
  if core.now() - self.reaped >= REAP_INTERVAL and not reap(self, conn)
    or not take(self, conn, n, state, taken)
  then
    return nil, conn.failed
  end
  return taken
end

--- Take up to `n` free jobs that need work, those that are furthest first.  A
--- job whose worker ended between submitting and its task id comes once, in
--- the state `unknown_outcome`: report it and `release` it.
---@param n integer
---@param state string? # only jobs that were left in this state; "paid": all
---  but those that are yet to be sent
---@return table[]? rows # none, too, if `generation` has changed: this worker
---  was taken for dead, and has lost the jobs that it had
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

--- Extend the lease of this worker, for all its jobs at once, and free those of
--- workers that ended, even if there is no room for them here.  If its own had
--- ended and others have freed its jobs, this says so, and begins a new one.
---@return boolean? ok
---@return camb.Error?
function Claims:renew()
  local generation = self.generation
  local ok, err = self.session:transact(function(conn)
    return sign(self, conn) and reap(self, conn), conn.failed
  end)
  if not ok then
    return nil, err
  elseif self.generation == generation then
    return true
  end
  return nil, Error.new({
    kind = "store",
    is_taken = true,
    message = "the lease of this worker expired before it was renewed: other "
      .. "workers may have taken over its jobs",
  })
end

--- How many other workers are alive; the jobs of those that are not are free.
---@return integer? workers
---@return camb.Error?
function Claims:other_workers()
  return self.session:transact(function(conn)
    local workers = reap(self, conn) and conn:rows(statements.workers)
    if not workers then
      return nil, conn.failed
    end
    local others = 0
    for _, worker in ipairs(workers) do
      others = others + (worker.owner ~= self.owner and 1 or 0)
    end
    return others
  end)
end

--- The workers that are alive, but for this one, and how many jobs each has.
---@return { owner: string, lease: number, jobs: integer }[]?
---@return camb.Error?
function Claims:workers()
  local ok, err = self.is_read_only, nil
  if not ok then
    ok, err = self:other_workers()
  end
  local found
  if ok then
    found, err = self.session:read(statements.workers_held)
  end
  local workers = {}
  for _, row in ipairs(found or {}) do
    if row.owner ~= self.owner and not owner.is_dead(row.owner) then
      workers[#workers + 1] = { owner = row.owner,
        lease = text.tonumber(row.lease), jobs = tonumber(row.jobs) }
    end
  end
  return found and workers, err
end

--- How many jobs were done in the last `seconds`, and how many are left.
---@param seconds number
---@return integer? done
---@return integer|camb.Error left
---@return number? span # seconds since the first of `done` was sent, or fewer
function Claims:rate(seconds)
  local found, err = self.session:read(statements.rate, seconds)
  if not found then
    return nil, err
  end
  return tonumber(found[1].done), tonumber(found[1].unfinished),
    math.min(seconds, text.tonumber(found[1].span) or seconds)
end

return Claims
