--- The source of an upload, looked at before anything is sent: it exists, it
--- is not empty, and its first bytes are audio that the service takes.

local advice = require "camb.advice"
local lower = require("camb.text").lower
local check = require "camb.check"
local core = require "camb.core"
local options = require "camb.options"
local redact = require "camb.redact"

local source = {}

-- Extensions of other recordings, which the service does not take.
local OTHERS = {}
for extension in ("aif aiff aifc ogg oga opus spx wma asf caf mkv mka mov webm "
  .. "weba avi m4b m4r m4v mpg mpeg mpa mp1 mp2 vob ts mts m2ts mxf flv f4v "
  .. "3gp 3g2 amr au snd sf ircam paf voc w64 wv ape tta tak shn mpc ac3 eac3 "
  .. "dts mlp thd dsf dff ra rm oma aa3 wmv"):gmatch("%S+") do
  OTHERS[extension] = true
end

-- Of a reader: what is looked at, and how much more if it begins with a tag.
local HEAD_BYTES, TAG_BYTES = 64, 2 ^ 20

--- What is separated.
---@alias camb.Source
---| string # path of a file, or an http(s) or s3 URL that is fetched first
---| { data: string, filename: string? } # the audio itself
---| { read: (fun(): string?), size: integer, filename: string? } # a reader
---| { path: string, filename: string? } # with another name for the service

--- True for what is in S3: its key stands in the URL as it is.
---@param given any
---@return boolean
function source.is_s3(given)
  return type(given) == "string" and given:find("^[sS]3://") ~= nil
end

--- True for a source that has to be fetched first.
---@param given camb.Source
---@return boolean
function source.is_url(given)
  return type(given) == "string" and given:find("://", 1, true) ~= nil
    and (given:find("^[hH][tT][tT][pP][sS]?://") ~= nil or source.is_s3(given))
end

--- A path, or a URL, as camb writes it.
---@param given string
---@return string
function source.path(given)
  return source.is_url(given) and given or core.path(given)
end

local function check_table(given, level)
  local checked = check.options(given, options.of("source"), level + 1)
  local kinds = (checked.path and 1 or 0) + (checked.data and 1 or 0)
    + (checked.read and 1 or 0)
  if kinds ~= 1 then
    error("source: exactly one of 'path', 'data' and 'read' is needed",
      level + 1)
  elseif checked.read and not checked.size then
    error("source: a reader needs 'size', the number of bytes that it returns",
      level + 1)
  end
  checked.path = checked.path and source.path(checked.path)
  return checked
end

--- Check the form of a source; misuse raises.
---@param given camb.Source
---@param level integer # as for `error`, seen from the caller of this function
---@return table origin # a table with path, data or read
function source.check(given, level)
  if type(given) == "table" then
    local origin = check_table(given, level + 1) -- no tail call: see `level`
    return origin
  elseif type(given) ~= "string" then
    error(("source: path or table expected, got %s"):format(type(given)),
      level + 1)
  end
  check.value("source", given, check.filled, level + 1)
  return { path = source.path(given) }
end

--- What people call it.
---@param origin table
---@return string
function source.label(origin)
  if origin.label then -- it was fetched from there
    return origin.label
  elseif source.is_url(origin.path) then
    return redact.urls(origin.path)
  end
  return origin.path or origin.filename or "the given audio"
end

--- The fields of an error if a file's name cannot be sent as it is: that is
--- the file's fault, and no mistake in the program; nil if it can.
---@param given any
---@return table? problem
---@return string? label
function source.name_problem(given)
  local path = type(given) == "table" and given.path or given
  if type(path) ~= "string" or not path:find("[%z\1-\31\127]") then
    return nil
  end
  local label = redact.visible(redact.urls(path))
  return { kind = "source", path = label, message = ('the name "%s" contains '
    .. "a control character: rename the file"):format(label) }, label
end

--- `text`, of a URL, as it was before it was encoded.
---@param text string
---@return string
function source.decode(text)
  return (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The last part of a path, or of a URL's path as it was before it was encoded.
local function basename(path)
  local is_url = source.is_url(path)
  if source.is_s3(path) then
    path, is_url = path:sub(6), false
  elseif is_url then
    path = path:gsub("^%a+://", ""):gsub("[?#].*$", "")
  end
  local name = path:match("([^/]+)/*$")
  if is_url and not path:find("/[^/]") then
    return "audio" -- it has a host only
  end
  return name and (is_url and source.decode(name) or name) or "audio"
end

--- What a file is called that comes from a URL.
---@param url string
---@param disposition string # Content-Disposition of the reply, or ""
---@return string
function source.fetched_name(url, disposition)
  local name = disposition:match("[fF][iI][lL][eE][nN][aA][mM][eE]%*%s*=%s*"
    .. "[uU][tT][fF]%-8'[^']*'([^;%s]+)")
  name = name and source.decode(name)
    or disposition:match('[fF][iI][lL][eE][nN][aA][mM][eE]%s*=%s*"([^"]+)"')
    or disposition:match('[fF][iI][lL][eE][nN][aA][mM][eE]%s*=%s*([^";%s]+)')
  name = name and name:match("([^/\\]+)[/\\]*$") or basename(url)
  return name:find("^%.*$") and "audio" or core.file_name(name)
end

--- What its stems are named after: the file's name without its extension, and
--- without anything that would lead elsewhere.
---@param origin table
---@return string
function source.stem_name(origin)
  local name = basename(origin.filename or origin.path or "audio")
    :gsub("%.%w+$", "")
  return name:find("^%.*$") and "audio" or core.file_name(name)
end

local function unreadable(origin, reason)
  local label = source.label(origin)
  return nil, {
    kind = "file",
    shell = "fixed",
    path = label,
    message = ('the source "%s" cannot be read: %s'):format(label, reason),
  }
end

--- What a file is that the service does not take, by its name; nil if the name
--- says nothing of the kind.
---@param name string
---@return string?
function source.other(name)
  local extension = name:match("^.*%.(%w+)$") or ""
  return OTHERS[lower(extension)] and extension:upper() or nil
end

--- Why the service does not take what `name` says it is.
---@param name string # "AIFF"
---@return string
function source.why_not(name)
  return ("is %s, which the service does not accept: %s"):format(name,
    advice.on("format"))
end

-- The bytes that it has and, if they are at hand, what they are, as
-- core.detect tells it.
local function look(origin)
  if origin.data then
    return #origin.data, core.detect(origin.data)
  elseif origin.read then
    return origin.size
  end
  local kind, size, name, extension, content_type, accepted, is_hollow =
    core.look(origin.path)
  if not kind then
    return unreadable(origin, size)
  elseif kind == "folder" then
    return unreadable(origin, "it is a folder, not a file")
  elseif kind ~= "file" then
    return unreadable(origin, "it is not a regular file")
  end
  return size, name, extension, content_type, accepted, is_hollow
end

local function refuse(origin, reason)
  local label = source.label(origin)
  return nil, {
    kind = "source",
    path = origin.label or origin.path,
    message = ('the source "%s" %s'):format(label, reason),
  }
end

--- Ask a reader for its next bytes.
---@param read fun(): string?
---@return string chunk # "" at its end
---@return string? problem
function source.pull(read)
  local ok, chunk = pcall(read)
  if not ok then
    return "", "the source's reader failed: " .. tostring(chunk)
  elseif chunk ~= nil and type(chunk) ~= "string" then
    return "", ("the source's reader returned a %s instead of a string"):format(
      type(chunk))
  end
  return chunk or ""
end

local function is_tag(head)
  return head:find("^ID3") or head:find("^APETAGEX") or head:find("^%z")
end

-- A reader is asked for enough to see what it is, behind tags too; the bytes
-- are sent first.
local function pull_head(origin)
  local pieces, size, want = {}, 0, HEAD_BYTES
  while size < want and size < origin.size do
    local chunk, problem = source.pull(origin.read)
    if problem then
      return nil, problem
    elseif chunk == "" then
      break
    end
    pieces[#pieces + 1] = chunk
    size = size + #chunk
    if size >= HEAD_BYTES and want == HEAD_BYTES
      and is_tag(table.concat(pieces))
    then
      want = TAG_BYTES
    end
  end
  return table.concat(pieces)
end

-- Some cut what a form says at a quotation mark.
local function form_name(origin)
  return (core.file_name(basename(origin.filename or origin.path or "audio"))
    :gsub('"', "_"))
end

local function upload_name(origin, extension)
  local name = form_name(origin)
  local has = name:match("^.*%.(%w+)$")
  local known = has and core.named(lower(has))
  if not known then
    return name .. "." .. extension
  elseif known ~= extension then
    return name:sub(1, -#has - 1) .. extension
  end
  return name
end

-- What the name says that it is, if the service does not take that.
local function other_of(origin)
  return not origin.is_converted
    and source.other(origin.filename or origin.path or "") or nil
end

--- True for a file that the service takes as it is.
---@param origin table # with a path
---@return boolean
function source.is_accepted(origin)
  return not other_of(origin) and select(6, core.look(origin.path)) == true
end

--- Look at the source.
---@param origin table # of `source.check`
---@param trust boolean # skip the look at the first bytes
---@return table? prepared # path | data | read, url, head, size, filename,
---  type
---@return table? problem  # fields of an error
function source.prepare(origin, trust)
  local size, name, extension, content_type, accepted, is_hollow = look(origin)
  local head
  if not size then
    return nil, name
  elseif size == 0 then
    return refuse(origin, "is empty")
  end
  if origin.read then
    local reason
    head, reason = pull_head(origin)
    if reason then
      return nil, { kind = "source", message = reason }
    end
    name, extension, content_type, accepted, is_hollow = core.detect(head)
    is_hollow = is_hollow and #head == origin.size
  end
  local other = other_of(origin)
  if not trust and (other or not accepted) then
    return refuse(origin, (other or name) and source.why_not(other or name)
      or "is not audio that the service accepts: its first bytes are not those "
      .. "of FLAC, MP3, WAV or AAC" .. advice.on("unknown"))
  elseif not trust and is_hollow then
    return refuse(origin, "contains no sound: it ends where that would begin")
  end
  return {
    path = origin.path,
    url = origin.url,
    label = source.label(origin),
    data = origin.data,
    read = origin.read,
    head = head,
    size = size,
    filename = extension and upload_name(origin, extension)
      or form_name(origin),
    content_type = content_type or "application/octet-stream",
  }
end

return source
