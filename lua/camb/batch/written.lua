--- What camb wrote is never a source: stems, their parts, the files of a store
--- and those of the sandbox beside it.

local core = require "camb.core"
local names = require "camb.batch.names"
local words = require "camb.words"

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
      other and (' for "%s"'):format(other) or "", words.advice("stem")) }
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

--- What to ask of each file that was found: whether it was written by camb.  A
--- folder of stems below the folder that is searched is camb's as a whole.
---@param output_dir string
---@param store string?
---@return fun(path: string, base: string, is_named: boolean): boolean
function written.filter(output_dir, store)
  local files = store_files(store)
  local stems = core.real_path(output_dir)
  return function(path, base, is_named)
    local identity = names.identity(path)
    if is_named then
      return files[identity] or written.is_stem(path)
    end
    local is_inside = is_below(stems or "", core.real_path(base))
    return files[identity] or split(path) ~= nil or is_of_sandbox(identity)
      or (is_inside and is_below(identity, stems))
  end
end

return written
