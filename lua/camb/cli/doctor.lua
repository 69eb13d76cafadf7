--- `camb doctor`: whether everything is there that a separation needs, and what
--- to do if it is not.  It uploads nothing, and costs nothing.

local answers = require "camb.cli.answers"
local api = require "camb.api"
local cli = require "camb.cli"
local connection = require "camb.connection"
local core = require "camb.core"
local date = require "camb.date"
local dbi = require "camb.store.connection"
local download = require "camb.download"
local keys = require "camb.cli.keys"
local own_store = require "camb.cli.own_store"
local paid = require "camb.cli.paid"
local redact = require "camb.redact"
local s3 = require "camb.s3"
local screen = require "camb.cli.screen"
local shell = require "camb.cli.shell"
local source = require "camb.source"
local status = require "camb.cli.status"
local store = require "camb.store"
local temporary = require "camb.temporary"

local doctor = {}

-- Seconds that the clock may be off, bytes that should be free.
local MOST_SKEW, LEAST_SPACE = 60, 200e6

---@class camb.Doctor
local Doctor = {}
Doctor.__index = Doctor

local MARKS = { ok = "ok  ", note = "note", fail = "FAIL" }

-- Tell what a check has found; `cure` says what to do.
function Doctor:tell(state, check, message, cure)
  message = redact.line(message, self.key)
  if self.arguments.json then
    io.stdout:write(answers.object({ { "check", check }, { "state", state },
      { "message", message }, { "cure", cure } }))
  else
    io.stdout:write(screen.wrap(("%s  %-9s %s%s"):format(MARKS[state], check,
      redact.visible(message), cure and "; " .. cure or "")), "\n")
  end
  io.stdout:flush()
end

function Doctor:ok(check, ...)
  self:tell("ok", check, string.format(...))
end

-- What stops a separation; `number` is the exit status.
function Doctor:fail(number, check, message, cure)
  self.number = self.number or number
  self:tell("fail", check, message, cure)
end

function Doctor:versions()
  self:ok("versions", "%s", (cli.versions():gsub("\n$", ""):gsub("\n", ", ")))
  local _, features = core.versions()
  local has = {}
  for _, feature in ipairs(features) do
    has[feature] = true
  end
  local list = table.concat(features, ", ")
  if not has.TLS then
    self:fail(status.NETWORK, "libcurl", "it has no TLS, only " .. list,
      "install a libcurl with TLS")
  elseif not has.AsynchDNS then
    self:tell("note", "libcurl", list .. "; while a name is looked up, all "
      .. "jobs wait", "install a libcurl with AsynchDNS")
  else
    self:ok("libcurl", "%s", list)
  end
end

function Doctor:find_key()
  local found, err = keys.find(self.arguments)
  if found then
    self.key = found.key
    self:ok("key", "from %s", found.from)
  else
    self:fail(status.of(err), "key", err.message, not err.shell
      and "run: camb login" or nil)
  end
  return found or {}
end

-- What is wrong with the proxy that `transfer` went through, and what to do.
local function proxy_problem(transfer, from)
  local failed = transfer:failure() or {}
  local number = transfer:connection().proxy_status
  if transfer:status() == 407 or number == 401 or number == 407 then
    return "it asks for a user name and a password, or rejects those that it "
      .. ("got (HTTP %d)"):format(math.max(transfer:status(), number)),
      ("give them in %s: http://USER:PASSWORD@HOST:PORT"):format(from)
  elseif failed.kind == "proxy" and number == 0 then
    return connection.proxy_failure(transfer:url(), failed), "correct it"
  elseif number >= 300 then
    return failed.message, "check the proxy, or name another with --proxy"
  end
end

-- Whether it lets us through.
function Doctor:proxy(transfer)
  local from, given, except = "--proxy", self.arguments.proxy, ""
  if not given then
    local name, value = connection.variable(transfer:url())
    local others = os.getenv("no_proxy") or os.getenv("NO_PROXY") or ""
    given = value
    from = "the environment variable " .. (name or "https_proxy")
    except = ("; not for this machine%s"):format(others ~= ""
      and ", nor for " .. others .. " (NO_PROXY)" or "")
  end
  local problem, cure = proxy_problem(transfer, from)
  if problem then
    self:fail(status.NETWORK, "proxy", problem, cure)
    return false
  end
  self:ok("proxy", "%s", given and ("%s, from %s%s"):format(redact.urls(given),
    from, except) or "none")
  return true
end

-- A request that costs nothing: the state of a task that does not exist.
local function ask(session, request)
  request.retries = 1
  local transfer = assert(session:request(request))
  while true do
    session:step(1)
    local id, kind = session:next()
    while id do
      if kind == "done" then
        return transfer
      end
      id, kind = session:next()
    end
  end
end

local function took(seconds)
  return ("%.0f ms"):format(seconds * 1000)
end

-- How far a connection came; false if not to its end.
function Doctor:connection(base_url, found, problem)
  local scheme, host = base_url:match("^(%a+)://([^/]+)")
  host = host:gsub("^.*@", "")
  if not found.name then
    self:fail(status.NETWORK, "dns", problem, "check the name and the network; "
      .. "run: getent hosts " .. shell.quote((host:gsub(":%d+$", ""))))
    return false
  end
  self:ok("dns", "%s is found (%s)", host, took(found.name))
  if not found.tcp and not found.untrusted then
    self:fail(status.NETWORK, "tcp", problem, "check the network, the firewall "
      .. "and --proxy")
    return false
  end
  self:ok("tcp", "connected to %s%s", found.address, found.tcp
    and (" (%s)"):format(took(found.tcp)) or "")
  if scheme:lower() ~= "https" then
    self:tell("note", "tls", "none: over http, anyone on the network path "
      .. "can read the key")
  elseif not found.tls then
    self:fail(status.NETWORK, "tls", problem, "check the clock, and --ca-file "
      .. "if a proxy or your own service uses other certificates")
    return false
  else
    self:ok("tls", "the certificate is trusted (%s)", took(found.tls))
  end
  return true
end

local function is_of_service(body)
  return api.read_error(body) ~= nil or (api.read_status(body)) ~= nil
end

function Doctor:reply(transfer, problem, from)
  local number, body = transfer:status(), transfer:body()
  if number == 401 or number == 403 then
    if self.key then
      self:fail(status.AUTHENTICATION, "service", ("it rejects the key from %s "
        .. "(HTTP %d)"):format(from, number), from:find("^the profile")
        and "run: camb login" or "replace it with one from " .. keys.ORIGIN)
    else
      self:ok("service", "it answers, and asks for a key")
    end
  elseif number == 404 and is_of_service(body) or number == 200
    and is_of_service(body) or number == 422
  then
    self:ok("service", "it answers, and accepts the key")
  elseif number >= 400 and number < 500 or number == 200 then
    self:fail(status.NETWORK, "service", ("what answers (HTTP %d) is not the "
      .. "service"):format(number), "check --base-url and CAMB_BASE_URL")
  else
    self:fail(status.NETWORK, "service", problem, "try again later")
  end
end

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7,
  Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12 }

-- Seconds since 1970 of a date of HTTP; nil if it is none.
local function seconds_of(words)
  local day, name, year, hour, min, sec = words:match(
    "^%a+, (%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT$")
  local month = MONTHS[name]
  return month and date.seconds(year, month, day, hour, min, sec)
end

function Doctor:clock(words)
  local theirs = seconds_of(words)
  local skew = theirs and core.time() - theirs
  if not skew then
    self:tell("note", "clock", "the service sends no date")
  elseif math.abs(skew) > MOST_SKEW then
    self:fail(status.GENERAL, "clock", ("it is %.0f s %s that of the service, "
      .. "so that certificates and URLs may seem expired"):format(
      math.abs(skew), skew > 0 and "ahead of" or "behind"),
      "set it; run: timedatectl set-ntp true")
  else
    self:ok("clock", "within %.0f s of that of the service",
      math.ceil(math.abs(skew)))
  end
end

function Doctor:service(found)
  local arguments = self.arguments
  local base_url = api.base_url(arguments.base_url or found.base_url)
  local problem = core.url_problem(base_url)
  if problem then
    return self:fail(status.USAGE, "service",
      ('"%s" is not the URL of a service: %s'):format(base_url, problem),
      "check --base-url and CAMB_BASE_URL")
  end
  if not base_url:find("/apis$") then
    self:tell("note", "service", ('"%s" does not end with /apis, as the URL of '
      .. "the service does"):format(redact.urls(base_url)),
      "check --base-url and CAMB_BASE_URL")
  end
  local ok, ca_file = pcall(connection.ca_file, arguments, 1)
  if not ok then
    return self:fail(status.FILE, "tls", (ca_file:gsub("^option 'ca_file'",
      "--ca-file")), "name a file of certificates in PEM form")
  end
  local session = assert(core.session({ base_url = base_url, ca_file = ca_file,
    authorization = self.key and "x-api-key: " .. self.key or nil,
    proxy = arguments.proxy, max_connections = 1 }))
  local transfer = ask(session, { url = base_url
    .. "/audio-separation/camb-doctor" })
  local failure = transfer:failure()
  local message = failure and failure.message or ""
  local known = transfer:connection()
  if self:proxy(transfer) and self:connection(base_url, known, message) then
    if transfer:status() == 0 then
      self:fail(status.NETWORK, "service", message, "try again later")
    else
      self:reply(transfer, message, found.from)
      self:clock(known.date)
    end
  end
  transfer:close()
  session:close()
end

-- Where stems go that are not kept here.
function Doctor:bucket(folder)
  local request, problem = s3.look(folder:gsub("/+$", "") .. "/camb-doctor")
  if request then
    local session = assert(core.session({ base_url = request.url,
      proxy = self.arguments.proxy, max_connections = 1,
      ca_file = select(2, pcall(connection.ca_file, self.arguments, 1)) }))
    local transfer = ask(session, request)
    local found, is_there = s3.obstacle(transfer)
    problem = not is_there and found or nil
    transfer:close()
    session:close()
  end
  if problem then
    self:fail(status.FILE, "folder", ('"%s" cannot be written: %s'):format(
      folder, problem), "check the bucket, and AWS_ACCESS_KEY_ID, "
      .. "AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL")
  else
    self:ok("folder", '"%s" is there, and lets this machine in', folder)
  end
end

-- As a whole, or the name of a folder in it.
local function is_too_long(path)
  local is_long = select(2, core.stat(path)) == download.TOO_LONG
  for name in path:gmatch("[^/]+") do
    is_long = is_long or select(2, core.stat(name)) == download.TOO_LONG
  end
  return is_long
end

-- What to do about a folder: in another one, what it knows to be paid for would
-- be paid for again.
local function cure_of(folder, ...)
  local words = { ... }
  if not core.stat(own_store.find(folder))
    and not core.stat(paid.journal(folder) or "")
  then
    table.insert(words, 1, "name another with --output-dir")
  end
  return words[1] and table.concat(words, ", or ") or "make it writable"
end

function Doctor:folder()
  local folder = self.arguments.output_dir
  if source.is_s3(folder) then
    return self:bucket(folder)
  end
  local place = folder
  while not core.stat(place) and place:find("/.") do
    place = place:gsub("/+[^/]*$", "")
    place = place == "" and "/" or place
  end
  place = core.stat(place) and place or "."
  local space = core.free_space(place)
  local is_there = place == folder
  if core.stat(place) ~= "folder" then
    return self:fail(status.FILE, "folder", ('"%s" is not a folder'):format(
      place), "name another with --output-dir")
  end
  local part, reason = core.part(place .. "/.camb-doctor", true)
  if is_too_long(folder) then
    self:fail(status.FILE, "folder", ('"%s" cannot be created: %s'):format(
      folder, download.TOO_LONG), "name another with --output-dir")
  elseif not part then
    self:fail(status.FILE, "folder", ('"%s" cannot be written: %s'):format(
      place, reason), cure_of(folder, reason:find("Permission denied", 1, true)
      and "run: chmod u+w " .. shell.quote(place) or nil))
  elseif space and space < LEAST_SPACE then
    self:fail(status.FILE, "folder", ('"%s" has only %.0f MB left'):format(
      place, space / 1e6), cure_of(folder, "free some space"))
  else
    self:ok("folder", '"%s" can be %s, %.1f GB are free', folder,
      is_there and "written" or "created", (space or 0) / 1e9)
  end
  if part then
    part:close()
  end
end

-- What is not a file here goes through it: standard input, URLs, what is
-- converted, and stems for S3.
function Doctor:temporary()
  local folder = temporary.folder()
  local part, reason = core.part(nil, true)
  local space = core.free_space(folder)
  if not part then
    self:fail(status.FILE, "tmpdir", ('"%s" cannot be written: %s'):format(
      folder, reason), temporary.CURE)
  elseif space and space < LEAST_SPACE then
    self:tell("note", "tmpdir", ('"%s" has only %.0f MB left'):format(folder,
      space / 1e6), "free some space, or " .. temporary.CURE)
  else
    self:ok("tmpdir", '"%s" can be written, %.1f GB are free', folder,
      (space or 0) / 1e9)
  end
  if part then
    part:close()
  end
end

local function words_of(counts)
  local words, all = {}, 0
  for state, jobs in pairs(counts) do
    words[#words + 1] = ("%d %s"):format(jobs, state)
    all = all + jobs
  end
  table.sort(words)
  return ("%d job%s%s"):format(all, all == 1 and "" or "s", all > 0
    and " (" .. table.concat(words, ", ") .. ")" or "")
end

function Doctor:look_into(place)
  local label = store.address(place)
  local jobs, err = store.open(place, { store_timeout = 0 })
  local counts
  if jobs then
    counts, err = jobs:count()
    jobs:close()
  end
  if counts then
    self:ok("store", "%s: %s", label, words_of(counts))
  else
    self:fail(status.of(err), "store", err.message,
      "check --store and the database")
  end
end

function Doctor:store()
  local place = self.arguments.store
    or own_store.find(self.arguments.output_dir)
  local is_url = store.is_url(place)
  if not dbi.load(is_url and "PostgreSQL" or "SQLite3") then
    local name = is_url and "postgresql" or "sqlite3"
    local cure = ("run: apt install lua-dbi-%s, or luarocks install luadbi-%s")
      :format(name, name)
    if self.arguments.store then
      self:fail(status.GENERAL, "store", "LuaDBI is not installed", cure)
    else
      self:tell("note", "store", "none, as LuaDBI is not installed: an "
        .. "interrupted batch pays for nothing twice, but starts over", cure)
    end
  elseif is_url or core.stat(place) then
    self:look_into(place)
  elseif self.arguments.store then
    self:fail(status.GENERAL, "store", ('"%s" does not exist'):format(place),
      "check --store; camb batch creates it")
  elseif source.is_s3(place) then
    self:tell("note", "store", "none is named, and stems in S3 need one",
      "name a file or a database with --store")
  else
    self:ok("store", "SQLite is there; camb batch creates %s", place)
  end
end

function Doctor:sandbox()
  local found, sandbox = pcall(require, "camb.sandbox.core")
  if found then
    self:ok("sandbox", "%s", sandbox.versions())
  else
    self:tell("note", "sandbox", "not installed: --sandbox, pictures and "
      .. "conversions need it", "run: luarocks install camb-sandbox")
  end
end

--- Run it; the exit status is that of the first thing that is wrong.
---@param arguments table
---@return integer status
function doctor.run(arguments)
  local self = setmetatable({ arguments = arguments }, Doctor)
  self:versions()
  self:service(self:find_key())
  self:folder()
  self:temporary()
  self:store()
  self:sandbox()
  return self.number or status.OK
end

return doctor
