--- A local server that speaks the audio separation API and really separates,
--- for tests, demonstrations and rehearsals.  It runs in threads of this
--- process, so a script that blocks in a client still gets its replies.

local argv = require "camb.sandbox.argv"
local check = require "camb.check"
local client_core = require "camb.core"
local core = require "camb.sandbox.core"
local Error = require "camb.error"
local null = require("cjson").null
local faults = require "camb.sandbox.faults"
local operations = require "camb.operations"
local options = require "camb.sandbox.options"

local sandbox = {}

--- JSON's null, for the `reply` of a fault.
sandbox.null = null

local SCHEMA = check.schema(options.START)

-- As the core takes them.
local function compile(checked, page)
  checked.page = page
  if checked.public_url then
    checked.public_url = checked.public_url:gsub("/+$", "")
  end
  for name, value in pairs(type(checked.tls) == "table" and checked.tls or {})
  do
    checked["tls_" .. name] = value
  end
  checked.routes = {}
  for _, operation in ipairs(page and page.is_alone and {}
    or operations.TABLE) do
    for _, name in ipairs({ "step", "method", "path" }) do
      table.insert(checked.routes, operation[name])
    end
  end
  if checked.engine ~= "builtin" then
    checked.command = argv.split(checked.engine)
  end
  return checked
end

--- A request as the sandbox received it.
---@class camb.SandboxRequest
---@field listener "api"|"stem"  # where it came in
---@field method string          # such as "POST"
---@field path string             # as it came, not decoded
---@field query string?           # as it came, without its "?"
---@field headers table<string, string> # by lowercase name
---@field fields table<string, string>  # of the form, without its file
---@field file {field: string, name: string, content_type: string?,
---             size: integer, sha256: string}? # that the form carried
---@field body_bytes integer      # of the body, as far as it was read
---@field status integer?         # of the reply; nil when the request broke
---@field time number             # seconds since 1970, when it began

--- A running sandbox.
---@class camb.SandboxServer
---@field base_url string         # where the API is, such as
---                               # "http://127.0.0.1:4711/apis"
---@field origin string           # the same without its path
---@field stem_url string         # where the stems are, another origin
---@field api_key string          # to accept
---@field data_dir string         # where tasks and stems are kept
---@field ca_file string?         # with tls: the authority's certificate
---@field requests fun(self): camb.SandboxRequest[] # oldest first
---@field stats fun(self): table  # {uploads=, connections={api=, stem=},
---                               #  requests={submit=, status=, …}}
---@field task fun(self, id: string): table? # the state of a task
---@field fault fun(self, fault: camb.SandboxFault) # make something fail
---@field clear_faults fun(self)  # no further faults; those under way continue
---@field stop fun(self)          # stop it; a second call does nothing
---@field close fun(self)         # the same as `stop`

function core.methods.fault(server, fault)
  core.fault(server, faults.compile(fault, 2))
end

-- As execvp finds it.
local function is_found(program)
  if program:find("/", 1, true) then
    return client_core.is_program(program)
  end
  for folder in (os.getenv("PATH") or "/bin:/usr/bin"):gmatch("[^:]+") do
    if client_core.is_program(folder .. "/" .. program) then
      return true
    end
  end
  return false
end

--- Start a server.  It is ready when this returns.  It stops with `stop`, at
--- the end of a `<close>` variable, or when it is collected.  For a port in
--- use, an unwritable folder or a program that cannot be run, it returns nil
--- and an error; a wrong option raises.
---@param given camb.SandboxOptions?
---@param page table?              # of camb.report.live
---@return camb.SandboxServer? server
---@return camb.Error? err        # kind "network" or "file"
function sandbox.start(given, page)
  local checked = compile(check.options(given, SCHEMA, 2), page)
  local compiled, problem = faults.compile_all(checked.faults or {})
  if not compiled then
    error("sandbox.start: " .. problem, 2)
  end
  if checked.command and not is_found(checked.command[1]) then
    return nil, Error.new{ kind = "file", path = checked.command[1],
      message = ('the engine\'s program "%s" cannot be run'):format(
        checked.command[1]) }
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
