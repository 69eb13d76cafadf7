--- A local server that speaks the audio separation API and really separates:
--- for specs, demonstrations and rehearsals.  It runs in threads of this
--- process, so a script that blocks in a client still gets its answers.

local core = require "camb.sandbox.core"
local Error = require "camb.error"
local null = require("cjson").null
local faults = require "camb.sandbox.faults"
local words = require "camb.sandbox.words"

local sandbox = {}

--- JSON's null, for the `reply` of a fault.
sandbox.null = null

local function is_integer(value)
  return type(value) == "number" and value % 1 == 0
end

-- Each check gives nil when the value is fine, else what is wanted.

local function integer(least, most)
  local wanted = ("an integer from %.0f to %.0f"):format(least, most)
  return function(value)
    if not (is_integer(value) and value >= least and value <= most) then
      return wanted
    end
  end
end

local function seconds(value)
  if type(value) ~= "number" or not (value >= 0) then
    return "a number of seconds"
  end
end

local function limit(value)
  if type(value) ~= "number" or not (value > 0) then
    return "a number of seconds above 0"
  end
end

local function lifetime(value)
  if type(value) ~= "number" or not (value >= 0 and value <= 1e9) then
    return "a number of seconds up to 1e9"
  end
end

--- Control bytes would end a header, or a path, before its end.
local function text(value)
  if type(value) ~= "string" or value == "" or value:find "%c" then
    return "a string without control characters"
  end
end

local function url(value)
  if text(value) or not value:find "^https?://[^/]" then
    return "an http or https URL"
  end
end

local function base_path(value)
  if value ~= "" and (text(value) or not value:find "^/.*[^/]$") then
    return 'a path such as "/apis", or ""'
  end
end

--- "builtin", or a command that can be split into words.
local function engine(value)
  local problem = text(value)
  if not problem and value ~= "builtin" then
    problem = select(2, words.split(value))
    problem = problem and "a command " .. problem
  end
  return problem
end

local LARGEST = 2 ^ 53

local function list(value)
  if type(value) ~= "table" then
    return "a list of faults"
  end
end

-- What `tls` may be a table of.
local tls_checks = {
  expired = "boolean",
  self_signed = "boolean",
  old = "boolean",
  host = "string",
}

local function tls(value)
  if type(value) == "boolean" then
    return
  elseif type(value) ~= "table" then
    return "true, false or a table"
  end
  for name, item in pairs(value) do
    if not tls_checks[name] then
      return ("a table without '%s'"):format(tostring(name))
    elseif type(item) ~= tls_checks[name] or name == "host" and text(item) then
      return ("a table whose '%s' is a %s"):format(name, tls_checks[name])
    end
  end
end

local checks = {
  faults = list,
  tls = tls,
  host = text,
  port = integer(0, 65535),
  stem_port = integer(0, 65535),
  api_key = text,
  base_path = base_path,
  data_dir = text,
  public_url = url,
  engine = engine,
  engine_timeout = limit,
  workers = integer(1, 64),
  processing = seconds,
  url_lifetime = lifetime,
  max_seconds = limit,
  max_bytes = integer(1, LARGEST),
  max_upload = integer(1, LARGEST),
  max_field = integer(1, 2 ^ 30),
  max_headers = integer(16384, 2 ^ 24),
  max_connections = integer(1, 2 ^ 20),
  idle_timeout = integer(1, 2 ^ 20),
  request_log = integer(0, 2 ^ 20),
}

local defaults = {
  host = "127.0.0.1",
  port = 0,
  stem_port = 0,
  api_key = "sandbox",
  base_path = "/apis",
  engine = "builtin",
  engine_timeout = 3600,
  workers = 1,
  processing = 0,
  url_lifetime = 3600,
  max_upload = 2 ^ 31,
  max_field = 65536,
  max_headers = 131072,
  max_connections = 512,
  idle_timeout = 60,
  request_log = 10000,
}

local function describe(name, value)
  if type(value) == "string" and name ~= "api_key" then
    return ("%q"):format((value:gsub("%c", "?")))
  elseif type(value) == "number" then
    return tostring(value)
  end
  return type(value)
end

local function check_options(options, level)
  local checked = {}
  if type(options) ~= "table" then
    error("sandbox.start: options must be a table, got " .. type(options),
      level)
  end
  for name, value in pairs(options) do
    local check = checks[name]
    if not check then
      error(("sandbox.start: unknown option '%s'"):format(tostring(name)),
        level)
    end
    local wanted = check(value)
    if wanted then
      error(("sandbox.start: option '%s' must be %s, got %s"):format(name,
        wanted, describe(name, value)), level)
    end
    checked[name] = value
  end
  return checked
end

local function with_defaults(options)
  for name, value in pairs(defaults) do
    if options[name] == nil then
      options[name] = value
    end
  end
  if options.public_url then
    options.public_url = options.public_url:gsub("/+$", "")
  end
  for name, value in pairs(type(options.tls) == "table" and options.tls or {})
  do
    options["tls_" .. name] = value
  end
  if options.engine ~= "builtin" then
    options.command = words.split(options.engine)
  end
  return options
end

---@class camb.SandboxOptions
---@field host string?            # address to listen on; default "127.0.0.1"
---@field port integer?           # of the API; 0, the default: any free one
---@field stem_port integer?      # of the stems; 0, the default: any free one
---@field api_key string?         # the one key that is let in; "sandbox"
---@field base_path string?       # what comes before the operations; "/apis"
---@field data_dir string?        # kept, made if missing; default: a fresh
---                               # folder, removed when the server stops
---@field public_url string?      # what stem URLs begin with, in place of
---                               # stem_url
---@field engine string?          # "builtin", or a command such as
---                               # "demucs -o {output_dir} {input}"; without
---                               # the two they are added.  Words are split
---                               # and quoted as in a shell, without a shell.
---                               # It leaves foreground.* and background.* in
---                               # the folder or below, or vocals.* alone:
---                               # the rest is then computed
---@field engine_timeout number?  # seconds until a command is killed, with
---                               # all it started; 3600
---@field workers integer?        # tasks worked on at a time; 1
---@field processing number?      # seconds for which a task is PENDING at
---                               # least; math.huge: for ever
---@field url_lifetime number?    # seconds for which a stem URL is good; 3600
---@field max_seconds number?     # a longer source ends as SOURCE_TOO_LONG;
---                               # default: no limit
---@field max_bytes integer?      # a larger one as SOURCE_TOO_LARGE; default:
---                               # what max_upload lets in
---@field max_upload integer?     # bytes of one upload, form and all; 2^31
---@field max_field integer?      # bytes of one form field; 65536
---@field max_headers integer?    # bytes of a request's headers; 131072
---@field max_connections integer? # at each of the two listeners; 512
---@field idle_timeout integer?   # seconds until a client is cut that is
---                               # silent, or slow over its headers or over
---                               # 4 KiB of a body; 60
---@field request_log integer?    # how many requests are remembered, of 4 KiB
---                               # each on average, or fewer; 10000
---@field tls boolean|camb.SandboxTls? # speak https, by a certificate of its
---                               # own; server.ca_file can be trusted for it
---@field faults camb.SandboxFault[]? # as if given to server:fault

--- What is wrong with the certificate, or the protocol.
---@class camb.SandboxTls
---@field expired boolean?        # it was good until yesterday
---@field self_signed boolean?    # by its own key, not by the authority's
---@field host string?            # it is for this name alone
---@field old boolean?            # TLS 1.1 and nothing newer

---@class camb.SandboxRequest
---@field listener "api"|"stem"
---@field method string
---@field path string             # as it came, not decoded
---@field query string?           # as it came, without its "?"
---@field headers table<string, string> # by lowercase name
---@field fields table<string, string>  # of the form, without its file
---@field file {field: string, name: string, content_type: string?,
---             size: integer, sha256: string}?
---@field body_bytes integer      # of the body, as far as it was read
---@field status integer?         # of the reply; nil when the request broke
---@field time number             # seconds since 1970, when it began

---@class camb.SandboxServer
---@field base_url string         # where the API is, such as
---                               # "http://127.0.0.1:4711/apis"
---@field stem_url string         # where the stems are, another origin
---@field api_key string
---@field data_dir string
---@field ca_file string?         # with tls: the authority's certificate
---@field requests fun(self): camb.SandboxRequest[] # oldest first
---@field stats fun(self): table  # {uploads=, connections={api=, stem=},
---                               #  requests={submit=, status=, …}}
---@field task fun(self, id: string): table? # what is known of a task
---@field fault fun(self, fault: camb.SandboxFault) # let something go wrong
---@field clear_faults fun(self)  # nothing more; what goes wrong goes on
---@field stop fun(self)          # also close; twice is fine

function core.methods.fault(server, fault)
  core.fault(server, faults.compile(fault, 2))
end

--- Start a server.  It is up when this returns, and stops by `stop`, at the
--- end of a `<close>` variable, or when it is collected.  A port in use or a
--- folder that cannot be written gives nil and an error; a wrong option
--- raises.
---@param options camb.SandboxOptions?
---@return camb.SandboxServer? server
---@return camb.Error? err        # kind "network" or "file"
function sandbox.start(options)
  local checked = with_defaults(check_options(options or {}, 3))
  local compiled, problem = faults.compile_all(checked.faults or {})
  if not compiled then
    error("sandbox.start: " .. problem, 2)
  end
  local server, kind, message = core.start(checked)
  if server then
    for _, fault in ipairs(compiled) do
      core.fault(server, fault)
    end
    return server
  end
  return nil, Error.new{ kind = kind, message = message }
end

return sandbox
