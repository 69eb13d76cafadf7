-- The soak: many jobs at a time, for long, against a server that gets things
-- wrong by chance.  Prints what became of them and exits with 1 when a job
-- ended in something that is not true, or when anything is left behind.
-- Usage: soak.lua [SECONDS [JOBS [SEED]]]; `make soak` runs it.

local camb = require "camb"
local cjson = require "cjson"
local copied = require "spec.support.copied"
local core = require "camb.core"
local system = require "spec.support.system"
local workspace = require "spec.support.workspace"

local SECONDS = tonumber(arg[1] or 60)
local JOBS = tonumber(arg[2] or 200)
local SEED = tonumber(arg[3] or os.time() % 1000000)
local WARM_UP = math.min(20, SECONDS / 2)
local MEMORY_SLACK = 16 * 1024 -- KiB

local folder = workspace.folder()
local output, tasks = folder .. "/stems", folder .. "/data/tasks"
local problems = {}
local counts = { jobs = 0, stems = 0, retries = 0, late = 0 }
local kinds = {}
local done = assert(io.open(folder .. "/done", "w")) -- for the server
local latest = 0 -- seconds that a job took beyond its deadline

local function complain(text, ...)
  problems[#problems + 1] = text:format(...)
  io.stderr:write(problems[#problems], "\n")
end

local function start_server()
  local pid = workspace.run(("%s spec/soak/server.lua %s %d > %s/log 2>&1 & "
    .. "echo $!"):format(os.getenv("LUA") or "lua5.4", folder, SEED, folder))
    :match("%d+")
  local url
  for _ = 1, 500 do
    url = workspace.read(folder .. "/ready")
    if url then
      return pid, url:match("%S+")
    end
    core.wait(0.02)
  end
  error("the server did not start: " .. workspace.read(folder .. "/log"))
end

-- Unlike any other job's; every tenth is large enough to be cut in the middle
-- of the sockets' buffers.
local function audio(name)
  local size = math.random(2000, 8000)
  local chance = math.random(10)
  if chance == 1 then
    size = math.random(2 ^ 20, 2 ^ 22)
  elseif chance < 4 then
    size = math.random(100000, 300000)
  end
  return copied.source(name .. "\n", size)
end

local function source_of(name, bytes)
  local chance = math.random(3)
  if chance == 1 then
    return workspace.write(("%s/%s.wav"):format(folder, name), bytes)
  elseif chance == 2 then
    return { data = bytes, filename = name .. ".wav" }
  end
  local at = 1
  return { size = #bytes, filename = name .. ".wav", read = function()
    local piece = bytes:sub(at, at + 99999)
    at = at + #piece
    return piece ~= "" and piece or nil
  end }
end

local function check_stems(name, stems, bytes)
  counts.stems = counts.stems + 1
  for stem, wanted in pairs(copied.stems(bytes)) do
    if workspace.read(stems[stem]) ~= wanted then
      complain("%s: the %s of %s is not what was sent", name, stem,
        tostring(stems.task_id))
    end
    os.remove(stems[stem])
  end
  done:write(("%s %s\n"):format(stems.task_id, name))
  done:flush()
end

-- What an error says is compared with the server's folder in the end.
local function note_error(ledger, name, err)
  kinds[err.kind] = (kinds[err.kind] or 0) + 1
  ledger:write(("%s %s %s %s %d %s\n"):format(name, err.kind, err.step or "-",
    err.task_id or "-", err.http_status or 0, err.message))
end

local function run_job(client, ledger, number)
  local name = ("job-%d"):format(number)
  local bytes = audio(name)
  local source = source_of(name, bytes)
  local deadline = math.random(10) == 1 and math.random() * 5 or 90
  local started = core.now()
  local stems, err = client:separate(source, { output_dir = output,
    name = name, project_name = name, run_id = number, interval = 1,
    max_attempts = 100,
    deadline = deadline })
  latest = math.max(latest, core.now() - started - deadline)
  counts.jobs = counts.jobs + 1
  if stems then
    check_stems(name, stems, bytes)
  else
    note_error(ledger, name, err)
  end
  os.remove(("%s/%s.wav"):format(folder, name))
end

local function report(seconds)
  local words = {}
  for kind, count in pairs(kinds) do
    words[#words + 1] = ("%s %d"):format(kind, count)
  end
  table.sort(words)
  print(("%5.0f s: %d jobs, %d in stems, %d retries; %s; %d KiB"):format(
    seconds, counts.jobs, counts.stems, counts.retries,
    table.concat(words, ", "), workspace.memory()))
  io.stdout:flush()
end

-- `JOBS` jobs at a time for `seconds`, with a client of their own.
local number = 0
local function run_all(url, ledger, seconds)
  local client = camb.client({ base_url = url, api_key = "sandbox",
    timeout = 3, stall_timeout = 3, max_connections = 64,
    on_event = function(event)
      counts.retries = counts.retries + (event.name == "retrying" and 1 or 0)
    end })
  local started, next_report = core.now(), 60
  local function work()
    while core.now() - started < seconds do
      number = number + 1
      run_job(client, ledger, number)
      if core.now() - started > next_report then
        report(core.now() - started)
        next_report = next_report + 60
      end
    end
  end
  camb.run(function()
    for _ = 1, JOBS do
      camb.spawn(work)
    end
  end)
  client:close()
end

local function measure()
  for _ = 1, 3 do
    collectgarbage()
  end
  system.trim()
  return workspace.descriptors(), workspace.memory()
end

-- By job: the statuses that its uploads got.
local function read_uploads()
  local uploads = {}
  for name, status in workspace.read(folder .. "/uploads")
    :gmatch("(%S+) (%d+)\n") do
    uploads[name] = uploads[name] or {}
    table.insert(uploads[name], tonumber(status))
  end
  return uploads
end

-- After these nobody can know: no reply, one of a proxy, or one without an id.
-- A 503 has Retry-After here, so that it is clear to who has seen it.
local function is_unclear(status)
  return status == 0 or status >= 500 or status >= 200 and status < 300
end

-- The server notes what it answers, also when the client has gone: where that
-- saw no head of a reply before its deadline, or for `stall_timeout`, it cannot
-- know what the server did.
local function is_given_up(status, message)
  return status == 0 and (message:find("the deadline passed before the reply",
    1, true) or message:find("Operation too slow", 1, true)) ~= nil
end

local function check_unknown(name, status, message, statuses)
  local last = statuses and statuses[#statuses]
  local is_clear = not last or not is_unclear(last)
  if is_clear and is_given_up(status, message) then
    counts.late = counts.late + 1
  elseif is_clear or not is_unclear(status) or status == 503 then
    complain("%s is no unknown_outcome: its last upload got %s, of which it "
      .. "saw %d: %s", name, tostring(last), status, message)
  end
end

-- Each upload that the server accepted and no stems came of has to be named by
-- exactly one error, or that error has to say that nobody knows.
local function check_errors(ledger_path)
  local left, uploads = {}, read_uploads()
  for _, path in ipairs(workspace.list(tasks)) do
    local task = cjson.decode(assert(workspace.read(("%s/%s/task.json")
      :format(tasks, path))))
    local name, id = task.fields.project_name, task.task_id
    if left[name] then
      complain("%s was accepted twice: %s and %s", name, left[name], id)
    end
    left[name] = id
  end
  for name, kind, step, id, status, message in workspace.read(ledger_path)
    :gmatch("(%S+) (%S+) (%S+) (%S+) (%d+) ([^\n]*)\n") do
    if id ~= "-" and left[name] ~= id then
      complain("%s ended as %s with task %s, but %s is there", name, kind, id,
        tostring(left[name]))
    elseif id == "-" and left[name] and kind ~= "unknown_outcome" then
      complain("%s ended as %s (%s), but task %s is there", name, kind, step,
        left[name])
    elseif kind == "unknown_outcome" then
      check_unknown(name, tonumber(status), message, uploads[name])
    end
    left[name] = nil
  end
  for name, id in pairs(left) do
    complain("task %s of %s is named by nobody", id, name)
  end
end

print(("seed %d, %d jobs at a time for %d s"):format(SEED, JOBS, SECONDS))
math.randomseed(SEED)
local pid, url = start_server()
local ledger_path = folder .. "/ledger"
local ledger = assert(io.open(ledger_path, "w"))
workspace.write(folder .. "/faults", "")
run_all(url, ledger, WARM_UP)
local descriptors, memory = measure()
run_all(url, ledger, SECONDS)
local descriptors_after, memory_after = measure()
ledger:close()
done:close()
report(SECONDS)
local parts = workspace.run(("find %s -name '*.part'"):format(output))
workspace.write(folder .. "/stop", "")
workspace.wait_for_end(pid)
local uploads = tonumber(workspace.read(folder .. "/stats"))
if not uploads then
  complain("the server died: %s", workspace.read(folder .. "/log"))
end
check_errors(ledger_path)
local wrong = workspace.read(folder .. "/wrong")
if wrong ~= "" then
  complain("stems of another job: %s", wrong)
end
if parts ~= "" then
  complain("files are left: %s", parts)
end
if descriptors ~= descriptors_after then
  complain("there were %d descriptors, now %d", descriptors, descriptors_after)
end
if memory_after - memory > MEMORY_SLACK then
  complain("memory grew from %d to %d KiB", memory, memory_after)
end
print(("%s uploads accepted, %d answered too late, latest job %.2f s beyond "
  .. "its deadline (starved for %.2f s), descriptors %d and %d, "
  .. "memory %d and %d KiB, %d problems"):format(tostring(uploads), counts.late,
  latest, workspace.starved(), descriptors, descriptors_after, memory,
  memory_after, #problems))
if #problems == 0 then
  workspace.remove(folder)
else
  print("look into " .. folder)
end
os.exit(#problems == 0)
