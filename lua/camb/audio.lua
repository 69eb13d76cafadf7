--- Recordings through FFmpeg's libraries: what they say of themselves, what
--- they look like, and other formats.  It comes with the rock camb-sandbox.
--- Each call blocks, in constant memory: `probe` for as long as reading the
--- file's head takes, the others for a few seconds an hour of sound.

local ascii = require "camb.ascii"
local check = require "camb.check"
local client_core = require "camb.core"
local core = require "camb.sandbox.core"
local Error = require "camb.error"

local audio = {}

local COLUMNS = check.whole(1, 8192)
local PEAKS = { columns = COLUMNS }
local SPECTROGRAM = { columns = check.whole(1, 4096),
  rows = check.whole(1, 256) }

-- `given` with defaults, after a check of it and of `path`.
local function options(path, given, schema, defaults)
  if path == nil then
    error("a path is missing", 3)
  end
  check.value("path", path, check.filled, 3)
  local checked = check.options(given, schema, 3)
  for name, value in pairs(defaults) do
    checked[name] = checked[name] or value
  end
  return checked
end

local function failed(path, is_unreadable, words)
  return nil, Error.new({ kind = is_unreadable and "file" or "source",
    path = path, message = ('"%s": %s'):format(path, words) })
end

--- What a recording says of itself.
---@class camb.Probe
---@field duration number?    # seconds; nil if the file does not say
---@field is_estimate boolean # the duration is computed from the bit rate
---@field rate integer        # Hz
---@field channels integer  # 1: mono, 2: stereo, …
---@field codec string        # FFmpeg's name, such as "flac" or "mp3"
---@field container string    # FFmpeg's name, such as "wav" or "mov"
---@field has_cover boolean    # it holds a picture
---@field tags table<string, string> # by names in small letters: title, artist

--- What the recording at `path` says of itself, without decoding it.
---@param path string
---@return camb.Probe? probe
---@return camb.Error? err # kind "source": no audio; "file": cannot be read
function audio.probe(path)
  options(path, nil, {}, {})
  local found, is_unreadable, words = core.probe(path)
  if not found then
    return failed(path, is_unreadable, words)
  end
  return found
end

local function look(path, peaks, columns, rows)
  local found, is_unreadable, words = core.overview(path, peaks, columns, rows)
  if not found then
    return failed(path, is_unreadable, words)
  end
  found.duration = found.samples / found.rate
  return found
end

--- A waveform.
---@class camb.Peaks
---@field low number[]      # the lowest sample in each column, -1 to 1
---@field high number[]     # the highest, of any channel
---@field rate integer      # Hz
---@field channels integer  # 1: mono, 2: stereo, …
---@field samples integer   # per channel
---@field duration number   # seconds, exact

--- The waveform of the recording at `path`: its extremes in `columns` (1 to
--- 8192; default 1000) of equal time.
---@param path string
---@param given { columns: integer? }?
---@return camb.Peaks? peaks
---@return camb.Error? err # kind "source": no audio; "file": cannot be read
function audio.peaks(path, given)
  local checked = options(path, given, PEAKS, { columns = 1000 })
  return look(path, checked.columns, 0, 0)
end

--- A spectrogram.
---@class camb.Spectrogram
---@field cells string      # a byte a cell, the row of the highest notes first:
---                         # 0 is -96 dB or less, 255 a sine of full scale
---@field columns integer   # of equal time
---@field rows integer      # of equal width on the mel scale
---@field lowest number     # Hz, of the lowest row's lower border
---@field highest number    # Hz, of the highest row's upper border
---@field rate integer      # Hz
---@field channels integer  # 1: mono, 2: stereo, …
---@field samples integer   # per channel
---@field duration number   # seconds, exact

--- The spectrogram of the recording at `path`, of the mean of its channels, in
--- `columns` (1 to 4096; default 1000) of equal time and `rows` (1 to 256;
--- default 128).
---@param path string
---@param given { columns: integer?, rows: integer? }?
---@return camb.Spectrogram? spectrogram
---@return camb.Error? err # kind "source": no audio; "file": cannot be read
function audio.spectrogram(path, given)
  local checked = options(path, given, SPECTROGRAM,
    { columns = 1000, rows = 128 })
  local found, err = look(path, 0, checked.columns, checked.rows)
  if found then
    found.columns, found.rows = checked.columns, checked.rows
  end
  return found, err
end

local CONVERT = {
  format = check.one_of(core.formats),
  bitrate = check.whole(8000, 1000000),
  tags_from = check.filled,
  overwrite = check.boolean,
}

local function refuse_output(path, words)
  return nil, Error.new({ kind = "file", path = path,
    message = ('"%s": %s'):format(path, words) })
end

--- What `convert` takes.
---@class camb.ConvertOptions
---@field format "flac"|"wav"|"mp3"|"opus"|"m4a"|"aac"|nil # default: what the
---                        # output's extension says
---@field bitrate integer? # bit/s, of MP3 (default 256000), Opus (160000) and
---                        # AAC (192000)
---@field tags_from string? # the file whose tags and cover are copied; default:
---                        # the recording itself
---@field overwrite boolean? # replace an output that exists

--- Write the recording at `path` to `output` in another format, whole or not at
--- all.  FLAC and WAV are exact; the others take up to the rates and channels
--- that they know (MP3 and Opus: stereo).  Tags are copied to all but ADTS
--- (`aac`), covers to FLAC, MP3 and M4A.
---@param path string
---@param output string
---@param given camb.ConvertOptions?
---@return boolean? ok
---@return camb.Error? err # kind "source": no audio; "file": cannot be read, or
---  the output cannot be written
function audio.convert(path, output, given)
  local checked = options(path, given, CONVERT, {})
  check.value("output", output, check.filled, 2)
  if output == nil then
    error("an output is missing", 2)
  end
  local format = checked.format or ascii.lower(output:match("%.(%w+)$") or "")
  if CONVERT.format.check(format) then
    error(("option 'output': its extension is none of %s"):format(
      table.concat(core.formats, ", ")), 2)
  elseif not checked.overwrite and client_core.stat(output) then
    return refuse_output(output, "exists already")
  end
  local part = output .. ".part"
  local ok, is_unreadable, words = core.convert(path, part, format,
    checked.bitrate or 0, checked.tags_from or path)
  if not ok then
    os.remove(part)
    return failed(path, is_unreadable, words)
  end
  local problem
  ok, problem = os.rename(part, output)
  if not ok then
    os.remove(part)
    return refuse_output(output, problem)
  end
  return true
end

--- Both in one pass.
---@package
---@param path string
---@param peaks integer   # columns of the waveform
---@param columns integer # of the spectrogram
---@param rows integer
---@return table? overview
---@return camb.Error? err
function audio.overview(path, peaks, columns, rows)
  return look(path, peaks, columns, rows)
end

return audio
