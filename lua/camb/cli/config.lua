--- What `camb login` keeps: a file of JSON that only its owner may read, with a
--- profile under each name:
---
---     { "default": { "api_key": "…" },
---       "work": { "api_key": "…", "base_url": "https://…" },
---       "home": { "keyring": "yes" } }

local core = require "camb.core"
local download = require "camb.download"
local Error = require "camb.error"
local json = require "camb.json"
local key_file = require "camb.key_file"
local text = require "camb.text"

local config = {}

-- What a profile may hold, in the order in which it is written.
local FIELDS = { "api_key", "base_url", "keyring" }

local function fail(...)
  return nil, Error.new({ kind = "authentication",
    message = string.format(...) })
end

--- Its path; nil if the environment does not say.
---@return string?
function config.path()
  local base, home = os.getenv("XDG_CONFIG_HOME"), os.getenv("HOME")
  if not base or base:sub(1, 1) ~= "/" then
    base = home and home ~= "" and home .. "/.config"
  end
  return base and base .. "/camb/config.json" or nil
end

local function is_sound(profiles)
  if type(profiles) ~= "table" then
    return false
  end
  for name, profile in pairs(profiles) do
    if type(name) ~= "string" or type(profile) ~= "table" then
      return false
    end
    for _, field in ipairs(FIELDS) do
      if profile[field] ~= nil and type(profile[field]) ~= "string" then
        return false
      end
    end
  end
  return true
end

--- All profiles, by their names; none if there is no file.
---@return table<string, table>? profiles
---@return camb.Error? err
function config.read()
  local path = config.path()
  if not path or not core.stat(path) then
    return {}
  end
  local problem = key_file.exposure(path)
  if problem then
    local _, err = fail("the configuration %s", problem)
    err.shell = "fixed"
    return nil, err
  end
  local file, reason = io.open(path, "rb")
  if not file then
    return fail("the configuration cannot be read: %s", reason)
  end
  local profiles = json.decode(file:read("*a") or "")
  file:close()
  if not is_sound(profiles) then
    return fail('the configuration "%s" is damaged: remove it, and store the '
      .. "key again", path)
  end
  return profiles
end

local function text_of(profiles)
  local lines = {}
  for _, name in ipairs(text.names(profiles)) do
    local fields = {}
    for _, field in ipairs(FIELDS) do
      local value = profiles[name][field]
      fields[#fields + 1] = value
        and ("%s: %s"):format(json.quote(field), json.quote(value)) or nil
    end
    lines[#lines + 1] = ("  %s: { %s }"):format(json.quote(name),
      table.concat(fields, ", "))
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n}\n"
end

--- Keep `profile` under `name`, beside the others.
---@param name string
---@param profile table
---@return string? path # of the file
---@return camb.Error? err
function config.write(name, profile)
  local path = config.path()
  if not path then
    return fail("neither HOME nor XDG_CONFIG_HOME says where to keep the key")
  end
  local profiles, err = config.read()
  if not profiles then
    return nil, err
  end
  profiles[name] = profile
  local ok, reason = download.make_folders((path:gsub("/[^/]*$", "")))
  if ok then -- where a link leads
    ok, reason = core.write_private(core.real_path(path) or path,
      text_of(profiles))
  end
  if not ok then
    return nil, Error.new({ kind = "file", path = path,
      message = ('the configuration "%s" cannot be written: %s'):format(path,
        reason) })
  end
  return path
end

return config
