-- check.lua BASE_URL KEY FOLDER MIXTURE: what a stranger's script does with camb,
-- on systems on which the specs do not run, against a sandbox on this one.  It
-- asks for nothing but camb.  Each line says what holds; the first thing that does
-- not ends it.

local base_url, key, folder, mixture = arg[1], arg[2], arg[3], arg[4]
local camb = require "camb"
local core = require "camb.core"
local download = require "camb.download"

local client = camb.client({ base_url = base_url, api_key = key })
local count = 0

local function read(path)
  local part = assert(core.sha256(path))
  local size = part:read(0, 2 ^ 30)
  return size, part:finish()
end

local function holds(what, fn)
  local ok, problem = pcall(fn)
  count = count + 1
  print(("%s %d - %s"):format(ok and "ok" or "not ok", count, what))
  if not ok then
    print("# " .. tostring(problem))
    os.exit(1)
  end
end

local function equal(expected, given)
  if expected ~= given then
    error(("expected %s, got %s"):format(tostring(expected), tostring(given)),
      2)
  end
end

local FAST = { interval = 0.05, max_attempts = 1000 }

local function options(more)
  local all = {}
  for _, list in ipairs({ FAST, more }) do
    for name, value in pairs(list) do
      all[name] = value
    end
  end
  return all
end

-- A copy of the mixture, by an upload's own means: paths are UTF-8.
local function copy(path)
  local from = assert(io.open(mixture, "rb"))
  local bytes = from:read("*a")
  from:close()
  assert(core.write_private(path, bytes))
end

local sums = {}

holds("a file is separated into two stems", function()
  local stems = assert(client:separate(mixture, options({
    output_dir = folder .. "/one/deep" })))
  for _, stem in ipairs({ "foreground", "background" }) do
    equal(("%s/one/deep/mix.%s.flac"):format(folder, stem), stems[stem])
    local size, sum = read(stems[stem])
    assert(size > 1000, stem)
    sums[stem] = sum
  end
  assert(sums.foreground ~= sums.background)
  local names = core.list_folder(folder .. "/one/deep")
  equal("mix.background.flac mix.foreground.flac", table.concat(names, " "))
end)

holds("stems that are there are not replaced, and with overwrite they are",
  function()
    local _, err = client:separate(mixture, options({
      output_dir = folder .. "/one/deep" }))
    equal("file", err and err.kind)
    local stems = assert(client:separate(mixture, options({
      output_dir = folder .. "/one/deep", overwrite = true })))
    equal(sums.foreground, select(2, read(stems.foreground)))
  end)

holds("names in any script are kept", function()
  local name = "Gr\195\182\195\159e \226\128\147 \233\159\179"
  assert(download.make_folders(folder .. "/" .. name))
  local path = ("%s/%s/%s.flac"):format(folder, name, name)
  copy(path)
  local stems = assert(client:separate(path, options({
    output_dir = folder .. "/" .. name })))
  equal(("%s/%s/%s.foreground.flac"):format(folder, name, name),
    stems.foreground)
  equal(3, #core.list_folder(folder .. "/" .. name))
end)

holds("a batch without a store mirrors its folders", function()
  for _, path in ipairs({ "in/a", "in/b/c" }) do
    assert(download.make_folders(folder .. "/" .. path))
    copy(("%s/%s/take.flac"):format(folder, path))
  end
  assert(core.write_private(folder .. "/in/b/notes.txt", "no recording"))
  assert(core.write_private(folder .. "/in/broken.wav", "no recording"))
  local done, failed = {}, 0
  for item in client:batch(folder .. "/in", options({
    output_dir = folder .. "/out" })) do
    if item.stems then
      done[#done + 1] = item.stems.background
    else
      equal("source", item.error.kind)
      failed = failed + 1
    end
  end
  table.sort(done)
  equal(folder .. "/out/a/take.background.flac", done[1])
  equal(folder .. "/out/b/c/take.background.flac", done[2])
  equal(2, #done)
  equal(1, failed)
end)

holds("patterns find files", function()
  local found = {}
  for item in client:batch(folder .. "/in/*/*.flac", options({
    output_dir = folder .. "/found", download = nil })) do
    found[#found + 1] = item.source
  end
  equal(folder .. "/in/a/take.flac", found[1])
  equal(1, #found)
end)

holds("a job runs by steps of the host", function()
  local job = camb.spawn(client.separate, client, mixture, options({
    output_dir = folder .. "/ticks" }))
  local ticks, give_up = 0, core.now() + 120
  repeat
    client:step(0)
    core.wait(0.01)
    ticks = ticks + 1
  until job:is_done() or core.now() > give_up
  local stems = assert(job:join())
  equal(sums.background, select(2, read(stems.background)))
  assert(ticks > 3, ticks)
end)

holds("steps, and a download by the run alone", function()
  local task = assert(client:submit(mixture))
  local run = assert(task:wait(FAST))
  local stems = assert(client:download(run, { output_dir = folder,
    only = "foreground" }))
  equal(sums.foreground, select(2, read(stems.foreground)))
end)

holds("errors have their kinds", function()
  local _, err = client:separate(folder .. "/nothing.flac", FAST)
  equal("file", err.kind)
  _, err = client:separate(folder .. "/in/broken.wav", FAST)
  equal("source", err.kind)
  local other = camb.client({ base_url = base_url, api_key = "another" })
  _, err = other:separate(mixture, FAST)
  equal("authentication", err.kind)
  other:close()
end)

holds("a connection that is refused is told of at once", function()
  local other = camb.client({ base_url = "http://127.0.0.1:1/apis",
    api_key = key, retries = 0 })
  local before = core.now()
  local _, err = other:separate(mixture, FAST)
  equal("network", err.kind)
  assert(core.now() - before < 8, core.now() - before)
  other:close()
end)

holds("a part is locked while it is open, and gone after it was closed",
  function()
    local part = assert(core.part(folder .. "/locked"))
    local other, _, is_busy = core.part(folder .. "/locked")
    equal(nil, other)
    equal(true, is_busy)
    part:close()
    equal(nil, (core.stat(folder .. "/locked.part")))
  end)

holds("a file without a name takes what is fetched", function()
  local part = assert(core.part())
  part:close()
end)

holds("lines are added to a log", function()
  local path = folder .. "/log"
  assert(core.append(path, "one\n"))
  assert(core.append(path, "two\n"))
  equal(8, select(2, core.stat(path)))
  equal(true, core.free_space(folder) > 0)
  assert(core.identity(path) ~= core.identity(mixture))
  equal(true, core.has_process(core.process()))
end)

if package.config:sub(1, 1) == "\\" then
  holds("paths may be written with backslashes", function()
    local out = (folder .. "/back/deep"):gsub("/", "\\")
    local stems = assert(client:separate((mixture:gsub("/", "\\")), options({
      output_dir = out .. "\\" })))
    equal(folder .. "/back/deep/mix.foreground.flac", stems.foreground)
  end)

  holds("names that Windows refuses are changed", function()
    for given, name in pairs({ ["a:b"] = "a_b", NUL = "_NUL", ["what?"] = "what_",
      ["com1.x"] = "_com1.x" }) do
      local stems = assert(client:separate({ path = mixture,
        filename = given .. ".flac" }, options({ output_dir = folder .. "/odd" })))
      equal(("%s/odd/%s.foreground.flac"):format(folder, name), stems.foreground)
    end
    equal(8, #core.list_folder(folder .. "/odd"))
  end)

  holds("paths may be longer than 260 characters", function()
    local deep = folder .. "/" .. ("a long name "):rep(10) .. "x/"
      .. ("another one "):rep(10) .. "y/" .. ("the third "):rep(8) .. "z"
    local stems = assert(client:separate(mixture, options({
      output_dir = deep })))
    equal(deep .. "/mix.foreground.flac", stems.foreground)
    equal(sums.foreground, select(2, read(stems.foreground)))
  end)
end

client:close()
print(("1..%d"):format(count))
