--- The one table of options.  An entry says what an option is called, which
--- values it takes, what it does, which calls take it, what the service calls
--- it and which flag of the command sets it.  The checks, the command's flags
--- and `--help`, the reference, the definitions for editors and the man page
--- are made of it.  The sandbox's own are in camb.sandbox.options.

local check = require "camb.check"
local connection = require "camb.connection"
local json = require "camb.json"

local options = {}

---@class camb.Option
---@field name string
---@field former string?    # an earlier name, which is still accepted
---@field rule camb.Rule
---@field help string       # the first sentence is what `--help` says
---@field calls string      # that take it by themselves; see INCLUDED
---@field default any
---@field defaults table<string, any>? # by call, in place of `default`
---@field unit string?
---@field form string?      # the form field, query or header that it becomes
---@field flag string?      # of the command, with its argument
---@field commands string?  # that have the flag
---@field flag_default any  # where the command differs from the calls

-- An integer, or a string of digits if it is beyond what Lua counts to.
local id = { of = "integer|string", check = function(value)
  if not json.integer(value) then
    return "must be an integer"
  end
end }

local trace_context = check.text(function(value)
  if not value:find("^%x%x%-%x+%-%x+%-%x%x") then
    return 'must look like "00-<trace id>-<parent id>-01" (W3C Trace Context)'
  end
end)

-- What camb.async.scheduler asks of a host.
local HOST = { "running", "suspend", "wake", "start", "attach", "detach" }

local loop = { of = "camb.Loop", check = function(value)
  for _, name in ipairs(HOST) do
    if type(value) ~= "table" or type(value[name]) ~= "function" then
      return 'is not a loop, such as require "camb.loop.cqueues"'
    end
  end
end }

--- The rule of ids, for those that are no options.
options.id = id

local SEPARATING, FETCHING = "separate batch", "separate batch download"

---@type camb.Option[]
local TABLE = {
  -- Of a client: who asks whom, and how.
  { name = "api_key", rule = check.filled, calls = "client",
    flag = "--api-key KEY", commands = FETCHING,
    help = "API key of your account.  Default: the environment variable "
      .. "CAMB_API_KEY, which hides it from other users of the machine.  It "
      .. "is sent to the origin of base_url and nowhere else." },
  { name = "base_url", rule = check.filled, calls = "client store",
    flag = "--base-url URL", commands = FETCHING,
    help = "URL of the service.  Default: the environment variable "
      .. "CAMB_BASE_URL, else the service of CAMB.AI.  A store records it and "
      .. "refuses to mix two services." },
  { name = "timeout", rule = check.above_zero, default = 30, unit = "s",
    calls = "client",
    help = "Time limit for a small request, such as a poll.  Uploads and "
      .. "downloads have stall_timeout instead." },
  { name = "connect_timeout", rule = check.above_zero, default = 10,
    unit = "s", calls = "client",
    help = "Time limit for connecting, including name lookup and TLS." },
  { name = "stall_timeout", rule = check.whole(1), default = 60, unit = "s",
    calls = "client",
    help = "Abort a transfer that moves no bytes for this long.  Raise it for "
      .. "unreliable links, not for large files." },
  { name = "reply_timeout", rule = check.above_zero, default = 300,
    unit = "s", calls = "client", flag = "--reply-timeout SECONDS",
    commands = SEPARATING,
    help = "Time limit for the service's reply once the whole file is sent." },
  { name = "retries", rule = check.whole(0), default = 4, calls = "client",
    help = "Number of times a request is repeated after a transient failure.  "
      .. "An upload is repeated only if the service cannot have accepted it." },
  { name = "max_connections", rule = check.whole(1), default = 8,
    calls = "client",
    help = "Maximum number of connections to one host.  A quarter of them is "
      .. "kept free of uploads, so that polls stay on time." },
  { name = "requests_per_second", rule = check.above_zero,
    calls = "client batch", flag = "--requests-per-second N",
    commands = "batch",
    help = "Maximum number of requests per second to the service, over all "
      .. "jobs of the client.  Default: no limit except what the service asks "
      .. "for." },
  { name = "proxy", rule = connection.PROXY, calls = "client",
    flag = "--proxy URL", commands = FETCHING,
    help = "Proxy such as socks5h://localhost:1080.  Schemes are http, https, "
      .. "socks4, socks4a, socks5 and socks5h; false means none.  Default: "
      .. "HTTPS_PROXY, http_proxy, ALL_PROXY and NO_PROXY of the "
      .. "environment." },
  { name = "ca_file", rule = check.filled, calls = "client",
    flag = "--ca-file FILE", commands = FETCHING,
    help = "Certificates to trust, in PEM form.  Default: CURL_CA_BUNDLE or "
      .. "SSL_CERT_FILE of the environment, else the system's." },
  { name = "user_agent", rule = check.filled, calls = "client",
    form = "header User-Agent",
    help = "Name of your program, as the service sees it." },
  { name = "headers", rule = check.table, calls = "client",
    help = "Additional headers for requests to the service, by name; never "
      .. "sent to a stem's host." },
  { name = "journal", rule = check.filled, calls = "client",
    help = "File that records what is paid for, even if the process is "
      .. "killed: a line before each upload, and another with its task id; "
      .. "see camb.journal." },
  { name = "loop", rule = loop, calls = "client",
    help = "Event loop in whose coroutines the client waits, such as require "
      .. '"camb.loop.cqueues".  Default: the loop of camb.run.' },
  { name = "danger_accept_invalid_certificates", rule = check.boolean,
    default = false, calls = "client",
    help = "Accept any certificate.  Anyone on the network path can then read "
      .. "the key and change what you receive." },
  { name = "on_event", rule = check.callback, calls = "client call",
    help = "Called with every event; as an option of a client, with those of "
      .. "all its calls.  If it raises, the operation is cancelled and the "
      .. "error is re-raised." },

  -- Of every call.
  { name = "deadline", rule = check.above_zero, unit = "s", calls = "call",
    flag = "--deadline SECONDS", commands = FETCHING,
    help = "Time limit for the whole call, including retries and pauses; in a "
      .. "batch, for each job.  Default: none." },

  -- What is sent with the file.
  { name = "media_file", rule = check.any,
    calls = "create_audio_separation", form = "media_file",
    help = "The source: a path, an http(s) URL, or a table as for "
      .. "client:submit." },
  { name = "task_id", rule = check.filled,
    calls = "get_audio_separation_status",
    help = "Id of the task, as create_audio_separation returned it." },
  { name = "run_ids", rule = check.table,
    calls = "get_audio_separation_runs_results", form = "run_ids",
    help = "Ids of the runs, a list of integers." },
  { name = "project_name", rule = check.text(), calls = "submit entry",
    form = "project_name", flag = "--project-name NAME",
    commands = SEPARATING, help = "Label in the dashboard." },
  { name = "project_description", rule = check.lines, calls = "submit entry",
    form = "project_description", flag = "--project-description TEXT",
    commands = SEPARATING, help = "Notes in the dashboard." },
  { name = "folder_id", rule = id, calls = "submit entry",
    form = "folder_id", flag = "--folder-id ID", commands = SEPARATING,
    help = "Folder in the dashboard." },
  { name = "run_id", rule = id,
    calls = "submit wait status results get_audio_separation_run_info",
    form = "query run_id",
    help = "Run id that the service keeps for tracing." },
  { name = "traceparent", rule = trace_context, calls = "submit results",
    form = "header traceparent",
    help = "W3C Trace Context that the service passes on." },
  { name = "check", rule = check.boolean, default = true, calls = "submit",
    help = "Check the first bytes of the source, and refuse anything but "
      .. "FLAC, MP3, WAV and AAC before sending." },

  -- Waiting.
  { name = "interval", rule = check.above_zero, default = 5, unit = "s",
    calls = "wait download", flag = "--interval SECONDS", commands = FETCHING,
    help = "Time between polls.  The first polls come sooner." },
  { name = "max_attempts", rule = check.whole(1), default = 60,
    defaults = { batch = 720 }, calls = "wait download",
    flag = "--max-attempts N", commands = FETCHING,
    help = "Number of polls before a timeout.  The budget is a time: "
      .. "max_attempts times interval.  The wait for a missing stem is as "
      .. "long.  With a store only the deadline ends the wait, unless this is "
      .. "given." },

  -- Stems.
  { name = "output_dir", rule = check.filled, default = ".",
    calls = "download entry", flag = "-o --output-dir DIR",
    commands = FETCHING, flag_default = ".",
    help = "Folder for the stems, created if missing." },
  { name = "name", rule = check.filled, calls = "download entry",
    flag = "--name NAME", commands = "download",
    help = "File name of the stems, without folder and extension.  Default: "
      .. "the source's." },
  { name = "overwrite", rule = check.boolean, default = false,
    calls = "download", flag = "--overwrite", commands = FETCHING,
    help = "Replace existing stems." },
  { name = "download", rule = check.boolean, default = true,
    calls = "separate",
    help = "Download the stems; false returns their URLs instead." },

  -- Of a batch.
  { name = "source", rule = check.any, calls = "entry",
    help = "The source, as for client:submit." },
  { name = "concurrency", rule = check.whole(1), calls = "batch",
    help = "Maximum number of jobs between the start of their upload and the "
      .. "delivery of their item.  Default: uploads + pending + downloads." },
  { name = "uploads", rule = check.whole(1), calls = "batch",
    help = "Maximum number of concurrent uploads.  Default: 4, or concurrency "
      .. "if that is less." },
  { name = "pending", rule = check.whole(1), calls = "batch",
    flag = "--pending N", commands = "batch",
    help = "Maximum number of tasks waiting at the service.  Default: 32, or "
      .. "concurrency." },
  { name = "downloads", rule = check.whole(1), calls = "batch",
    help = "Maximum number of jobs that download concurrently.  Default: 4, "
      .. "or concurrency if that is less." },
  { name = "base_dir", rule = check.filled, calls = "batch",
    help = "Folder whose structure is mirrored below output_dir.  Default: "
      .. "the common folder of all sources." },
  { name = "dedupe", rule = check.boolean, default = true, calls = "batch",
    help = "Upload files with the same content only once." },
  { name = "store", rule = check.filled, calls = "batch",
    flag = "--store STORE", commands = "batch",
    help = "Database that keeps every job: a file (SQLite), or a URL such as "
      .. "postgres://user@host/database for many machines." },
  { name = "lease", rule = check.number(1, 86400), default = 60, unit = "s",
    calls = "batch store",
    help = "A worker that does not renew its lease for this long loses its "
      .. "jobs to others." },
  { name = "store_timeout", former = "patience", rule = check.number(0),
    default = 60, unit = "s", calls = "batch store",
    help = "How long to wait for a PostgreSQL server that is unreachable." },
  { name = "retry_failed", rule = check.boolean, default = false,
    calls = "batch", flag = "--retry-failed", commands = "batch",
    help = "Retry failed jobs, resuming if possible." },
  { name = "resubmit_unknown", rule = check.boolean, default = false,
    calls = "batch", flag = "--resubmit-unknown", commands = "batch",
    help = "Resubmit files whose upload outcome is unknown (may be charged "
      .. "twice)." },

  -- Of camb.store.open.
  { name = "owner", rule = check.filled, calls = "store",
    help = "Name of this worker.  Default: a unique name, by which others on "
      .. "the machine see that the process has ended." },
  { name = "busy_timeout", rule = check.number(0, 3600), default = 5,
    unit = "s", calls = "store",
    help = "How long to wait while another process writes to the file "
      .. "(SQLite)." },
  { name = "sleep", rule = check.callback, calls = "store",
    help = "Called to wait for a number of seconds.  Default: block." },
  { name = "on_wait", rule = check.callback, calls = "store",
    help = "Called with an error and a number of seconds before each pause." },

  -- Of a source that is a table.
  { name = "path", rule = check.filled, calls = "source",
    help = "A file, or an http(s) URL." },
  { name = "data", rule = check.bytes, calls = "source",
    help = "The audio itself." },
  { name = "read", rule = check.callback, calls = "source",
    help = "Called for the next piece of the audio; returns nil at the end." },
  { name = "size", rule = check.whole(1), unit = "bytes", calls = "source",
    help = "Number of bytes that `read` returns in total." },
  { name = "filename", rule = check.filled, calls = "source",
    help = "File name to send to the service." },

  -- Of the command alone.
  { name = "jobs", rule = check.whole(1), calls = "",
    flag = "-j --jobs N", commands = SEPARATING, flag_default = 4,
    help = "Number of concurrent uploads and downloads." },
  { name = "status", rule = check.boolean, calls = "", flag = "--status",
    commands = "batch", help = "Print the state of the jobs in the store." },
  { name = "sandbox", rule = check.boolean, calls = "", flag = "--sandbox",
    commands = SEPARATING,
    help = "Separate on this machine with a local server, without an "
      .. "account." },
  { name = "mixtures", rule = check.filled, calls = "",
    flag = "--mixtures DIR", commands = "report",
    help = "Folder of the recordings, for stems whose source neither a store "
      .. "nor a journal knows." },
  { name = "output", rule = check.filled, calls = "",
    flag = "-o --output FILE", commands = "report",
    flag_default = "report.html",
    help = "File for the page.  The page links to the audio, and does not "
      .. "contain it." },
  { name = "no_pictures", rule = check.boolean, calls = "",
    flag = "--no-pictures", commands = "report",
    help = "Omit the pictures, which need each file to be read completely." },
}

-- Calls that take what others take, too.
local INCLUDED = {
  submit = "call",
  status = "call",
  wait = "call",
  result = "call",
  results = "call",
  download = "call",
  separate = "submit wait download",
  batch = "submit wait download",
  one_call = "client separate",
  create_audio_separation = "submit",
  get_audio_separation_status = "status",
  get_audio_separation_run_info = "call",
  get_audio_separation_runs_results = "results",
}

--- What takes options, in the reference's order: a call each, by the name of
--- `options.of`.
options.CALLS = { "client", "submit", "status", "wait", "result", "results",
  "download", "separate", "batch", "entry", "source", "store",
  "create_audio_separation", "get_audio_separation_status",
  "get_audio_separation_run_info", "get_audio_separation_runs_results" }

-- Where each has its own name, or what the others have by default.
local WITHOUT = { batch = "name" }
local WITHOUT_DEFAULTS = { entry = true }

local function includes(words, word)
  return (" " .. words .. " "):find(" " .. word .. " ", 1, true) ~= nil
end

--- True if `call` takes `option`, by itself or with those that it includes.
---@param call string
---@param option camb.Option
---@return boolean
function options.takes(call, option)
  if includes(WITHOUT[call] or "", option.name) then
    return false
  elseif includes(option.calls, call) then
    return true
  end
  for included in (INCLUDED[call] or ""):gmatch("%S+") do
    if options.takes(included, option) then
      return true
    end
  end
  return false
end

--- What `option` is by default in `call`.
---@param option camb.Option
---@param call string
---@return any
function options.default(option, call)
  if WITHOUT_DEFAULTS[call] then
    return nil
  end
  return option.defaults and option.defaults[call] or option.default
end

local schemas = {}

--- The rules of the options of `call`, for camb.check: "client", "separate",
--- "batch", the official name of an operation, …
---@param call string
---@return table<string, camb.Rule>
function options.of(call)
  if not schemas[call] then
    local schema = {}
    for _, option in ipairs(TABLE) do
      if options.takes(call, option) then
        schema[option.name] = { type = option.rule.type,
          check = option.rule.check, default = options.default(option, call) }
        if option.former then
          schema[option.former] = { renamed = option.name }
        end
      end
    end
    schemas[call] = schema
  end
  return schemas[call]
end

--- The whole table, in its order.
---@return camb.Option[]
function options.all()
  return TABLE
end

--- The options of `list` that `command` has flags for, in its order.
---@param command string
---@param list camb.Option[]? # default: this table
---@return camb.Option[]
function options.flags(command, list)
  local found = {}
  for _, option in ipairs(list or TABLE) do
    if includes(option.commands or "", command) then
      found[#found + 1] = option
    end
  end
  return found
end

return options
