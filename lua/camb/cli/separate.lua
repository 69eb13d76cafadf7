--- `camb separate`: some files at a time, each reported when it is done.

local camb = require "camb"
local names = require "camb.batch.names"
local naming = require "camb.batch.naming"
local progress = require "camb.cli.progress"
local session = require "camb.cli.session"
local source = require "camb.source"

local separate = {}

-- Names for the stems of files of one name, and the files that come again: one
-- separation of these is enough.
local function plan(files)
  local seen, again, named = {}, {}, naming.new()
  for i, file in ipairs(files) do
    local key = source.is_url(file) and file or names.identity(file)
    again[i] = seen[key]
    if not seen[key] then
      named:add(i, "", source.stem_name({ path = file }),
        file:match("[^/]+$") or "audio")
    end
    seen[key] = file
  end
  return named:settle(), again
end

local function separate_one(client, arguments, report, file, name)
  local problem, label = source.name_problem(file)
  if problem then
    return nil, problem, label
  end
  local options = session.options(arguments, report:listener())
  options.name = name
  return client:separate(file, options)
end

-- Each worker takes the next file until there is none.
local function run_workers(client, arguments, report)
  local next_file, failures = 1, 0
  local named, again = plan(arguments.file)
  local function work()
    while arguments.file[next_file] do
      local i, file = next_file, arguments.file[next_file]
      next_file = next_file + 1
      local stems, err, label
      if not again[i] then
        stems, err, label = separate_one(client, arguments, report, file,
          named[i])
      end
      if stems then
        report:done(stems)
      elseif err then
        report:failed(label or file, err)
        failures = failures + 1
      else
        report:say("%s is the same file as %s", file, again[i])
      end
    end
  end
  camb.run(function()
    for _ = 1, math.min(arguments.jobs, #arguments.file) do
      camb.spawn(work)
    end
  end)
  return failures
end

local function run(client, arguments)
  local report = progress.new(#arguments.file)
  local ok, failures = pcall(run_workers, client, arguments, report)
  report:clear()
  if not ok then -- an interrupt, or a value that no option takes
    return session.complain(failures)
  end
  return failures == 0 and 0 or 1
end

--- Run it; the exit status is 0 only when every file's stems are whole.
---@param arguments table
---@return integer status
function separate.run(arguments)
  return session.run(arguments, run)
end

return separate
