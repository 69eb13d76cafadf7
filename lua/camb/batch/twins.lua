--- Files of the same content, which one upload is enough for.  A file is read
--- only where another one has its size, and read whole only where a piece of
--- them is alike, too; one that was fetched is read while it is there.

local core = require "camb.core"
local hash = require "camb.batch.hash"

-- How many files are remembered after they were sent: what a batch knows must
-- not grow with the jobs that are done.
local MOST = 10000

local Twins = {}
Twins.__index = Twins

local twins = {}

-- Files of one size are a group, and those of the same piece are.  A group
-- that has one member only knows no more of it.
function twins.new(client)
  return setmetatable({ client = client, by_size = {}, by_piece = {},
    by_content = {}, order = {}, at = 0 }, Twins)
end

-- Let `known` join the group of `key`; the group, if others are in it, and the
-- one that had been alone.
local function join(self, index, key, known)
  local group = self[index][key]
  known[index] = key
  if not group then
    self[index][key] = { count = 1, alone = known }
    return nil
  end
  local other = group.alone
  group.count, group.alone = group.count + 1, nil
  return group, other
end

local function part(self, index, known)
  local key = known[index]
  local group = key and self[index][key]
  if group then
    group.count = group.count - 1
    if group.count == 0 then
      self[index][key] = nil
    end
  end
end

local function forget(self, known)
  if known.is_gone then
    return
  end
  known.is_gone = true
  part(self, "by_size", known)
  part(self, "by_piece", known)
  if known.content and self.by_content[known.content] == known then
    self.by_content[known.content] = nil
  end
end

local function remember(self, known)
  self.at = self.at % MOST + 1
  local oldest = self.order[self.at]
  if oldest then
    forget(self, oldest)
  end
  self.order[self.at] = known
end

-- True while the file is what it was when it was sent.
local function is_same_file(known)
  if known.sum then
    return true -- it is known what was sent, whatever is there now
  end
  local kind, size, mtime = core.stat(known.path)
  return kind == "file" and size == known.size and mtime == known.mtime
end

-- One that came before with the content and the options of `known`.
local function compare_content(self, known)
  local sum = known.sum or hash.of_file(self.client, known.path)
  if not sum or known.is_gone then
    return nil
  end
  local content = sum .. known.options_text
  local same = self.by_content[content]
  if not same then
    self.by_content[content], known.content = known, content
  end
  return same
end

local function compare_piece(self, known)
  local piece = known.piece or hash.of_piece(known.path, known.size)
  if not piece then
    return nil
  end
  local group, other = join(self, "by_piece", piece, known)
  if other and is_same_file(other) then
    compare_content(self, other)
  end
  return group and compare_content(self, known)
end

--- A file that came before with the content and the options of `job`, in
--- `task_id` its task where it has one already; nil: `job` is the first.
---@param job table # size, mtime, checked, options_text
---@return table? known
function Twins:find(job)
  local known = { path = job.checked.path, size = job.size, mtime = job.mtime,
    options_text = job.options_text or "" }
  known.piece = hash.of_piece(known.path, known.size)
  if job.temporary_path then
    known.sum = hash.of_file(self.client, known.path)
  end
  local group, other = join(self, "by_size", known.size, known)
  if other and is_same_file(other) then
    compare_piece(self, other)
  end
  local same = group and compare_piece(self, known)
  if same then
    forget(self, known)
    return same
  end
  remember(self, known)
  job.known = known
  return nil
end

--- The fields of the error of a file that is like `other`, whose outcome is
--- unknown.
---@param other string
---@return table
function twins.unknown(other)
  return { kind = "unknown_outcome", message = ('the same content was '
    .. 'sent as "%s", and its outcome is unknown: a task may exist and be '
    .. "charged; look at the dashboard before you send it again"):format(other)
  }
end

--- The upload of `job` has ended.
function Twins:settle(job, err)
  local known = job.known
  job.known = nil
  if known then
    local sum = job.sent_sha256
    if known.content and sum and known.content:sub(1, #sum) ~= sum then
      forget(self, known) -- it is not what it was when it was compared
    end
    known.sum = sum or known.sum
    known.task_id = job.task_id
    known.error = err and err.kind == "unknown_outcome"
      and twins.unknown(job.source) or nil
    if not known.task_id and not known.error then
      forget(self, known)
    end
  end
end

return twins
