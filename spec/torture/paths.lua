-- The main paths of camb, for a state in which memory is refused: each has
-- what it `needs`, `run`, which is tortured, and what it `leaves`.  The globals
-- base_url, pending_url, source, out and the like are set from outside.

local camb = require "camb"
local core = require "camb.core"
local Error = require "camb.error"

local paths = {}
local client, state

local function open(url)
  return camb.client({ base_url = url or base_url, api_key = "sandbox",
    timeout = 5, connect_timeout = 5, stall_timeout = 5, retries = 1,
    on_event = function(event)
      heard = event.name
    end })
end

local function use_sandbox()
  client = open()
end

local function use_pending()
  client = open(pending_url)
end

-- What leads to a wait is bounded, so that a lost event is found.
local QUICK = { interval = 0.01, max_attempts = 2000, deadline = 20 }

local function with(options)
  for name, value in pairs(QUICK) do
    options[name] = value
  end
  return options
end

paths["loading"] = { only = "L", run = function()
  for name in pairs(package.loaded) do
    if name == "camb" or (name:find "^camb%." and name ~= "camb.core") then
      package.loaded[name] = nil
    end
  end
  return require "camb"
end }

paths["a client"] = { run = function()
  local one = camb.client({ base_url = base_url, api_key = "k", proxy = "http://p",
    headers = { ["X-A"] = "b", ["X-B"] = "c" } })
  one:close()
  return true
end }

-- Sent whole, and no memory for the reply: then nobody knows.
paths["submit a path"] = { uploads = 1, accepts = "unknown_outcome",
  needs = use_pending, run = function()
  return client:submit(source, { project_name = "p", folder_id = 3,
    traceparent = "00-" .. ("1"):rep(32) .. "-" .. ("2"):rep(16) .. "-00" })
end }

paths["submit data"] = { uploads = 1, accepts = "unknown_outcome",
  needs = use_pending, run = function()
  return client:submit({ data = bytes, filename = "a.wav" })
end }

paths["submit a reader"] = { uploads = 1, accepts = "unknown_outcome",
  needs = use_pending, run = function()
    local at = 1
    return client:submit({ size = #bytes, filename = "a.wav",
      read = function()
        local piece = bytes:sub(at, at + 999)
        at = at + 1000
        return piece
      end })
  end }

-- libcurl 7.88 may lose the query of a URL: then the stem's host refuses it.
paths["submit a URL"] = { uploads = 1, accepts = "source unknown_outcome",
  needs = use_pending, run = function()
  return client:submit(stem_url)
end }

paths["the official operations"] = { needs = use_sandbox, run = function()
  local official = client.audio_separation
  local status, err = official:get_audio_separation_status(
    { task_id = task_id })
  if not status then
    return nil, err
  end
  return official:get_audio_separation_run_info({ run_id = run_id })
end }

paths["status"] = { needs = use_sandbox, run = function()
  return client:task(task_id):status()
end }

paths["wait"] = { needs = use_sandbox, run = function()
  return client:task(task_id):wait(with{})
end }

paths["wait in vain"] = { expects = "timeout", needs = use_pending,
  run = function()
    return client:task(pending_id):wait({ interval = 0.001,
      max_attempts = 3 })
  end }

paths["result"] = { needs = use_sandbox, run = function()
  return client:result(run_id)
end }

paths["results"] = { needs = use_sandbox, run = function()
  return client:results({ run_id, 7, 8 })
end }

paths["an error"] = { expects = "not_found", needs = use_sandbox,
  run = function()
    return client:result(99999999)
  end }

paths["a validation error"] = { expects = "validation", needs = use_sandbox,
  run = function()
    return client:task("x"):status()
  end }

paths["download"] = { stems = true, needs = use_sandbox, run = function()
  return client:download(run_id, { output_dir = out, name = "a", deadline = 20 })
end }

-- When memory for a second URL is refused, the word on the first one stands.
paths["download from expired URLs"] = { stems = true, accepts = "forbidden",
  needs = use_sandbox, run = function()
    return client:download(run_id, { output_dir = out, name = "a", deadline = 20 })
  end }

paths["download what is cut"] = { stems = true, needs = use_sandbox,
  run = function()
    return client:download(run_id, { output_dir = out, name = "a", deadline = 20 })
  end }

paths["download over a file"] = { expects = "file", needs = use_sandbox,
  run = function()
    return client:download(run_id, { output_dir = taken, name = "b" })
  end }

paths["separate"] = { uploads = 1, stems = true,
  accepts = "unknown_outcome", needs = use_sandbox, run = function()
    return client:separate(source, with{ output_dir = out, name = "a" })
  end }

paths["many jobs"] = { uploads = 2, stems = true,
  accepts = "unknown_outcome", needs = use_sandbox, run = function()
    return camb.run(function()
      local a = camb.spawn(client.separate, client, source,
        with{ output_dir = out, name = "a" })
      local b = camb.spawn(client.separate, client, { data = bytes },
        with{ output_dir = out, name = "b" })
      local waiting = camb.spawn(function()
        return client:task("none"):wait(with{})
      end)
      camb.sleep(0.001)
      waiting:cancel()
      waiting:join()
      local stems, err = a:join()
      local others, problem = b:join()
      return stems and others, err or problem
    end)
  end }

-- The sandbox knows no such place, which is a reply as any other.  Nothing repeats
-- the transfer, and libcurl says of a resolver without memory that it found no host.
paths["a signed upload of a file"] = { accepts = "network",
  needs = use_sandbox, run = function()
  local session = client.session
  local transfer, problem = session:request({ url = base_url .. "/bucket/key",
    path = source, sigv4 = "aws:amz:eu-west-3:s3", user = "u", secret = "s",
    headers = { "x-amz-content-sha256: " .. ("0"):rep(64) } })
  local kind
  while transfer and kind ~= "done" do
    session:step(1)
    kind = select(2, session:next())
  end
  local failed = transfer and transfer:failure()
  if transfer then
    transfer:close()
  end
  if failed and failed.kind == "http" then
    return true
  end
  return nil, Error.new({ kind = failed and failed.kind or "store",
    message = problem or failed and failed.message or "no failure" })
end }

paths["a watchdog"] = { run = function()
  local dog = core.watchdog()
  if not dog then
    return nil, Error.new({ kind = "store", message = "no memory" })
  end
  dog:begin(60)
  local has_fired = dog:finish()
  dog:close()
  return not has_fired
end }

paths["a sandbox"] = { only = "L", run = function()
  local server, err = require("camb.sandbox").start({ faults = {
    { step = "submit", reply = { task_id = "x" }, times = 2 } } })
  if server then
    server:fault({ step = "stem", cut = 10 })
    server:clear_faults()
    server:requests()
    server:stats()
    server:stop()
  end
  return server, err
end }

-- From here on: what the whip calls.

function names()
  local list = {}
  for name in pairs(paths) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, "\n")
end

function trait(query)
  local name, what = query:match "^(.*)/(.*)$"
  local value = paths[name][what]
  return value ~= nil and tostring(value) or nil
end

function prepare(name)
  state = paths[name]
  path = state.run
  if state.needs then
    state.needs()
  end
  return "fine"
end

-- The URLs that come out of a first, undisturbed run.
function warm()
  local one = open()
  local task = assert(one:submit(source))
  local run = assert(task:wait(with{}))
  local urls = assert(one:result(run.id))
  local stems = assert(one:download(run, { output_dir = taken, name = "a" }))
  one:close()
  local file = assert(io.open((stems.foreground:gsub("/a%.", "/b.")), "wb"))
  file:write "another file"
  file:close()
  local other = open(pending_url)
  pending_id = assert(other:submit(source)).id
  other:close()
  task_id, run_id, stem_url = task.id, run.id, urls.foreground_audio_url
  return "fine"
end

local function is_memory(text)
  return tostring(text):find "[Mm]emory" ~= nil
end

-- "done", "refused" (a clean error), or what is odd about the outcome.
function verdict(ok, value, err)
  if not ok then
    return is_memory(value) and "refused" or "raised: " .. tostring(value)
  elseif state.expects and Error.is_error(err) and err.kind == state.expects
  then
    return "done"
  elseif value and not state.expects then
    return "done"
  elseif Error.is_error(err) and state.accepts
    and state.accepts:find(err.kind, 1, true)
  then
    return "refused"
  elseif not Error.is_error(err) then
    return "neither a value nor an error, but " .. tostring(err)
  end
  return is_memory(err.message) and "refused" or tostring(err)
end

-- The client still works, and closes.
function finish()
  if client then
    local status, err = client:task(client.base_url == base_url and task_id
      or pending_id):status()
    assert(status, err)
    client:close()
    client:close()
  end
  client, heard = nil, nil
  collectgarbage()
  collectgarbage()
end

function now()
  return ("%.3f"):format(core.now())
end
