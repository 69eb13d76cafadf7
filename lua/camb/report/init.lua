--- The page of `camb report`: of a folder or a store as it is now.

local core = require "camb.core"
local Error = require "camb.error"
local names = require "camb.batch.names"
local text = require "camb.text"
local json = require "camb.json"
local page = require "camb.report.page"

local report = {}

local MARK = "<!-- camb report -->"

-- Of the pictures, for each track: a page of many files has smaller ones.
local FEW = 40
local LARGE = { peaks = 900, columns = 720, rows = 64 }
local SMALL = { peaks = 640, columns = 288, rows = 40 }

-- The address of the file at `path`, seen from a page in `folder`; both are
-- real paths.
local function address(path, folder)
  local from, to = names.parts(folder), names.parts(path)
  local same = 0
  while same < #from and from[same + 1] == to[same + 1] do
    same = same + 1
  end
  local segments = {}
  for _ = same + 1, #from do
    segments[#segments + 1] = ".."
  end
  for i = same + 1, #to do
    segments[#segments + 1] = core.escape(to[i])
  end
  return table.concat(segments, "/")
end

-- --- pictures ---------------------------------------------------------------

-- What an older page at `path` has of files, by their addresses: to look at
-- those again that have changed since is enough.
local function known_pictures(path, size)
  local html = core.stat(path) and page.read(path) or ""
  local function decoded(id)
    return json.decode(html:match('<script type="application/json" id="' .. id
      .. '">(.-)</script>') or "null")
  end
  local known, data = {}, decoded("data")
  local is_alike = type(data) == "table" and data.columns == size.columns
    and data.rows == size.rows and data.peaks == size.peaks
  local pictures = {}
  for index, text_of in html:gmatch('id="pictures%-(%d+)">(.-)</script>') do
    pictures[tonumber(index)] = is_alike and json.decode(text_of) or nil
  end
  for i, item in ipairs(is_alike and data.items or {}) do
    for _, track in ipairs(pictures[i - 1] and item.tracks or {}) do
      track.picture = pictures[i - 1][track.stem]
      known[track.url] = track.picture and track
    end
  end
  return known
end

local function look_at(maker, path)
  local size = maker.size
  local look, err = maker.audio.picture(path, size.peaks, size.columns,
    size.rows)
  if look then
    look.picture = { peaks = look.peaks, cells = look.cells,
      columns = size.columns }
  end
  return look, err
end

-- A file that cannot be looked at has a track all the same: a browser may play
-- it.
local function add_picture(maker, track, path, pictures)
  local _, size, changed = core.stat(path)
  track.mark = ("%.0f %s"):format(size, text.number(changed))
  local look, err = maker.known[track.url], nil
  if not look or look.mark ~= track.mark then
    if not maker.audio then
      return
    end
    look, err = look_at(maker, path)
  end
  if not look then
    track.nopicture = "No picture: " .. err.message
    return
  end
  track.duration, track.rate = look.duration, look.rate
  track.channels = look.channels
  pictures[track.stem] = look.picture
end

-- What the page gets of `item`, and its pictures.
local function describe(item, folder, maker)
  local tracks, pictures = {}, {}
  for _, stem in ipairs(page.TRACKS) do
    local path = item[stem] and core.real_path(item[stem])
    if path then
      local track = { stem = stem, url = address(path, folder),
        file = path:match("[^/]*$") }
      tracks[#tracks + 1] = track
      if maker then
        add_picture(maker, track, path, pictures)
      end
    end
  end
  return page.describe(item, tracks), pictures
end

-- --- the file ---------------------------------------------------------------

local function failure(path, words)
  return nil, Error.new({ kind = "file", path = path,
    message = ('the page "%s" cannot be written: %s'):format(path, words) })
end

-- Another file of this name is the user's.
local function is_taken(path)
  local kind = core.stat(path)
  if not kind then
    return false
  end
  local file = kind == "file" and io.open(path, "rb")
  local head = file and file:read(200) or ""
  if file then
    file:close()
  end
  return not head:find(MARK, 1, true)
end

local function write_whole(path, bytes)
  local part = path .. ".part"
  local file, problem = io.open(part, "wb")
  local ok = file ~= nil
  if ok then
    ok, problem = file:write(bytes)
  end
  if file and not file:close() and ok then
    ok, problem = nil, "the disk is full"
  end
  if ok then
    ok, problem = os.rename(part, path)
  end
  if not ok then
    os.remove(part)
    return failure(path, problem)
  end
  return true
end

-- Who makes the pictures of `count` items for a page at `path`.
local function maker_for(path, count)
  local has_audio, audio = pcall(require, "camb.audio")
  local size = count > FEW and SMALL or LARGE
  return { size = size, known = known_pictures(path, size),
    audio = has_audio and audio or nil }
end

---@class camb.ReportOptions
---@field title string?
---@field pictures boolean? # false: without, which takes no time
---@field on_item fun(done: integer, total: integer)? # called before each

--- Write the page of `list` to `path`, whole or not at all.  Pictures need
--- camb.audio, of the rock camb-sandbox; those of files that have not changed
--- are taken from an older page at `path`.
---@param path string
---@param list camb.ReportItem[]
---@param given camb.ReportOptions?
---@return boolean? ok
---@return camb.Error? err # kind "file"
function report.write(path, list, given)
  given = given or {}
  local folder = core.real_path(path:match("^(.*/)[^/]*$") or ".")
  if not folder then
    return failure(path, "there is no such folder")
  elseif is_taken(path) then
    return failure(path, "another file has this name")
  end
  local maker = given.pictures ~= false and maker_for(path, #list) or nil
  local told, scripts = {}, {}
  for i, item in ipairs(list) do
    if given.on_item then
      given.on_item(i - 1, #list)
    end
    local pictures
    told[i], pictures = describe(item, folder, maker)
    if next(pictures) then
      scripts[#scripts + 1] = ('<script type="application/json" '
        .. 'id="pictures-%d">%s</script>\n'):format(i - 1,
        page.encode(pictures))
    end
  end
  local size = maker and maker.size or SMALL
  return write_whole(path, (page.make({
    title = given.title or "Separated recordings",
    pictures = table.concat(scripts),
    data = { items = told, columns = size.columns, rows = size.rows,
      peaks = size.peaks, made = core.time() },
  })))
end

return report
