--- What the commands that separate share: a client, with a sandbox behind it
--- if one is asked for, for as long as they run.

local camb = require "camb"
local core = require "camb.core"
local download = require "camb.download"
local cure = require "camb.cli.cure"
local keys = require "camb.cli.keys"
local options = require "camb.options"
local own_store = require "camb.cli.own_store"
local paid = require "camb.cli.paid"
local progress = require "camb.cli.progress"
local redact = require "camb.redact"
local source = require "camb.source"
local status = require "camb.cli.status"

local session = {}

--- The options of `call` that stand on the command line: those with a flag.
---@param arguments table
---@param call string # as of camb.options
---@return table
function session.given(arguments, call)
  local given = {}
  for _, option in ipairs(options.all()) do
    if option.flag and options.takes(call, option) then
      given[option.name] = arguments[option.name]
    end
  end
  return given
end

-- Options that the shell calls otherwise.
local NAMES = { source = "the source", stem_name = "--name",
  task_id = "the id of the task" }

-- An error's message without the position in camb's sources, and with an
-- option's name as it is in the shell.
local function plain(problem)
  return (tostring(problem):gsub("^[^ ]+:%d+: ", "")
    :gsub("option '([%l_]+)'", function(name)
      return NAMES[name] or "--" .. name:gsub("_", "-")
    end))
end

--- Say what went wrong, and which line cures or resumes it.
---@param problem camb.Error|string
---@param number integer? # default: what the problem asks for
---@return integer status # for os.exit
function session.complain(problem, number)
  local words = type(problem) == "table" and problem.message or problem
  io.stderr:write("camb: ", redact.visible(plain(words)), "\n")
  if status.is_of_signal(number) then
    cure.say_resume()
  else
    cure.say(problem)
  end
  return number or status.of(problem)
end

local function start_sandbox(arguments, more)
  local found, sandbox = pcall(require, "camb.sandbox")
  if not found then
    return nil, "--sandbox needs the rock camb-sandbox"
  end
  local given = { engine = arguments.engine,
    workers = arguments.jobs < 2 and 1 or 2 }
  for name, value in pairs(more or {}) do
    given[name] = value
  end
  local ok, server, err = pcall(sandbox.start, given)
  if not ok then
    return nil, server
  end
  return server, err
end

local function open_client(arguments, server)
  local found, err = { key = server and server.api_key,
    base_url = server and server.base_url }, nil
  if not server then
    found, err = keys.find(arguments)
  end
  if not found then
    return nil, err
  end
  local given = session.given(arguments, "client")
  given.api_key, given.api_key_file = found.key, nil
  given.base_url = not server and given.base_url or found.base_url
  given.proxy = not server and given.proxy or nil
  given.max_connections = 2.0 * arguments.jobs
  given.journal = not server and arguments.output_dir
    and paid.journal(arguments.output_dir) or nil
  if given.journal and (arguments.foreground_dir or arguments.background_dir)
  then
    download.make_folders(arguments.output_dir) -- no stem may be written there
  end
  local ok, client = pcall(camb.client, given)
  if not ok then
    return nil, client
  end
  client.has_rows = arguments.store ~= nil
  if given.journal and (arguments.source or arguments.file) then
    client.recall, err = own_store.finder(arguments, client.base_url)
  end
  if err then
    client:close()
    return nil, err
  end
  return client
end

--- The options of a separation, or of another `call`, that stand on the
--- command line.
---@param arguments table
---@param listener function
---@param call string? # as of camb.options
---@return table
function session.options(arguments, listener, call)
  local given = session.given(arguments, call or "separate")
  given.on_event = listener
  if arguments.sandbox then
    given.interval = given.interval or 0.5
    given.max_attempts = given.max_attempts or 36000
  end
  return given
end

local function has_url(arguments)
  for _, word in ipairs(arguments.file or arguments.source or {}) do
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
  problem = progress.open_log(arguments)
  if problem then
    return session.complain(problem)
  elseif arguments.engine and not arguments.sandbox then
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
