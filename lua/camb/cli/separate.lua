--- `camb separate`: some files at a time, each reported when it is done.

local core = require "camb.core"
local Error = require "camb.error"
local journal = require "camb.journal"
local paid = require "camb.cli.paid"
local session = require "camb.cli.session"
local source = require "camb.source"
local workers = require "camb.cli.workers"

local separate = {}

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
      message = ('"%s" exists already, and its task %s is paid for'):format(
        path, entry.task_id) })
  end
  io.stderr:write(("camb: %s: taking up task %s, which is paid for (noted in "
    .. "%s)\n"):format(entry.source, entry.task_id, client.journal))
  options.name = entry.name
  return paid.fetch(client, entry.task_id, options)
end

local function run(client, arguments)
  local find = journal.index(client)
  return workers.run(client, arguments, arguments.file, function(file, listener)
    local options = session.options(arguments, listener)
    local entry, err = find(file, arguments.output_dir,
      source.stem_name({ path = file }))
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
