--- `camb separate`: some files at a time, each reported when it is done.

local camb = require "camb"
local progress = require "camb.cli.progress"
local session = require "camb.cli.session"

local separate = {}

-- Each worker takes the next file until there is none.
local function run_workers(client, arguments, report)
  local next_file, failures = 1, 0
  local function work()
    while arguments.file[next_file] do
      local file = arguments.file[next_file]
      next_file = next_file + 1
      local stems, err = client:separate(file,
        session.options(arguments, report:listener()))
      if stems then
        report:done(stems)
      else
        report:failed(file, err)
        failures = failures + 1
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
