--- What went wrong, as a value, and the one table of its kinds.

--- What a call returns beside nil.  `tostring(err)` is its kind and message.
---@class camb.Error
---@field kind string              # one of KINDS, below
---@field message string           # one sentence for a person; never the key
---@field retryable boolean        # the same call may be made again at no cost
---@field step string?             # "submit", "poll", "result", "download", …
---@field http_status integer?     # of the reply that decided it
---@field detail any               # what the service's reply said, decoded
---@field retry_after number?      # seconds the service asked to wait
---@field task_id string?          # there once the service accepted the upload
---@field run_id integer|string? # once the task succeeded
---@field exception_reason string? # the service's word for a task that failed
---@field status string?           # the task's last status
---@field task_ended boolean?      # the task is over: nothing comes of it
---@field place { output_dir: string, name: string }? # where the stems of the
---  task were to go
---@field attempts integer?     # of the request or poll that failed
---@field path string?             # of the file that it is about
local Error = {}
Error.__index = Error
Error.__name = "camb.Error"

function Error:__tostring()
  return self.kind .. ": " .. self.message
end

local error_module = {}

---@class camb.KindOfError
---@field kind string
---@field when string       # what happened
---@field cure string       # what to do about it
---@field retryable boolean # the same call may be made again at no cost
---@field exit integer      # exit status of the command

--- The kinds, from which the reference and the command's exit statuses come.
---@type camb.KindOfError[]
error_module.KINDS = {
  { kind = "source", exit = 3, retryable = false,
    when = "The input is not audio that the service takes, it is not there, "
      .. "or its URL cannot be fetched.",
    cure = "Look at the file: FLAC, MP3, WAV and AAC are taken." },
  { kind = "file", exit = 3, retryable = false,
    when = "A file on the local disk cannot be read or written.",
    cure = "Free space, mend permissions, or choose another output_dir; with "
      .. "a task_id, take the task up again." },
  { kind = "authentication", exit = 4, retryable = false,
    when = "The API key is missing or not accepted (401).",
    cure = "Check CAMB_API_KEY against Settings, API Keys in CAMB.AI "
      .. "Studio." },
  { kind = "forbidden", exit = 4, retryable = false,
    when = "The API key may not do this (403).",
    cure = "Use a key of the account that owns the task." },
  { kind = "payment_required", exit = 5, retryable = false,
    when = "The account has no credit left (402, or the task's status).",
    cure = "Buy credit, then repeat the call." },
  { kind = "network", exit = 6, retryable = true,
    when = "No connection could be made, or it broke before anything was "
      .. "accepted.",
    cure = "Check the network and the proxy, then repeat the call." },
  { kind = "rate_limited", exit = 6, retryable = true,
    when = "The service asks for fewer requests (429), beyond the retries.",
    cure = "Wait err.retry_after seconds; lower requests_per_second." },
  { kind = "server", exit = 6, retryable = true,
    when = "The service failed (5xx), beyond the retries.",
    cure = "Repeat the call later." },
  { kind = "protocol", exit = 6, retryable = false,
    when = "The service, a stem's host or a proxy sent an invalid response.",
    cure = "Check base_url and the proxy; with a task_id, take the task up "
      .. "again." },
  { kind = "not_found", exit = 7, retryable = false,
    when = "The service knows no such task or run (404).",
    cure = "Check the id, and that the key is of the account that made it." },
  { kind = "validation", exit = 7, retryable = false,
    when = "The service refused a field of the request (422).",
    cure = "Mend the field that the message names." },
  { kind = "task_failed", exit = 7, retryable = false,
    when = "The service gave the task up; err.exception_reason says why.",
    cure = "Mend the source, then submit it again." },
  { kind = "task_timeout", exit = 7, retryable = false,
    when = "The service took too long over the task and gave it up.",
    cure = "Submit a shorter recording, or the same one later." },
  { kind = "timeout", exit = 8, retryable = true,
    when = "Attempts or deadline are used up; a task may still finish.",
    cure = "Take the task up again: client:task(err.task_id):wait(), or camb "
      .. "download." },
  { kind = "unknown_outcome", exit = 9, retryable = false,
    when = "The file was sent and no usable reply came, or the job was "
      .. "cancelled meanwhile: a task may exist and be charged.  camb does "
      .. "not send the file again.",
    cure = "Look at the dashboard, then take the task up, or submit again." },
  { kind = "store", exit = 1, retryable = false,
    when = "The database of a batch is gone, locked or of a newer camb, or "
      .. "another worker owns the job.",
    cure = "Start the database, then run the same batch again: it resumes." },
  { kind = "cancelled", exit = 130, retryable = false,
    when = "The call was stopped on this side.",
    cure = "With a task_id, take the task up again: the service has no "
      .. "cancel." },
}

--- The entry of `kind`.
---@param kind string
---@return camb.KindOfError?
function error_module.kind(kind)
  for _, entry in ipairs(error_module.KINDS) do
    if entry.kind == kind then
      return entry
    end
  end
end

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
