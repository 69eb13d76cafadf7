--- Audio for specs: files made and decoded by the ffmpeg command, and what can
--- be said about their samples.

local luas = require "spec.support.luas"

local audio = {}

local BATCH = 128 -- numbers that one call unpacks

local function shell(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "*a"
  assert(pipe:close(), command .. "\n" .. output)
  return output
end

--- For the shell: one word, whatever is in it.
local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

-- Little-endian signed integers of `size` bytes.
local function unpack_integers(bytes, size)
  local values, at, count = {}, 1, math.floor(#bytes / size)
  local batch = "<" .. ("i" .. size):rep(BATCH)
  for i = 1, count - count % BATCH, BATCH do
    luas.move({ luas.unpack_bytes(batch, bytes, at) }, 1, BATCH, i, values)
    at = at + BATCH * size
  end
  for i = #values + 1, count do
    values[i] = luas.unpack_bytes("<i" .. size, bytes, at)
    at = at + size
  end
  return values
end

local function pack_integers(values, size)
  local parts, pack = {}, "<" .. ("i" .. size):rep(BATCH)
  local whole = #values - #values % BATCH
  for i = 1, whole, BATCH do
    parts[#parts + 1] = luas.pack(pack, luas.unpack(values, i, i + BATCH - 1))
  end
  for i = whole + 1, #values do
    parts[#parts + 1] = luas.pack("<i" .. size, values[i])
  end
  return table.concat(parts)
end

--- Make a file: `arguments` stand between ffmpeg's name and the path.
function audio.make(arguments, path)
  shell(("ffmpeg -nostdin -v error -y %s %s"):format(arguments, quote(path)))
  return path
end

--- A few seconds of a recording as 16-bit WAV.
function audio.cut(from, start, seconds, path)
  return audio.make(("-ss %g -t %g -i %s -c:a pcm_s16le"):format(start, seconds,
    quote(from)), path)
end

--- Integers, channels interleaved, as a 16-bit WAV file.
function audio.write(path, samples, rate, channels)
  local data = pack_integers(samples, 2)
  local file = assert(io.open(path, "wb"))
  assert(file:write(luas.pack("<c4I4c4c4I4I2I2I4I4I2I2c4I4", "RIFF", 36 + #data,
    "WAVE", "fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2,
    16, "data", #data), data))
  file:close()
  return path
end

-- The fields of a WAV file that ffmpeg made, and its samples.
local function read_wav(path)
  local bytes, at, sound = slurp(path), 13, {}
  while at < #bytes do
    local name, size = luas.unpack_bytes("<c4I4", bytes, at)
    at = at + 8
    if name == "fmt " then
      sound.channels, sound.rate = luas.unpack_bytes("<I2I4", bytes, at + 2)
      sound.bits = luas.unpack_bytes("<I2", bytes, at + 14)
    elseif name == "data" then
      local data = bytes:sub(at, at + size - 1)
      sound.samples = unpack_integers(data, math.floor(sound.bits / 8))
    end
    at = at + size + size % 2
  end
  return sound
end

--- The first audio track of each file, as ffmpeg decodes it.
---@param paths string[]
---@param bits integer? # 16, the default, or 24
---@return { rate: integer, channels: integer, samples: integer[] }[]
function audio.decode(paths, bits)
  local inputs, outputs, raw, sounds = {}, {}, {}, {}
  for i, path in ipairs(paths) do
    raw[i] = os.tmpname()
    inputs[i] = "-i " .. quote(path)
    outputs[i] = ("-map %d:a:0 -c:a %s -f wav %s"):format(i - 1,
      bits == 24 and "pcm_s32le" or "pcm_s16le", raw[i])
  end
  shell(("ffmpeg -nostdin -v error -y %s %s"):format(table.concat(inputs, " "),
    table.concat(outputs, " ")))
  for i, path in ipairs(raw) do
    sounds[i] = read_wav(path)
    os.remove(path)
    local samples = sounds[i].samples
    for k = 1, bits == 24 and #samples or 0 do
      samples[k] = math.floor(samples[k] / 256)
    end
  end
  return sounds
end

--- True when every sample is 0.
function audio.is_silent(samples)
  for i = 1, #samples do
    if samples[i] ~= 0 then return false end
  end
  return true
end

--- The sum of the squares of all samples.
function audio.energy(samples)
  local sum = 0.0
  for i = 1, #samples do
    sum = sum + samples[i] * samples[i]
  end
  return sum
end

--- True when two signals are one, sample by sample.
function audio.is_same(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return #a == #b
end

--- How near `estimate` is to `truth` whatever its level: scale-invariant ratio
--- of signal to distortion, in dB.
function audio.si_sdr(estimate, truth)
  assert(#estimate == #truth, "signals of two lengths")
  local estimated, true_energy, common = 0.0, 0.0, 0.0
  for i = 1, #truth do
    local e, t = estimate[i], truth[i]
    estimated = estimated + e * e
    true_energy = true_energy + t * t
    common = common + e * t
  end
  local signal = common * common / true_energy
  return 10 * math.log(signal / (estimated - signal), 10)
end

--- Why two sounds do not sum to a third; nil when they do.
function audio.sum_problem(whole, one, other)
  local mixture, a, b = whole.samples, one.samples, other.samples
  if #a ~= #mixture or #b ~= #mixture then
    return ("%d and %d samples cannot sum to %d"):format(#a, #b, #mixture)
  end
  for i = 1, #mixture do
    if a[i] + b[i] ~= mixture[i] then
      return ("sample %d: %d + %d is not %d"):format(i, a[i], b[i], mixture[i])
    end
  end
end

--- True when two 16-bit stems sum to the file that they came from, whatever
--- its length.  A float holds every sum of two such samples.
function audio.has_sum(source, foreground, background)
  local hash = " -c:a pcm_s16le -f md5 -"
  local run = "ffmpeg -nostdin -v error -i %s "
  return shell((run .. hash):format(quote(source))) == shell((run .. "-i %s "
    .. "-filter_complex amix=inputs=2:normalize=0" .. hash):format(
      quote(foreground), quote(background)))
end

--- Two stems against the file that they came from: why they are not whole, or
--- nil when rate, channels and length are the source's and they sum to it
--- exactly.
---@param source string      # a path, as the two others
---@param foreground string
---@param background string
---@param bits integer?      # at which to compare; 16
---@return string? problem
---@return { rate: integer, channels: integer, samples: integer[] } mixture
---@return table foreground # of the same form
---@return table background
function audio.compare(source, foreground, background, bits)
  local sounds = audio.decode({ source, foreground, background }, bits)
  local wanted, problem = sounds[1], nil
  for i, name in ipairs{ "foreground", "background" } do
    local got = sounds[i + 1]
    if got.rate ~= wanted.rate or got.channels ~= wanted.channels then
      problem = ("the %s has %d channels at %d Hz, the source %d at %d Hz")
        :format(name, got.channels, got.rate, wanted.channels, wanted.rate)
    end
  end
  problem = problem or audio.sum_problem(luas.unpack(sounds))
  return problem, luas.unpack(sounds)
end

return audio
