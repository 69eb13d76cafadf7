--- `camb separate`: some files at a time, each reported when it is done.

local core = require "camb.core"
local Error = require "camb.error"
local journal = require "camb.journal"
local names = require "camb.batch.names"
local naming = require "camb.batch.naming"
local paid = require "camb.cli.paid"
local session = require "camb.cli.session"
local source = require "camb.source"
local workers = require "camb.cli.workers"

local separate = {}

-- Names for the stems of files of one name, and the files that come again: one
-- separation of these is enough.
local function plan(files)
  local seen, again, named = {}, {}, naming.new()
  for i, file in ipairs(files) do
    local key = source.is_url(file) and file or names.identity(file)
    again[i] = seen[key]
    -- a URL's host may say what its file is called
    if not seen[key] and not source.is_url(file) then
      named:add(i, "", source.stem_name({ path = file }),
        file:match("[^/]+$") or "audio")
    end
    seen[key] = file
  end
  return named:settle(), again
end

local function is_there(entry)
  local base = entry.output_dir .. "/" .. entry.name
  return core.existing(base .. ".foreground")
    or core.existing(base .. ".background")
end

-- The task that was paid for is taken up, and nothing is paid twice.
local function take_up(client, arguments, entry, options)
  local path = not arguments.overwrite and is_there(entry)
  if path then
    return nil, Error.new({ kind = "file", path = path,
      task_id = entry.task_id, place = { output_dir = arguments.output_dir,
        name = entry.name },
      message = ('"%s" exists already, and task %s is already paid for'):format(
        path, entry.task_id) })
  end
  io.stderr:write(("camb: %s: resuming task %s, already paid for (noted in "
    .. "%s)\n"):format(entry.source, entry.task_id, client.journal))
  options.name = entry.name
  return paid.fetch(client, entry.task_id, options)
end

local function run(client, arguments)
  local find = journal.index(client)
  local named, again = plan(arguments.file)
  return workers.run(client, arguments, arguments.file,
    function(file, listener, place, report)
      local problem, label = source.name_problem(file)
      if problem then
        return nil, problem, label
      elseif again[place] then
        report:say("%s is the same file as %s", file, again[place])
        return
      end
      local options = session.options(arguments, listener)
      options.name = named[place]
      local entry, err = find(file, arguments.output_dir, options.name
        or source.stem_name({ path = file }))
      if entry then
        return take_up(client, arguments, entry, options)
      elseif err then
        return nil, err
      end
      return client:separate(file, options)
    end)
end

--- Run it; the exit status is 0 only when every file's stems are whole.
---@param arguments table
---@return integer status
function separate.run(arguments)
  return session.run(arguments, run)
end

return separate
