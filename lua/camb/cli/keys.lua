--- Where the command finds its key: --api-key, --api-key-file, --profile, the
--- environment, or what `camb login` stored as the profile "default".

local api = require "camb.api"
local config = require "camb.cli.config"
local Error = require "camb.error"
local key_file = require "camb.key_file"
local options = require "camb.options"
local shell = require "camb.cli.shell"

local keys = {}

---@class camb.FoundKey
---@field key string
---@field from string      # in words
---@field base_url string? # of the service that it is for

--- Where keys come from, in words.
keys.ORIGIN = "CAMB.AI Studio (https://studio.camb.ai), Settings, API Keys"

local function fail(...)
  return nil, Error.new({ kind = "authentication",
    message = string.format(...) })
end

-- The same, where another line than `camb login` helps.
local function fail_with(shell_word, ...)
  local _, err = fail(...)
  err.shell = shell_word
  return nil, err
end

local function secret_tool(verb, name)
  return ("secret-tool %s service camb profile %s"):format(verb,
    shell.quote(name))
end

-- The password manager's own messages do not help here.
local function from_keyring(name)
  local pipe = io.popen(secret_tool("lookup", name) .. " 2>/dev/null")
  local key = pipe and pipe:read("*l")
  if pipe then
    pipe:close()
  end
  return key ~= "" and key or nil
end

--- Keep `key` in the keyring of the desktop.
---@param name string # of the profile
---@param key string
---@return boolean? ok
---@return camb.Error? err
function keys.store_in_keyring(name, key)
  if not shell.has("secret-tool") then
    return fail("--keyring needs secret-tool, which is not installed (in "
      .. "Debian: apt install libsecret-tools)")
  end
  local pipe = io.popen(secret_tool("store --label='camb API key'", name), "w")
  pipe:write(key)
  pipe:close()
  if from_keyring(name) ~= key then
    return fail("the keyring did not store the key: omit --keyring to "
      .. "store it in a file")
  end
  return true
end

local function from_profile(name)
  local profiles, err = config.read()
  if not profiles then
    return nil, err
  end
  local profile = profiles[name]
  if not profile then
    return fail('there is no profile "%s"', name)
  end
  local key = profile.api_key or profile.keyring and from_keyring(name)
  if not key then
    return fail('the keyring has no key for the profile "%s": unlock it, or '
      .. "store the key again", name)
  end
  return { key = key, base_url = profile.base_url,
    from = ('the profile "%s" in %s'):format(name, profile.api_key
      and config.path() or "the keyring") }
end

local function from_file(path)
  local key, problem = key_file.read(path)
  if not key then
    return fail_with("fixed", "--api-key-file: %s", problem)
  end
  return { key = key, from = "the file " .. path }
end

local NAMED = {
  api_key = function(value)
    return { key = value, from = "--api-key" }
  end,
  api_key_file = from_file,
  profile = from_profile,
}

local function from_options(arguments)
  local named
  for _, name in ipairs({ "api_key", "api_key_file", "profile" }) do
    if arguments[name] and named then
      return fail_with("help", "--%s and --%s both name a key: give one",
        named:gsub("_", "-"), name:gsub("_", "-"))
    end
    named = arguments[name] and name or named
  end
  if named then
    return NAMED[named](arguments[named])
  end
end

local function has_sandbox(command)
  for _, option in ipairs(options.flags(command)) do
    if option.name == "sandbox" then
      return true
    end
  end
  return false
end

local function find(arguments)
  local found, err = from_options(arguments)
  local value = key_file.of_environment()
  if found or err then
    return found, err
  elseif value then
    return { key = value, from = "the environment variable CAMB_API_KEY" }
  end
  local profiles
  profiles, err = config.read()
  if not profiles then
    return nil, err
  elseif profiles.default then
    return from_profile("default")
  elseif arguments.add_only then
    return { key = "none", from = "--add-only, which sends nothing" }
  end
  return fail("no API key: get one in %s, and store it, or set "
    .. "CAMB_API_KEY%s", keys.ORIGIN, has_sandbox(arguments.command)
    and "; --sandbox needs none, and separates on this machine" or "")
end

--- The key for a run of the command.
---@param arguments table
---@return camb.FoundKey? found
---@return camb.Error? err
function keys.find(arguments)
  local found, err = find(arguments)
  local problem = found and found.key ~= "" and key_file.problem(found.key)
  if problem then
    return fail_with("fixed", "the key from %s %s", found.from, problem)
  end
  return found, err
end

--- The URL of the service that a run would speak to, for what needs no key.
---@param arguments table
---@return string
function keys.base_url(arguments)
  local is_named = arguments.api_key or arguments.api_key_file
    or key_file.of_environment()
  local profile = (config.read() or {})[arguments.profile
    or not is_named and "default"]
  return api.base_url(arguments.base_url or profile and profile.base_url)
end

return keys
