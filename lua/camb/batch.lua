--- Many jobs: results come in the order in which they end.  With a store they
--- survive whatever happens to the process.

local audio = require "camb.batch.audio"
local core = require "camb.core"
local memory = require "camb.batch.memory"
local run = require "camb.batch.run"
local source = require "camb.source"
local sources = require "camb.batch.sources"
local check = require "camb.check"
local options = require "camb.options"

local batch = {}

local UPLOADS, PENDING, DOWNLOADS = 4, 32, 4
-- Descriptors that are left for connections and for the host program.
local SPARE = 128

-- What only makes sense with others, or without.
local function check_roles(checked, level)
  for _, role in ipairs({ "add_only", "follow", "send_until" }) do
    if checked[role] and not checked.store then
      error(("option '%s' needs a store"):format(role), level + 1)
    end
  end
  if checked.add_only and checked.follow then
    error("option 'add_only' excludes 'follow'", level + 1)
  end
end

local function check_bucket(checked, level)
  if not source.is_s3(checked.output_dir) then
    return
  elseif not checked.store then
    error("option 'output_dir' needs a store if it is in S3", level + 1)
  end
  for _, name in ipairs({ "foreground_dir", "background_dir" }) do
    if checked[name] then
      error(("option '%s' excludes an output_dir in S3"):format(name),
        level + 1)
    end
  end
  local problem = require("camb.s3").problem(checked.output_dir, true)
  if problem then
    error("option 'output_dir' " .. problem, level + 1)
  end
end

-- When the clock shows `time`, in seconds since 1970: in this very minute, or
-- later.
local function next_time(time)
  local hours, minutes = time:match("(%d+):(%d+)")
  local now = os.date("*t")
  local ends = os.time({ year = now.year, month = now.month, day = now.day,
    hour = tonumber(hours), min = tonumber(minutes), sec = 0 })
  if ends + 60 <= os.time() then
    ends = os.time({ year = now.year, month = now.month, day = now.day + 1,
      hour = tonumber(hours), min = tonumber(minutes), sec = 0 })
  end
  return ends
end

-- What is not said follows from what is.
local function settle(checked)
  local all = checked.concurrency
  checked.uploads = checked.uploads or math.min(UPLOADS, all or UPLOADS)
  checked.downloads = checked.downloads
    or math.min(DOWNLOADS, all or DOWNLOADS)
  checked.pending = checked.pending or all or PENDING
  checked.concurrency = all
    or checked.uploads + checked.pending + checked.downloads
  if not checked.store then -- each job holds the parts of its stems
    checked.concurrency = math.min(checked.concurrency,
      math.max(1, math.floor((core.descriptors() - SPARE) / 2)))
  end
  return checked
end

--- How one job of a batch ended.
---@class camb.BatchItem
---@field index integer?     # its place in the sources; nil: of an earlier run
---@field job integer?       # with a store: its number, as camb jobs lists it
---@field source string      # as it was given, or what stands for it
---@field stems table?      # foreground, background: paths; with a store
---  foreground_sha256, background_sha256, too
---@field error camb.Error? # why there are no stems
---@field task_id string?    # once the service accepted the upload
---@field run_id integer|string? # once the task succeeded
---@field skipped boolean?   # with a store: it had ended before
---@field changed boolean?   # with a store: not the recording that it knew
---@field remains boolean?   # with a store: the service refused all, as a last
---  item without a source says, and the job is as it was

--- Items in the order in which they end: call it, or iterate over it.
---@class camb.Batch
local Batch = {}
Batch.__index = Batch
Batch.__name = "camb.Batch"

--- The next item; nil at the end.
---@return camb.BatchItem?
function Batch:__call()
  local item = self.run:next(2)
  return item -- no tail call: an error has to find the caller's line
end

--- Jobs that are paid for, or may be, and were not fetched yet, as items with
--- an error: call it before closing a batch whose iteration is left early.
---@return camb.BatchItem[]
function Batch:unfetched()
  return self.run:unfetched()
end

--- How many sources `max_jobs`, `max_minutes` or a full disk kept from being
--- sent: call it at the end.
---@return integer
---@return boolean is_full # the disk of the stems was
function Batch:remaining()
  return self.run.remaining, self.run.is_full or false
end

--- Begin nothing more, let uploads under way get their reply, and then close:
--- what is paid for is known, and waits for the next run.
---@param seconds number? # to wait for uploads (20)
---@return integer uploads # that are under way: what no connection has taken
---  yet is not sent
function Batch:drain(seconds)
  check.value("seconds", seconds or 0, check.number(0), 2)
  self.run:drain(seconds or 20)
  return self.run:under_way()
end

--- With a store: how many jobs were new to it so far, and how many others got
--- the `priority` that was given.
---@return integer added
---@return integer moved
function Batch:added()
  return self.run.ledger.added or 0, self.run.ledger.moved or 0
end

--- Stop everything on this side and free what is held.  The service cannot
--- cancel tasks: they continue there.  A second call does nothing.
function Batch:close()
  self.run:stop()
end

Batch.__close = Batch.close

-- The last resort if an iteration was left early.  Lua 5.1 and LuaJIT, whose
-- tables have no __gc, have to close it.
function Batch:__gc()
  pcall(self.run.stop, self.run)
end

local function ledger_of(work)
  if work.options.store then
    return require("camb.batch.ledger").new(work)
  end
  return memory.new(work)
end

--- For the client: begin a batch; see client:batch.
function batch.new(client, given, given_options, level)
  local checked = settle(check.options(given_options, options.of("batch"),
    level + 1))
  check_roles(checked, level + 1)
  check_bucket(checked, level + 1)
  checked.has_priority = (given_options or {}).priority ~= nil
  checked.polls_on = checked.store and not (given_options or {}).max_attempts
  audio.check(checked, level + 1)
  local found = sources.new(given, checked, level + 1)
  if checked.requests_per_second then
    client.session:limit_rate(checked.requests_per_second)
  end
  local self = setmetatable({ run = run.new(client, checked, found) }, Batch)
  self.run.ends = checked.send_until and next_time(checked.send_until) or nil
  self.run.is_spent = self.run.ends ~= nil and self.run.ends <= core.time()
  self.run:start(ledger_of(self.run))
  return self
end

return batch
