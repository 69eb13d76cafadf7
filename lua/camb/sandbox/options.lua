--- The sandbox's part of the table of options: those of `sandbox.start`, and
--- those of a fault.  Entries are as camb.options has them.

local argv = require "camb.sandbox.argv"
local check = require "camb.check"
local operations = require "camb.operations"

local options = {}

local LARGEST = 2 ^ 53
local LONGEST_ETAG = 71 -- StemHead in csrc/sandbox/tasks/stemhead.h holds it
local SMALLEST_JSON = #'{"padding":""}'

local bytes = check.whole(0, LARGEST)

local url = check.text(function(value)
  if not value:find("^https?://[^/]") then
    return "must be an http or https URL"
  end
end)

local base_path = check.text(function(value)
  if value ~= "" and not value:find("^/.*[^/]$") then
    return 'must be a path such as "/apis", or ""'
  end
end)

-- "builtin", or a command that can be split into words.
local engine = check.text(function(value)
  local list, problem = argv.split(value)
  if value ~= "builtin" and not list then
    return "must be a command " .. problem
  end
end)

-- What `tls` may be a table of.
local TLS = {
  expired = check.boolean,
  self_signed = check.boolean,
  old = check.boolean,
  host = check.filled,
}

local tls = { of = "boolean|table", check = function(value)
  if type(value) == "boolean" then
    return nil
  elseif type(value) ~= "table" then
    return "must be true, false or a table"
  end
  for name, item in pairs(value) do
    local rule = TLS[name]
    if not rule then
      return ("has an unknown field '%s'"):format(tostring(name))
    elseif type(item) ~= rule.type then
      return ("must have a %s as '%s'"):format(rule.type, name)
    end
    local problem = rule.check and rule.check(item)
    if problem then
      return ("has a '%s' that %s"):format(name, problem)
    end
  end
end }

--- What `sandbox.start` takes.
---@type camb.Option[]
options.START = {
  { name = "host", rule = check.filled, default = "127.0.0.1",
    flag = "--host ADDRESS", commands = "serve",
    help = "Address to listen on." },
  { name = "port", rule = check.whole(0, 65535), default = 0,
    flag = "--port N", commands = "serve", flag_default = 8080,
    help = "Port of the API; 0: any free port." },
  { name = "stem_port", rule = check.whole(0, 65535), default = 0,
    flag = "--stem-port N", commands = "serve",
    help = "Port of the stems; 0: any free port." },
  { name = "api_key", rule = check.filled, default = "sandbox",
    flag = "--api-key KEY", commands = "serve",
    help = "API key to accept." },
  { name = "base_path", rule = base_path, default = "/apis",
    help = "Path prefix of the operations." },
  { name = "data_dir", rule = check.filled,
    flag = "--data-dir DIR", commands = "serve",
    help = "Folder for tasks and stems, kept across restarts and created if "
      .. "missing.  Each upload that the service would charge is a folder in "
      .. "its tasks/.  Default: a temporary folder." },
  { name = "public_url", rule = url,
    help = "Beginning of stem URLs in place of stem_url, for a sandbox "
      .. "behind a reverse proxy." },
  { name = "engine", rule = engine, default = "builtin",
    flag = "--engine COMMAND", commands = "serve separate batch watch",
    help = "What separates: builtin, or a command with {input} and "
      .. "{output_dir}; if it has neither, both are appended.  Words and "
      .. "quotes work as in a shell, but no shell runs.  The command writes "
      .. "foreground.* and background.* to the folder or below, or only "
      .. "vocals.*: the background is then computed." },
  { name = "engine_timeout", rule = check.above_zero, default = 3600,
    unit = "s", flag = "--engine-timeout SECONDS", commands = "serve",
    help = "Time after which an engine command is killed, with every "
      .. "process that it started." },
  { name = "workers", rule = check.whole(1, 64), default = 1,
    flag = "--workers N", commands = "serve",
    help = "Number of concurrent separations." },
  { name = "processing", rule = check.number(0), default = 0, unit = "s",
    flag = "--processing SECONDS", commands = "serve",
    help = "Minimum time for which a task is PENDING.  math.huge: forever." },
  { name = "url_lifetime", rule = check.number(0, 1e9), default = 3600,
    unit = "s", help = "Time for which a stem's URL is valid." },
  { name = "max_seconds", rule = check.above_zero, unit = "s",
    flag = "--max-seconds SECONDS", commands = "serve",
    help = "Reject longer recordings as SOURCE_TOO_LONG.  Default: no limit." },
  { name = "max_bytes", rule = check.whole(1, LARGEST), unit = "bytes",
    flag = "--max-bytes N", commands = "serve",
    help = "Reject larger recordings as SOURCE_TOO_LARGE.  Default: no limit "
      .. "but that of an upload, 2 GiB.  max_upload sets that." },
  { name = "max_upload", rule = check.whole(1, LARGEST), default = 2 ^ 31,
    unit = "bytes", help = "Maximum size of an upload, the whole form." },
  { name = "max_field", rule = check.whole(1, 2 ^ 30), default = 65536,
    unit = "bytes", help = "Maximum size of a form field." },
  { name = "max_headers", rule = check.whole(16384, 2 ^ 24),
    default = 131072, unit = "bytes",
    help = "Maximum size of the headers of a request." },
  { name = "max_connections", rule = check.whole(1, 2 ^ 20), default = 512,
    help = "Maximum number of connections to each of the two listeners." },
  { name = "idle_timeout", rule = check.whole(1, 2 ^ 20), default = 60,
    unit = "s",
    help = "Disconnect a client that is silent for this long, or that takes "
      .. "this long for its headers or for 4 KiB of a body." },
  { name = "request_log", rule = check.whole(0, 2 ^ 20), default = 10000,
    help = "Number of requests that server:requests keeps; fewer if they "
      .. "exceed 4 KiB on average." },
  { name = "tls", rule = tls, default = false, flag = "--tls",
    commands = "serve",
    help = "Serve https with a certificate of the sandbox's own.  Trust "
      .. "server.ca_file to accept it.  A table makes it wrong on purpose: "
      .. "expired, self_signed or old (TLS 1.1 at most), each true, or "
      .. "another host." },
  { name = "faults", rule = check.table, flag = "--faults FILE",
    commands = "serve",
    help = "Faults as for server:fault: a list in Lua; on the command line, a "
      .. "Lua file that returns one.  A wrong name in one is answered with the "
      .. "names that there are." },
}

-- Of the command alone.
options.SERVE = {
  { name = "ca_out", rule = check.filled, flag = "--ca-out FILE",
    commands = "serve",
    help = "Copy the certificate to trust to this file; turns on --tls." },
}

-- What turns something on: false would say what nothing says.
local on = { type = "boolean", of = "true", check = function(value)
  if not value then
    return "must be true or left out"
  end
end }

local function is_line(value)
  return not value:find("[%z\r\n]")
end

local function header_problem(name, value)
  if type(name) ~= "string" or name == "" or not is_line(name)
    or name:find(":", 1, true)
  then
    return "has an invalid name"
  elseif value == false or type(value) == "number"
    or type(value) == "string" and is_line(value)
  then
    return nil
  end
  return ("needs a string without line breaks, a number or false as '%s'")
    :format(name)
end

local headers = { type = "table", of = "table", check = function(value)
  for name, values in pairs(value) do
    for _, one in ipairs(type(values) == "table" and values or { values }) do
      local problem = header_problem(name, one)
      if problem then
        return problem
      end
    end
  end
end }

local length = { of = "integer|string", check = function(value)
  if type(value) == "number" then
    return bytes.check(value)
  elseif type(value) ~= "string" or not is_line(value) then
    return "must be a number, or a string without line breaks"
  end
end }

local times = { type = "number", of = "integer", check = function(value)
  if value ~= math.huge then
    return check.whole(1, LARGEST).check(value)
  end
end }

local etag = check.text(function(value)
  if value == "" or #value > LONGEST_ETAG then
    return ("must have 1 to %d letters"):format(LONGEST_ETAG)
  end
end)

-- What may fail: the service's operations, and the download of a stem.
local STEPS = {}
for i, operation in ipairs(operations.TABLE) do
  STEPS[i] = operation.step
end
STEPS[#STEPS + 1] = "stem"

--- What a fault takes.  Bodies and raw replies may hold anything: they are
--- there to be wrong.
---@type camb.Option[]
options.FAULT = {
  -- which requests
  { name = "step", rule = check.one_of(STEPS),
    help = "Operation that fails; stem: the download of a stem." },
  { name = "path", rule = check.filled,
    help = "Strike only requests whose path contains this text." },
  { name = "skip", rule = bytes, default = 0,
    help = "Number of matching requests to let pass first.  Requests that an "
      .. "earlier fault strikes do not count." },
  { name = "times", rule = times, default = 1,
    help = "Number of times to strike; math.huge: always." },
  { name = "at", rule = check.one_of{ "headers", "body", "request",
    "accepted" }, help = "When to strike.  headers: before the body is read; "
      .. "body: after part of the body; request (the default): when the "
      .. "request is complete, before anything is done; accepted: when the "
      .. "operation has succeeded, in place of its reply.  If the server "
      .. "rejects a request before that, the fault waits for the next one." },
  { name = "after", rule = bytes, unit = "bytes",
    help = 'With at = "body": strike after this much of the body.  Default: '
      .. "1 byte." },
  -- the reply
  { name = "status", rule = check.whole(100, 999),
    help = "HTTP status.  Default: 200; 302 with redirect, 403 with expired, "
      .. "503 with retry_after." },
  { name = "body", rule = check.bytes, help = "Body of the reply, any bytes." },
  { name = "reply", rule = check.any,
    help = "Value to send as JSON; sandbox.null becomes null." },
  { name = "html", rule = on,
    help = "Send an HTML page that asks to sign in, as a portal would." },
  { name = "empty", rule = on, help = "Send an empty body." },
  { name = "expired", rule = on,
    help = "Reply as a storage service does to an expired URL." },
  { name = "json_size", rule = check.whole(SMALLEST_JSON, LARGEST),
    unit = "bytes", help = "Send JSON of this size." },
  { name = "json_depth", rule = check.whole(1, LARGEST),
    help = "Send JSON arrays nested this deep." },
  { name = "gzip_bomb", rule = bytes, unit = "bytes",
    help = "Send gzip that inflates to this many spaces." },
  { name = "headers", rule = headers,
    help = "Headers to add or replace, by name; false omits a header, a list "
      .. "sends it several times." },
  { name = "retry_after", rule = bytes, unit = "s",
    help = "Send Retry-After with this number of seconds." },
  { name = "retry_after_date", rule = check.whole(-1e9, 1e9), unit = "s",
    help = "Send Retry-After with a date this many seconds in the future." },
  { name = "redirect", rule = check.text(),
    help = "Send this URL as Location." },
  { name = "raw", rule = check.bytes,
    help = "Send exactly these bytes as the whole reply." },
  -- how it goes wrong
  { name = "content_length", rule = length,
    help = "Send this Content-Length instead of the true one." },
  { name = "longer", rule = check.whole(1, LARGEST), unit = "bytes",
    help = "Send this many bytes more than announced." },
  { name = "truncate", rule = bytes, unit = "bytes",
    help = "Send only this many of the announced bytes." },
  { name = "chunked", rule = on,
    help = "Use chunked encoding, complete unless truncated." },
  { name = "endless_headers", rule = on,
    help = "Send header lines until the client disconnects." },
  { name = "slow", rule = check.one_of{ "headers", "body" },
    help = "Send this part of the reply slowly." },
  { name = "pace", rule = check.above_zero, unit = "s",
    help = "With slow: pause after each piece." },
  { name = "chunk", rule = check.whole(1, 2 ^ 30), unit = "bytes",
    help = "With slow: size of a piece.  Default: 1 byte." },
  -- how the connection ends
  { name = "close", rule = on,
    help = "Close the connection; after a reply, this is the default." },
  { name = "reset", rule = on,
    help = "Reset the connection; after a reply, once it has arrived." },
  { name = "silence", rule = on,
    help = "Send nothing more and keep the connection open until the client "
      .. "disconnects or the server stops." },
  -- stems: the real reply, changed
  { name = "cut", rule = bytes, unit = "bytes",
    help = "Break the connection after this many bytes of the stem." },
  { name = "etag", rule = etag, help = "Send this ETag; include its quotes." },
  { name = "changed", rule = on,
    help = "Send other bytes from the 13th on, under another ETag." },
  { name = "corrupt", rule = on,
    help = "Send other bytes under the same ETag and digest." },
}

return options
