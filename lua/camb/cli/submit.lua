--- `camb submit`: upload, and wait at another time or on another machine.

local answers = require "camb.cli.answers"
local core = require "camb.core"
local download = require "camb.download"
local earlier = require "camb.journal.earlier"
local Error = require "camb.error"
local hash = require "camb.hash"
local names = require "camb.batch.names"
local paid = require "camb.cli.paid"
local session = require "camb.cli.session"
local shell = require "camb.cli.shell"
local source = require "camb.source"
local status = require "camb.cli.status"

local submit = {}

-- A longer list is not printed: the journal has them, too.
local MOST_IDS = 8

-- What `file` is known by: its content, if another one has its size.
local function key_of(file, sizes)
  local size = sizes[file]
  return size and sizes[size] > 1 and hash.of_file({}, file)
    or source.is_url(file) and file or names.identity(file)
end

-- `files` without those that come again: they would be paid for again.
local function each_once(files)
  local seen, list, sizes = {}, {}, {}
  for _, file in ipairs(files) do
    local kind, size = core.stat(file)
    if kind == "file" then
      sizes[file], sizes[size] = size, (sizes[size] or 0) + 1
    end
  end
  for _, file in ipairs(files) do
    local key = key_of(file, sizes)
    if seen[key] then
      io.stderr:write(("camb: %s is the same file as %s\n"):format(
        source.label({ path = file }), source.label({ path = seen[key] })))
    else
      list[#list + 1] = file
    end
    seen[key] = seen[key] or file
  end
  return list
end

local function say_what_next(arguments, ids, waits)
  local words = { "camb", "download", "-o", arguments.output_dir }
  for _, word in ipairs(paid.whose(arguments)) do
    words[#words + 1] = word
  end
  io.stderr:write("camb: to ", waits and "wait for the stems and download them"
    or "download the stems again", ", run: ", shell.line(
    shell.with_ids(words, (#ids <= MOST_IDS or not waits) and ids or {})), "\n")
end

-- The task of `file`, and what is wrong if there is none.  One that is paid for
-- is not paid for again.  `noted.waits`: stems are yet to be downloaded.
local function task_of(client, file, arguments, listener, noted)
  local problem = source.name_problem(file)
  if problem then
    return nil, Error.new(problem)
  end
  local entry = client.find(file)
  if entry and entry.task_id then
    local is_fetched = entry.state == "fetched"
    io.stderr:write(("camb: %s: its task is already paid for%s (noted in %s)\n")
      :format(source.label({ path = file }), is_fetched
      and ", and its stems were downloaded" or "", client.journal))
    noted.waits = noted.waits or not is_fetched
    return entry.task_id
  end
  local task, err = client:submit(file, {
    project_name = arguments.project_name,
    project_description = arguments.project_description,
    folder_id = arguments.folder_id,
    resubmit_unknown = arguments.resubmit_unknown,
    deadline = arguments.deadline,
    on_event = listener,
  })
  if err and err.kind == "unknown_outcome" and not err.place then
    err.place = { name = source.stem_name({ path = file }), source = file }
  end
  noted.waits = noted.waits or task ~= nil
  return task and task.id, err
end

-- A function that prints the lines of each place in their order: they wait for
-- those before them.
local function in_order()
  local waiting, next_place = {}, 1
  return function(report, place, lines)
    waiting[place] = lines
    while waiting[next_place] do
      report:print(waiting[next_place])
      next_place = next_place + 1
    end
  end
end

--- Run it.
---@param arguments table
---@return integer status
function submit.run(arguments)
  local ok, problem = download.make_folders(arguments.output_dir)
  if not ok then
    return session.complain(problem, status.FILE)
  end
  local ids, noted = {}, {}
  local print_next = in_order()
  local number = answers.run(arguments, each_once(arguments.file),
    function(client, file, listener, place, report)
      client.find = client.find or earlier.finder(client, true)
      local id, err = task_of(client, file, arguments, listener, noted)
      ids[#ids + 1] = id
      print_next(report, place, not id and "" or arguments.json
        and answers.object({ { "source", source.label({ path = file }) },
        { "task_id", id } }) or id .. "\n")
      return id and "", err
    end)
  if #ids > 0 and not core.caught_signal() then
    say_what_next(arguments, ids, noted.waits)
  end
  return number
end

return submit
