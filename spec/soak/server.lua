-- The soak's server, in a process of its own: it gets a part of all requests
-- wrong, by chance, and writes down what became of each upload.
-- It removes the tasks that the client accounts for in FOLDER/done, so that
-- what is left at the end is what no job spoke of.
-- Usage: server.lua FOLDER SEED, until FOLDER/stop is there.

local copied = require "spec.support.copied"
local core = require "camb.core"
local sandbox = require "camb.sandbox"

local FOLDER, SEED = arg[1], tonumber(arg[2])
local SHARE = { submit = 0.2, status = 0.1, result = 0.3, stem = 0.3 }

math.randomseed(SEED)
local random = math.random

-- What any step may suffer.  None of them makes a task, or hides one.
local common = {
  function() return { status = 429, retry_after = random(0, 1) } end,
  function() return { status = 429, retry_after_date = 1 } end,
  function() return { retry_after = 1 } end,
  function() return { status = 408 } end,
  function() return { status = 500, at = "headers" } end,
  function() return { status = 502, html = true } end,
  function() return { status = 504, slow = "headers", pace = 0.001 } end,
  function() return { reset = true } end,
  function() return { close = true } end,
  function() return { silence = true } end,
  function() return { html = true } end,
  function() return { empty = true } end,
  function() return { body = '{"status":' } end,
  function() return { reply = { status = 7 }, chunked = true } end,
  function() return { reply = { a = 1 }, truncate = 3, reset = true } end,
  function() return { reply = { a = 1 }, content_length = 99 } end,
  function() return { reply = { a = 1 }, longer = 99 } end,
  function() return { json_depth = 10000 } end,
  function() return { raw = "HELO\r\n\r\n" } end,
  function() return { raw = "HTTP/1.1 200 O" } end,
  function() return { status = 307, redirect = "http://127.0.0.1:9/x" } end,
  function() return { redirect = "file:///etc/passwd" } end,
}

-- Of these, one in a hundred: they cost both sides.
local costly = {
  function() return { json_size = 1e8 } end,
  function() return { gzip_bomb = 1e8 } end,
  function() return { endless_headers = true } end,
}

local own = {
  submit = {
    function() return { at = "accepted", reset = true } end,
    function() return { at = "accepted", close = true } end,
    function() return { at = "accepted", status = 502, html = true } end,
    function() return { at = "accepted", reply = { task_id = "x" },
      truncate = 3 } end,
    function() return { at = "body", after = random(1, 500000),
      reset = true } end,
    function() return { at = "body", after = random(1, 500000),
      close = true } end,
    function() return { at = "headers", status = 503, retry_after = 0 } end,
    function() return { at = "accepted", reply = { x = 1 } } end,
  },
  status = {
    function() return { reply = { status = "QUEUED" } } end,
    function() return { reply = "PENDING" } end,
    function() return { reply = { message = { status = "PENDING" } } } end,
  },
  result = {
    function() return { reply = { foreground_audio_url = "/relative",
      background_audio_url = "http://h/b" } } end,
  },
  stem = {
    function() return { cut = random(0, 300000) } end,
    function() return { cut = random(0, 300000) } end,
    function() return { cut = random(0, 300000) } end,
    function() return { changed = true, cut = random(0, 600) } end,
    function() return { corrupt = true } end,
    function() return { expired = true } end,
    function() return { etag = '"another"', cut = random(0, 300000) } end,
  },
}

local function draw(step)
  local chance = random(100)
  local list = chance == 1 and costly or chance > 50 and own[step] or common
  local fault = list[random(#list)]()
  fault.step = step
  return fault
end

local server = assert(sandbox.start({
  data_dir = FOLDER .. "/data",
  engine = copied.ENGINE,
  workers = 4,
  processing = 2,
  url_lifetime = 4,
  max_connections = 2000,
  request_log = 50000,
}))

local uploads = assert(io.open(FOLDER .. "/uploads", "w"))
local last -- the newest request that was written down

local function is_same(a, b)
  return a and b and a.time == b.time and a.path == b.path
    and a.status == b.status and a.query == b.query
end

-- One line per upload: the job, whose number is the run_id of its requests
-- (of some the body was never read), and the status that it got (0: none).
local function write_down()
  local requests = server:requests()
  local from = 1
  for i = #requests, 1, -1 do
    if is_same(requests[i], last) then
      from = i + 1
      break
    end
  end
  for i = from, #requests do
    local number = (requests[i].query or ""):match("run_id=(%d+)")
    if requests[i].method == "POST" and number then
      uploads:write(("job-%s %d\n"):format(number, requests[i].status or 0))
    end
  end
  last = requests[#requests]
  uploads:flush()
end

local wrong = assert(io.open(FOLDER .. "/wrong", "w"))

local function remove(task)
  local path = task.foreground:match("^(.*)/")
  for _, name in ipairs({ "foreground.wav", "background.wav", "input.wav",
    "task.json", "engine.log", "engine.err" }) do
    os.remove(path .. "/" .. name)
  end
  assert(os.remove(path))
end

-- "<task> <job>": the stems of that task have arrived as those of that job.
local done
local function settle()
  done = done or io.open(FOLDER .. "/done")
  for line in done and done:lines() or function() end do
    local id, name = line:match("(%S+) (%S+)")
    local task = server:task(id)
    if task and task.fields.project_name == name then
      remove(task)
    else
      wrong:write(("%s is no task of %s\n"):format(id, name))
    end
  end
end

local seen = {}
local function go_wrong()
  local counts = server:stats().requests
  for step, share in pairs(SHARE) do
    for _ = 1, counts[step] - (seen[step] or 0) do
      if random() < share then
        server:fault(draw(step))
      end
    end
    seen[step] = counts[step]
  end
end

local ready = assert(io.open(FOLDER .. "/ready.new", "w"))
ready:write(server.base_url, "\n")
ready:close()
assert(os.rename(FOLDER .. "/ready.new", FOLDER .. "/ready"))

local ticks = 0
repeat
  core.wait(0.05)
  ticks = ticks + 1
  if core.stat(FOLDER .. "/faults") then
    go_wrong()
  else
    server:clear_faults()
  end
  if ticks % 100 == 0 then
    write_down()
    settle()
  end
until core.stat(FOLDER .. "/stop")
write_down()
settle()
wrong:close()
uploads:close()
local stats = assert(io.open(FOLDER .. "/stats", "w"))
stats:write(server:stats().uploads, "\n")
stats:close()
server:stop()
