--- The one table of options.  An entry says what an option is called, which
--- values it takes, what it does, which calls take it, what the service calls
--- it and which flag of the command sets it.  The checks, the command's flags
--- and `--help`, the reference, the definitions for editors and the man page
--- are made of it.  The sandbox's own are in camb.sandbox.options.

local check = require "camb.check"
local connection = require "camb.connection"
local json = require "camb.json"
local operations = require "camb.operations"

local options = {}

---@class camb.Option
---@field name string
---@field former string?    # an earlier name, which is still accepted
---@field rule camb.Rule
---@field help string       # the first sentence is what `--help` says
---@field calls string      # that take it by themselves; see INCLUDED.  An
---  official operation takes what it sends
---@field default any
---@field defaults table<string, any>? # by call, in place of `default`
---@field unit string?
---@field form string?      # the form field, query or header that it becomes
---@field flag string?      # of the command, with its argument
---@field commands string?  # that have the flag
---@field flag_default any  # where the command differs from the calls
---@field default_words table<string, string>? # by command: what its help says
---  of a default that depends on more

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

local host_and_port = check.text(function(value)
  local port = tonumber(value:match("^[^%s/]*:(%d+)$"))
  if not port or port > 65535 then
    return "must look like 127.0.0.1:9100"
  end
end)

local clock_time = check.text(function(value)
  local hours, minutes = value:match("^(%d%d?):(%d%d)$")
  if not hours or tonumber(hours) > 23 or tonumber(minutes) > 59 then
    return "must be a time of day such as 06:00"
  end
end)

local shared_limit = check.text(function(value)
  if not value:find("^%l+=%d+%.?%d*$") and not value:find("^%l+=none$")
    or not ({ uploads = true, requests = true, jobs = true, minutes = true })[
      value:match("^%l+")]
  then
    return "must look like uploads=8, requests=2.5, jobs=100, minutes=90.5 or "
      .. "jobs=none"
  end
end)

-- An address that only this machine can reach.
local page_address = check.text(function(value)
  local host, port = value:match("^(.+):(%d+)$")
  if not port or tonumber(port) > 65535 or not (host == "localhost"
    or host == "[::1]" or host:find("^127%.%d+%.%d+%.%d+$"))
  then
    return "must be an address of this machine and a port, such as "
      .. "127.0.0.1:8000"
  end
end)

--- The rule of ids, for those that are not options.
options.id = id

-- Commands: that separate, that fetch stems, that upload, that ask the service.
local SEPARATING = "separate batch watch"
local FETCHING, UPLOADING = SEPARATING .. " download", SEPARATING .. " submit"
local WAITING = FETCHING .. " wait"
local ASKING = WAITING .. " submit status result"
local CONNECTING = ASKING .. " doctor"

---@type camb.Option[]
local TABLE = {
  -- Of a client: who asks whom, and how.
  { name = "api_key", rule = check.filled, calls = "client",
    flag = "--api-key KEY", commands = CONNECTING,
    help = "API key of your account.  Default: the environment variable "
      .. "CAMB_API_KEY, which hides it from other users of the machine.  It "
      .. "is sent to the origin of base_url and nowhere else." },
  { name = "api_key_file", rule = check.filled, calls = "client",
    flag = "--api-key-file FILE", commands = CONNECTING,
    help = "File that holds the API key and that only you may read, for a "
      .. "program without an environment." },
  { name = "profile", rule = check.filled, calls = "",
    flag = "--profile NAME", commands = CONNECTING .. " login",
    help = 'Name under which camb login stored a key.  Default: "default", if '
      .. "no other option and no variable names a key." },
  { name = "base_url", rule = check.filled, calls = "client store",
    flag = "--base-url URL", commands = CONNECTING .. " login",
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
    commands = UPLOADING,
    help = "Time limit for the service's reply once the whole file is sent." },
  { name = "retries", rule = check.whole(0), default = 4, calls = "client",
    help = "Number of times a request is repeated after a transient failure.  "
      .. "An upload is repeated only if the service cannot have accepted it." },
  { name = "max_connections", rule = check.whole(1), default = 8,
    calls = "client",
    help = "Maximum number of connections to one host.  A quarter of them is "
      .. "kept free of uploads, so that polls stay on time." },
  { name = "requests_per_second", rule = check.above_zero, unit = "1/s",
    calls = "client batch", flag = "--requests-per-second N",
    commands = "batch",
    help = "Maximum number of requests per second to the service, over all "
      .. "jobs of the client.  Default: no limit except what the service asks "
      .. "for." },
  { name = "proxy", rule = connection.PROXY, calls = "client",
    flag = "--proxy URL", commands = CONNECTING,
    help = "Proxy such as socks5h://localhost:1080.  Schemes are http, https, "
      .. "socks4, socks4a, socks5 and socks5h; false means none.  Default: "
      .. "HTTPS_PROXY, http_proxy, ALL_PROXY and NO_PROXY of the "
      .. "environment." },
  { name = "ca_file", rule = check.filled, calls = "client",
    flag = "--ca-file FILE", commands = CONNECTING,
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
  { name = "step_budget", rule = check.number(0, 60), default = 0.001,
    unit = "s", calls = "client",
    help = "Time after which a step of the client in a host's loop or tick "
      .. "leaves the rest to the next one, so that the host stays on time; a "
      .. "little is done in any case.  A larger budget lets fast links be used "
      .. "from a slow tick." },
  { name = "danger_accept_invalid_certificates", rule = check.boolean,
    default = false, calls = "client",
    help = "Accept any certificate.  Anyone on the network path can then read "
      .. "the key and change what you receive." },
  { name = "on_event", rule = check.callback("fun(event: camb.Event)"),
    calls = "client call",
    help = "Called with every event; as an option of a client, with those of "
      .. "all its calls.  If it raises, the operation is cancelled and the "
      .. "error is re-raised." },

  -- Of every call.
  { name = "deadline", rule = check.above_zero, unit = "s", calls = "call",
    flag = "--deadline SECONDS", commands = ASKING,
    help = "Time limit for the whole call, including retries and pauses; in a "
      .. "batch, for each job.  Default: none." },

  -- What is sent with the file.
  { name = "media_file", rule = check.any, calls = "", form = "media_file",
    help = "The source: a path, an http(s) or s3 URL, or a table as for "
      .. "client:submit." },
  { name = "task_id", rule = check.filled, calls = "",
    help = "Id of the task, as create_audio_separation returned it." },
  { name = "run_ids", rule = check.table, calls = "", form = "run_ids",
    help = "Ids of the runs, a list of integers." },
  { name = "project_name", rule = check.text(), calls = "submit entry",
    form = "project_name", flag = "--project-name NAME",
    commands = UPLOADING, help = "Label in the dashboard." },
  { name = "project_description", rule = check.lines, calls = "submit entry",
    form = "project_description", flag = "--project-description TEXT",
    commands = UPLOADING, help = "Notes in the dashboard." },
  { name = "folder_id", rule = id, calls = "submit entry",
    form = "folder_id", flag = "--folder-id ID", commands = UPLOADING,
    help = "Folder in the dashboard." },
  { name = "run_id", rule = id, calls = "submit wait status results",
    form = "query run_id",
    help = "Run id that the service keeps for tracing." },
  { name = "traceparent", rule = trace_context, calls = "submit results",
    form = "header traceparent",
    help = "W3C Trace Context that the service passes on." },
  { name = "check", rule = check.boolean, default = true, calls = "submit",
    help = "Check the first bytes of the source, and refuse anything but "
      .. "FLAC, MP3, WAV and AAC, and what ends before its first sample, "
      .. "before sending." },

  -- Waiting.
  { name = "interval", rule = check.above_zero, default = 5, unit = "s",
    calls = "wait download", flag = "--interval SECONDS", commands = WAITING,
    help = "Time between polls.  The first polls come sooner." },
  { name = "max_attempts", rule = check.whole(1), default = 60,
    defaults = { batch = 720 }, calls = "wait download",
    flag = "--max-attempts N", commands = WAITING,
    default_words = { batch = "none, but 720 without a store",
      watch = "none" },
    help = "Number of polls before a timeout.  The budget is a time: "
      .. "max_attempts times interval.  The wait for a missing stem is as "
      .. "long.  With a store only the deadline ends the wait, unless this is "
      .. "given." },

  -- Stems.
  { name = "output_dir", rule = check.folder, default = ".",
    calls = "download entry", flag = "-o --output-dir DIR",
    commands = FETCHING .. " submit jobs doctor", flag_default = ".",
    help = "Folder for the stems, created if missing; for a batch with a "
      .. "store also one in S3, such as s3://bucket/stems." },
  { name = "name", rule = check.filled, calls = "download entry",
    flag = "--name NAME", commands = "download",
    help = "File name of the stems, without folder and extension, or a pattern "
      .. "with {stem}, as of camb separate.  Default: the source's." },
  { name = "mixture", rule = check.filled, calls = "download",
    flag = "--mixture FILE", commands = "download",
    help = "The recording that was separated, for the stems' names, tags and "
      .. "cover.  Default: what the output folder's journal knows." },
  { name = "only", rule = check.one_of({ "foreground", "background" }),
    calls = "download", flag = "--only STEM", commands = FETCHING,
    help = "Download only this stem: foreground or background." },
  { name = "format", rule = check.one_of({ "flac", "wav", "mp3", "opus",
    "aac" }), calls = "download", flag = "--format FORMAT",
    commands = FETCHING,
    help = "Format of the stems: flac, wav, mp3, opus or aac (in M4A), with "
      .. "the source's tags and cover (WAV has none); needs camb-sandbox.  "
      .. "Default: as the service gives them." },
  { name = "foreground_dir", rule = check.local_folder,
    calls = "download", flag = "--foreground-dir DIR", commands = FETCHING,
    help = "Folder for the foreground, instead of the output folder." },
  { name = "background_dir", rule = check.local_folder,
    calls = "download", flag = "--background-dir DIR", commands = FETCHING,
    help = "Folder for the background, instead of the output folder." },
  { name = "stem_name", rule = check.text(function(value)
    return require("camb.layout").problem(value)
  end), calls = "download", flag = "--name PATTERN", commands = SEPARATING,
    help = "File name of the stems, without extension, of {stem}, the source's "
      .. "{name}, {folder} and {date}, and the ids {task} and {run}.  "
      .. "Default: '{name}.{stem}'." },
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
    help = "Maximum number of tasks waiting at the service.  Default: 32.  "
      .. "A concurrency that is less lowers it." },
  { name = "downloads", rule = check.whole(1), calls = "batch",
    help = "Maximum number of jobs that download concurrently.  Default: 4, "
      .. "or concurrency if that is less." },
  { name = "base_dir", rule = check.folder, calls = "batch",
    help = "Folder whose structure is mirrored below output_dir.  Default: "
      .. "the common folder of all sources." },
  { name = "convert", rule = check.boolean, default = false,
    calls = "batch", flag = "--convert", commands = SEPARATING,
    help = "Send recordings of other formats (AIFF, Ogg, Opus, WMA, CAF, "
      .. "Matroska, MOV, ...) as FLAC; needs camb-sandbox." },
  { name = "probe", rule = check.boolean, default = false, calls = "batch",
    help = "Inspect each source with FFmpeg before it is sent, and refuse "
      .. "those without sound; needs camb-sandbox.  The event `probed` reports "
      .. "what was found.  The command does this if it can." },
  { name = "max_jobs", rule = check.whole(0), calls = "batch",
    flag = "--max-jobs N", commands = SEPARATING,
    help = "Stop sending after this number of files; what is paid for is "
      .. "completed." },
  { name = "max_minutes", rule = check.number(0), unit = "min",
    calls = "batch",
    flag = "--max-minutes N", commands = SEPARATING,
    help = "Stop sending before the files exceed this total duration; needs "
      .. "camb-sandbox.  Data and readers, whose duration is unknown, are "
      .. "refused." },
  { name = "dedupe", rule = check.boolean, default = true, calls = "batch",
    help = "Upload files with the same content only once." },
  { name = "store", rule = check.filled, calls = "batch",
    flag = "--store STORE", commands = "batch jobs doctor watch",
    help = "Database that keeps every job: a file (SQLite), or a URL such as "
      .. "postgres://user@host/database for many machines.  From the shell "
      .. "the default is .camb.db in the output folder, if LuaDBI for SQLite "
      .. "is installed." },
  { name = "priority", rule = check.whole(-1000000, 1000000), default = 0,
    calls = "batch", flag = "--priority N", commands = "batch",
    help = "Jobs of a higher priority in the same store are sent first.  "
      .. "Known files that are yet to be sent get it, too." },
  { name = "add_only", rule = check.boolean, default = false, calls = "batch",
    flag = "--add-only", commands = "batch",
    help = "Add the sources to the store for its workers, and end: nothing is "
      .. "sent, so the command needs no key." },
  { name = "follow", rule = check.boolean, default = false, calls = "batch",
    flag = "--follow", commands = "batch",
    help = "When no job of the store is left, wait for those that others add, "
      .. "until the batch is drained or closed." },
  { name = "send_until", rule = clock_time, calls = "batch",
    flag = "--until HH:MM", commands = "batch",
    help = "With a store: time of day, of this machine, from which on nothing "
      .. "more is sent: today's, or tomorrow's once this minute is over.  Paid "
      .. "tasks still get their stems; what was not sent stays in the "
      .. "store." },
  { name = "lease", rule = check.number(1, 86400), default = 60, unit = "s",
    calls = "batch store",
    help = "A worker that does not renew its lease for this long loses its "
      .. "jobs to others." },
  { name = "store_timeout", former = "patience", rule = check.number(0),
    default = 60, unit = "s", calls = "batch store",
    help = "How long to wait for a PostgreSQL server that is unreachable." },
  { name = "outage_timeout", rule = check.number(0), default = 3600,
    unit = "s", calls = "batch", flag = "--outage-timeout SECONDS",
    commands = SEPARATING,
    help = "How long to wait while the service refuses or fails all uploads, "
      .. "before giving up on what is not sent yet." },
  { name = "attempts", rule = check.whole(1), default = 1, calls = "batch",
    flag = "--attempts N", commands = "batch watch",
    help = "With a store: number of times that a job is tried, with pauses of "
      .. "5 s to 10 min, before it counts as failed.  Nothing that may be "
      .. "charged twice is tried again." },
  { name = "confirm", calls = "batch",
    rule = check.callback("fun(item: camb.BatchItem): boolean?, string?"),
    help = "Called with the item of each job whose stems are complete, in a "
      .. "coroutine of its own, which may wait.  The job is done when it "
      .. "returns true.  With nil and a reason the job has failed (kind hook): "
      .. "it is retried as attempts says, without another upload or download.  "
      .. "With a store it is called again after a crash amid it." },
  { name = "retry_failed", rule = check.boolean, default = false,
    calls = "batch", flag = "--retry-failed", commands = "batch watch",
    help = "Retry all failed jobs, resuming if possible.  Without it, only "
      .. "named files are retried, if that costs nothing and the service has "
      .. "not refused them." },
  { name = "resubmit_unknown", rule = check.boolean, default = false,
    calls = "submit", flag = "--resubmit-unknown",
    commands = "separate batch watch submit jobs",
    help = "Resubmit files whose upload outcome is unknown (may be charged "
      .. "twice)." },

  -- Of camb.store.open.
  { name = "owner", rule = check.filled, calls = "store",
    help = "Name of this worker.  Default: a unique name, by which others on "
      .. "the machine see that the process has ended." },
  { name = "read_only", rule = check.boolean, default = false, calls = "store",
    help = "Open an existing store read-only: nothing is written, so "
      .. "a replica of PostgreSQL or a read-only file will do." },
  { name = "busy_timeout", rule = check.number(0, 3600), default = 5,
    unit = "s", calls = "store",
    help = "How long to wait while another process writes to the file "
      .. "(SQLite)." },
  { name = "sleep", rule = check.callback("fun(seconds: number)"),
    calls = "store",
    help = "Called to wait for a number of seconds.  Default: block." },
  { name = "on_wait", calls = "store",
    rule = check.callback("fun(err: camb.Error, seconds: number)"),
    help = "Called with an error and a number of seconds before each pause." },

  -- Of a source that is a table.
  { name = "path", rule = check.filled, calls = "source",
    help = "A file, or an http(s) or s3 URL." },
  { name = "data", rule = check.bytes, calls = "source",
    help = "The audio itself." },
  { name = "read", rule = check.callback("fun(): string?"),
    calls = "source",
    help = "Called for the next piece of the audio; returns nil at the end." },
  { name = "size", rule = check.whole(1), unit = "bytes", calls = "source",
    help = "Number of bytes that `read` returns in total." },
  { name = "filename", rule = check.filled, calls = "source",
    help = "File name to send to the service." },
  { name = "label", rule = check.filled, calls = "source",
    help = "What events and errors call it.  Default: path or filename." },

  -- Of the command alone.
  { name = "jobs", rule = check.whole(1), calls = "",
    flag = "-j --jobs N", commands = UPLOADING, flag_default = 4,
    help = "Number of concurrent uploads and downloads." },
  { name = "drain", rule = check.number(0), calls = "", unit = "s",
    flag = "--drain SECONDS", commands = SEPARATING, flag_default = 20,
    help = "After a signal: how long uploads under way may take to get their "
      .. "reply.  The same signal again stops at once." },
  { name = "no_store", rule = check.boolean, calls = "",
    flag = "--no-store", commands = "batch",
    help = "Keep no store: after an interruption only paid tasks resume." },
  { name = "metrics", rule = host_and_port, calls = "",
    flag = "--metrics ADDRESS", commands = "batch watch",
    help = "HOST:PORT at which Prometheus finds /metrics: jobs by state, "
      .. "bytes, minutes of audio, seconds by step, retries, and errors by "
      .. "kind." },
  { name = "settle", rule = check.number(0), calls = "", unit = "s",
    flag = "--settle SECONDS", commands = "watch", flag_default = 3,
    help = "How long a file must stay unchanged, with no program writing to "
      .. "it, to count as complete." },
  { name = "on_done", rule = check.filled, calls = "",
    flag = "--on-done COMMAND", commands = "batch watch",
    help = "Command that the shell runs for each file whose stems are "
      .. "complete.  The file is done when the command succeeds; else it has "
      .. "failed, and only the command is retried.  It also runs for each file "
      .. "that failed otherwise.  It reads an object of JSON: source, state "
      .. "(done or failed), task_id, run_id, foreground, foreground_sha256, "
      .. "background, background_sha256, error_kind, error, time." },
  { name = "on_done_timeout", rule = check.number(0), calls = "", unit = "s",
    flag = "--on-done-timeout SECONDS", commands = "batch watch",
    flag_default = 3600,
    help = "How long that command may take; then it is ended, and has "
      .. "failed." },
  { name = "webhook", rule = check.filled, calls = "",
    flag = "--webhook URL", commands = "batch watch",
    help = "URL to which the same object is posted, repeatedly for five "
      .. "minutes if there is no answer.  Its header X-Camb-Signature-256 is "
      .. '"sha256=" and the HMAC-SHA-256 of the body by the secret, in '
      .. "hexadecimal digits; X-Camb-Delivery stays the same if it is sent "
      .. "again." },
  { name = "webhook_secret_file", rule = check.filled, calls = "",
    flag = "--webhook-secret-file FILE", commands = "batch watch",
    help = "File with the secret that signs webhooks, which only you may "
      .. "read.  Default: the environment variable CAMB_WEBHOOK_SECRET." },
  { name = "status", rule = check.boolean, calls = "", flag = "--status",
    commands = "batch", help = "Print the state of the jobs in the store." },
  { name = "keyring", rule = check.boolean, calls = "", flag = "--keyring",
    commands = "login",
    help = "Store the key in the keyring of the desktop, through secret-tool, "
      .. "and not in a file." },
  { name = "json", rule = check.boolean, calls = "", flag = "--json",
    commands = FETCHING .. " submit status wait result jobs doctor",
    help = "Print JSON to standard output, one object per line.  separate, "
      .. "batch, watch and download print events, and no paths." },
  { name = "quiet", rule = check.boolean, calls = "", flag = "-q --quiet",
    commands = FETCHING,
    help = "Print nothing but errors, and the paths of stems." },
  { name = "verbose", rule = check.boolean, calls = "",
    flag = "-v --verbose", commands = FETCHING,
    help = "Print each step of each file on a line that stays." },
  { name = "log", rule = check.filled, calls = "", flag = "--log FILE",
    commands = FETCHING,
    help = "File to which each event is appended, an object of JSON per line, "
      .. "without keys and what opens URLs." },
  { name = "csv", rule = check.boolean, calls = "", flag = "--csv",
    commands = "jobs",
    help = "Print a table of comma-separated values, with a line of names." },
  { name = "state", rule = check.one_of({ "intended", "submitting",
    "submitted", "finished", "downloaded", "failed", "unknown_outcome" }),
    calls = "", flag = "--state STATE", commands = "jobs",
    help = "List only jobs in this state: intended, submitting, submitted, "
      .. "finished, downloaded, failed or unknown_outcome." },
  { name = "retry", rule = check.boolean, calls = "", flag = "--retry",
    commands = "jobs",
    help = "Let the next batch retry the named jobs that failed, or all that "
      .. "did, resuming if possible." },
  { name = "task", rule = check.filled, calls = "", flag = "--task ID",
    commands = "jobs",
    help = "Give the named job the task that the dashboard shows for it, so "
      .. "that the next batch downloads its stems without paying again." },
  { name = "pause", rule = check.filled, calls = "", flag = "--pause REASON",
    commands = "jobs",
    help = "Let no worker of the store send anything until --resume.  Paid "
      .. "tasks still get their stems." },
  { name = "resume", rule = check.boolean, calls = "", flag = "--resume",
    commands = "jobs",
    help = "Let all workers send again: after --pause, or at once after the "
      .. "service was out of order." },
  { name = "limit", rule = shared_limit, calls = "",
    flag = "--limit LIMIT", commands = "jobs",
    help = "Limit all workers of the store together: uploads=N at once, "
      .. "requests=N per second (each worker gets an equal share), jobs=N or "
      .. "minutes=N of audio that are sent from now on (minutes need "
      .. "camb-sandbox on each worker).  N may be none." },
  { name = "workers", rule = check.boolean, calls = "", flag = "--workers",
    commands = "jobs",
    help = "Show the workers of the store, what they hold, pauses, limits, and "
      .. "the rate of the last hour." },
  { name = "archive", rule = check.number(0), calls = "", unit = "d",
    flag = "--archive DAYS", commands = "jobs",
    help = "Move jobs that were done more than this number of days ago into "
      .. "the store's archive.  They are out of the way of the others, and "
      .. "remembered: what was paid for is never sent again." },
  { name = "archived", rule = check.boolean, calls = "", flag = "--archived",
    commands = "jobs", help = "List the jobs in the archive." },
  { name = "forget", rule = check.boolean, calls = "", flag = "--forget",
    commands = "jobs",
    help = "Remove the named jobs from the store.  Files and tasks stay." },
  { name = "page", rule = page_address, calls = "", flag = "--page HOST:PORT",
    commands = "batch watch",
    help = "Show the batch on a page at this address of this machine, such as "
      .. "127.0.0.1:8000: watch it, listen, and drop more files, until "
      .. "Ctrl-C." },
  { name = "dry_run", rule = check.boolean, calls = "",
    flag = "-n --dry-run", commands = SEPARATING,
    help = "List what would be sent, with its duration if camb-sandbox is "
      .. "installed, and what is left out; send nothing.  Needs no key." },
  { name = "sandbox", rule = check.boolean, calls = "", flag = "--sandbox",
    commands = SEPARATING,
    help = "Separate on this machine with a local server, without an "
      .. "account; a batch keeps copies of sources and stems beside its store, "
      .. "until .camb-sandbox.db* in the output folder is removed." },
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
  get_audio_separation_runs_results = "results",
}

--- What takes options, in the reference's order: a call each, by the name of
--- `options.of`.
options.CALLS = { "client", "submit", "status", "wait", "result", "results",
  "download", "separate", "batch", "entry", "source", "store" }

-- The options that an operation of the service sends, by its official name.
local SENT = {}
for _, operation in ipairs(operations.TABLE) do
  table.insert(options.CALLS, operation.name)
  INCLUDED[operation.name] = INCLUDED[operation.name] or "call"
  SENT[operation.name] = operations.sent(operation)
end

-- If each has its own name, or that of the others by default.
local WITHOUT = { separate = "mixture", batch = "name mixture" }
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
  elseif includes(option.calls, call)
    or (SENT[call] and SENT[call][option.name])
  then
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
          check = option.rule.check, convert = option.rule.convert,
          default = options.default(option, call) }
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
