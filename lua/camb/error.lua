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
---@field place table? # output_dir, name, source: where the stems of the task
---  were to go
---@field row { store: string, id: integer }? # whose outcome is unknown
---@field attempts integer?     # of the request or poll that failed
---@field path string?             # of the file that it is about
---@field exists boolean?     # it has a stem's name; overwrite replaces it
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
---@field shell string?     # which line of camb.cli.cure the command says

--- The kinds, from which the reference and the command's exit statuses come.
---@type camb.KindOfError[]
error_module.KINDS = {
  { kind = "source", exit = 3, retryable = false,
    when = "The source is empty, is not audio that the service accepts, or its "
      .. "URL cannot be fetched.",
    cure = "Check the file: the service accepts FLAC, MP3, WAV and AAC." },
  { kind = "file", exit = 3, retryable = false, shell = "doctor",
    when = "A local file, such as the source, is missing, or cannot be read or "
      .. "written.",
    cure = "Check the path, free disk space, fix permissions, or choose "
      .. "another output_dir; if there is a task_id, resume the task." },
  { kind = "authentication", exit = 4, retryable = false, shell = "login",
    when = "The API key is missing or invalid (401).",
    cure = "Check CAMB_API_KEY against Settings, API Keys in CAMB.AI "
      .. "Studio." },
  { kind = "forbidden", exit = 4, retryable = false, shell = "doctor",
    when = "The API key lacks permission (403).",
    cure = "Use a key of the account that owns the task." },
  { kind = "payment_required", exit = 5, retryable = false, shell = "again",
    when = "The account is out of credit (402, or the task's status).",
    cure = "Buy credit, then repeat the call." },
  { kind = "network", exit = 6, retryable = true, shell = "doctor",
    when = "No connection could be made, or it broke before the service "
      .. "accepted anything.",
    cure = "Check the network and the proxy, then repeat the call." },
  { kind = "rate_limited", exit = 6, retryable = true, shell = "again",
    when = "The service asked for fewer requests (429), and the retries are "
      .. "used up.",
    cure = "Wait err.retry_after seconds; lower requests_per_second." },
  { kind = "server", exit = 6, retryable = true, shell = "doctor",
    when = "The service failed (5xx), and the retries are used up.",
    cure = "Repeat the call later." },
  { kind = "protocol", exit = 6, retryable = false, shell = "doctor",
    when = "The service, a stem's host or a proxy sent an invalid response.",
    cure = "Check base_url and the proxy; if there is a task_id, resume the "
      .. "task." },
  { kind = "not_found", exit = 7, retryable = false, shell = "doctor",
    when = "The service knows no such task or run (404).",
    cure = "Check the id, and that the key belongs to the account that "
      .. "created it." },
  { kind = "validation", exit = 7, retryable = false, shell = "help",
    when = "The service rejected a field of the request (422).",
    cure = "Correct the field that the message names." },
  { kind = "task_failed", exit = 7, retryable = false, shell = "status",
    when = "The task failed at the service; err.exception_reason says why.",
    cure = "Fix the source, then submit it again." },
  { kind = "task_timeout", exit = 7, retryable = false, shell = "status",
    when = "The task took too long, and the service gave up on it.",
    cure = "Submit a shorter recording, or the same one later." },
  { kind = "timeout", exit = 8, retryable = true, shell = "wait",
    when = "The attempts or the deadline are used up; the task may still "
      .. "finish.",
    cure = "Resume the task: client:task(err.task_id):wait(), or camb "
      .. "download." },
  { kind = "unknown_outcome", exit = 9, retryable = false, shell = "task",
    when = "The file was sent and no usable reply came, or the job was "
      .. "cancelled in between: a task may exist and be charged.  camb does "
      .. "not resend the file.",
    cure = "Check the dashboard, then resume the task or submit the file "
      .. "again." },
  { kind = "hook", exit = 1, retryable = true,
    when = "The stems are complete, but a step after them failed: the upload "
      .. "to S3, `confirm`, or the command of --on-done.",
    cure = "Fix what failed, then retry the job: it is not sent again." },
  { kind = "store", exit = 1, retryable = false, shell = "again",
    when = "The database of a batch is unreachable, locked or from a newer "
      .. "camb, or another worker owns the job.",
    cure = "Start the database, then run the same batch again: it resumes." },
  { kind = "cancelled", exit = 130, retryable = false,
    when = "The call was cancelled on this side.",
    cure = "If there is a task_id, resume the task: the service cannot cancel "
      .. "it." },
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

--- Kinds that concern the key or the account, and so all jobs.
---@type table<string, true>
error_module.REFUSALS = { authentication = true, payment_required = true,
  forbidden = true }

--- Whether the service has refused the file as it would any other: it was not
--- accepted, and is to be sent again.
---@param err camb.Error
---@return boolean
function error_module.refuses_all(err)
  return error_module.REFUSALS[err.kind] and err.step == "submit"
    and not err.task_id or false
end

--- Make an error of `fields`; kind and message have to be there.
---@param fields table
---@return camb.Error
function error_module.new(fields)
  fields.retryable = fields.retryable or false
  return setmetatable(fields, Error)
end

--- `assert`, which in Lua 5.1 takes no error that is a table.
---@param value any
---@param ... any # an error first, if the value is nil
---@return any value
---@return any ...
function error_module.need(value, ...)
  if not value then
    error((...), 0)
  end
  return value, ...
end

--- True for a value made by `new`.
---@param value any
---@return boolean
function error_module.is_error(value)
  return getmetatable(value) == Error
end

return error_module
