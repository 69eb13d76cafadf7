-- The whip: every path again and again, with memory refused at its 1st, 2nd,
-- 3rd … request, until it passes undisturbed.
--
--   torture spec/torture/main.lua lua|malloc|collect [all] [PATH]

local sandbox = require "camb.sandbox"

local mode, extent, only = ...
io.stdout:setvbuf "line"
local SECONDS = tonumber(os.getenv "TORTURE_SECONDS") or 0.5 -- for each path
local PATIENCE = 15 -- seconds

-- Which requests are refused, and how many in a row: a second time, as Lua
-- asks again after a full collection, or from then on.
local MODES = {
  lua = { kinds = "L", runs = { 2, math.maxinteger } },
  malloc = { kinds = "CU", runs = { 1, math.maxinteger } },
  collect = { kinds = "L", runs = {} },
}

assert(torture.find_sandbox())
local server = assert(sandbox.start())
local pending = assert(sandbox.start({ processing = math.huge }))
local folder = os.tmpname()
os.remove(folder)
assert(os.execute("mkdir -p " .. folder .. "/out " .. folder .. "/taken"))

local function wave()
  local samples = {}
  for i = 1, 400 do
    samples[i] = ("<i2"):pack(math.floor(9000 * math.sin(i / 9)))
  end
  local data = table.concat(samples)
  return "RIFF" .. ("<I4"):pack(36 + #data) .. "WAVEfmt "
    .. ("<I4I2I2I4I4I2I2"):pack(16, 1, 1, 8000, 16000, 2, 16)
    .. "data" .. ("<I4"):pack(#data) .. data
end

local function open_victim()
  local file = assert(io.open(folder .. "/source.wav", "wb"))
  file:write(wave())
  file:close()
  torture.open("spec/torture/paths.lua")
  torture.set("base_url", server.base_url)
  torture.set("pending_url", pending.base_url)
  torture.set("source", folder .. "/source.wav")
  torture.set("bytes", wave())
  torture.set("out", folder .. "/out")
  torture.set("taken", folder .. "/taken")
  os.execute("rm -f " .. folder .. "/taken/*")
  torture.call "warm"
end

local function uploads()
  return server:stats().uploads + pending:stats().uploads
end

local function descriptors()
  local count = 0
  for _ in pairs(torture.files "/proc/self/fd") do
    count = count + 1
  end
  return count
end

local function now()
  return tonumber(torture.call "now")
end

-- The server closes its end of a connection a moment after the client; on a busy
-- machine that moment may be long.
local function settles(measure, level)
  local give_up = now() + PATIENCE
  while measure() > level do
    if now() > give_up then
      return false
    end
    torture.pause(0.002)
  end
  return true
end

local function check_files(whole)
  local sizes = torture.files(folder .. "/taken")
  for name, size in pairs(torture.files(folder .. "/out")) do
    local stem = name:match "^[ab]%.(.*)$"
    if not whole or size ~= sizes["a." .. (stem or "")] then
      return "it left " .. name
    end
    os.remove(folder .. "/out/" .. name)
  end
end

-- What is wrong after a run; nothing when all is well.
local function look(trait, before)
  torture.call "finish"
  if uploads() - before.uploads > (tonumber(trait "uploads") or 0) then
    return ("%d uploads"):format(uploads() - before.uploads)
  end
  local problem = check_files(trait "stems")
  if problem then
    return problem
  elseif not settles(descriptors, before.descriptors) then
    return "it left a descriptor"
  end
  local blocks, curl_blocks = torture.live()
  if blocks ~= before.blocks then
    return ("it left %d blocks"):format(blocks - before.blocks)
  elseif curl_blocks ~= before.curl_blocks then
    return ("it left %d blocks of libcurl"):format(
      curl_blocks - before.curl_blocks)
  end
end

local function level()
  local blocks, curl_blocks = torture.live()
  return { descriptors = descriptors(), blocks = blocks,
    curl_blocks = curl_blocks, uploads = uploads() }
end

local failures = 0

local function complain(name, nth, run, what)
  failures = failures + 1
  print(("  %s, request %d refused %s: %s"):format(name, nth,
    run == math.maxinteger and "and all after it" or "once", what))
end

-- What the server does wrong in a path.
local FAULTS = {
  ["a validation error"] = { step = "status", status = 422, reply = {
    detail = { { loc = { "path", "task_id" }, msg = "wrong" } } } },
  ["download from expired URLs"] = { step = "stem", status = 403 },
  ["download what is cut"] = { step = "stem", cut = 300 },
}

-- One run: how many requests it made.
local function once(name, nth, run)
  local function trait(what)
    return torture.call("trait", name .. "/" .. what)
  end
  local before = level()
  torture.call("prepare", name)
  if FAULTS[name] then
    server:fault(FAULTS[name])
  end
  local count, verdict = torture.run(MODES[mode].kinds, nth, run, name)
  server:clear_faults()
  if verdict ~= "done" and verdict ~= "refused" then
    complain(name, nth, run, verdict)
  end
  local problem = look(trait, before)
  if problem then
    complain(name, nth, run, problem)
  end
  return count, verdict
end

-- All requests are refused once in turn; where that takes too long, every
-- stride-th.
local function torment(name)
  local begun = now()
  local count, verdict = once(name, math.maxinteger, 1)
  if verdict ~= "done" then
    complain(name, 0, 1, "it does not even pass undisturbed: " .. verdict)
    return
  end
  local runs = MODES[mode].runs
  local tried = 0
  -- by what a run has taken so far: one that is refused something may wait
  local function stride()
    return extent == "all" and 1 or math.max(1, math.ceil(count * #runs
      * (now() - begun) / (tried + 1) / SECONDS))
  end
  for _, run in ipairs(runs) do
    local nth = 1
    while once(name, nth, run) >= nth do
      tried = tried + 1
      nth = nth + stride()
    end
  end
  print(("  %-28s %6d requests, %5d refused, %5.1f s"):format(name, count,
    tried, now() - begun))
end

local function collected(name)
  local begun = now()
  local count, verdict = once(name, 0, 1)
  if verdict ~= "done" then
    complain(name, 0, 1, verdict)
  end
  print(("  %-28s %6d collections, %5.1f s"):format(name, math.floor(count / 2),
    now() - begun))
end

open_victim()
for name in torture.call("names"):gmatch "[^\n]+" do
  local kind = torture.call("trait", name .. "/only")
  if (not only or name == only) and (not kind
    or kind == "L" and MODES[mode].kinds == "L")
  then
    (mode == "collect" and collected or torment)(name)
  end
end
torture.close()
server:stop()
pending:stop()
os.execute("rm -rf " .. folder)
if torture.leaks() then
  failures = failures + 1
  print "  it leaks"
end
return failures == 0
