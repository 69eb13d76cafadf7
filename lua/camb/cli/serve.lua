--- `camb serve`: the sandbox as a command, until it is interrupted.

local core = require "camb.core"
local session = require "camb.cli.session"
local status = require "camb.cli.status"

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
    return nil, "cannot read the faults: " .. (type(list) == "string" and list
      or ("%s raises a %s"):format(path, type(list)))
  elseif type(list) ~= "table" then
    return nil, ("cannot read the faults: %s returns a %s, not a list of "
      .. "faults"):format(path, type(list))
  end
  return list
end

-- The authority's certificate, also if a data folder that goes away is not
-- the place to name; nil and a sentence on failure.
local function publish_authority(server, path)
  local from = assert(io.open(server.ca_file, "rb"))
  local text = from:read("*a")
  from:close()
  local to, problem = io.open(path, "wb")
  if not to then
    return nil, "cannot write " .. problem
  end
  local written
  written, problem = to:write(text)
  if not to:close() or not written then
    return nil, ("cannot write %s: %s"):format(path, problem or "disk full")
  end
  return path
end

-- The page is for this machine alone.
local function is_own(origin)
  local host = origin:match("//(.+):%d+$")
  return host == "localhost" or host == "[::1]"
    or host:find("^127%.[%d.]+$") ~= nil
end

local function announce(server, ca_file)
  io.stdout:write(("The sandbox listens at %s\n"):format(server.base_url))
  if is_own(server.origin) then
    io.stdout:write(("Listen, or drop files, at %s/\n"):format(server.origin))
  end
  io.stdout:write(("Use it with: export CAMB_BASE_URL=%s CAMB_API_KEY=%s\n")
    :format(server.base_url, server.api_key))
  if ca_file then
    io.stdout:write(("Trust its certificates with: export CURL_CA_BUNDLE=%s\n")
      :format(ca_file))
  end
  io.stdout:flush()
end

local NOTE = "This is the sandbox: it separates what is dropped here, or sent "
  .. "by any client, at no cost."

--- Run it until SIGINT, SIGTERM, SIGHUP or SIGQUIT.
---@param arguments table
---@return integer status
function serve.run(arguments)
  local found, sandbox = pcall(require, "camb.sandbox")
  if not found then
    return session.complain("serve needs the rock camb-sandbox")
  end
  local live = require "camb.report.live"
  local faults, problem = load_faults(arguments.faults)
  if problem then
    return session.complain(problem, status.FILE)
  end
  core.catch_signals(true)
  local ok, server, err = pcall(sandbox.start, {
    host = arguments.host,
    port = arguments.port,
    stem_port = arguments.stem_port,
    api_key = arguments.api_key,
    data_dir = arguments.data_dir,
    engine = arguments.engine,
    workers = arguments.workers,
    processing = arguments.processing,
    engine_timeout = arguments.engine_timeout,
    max_seconds = arguments.max_seconds,
    max_bytes = arguments.max_bytes,
    faults = faults,
    tls = arguments.tls or arguments.ca_out ~= nil,
  }, live.options("camb sandbox", NOTE))
  if not ok or not server then
    err = ok and err or server
    if type(err) == "table" then
      err.shell = "help" -- each comes from an option's value
    end
    return session.complain(err)
  end
  local ca_file = server.ca_file
  if arguments.ca_out then
    ca_file, problem = publish_authority(server, arguments.ca_out)
  end
  if problem then
    server:stop()
    return session.complain(problem, status.FILE)
  end
  announce(server, ca_file)
  require("camb.cli.served_tasks").run(server, core.caught_signal)
  server:stop()
  return 0
end

return serve
