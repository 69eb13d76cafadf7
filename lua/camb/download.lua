--- Both stems come down side by side, each into a file that appears whole.

local core = require "camb.core"

local download = {}

local STEMS = { "foreground", "background" }
local URL = { foreground = "foreground_audio_url",
  background = "background_audio_url" }
local SHA256 = { foreground = "foreground_sha256",
  background = "background_sha256" }

-- Statuses by which a stem's host may mean that its URL has expired.
local EXPIRED = { [400] = true, [401] = true, [403] = true, [404] = true,
  [410] = true }

local function base_path(folder, name, stem)
  return folder .. "/" .. name .. "." .. stem
end

local function make_folders(path)
  if core.stat(path) == "folder" then
    return true
  end
  local at = 1
  repeat
    local slash = path:find("/", at, true)
    local part = path:sub(1, slash and slash - 1)
    if part ~= "" then
      local ok, reason = core.make_folder(part)
      if not ok then
        return nil, ('the folder "%s" cannot be made: %s'):format(part, reason)
      end
    end
    at = slash and slash + 1
  until not slash
  return true
end

local function refuse_existing(call, options, name)
  if options.overwrite then
    return true
  end
  for _, stem in ipairs(STEMS) do
    local base = base_path(options.output_dir, name, stem)
    local path = core.existing(base)
    if path then
      return call:fail({ kind = "file", step = "download", path = path,
        message = ('"%s" exists already: pass overwrite = true to replace it, '
          .. "or another output_dir"):format(path) })
    end
  end
  return true
end

--- Make the output folder and claim the name, before anything is paid for.
---@return boolean? ok
---@return camb.Error? err
function download.reserve(call, options, name)
  local folder = options.output_dir
  local ok, problem = make_folders(folder)
  if not ok then
    return call:fail({ kind = "file", step = "download", path = folder,
      message = problem })
  end
  local err
  ok, err = refuse_existing(call, options, name)
  if not ok then
    return nil, err
  end
  local path = folder .. "/" .. name
  if not call:claim(path) then
    return call:fail({ kind = "file", step = "download", path = path,
      message = ('"%s" is being written by another job: give one of them '
        .. "another name or output_dir"):format(path) })
  end
  return true
end

local function begin(call, stem, base, url, options)
  local transfer, reason, is_busy = call:open("download", {
    url = url,
    path = base,
    overwrite = options.overwrite,
    hash = options.hash,
    progress = call.has_listener,
  })
  if not transfer then
    return call:fail_open("download", { kind = "file", path = base,
      message = is_busy
        and ('"%s.part" is being written by another process'):format(base)
        or ('"%s.part" cannot be written: %s'):format(base, reason) })
  end
  if call.has_listener then
    call:emit("download_started", { stem = stem })
  end
  return { transfer = transfer, stem = stem }
end

-- A URL expires; the run does not. Each stem gets one new URL.
local function refresh(call, part, urls, renew)
  local kind, _, status = part.transfer:failure()
  if kind ~= "http" or not EXPIRED[status] or part.renewed or not renew then
    return false
  end
  part.renewed = true
  local fresh = renew()
  local url = fresh and fresh[URL[part.stem]]
  if not url or not part.transfer["continue"](part.transfer, url) then
    return false
  end
  urls[URL[part.stem]] = url
  call:emit("retrying", { step = "download", stem = part.stem,
    reason = ("HTTP %d: the URL is asked for again"):format(status),
    attempt = part.transfer:attempts(), next_in = 0 })
  return true
end

-- What is weaker where the file system lacks something, as the core tells it.
local WEAKER = {
  "has no locks: do not let two processes write the same stems",
  "cannot sync: after a loss of power a stem may be half written",
  "cannot keep a name that is taken: a file that appears under a stem's name "
    .. "while it is finished is replaced",
}

local function warn_once(call, folder, ...)
  local told = call.client.told
  for i, words in ipairs(WEAKER) do
    if select(i, ...) and not told[i] then
      told[i] = true
      call:emit("warning", { message = call:clean(
        ('the file system of "%s" %s'):format(folder, words)) })
    end
  end
end

local function land(call, part, stems)
  stems[part.stem] = part.transfer:path()
  stems[SHA256[part.stem]] = part.transfer:sha256()
  warn_once(call, stems[part.stem]:match("^(.*)/"), part.transfer:lacks())
  if call.has_listener then
    call:emit("downloaded", { stem = part.stem, path = stems[part.stem],
      bytes = part.transfer:bytes() })
  end
end

local function fail(call, part)
  local _, err = call:fail_transfer("download", part.transfer)
  err.stem = part.stem
  if err.path and err.message:find("exists already", 1, true) then
    err.message = ('"%s" exists already: pass overwrite = true to replace it')
      :format(err.path)
  end
  return nil, err
end

local function follow(call, parts, urls, renew)
  local left = #STEMS
  -- nil: only room for what comes
  local stems = { foreground = nil, foreground_sha256 = nil,
    foreground_audio_url = nil, background = nil, background_sha256 = nil,
    background_audio_url = nil, task_id = call.task_id, run_id = call.run_id }
  while left > 0 do
    local event = call.inbox:next()
    if not event then
      return call:fail_cancelled("download")
    end
    local part = parts[event[1]]
    if part and event[2] == "progress" then
      call:emit("download_progress", { stem = part.stem, bytes = event[4],
        total = event[5] })
    elseif part and event[2] == "retry" then
      call:emit_retry("download", event)
    elseif part and event[2] == "done" then
      if not part.transfer:failure() then
        land(call, part, stems)
        left = left - 1
      elseif not refresh(call, part, urls, renew) then
        return fail(call, part)
      end
    end
  end
  return stems
end

--- Fetch both stems of `urls` to "<output_dir>/<name>.<stem>.<extension>";
--- `renew` asks for the URLs again when they have expired.
---@return table? stems # foreground and background: paths
---@return camb.Error? err
function download.run(call, urls, options, name, renew)
  local parts = {}
  for _, stem in ipairs(STEMS) do
    local part, err = begin(call, stem,
      base_path(options.output_dir, name, stem),
      urls[URL[stem]], options)
    if not part then
      return nil, err
    end
    parts[part.transfer:id()] = part
  end
  local stems, err = follow(call, parts, urls, renew)
  if not stems then
    return nil, err
  end
  stems.foreground_audio_url = urls.foreground_audio_url
  stems.background_audio_url = urls.background_audio_url
  return stems
end

return download
