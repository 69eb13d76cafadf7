--- Files by a pattern of the shell ("*", "?", "[…]", and "**" for any depth of
--- folders), or all recordings below a folder; in the order of their names.

local core = require "camb.core"
local source = require "camb.source"
local text = require "camb.text"

local files = {}

--- True when the name ends like a recording that the service takes.
---@param name string
---@return boolean
function files.is_recording(name)
  local extension = name:match("^.*%.(%w+)$")
  local _, is_recording = core.named(text.lower(extension or ""))
  return is_recording == true
end

local function join(folder, name)
  if folder == "" or folder:sub(-1) == "/" then
    return folder .. name
  end
  return folder .. "/" .. name
end

-- A folder that cannot be listed is reported; anything else that cannot be is
-- not a folder.
local function list(folder, found, is_one)
  local names, more = core.list_folder(folder == "" and "." or folder)
  if names then
    return names, more
  elseif is_one or core.stat(folder) == "folder" then
    table.insert(found.unlisted, { path = folder,
      message = ('"%s" cannot be listed: %s'):format(folder, more) })
  end
  return {}, {}
end

-- A listed name of unknown kind counts as a file: the batch then reports what
-- is wrong with it.
local function add_file(path, found, is_listed)
  local kind = core.stat(path)
  if kind == "file" or (kind == nil and is_listed) then
    found[#found + 1] = path
  elseif kind == "other" then
    table.insert(found.no_files, { path = path,
      reason = "is not a regular file", is_no_file = true })
  end
end

local function is_hidden(name)
  return name:sub(1, 1) == "."
end

-- What a folder has that is not searched.  A link could lead round in circles.
local function pass_over(folder, names, is_folder, found)
  for _, name in ipairs(names) do
    local path = join(folder, name)
    if is_hidden(name) then
      table.insert(found.hidden, { path = path, reason = "is hidden",
        is_hidden = true })
    elseif not is_folder[name] and core.stat(path) == "folder" then
      table.insert(found.no_files, { path = path, is_no_file = true,
        reason = "is a link to a folder: name it to take its recordings" })
    end
  end
end

local walk

-- "**": this folder, and every one below that is not hidden.
local function walk_deep(folder, segments, at, found, is_one)
  local names, is_folder = list(folder, found, is_one)
  walk(folder, segments, at + 1, found, names)
  pass_over(folder, names, is_folder, found)
  for _, name in ipairs(names) do
    local path = join(folder, name)
    if is_folder[name] and not is_hidden(name) then
      walk_deep(path, segments, at, found, true)
    end
  end
end

local function walk_names(folder, segments, at, found, names)
  for _, name in ipairs(names or list(folder, found)) do
    local path = join(folder, name)
    if core.matches(segments[at], name) and at == #segments then
      add_file(path, found, true)
    elseif core.matches(segments[at], name) then
      walk(path, segments, at + 1, found)
    end
  end
end

local function is_pattern(segment)
  return segment:find("[*?%[]") ~= nil
end

function walk(path, segments, at, found, names)
  local segment = segments[at]
  if not segment then
    add_file(path, found)
  elseif segment == "**" and at == #segments then
    walk_deep(path, { [at] = "**", [at + 1] = "*" }, at, found)
  elseif segment == "**" then
    walk_deep(path, segments, at, found)
  elseif is_pattern(segment) then
    walk_names(path, segments, at, found, names)
  else
    walk(join(path, (segment:gsub("\\(.)", "%1"))), segments, at + 1, found)
  end
end

local function split(pattern, root)
  local segments = {}
  for segment in pattern:sub(#root + 1):gmatch("[^/]+") do
    segments[#segments + 1] = segment
  end
  return segments
end

-- The folder above every path of the pattern.
local function fixed_part(root, segments)
  local folder = root
  for i = 1, #segments - 1 do
    if is_pattern(segments[i]) then
      break
    end
    folder = join(folder, segments[i])
  end
  return folder
end

local function recordings_below(folder, with_others)
  local found = { unlisted = {}, no_files = {}, hidden = {} }
  walk_deep(folder, { "**", "*" }, 1, found)
  local kept = { unlisted = found.unlisted, others = {}, unknown = {},
    no_files = found.no_files, hidden = found.hidden }
  for _, path in ipairs(found) do
    local is_other = source.other(path) ~= nil
    if files.is_recording(path) or with_others and is_other then
      kept[#kept + 1] = path
    else
      table.insert(is_other and kept.others or kept.unknown, path)
    end
  end
  return kept
end

--- The paths that `pattern` stands for: a file, a folder (the recordings below
--- it) or a pattern; and the folder that they are relative to.
---@param pattern string
---@param with_others boolean? # also what the service does not take
---@return string[] paths # and in `unlisted` the fields of errors of folders,
---  in `others` a folder's recordings that the service does not take, in
---  `unknown` its files that are not named like recordings, in `no_files` links
---  to folders and what is no file, in `hidden` what is hidden
---@return string base
function files.find(pattern, with_others)
  local kind = core.stat(pattern)
  if kind == "folder" then
    return recordings_below((pattern:gsub("(.)/+$", "%1")), with_others),
      pattern
  elseif kind then
    return { pattern, unlisted = {} }, pattern:match("^(.*/)") or ""
  end
  local root = core.root(pattern)
  local segments = split(pattern, root)
  local found = { unlisted = {}, no_files = {}, hidden = {} }
  walk(root, segments, 1, found)
  found.hidden = nil -- as in the shell
  return found, fixed_part(root, segments)
end

return files
