--- What a store knows of the recording at a path.  A new recording at the same
--- path is another job: its key is the path's with a number, and the earlier
--- row stays as it is.

local core = require "camb.core"
local download = require "camb.download"
local hash = require "camb.hash"
local source = require "camb.source"

local recordings = {}

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

--- True for a job whose path the store knew with another recording.
---@param key string
---@return boolean
function recordings.is_anew(key)
  return select(2, recordings.split(key)) > 1
end

--- Nothing has touched the file since `row` was written, or there is no file.
---@param row table
---@param now table # size, mtime, ctime of the file
---@return boolean
function recordings.is_untouched(row, now)
  return now.size == nil or row.size == nil
    or (row.size == now.size and row.mtime == now.mtime
    and (row.ctime == nil or row.ctime == now.ctime))
end

--- True if the file `now` holds the recording of `row`.
---@param client table
---@param row table
---@param now table # source, size, mtime, ctime of the file
---@return boolean
function recordings.is_same(client, row, now)
  if recordings.is_untouched(row, now) then
    return true
  elseif row.sha256 then
    return row.size == now.size
      and hash.of_file(client, now.source) == row.sha256
  end
  return row.size == now.size and row.mtime == now.mtime
end

--- Whether a run that names the file of `row` retries it unasked: it failed,
--- and that costs nothing, or it is converted now.
---@param options table
---@param row table # of `recordings.latest`
---@return boolean
function recordings.is_free(options, row)
  return row.is_free == 1 or options.convert == true and row.state == "failed"
    and row.error_kind == "source"
    and not source.is_accepted({ path = row.source })
end

-- Another worker may have the row and write its stems later: the new recording
-- gets names of its own.
local IN_FLIGHT = { submitting = true, submitted = true, finished = true }

--- The rows of the last recordings that are known by the paths of `keys`; the
--- names of one are not free while an earlier one of its path is under way.
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
--- the latest one, restarted if nothing was paid for, or a new one, which is
--- added.
---@param run table
---@param ledger table
---@param row table # of `recordings.latest`
---@param now table # a new row
---@return string? key # nil: the store is gone
---@return boolean is_changed # another recording than the path's first one
function recordings.find(run, ledger, row, now)
  local base, number = recordings.split(row.key)
  if row.state == "intended" then
    return row.key, number > 1 or not recordings.is_untouched(row, now)
  elseif recordings.is_same(run.client, row, now) then
    return row.key, number > 1
  end
  local again = row.state == "failed" and ledger:ask(function(jobs)
    return jobs:retry_unpaid(row.key)
  end)
  if again and again > 0 then
    return row.key, true
  end
  now.key = key_of(base, number + 1)
  if row.in_flight then
    now.name = ("%s-%d"):format(now.name, number + 1)
  end
  local added = ledger:ask(function(jobs)
    return jobs:add({ now })
  end)
  return added and now.key, true
end

-- Who removes an object of S3 does not want it back.  A file without a byte is
-- no stem, and nobody's work.
local function is_file(path, size)
  if source.is_s3(path) then
    return true
  end
  local kind, found = core.stat(path)
  return kind == "file" and found > 0 and (size == nil or found == size)
end

-- The stem at `path`, were it of another format.
local function in_format(path, format)
  return source.is_s3(path) and path or path:gsub("%.%w+$", "") .. "."
    .. require("camb.layout").extension(format)
end

-- Where `place` wants a stem of `row`: where it is, unless names or folders are
-- asked for.
local function path_in(place, row, stem)
  local path, pattern, folder = row[stem], nil, nil
  if place and path and not source.is_s3(path) then
    pattern, folder = place.stem_name, place[stem .. "_dir"]
  end
  if not pattern and not folder or pattern and pattern:find("{date}", 1, true)
    and not core.stat(row.source) -- whose date is unknown
  then
    return path
  end
  local file = row.name .. "." .. stem
  if pattern then
    local values = { stem = stem, task = row.task_id, run = row.run_id
      and ("%s"):format(row.run_id) }
    for name, value in pairs(place.values) do
      values[name] = values[name] or value
    end
    file = require("camb.layout").fill(pattern, values)
  end
  return (folder or row.output_dir) .. "/" .. file .. path:match("%.%w+$")
end

-- Whether camb wrote what is at `path`, and nobody has changed it since.
local function is_as_written(client, path, row, stem)
  return is_file(path, row[stem .. "_size"]) and (source.is_s3(path)
    or hash.of_file(client, path) == row[stem .. "_sha256"])
end

-- Of these any other format can be made without losing more.
local LOSSLESS = { "flac", "wav" }

local function is_lossless(path)
  local extension = path:match("%.(%w+)$")
  return extension == LOSSLESS[1] or extension == LOSSLESS[2]
end

-- The stems of `row` that are there in `format`; nil: as the row has them.
local function kept_in(format, options, row, client, place)
  local kept, is_all = {}, true
  for _, stem in ipairs(download.stems({})) do
    local path = path_in(place, row, stem)
    local is_moved = path ~= row[stem]
    path = path and format and in_format(path, format) or path
    local is_own = path == row[stem]
    if path and (options.overwrite and is_own
      and is_as_written(client, path, row, stem)
      or not options.overwrite and is_file(path, is_moved and not format
      and row[stem .. "_size"] or nil))
    then
      kept[stem] = path
      kept[stem .. "_sha256"] = is_own and row[stem .. "_sha256"] or nil
      kept[stem .. "_size"] = is_own and row[stem .. "_size"] or nil
    end
  end
  for _, stem in ipairs(download.stems(options)) do
    is_all = is_all and kept[stem] ~= nil
  end
  return kept, is_all
end

--- The stems of `row` that are on the disk as `options` ask for them: without a
--- format, as the service gives them if they are there, and never a pair of
--- two formats.  One that was edited belongs to the user: it is not replaced
--- without `overwrite`.
---@param options table
---@param row table # that is downloaded
---@param client table?
---@param place table? # of a job of the row, which may want other names
---@return table kept # foreground, background: paths; foreground_sha256, …
---@return boolean is_all # that the options ask for
function recordings.kept(options, row, client, place)
  local first = row.foreground or row.background
  if options.format or not first or is_lossless(first) then
    return kept_in(options.format, options, row, client, place)
  end
  for _, format in ipairs(LOSSLESS) do
    local kept, is_all = kept_in(format, options, row, client, place)
    if is_all then
      return kept, true
    end
  end
  local kept, is_all = kept_in(nil, options, row, client, place)
  return is_all and kept or {}, is_all
end

--- Take the stems that `options` ask for and `stems` lack from `kept`.
---@param options table
---@param stems table # foreground, background: paths; foreground_sha256, …
---@param kept table  # likewise
function recordings.complete(options, stems, kept)
  for _, stem in ipairs(download.stems(options)) do
    if not stems[stem] then
      stems[stem] = kept[stem]
      stems[stem .. "_sha256"] = kept[stem .. "_sha256"]
    end
  end
end

--- What the stems that are missing from `kept` can be converted from, without a
--- download.
---@param options table
---@param row table
---@param kept table # of `recordings.kept`
---@param place table? # likewise
---@return table<string, string>? paths # by stem; nil: not all of them
function recordings.convertible(options, row, kept, place)
  local paths = {}
  if not options.format or options.overwrite then
    return nil
  end
  for _, stem in ipairs(download.stems(options)) do
    if path_in(place, row, stem) ~= row[stem] then
      return nil
    end
    for _, format in ipairs(row[stem] and not kept[stem] and LOSSLESS or {}) do
      local path = in_format(row[stem], format)
      paths[stem] = paths[stem] or is_file(path) and path or nil
    end
    if not kept[stem] and not paths[stem] then
      return nil
    end
  end
  return paths
end

--- True if each name holds what camb wrote there according to `row`, or
--- nothing.
---@param client table
---@param row table
---@param place table # of a job
---@param name string # of its stems
---@return boolean
function recordings.are_own(client, row, place, name)
  for _, stem in ipairs(download.stems(place)) do
    local path = core.existing(download.base(place, name, stem))
    if path and (path ~= row[stem]
      or hash.of_file(client, path) ~= row[stem .. "_sha256"])
    then
      return false
    end
  end
  return true
end

--- True if the stems in the way of `job` are those of an earlier recording of
--- its path, as camb wrote them.
---@param run table
---@param job table
---@return boolean
function recordings.may_replace(run, job)
  local base, number = recordings.split(job.key or "")
  for earlier = number - 1, 1, -1 do
    local row = run.ledger:ask(function(jobs)
      return jobs:get(key_of(base, earlier)) or false
    end)
    if row and row.state == "downloaded"
      and recordings.are_own(run.client, row, job:place(), job.name)
    then
      return true
    end
  end
  return false
end

return recordings
