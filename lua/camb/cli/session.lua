--- What the commands that separate share: a client, with a sandbox behind it
--- if one is asked for, for as long as they run.

local camb = require "camb"
local core = require "camb.core"
local Error = require "camb.error"
local paid = require "camb.cli.paid"
local redact = require "camb.redact"
local source = require "camb.source"
local status = require "camb.cli.status"

local session = {}

-- An error's words without the place in our sources, and with an option's name
-- as it is in the shell.
local function plain(problem)
  return (tostring(problem):gsub("^[^ ]+:%d+: ", "")
    :gsub("option '([%l_]+)'", function(name)
      return name == "source" and "the source" or "--" .. name:gsub("_", "-")
    end))
end

--- Say what went wrong.
---@param problem camb.Error|string
---@param number integer? # default: what the problem asks for
---@return integer status # for os.exit
function session.complain(problem, number)
  local words = type(problem) == "table" and problem.message or problem
  io.stderr:write("camb: ", redact.visible(plain(words)), "\n")
  return number or status.of(problem)
end

local function start_sandbox(arguments, more)
  local found, sandbox = pcall(require, "camb.sandbox")
  if not found then
    return nil, "--sandbox needs the rock camb-sandbox"
  end
  local options = { engine = arguments.engine,
    workers = arguments.jobs < 2 and 1 or 2 }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  local ok, server, err = pcall(sandbox.start, options)
  if not ok then
    return nil, server
  end
  return server, err
end

local function open_client(arguments, server)
  local key = arguments.api_key or os.getenv("CAMB_API_KEY") or ""
  if key == "" and not server then
    return nil, Error.new({ kind = "authentication",
      message = "no API key: set CAMB_API_KEY, or use --api-key" })
  end
  local ok, client = pcall(camb.client, {
    api_key = server and server.api_key or arguments.api_key,
    base_url = server and server.base_url or arguments.base_url,
    proxy = not server and arguments.proxy or nil,
    ca_file = arguments.ca_file,
    requests_per_second = arguments.requests_per_second,
    reply_timeout = arguments.reply_timeout,
    max_connections = 2.0 * arguments.jobs,
    journal = not arguments.store and not server
      and paid.journal(arguments.output_dir) or nil,
  })
  if not ok then
    return nil, client
  end
  return client
end

--- The options of a separation that stand on the command line.
function session.options(arguments, listener)
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

local function has_url(arguments)
  for _, word in ipairs(arguments.file or arguments.source) do
    if source.is_url(word) then
      return true
    end
  end
  return false
end

--- Run `work(client, arguments)`, which gives the exit status.
---@param arguments table
---@param work fun(client: camb.Client, arguments: table): integer
---@param more table? # further options of the sandbox
---@return integer status
function session.run(arguments, work, more)
  local server, client, problem
  core.catch_signals()
  if arguments.engine and not arguments.sandbox then
    problem = "--engine needs --sandbox: the service has its own engine"
  elseif arguments.sandbox and arguments.proxy and has_url(arguments) then
    problem = "--proxy cannot be combined with --sandbox and a URL: set "
      .. "http_proxy, which camb does not use for this machine"
  elseif arguments.sandbox then
    server, problem = start_sandbox(arguments, more)
  end
  if not problem then
    client, problem = open_client(arguments, server)
  end
  local number
  if client then
    number = work(client, arguments)
    client:close()
  else
    number = session.complain(problem)
  end
  if server then
    server:stop()
  end
  return number
end

return session
