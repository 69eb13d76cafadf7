--- What a batch uses camb.audio for, which comes with the sandbox: to inspect a
--- source before it is sent, and to convert to FLAC what the service does not
--- accept.

local core = require "camb.core"
local hash = require "camb.hash"
local names = require "camb.batch.names"
local source = require "camb.source"
local temporary = require "camb.temporary"

local audio = {}

-- Options that need it.
local NEEDED = { "convert", "probe", "max_minutes", "format" }

--- Raise if `checked` needs what is not installed.
---@param checked table # options of "batch"
---@param level integer # as for `error`, seen from the caller
function audio.check(checked, level)
  for _, name in ipairs(NEEDED) do
    if checked[name] and not pcall(require, "camb.audio") then
      error(("option '%s' needs the rock camb-sandbox"):format(name), level + 1)
    end
  end
end

local function fail(job, err)
  return job:fail({ kind = err.kind, step = "submit", path = err.path,
    message = err.message })
end

-- Whether the source is sent without a look at it, or refused then.
local function is_unseen(options, counts, origin)
  return not options.probe and not counts
    or not options.convert and (options.check or not counts)
    and not source.is_accepted(origin)
end

--- Inspect the source of `job`, which is sent only if it contains sound.
---@param job camb.BatchJob
---@return boolean? ok
---@return camb.Error? err
function audio.probe(job)
  local options, path = job.options, job.origin.path
  local counts = options.max_minutes or job.run.counts_minutes
  if not path and counts then
    return job:fail({ kind = "source", step = "submit", message = ('the '
      .. 'minutes of "%s", which count, are unknown: name a file'):format(
      source.label(job.origin)) })
  elseif not path or is_unseen(options, counts, job.origin) then
    return true
  end
  local camb_audio = require("camb.audio")
  local found, err = camb_audio.probe(path)
  local duration = found and found.duration
  if found and not duration and counts then
    local peaks
    peaks, err = camb_audio.peaks(path, { columns = 1 }, job.client)
    found, duration = peaks and found, peaks and peaks.duration
  end
  if not found then
    return fail(job, err)
  end
  job.duration = duration
  job:emit("probed", { duration = duration, rate = found.rate,
    channels = found.channels, codec = found.codec })
  return true
end

--- The name of a file in TMPDIR, which is there at once with ".part" behind it;
--- only its owner may read it.
---@return string? name
---@return string? problem
function audio.private_file()
  local name = names.temporary()
  local ok, problem = core.write_private(name .. ".part", "")
  if not ok then
    return nil, temporary.explain(problem)
  end
  return name
end

--- Convert the source of `job` to FLAC, if the service does not accept it as it
--- is.  The job still names the original.
---@param job camb.BatchJob
---@return boolean? ok
---@return camb.Error? err
function audio.convert(job)
  local path = job.origin.path
  if not job.options.convert or not path
    or source.is_accepted(job.origin)
  then
    return true
  end
  local converted, problem = audio.private_file()
  if not converted then
    return job:fail({ kind = "file", step = "submit", message = problem })
  end
  local ok, err = require("camb.audio").convert(path, converted,
    { format = "flac" }, job.client)
  if not ok then
    return fail(job, err)
  end
  if not job.options.store then
    job.size = select(2, core.stat(converted))
  elseif not job.fetched then
    job.sha256 = hash.of_file(job.client, path)
  end
  job.original = not job.fetched and path or nil
  job:forget_source()
  job.fetched = { close = function()
    os.remove(converted)
  end }
  job.origin = { path = converted, is_converted = true, url = job.origin.url,
    label = source.label(job.origin),
    filename = job.origin.filename or path:match("[^/]+$") }
  return true
end

return audio
