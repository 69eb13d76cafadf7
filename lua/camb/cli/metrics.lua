--- What a batch exports to Prometheus (--metrics): computed from its events,
--- and served by a thread of camb-sandbox.

local camb = require "camb"
local core = require "camb.core"
local store = require "camb.store"
local text = require "camb.text"

local metrics = {}

---@class camb.Metrics
local Metrics = {}
Metrics.__index = Metrics

-- Seconds between two texts, and between two looks into the store.
local PAUSE, LOOK = 1, 15

-- Each, its type, and what it says.
local HELP = {
  { "camb_jobs", "gauge", "Jobs of this batch that are under way, by state." },
  { "camb_jobs_ended_total", "counter", "Jobs that have ended, by outcome." },
  { "camb_store_jobs", "gauge", "Jobs in the store, by state." },
  { "camb_uploaded_bytes_total", "counter", "Bytes of recordings sent." },
  { "camb_downloaded_bytes_total", "counter", "Bytes of stems received." },
  { "camb_audio_minutes_total", "counter", "Minutes of audio separated." },
  { "camb_step_seconds", "summary", "How long each step of a job took." },
  { "camb_retries_total", "counter", "Attempts that failed and were made "
    .. "again, by step." },
  { "camb_errors_total", "counter", "Jobs that failed, by kind of error." },
}

--- Begin to answer at `arguments.metrics`, "HOST:PORT".
---@param arguments table
---@return camb.Metrics?
---@return string? problem
function metrics.new(arguments)
  local found, sandbox = pcall(require, "camb.sandbox.core")
  if not found then
    return nil, "--metrics needs the rock camb-sandbox"
  end
  local host, port = arguments.metrics:match("^%[?(.-)%]?:(%d+)$")
  local server, problem = sandbox.metrics(host, tonumber(port))
  if not server then
    return nil, "--metrics: " .. problem
  end
  local self = setmetatable({ arguments = arguments, server = server,
    values = {}, jobs = {}, looked = -math.huge }, Metrics)
  self:publish()
  io.stderr:write(("camb: metrics at http://%s:%d/metrics\n"):format(
    arguments.metrics:match("^(.*):"), server:port()))
  return self
end

-- `labels`: as Prometheus writes them, or nothing.
function Metrics:add(name, labels, value)
  local of = self.values[name] or {}
  self.values[name] = of
  of[labels] = (of[labels] or 0) + value
end

local function label(name, value)
  return ('{%s="%s"}'):format(name, value)
end

-- The job is in the next `state` now, or has ended (nil); the duration of the
-- one before is recorded.
local function go_on(self, job, state)
  if job.state then
    self:add("camb_jobs", label("state", job.state), -1)
    local step = label("step", job.state)
    self:add("camb_step_seconds_sum", step, core.now() - job.since)
    self:add("camb_step_seconds_count", step, 1)
  end
  job.state, job.since = state, core.now()
  if state then
    self:add("camb_jobs", label("state", state), 1)
  end
end

-- Bytes as they come: each event says how many there are by now.
local function count_bytes(self, job, name, what, bytes)
  self:add(name, "", math.max(0, bytes - (job[what] or 0)))
  job[what] = bytes
end

local HEAR = {
  upload_started = function(self, job)
    go_on(self, job, "upload")
  end,
  upload_progress = function(self, job, event)
    count_bytes(self, job, "camb_uploaded_bytes_total", "sent", event.bytes)
  end,
  submitted = function(self, job)
    go_on(self, job, "separation")
  end,
  resumed = function(self, job)
    go_on(self, job, "separation")
  end,
  download_started = function(self, job)
    if job.state ~= "download" then
      go_on(self, job, "download")
    end
  end,
  download_progress = function(self, job, event)
    count_bytes(self, job, "camb_downloaded_bytes_total", event.stem,
      event.bytes)
  end,
  downloaded = function(self, job, event)
    count_bytes(self, job, "camb_downloaded_bytes_total", event.stem,
      event.bytes)
  end,
  retrying = function(self, _, event)
    self:add("camb_retries_total", label("step", event.step), 1)
  end,
}

--- An event of the batch.
---@param event camb.Event
function Metrics:hear(event)
  local hear = HEAR[event.name]
  local is_end = event.name == "finished" or event.name == "failed"
  if not event.source or not (hear or is_end) then
    return
  end
  local job = self.jobs[event.source] or {}
  self.jobs[event.source] = not is_end and job or nil
  if is_end then
    go_on(self, job, nil)
  else
    hear(self, job, event)
  end
end

local function minutes_of(path)
  local found = require("camb.audio").probe(path)
  return found and found.duration and found.duration / 60 or 0
end

--- A job of the batch has ended.
---@param item camb.BatchItem
function Metrics:tell(item)
  local outcome = item.skipped and "skipped" or item.stems and "done"
    or "failed"
  self:add("camb_jobs_ended_total", label("outcome", outcome), 1)
  if item.error then
    self:add("camb_errors_total", label("kind", item.error.kind), 1)
  elseif outcome == "done" then
    self:add("camb_audio_minutes_total", "", minutes_of(item.stems.foreground
      or item.stems.background))
  end
end

local function look_into_store(self)
  self.looked = core.now()
  local place = self.arguments.store
  local jobs = place and store.open(place, { read_only = true })
  local counts = jobs and jobs:count()
  if jobs then
    jobs:close()
  end
  local values = {}
  for state, count in pairs(counts or {}) do
    values[label("state", state)] = count
  end
  self.values.camb_store_jobs = values
end

local function lines_of(out, name, values)
  local labels = {}
  for of in pairs(values or {}) do
    labels[#labels + 1] = of
  end
  table.sort(labels)
  for _, of in ipairs(labels) do
    out[#out + 1] = ("%s%s %s"):format(name, of,
      text.number(values[of]))
  end
end

--- Publish what is known.
function Metrics:publish()
  if core.now() - self.looked >= LOOK then
    look_into_store(self)
  end
  local out = {}
  for _, entry in ipairs(HELP) do
    local name = entry[1]
    out[#out + 1] = ("# HELP %s %s\n# TYPE %s %s"):format(name, entry[3], name,
      entry[2])
    lines_of(out, name, self.values[name])
    lines_of(out, name .. "_sum", self.values[name .. "_sum"])
    lines_of(out, name .. "_count", self.values[name .. "_count"])
  end
  self.server:put(table.concat(out, "\n") .. "\n")
end

--- Publish now and then until `close`, beside everything else.
function Metrics:start()
  camb.spawn(function()
    local since = core.now()
    while not self.is_closed and not core.caught_signal() do
      if core.now() - since >= PAUSE then
        self:publish()
        since = core.now()
      end
      camb.sleep(0.1)
    end
  end)
end

function Metrics:close()
  self.is_closed = true
  self.server:close()
end

return metrics
