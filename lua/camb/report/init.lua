--- The page of `camb report`: one HTML file with all that it needs but the
--- audio, which it refers to.  Its parts stand beside this file: page.html,
--- page.css and page.js.

local ascii = require "camb.ascii"
local core = require "camb.core"
local Error = require "camb.error"
local names = require "camb.batch.names"
local text = require "camb.text"
local json = require "camb.json"

local report = {}

local MARK = "<!-- camb report -->"

-- Of the pictures, for each track.
local PEAKS, COLUMNS, ROWS = 640, 288, 40

local TRACKS = { "mixture", "foreground", "background" }

local CODES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
  .. "0123456789+/"

local HERE = debug.getinfo(1, "S").source:match("^@(.*/)")

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

-- --- what stands in the page ------------------------------------------------

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;",
  ['"'] = "&quot;", ["'"] = "&#39;" }

local function escape(words)
  return (text.escape(words):gsub("[&<>\"']", ENTITIES))
end

local encode

local function encode_fields(value)
  local fields = {}
  for name, item in pairs(value) do
    fields[#fields + 1] = json.quote(name) .. ":" .. encode(item)
  end
  table.sort(fields)
  return "{" .. table.concat(fields, ",") .. "}"
end

-- As JSON that ends no script; a table without fields is a list.
function encode(value)
  if type(value) == "string" then
    return (json.quote(text.escape(value)):gsub("<", "\\u003c"))
  elseif type(value) == "number" then
    return ascii.number(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif value[1] == nil and next(value) ~= nil then
    return encode_fields(value)
  end
  local list = {}
  for i, item in ipairs(value) do
    list[i] = encode(item)
  end
  return "[" .. table.concat(list, ",") .. "]"
end

local function base64(hex)
  local out, bits, value = {}, 0, 0
  for digit in hex:gmatch("%x") do
    value = value * 16 + tonumber(digit, 16)
    bits = bits + 4
    if bits >= 6 then
      local rest = 2 ^ (bits - 6)
      local code = math.floor(value / rest)
      out[#out + 1] = CODES:sub(code + 1, code + 1)
      value, bits = value % rest, bits - 6
    end
  end
  if bits > 0 then
    local code = value * 2 ^ (6 - bits)
    out[#out + 1] = CODES:sub(code + 1, code + 1)
  end
  return table.concat(out) .. ("="):rep(-#out % 4)
end

-- What a policy calls the text of a script or a style.
local function hash_of(code)
  local digest = core.sha256()
  digest:add(code)
  return "'sha256-" .. base64(digest:finish()) .. "'"
end

local function policy(css, js)
  return "default-src 'none'; base-uri 'none'; form-action 'none'; "
    .. "media-src 'self'; style-src " .. hash_of(css) .. "; script-src "
    .. hash_of(js)
end

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

local code_of_cell = {}
for byte = 0, 255 do
  local code = math.floor(byte / 4) + 1
  code_of_cell[string.char(byte)] = CODES:sub(code, code)
end

local function code_of_level(level)
  local code = math.floor((level + 1) * 31.5 + 0.5) + 1
  return CODES:sub(code, code)
end

local function picture_of(look)
  local peaks = {}
  for i = 1, PEAKS do
    peaks[2 * i - 1] = code_of_level(look.low[i])
    peaks[2 * i] = code_of_level(look.high[i])
  end
  return { peaks = table.concat(peaks),
    cells = (look.cells:gsub(".", code_of_cell)) }
end

-- What an older page at `path` has of files, by their addresses: to look at
-- those again that have changed since is enough.
local function known_pictures(path)
  local page = core.stat(path) and read(path) or ""
  local function decoded(id)
    return json.decode(page:match('<script type="application/json" id="' .. id
      .. '">(.-)</script>') or "null")
  end
  local known, data = {}, decoded("data")
  local is_alike = type(data) == "table" and data.columns == COLUMNS
    and data.rows == ROWS and data.peaks == PEAKS
  local pictures = {}
  for index, text_of in page:gmatch('id="pictures%-(%d+)">(.-)</script>') do
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

local function look_at(audio, path)
  local look, err = audio.overview(path, PEAKS, COLUMNS, ROWS)
  if look then
    look.picture = picture_of(look)
  end
  return look, err
end

-- A file that cannot be looked at has a track all the same: a browser may play
-- it.
local function add_picture(maker, track, path, pictures)
  local _, size, changed = core.stat(path)
  track.mark = ("%.0f %s"):format(size, ascii.number(changed))
  local look, err = maker.known[track.url], nil
  if not look or look.mark ~= track.mark then
    if not maker.audio then
      return
    end
    look, err = look_at(maker.audio, path)
  end
  if not look then
    track.nopicture = "No picture: " .. err.message
    return
  end
  track.duration, track.rate = look.duration, look.rate
  track.channels = look.channels
  pictures[track.stem] = look.picture
end

-- --- items ------------------------------------------------------------------

local function clock(seconds)
  local whole = math.floor(seconds)
  if whole >= 3600 then
    return ("%d:%02d:%02d"):format(math.floor(whole / 3600),
      math.floor(whole / 60) % 60, whole % 60)
  end
  return ("%d:%02d"):format(math.floor(whole / 60), whole % 60)
end

local CHANNELS = { "mono", "stereo" }

local function facts_of(track, item)
  local facts = {}
  if track and track.duration then
    facts[1] = clock(track.duration)
    facts[2] = (("%.4g kHz"):format(track.rate / 1000):gsub(",", "."))
    facts[3] = CHANNELS[track.channels] or track.channels .. " channels"
  end
  if item.foreground or item.background then
    local folder = names.normal(item.foreground or item.background)
      :match("^(.*)/")
    facts[#facts + 1] = folder and "in " .. folder
  end
  return table.concat(facts, " · ")
end

local function known_of(item)
  local known = {}
  for _, pair in ipairs({ { "Source", item.source }, { "Task", item.task },
    { "Run", item.run }, { "Kind of error", item.kind } }) do
    if pair[2] then
      known[#known + 1] = pair
    end
  end
  return known
end

-- What the page is told of `item`, its pictures, and how long it is.
local function describe(item, folder, maker)
  local tracks, pictures = {}, {}
  for _, stem in ipairs(TRACKS) do
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
  return { name = item.name, state = item.state, word = item.word,
    error = item.error, kind = item.kind, task = item.task, run = item.run,
    source = item.source, time = item.time, events = item.events,
    known = known_of(item), facts = facts_of(tracks[1], item),
    tracks = tracks }, pictures, tracks[1] and tracks[1].duration or 0
end

local function summary(list, seconds)
  local counts = { done = 0, failed = 0, open = 0 }
  for _, item in ipairs(list) do
    counts[item.state] = counts[item.state] + 1
  end
  local words = { ("%d file%s"):format(#list, #list == 1 and "" or "s") }
  for _, pair in ipairs({ { "done", "done" }, { "failed", "failed" },
    { "open", "unfinished" } }) do
    if counts[pair[1]] > 0 then
      words[#words + 1] = ("%d %s"):format(counts[pair[1]], pair[2])
    end
  end
  if seconds > 0 then
    words[#words + 1] = clock(seconds) .. " of audio"
  end
  return table.concat(words, " · ")
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

local function write_whole(path, pieces)
  local part = path .. ".part"
  local file, problem = io.open(part, "wb")
  local ok = file ~= nil
  for _, piece in ipairs(file and pieces or {}) do
    if ok then
      ok, problem = file:write(piece)
    end
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
  local has_audio, audio = pcall(require, "camb.audio")
  local maker = given.pictures ~= false and { known = known_pictures(path),
    audio = has_audio and audio or nil } or nil
  local told, scripts, seconds = {}, {}, 0
  for i, item in ipairs(list) do
    if given.on_item then
      given.on_item(i - 1, #list)
    end
    local pictures, length
    told[i], pictures, length = describe(item, folder, maker)
    seconds = seconds + length
    if next(pictures) then
      scripts[#scripts + 1] = ('<script type="application/json" '
        .. 'id="pictures-%d">%s</script>\n'):format(i - 1, encode(pictures))
    end
  end
  local css, js = read(HERE .. "page.css"), read(HERE .. "page.js")
  local parts = {
    title = escape(given.title or "Separated recordings"),
    css = css, js = js, policy = policy(css, js),
    pictures = table.concat(scripts),
    data = encode({ items = told, columns = COLUMNS, rows = ROWS, peaks = PEAKS,
      made = core.time(), summary = summary(list, seconds) }),
  }
  return write_whole(path, { (read(HERE .. "page.html"):gsub("{{(%l+)}}",
    parts)) })
end

return report
