--- A row of the fault matrix: one fault, played to every step of a client that
--- may retry once, first a single time and then for ever.

local camb = require "camb"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local sandboxed = require "spec.support.sandboxed"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local matrix = {}

matrix.TASK, matrix.RUN = "planted", 5000

matrix.AUDIO = "fLaC" .. ("0123456789"):rep(20000)
local SMALL = "fLaC" .. ("\0"):rep(1000)
local LARGE = "fLaC" .. ("\0"):rep(3 * 2 ^ 20)

--- A data folder with one finished task, to be copied.
function matrix.plant(folder)
  local data = folder .. "/template"
  local path = workspace.write(folder .. "/audio", matrix.AUDIO)
  local digest = workspace.run("sha256sum < " .. path):match("^%x+")
  sandboxed.plant(data, { task_id = matrix.TASK, status = "SUCCESS",
    run_id = matrix.RUN, foreground = "fg.flac", background = "bg.flac",
    foreground_sha256 = digest, background_sha256 = digest },
    { ["fg.flac"] = matrix.AUDIO, ["bg.flac"] = matrix.AUDIO })
  return data
end

--- What each step would have answered.
matrix.GOOD = {
  submit = { task_id = "x" },
  status = { status = "SUCCESS", run_id = matrix.RUN },
  result = { foreground_audio_url = "http://h/f",
    background_audio_url = "http://h/b" },
  results = {},
}

-- libcurl asks again by itself on a kept connection that turns out to be dead:
-- with a client that has none, requests can be counted.
local function renew(self)
  if self.client then
    self.client:close()
  end
  self.client = stage.client(self.server, { retries = 1,
    timeout = self.options.timeout or 10,
    stall_timeout = self.options.stall_timeout,
    reply_timeout = self.options.reply_timeout,
    ca_file = self.server.ca_file })
end

--- A row's stage: a server with a copy of `template`, and a client.
function matrix.open(template, options, client_options)
  local folder = workspace.folder()
  workspace.run(("cp -r %s %s/data"):format(template, folder))
  options = options or {}
  options.data_dir, options.processing = folder .. "/data", math.huge
  local server = assert(sandbox.start(options))
  local self = { folder = folder, server = server,
    options = client_options or {} }
  renew(self)
  self.urls = assert(self.client:result(matrix.RUN))
  self.urls.run_id = nil
  return self
end

function matrix.close(self)
  stage.close(self.server, self.client, self.folder)
end

local function take(self, options)
  self.downloads = (self.downloads or 0) + 1
  local folder = ("%s/stems-%d"):format(self.folder, self.downloads)
  options.output_dir, options.name = folder, "x"
  -- what is left are the retries
  options.interval, options.max_attempts = 0.001, 1
  local stems, err = self.client:download(self.urls, options)
  for _, name in ipairs(workspace.list(folder)) do
    assert(name:match("%.flac$"), "left: " .. name)
    assert(workspace.read(folder .. "/" .. name) == matrix.AUDIO, "broken: " .. name)
  end
  assert(not err or not workspace.read(folder .. "/x.foreground.flac"))
  return stems, err
end

-- Each gets the row's stage and options with its listener.
local calls = {
  submit = function(self, options)
    return self.client:submit({ data = SMALL, filename = "x.flac" }, options)
  end,
  submit_large = function(self, options)
    return self.client:submit({ data = LARGE, filename = "x.flac" }, options)
  end,
  status = function(self, options)
    return self.client:task(matrix.TASK):status(options)
  end,
  poll = function(self, options)
    -- the budget is time: one attempt that hangs must leave room for another
    options.interval = 1.5 * (self.options.timeout or 0.4)
    options.max_attempts = 2
    return self.client:task(matrix.TASK):wait(options)
  end,
  result = function(self, options)
    return self.client:result(matrix.RUN, options)
  end,
  results = function(self)
    return self.client:results({ matrix.RUN })
  end,
  stem = take,
}

-- What the server calls a step, and where its fault strikes.
local STEP = { submit_large = "submit", poll = "status" }
local PATH = { stem = "foreground.flac" }

-- Of the stems' requests only those that the fault is meant for count.
local function count(self, step)
  if step ~= "stem" then
    return self.server:stats().requests[step]
  end
  local number = 0
  for _, request in ipairs(self.server:requests()) do
    number = number + (request.path:find(PATH.stem, 1, true) and 1 or 0)
  end
  return number
end

-- Let the call `name` meet `fault`.
local function meet(self, name, fault)
  local step = STEP[name] or name
  local before, uploads = count(self, step), self.server:stats().uploads
  local outcome = { retries = 0, uploads = 0 }
  fault.step, fault.path = step, PATH[name]
  self.server:fault(fault)
  local started = core.now()
  local result, err = calls[name](self, { on_event = function(event)
    if event.name == "retrying" then
      assert(event.reason and event.reason ~= "")
      outcome.retries = outcome.retries + 1
    end
  end })
  outcome.seconds = core.now() - started
  outcome.kind = result and "ok" or err.kind
  outcome.err = err
  outcome.requests = count(self, step) - before
  outcome.uploads = self.server:stats().uploads - uploads
  return outcome
end

local ORDER = { { "submit", "status", "result", "results", "stem" },
  { "submit_large", "poll" } }

--- Play `row.fault` to each step that `row.steps` expects something of;
--- to be called in a job.
---@return table outcomes # by step: {once=, always=}
function matrix.play(self, row)
  local outcomes = {}
  for _, times in ipairs({ "once", "always" }) do
    for _, names in ipairs(ORDER) do
      local jobs = {}
      renew(self)
      for _, name in ipairs(names) do
        outcomes[name] = outcomes[name] or {}
        local fault = row.steps[name] and row.fault(STEP[name] or name, self)
        if fault then
          fault.times = times == "always" and math.huge or 1
          jobs[#jobs + 1] = camb.spawn(function()
            outcomes[name][times] = meet(self, name, fault)
          end)
        end
      end
      for _, job in ipairs(jobs) do
        job:join()
      end
      self.server:clear_faults()
    end
  end
  return outcomes
end

return matrix
