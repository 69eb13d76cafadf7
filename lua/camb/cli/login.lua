--- `camb login`: keep a key, so that no command line and no environment has to
--- hold it.

local config = require "camb.cli.config"
local core = require "camb.core"
local key_file = require "camb.key_file"
local keys = require "camb.cli.keys"
local redact = require "camb.redact"
local session = require "camb.cli.session"
local shell = require "camb.cli.shell"
local status = require "camb.cli.status"

local login = {}

local STDIN = 0

-- The key, from a terminal unseen, or from a pipe.
local function read_key()
  if not core.is_terminal(STDIN) then
    return io.stdin:read("*l")
  end
  io.stderr:write("camb: get the key in ", keys.ORIGIN, "\n")
  io.stderr:flush()
  return core.read_hidden("API key (not shown): ")
end

local function key_problem(key)
  if not key or key == "" then
    return "no key was given: type it, or pipe it in"
  end
  local problem = key_file.problem(key)
  return problem and "this is not an API key: it " .. problem or nil
end

local function store(name, key, arguments)
  if not arguments.keyring then
    return config.write(name, { api_key = key, base_url = arguments.base_url })
  end
  local ok, err = keys.store_in_keyring(name, key)
  if ok then
    ok, err = config.write(name, { keyring = "yes",
      base_url = arguments.base_url })
  end
  return ok and "the keyring", err
end

--- Run it.
---@param arguments table
---@return integer status
function login.run(arguments)
  local name = arguments.profile or "default"
  local problem = arguments.base_url and core.url_problem(arguments.base_url)
  if problem then
    return session.complain("--base-url is invalid: " .. problem)
  end
  local key = read_key()
  key = key and key:gsub("^%s+", ""):gsub("[\r\n ]+$", "")
  if key and key:find("\3", 1, true) then
    return session.complain("interrupted by SIGINT",
      status.of_signal("SIGINT"))
  end
  problem = key_problem(key)
  if problem then
    return session.complain(problem)
  end
  local place, err = store(name, key, arguments)
  if not place then
    return session.complain(err)
  end
  io.stderr:write(redact.visible(('camb: the key of the profile "%s" is stored '
    .. "in %s; to try it, run: camb doctor%s"):format(name, place,
    name ~= "default" and " --profile " .. shell.quote(name) or "")), "\n")
  return status.OK
end

return login
