--- Names and formats of stems, if the options ask for others than the service
--- gives: "{name}.{stem}" with what is known of the source and the task, and
--- FLAC, WAV, MP3, Opus or AAC by camb.audio, with the source's tags and cover.

local core = require "camb.core"
local failure = require "camb.failure"
local scheduler = require "camb.async.scheduler"

local layout = {}

--- What may stand between braces.
local PLACEHOLDERS = { name = true, stem = true, folder = true, date = true,
  task = true, run = true }

local EXTENSIONS = { aac = "m4a" }

-- Bytes that are copied between two looks at what else is to be done.
local PIECE = 2 ^ 18

-- As long as an id of the service's may be.
local ID = ("x"):rep(64)

--- What is wrong with `pattern`; nil if nothing is.
---@param pattern string
---@return string?
function layout.problem(pattern)
  for word in pattern:gmatch("{(.-)}") do
    if not PLACEHOLDERS[word] then
      return ("has the unknown placeholder {%s}: use {name}, {stem}, "
        .. "{folder}, {date}, {task} or {run}"):format(word)
    end
  end
  if pattern:gsub("{%l+}", ""):find("[{}]") then
    return "has an unmatched brace"
  elseif pattern:find("[/\\]") then
    return "must be a file name without folders: other options say where "
      .. "stems go"
  elseif not pattern:find("{stem}", 1, true) then
    return "must contain {stem}, which tells the two apart"
  end
end

--- True if a name by `pattern` is known only once the task is.
---@param pattern string
---@return boolean
function layout.has_ids(pattern)
  return pattern:find("{task}", 1, true) ~= nil
    or pattern:find("{run}", 1, true) ~= nil
end

local function plain(value)
  value = core.file_name(tostring(value or "_"))
  return value == "" and "_" or value
end

--- The name by `pattern`.
---@param pattern string
---@param values table<string, any> # by placeholder
---@return string
function layout.fill(pattern, values)
  local name = pattern:gsub("{(%l+)}", function(word)
    return plain(values[word])
  end)
  return core.file_name((name:gsub("^%.", "_")))
end

--- What is known of a source before it is sent: `name`, `folder` and `date`.
---@param name string # of its stems
---@param path string? # of the file, if it is one
---@return table<string, string>
function layout.values(name, path)
  local kind, _, changed = core.stat(path or "")
  local real = kind and core.real_path(path:match("^(.*/)") or ".")
  return { name = name, folder = real and real:match("[^/]+$") or nil,
    date = os.date("%Y-%m-%d", kind and math.floor(changed) or nil) }
end

--- The longest name that a stem may get by `pattern`.
---@param pattern string
---@param values table<string, string>
---@return string
function layout.longest(pattern, values)
  local all = { stem = "foreground", task = ID, run = ID }
  for name, value in pairs(values) do
    all[name] = value
  end
  return layout.fill(pattern, all)
end

--- The extension of `format`.
---@param format string
---@return string
function layout.extension(format)
  return EXTENSIONS[format] or format
end

-- The file whose tags and cover the stems get.
local function tags_of(operation)
  local path = operation.original or operation.origin and operation.origin.path
    or operation.options.mixture
  return path and core.stat(path) == "file" and path or nil
end

local function convert(operation, place, path, target)
  local ok, err = require("camb.audio").convert(path, target, {
    format = layout.extension(place.format), tags_from = tags_of(operation),
    overwrite = true }, operation.client)
  return ok, err and err.message
end

local function copy_all(operation, from, to)
  local piece, problem = from:read(PIECE)
  while piece do
    local ok
    ok, problem = to:write(piece)
    if not ok then
      return nil, problem
    elseif not scheduler.sleep_for(operation.client, 0) then
      return nil, "the job was cancelled"
    end
    piece, problem = from:read(PIECE)
  end
  return not problem, problem
end

local function copy(operation, path, target)
  local from, problem = io.open(path, "rb")
  local to, ok
  if from then
    to, problem = io.open(target, "wb")
  end
  if to then
    ok, problem = copy_all(operation, from, to)
    local is_closed, other = to:close()
    ok, problem = ok and is_closed, problem or other
  end
  if from then
    from:close()
  end
  return ok, problem
end

local function sum_of(operation, path)
  return require("camb.hash").of_file(operation.client, path)
end

-- At `target` is nothing, what may be replaced, or the same as at `path`: a run
-- that was killed has left it.
local function is_free(operation, place, path, target)
  local kind = core.stat(target)
  if not kind or place.overwrite and kind ~= "folder" then
    return true
  end
  local sum = sum_of(operation, target)
  return sum ~= nil and sum == sum_of(operation, path)
end

-- Where the stem that came as `path` goes.
local function target_of(operation, place, stem, path)
  local base, extension = path:match("^(.*)%.(%w+)$")
  if place.stem_name and layout.has_ids(place.stem_name) then
    local values = { stem = stem, task = operation.task_id,
      run = operation.run_id and ("%s"):format(operation.run_id) }
    for name, value in pairs(place.values) do
      values[name] = value
    end
    base = path:match("^.*/") .. layout.fill(place.stem_name, values)
  end
  return base .. "." .. (place.format and layout.extension(place.format)
    or extension)
end

-- The stem that came as `path`, and may have to stay there, becomes `target`;
-- else the fields of an error.
local function put(operation, place, path, target, stays)
  local made, ok, problem, taken = path, true, nil, nil
  if place.format then
    made = target .. ".part"
    ok, problem = convert(operation, place, path, made)
  elseif stays and target ~= path then
    made = target .. ".part"
    ok, problem = copy(operation, path, made)
  end
  if ok and target ~= path and not is_free(operation, place, made, target) then
    ok, taken = nil, failure.of_taken(target)
  elseif ok and made ~= target then
    ok, problem = os.rename(made, target)
  end
  if not ok and made ~= path then
    os.remove(made)
  elseif ok and place.format and path ~= target and not stays then
    os.remove(path)
  end
  return ok, not ok and (taken or { kind = "file", path = target,
    message = problem }) or nil
end

--- Give the stems that have come their names and formats.
---@param operation camb.Operation
---@param place table # as for download.run
---@param stems table # foreground, background: paths, which are changed
---@param staying table # by stem, whether its file was there before: it stays
---@return boolean? ok
---@return camb.Error? err
function layout.arrange(operation, place, stems, staying)
  for _, stem in ipairs({ "foreground", "background" }) do
    local path = stems[stem]
    if path then
      local target = target_of(operation, place, stem, path)
      local ok, fields = put(operation, place, path, target, staying[stem])
      if not ok then
        fields.step = "download"
        fields.message = ("%s; the %s is complete as %s"):format(fields.message,
          stem, path)
        return operation:fail(fields)
      end
      stems[stem] = target
      if place.hash then
        stems[stem .. "_sha256"] = sum_of(operation, target)
      end
    end
  end
  return true
end

return layout
