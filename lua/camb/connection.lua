--- How connections are made: through which proxy, and whose certificates are
--- trusted.  libcurl reads the proxy variables of the environment; those that
--- name certificates are read here, as libcurl leaves them to curl's command.

local lower = require("camb.text").lower
local check = require "camb.check"
local core = require "camb.core"

local connection = {}

local PROXIES = { http = true, https = true, socks4 = true, socks4a = true,
  socks5 = true, socks5h = true }

-- The value is not in the sentence: it may hold a password.
local function proxy_problem(value)
  if value == false or value == "" then
    return nil
  elseif type(value) ~= "string" then
    return "must be a string, or false for none"
  end
  local problem = check.text().check(value)
  local scheme, rest = value:match("^([%a][%w+.-]*)://(.*)$")
  local address = (rest or value):gsub("/$", ""):gsub("^.*@", "")
  if problem then
    return problem
  elseif scheme and not PROXIES[lower(scheme)] then
    return ("must begin with http://, https://, socks4://, socks4a://, "
      .. "socks5:// or socks5h://, not %s://"):format(scheme)
  elseif not address:find("^[^%s:/?#%[%]]+$")
    and not address:find("^[^%s:/?#%[%]]+:%d+$")
    and not address:find("^%[[%x:.]+%]:?%d*$")
    or (tonumber(address:match(":(%d+)$")) or 1) > 65535
    or (rest or value):find("[/?#].*@")
  then
    return "must look like http://user:password@host:port"
  end
end

--- The rule of the option `proxy`.
connection.PROXY = { of = "string|false", check = proxy_problem }

--- `proxy` as the core takes it: "" is none, nil as the environment says.
---@param proxy string|false|nil
---@return string?
function connection.proxy(proxy)
  if proxy == false then
    return ""
  end
  return proxy
end

-- Where libcurl looks for a proxy, in this order.
local VARIABLES = { https = { "https_proxy", "HTTPS_PROXY", "all_proxy",
  "ALL_PROXY" }, http = { "http_proxy", "all_proxy", "ALL_PROXY" } }

--- The variable of the environment that names the proxy for `url`.
---@param url string
---@return string? name # nil: there is none
---@return string? value
function connection.variable(url)
  for _, name in ipairs(VARIABLES[lower(url:match("^%a+") or "")] or {}) do
    local value = os.getenv(name)
    if value and value ~= "" then
      return name, value
    end
  end
end

--- What is wrong with the environment's proxy for `url`, or with its reply.
---@param url string
---@param failed table # of kind "proxy", as a transfer has it
---@return string
function connection.proxy_failure(url, failed)
  local name = connection.variable(url)
  return name and failed.message == "the proxy is none"
    and ("the environment variable %s is not the URL of a proxy, such as "
    .. "http://host:3128 or socks5h://host:1080"):format(name)
    or failed.message
end

local function certificates_problem(path)
  local kind, problem = core.stat(path)
  local file
  if kind == "folder" then
    problem = "it is a folder, not a file"
  elseif kind then
    file, problem = io.open(path, "rb")
  end
  if not file then
    return ('names "%s", which cannot be read: %s'):format(path,
      (tostring(problem):gsub("^.*: ", "")))
  end
  local text = file:read("*a") or ""
  file:close()
  if not text:find("-----BEGIN [%u%d ]*CERTIFICATE-----") then
    return ('names "%s", which contains no certificate in PEM form'):format(
      path)
  end
end

local function given_file(checked)
  if checked.ca_file then
    return "option 'ca_file'", checked.ca_file
  end
  for _, name in ipairs({ "CURL_CA_BUNDLE", "SSL_CERT_FILE" }) do
    local path = os.getenv(name)
    if path and path ~= "" then
      return "the environment variable " .. name, path
    end
  end
end

--- The file of certificates that are trusted, looked at; nil: the system's.
---@param checked table  # the client's options
---@param level integer  # as for `error`, seen from the caller
---@return string? path
function connection.ca_file(checked, level)
  local what, path = given_file(checked)
  local problem = path and certificates_problem(path)
  if problem then
    error(("%s %s"):format(what, problem), level + 1)
  end
  return path
end

return connection
