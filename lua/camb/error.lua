--- What went wrong, as a value.

---@alias camb.ErrorKind
---| "authentication"   # the key is missing or wrong (401)
---| "forbidden"        # the key may not do this (403)
---| "payment_required" # no credit (402, or the task's status)
---| "not_found"        # no such task or run (404)
---| "validation"       # a field is missing or malformed (400, 422)
---| "rate_limited"     # too many requests (429), beyond the retries
---| "server"           # the service failed (408, 409, 5xx), beyond the retries
---| "network"          # no connection, or it broke; nothing was accepted
---| "timeout"          # attempts or deadline used up; the task may go on
---| "task_failed"      # the service gave the task up (ERROR, FAILED)
---| "task_timeout"     # the service's own TIMEOUT
---| "protocol"         # a reply that is not what the contract says
---| "unknown_outcome"  # the upload may or may not have been accepted
---| "file"             # our disk
---| "store"            # the database of a batch (a file's trouble is "file")
---| "source"           # the input is not audio that the service takes
---| "cancelled"        # stopped from our side

---@class camb.Error
---@field kind camb.ErrorKind
---@field message string           # one sentence for a person; never the key
---@field retryable boolean        # the same call may be made again at no cost
---@field step string?             # "submit", "poll", "result", "download", …
---@field http_status integer?     # of the reply that decided it
---@field detail any               # what the service's reply said, decoded
---@field retry_after number?      # seconds the service asked to wait
---@field task_id string?          # there once the service accepted the upload
---@field run_id integer|string?
---@field exception_reason string? # the service's word for a task that failed
---@field status string?           # the task's last status
---@field task_ended boolean?      # the task is over: nothing comes of it
---@field place { output_dir: string, name: string }? # where the stems of the
---  task were to go
---@field attempts integer?
---@field path string?             # of the file that it is about
local Error = {}
Error.__index = Error
Error.__name = "camb.Error"

function Error:__tostring()
  return self.kind .. ": " .. self.message
end

local error_module = {}

--- Make an error of `fields`; kind and message have to be there.
---@param fields table
---@return camb.Error
function error_module.new(fields)
  fields.retryable = fields.retryable or false
  return setmetatable(fields, Error)
end

--- True for a value made by `new`.
---@param value any
---@return boolean
function error_module.is_error(value)
  return getmetatable(value) == Error
end

return error_module
