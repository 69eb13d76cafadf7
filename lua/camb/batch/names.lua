--- Where a source's stems go: the folders of the sources are mirrored below
--- `output_dir`, and nothing leads out of it.

local core = require "camb.core"
local files = require "camb.batch.files"
local source = require "camb.source"
local temporary = require "camb.temporary"

local names = {}

local count = 0 -- of temporary names

local function is_plain(path)
  return not source.is_url(path)
end

--- A path by its parts, without "." and with ".." only at the beginning.
---@param path string
---@return string[] parts
---@return string root # "" if it is relative
function names.parts(path)
  local parts, root = {}, core.root(path)
  for part in path:sub(#root + 1):gmatch("[^/]+") do
    if part == ".." and parts[#parts] and parts[#parts] ~= ".." then
      parts[#parts] = nil
    elseif part ~= "." and not (part == ".." and root ~= "") then
      parts[#parts + 1] = part
    end
  end
  return parts, root
end

--- The path without detours; "" is the current folder.
---@param path string
---@return string
function names.normal(path)
  if not path:find("^%.") and not path:find("/.", 1, true)
    and not path:find("//", 1, true) and path:sub(-1) ~= "/"
  then
    return path
  end
  local parts, root = names.parts(path)
  return root .. table.concat(parts, "/")
end

--- The path seen from the root; ".." stays, as a link may stand before it.
---@param path string
---@return string
function names.absolute(path)
  local here = core.root(path) == "" and core.real_path(".")
  if here then
    path = here:gsub("/$", "") .. "/" .. path
  end
  return path:find("..", 1, true) and path or names.normal(path)
end

--- What the file at `path` is known by, however its folder is spelled.  A file
--- that is a link goes by its own name.
---@param path string
---@return string
function names.identity(path)
  local folder, file = path:match("^(.*/)([^/]+)$")
  folder, file = folder or ".", file or path
  local real = core.real_path(folder)
  if not real then
    return names.normal(names.absolute(path))
  end
  return real:gsub("/$", "") .. "/" .. file
end

--- The folder above both; nil if there is none.
---@param a string # as names.normal gives it
---@param b string
---@return string?
function names.common(a, b)
  local ours, root = names.parts(a)
  local theirs, their_root = names.parts(b)
  if root ~= their_root then
    return nil
  end
  local shared = {}
  for i, part in ipairs(ours) do
    if part ~= theirs[i] then
      break
    end
    shared[i] = part
  end
  -- "../a" and "b" have no folder in common that is known by name
  if root == "" and (ours[#shared + 1] == ".."
    or theirs[#shared + 1] == "..")
  then
    return nil
  end
  return root .. table.concat(shared, "/")
end

local function safe(part)
  return part == ".." and "__" or core.file_name(part)
end

local function parts_below(path, base)
  local parts, root = names.parts(path)
  local above, base_root = names.parts(base or "")
  if root ~= base_root then
    return parts
  end
  for i, part in ipairs(above) do
    if parts[i] ~= part then
      return parts
    end
  end
  local below = {}
  for i = #above + 1, #parts do
    below[#below + 1] = parts[i]
  end
  return below
end

local function url_parts(url)
  local is_s3 = source.is_s3(url)
  local rest = url:gsub("^%w+://", "")
  rest = is_s3 and rest or rest:gsub("[?#].*$", "")
  local parts = names.parts((rest:gsub("^[^/]*@", "")))
  if #parts < 2 then
    parts[#parts + 1] = "audio"
  end
  for i, part in ipairs(parts) do
    parts[i] = is_s3 and part or source.decode(part):gsub("/", "_")
  end
  return parts
end

--- The folder below `output_dir` (with its "/", or "") and the file's name that
--- mirror `path`.
---@param path string
---@param base string? # the folder that is mirrored
---@return string folder
---@return string file
function names.mirror(path, base)
  local parts = is_plain(path) and parts_below(path, base) or url_parts(path)
  local folder = ""
  for i = 1, #parts - 1 do
    folder = folder .. safe(parts[i]) .. "/"
  end
  return folder, safe(parts[#parts] or "audio")
end

--- A path in TMPDIR that nothing else has.
---@return string
function names.temporary()
  count = count + 1
  return ("%s/camb-%.0f-%s-%d"):format(temporary.folder(),
    core.time() * 1e6, tostring({}):match("0x(%x+)") or "0", count)
end

--- The file's name without the extension of a recording.
---@param file string
---@return string
function names.stem(file)
  local stem = file:match("^(.+)%.%w+$")
  return stem and (files.is_recording(file) or source.other(file)) and stem
    or file
end

--- True when the folder of `path` has another recording whose stems would take
--- the same names: then the extension has to tell them apart.
---@param path string
---@return boolean
function names.has_sibling(path)
  if not is_plain(path) then
    return false
  end
  local stem, own = path:match("^(.+)%.(%w+)$")
  return stem ~= nil and core.existing(stem, own) ~= nil
end

return names
