-- The whip: every path again and again, with memory refused at its 1st, 2nd,
-- 3rd … request, until it passes undisturbed.
--
--   torture spec/torture/main.lua lua|malloc|collect [all] [PATH]

local sandbox = require "camb.sandbox"
local refuse = require "spec.torture.refuse"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local mode, extent, only = ...
io.stdout:setvbuf "line"
local SECONDS = extent == "all" and math.huge -- for each path
  or tonumber(os.getenv "TORTURE_SECONDS") or 0.5
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
local folder = workspace.folder()
assert(os.execute("mkdir -p " .. folder .. "/out " .. folder .. "/taken"))

local function open_victim()
  local source = workspace.write(folder .. "/source.wav", takes.wav(1))
  torture.open("spec/torture/paths.lua")
  torture.set("base_url", server.base_url)
  torture.set("pending_url", pending.base_url)
  torture.set("source", source)
  torture.set("bytes", takes.wav(1))
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

local function torment(name)
  local count, verdict = once(name, math.maxinteger, 1)
  if verdict ~= "done" then
    complain(name, 0, 1, "it does not even pass undisturbed: " .. verdict)
    return
  end
  refuse(name, count, MODES[mode].runs, SECONDS, once)
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
