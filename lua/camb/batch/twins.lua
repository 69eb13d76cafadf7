--- Files of the same content, which one upload is enough for.  Contents are
--- compared only where two files have the same size.

local core = require "camb.core"
local hash = require "camb.batch.hash"

-- How many files are remembered after they were sent: what a batch knows must
-- not grow with the jobs that are done.
local MOST = 10000

local Twins = {}
Twins.__index = Twins

local twins = {}

function twins.new(client)
  return setmetatable({ client = client, by_size = {}, order = {}, at = 0 },
    Twins)
end

local function forget(self, known)
  local same_size = self.by_size[known.size]
  for i, one in ipairs(same_size) do
    if one == known then
      table.remove(same_size, i)
      break
    end
  end
  if #same_size == 0 then
    self.by_size[known.size] = nil
  end
  known.is_gone = true
end

local function remember(self, job, sha256)
  local known = { path = job.checked.path, size = job.size, mtime = job.mtime,
    sha256 = sha256, options_text = job.options_text }
  self.by_size[job.size] = self.by_size[job.size] or {}
  table.insert(self.by_size[job.size], known)
  self.at = self.at % MOST + 1
  local oldest = self.order[self.at]
  if oldest and not oldest.is_gone then
    forget(self, oldest)
  end
  self.order[self.at] = known
  job.known = known
end

-- The sum of a file that came before, if it still is what was sent.
local function sum_of(self, known)
  if not known.sha256 then
    local kind, size, mtime = core.stat(known.path)
    if kind ~= "file" or size ~= known.size or mtime ~= known.mtime then
      return nil
    end
    known.sha256 = hash.of_file(self.client, known.path)
  end
  return known.sha256
end

--- A file that came before with the content and the options of `job`, in
--- `task_id` its task where it has one already; nil: `job` is the first.
---@param job table # size, mtime, checked, options_text
---@return table? known
function Twins:find(job)
  local same_size = self.by_size[job.size]
  if not same_size then
    return remember(self, job)
  end
  local sha256 = job.sha256 or hash.of_file(self.client, job.checked.path)
  job.sha256 = sha256
  for _, known in ipairs(same_size) do
    if sha256 and known.options_text == job.options_text
      and sum_of(self, known) == sha256
    then
      return known
    end
  end
  return remember(self, job, sha256)
end

--- The upload of `job` has ended.
function Twins:settle(job, err)
  local known = job.known
  job.known = nil
  if not known then
    return
  end
  known.task_id = job.task_id
  known.error = err and err.kind == "unknown_outcome" and err or nil
  if not known.task_id and not known.error and not known.is_gone then
    forget(self, known)
  end
end

return twins
