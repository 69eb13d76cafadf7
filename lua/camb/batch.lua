--- Many jobs: results come in the order in which they end.  With a store they
--- survive whatever happens to the process.

local core = require "camb.core"
local memory = require "camb.batch.memory"
local run = require "camb.batch.run"
local sources = require "camb.batch.sources"
local check = require "camb.check"
local options = require "camb.options"

local batch = {}

local UPLOADS, PENDING, DOWNLOADS = 4, 32, 4
-- Descriptors that are left for connections and for the host program.
local SPARE = 128

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
  checked.output_dir = checked.output_dir:gsub("(.)/+$", "%1")
  return checked
end

--- How one job of a batch ended.
---@class camb.BatchItem
---@field index integer?     # its place in the sources; nil: of an earlier run
---@field source string      # as it was given, or what stands for it
---@field stems table?      # foreground, background: paths; with a store
---  foreground_sha256, background_sha256, too
---@field error camb.Error? # why there are no stems
---@field task_id string?    # once the service accepted the upload
---@field run_id integer|string? # once the task succeeded
---@field skipped boolean?   # with a store: it had ended before
---@field changed boolean?   # with a store: not the recording that it knew

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

--- What is paid for, or may be, and was not fetched yet, as items with an
--- error: ask before closing a batch whose iteration is left early.
---@return camb.BatchItem[]
function Batch:unfetched()
  return self.run:unfetched()
end

--- Stop everything on our side, and give back what is held.  The service has no
--- cancel: its tasks go on.  Twice is fine.
function Batch:close()
  self.run:stop()
end

Batch.__close = Batch.close

-- The last resort where an iteration was left early.  Lua 5.1 and LuaJIT, whose
-- tables have no __gc, have to close it.
function Batch:__gc()
  pcall(self.run.stop, self.run)
end

local function journal_of(work)
  if work.options.store then
    return require("camb.batch.journal").new(work)
  end
  return memory.new(work)
end

--- For the client: begin a batch; see client:batch.
function batch.new(client, given, given_options, level)
  local checked = settle(check.options(given_options, options.of("batch"),
    level + 1))
  checked.polls_on = checked.store and not (given_options or {}).max_attempts
  local found = sources.new(given, checked, level + 1)
  if checked.requests_per_second then
    client.session:limit_rate(checked.requests_per_second)
  end
  local self = setmetatable({ run = run.new(client, checked, found) }, Batch)
  self.run:start(journal_of(self.run))
  return self
end

return batch
