--- Objects of S3, "s3://bucket/key", as requests that libcurl signs (AWS's
--- Signature Version 4).  Endpoint, region and credentials come from where
--- AWS's own tools have them: environment variables, then the profile's part of
--- ~/.aws/credentials and ~/.aws/config.  They are read for each request, as
--- credentials for a while are replaced there.

local api = require "camb.api"
local core = require "camb.core"

local s3 = {}

local DEFAULT_REGION = "us-east-1"

local function variable(...)
  for _, name in ipairs({ ... }) do
    local value = os.getenv(name)
    if value and value ~= "" then
      return value, value:find("%c") and name or nil
    end
  end
end

local function split(url)
  return url:match("^[sS]3://([%w][%w._-]*)/?(.*)$")
end

--- What is wrong with the URL of an object, or of the folder of some.
---@param url string
---@param is_folder boolean?
---@return string? problem
function s3.problem(url, is_folder)
  local bucket, key = split(url)
  if not bucket or key == "" and not is_folder then
    return is_folder and "must look like s3://bucket/folder"
      or "it must look like s3://bucket/key"
  end
end

-- libcurl signs a path as it is sent, and AWS what it is in this one spelling.
local function encode(key)
  return (key:gsub("[^%w%-._~/]", function(character)
    return ("%%%02X"):format(character:byte())
  end))
end

-- Add to `values` what the part `wanted` of the file at `path` has.
local function read_part(path, wanted, values)
  local file = path and io.open(path, "rb")
  local part
  for line in (file and file:read("*a") or ""):gmatch("[^\r\n]+") do
    local name, value = line:match("^([%w_]+)[ \t]*=[ \t]*(.-)[ \t]*$")
    part = line:match("^%[%s*(.-)%s*%]") or part
    if name and part == wanted then
      values[name:lower()] = value
    end
    values.is_found = values.is_found or part == wanted
  end
  if file then
    file:close()
  end
end

local function file_of(name, other)
  local home = variable("HOME")
  return variable(name) or home and ("%s/.aws/%s"):format(home, other)
end

-- What the files have for the profile; nil if one that is wanted is not there.
local function profile()
  local name, values = variable("AWS_PROFILE"), {}
  read_part(file_of("AWS_CONFIG_FILE", "config"),
    name and name ~= "default" and "profile " .. name or "default", values)
  read_part(file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    name or "default", values)
  if name and not values.is_found then
    return nil, "no profile is called as AWS_PROFILE says"
  end
  return values
end

-- Of the service: the bucket is a part of the path, which all servers know.
local function endpoint_of(region, known)
  local given, control = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
  given = given or known.endpoint_url
  if control or given and core.url_problem(given) then
    return nil, "AWS_ENDPOINT_URL is not an http or https URL"
  end
  return given and given:gsub("/+$", "") or ("https://s3.%s.amazonaws.com%s")
    :format(region, region:find("^cn%-") and ".cn" or "")
end

local function credentials(known)
  local user, odd_user = variable("AWS_ACCESS_KEY_ID")
  local secret, odd_secret = variable("AWS_SECRET_ACCESS_KEY")
  local token, odd_token = variable("AWS_SESSION_TOKEN")
  local odd = odd_user or odd_secret or odd_token
  if not user and not secret then
    user, secret = known.aws_access_key_id, known.aws_secret_access_key
    token = known.aws_session_token
    odd = ((user or "") .. (secret or "") .. (token or "")):find("%c")
      and "the profile's part of ~/.aws/credentials"
  end
  if not user or not secret then
    return nil, "S3 needs the environment variables AWS_ACCESS_KEY_ID and "
      .. "AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials"
  elseif odd then
    return nil, odd .. " contains a control character"
  end
  return { user = user, secret = secret, token = token }
end

--- What a transfer needs to ask for `url`.
---@param url string     # of an object
---@param sha256 string? # of what is sent with it, in digits; nil: nothing is
---@return table? request # url, headers, sigv4, user, secret
---@return string? problem
function s3.request(url, sha256)
  local problem = s3.problem(url)
  local known, who, region, endpoint
  if not problem then
    known, problem = profile()
  end
  if known then
    who, problem = credentials(known)
  end
  if who then
    region = variable("AWS_REGION", "AWS_DEFAULT_REGION") or known.region
      or DEFAULT_REGION
    endpoint, problem = endpoint_of(region, known)
  end
  if not endpoint then
    return nil, problem
  elseif not region:find("^[%w-]+$") then
    return nil, "AWS_REGION is not the name of a region"
  end
  local bucket, key = split(url)
  return {
    url = ("%s/%s/%s"):format(endpoint, bucket, encode(key)),
    sigv4 = ("aws:amz:%s:s3"):format(region),
    user = who.user,
    secret = who.secret,
    headers = { "x-amz-content-sha256: "
      .. (sha256 or core.sha256():finish()),
      who.token and "x-amz-security-token: " .. who.token },
  }
end

--- The same for its first byte alone: the reply to a HEAD would not say whether
--- the object or its bucket is missing.
---@param url string
---@return table? request
---@return string? problem
function s3.look(url)
  local request, problem = s3.request(url)
  if request then
    table.insert(request.headers, "Range: bytes=0-0")
  end
  return request, problem
end

--- What went wrong with a transfer; nil: nothing.
---@param transfer userdata # that has ended
---@return string?
function s3.failure(transfer)
  local failed = transfer:failure()
  local code = failed and api.read_error(transfer:body())
  return failed and failed.message .. (code and ": " .. code or "")
end

local MISSING = "NoSuchKey"

--- What keeps an object from being written, by a transfer that looked for it;
--- nil: nothing, as there is none.
---@param transfer userdata
---@return string? problem
---@return boolean? is_there # it is in the way
function s3.obstacle(transfer)
  local failure = s3.failure(transfer)
  if not failure or transfer:status() == 416 then
    return "already exists", true
  end
  return failure:sub(-#MISSING) ~= MISSING and failure or nil
end

return s3
