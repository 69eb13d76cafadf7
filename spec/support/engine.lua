--- The engine by itself, without server and HTTP: the program that the benches
--- use, and what it prints and dumps.

local workspace = require "spec.support.workspace"

local engine = {}

local BUILD = os.getenv "BUILD" or "build"
local LUA = os.getenv "LUA" or "lua5.4"
local CLEAN = "env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS"

engine.BINS = 1487 -- of the dumps: up to 16 kHz

local function exists(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close()
end

--- Path of the program.  Where the build has none, make builds one elsewhere:
--- the objects in BUILD may be a sanitizer's, which link with its flags only.
function engine.program()
  local path = BUILD .. "/bench/engine"
  if exists(path) then
    return path
  end
  local elsewhere = BUILD .. "/programs"
  path = elsewhere .. "/bench/engine"
  local output, status = workspace.run(("%s make -s BUILD='%s' LUA='%s' '%s'")
    :format(CLEAN, elsewhere, LUA, path))
  assert(status == 0, output)
  return path
end

--- Separate `input` with more words on the command line.  Returns the figures
--- by name, as strings; or nil, the service's reason and the message.
---@param input string
---@param foreground string
---@param background string
---@param words string? # such as "--workers 2"
---@param before string? # a command to run it by, such as "taskset -c 0"
function engine.separate(input, foreground, background, words, before)
  local output, status = workspace.run(("timeout 1800 %s '%s' '%s' '%s' '%s' %s")
    :format(before or "", engine.program(), input, foreground, background,
      words or ""))
  if status == 1 then
    return nil, output:match "^([%u_]+): (.-)\n"
  end
  assert(status == 0, ("status %d: %s"):format(status, output))
  local figures = { message = output:match 'message="(.-)"' }
  for name, value in output:gmatch "([%w_]+)=([%d.]+)" do
    figures[name] = tonumber(value)
  end
  return figures
end

--- One plane of a dump: a function of frame and bin, from 0; the number of its
--- frames; the mean of its values.
function engine.plane(folder, name)
  local bytes = assert(workspace.read(("%s/%s.f32"):format(folder, name)))
  local count, sum, batch = #bytes // 4, 0.0, 100
  local form = "<" .. ("f"):rep(batch)
  for at = 0, count - batch, batch do
    local values = { form:unpack(bytes, 4 * at + 1) }
    for i = 1, batch do
      sum = sum + values[i]
    end
  end
  for at = count - count % batch, count - 1 do
    sum = sum + ("<f"):unpack(bytes, 4 * at + 1)
  end
  return function(frame, bin)
    return (("<f"):unpack(bytes, 4 * (frame * engine.BINS + bin) + 1))
  end, count // engine.BINS, sum / count
end

return engine
