--- `camb serve`: the sandbox as a command, until it is interrupted.

local core = require "camb.core"

local serve = {}

-- What the file at `path` returns; nil and a sentence on failure.
local function load_faults(path)
  if not path then
    return nil
  end
  local chunk, problem = loadfile(path)
  if not chunk then
    return nil, "cannot read the faults: " .. problem
  end
  local ok, list = pcall(chunk)
  if not ok then
    return nil, "cannot read the faults: " .. tostring(list)
  elseif type(list) ~= "table" then
    return nil, ("cannot read the faults: %s returns a %s, not a list of "
      .. "faults"):format(path, type(list))
  end
  return list
end

local function announce(server)
  io.stdout:write(("The sandbox listens at %s\n"):format(server.base_url))
  io.stdout:write(("Use it with: export CAMB_BASE_URL=%s CAMB_API_KEY=%s\n")
    :format(server.base_url, server.api_key))
  io.stdout:flush()
end

--- Run it until SIGINT or SIGTERM.
---@param arguments table
---@return integer status
function serve.run(arguments)
  local found, sandbox = pcall(require, "camb.sandbox")
  if not found then
    io.stderr:write("camb: serve needs the rock camb-sandbox\n")
    return 1
  end
  local faults, problem = load_faults(arguments.faults)
  if problem then
    io.stderr:write("camb: ", problem, "\n")
    return 1
  end
  core.hold_signals() -- before there are threads that could get them
  local ok, server, err = pcall(sandbox.start, {
    host = arguments.host,
    port = arguments.port,
    api_key = arguments.api_key,
    data_dir = arguments.data_dir,
    workers = arguments.workers,
    processing = arguments.processing,
    faults = faults,
  })
  if not ok or not server then
    io.stderr:write("camb: ", ok and err.message or tostring(server), "\n")
    return 1
  end
  announce(server)
  core.wait_signal()
  server:stop()
  return 0
end

return serve
