--- Recordings through FFmpeg's libraries: their tags and formats, their
--- pictures, and conversion.  It comes with the rock camb-sandbox.  Each call
--- takes constant memory.  `probe` blocks for as long as reading the file's
--- head takes; the others take a few seconds an hour of sound, in which other
--- jobs of camb.run go on.

local check = require "camb.check"
local client_core = require "camb.core"
local core = require "camb.sandbox.core"
local Error = require "camb.error"
local scheduler = require "camb.async.scheduler"
local text = require "camb.text"

local audio = {}

local format = check.one_of(core.formats)

--- The options of each function, for the reference; entries are as camb.options
--- has them.
---@package
---@type table<string, camb.Option[]>
audio.OPTIONS = {
  peaks = {
    { name = "columns", rule = check.whole(1, 8192), default = 1000,
      help = "Number of columns, 1 to 8192." },
  },
  spectrogram = {
    { name = "columns", rule = check.whole(1, 4096), default = 1000,
      help = "Number of columns, 1 to 4096." },
    { name = "rows", rule = check.whole(1, 256), default = 128,
      help = "Number of rows, 1 to 256." },
  },
  convert = {
    { name = "format", rule = format,
      help = "Format of the output.  Default: what its extension says." },
    { name = "bitrate", rule = check.whole(8000, 1000000), unit = "bit/s",
      help = "Bit rate of MP3, Opus and AAC.  Default: 256000 for MP3, 160000 "
        .. "for Opus, 192000 for AAC." },
    { name = "tags_from", rule = check.filled,
      help = "File whose tags and cover are copied.  Default: the "
        .. "recording." },
    { name = "overwrite", rule = check.boolean, default = false,
      help = "Replace an existing output." },
  },
}

local PEAKS = check.schema(audio.OPTIONS.peaks)
local SPECTROGRAM = check.schema(audio.OPTIONS.spectrogram)
local CONVERT = check.schema(audio.OPTIONS.convert)

-- `given` with defaults, after a check of it and of `path`.
local function options(path, given, schema)
  if path == nil then
    error("a path is missing", 3)
  end
  check.value("path", path, check.filled, 3)
  local checked = check.options(given, schema, 3)
  return checked -- no tail call: an error has to find the caller's line
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
  options(path, nil, {})
  local found, is_unreadable, words = core.probe(path)
  if not found then
    return failed(path, is_unreadable, words)
  end
  return found
end

-- Seconds between two looks at what a thread does: the first, and the most.
local LOOK, LONGEST_LOOK = 0.001, 0.02

-- What `work` on `path` comes to; in the loop of `client` others run meanwhile.
local function wait_for(client, path, work)
  local pause = LOOK
  local result, is_unreadable, words = work:outcome()
  local ok = true
  while result == false and ok do
    ok = scheduler.sleep_for(client, pause)
    pause = math.min(2 * pause, LONGEST_LOOK)
    result, is_unreadable, words = work:outcome()
  end
  work:close()
  if result == false then
    return nil, Error.new({ kind = "cancelled",
      message = "the job was cancelled" })
  elseif not result then
    return failed(path, is_unreadable, words)
  end
  return result
end

local function look(client, path, peaks, columns, rows)
  local found, err = wait_for(client, path, core.overview(path, peaks, columns,
    rows))
  if found then
    found.duration = found.samples / found.rate
  end
  return found, err
end

--- A waveform.
---@class camb.Peaks
---@field low number[]      # the lowest sample in each column, -1 to 1
---@field high number[]     # the highest, of any channel
---@field rate integer      # Hz
---@field channels integer  # 1: mono, 2: stereo, …
---@field samples integer   # per channel
---@field duration number   # seconds, exact

--- The waveform of the recording at `path`: its extremes in columns of equal
--- time.
---@param path string
---@param given camb.PeaksOptions?
---@param client camb.Client? # in whose loop other jobs go on meanwhile
---@return camb.Peaks? peaks
---@return camb.Error? err # kind "source": no audio; "file": cannot be read
function audio.peaks(path, given, client)
  local checked = options(path, given, PEAKS)
  return look(client, path, checked.columns, 0, 0)
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

--- The spectrogram of the recording at `path`, of the mean of its channels.
---@param path string
---@param given camb.SpectrogramOptions?
---@param client camb.Client? # in whose loop other jobs go on meanwhile
---@return camb.Spectrogram? spectrogram
---@return camb.Error? err # kind "source": no audio; "file": cannot be read
function audio.spectrogram(path, given, client)
  local checked = options(path, given, SPECTROGRAM)
  local found, err = look(client, path, 0, checked.columns, checked.rows)
  if found then
    found.columns, found.rows = checked.columns, checked.rows
  end
  return found, err
end

local function refuse_output(path, words)
  return nil, Error.new({ kind = "file", path = path,
    message = ('"%s": %s'):format(path, words) })
end

--- Write the recording at `path` to `output` in another format, whole or not at
--- all.  FLAC and WAV are exact; the others take up to the rates and channels
--- that they know (MP3 and Opus: stereo).  Tags are copied to all but ADTS
--- (`aac`), covers of up to 15 MiB to all but ADTS and WAV.
---@param path string
---@param output string
---@param given camb.ConvertOptions?
---@param client camb.Client? # in whose loop other jobs go on meanwhile
---@return boolean? ok
---@return camb.Error? err # kind "source": no audio; "file": cannot be read, or
---  the output cannot be written
function audio.convert(path, output, given, client)
  local checked = options(path, given, CONVERT)
  check.value("output", output, check.filled, 2)
  if output == nil then
    error("an output is missing", 2)
  end
  local wanted = checked.format or text.lower(output:match("%.(%w+)$") or "")
  if format.check(wanted) then
    error(("option 'output': its extension is none of %s"):format(
      table.concat(core.formats, ", ")), 2)
  elseif not checked.overwrite and client_core.stat(output) then
    return refuse_output(output, "already exists")
  end
  local part = output .. ".part"
  local ok, err = wait_for(client, path, core.convert(path, part, wanted,
    checked.tags_from or path, checked.bitrate or 0))
  if not ok then
    return nil, err
  end
  local problem
  ok, problem = os.rename(part, output)
  if not ok then
    os.remove(part)
    return refuse_output(output, problem)
  end
  return true
end

--- Both in one pass, in the letters that the page of `camb report` reads.
---@package
---@param path string
---@param peaks integer   # columns of the waveform
---@param columns integer # of the spectrogram
---@param rows integer
---@return { duration: number, rate: integer, channels: integer, peaks: string,
---  cells: string }? picture
---@return camb.Error? err
function audio.picture(path, peaks, columns, rows)
  return wait_for(nil, path, core.picture(path, peaks, columns, rows))
end

return audio
