--- What a store knows of the recording under a path.  One that was recorded
--- anew is another job: its key is the path's with a number, and the row of the
--- one before stays as it is.

local core = require "camb.core"
local hash = require "camb.batch.hash"

local recordings = {}

local STEMS = { "foreground", "background" }

local function key_of(key, number)
  return number == 1 and key or ("%s\r%d"):format(key, number)
end

--- The path's key, and which recording of that path it is.
---@param key string
---@return string key
---@return integer number
function recordings.split(key)
  local first, number = key:match("^(.-)\r(%d+)$")
  return first or key, tonumber(number) or 1
end

-- Nothing has touched the file since `row` was written; where there is no file
-- there is nothing that is new.
local function is_untouched(row, now)
  return now.size == nil or row.size == nil
    or (row.size == now.size and row.mtime == now.mtime
    and (row.ctime == nil or row.ctime == now.ctime))
end

-- True where the file `now` holds what `row` is about.
local function is_same(client, row, now)
  if is_untouched(row, now) then
    return true
  elseif row.sha256 then
    return row.size == now.size
      and hash.of_file(client, now.source) == row.sha256
  end
  return row.size == now.size and row.mtime == now.mtime
end

-- Who has the row and what they are going to write is unknown here: the new
-- recording gets names of its own.
local IN_FLIGHT = { submitting = true, submitted = true, finished = true }

--- The rows of the last recordings that are known by the paths of `keys`; the
--- names of one are not free where an earlier one of its path is in flight.
---@param jobs camb.Store
---@param keys string[]
---@return table<string, table>? rows # by key
---@return camb.Error?
function recordings.latest(jobs, keys)
  local latest, number = {}, 1
  while #keys > 0 do
    local numbered, known = {}, {}
    for i, key in ipairs(keys) do
      numbered[i] = key_of(key, number)
    end
    local found, err = jobs:get_all(numbered)
    if not found then
      return nil, err
    end
    for i, key in ipairs(keys) do
      local row = found[numbered[i]]
      if row then
        local earlier = latest[key]
        row.in_flight = IN_FLIGHT[row.state] or earlier and earlier.in_flight
        latest[key], known[#known + 1] = row, key
      end
    end
    keys, number = known, number + 1
  end
  return latest
end

--- Find the job of the file that `now` describes, whose path was known before:
--- the last one, begun anew where nothing was paid for, or another, which is
--- added.
---@param run table
---@param journal table
---@param row table # of `recordings.latest`
---@param now table # a new row
---@return string? key # nil: the store is gone
---@return boolean is_changed # another recording than the path's first one
function recordings.find(run, journal, row, now)
  local base, number = recordings.split(row.key)
  if row.state == "intended" then
    return row.key, number > 1 or not is_untouched(row, now)
  elseif is_same(run.client, row, now) then
    return row.key, number > 1
  end
  local again = row.state == "failed" and journal:ask(function(jobs)
    return jobs:retry_unpaid(row.key)
  end)
  if again and again > 0 then
    return row.key, true
  end
  now.key = key_of(base, number + 1)
  if row.in_flight then
    now.name = ("%s-%d"):format(now.name, number + 1)
  end
  local added = journal:ask(function(jobs)
    return jobs:add({ now })
  end)
  return added and now.key, true
end

-- True where both names hold what `row` says that camb wrote there, or nothing.
local function are_own(client, row, job)
  for _, stem in ipairs(STEMS) do
    local path = core.existing(("%s/%s.%s"):format(job.output_dir, job.name,
      stem))
    if path and (path ~= row[stem]
      or hash.of_file(client, path) ~= row[stem .. "_sha256"])
    then
      return false
    end
  end
  return true
end

--- True where the stems that stand in the way of `job` are those of an earlier
--- recording of its path, as camb wrote them.
---@param run table
---@param job table
---@return boolean
function recordings.may_replace(run, job)
  local base, number = recordings.split(job.key or "")
  for earlier = number - 1, 1, -1 do
    local row = run.journal:ask(function(jobs)
      return jobs:get(key_of(base, earlier)) or false
    end)
    if row and row.state == "downloaded" and are_own(run.client, row, job) then
      return true
    end
  end
  return false
end

return recordings
