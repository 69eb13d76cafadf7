--- The one table of the service's operations.  The client's requests, the
--- sandbox's routes and the reference are made of it; what replies mean is in
--- camb.api.

local core = require "camb.core"
local json = require "camb.json"

local operations = {}

---@class camb.ServiceOperation
---@field step string       # our name for it: in errors, events and faults
---@field name string       # the service's
---@field method string
---@field path string       # below base_url; "{…}" is an argument
---@field query string[]?   # what may be in the query
---@field headers string[]? # what may be in the header
---@field file string?      # the form's part that holds the file
---@field form string[]?    # the form's other fields, in the service's order
---@field body string?      # the list of ids that is sent as JSON
---@field reply string      # its shape

---@type camb.ServiceOperation[]
operations.TABLE = {
  { step = "submit", name = "create_audio_separation",
    method = "POST", path = "/audio-separation",
    query = { "run_id" }, headers = { "traceparent" },
    file = "media_file",
    form = { "project_name", "project_description", "folder_id" },
    reply = '{"task_id": string}' },
  { step = "status", name = "get_audio_separation_status",
    method = "GET", path = "/audio-separation/{task_id}",
    query = { "run_id" },
    reply = '{"status": string, "run_id": integer?, '
      .. '"exception_reason": string?, "message": any}' },
  { step = "result", name = "get_audio_separation_run_info",
    method = "GET", path = "/audio-separation-result/{run_id}",
    reply = '{"foreground_audio_url": url, "background_audio_url": url}' },
  { step = "results", name = "get_audio_separation_runs_results",
    method = "POST", path = "/audio-separation-results",
    query = { "run_id" }, headers = { "traceparent" }, body = "run_ids",
    reply = '{"<run_id>": {"foreground_audio_url": url, '
      .. '"background_audio_url": url}, …}' },
}

local by_step = {}
for _, operation in ipairs(operations.TABLE) do
  by_step[operation.step] = operation
end

-- Ids exactly as they are, which lua-cjson and tostring would round.
local function text_of(value)
  return type(value) == "number" and json.digits(value) or value
end

local function url_of(operation, base_url, values)
  local path = operation.path:gsub("{([%w_]+)}", function(name)
    return core.escape(text_of(values[name]))
  end)
  local query = {}
  for _, name in ipairs(operation.query or {}) do
    if values[name] ~= nil then
      query[#query + 1] = name .. "=" .. core.escape(text_of(values[name]))
    end
  end
  return base_url .. path .. (query[1] and "?" or "")
    .. table.concat(query, "&")
end

local function digits_of(ids)
  local digits = {}
  for i, id in ipairs(ids) do
    digits[i] = text_of(id)
  end
  return table.concat(digits, ",")
end

--- The request of an operation, for the core: url, headers, and fields, part
--- or body if it has them.
---@param step string     # "submit", "status", "result" or "results"
---@param base_url string
---@param values table    # by the names of the table; run ids are exact
---@return table request
function operations.request(step, base_url, values)
  local operation = by_step[step]
  local headers, fields = {}, {}
  for _, name in ipairs(operation.headers or {}) do
    if values[name] then
      headers[#headers + 1] = name .. ": " .. values[name]
    end
  end
  for _, name in ipairs(operation.form or {}) do
    if values[name] ~= nil then
      fields[#fields + 1] = name
      fields[#fields + 1] = text_of(values[name])
    end
  end
  local body
  if operation.body then
    body = ('{"%s":[%s]}'):format(operation.body,
      digits_of(values[operation.body]))
    headers[#headers + 1] = "Content-Type: application/json"
  end
  return { url = url_of(operation, base_url, values), part = operation.file,
    headers = headers, fields = fields, body = body }
end

--- The names of all that a request of `operation` may send, as a set.
---@param operation camb.ServiceOperation
---@return table<string, boolean>
function operations.sent(operation)
  local names = {}
  for name in operation.path:gmatch("{([%w_]+)}") do
    names[name] = true
  end
  for _, list in ipairs({ operation.query or {}, operation.headers or {},
    operation.form or {}, { operation.file or operation.body } })
  do
    for _, name in ipairs(list) do
      names[name] = true
    end
  end
  return names
end

--- The names of the form's fields that go with the file.
---@return string[]
function operations.form()
  return by_step.submit.form
end

return operations
