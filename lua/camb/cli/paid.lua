--- What the command does about tasks that are paid for and whose stems are not
--- here: a run that ends early says how to download them, and keeps that in a
--- journal beside the stems until they are.

local paid = {}

local function quote(word)
  if word:find("^[%w@%%+=:,./_-]+$") then
    return word
  elseif word:find("[%z\1-\31\127]") or word:find("\194[\128-\159]") then
    return "$'" .. word:gsub("[%z\1-\31\127-\255\\']", function(character)
      return ("\\x%02x"):format(character:byte())
    end) .. "'"
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- A URL that was typed with a name and a password, fit for a log.
local function without_password(url)
  return (url:gsub("^([%w+.-]+://).*@", "%1"):gsub("^[^/]*@", ""))
end

--- The line that fetches the stems of what failed with `err`; nil if there
--- is nothing to fetch.
---@param arguments table # of the command
---@param err camb.Error
---@return string?
function paid.line(arguments, err)
  local is_said = arguments.command == "download" and err.kind == "not_found"
  if not err.task_id or err.task_ended or arguments.sandbox
    or arguments.store or is_said
  then
    return nil
  end
  local place = err.place or {}
  local words = { "camb download",
    "-o " .. quote(place.output_dir or arguments.output_dir) }
  for _, option in ipairs({ "base_url", "proxy", "ca_file" }) do
    if arguments[option] then
      words[#words + 1] = "--" .. option:gsub("_", "-") .. " "
        .. quote(option == "ca_file" and arguments.ca_file
          or without_password(arguments[option]))
    end
  end
  if place.name then
    words[#words + 1] = "--name " .. quote(place.name)
  end
  words[#words + 1] = err.task_id:find("^%-") and "--" or nil
  words[#words + 1] = quote(err.task_id)
  return table.concat(words, " ")
end

--- Where the journal of the stems in `output_dir` is.
---@param output_dir string
---@return string? path # nil: it is no folder, which is told as it is used
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
    deadline = options.deadline, on_event = options.on_event })
end

return paid
