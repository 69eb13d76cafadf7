--- The engine by itself, without server and HTTP: the program that the benches
--- use, and what it prints and dumps.

local luas = require "spec.support.luas"
local workspace = require "spec.support.workspace"

local engine = {}

local BUILD = os.getenv "BUILD" or "build"
local LUA = os.getenv "LUA" or "lua5.4"
local CLEAN = "env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS"

engine.BINS = 1024 -- of the dumps: up to 11 kHz

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

--- The rows of a dump: a frame's values along the lead's direction, then those
--- across it.
function engine.rows(folder, name)
  local bytes = assert(workspace.read(("%s/%s.f32"):format(folder, name)))
  local count, rows = 2 * engine.BINS, {}
  local form = "<" .. ("f"):rep(64)
  for at = 1, #bytes, 4 * count do
    local row = {}
    for i = 0, count - 1, 64 do
      luas.move({ luas.unpack_bytes(form, bytes, at + 4 * i) }, 1, 64, i + 1, row)
    end
    rows[#rows + 1] = row
  end
  return rows
end

return engine
