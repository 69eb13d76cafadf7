--- What camb wrote is never a source: stems, their parts, the files of a store
--- and those of the sandbox beside it.

local advice = require "camb.advice"
local core = require "camb.core"
local names = require "camb.batch.names"

local written = {}

local OTHER = { foreground = "background", background = "foreground" }

-- "x", "foreground" of "x.foreground.flac".
local function split(path)
  local base, stem = path:match("^(.*[^/])%.(%l+)%.%w+$")
  if OTHER[stem] then
    return base, stem
  end
end

--- True for a file that is named like a stem and has the other stem beside it.
---@param path string
---@return boolean
function written.is_stem(path)
  local base, stem = split(path)
  return base ~= nil and core.existing(base .. "." .. OTHER[stem]) ~= nil
end

--- The fields of the error of a source that camb wrote as a stem of `other`.
---@param path string
---@param other string?
---@return table
function written.problem(path, other)
  return { kind = "source", step = "submit", path = path,
    message = ('the source "%s" is a stem that camb wrote%s: %s'):format(path,
      other and (' for "%s"'):format(other) or "", advice.on("stem")) }
end

local function is_below(path, folder)
  return folder ~= nil and path:sub(1, #folder + 1) == folder .. "/"
end

-- What a sandbox keeps its data in has these beside them.
local function is_of_sandbox(path)
  for _, folder in ipairs({ "tasks", "uploads" }) do
    for at in path:gmatch("()/" .. folder .. "/") do
      local data = path:sub(1, at)
      if core.stat(data .. "secret") and core.stat(data .. "lock") then
        return true
      end
    end
  end
  return false
end

local function store_files(store)
  local all = {}
  if store and not store:find("^%w+://") then
    for _, ending in ipairs({ "", "-wal", "-shm", "-journal" }) do
      all[names.identity(store) .. ending] = true
    end
  end
  return all
end

-- Whether a path is named as stems are by `stem_name`.
local function pattern_of(stem_name)
  if not stem_name then
    return function()
      return false
    end
  end
  local patterns = {}
  for i, stem in ipairs({ "foreground", "background" }) do
    patterns[i] = "^" .. stem_name:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
      :gsub("{stem}", stem):gsub("{%l+}", ".+") .. "%.%w+$"
  end
  return function(path)
    local file = path:match("[^/]*$")
    return file:find(patterns[1]) ~= nil or file:find(patterns[2]) ~= nil
  end
end

--- A function that says of each file found whether camb wrote it.  A folder of
--- stems below the folder that is searched is camb's as a whole.
---@param given table # output_dir, store and where stems go
---@return fun(path: string, base: string, is_named: boolean): boolean
function written.filter(given)
  local files = store_files(given.store)
  local folders = {}
  for _, name in ipairs({ "output_dir", "foreground_dir", "background_dir" })
  do
    folders[#folders + 1] = given[name] and core.real_path(given[name])
  end
  local named_so = pattern_of(given.stem_name)
  return function(path, base, is_named)
    local identity = names.identity(path)
    if path:match("[^/]*$"):find("^%.camb[.-]") then
      return true -- the command keeps these in a folder of stems
    elseif is_named then
      return files[identity] or written.is_stem(path)
    end
    local real = core.real_path(base)
    for _, folder in ipairs(folders) do
      if is_below(folder, real) and is_below(identity, folder) then
        return true
      end
    end
    return files[identity] or split(path) ~= nil or is_of_sandbox(identity)
      or named_so(path)
  end
end

return written
