--- A client: one session of the core, with its connections and its key.

local api = require "camb.api"
local audio_separation = require "camb.audio_separation"
local Operation = require "camb.operation"
local check = require "camb.check"
local connection = require "camb.connection"
local core = require "camb.core"
local download = require "camb.download"
local json = require "camb.json"
local key_file = require "camb.key_file"
local options = require "camb.options"
local redact = require "camb.redact"
local result = require "camb.result"
local scheduler = require "camb.async.scheduler"
local Separation = require "camb.separation"
local source = require "camb.source"
local submit = require "camb.submit"
local task = require "camb.task"
local text = require "camb.text"

local client = {}

--- A connection to the service, with one key.  Its calls block in a script, and
--- yield in jobs of camb.run or coroutines of its loop.
---@class camb.Client
---@field audio_separation camb.AudioSeparation # the official operations
---@field base_url string # where the service is
---@field package secret fun(): string # the key; a function, so that no dump of
---  the client's fields shows it
local Client = {}
Client.__index = Client
Client.__name = "camb.Client"

function Client:__tostring()
  return ("camb.Client (%s%s)"):format(
    redact.urls(self.base_url), self.closed and ", closed" or "")
end

local function header_lines(headers, level)
  local lines = {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      error(("option 'headers': \"%s\" is not a valid header name"):format(
        redact.line(tostring(name))), level + 1)
    elseif text.lower(name) == "x-api-key" then -- it would not be hidden
      error("option 'headers': pass the key as api_key", level + 1)
    end
    check.value("headers." .. name, value, check.text(), level + 1)
    lines[#lines + 1] = ("%s: %s"):format(name, value)
  end
  table.sort(lines)
  return lines
end

local function read_key(path, level)
  local key, problem = key_file.read(path)
  if not key then
    error("option 'api_key_file': " .. problem, level + 1)
  end
  return key
end

local function find_key(checked, level)
  if checked.api_key and checked.api_key_file then
    error("pass either api_key or api_key_file", level + 1)
  end
  local key = checked.api_key
    or checked.api_key_file and read_key(checked.api_key_file, level + 1)
    or key_file.of_environment()
  if not key or key == "" then
    error("no API key: pass api_key or api_key_file, or set CAMB_API_KEY",
      level + 1)
  end
  check.value("api_key", key, check.filled, level + 1)
  local problem = key_file.problem(key)
  if problem then
    error((checked.api_key and "option 'api_key' " or checked.api_key_file
      and "the key in api_key_file " or "CAMB_API_KEY ") .. problem, level + 1)
  end
  return key
end

local function find_base_url(checked, level)
  local url = api.base_url(checked.base_url)
  local problem = core.url_problem(url)
    or url:find("[?#]") and "it has a query or a fragment"
    or url:find(" ", 1, true) and "it contains a space"
  if problem then
    error(("option 'base_url' is invalid: %s"):format(problem), level + 1)
  end
  return url
end

-- Clients that were dropped without close hold descriptors until they are
-- collected, which Lua does not hurry to do for a few small tables.
local function open_session(settings)
  local session, reason = core.session(settings)
  local fd = session and session:fd() or 0
  if not session or fd > core.descriptors() / 2 then
    collectgarbage()
  end
  if not session then
    session, reason = core.session(settings)
  end
  return session, reason
end

--- For camb.lua: a client of checked options.
---@param checked table # options of "client"
---@param level integer # as for `error`, seen from the caller
---@return camb.Client
function client.new(checked, level)
  local key = find_key(checked, level + 1)
  local base_url = find_base_url(checked, level + 1)
  local session, reason = open_session({
    base_url = base_url,
    authorization = "x-api-key: " .. key,
    headers = header_lines(checked.headers, level + 1),
    user_agent = checked.user_agent or client.USER_AGENT,
    proxy = connection.proxy(checked.proxy),
    ca_file = connection.ca_file(checked, level + 1),
    max_connections = checked.max_connections,
    requests_per_second = checked.requests_per_second,
    connect_timeout = checked.connect_timeout,
    timeout = checked.timeout,
    stall_timeout = checked.stall_timeout,
    reply_timeout = checked.reply_timeout,
    accept_invalid_certificates = checked.danger_accept_invalid_certificates,
  })
  if not session then
    error("cannot open a client: " .. reason, level + 1)
  end
  local self = setmetatable({
    session = session,
    base_url = base_url,
    secret = function()
      return key
    end,
    retries = checked.retries,
    step_budget = checked.step_budget,
    on_event = checked.on_event,
    loop = checked.loop,
    journal = checked.journal,
    waiting = 0, -- how many wait for it in its loop
    place = false, -- in camb's own loop
    inboxes = {},
    told = {}, -- which weaknesses of a file system were reported
  }, Client)
  self.audio_separation = audio_separation.new(self)
  return self
end

--- What the service reads as our name unless `user_agent` says otherwise.
client.USER_AGENT = "camb-lua/dev"

--- Raise unless the client can be used.
---@package
function Client:check_open(level)
  if getmetatable(self) ~= Client then
    error("not a client: call it with a colon, client:submit(…)", level)
  elseif self.closed then
    error("the client is closed", level)
  elseif not self.session:is_own() then
    error("a client cannot be used in a forked process: open a new one there",
      level)
  end
end

--- Send a source.  This is the paid step; it is sent once.
---@param given camb.Source
---@param given_options camb.SubmitOptions?
---@return camb.Task? task
---@return camb.Error? err
function Client:submit(given, given_options)
  Client.check_open(self, 3)
  local checked = check.options(given_options, options.of("submit"), 2)
  local origin = source.check(given, 2)
  local label = source.label(origin)
  local reply, err = Operation.new(self, checked, label):run(submit.run,
    origin, checked)
  return reply and task.new(self, reply.task_id, label), err
end

--- Resume a task, also from another day or machine.
---@param id string
---@return camb.Task
function Client:task(id)
  Client.check_open(self, 3)
  check.value("task_id", id, check.filled, 2)
  if id == nil then
    error("client:task needs a task id", 2)
  end
  return task.new(self, id)
end

local function check_run_id(run_id, level)
  local integer = json.integer(run_id)
  if not integer then
    error(("run id: integer expected, got %s"):format(
      run_id == nil and "nil"
      or ('"%s"'):format(redact.line(tostring(run_id)))), level + 1)
  end
  return integer
end

--- The URLs of a run's stems.
---@param run_id integer|string
---@param given camb.ResultOptions?
---@return { foreground_audio_url: string, background_audio_url: string }? urls
---@return camb.Error? err
function Client:result(run_id, given)
  Client.check_open(self, 3)
  local checked = check.options(given, options.of("call"), 2)
  local operation = Operation.new(self, checked)
  operation.run_id = check_run_id(run_id, 2)
  return operation:run(result.one)
end

-- By the ids as given, and by exact ones.
local function find_results(operation, run_ids, exact, checked)
  local map, err = result.many(operation, exact, checked)
  for i, run_id in ipairs(map and run_ids or {}) do
    map[run_id] = map[exact[i]]
  end
  return map, err
end

--- The URLs of many runs, by run id as given; unknown runs are absent.
---@param run_ids (integer|string)[]
---@param given camb.ResultsOptions?
---@return table<integer|string, table>? map
---@return camb.Error? err
function Client:results(run_ids, given)
  Client.check_open(self, 3)
  local checked = check.options(given, options.of("results"), 2)
  if type(run_ids) ~= "table" then
    error("run ids: table expected, got " .. type(run_ids), 2)
  end
  local exact = {}
  for i, run_id in ipairs(run_ids) do
    exact[i] = check_run_id(run_id, 2)
  end
  return Operation.new(self, checked):run(find_results, run_ids, exact,
    checked)
end

--- For camb.lua: the options that say where stems go.
function client.check_name(checked, level)
  local name = checked.name
  if name and (name:find("[/\\]") or name:find("^%.+$")) then
    error("option 'name' must be a file name without folders", level + 1)
  end
  if checked.format and not pcall(require, "camb.audio") then
    error("option 'format' needs the rock camb-sandbox", level + 1)
  end
end

local function check_urls(given, level)
  for _, name in ipairs({ "foreground_audio_url", "background_audio_url" }) do
    local url = given[name]
    if type(url) ~= "string" then
      error(("%s: string expected, got %s"):format(name, type(url)), level + 1)
    end
    local problem = core.url_problem(url)
    if problem then
      error(("%s: %s"):format(name, problem), level + 1)
    end
  end
  return { foreground_audio_url = given.foreground_audio_url,
    background_audio_url = given.background_audio_url }
end

--- Download both stems of a run into files.
---@param from integer|string|table # a run id, a run of task:wait, or urls
---@param given camb.DownloadOptions?
---@return { foreground: string, background: string }? stems # paths
---@return camb.Error? err
function Client:download(from, given)
  Client.check_open(self, 3)
  local checked = check.options(given, options.of("download"), 2)
  client.check_name(checked, 2)
  local operation = Operation.new(self, checked)
  local urls
  if type(from) == "table" and from.id then
    operation.run_id = check_run_id(from.id, 2)
    check.value("task_id", from.task_id, check.filled, 2)
    operation.task_id = from.task_id
  elseif type(from) == "table" then
    urls = check_urls(from, 2)
    operation.run_id = from.run_id and check_run_id(from.run_id, 2)
  else
    operation.run_id = check_run_id(from, 2)
  end
  local name = checked.name
    or checked.mixture and source.stem_name({ path = checked.mixture })
    or (operation.run_id and "run-" .. json.digits(operation.run_id)) or "run"
  if checked.stem_name then
    checked.values = require("camb.layout").values(name, checked.mixture)
  end
  return operation:run(download.of_run, urls, checked, name)
end

--- For camb.lua: separate with what was checked already.
---@param origin table # of source.check
---@param checked table        # options of "separate"
---@param owns_client boolean? # the client is closed with the operation
function client.separate(self, origin, checked, owns_client)
  local operation = Separation.new(self, checked, origin)
  operation.owns_client = owns_client
  return operation:run(operation.finish)
end

--- Upload a source, poll its task and download its stems.
---@param given camb.Source
---@param given_options camb.SeparateOptions?
---@return table? stems # foreground, background: paths; foreground_audio_url,
---  background_audio_url, task_id, run_id
---@return camb.Error? err
function Client:separate(given, given_options)
  Client.check_open(self, 3)
  local checked = check.options(given_options, options.of("separate"), 2)
  client.check_name(checked, 2)
  local origin = source.check(given, 2)
  return client.separate(self, origin, checked)
end

--- Separate many sources, with items in the order in which their jobs end:
---
---     for item in client:batch("takes/*.wav", { output_dir = "stems" }) do
---       print(item.source, item.stems, item.error)
---     end
---
--- Leaving the loop early stops everything in Lua 5.4; elsewhere call
--- `batch:close()`.  The folders of the stems mirror those of the sources below
--- `base_dir`.  The event "left_out" names each file of a folder that is not a
--- source.
---
--- `concurrency` limits the jobs between the start of their upload and the
--- delivery of their item; `uploads`, `pending` and `downloads` limit each
--- step. `requests_per_second` applies to the whole client.
---
--- With a `store` (a file for SQLite, or a URL of PostgreSQL) each job is a row
--- before money is spent.  If the process is killed, the same call resumes it,
--- together with every other job in the store that no worker has.  Jobs that
--- ended before are reported with `skipped`, but those of `sources` that failed
--- are retried if that costs nothing and the service has not refused them.
--- `retry_failed` retries all failed jobs, resuming where possible;
--- `resubmit_unknown` resubmits files whose upload outcome is unknown.
---@param sources string|(camb.Source|camb.BatchEntry)[]|fun(): any # a folder,
---  a pattern, a list, or an iterator that returns an item of a list each time,
---  nil at its end, and false if there is none for now
---@param given camb.BatchOptions?
---@return camb.Batch # an iterator of camb.BatchItem
function Client:batch(sources, given)
  Client.check_open(self, 3)
  local batch = require("camb.batch").new(self, sources, given, 2)
  return batch, nil, nil, batch
end

local function deliver(session, inboxes)
  while true do
    local id, kind, a, b, c, d = session:next()
    if not id then
      return
    end
    local inbox = inboxes[id]
    if inbox then
      inbox:push({ id, kind, a, b, c, d })
    end
  end
end

--- For the loop: run what is ready and wake the coroutines that wait for it;
--- blocks no longer than `seconds`, and runs no longer than `budget`.
---@package
---@param seconds number?
---@param budget number? # default: half the step_budget; the rest is the jobs'
function Client:pump(seconds, budget)
  local inboxes = self.inboxes
  self.session:step(seconds, budget or self.step_budget / 2)
  local ok, problem = pcall(deliver, self.session, inboxes)
  if not ok then -- no memory for an event: fail its waiters
    for _, inbox in pairs(inboxes) do
      inbox:fail(problem)
    end
  end
end

--- Run what is ready and resume the jobs that wait for it, for a host with its
--- own loop or tick.  After the client's step_budget the rest is left to the
--- next step.
---@param seconds number? # block no longer than this; nil: until something
---  happens, 0: do not block
function Client:step(seconds)
  Client.check_open(self, 3)
  if self.loop or scheduler.host().running() then
    self:pump(seconds)
  else
    scheduler.step(self, seconds)
  end
end

--- The descriptor to wait on for reading before a step; nil if the system has
--- none.
---@return integer?
function Client:pollfd()
  return self.session:pollfd()
end

--- What to wait for at `pollfd`, in poll's letters.
---@return string
function Client:events()
  return "r"
end

--- Seconds after which a step is needed in any case; nil: never.
---@return number?
function Client:timeout()
  local own, jobs = self.session:timeout(), nil
  if not self.loop then
    jobs = scheduler.host().timeout()
  end
  return own and jobs and math.min(own, jobs) or own or jobs
end

--- Cancel everything and release all resources.  Waiting calls return an error
--- of kind "cancelled".  A second call does nothing.
function Client:close()
  if self.closed then
    return
  end
  scheduler.host(self).detach(self)
  self.closed = true
  self.session:close() -- first: waking a coroutine may take memory
  for id, inbox in pairs(self.inboxes) do
    self.inboxes[id] = nil
    inbox:cancel()
  end
end

Client.__close = Client.close

return client
