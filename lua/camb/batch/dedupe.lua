--- Files of the same content, which one upload is enough for.  Which files were
--- sent is remembered here, or by a store.  Without one, a file is read whole
--- only if another one has the same size and the same piece.

local advice = require "camb.advice"
local core = require "camb.core"
local failure = require "camb.failure"
local hash = require "camb.hash"
local semaphore = require "camb.async.semaphore"

-- How many files are remembered after they were sent: what a batch knows must
-- not grow with the jobs that are done.
local MOST = 10000

local Dedupe = {}
Dedupe.__index = Dedupe

local dedupe = {}

--- What becomes of `job`, as `same` was sent before it: "adopted" (its task is
--- the job's, too), "parked" (its upload is under way), or nil and an error.
---@param job camb.BatchJob
---@param same { source: string, task_id: string?, is_unknown: boolean?,
---  place: table? }
---@return string? outcome
---@return camb.Error?
function dedupe.outcome(job, same)
  if same.task_id then
    job.task_id = same.task_id
    return "adopted"
  elseif not same.is_unknown then
    return "parked"
  end
  return nil, failure.make({ kind = "unknown_outcome", step = "submit",
    path = job.origin.path, place = same.place,
    message = ('the same content was sent as "%s" with an unknown outcome: %s')
      :format(same.source, advice.on("doubt")) })
end

--- What is remembered without a store.
function dedupe.new(client)
  return setmetatable({
    client = client,
    turn = semaphore.new(client, 1), -- of the jobs that look for theirs
    pieces = {},   -- by a piece: how many files have it, and the only one
    contents = {}, -- by SHA-256 and options: the file, where its piece has
    -- come more than once
    order = {}, at = 0,
  }, Dedupe)
end

local function forget(self, known)
  if known.is_gone then
    return
  end
  known.is_gone = true
  local group = self.pieces[known.piece]
  group.count = group.count - 1
  if group.count == 0 then
    self.pieces[known.piece] = nil
  elseif group.alone == known then
    group.alone = nil
  end
  if known.content and self.contents[known.content] == known then
    self.contents[known.content] = nil
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

-- What was sent is known, or the file has not changed since.
local function is_as_sent(known)
  if known.sum then
    return true
  end
  local kind, size, mtime = core.stat(known.path)
  return kind == "file" and size == known.size and mtime == known.mtime
end

-- One that came before with the content and the options of `known`.
local function find_content(self, known)
  known.sum = known.sum or hash.of_file(self.client, known.path)
  if not known.sum or known.is_gone then
    return nil
  end
  known.content = known.sum .. known.options_text
  local same = self.contents[known.content]
  if not same then
    self.contents[known.content] = known
  end
  return same
end

local function find(self, known)
  local group = self.pieces[known.piece]
  if not group then
    self.pieces[known.piece] = { count = 1, alone = known }
    return nil
  end
  group.count = group.count + 1
  local other = group.alone
  group.alone = nil
  if other and is_as_sent(other) then
    find_content(self, other)
  end
  return find_content(self, known)
end

--- A file that came before with the content and the options of `job`; nil:
--- `job` is the first.
---@param job camb.BatchJob
---@return table? same
function Dedupe:find(job)
  if not self.turn:acquire() then
    return nil
  end
  local known = { path = job.origin.path, size = job.size, mtime = job.mtime,
    source = job.source, options_text = job.options_text or "",
    place = { output_dir = job.output_dir, name = job.name,
      source = job.source } }
  known.piece = hash.of_piece(known.path, known.size)
  if job.fetched then -- it is gone once it was sent
    known.sum = hash.of_file(self.client, known.path)
  end
  local same = known.piece and find(self, known)
  if same then
    job.sent_sha256 = known.sum
    forget(self, known)
  elseif known.piece then
    remember(self, known)
    job.known = known
  end
  self.turn:release()
  return same or nil
end

--- The upload of `job` has ended.
---@param job camb.BatchJob
---@param err camb.Error?
function Dedupe:settle(job, err)
  local known, sum = job.known, job.sent_sha256
  job.known = nil
  if not known then
    return
  elseif known.content and sum and known.content:sub(1, #sum) ~= sum then
    forget(self, known) -- it has changed since it was compared
  end
  known.sum = sum or known.sum
  known.task_id = job.task_id
  known.is_unknown = err and err.kind == "unknown_outcome" or nil
  if not known.task_id and not known.is_unknown then
    forget(self, known)
  end
end

return dedupe
