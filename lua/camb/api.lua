--- The service's four operations, without any I/O: what a request looks like
--- and what a reply means.  Every reply is checked for its shape here.

local upper = require("camb.text").upper
local core = require "camb.core"
local json = require "camb.json"

local api = {}

--- Where the service lives unless CAMB_BASE_URL or `base_url` says otherwise.
api.BASE_URL = "https://client.camb.ai/apis"

--- Where the service is: at `given`, else where CAMB_BASE_URL or BASE_URL says.
---@param given string?
---@return string
function api.base_url(given)
  local from_environment = os.getenv("CAMB_BASE_URL")
  return ((given or (from_environment ~= "" and from_environment)
    or api.BASE_URL):gsub("/+$", ""))
end

--- What the service at `base_url` is known by: a name and a password in the URL
--- say who asks.
---@param base_url string
---@return string
function api.service(base_url)
  return (base_url:gsub("^(%a+://)[^/?#]*@", "%1"))
end

-- What the service's words for a task's state mean.  TIMEOUT and the rest are
-- not in its reference, but occur in practice.
local MEANING = {
  PENDING = "pending",
  SUCCESS = "success",
  COMPLETED = "success",
  COMPLETE = "success",
  ERROR = "task_failed",
  FAILED = "task_failed",
  TIMEOUT = "task_timeout",
  PAYMENT_REQUIRED = "payment_required",
}

local LONGEST_WORD = 40

--- What a status word means: "pending", "success", a kind of error, or nil for
--- a word that is not known.
---@param status string
---@return string?
function api.meaning(status)
  return #status <= LONGEST_WORD and MEANING[upper(status)] or nil
end

local EXCERPT = 60
local MOST_ITEMS = 20 -- of a list of what is wrong

--- The beginning of `text`, as a line of at most `most` (60) bytes.
---@param text string
---@param most integer?
---@return string
function api.excerpt(text, most)
  most = most or EXCERPT
  local words = text:sub(text:find("%S") or 1, -1):sub(1, 4 * most)
    :gsub("%s+", " "):gsub("[%z\1-\31\127]", "")
  return (#words > most or #text > 4 * most)
    and words:sub(1, most) .. "…" or words
end

local excerpt = api.excerpt

local function decode_object(text, what)
  local value, problem = json.decode(text)
  if problem then
    return nil, ("%s %s: \"%s\""):format(what, problem, excerpt(text))
  elseif type(value) ~= "table" then
    return nil, ("%s is not an object: \"%s\""):format(what, excerpt(text))
  end
  return value
end

-- `value` as the text of an id; nil if it is none.
local function id_of(value)
  local digits = type(value) == "number" and json.integer(value)
  if digits then
    return json.digits(digits)
  end
  return type(value) == "string" and value ~= "" and value or nil
end

-- "task_id", "taskId", "Task-ID", …: not by `lower`, which asks the locale.
local TASK_ID = "[Tt][Aa][Ss][Kk][_-]?[Ii][Dd]"

-- The outermost table with an id under a key like `pattern`, and the id.
local function find_key(value, pattern)
  local tables = { value }
  for _, one in ipairs(tables) do -- grows while it is read
    local id
    for key, item in pairs(one) do
      if type(item) == "table" then
        tables[#tables + 1] = item
      elseif type(key) == "string" and key:find(pattern) then
        id = id or id_of(item)
      end
    end
    if id then
      return one, id_of(one.task_id) or id
    end
  end
end

-- The ids that follow keys in `text`, which may be JSON, truncated, or
-- surrounded by other text; no more than two different ones.
local function scan(text)
  local ids, last = {}, 0
  repeat
    last = select(2, text:find('"' .. TASK_ID .. '"[ \t\r\n]*:[ \t\r\n]*',
      last + 1))
    local quoted = last and text:match('^"[^"%z\1-\31\127]+"', last + 1)
    local id = quoted and json.decode(quoted)
      or last and text:match("^(%d+)[%s,}%]]", last + 1)
    if id and id ~= ids[1] then
      ids[#ids + 1] = id
    end
  until not last or #ids == 2
  return ids
end

-- Task ids come below the upload's own `url`: Location may name one.
local function read_location(location, url)
  local path = url:gsub("[?#].*", ""):match("^%w+://[^/]+(/.*)") .. "/"
  local _, last = location:find(path, 1, true)
  local segment = last and location:match("^[^/?#]+", last + 1)
  return segment and (segment:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

--- The reply to an upload.  It is paid for, so the id is accepted in any form
--- and from any place that leaves no doubt.
---@param text string     # maybe cut
---@param url string?      # where the upload went
---@param location string? # the reply's headers Location and Task-Id
---@param header string?
---@return table? reply # with `task_id`, a string
---@return string? problem
---@return string? other # another id that the reply names, too
function api.read_created(text, url, location, header)
  local reply, problem = json.decode(text)
  if not problem and type(reply) ~= "table" then
    problem, reply = "is not an object", nil
  end
  local found, id = find_key(reply or {}, "^" .. TASK_ID .. "$")
  local ids = scan(text)
  ids[#ids + 1] = header and header ~= "" and header or nil
  ids[#ids + 1] = location and read_location(location, url) or nil
  id = id or ids[1]
  local other
  for _, named in ipairs(ids) do
    other = other or named ~= id and named or nil
  end
  if id then
    found = found or {}
    found.task_id = id
  end
  return found, "the reply to the upload " .. (problem or "has no task_id"),
    other
end

local LOOK_AT = 64 * 1024

--- What looks like the id of a task in a reply that has no `task_id`.
---@param text string
---@param location string
---@return string?
function api.guess_task(text, location)
  text = text:sub(1, LOOK_AT)
  local reply = json.decode(text)
  for _, key in ipairs({ "job_id", "id", "uuid" }) do
    local _, id = find_key(type(reply) == "table" and reply or {},
      "^" .. key .. "$")
    if id then
      return id
    end
  end
  return text:match("[Tt][Aa][Ss][Kk][_ -]?[Ii][Dd][\"'%s:=>]+([%w][%w._~-]*)")
    or location:gsub("[?#].*", ""):match("([^/]+)/*$")
end

--- The service's answer to a poll.
---@class camb.Status
---@field status string # such as "PENDING", "SUCCESS" or "ERROR"
---@field run_id integer|string|nil # once the task has succeeded
---@field exception_reason string? # nil also if the service says "NONE"
---@field message any              # a string or an object
---@field raw any                  # the reply as it came, decoded

local function status_of(reply)
  if type(reply) == "string" then
    return { status = reply }
  elseif type(reply) ~= "table" then
    return nil
  elseif type(reply.status) ~= "string" and type(reply.message) == "table" then
    return reply.message
  end
  return reply
end

--- The reply to a status request, in any of the shapes seen in practice.
---@param text string
---@return camb.Status? status
---@return string? problem
function api.read_status(text)
  local reply, problem = json.decode(text)
  if problem then
    return nil, ("the status %s: \"%s\""):format(problem, excerpt(text))
  end
  local found = status_of(reply)
  if not found or type(found.status) ~= "string" then
    return nil, ('the status reply has no status: "%s"')
      :format(excerpt(text))
  end
  local run_id = found.run_id
  if run_id == nil and type(reply) == "table" then
    run_id = reply.run_id
  end
  if run_id ~= nil and not json.integer(run_id) then
    return nil, "the status reply has a run_id that is not an integer"
  end
  local reason = found.exception_reason
  return {
    status = found.status,
    run_id = json.integer(run_id),
    exception_reason = type(reason) == "string" and reason ~= "NONE" and reason
      or nil,
    message = type(reply) == "table" and reply.message or nil,
    raw = reply,
  }
end

local function check_urls(reply)
  for _, name in ipairs({ "foreground_audio_url", "background_audio_url" }) do
    local url = reply[name]
    if type(url) ~= "string" then
      return ("the result has no %s"):format(name)
    end
    local problem = core.url_problem(url)
    if problem then
      return ("the result's %s cannot be fetched: %s"):format(name, problem)
    end
  end
end

--- The reply to a result request.
---@param text string
---@return table? urls # foreground_audio_url, background_audio_url, and more
---@return string? problem
function api.read_result(text)
  local reply, problem = decode_object(text, "the result")
  if not reply then
    return nil, problem
  end
  problem = check_urls(reply)
  if problem then
    return nil, problem
  end
  return reply
end

--- The reply to a bulk request: by digits of the run id.  Unknown ids are not
--- in it; an entry without usable URLs is a broken reply.
---@param text string
---@return table<string, table>? results
---@return string? problem
function api.read_results(text)
  local reply, problem = decode_object(text, "the list of results")
  if not reply then
    return nil, problem
  end
  for run_id, entry in pairs(reply) do
    problem = type(entry) ~= "table" and "it is not an object"
      or check_urls(entry)
    if problem then
      return nil, ("the result of run %s: %s"):format(tostring(run_id), problem)
    end
  end
  return reply
end

local function explain_item(item)
  if type(item) ~= "table" or type(item.msg) ~= "string" then
    return nil
  end
  local place = type(item.loc) == "table" and item.loc[#item.loc]
  return place and ("%s: %s"):format(tostring(place), item.msg) or item.msg
end

--- What an error's body says, for a person and for a program.
---@param text string
---@return string? words
---@return any detail # the decoded `detail`, or the whole reply
function api.read_error(text)
  local code = text:find("^%s*<") and text:match("<Error>.*<Code>(%a+)</Code>")
  if code then
    return code, code -- S3's; the rest may reveal the credentials
  end
  local reply, problem = json.decode(text)
  if problem or type(reply) ~= "table" then
    return nil
  end
  local detail = reply.detail
  if type(detail) == "table" then
    local words = {}
    for i = 1, math.min(#detail, MOST_ITEMS) do
      words[#words + 1] = explain_item(detail[i])
    end
    return #words > 0 and table.concat(words, "; ") or nil, detail
  end
  for _, words in ipairs({ detail or false, reply.error or false,
    reply.message or false })
  do
    if type(words) == "string" then
      return excerpt(words), detail or reply
    end
  end
  return nil, detail or reply
end

return api
