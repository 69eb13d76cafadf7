--- Both stems come down side by side, each into a file that appears whole.

local advice = require "camb.advice"
local core = require "camb.core"
local failure = require "camb.failure"
local result = require "camb.result"

local download = {}

local STEMS = { "foreground", "background" }
local URL = { foreground = "foreground_audio_url",
  background = "background_audio_url" }
local SHA256 = { foreground = "foreground_sha256",
  background = "background_sha256" }

-- Statuses by which a stem's host may mean that its URL has expired.
local EXPIRED = { [400] = true, [401] = true, [403] = true, [404] = true,
  [410] = true }

--- The stems that `place` asks for.
---@param place table # only
---@return string[]
function download.stems(place)
  return place.only and { place.only } or STEMS
end

local function folder_of(place, stem)
  return place[stem .. "_dir"] or place.output_dir
end

--- Path of a stem without its extension.  If ids of the service are a part of
--- its name, the one that it has until it is complete.
---@param place table # output_dir, foreground_dir, background_dir, stem_name
---@param name string
---@param stem string
---@return string
function download.base(place, name, stem)
  local file = name .. "." .. stem
  if place.stem_name then
    local layout = require("camb.layout")
    if not layout.has_ids(place.stem_name) then
      place.values.stem = stem
      file = layout.fill(place.stem_name, place.values)
    end
  end
  return folder_of(place, stem) .. "/" .. file
end

--- Make the folder `path`, and those above it, if they are missing.
---@param path string
---@return boolean? ok
---@return string? problem # a sentence
function download.make_folders(path)
  if core.stat(path) == "folder" then
    return true
  elseif path:find("^[sS]3://") then
    return nil, ('"%s" is in S3, which takes the stems of a batch with a store '
      .. "only"):format(path)
  end
  local at = #core.root(path) + 1
  repeat
    local slash = path:find("/", at, true)
    local part = path:sub(1, slash and slash - 1)
    if part ~= "" then
      local ok, reason = core.make_folder(part)
      if not ok then
        return nil, ('the folder "%s" cannot be created: %s'):format(part,
          reason)
      end
    end
    at = slash and slash + 1
  until not slash
  return true
end

--- What a system says of a name that is too long for it.
download.TOO_LONG = select(2, core.stat(("x"):rep(65536)))

-- Whether the file system of `folder`, or until it is there of this one, takes
-- no file of this name.
local function is_too_long(folder, file)
  if core.stat(folder) ~= "folder" then
    folder = "."
  end
  return select(2, core.stat(folder .. "/" .. file)) == download.TOO_LONG
end

--- What is wrong with the length of the stems' names, also while they are
--- written; nil if nothing is.
---@param place table # as for `download.base`, and format
---@param name string
---@return string? problem
function download.length_problem(place, name)
  local layout = require "camb.layout"
  local more = place.format and "." .. layout.extension(place.format)
    .. ".part.part" or ".part"
  for _, stem in ipairs(download.stems(place)) do
    local files = { download.base(place, name, stem):match("[^/]*$") }
    files[2] = place.stem_name and layout.longest(place.stem_name, place.values)
    for _, file in ipairs(files) do
      if is_too_long(folder_of(place, stem), file .. more) then
        return ('the name "%s" is too long: %s'):format(file,
          advice.on("length"))
      end
    end
  end
end

-- What is in the way of `base`: with `overwrite` a folder or the source, which
-- would be lost with whatever the stem replaces; and whether it is the source.
local function in_the_way(base, place, source)
  local layout = require "camb.layout"
  local taken = not place.overwrite and core.existing(base) or nil
  for index = place.format and 0 or 1, math.huge do
    local extension = index == 0 and layout.extension(place.format)
      or select(2, core.format(index))
    local path = extension and base .. "." .. extension
    local kind = path and core.stat(path)
    local is_source = kind and source and core.real_path(path) == source
    if not path or kind == "folder" or is_source then
      return path or taken, is_source
    elseif kind and index == 0 and not place.overwrite then
      taken = path -- of this format no stem comes
    end
  end
end

local function fail_file(operation, path, message)
  return operation:fail({ kind = "file", step = "download", path = path,
    message = message })
end

local function fail_busy(operation, base, cure)
  local _, err = fail_file(operation, base,
    ('"%s" is being written by another job '
    .. "or process: %s"):format(base, advice.on(cure)))
  err.is_busy, err.shell = true, "again"
  return nil, err
end

local function open_part(operation, base)
  local part, reason, is_busy = core.part(base, true)
  if is_busy then
    return fail_busy(operation, base, "busy")
  elseif not part then
    return fail_file(operation, base,
      ('"%s.part" cannot be written: %s'):format(
      base, reason))
  end
  return part
end

--- Make the output folder and open the parts of both stems.
---@return boolean? ok
---@return camb.Error? err
function download.hold(operation, options, name)
  local stems = download.stems(options)
  for _, stem in ipairs(stems) do
    local ok, problem = download.make_folders(folder_of(options, stem))
    if not ok then
      return fail_file(operation, folder_of(options, stem), problem)
    end
  end
  local too_long = download.length_problem(options, name)
  if too_long then
    return operation:fail({ kind = "file", step = "download", shell = "help",
      message = too_long })
  end
  local folder = folder_of(options, stems[1])
  local real = (core.real_path(folder) or folder):gsub("/$", "")
  if not operation:claim(real .. "/" .. name) then
    return fail_busy(operation, folder .. "/" .. name, "names")
  end
  operation.parts = {}
  operation.first_base = real
    .. download.base(options, name, stems[1]):sub(#folder + 1)
  for _, stem in ipairs(stems) do
    local err
    operation.parts[stem], err = open_part(operation,
      download.base(options, name, stem))
    if err then
      operation:let_go()
      return nil, err
    end
  end
  return true
end

--- What keeps the stems from their names.
---@param place table # as for `download.base`, and format, overwrite
---@param name string
---@param source string? # path of what is separated
---@return table? fields # of an error; nil: nothing
function download.obstacle(place, name, source)
  source = source and core.real_path(source)
  for _, stem in ipairs(download.stems(place)) do
    local path, is_source = in_the_way(download.base(place, name, stem), place,
      source)
    if is_source then
      return { kind = "file", path = path, shell = "help",
        message = ('"%s" is the source: %s'):format(path, advice.on("folder")) }
    elseif path then
      local fields = failure.of_taken(path)
      fields.message = fields.message .. ", or " .. advice.on("folder")
      return fields
    end
  end
end

--- Hold the stems' names before anything is paid for: nothing may be there
--- already.
---@param source string? # path of what is separated
---@return boolean? ok
---@return camb.Error? err
function download.reserve(operation, options, name, source)
  local ok, err = download.hold(operation, options, name)
  local fields = ok and download.obstacle(options, name, source)
  if fields then
    fields.step = "download"
    return operation:fail(fields)
  end
  return ok, err
end

local function begin(operation, stem, url, options)
  local part = operation.parts[stem]
  operation.parts[stem] = nil
  local transfer, reason = operation:open("download", {
    url = url,
    part = part,
    overwrite = options.overwrite,
    hash = options.hash,
    hold = true,
    progress = operation.has_listener,
  })
  if not transfer then
    part:close()
    return operation:fail_open("download", { kind = "protocol",
      message = ("the URL of the %s cannot be used: %s"):format(stem, reason) })
  end
  if operation.has_listener then
    operation:emit("download_started", { stem = stem })
  end
  return { transfer = transfer, stem = stem }
end

-- A URL expires, the run does not; and a stem may not be there yet.  The core
-- says when to resume, as long as bytes arrive or patience lasts.
local function refresh(operation, part, urls)
  local failed = part.transfer:failure()
  local status = failed.http_status
  if failed.kind ~= "http" or not EXPIRED[status]
    or not operation.run_id
  then
    return false
  end
  local name = URL[part.stem]
  local fresh = result.one(operation)
  local url = fresh and fresh[name] or urls[name]
  local next_in = part.transfer["continue"](part.transfer, url)
  if not next_in then
    return false
  end
  urls[name] = url
  operation:emit("retrying", { step = "download", stem = part.stem,
    reason = ("HTTP %d: requesting a new URL"):format(status),
    attempt = part.transfer:attempts(), next_in = next_in })
  return true
end

-- What is weaker if the file system lacks something, as the core tells it.
local WEAKER = {
  "has no locks: two processes must not write the same stems",
  "cannot sync: a stem may be incomplete after a power failure",
  "cannot rename without replacing: a file that appears under a stem's name "
    .. "during the download is overwritten",
}

local function warn_once(operation, folder, ...)
  local told = operation.client.told
  for i, said in ipairs(WEAKER) do
    if select(i, ...) and not told[i] then
      told[i] = true
      operation:emit("warning", { message = operation:clean(
        ('the file system of "%s" %s'):format(folder, said)) })
    end
  end
end

local function land(operation, part, stems)
  stems[part.stem] = part.transfer:path()
  stems[SHA256[part.stem]] = part.transfer:sha256()
  warn_once(operation, stems[part.stem]:match("^(.*)/"), part.transfer:lacks())
  if operation.has_listener then
    operation:emit("downloaded", { stem = part.stem, path = stems[part.stem],
      bytes = part.transfer:bytes() })
  end
end

local function fail(operation, part)
  local _, err = operation:fail_transfer("download", part.transfer)
  err.stem = part.stem
  return nil, err
end

-- Both are of one recording, so one is cut if they differ by a frame.
local SLACK = 0.02

local function durations(parts)
  local list = {}
  for _, part in pairs(parts) do
    list[#list + 1] = part.transfer:duration()
  end
  return list[1], list[2]
end

-- Only their own containers say that they are whole, and the other stem
-- says that they are not.
local function begin_anew(operation, parts, a, b)
  local reason = ("the stems differ in length: %.2f s and %.2f s")
    :format(a, b)
  for _, part in pairs(parts) do
    if part.transfer:is_held() then
      local next_in = part.transfer:restart()
      part.has_come = false
      if not next_in then
        return operation:fail({ kind = "protocol", step = "download",
          stem = part.stem, attempts = part.transfer:attempts(),
          message = reason .. ", and their host does not say how long they are"
        })
      end
      operation:emit("retrying", { step = "download", stem = part.stem,
        reason = reason, attempt = part.transfer:attempts(),
        next_in = next_in })
    end
  end
  return true
end

-- They land when they are done once more.
local function keep_held(operation, parts)
  for _, part in pairs(parts) do
    if part.transfer:is_held() and not part.transfer:keep() then
      return fail(operation, part)
    end
  end
  return true
end

local function settle(operation, parts)
  local a, b = durations(parts)
  if a and b and math.abs(a - b) > SLACK then
    return begin_anew(operation, parts, a, b)
  end
  return keep_held(operation, parts)
end

-- The transfer of `part` has ended well.
local function finish(operation, part, parts, stems)
  part.has_come = true
  if not part.transfer:is_held() then
    land(operation, part, stems)
  end
  for _, other in pairs(parts) do
    if not other.has_come then
      return true
    end
  end
  return settle(operation, parts)
end

local function follow(operation, parts, urls, options)
  -- nil: only room for what comes
  local stems = { foreground = nil, foreground_sha256 = nil,
    foreground_audio_url = nil, background = nil, background_sha256 = nil,
    background_audio_url = nil, task_id = operation.task_id,
    run_id = operation.run_id }
  while not (stems[options.only or "foreground"]
    and stems[options.only or "background"])
  do
    local event = operation.inbox:next()
    if not event then
      return operation:fail_cancelled("download")
    end
    local part = parts[event[1]]
    if part and event[2] == "progress" then
      operation:emit("download_progress", { stem = part.stem, bytes = event[4],
        total = event[5] })
    elseif part and event[2] == "retry" then
      operation:emit_retry("download", event)
    elseif part and event[2] == "done" and not part.transfer:failure() then
      local ok, err = finish(operation, part, parts, stems)
      if not ok then
        return nil, err
      end
    elseif part and event[2] == "done"
      and not refresh(operation, part, urls)
    then
      return fail(operation, part)
    end
  end
  return stems
end

-- By stem, whether its file was there before.
local function earlier(parts)
  local stems = {}
  for _, part in pairs(parts) do
    stems[part.stem] = select(2, part.transfer:path())
  end
  return stems
end

--- Fetch both stems of `urls` into the parts that the operation holds.  The run
--- is asked for them again when they have expired.
---@return table? stems # foreground and background: paths
---@return camb.Error? err
function download.run(operation, urls, options)
  local parts = {}
  for _, stem in ipairs(download.stems(options)) do
    local part, err = begin(operation, stem, urls[URL[stem]], options)
    if not part then
      return nil, err
    end
    parts[part.transfer:id()] = part
  end
  local stems, err = follow(operation, parts, urls, options)
  if stems and (options.format or options.stem_name) then
    local ok
    ok, err = require("camb.layout").arrange(operation, options, stems,
      earlier(parts))
    stems = ok and stems
  end
  if not stems then
    return nil, err
  end
  operation.is_fetched = true
  stems.foreground_audio_url = urls.foreground_audio_url
  stems.background_audio_url = urls.background_audio_url
  return stems
end

--- The stems of `operation.run_id`, from `urls` or from the service.
---@return table? stems
---@return camb.Error? err
function download.of_run(operation, urls, options, name)
  operation.asked = name
  operation:be_patient(options)
  local ok, err = download.hold(operation, options, name)
  if ok and not urls then
    urls, err = result.one(operation)
  end
  if not ok or not urls then
    return nil, err
  end
  return download.run(operation, urls, options)
end

return download
