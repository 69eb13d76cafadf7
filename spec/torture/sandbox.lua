-- The whip over the sandbox: its own requests for memory are refused, also in
-- its threads, while an undisturbed client uses it.  What a client was told is
-- accepted must end, and nobody may be told what is not true.
--
--   torture spec/torture/sandbox.lua [all]

local camb = require "camb"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local refuse = require "spec.torture.refuse"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local extent = ...
io.stdout:setvbuf "line"
local SECONDS = extent == "all" and math.huge -- for each path
  or tonumber(os.getenv "TORTURE_SECONDS") or 6

assert(torture.find_sandbox())
local folder = workspace.folder()
assert(os.execute("mkdir -p " .. folder .. "/out"))

local source = { data = takes.wav(1), filename = "a.wav" }
local failures = 0
local current

local function complain(what)
  failures = failures + 1
  print(("  %s: %s"):format(current, what))
end

local function start()
  return sandbox.start({ data_dir = folder .. "/data" })
end

local function open(server)
  return camb.client({ base_url = server.base_url,
    api_key = server.api_key, retries = 0, timeout = 10 })
end

-- A refusal that says what is not so would make a client give up a task.
local UNTRUE = { not_found = true, validation = true, authentication = true,
  payment_required = true, source = true }

local function judge(value, err)
  if not value and UNTRUE[err.kind] then
    complain(tostring(err))
  end
  return value
end

-- For what must come, on a machine however busy: no count of polls ends it.
local PATIENT = { interval = 0.01, max_attempts = 10000, deadline = 60 }

-- What a worker could not write down is tried again at the next start.
local function ends(server, task_id, options)
  local client = open(server)
  local run, err = client:task(task_id):wait(options)
  client:close()
  return run ~= nil or err.kind == "task_failed", err
end

local paths = {}

local server, pending, client, accepted, accepted_now, finished, before

paths["a form without a file"] = {
  before = function()
    client = core.session({ base_url = server.base_url,
      authorization = "x-api-key: sandbox" })
  end,
  run = function()
    local transfer = client:request({
      url = server.base_url .. "/audio-separation?run_id=x", retries = 0,
      body = "--b\r\nContent-Disposition: form-data; name=\"folder_id\"\r\n\r\n"
        .. "x\r\n--b--\r\n",
      headers = { "Content-Type: multipart/form-data; boundary=b" } })
    repeat
      client:step()
      local _, kind = client:next()
    until kind == "done"
    if transfer:status() == 200 then
      complain "a task without a file was accepted"
    end
    transfer:close()
  end,
  after = function()
    client:close()
  end,
}

paths["questions"] = {
  before = function()
    client = open(server)
  end,
  run = function()
    local task = client:task(accepted)
    judge(task:status())
    judge(client:result(finished.id))
    local map = judge(client:results{ finished.id })
    if map and not map[finished.id] then
      complain "the run is absent from the results"
    end
    client:download(finished, { output_dir = folder .. "/out", name = "a",
      overwrite = true, deadline = 5 })
  end,
  after = function()
    client:close()
  end,
}

paths["an upload"] = {
  before = function()
    client = open(pending)
    before = pending:stats().uploads
    accepted_now = nil
  end,
  run = function()
    local task = judge(client:submit(source, { project_name = "p",
      folder_id = 7 }))
    accepted_now = task and task.id
  end,
  after = function()
    local uploads = pending:stats().uploads - before
    if uploads > 1 or accepted_now and uploads ~= 1 then
      complain(("%d uploads"):format(uploads))
    end
    if accepted_now then
      local status, err = client:task(accepted_now):status()
      if not status then
        complain("the task is lost: " .. tostring(err))
      end
    end
    client:close()
  end,
}

paths["a separation"] = {
  before = function()
    client = open(server)
  end,
  run = function()
    local task = judge(client:submit(source, { project_name = "p" }))
    accepted = task and task.id or accepted
    local run, err
    if task then
      run, err = task:wait({ interval = 0.01, deadline = 3 })
      if not run and err.kind ~= "timeout" then
        judge(run, err)
      end
    end
    if run and judge(client:result(run.id)) and judge(client:results{ run.id })
    then
      client:download(run, { output_dir = folder .. "/out", name = "a",
        overwrite = true, deadline = 5 })
    end
  end,
  after = function()
    client:close()
    if accepted and not ends(server, accepted, { interval = 0.01, deadline = 3 })
    then
      server:stop()
      server = assert(start())
      local ok, err = ends(server, accepted, PATIENT)
      if not ok then
        complain("the task is lost: " .. tostring(err))
      end
    end
  end,
}

paths["a fault that is played"] = {
  before = function()
    client = open(server)
  end,
  run = function()
    pcall(server.fault, server, { step = "status",
      reply = { status = "PENDING" }, slow = "body", chunk = 5, pace = 0.001 })
    client:task("x"):status({ deadline = 2 })
  end,
  after = function()
    server:clear_faults()
    server:fault({ step = "status", reply = { status = "SUCCESS" } })
    local status, err = client:task("x"):status({ deadline = 5 })
    if not status then
      complain("it plays no more: " .. tostring(err))
    end
    client:close()
  end,
}

-- Found again at a start are the tasks, the run ids, and the key of URLs.
paths["a start"] = {
  before = function()
    server:stop()
  end,
  run = function()
    local err
    server, err = start()
    if not server and not err.message:find "[Mm]emory"
      and not err.message:find "cannot"
    then
      complain(tostring(err))
    end
  end,
  after = function()
    server = server or assert(start())
    local one = open(server)
    if accepted then
      local status, err = one:task(accepted):status()
      if not status then
        complain("a task was forgotten: " .. tostring(err))
      end
    end
    one:close()
  end,
}

local function once(name, nth, run)
  local path = paths[name]
  current = ("%s, request %d refused %s"):format(name, nth,
    run == 1 and "once" or "and all after it")
  path.before()
  torture.arm("S", nth, run, name)
  path.run()
  local count = torture.disarm()
  path.after()
  return count
end

server = assert(start())
pending = assert(sandbox.start({ processing = math.huge }))
client = open(server)
accepted = assert(client:submit(source)).id
finished = assert(client:task(accepted):wait(PATIENT))
client:close()
for _, name in ipairs({ "a form without a file", "questions", "an upload",
  "a fault that is played", "a start", "a separation" })
do
  refuse(name, once(name, math.maxinteger, 1), { 1, math.maxinteger }, SECONDS,
    once)
end
server:stop()
pending:stop()
os.execute("rm -rf " .. folder)
source = nil
collectgarbage()
if torture.leaks() then
  complain "it leaks"
end
return failures == 0
