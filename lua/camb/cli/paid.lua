--- Tasks that are paid for and whose stems are missing: a run that ends early
--- says how to download them, and a journal beside the stems has them.

local core = require "camb.core"
local redact = require "camb.redact"
local shell = require "camb.cli.shell"
local store = require "camb.store"

local paid = {}

local quote = shell.quote

-- The options of a command that say whose tasks they are.
local WHOSE = { "profile", "api_key_file", "base_url", "proxy", "ca_file" }
-- Those that say which stems are wanted, and where.
local LAYOUT = { "only", "format", "foreground_dir", "background_dir" }

--- The flags of `arguments` that say which stems are wanted, and where.
---@param arguments table
---@return string[] words # each is a flag with its value
function paid.layout(arguments)
  local words = {}
  for _, option in ipairs(LAYOUT) do
    if arguments[option] then
      words[#words + 1] = "--" .. option:gsub("_", "-") .. " "
        .. quote(arguments[option])
    end
  end
  return words
end

-- A URL that was typed with a name and a password, fit for a log.
local function without_password(url)
  return (redact.urls(url):gsub("%[user%]@", "", 1))
end

--- The flags of `arguments` that say whose tasks they are, fit for a log.
---@param arguments table
---@return string[] words
function paid.whose(arguments)
  local words = {}
  for _, option in ipairs(WHOSE) do
    local value = arguments[option]
    if value then
      words[#words + 1] = "--" .. option:gsub("_", "-")
      words[#words + 1] = option:find("file") and value
        or without_password(value)
    end
  end
  return words
end

--- Whether the store of the command was removed while it ran: the same line
--- would pay again.
---@param arguments table
---@return boolean
function paid.has_lost_store(arguments)
  return arguments.store ~= nil and not store.is_url(arguments.store)
    and not core.stat(arguments.store)
end

-- The line that downloads the stems of the task `id`, which go to `place`, into
-- what the flags `folder` say.
local function download_line(arguments, place, folder, id, is_replaced)
  local words = { "camb download", folder }
  for _, word in ipairs(paid.whose(arguments)) do
    words[#words + 1] = quote(word)
  end
  for _, flag in ipairs(paid.layout(arguments)) do
    words[#words + 1] = flag
  end
  words[#words + 1] = is_replaced and "--overwrite" or nil
  local name = arguments.stem_name or arguments.name or place.name
  if name then
    words[#words + 1] = "--name " .. quote(name)
  end
  words[#words + 1] = id:find("^%-") and "--" or nil
  words[#words + 1] = quote(id)
  return table.concat(words, " ")
end

--- The line that fetches the stems of what failed with `err`; nil if there
--- is nothing to fetch.
---@param arguments table # of the command
---@param err camb.Error
---@return string?
function paid.line(arguments, err)
  local is_said = arguments.command == "download" and (err.kind == "not_found"
    or err.exists) or not arguments.output_dir
  if not err.task_id or err.task_ended or arguments.sandbox
    or arguments.store and not paid.has_lost_store(arguments) or is_said
  then
    return nil
  end
  local place = err.place or {}
  return download_line(arguments, place,
    "-o " .. quote(place.output_dir or arguments.output_dir), err.task_id,
    err.exists)
end

--- The line that fetches the stems of TASK, and so decides the doubt in `err`:
--- it speaks to the journal that has the doubt.
---@param arguments table # of the command
---@param err camb.Error
---@return string
function paid.doubt_line(arguments, err)
  local place, given = err.place or {}, arguments.output_dir
  local folder = "-o " .. quote(given)
  local other = place.output_dir
  if other and not arguments.foreground_dir and not arguments.background_dir
    and core.real_path(other) ~= core.real_path(given)
  then
    folder = ("%s --foreground-dir %s --background-dir %s"):format(folder,
      quote(other), quote(other))
  end
  if arguments.stem_name and core.stat(place.source or "") then
    folder = folder .. " --mixture " .. quote(place.source)
  end
  return download_line(arguments, place, folder, "TASK")
end

--- Where the journal of the stems in `output_dir` is.
---@param output_dir string
---@return string? path # nil: it is not a folder, which fails when it is used
function paid.journal(output_dir)
  return not output_dir:find("[%z\1-\31\127]")
    and output_dir .. "/.camb-journal" or nil
end

--- Wait for the end of the task `id`, or take the run that it names, and fetch
--- the stems.
---@param client camb.Client
---@param id string
---@param options table
---@return table? stems
---@return camb.Error? err
function paid.fetch(client, id, options)
  local run, err
  if id:find("^%d+$") then
    run = { id = id }
  else
    run, err = client:task(id):wait({ interval = options.interval,
      max_attempts = options.max_attempts, deadline = options.deadline,
      on_event = options.on_event })
  end
  if not run then
    return nil, err
  end
  return client:download(run, { output_dir = options.output_dir,
    name = options.name, overwrite = options.overwrite,
    only = options.only, format = options.format,
    stem_name = options.stem_name, mixture = options.mixture,
    foreground_dir = options.foreground_dir,
    background_dir = options.background_dir,
    deadline = options.deadline, on_event = options.on_event })
end

return paid
