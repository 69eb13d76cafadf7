--- What the programs of spec/soak/workers share: recordings, a service that
--- counts uploads by content, a PostgreSQL of its own, workers (the command, as
--- people run it), and the account of every job at the end.
---
--- Whatever a worker says is a sign of life, in its words or in its log of events.
--- One that has said nothing for longer than LONGEST_SILENCE is complained of,
--- unless it has announced when it goes on.

local cjson = require "cjson"
local core = require "camb.core"
local killed = require "spec.support.killed"
local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local crew = {}

local Crew = {}
Crew.__index = Crew

local LUA, BUILD = os.getenv("LUA") or "lua5.4", os.getenv("BUILD") or "build"
local CAMB = BUILD .. "/bin/camb"
local TICK = 0.1
local failures = 0 -- of all crews
local LONGEST_SILENCE = 15
-- A worker that ends well; with some unknown outcomes.
local ENDS_WELL = { ["0"] = true, ["10"] = true }

--- The options `NAME=VALUE` of the command line over `defaults`; each is of the
--- kind of its default.
---@param defaults table
---@return table
function crew.options(defaults)
  local given = {}
  for name, value in pairs(defaults) do
    given[name] = value
  end
  for _, word in ipairs(arg) do
    local name, value = word:match("^(%w+)=(.*)$")
    assert(defaults[name] ~= nil, "what is " .. word .. "?")
    given[name] = type(defaults[name]) == "number" and assert(tonumber(value),
      word) or value
  end
  return given
end

--- Make `jobs` recordings, and start what works on them.
---@param jobs integer
---@param more table? # for the sandbox
function crew.open(jobs, more)
  local folder = workspace.folder()
  takes.make(folder .. "/in", jobs)
  local service = { workers = 4, processing = 1, request_log = 2 ^ 18,
    engine = takes.engine(folder) }
  for name, value in pairs(more or {}) do
    service[name] = value
  end
  local self = setmetatable({
    folder = folder,
    jobs = jobs,
    server = assert(sandbox.start(service)),
    database = assert(postgres.start()),
    workers = {},
    begun = 0,
    problems = 0,
    longest = { seconds = 0, words = "" }, -- silence, beyond what was announced
    began = core.now(),
  }, Crew)
  self.url = self.database:create()
  return self
end

--- Print a line with the time.
function Crew:say(form, ...)
  print(("%7.1f s  %s"):format(core.now() - self.began, form:format(...)))
  io.stdout:flush()
end

--- Something is not as it has to be.
function Crew:complain(form, ...)
  self.problems = self.problems + 1
  self:say("PROBLEM: " .. form, ...)
end

--- Run `camb WORDS` with the store, and wait for its end: its words and status.
function Crew:camb(words)
  return workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s %s --store '%s'")
    :format(self.server.api_key, self.server.base_url, CAMB, words, self.url))
end

--- Put all recordings into the store.
function Crew:enlist()
  local words, status = self:camb(("batch %s/in -o %s/out --add-only"):format(
    self.folder, self.folder))
  assert(status == 0, words)
end

-- The command with another lease, which has no flag.
local SET_LEASE = "for _, o in ipairs(require('camb.options').all()) do "
  .. "if o.name == 'lease' then o.default = %g end end"

--- Start a worker.
---@param given { lease: number?, wrapper: string?, words: string?,
---  restarts: boolean? }? # wrapper: a command that runs it; restarts: as a
---  supervisor does, a second after an end that is none of a batch that is done
function Crew:begin(given)
  given = given or {}
  self.begun = self.begun + 1
  local base = ("%s/worker%d"):format(self.folder, self.begun)
  workspace.write(base .. ".sh", ("export CAMB_API_KEY=%s CAMB_BASE_URL=%s\n"
    .. "echo $$ > %s.pid\nexec %s %s -e \"%s\" %s batch --store '%s' "
    .. "--interval 1 --log %s.events %s >> %s.log 2>&1\n"):format(
    self.server.api_key, self.server.base_url, base, given.wrapper or "", LUA,
    given.lease and SET_LEASE:format(given.lease) or "", CAMB, self.url, base,
    given.words or "", base))
  local worker = { base = base, number = self.begun, given = given }
  self.workers[#self.workers + 1] = worker
  self:run(worker)
  return worker
end

--- Run what `begin` has made, again.
function Crew:run(worker)
  local base = worker.base
  os.remove(base .. ".pid")
  os.remove(base .. ".status")
  workspace.run(("(sh %s.sh; echo $? > %s.new; mv %s.new %s.status) "
    .. "> /dev/null 2>&1 & true"):format(base, base, base, base))
  workspace.wait_for("a worker", function()
    return (workspace.read(base .. ".pid") or ""):find("\n")
  end)
  worker.pid = workspace.read(base .. ".pid"):match("%d+")
  worker.status, worker.heard, worker.size = nil, core.now(), 0
end

--- The last lines of what a worker has said.
function Crew.last_words(worker)
  return (workspace.run(("tail -n 3 %s.log; tail -n 1 %s.events")
    :format(worker.base, worker.base)))
end

local function size_of(worker)
  local size = 0
  for _, name in ipairs({ ".log", ".events" }) do
    local kind, bytes = core.stat(worker.base .. name)
    size = size + (kind and bytes or 0)
  end
  return size
end

-- Seconds until which the last event announces silence.
local function announced(worker)
  local line = workspace.run(("tail -n 1 %s.events 2>&1"):format(worker.base))
  local ok, event = pcall(cjson.decode, line)
  return ok and event.name == "retrying" and tonumber(event.next_in) or 0
end

-- How long it has said nothing.
local function listen(self, worker)
  local size, now = size_of(worker), core.now()
  if size ~= worker.size or worker.is_stopped then
    worker.size, worker.heard, worker.announced = size, now, nil
    return
  end
  local silence = now - worker.heard
  if silence > math.max(self.longest.seconds, 1) then
    worker.announced = worker.announced or announced(worker)
    silence = silence - worker.announced
    if silence > self.longest.seconds then
      self.longest = { seconds = silence, worker = worker.number,
        at = worker.heard - self.began, words = self.last_words(worker) }
    end
  end
end

--- Look at every worker, a tick later.
function Crew:tick()
  core.wait(TICK)
  for _, worker in ipairs(self.workers) do
    if not worker.status then
      worker.status = (workspace.read(worker.base .. ".status") or "")
        :match("^(%d+)\n")
      if not worker.status then
        listen(self, worker)
      elseif worker.given.restarts and not ENDS_WELL[worker.status] then
        worker.restarts = (worker.restarts or 0) + 1
        worker.restarts_at = core.now() + 1
      end
    elseif worker.restarts_at and core.now() >= worker.restarts_at then
      worker.restarts_at = nil
      self:run(worker)
    end
  end
end

--- Wait for `condition`; false where it does not come in `seconds`.
function Crew:wait_for(what, condition, seconds)
  local give_up = core.now() + (seconds or 600)
  while not condition() do
    if core.now() > give_up then
      self:complain("waited in vain for %s", what)
      return false
    end
    self:tick()
  end
  return true
end

function Crew:wait(seconds)
  local ends = core.now() + seconds
  repeat
    self:tick()
  until core.now() >= ends
end

--- Wait until the service has accepted so many uploads.
function Crew:wait_for_uploads(count)
  return self:wait_for(count .. " uploads", function()
    return self.server:stats().uploads >= count
  end)
end

--- Send a signal to a worker's process; after KILL it is no worker any more.
function Crew:signal(worker, signal)
  workspace.run(("kill -%s %s"):format(signal, worker.pid))
  worker.is_stopped = signal == "STOP" or signal ~= "CONT" and worker.is_stopped
  if signal == "KILL" then
    for i, other in ipairs(self.workers) do
      if other == worker then
        table.remove(self.workers, i)
      end
    end
    workspace.wait_for_end(worker.pid)
  end
end

--- Wait until all workers have ended, and well.
function Crew:wait_for_all(seconds)
  self:wait_for("the end of all workers", function()
    for _, worker in ipairs(self.workers) do
      if not worker.status or worker.restarts_at then
        return false
      end
    end
    return true
  end, seconds)
  for _, worker in ipairs(self.workers) do
    if not worker.status then
      self:signal(worker, "KILL")
    elseif worker.restarts then
      self:say("worker %d was restarted %d times", worker.number,
        worker.restarts)
    end
    if worker.status and not ENDS_WELL[worker.status] then
      self:complain("worker %d ended with %s: %s", worker.number,
        worker.status, self.last_words(worker))
    end
  end
  self.workers = {}
end

--- Kill all processes of the database, as a power cut does, and start it again.
function Crew:crash(mode)
  if mode == "kill" then
    self.database:signal("KILL")
  else
    self.database:stop("immediate")
  end
  return self:restore()
end

--- Start the database, once nothing of the one before is left.
function Crew:restore()
  return self:wait_for("the database", function()
    return (self.database:start())
  end, 60)
end

--- How many jobs there are by state.
function Crew:count()
  local jobs = assert(store.open(self.url))
  local counts = assert(jobs:count())
  jobs:close()
  return counts
end

local function words_of(counts)
  local words = {}
  for name, count in pairs(counts) do
    words[#words + 1] = ("%d %s"):format(count, name)
  end
  table.sort(words)
  return table.concat(words, ", ")
end

--- The same in words.
function Crew:states()
  return words_of(self:count())
end

-- By content, how many uploads of it were accepted.
local function count_contents(self)
  local times, total = {}, 0
  for _, request in ipairs(self.server:requests()) do
    if request.method == "POST" and request.status == 200
      and request.path:find("audio%-separation$")
    then
      local digest = request.file.sha256
      times[digest] = (times[digest] or 0) + 1
      total = total + 1
    end
  end
  return times, total
end

--- Every job is done and was paid for once, or is reported as unknown.
---@param resent table<string, boolean>? # names that were sent again, as asked
---@return table<string, boolean> unknown # names
---@return integer lost # how many they are
function Crew:account(resent)
  resent = resent or {}
  local counts = self:count()
  local ok, unknown, lost = pcall(killed.check, self.url, self.server,
    self.folder .. "/out", self.jobs, resent)
  if not ok then
    self:complain("%s", tostring(unknown):gsub("\n.*", ""))
  end
  local times, total = count_contents(self)
  local contents, more = 0, 0
  for _, count in pairs(times) do
    contents = contents + 1
    more = more + (count > 1 and 1 or 0)
  end
  if total ~= self.server:stats().uploads then
    self:complain("%d uploads are in the log, %d were accepted", total,
      self.server:stats().uploads)
  end
  self:say("%d jobs: %s; %d uploads of %d contents, %d of them sent again",
    self.jobs, words_of(counts), total, contents, more)
  return ok and unknown or {}, ok and lost or 0
end

--- Send what is unknown again, as an operator does who has looked: then all is
--- done.
function Crew:resubmit(unknown)
  self:begin({ words = "--resubmit-unknown" })
  self:wait_for_all(600)
  local _, left = self:account(unknown)
  if left > 0 then
    self:complain("%d are still unknown", left)
  end
end

--- The account once all workers have ended; what is unknown is sent again.
function Crew:settle()
  local unknown, lost = self:account()
  if lost > 0 then
    self:say("%d unknown", lost)
    self:resubmit(unknown)
  end
end

--- Stop everything and print a verdict.
function Crew:finish()
  for _, worker in ipairs(self.workers) do
    self:signal(worker, "KILL")
  end
  local silence = self.longest
  self:say("the longest silence: %.1f s%s", silence.seconds, silence.worker
    and (", of worker %d from %.1f s on, after:\n%s"):format(silence.worker,
    silence.at, silence.words) or "")
  if silence.seconds > LONGEST_SILENCE then
    self:complain("a worker stood still without a word")
  end
  self:say("%d problems, load %s%s", self.problems,
    workspace.read("/proc/loadavg"):match("^%S+"), self.problems > 0
    and ", look into " .. self.folder or "")
  self.database:remove()
  self.server:stop()
  if self.problems == 0 then
    workspace.remove(self.folder)
  end
  failures = failures + self.problems
end

--- Leave the process with the verdict of all.
function crew.exit()
  os.exit(failures == 0)
end

return crew
