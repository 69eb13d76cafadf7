--- The files that appear in a folder, once they are complete, as a source that
--- never ends.

local core = require "camb.core"
local files = require "camb.batch.files"
local redact = require "camb.redact"
local sources = require "camb.batch.sources"
local written = require "camb.batch.written"

local folder = {}

-- Seconds between two looks.
local LOOK = 1

local function complain(state, problem)
  if not state.said[problem] then
    state.said[problem] = true
    io.stderr:write("camb: ", redact.visible(problem), "\n")
  end
end

-- A file is complete once no process writes to it and it has stayed the same.
local function is_complete(state, path, now)
  local kind, size, changed = core.stat(path)
  local known = state.known[path]
  if kind ~= "file" then
    return false
  elseif not known or known.size ~= size or known.changed ~= changed then
    state.known[path] = { size = size, changed = changed, since = now }
    return false
  elseif known.is_taken or now - known.since < state.arguments.settle
    or core.has_writer(path)
  then
    return false
  end
  known.is_taken = true
  return true
end

local function look(state)
  local now = core.now()
  local paths = files.find(state.path, state.arguments.convert)
  for _, problem in ipairs(paths.unlisted) do
    complain(state, problem.message)
  end
  local is_own = written.filter(state.arguments)
  local is_there = {}
  for _, path in ipairs(paths) do
    is_there[path] = true
    if is_complete(state, path, now) and not is_own(path, state.path, false)
    then
      state.ready[#state.ready + 1] = path
    end
  end
  for _, file in ipairs(sources.left_out(paths, state.path, is_own)) do
    is_there[file.path] = true
    if not file.is_own and not state.said[file.path]
      and (file.is_no_file or is_complete(state, file.path, now))
    then
      state.said[file.path] = true
      table.insert(state.left_out, file)
    end
  end
  for path in pairs(state.known) do
    state.known[path] = is_there[path] and state.known[path] or nil
  end
end

--- For a batch: the next file that is complete, false if there is none now.
---@param path string # of the folder
---@param arguments table # settle, convert, store and where stems go
---@param left_out table[] # gets what is left out, of sources.left_out
---@return fun(): string|false
function folder.watch(path, arguments, left_out)
  local state = { path = path, arguments = arguments, left_out = left_out,
    known = {}, ready = {}, said = {} }
  local next_look = -math.huge
  return function()
    if #state.ready == 0 and core.now() >= next_look then
      look(state)
      next_look = core.now() + LOOK
    end
    return table.remove(state.ready, 1) or false
  end
end

return folder
