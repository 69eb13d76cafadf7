--- `camb separate`: some files at a time, each reported when it is done.

local camb = require "camb"
local progress = require "camb.cli.progress"

local separate = {}

local function start_sandbox(arguments)
  local found, sandbox = pcall(require, "camb.sandbox")
  if not found then
    return nil, "--sandbox needs the rock camb-sandbox"
  end
  local ok, server, err = pcall(sandbox.start, { engine = arguments.engine,
    workers = arguments.jobs < 2 and 1 or 2 })
  if not ok then
    return nil, (tostring(server):gsub("^[^ ]+:%d+: ", ""))
  elseif not server then
    return nil, err.message
  end
  return server
end

local function open_client(arguments, server)
  local ok, client = pcall(camb.client, {
    api_key = server and server.api_key or arguments.api_key,
    base_url = server and server.base_url or arguments.base_url,
    proxy = arguments.proxy,
    ca_file = arguments.ca_file,
    max_connections = 2 * arguments.jobs,
  })
  if not ok then
    return nil, (tostring(client):gsub("^[^ ]+:%d+: ", ""))
  end
  return client
end

local function options_of(arguments, listener)
  return {
    output_dir = arguments.output_dir,
    overwrite = arguments.overwrite,
    interval = arguments.interval or (arguments.sandbox and 0.5) or nil,
    max_attempts = arguments.max_attempts
      or (arguments.sandbox and 36000) or nil,
    deadline = arguments.deadline,
    project_name = arguments.project_name,
    project_description = arguments.project_description,
    folder_id = arguments.folder_id,
    on_event = listener,
  }
end

-- Each worker takes the next file until there is none.
local function run_workers(client, arguments, report)
  local next_file, failures = 1, 0
  local function work()
    while arguments.file[next_file] do
      local file = arguments.file[next_file]
      next_file = next_file + 1
      local stems, err = client:separate(file,
        options_of(arguments, report:listener()))
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
    io.stderr:write("camb: ", (tostring(failures):gsub("^[^ ]+:%d+: ", "")),
      "\n")
    return 1
  end
  return failures == 0 and 0 or 1
end

--- Run it; the exit status is 0 only when every file's stems are whole.
---@param arguments table
---@return integer status
function separate.run(arguments)
  local server, client, problem
  if arguments.engine and not arguments.sandbox then
    problem = "--engine goes with --sandbox: the service has its own engine"
  elseif arguments.sandbox then
    server, problem = start_sandbox(arguments)
  end
  if not problem then
    client, problem = open_client(arguments, server)
  end
  local status = 1
  if client then
    status = run(client, arguments)
    client:close()
  else
    io.stderr:write("camb: ", problem, "\n")
  end
  if server then
    server:stop()
  end
  return status
end

return separate
