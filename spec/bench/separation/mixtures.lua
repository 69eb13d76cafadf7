--- Mixtures with true stems, out of recordings.

local audio = require "spec.support.audio"
local recordings = require "spec.bench.separation.recordings"

local mixtures = {}

local SECONDS, RATE = 12, 44100
local PEAK = 29000 -- of a mixture, in 16 bits

--- How a lead in one channel is put into the mixture's channels.
local PLACES = {
  mono = { 1 },
  centred = { 1, 1 },
  panned = { 1.26, 0.64 }, -- 27 degrees
}

--- A group, the lead, the rest; levels and places take turns.
local PAIRS = {
  { "speech over music", "woman", "concerto" },
  { "speech over music", "man", "song" },
  { "speech over music", "woman 3", "score" },
  { "speech over ambience", "woman 2", "birds" },
  { "speech over ambience", "man", "sauna" },
  { "speech over ambience", "woman 3", "machine" },
  { "singing over music", "singer", "concerto" },
  { "singing over music", "singer", "score" },
  { "lead over accompaniment", "oboe", "score" },
  { "lead over accompaniment", "guitar", "song" },
  { "lead over accompaniment", "slide guitar", "concerto" },
}
local LEVELS = { -5, 0, 5 } -- dB
local ORDER = { "mono", "centred", "panned" }

--- All of them: group, lead, rest, level, place.
function mixtures.list()
  local list = {}
  for i, pair in ipairs(PAIRS) do
    for k, level in ipairs(LEVELS) do
      list[#list + 1] = { group = pair[1], lead = pair[2], rest = pair[3],
        level = level, place = ORDER[(i + k) % 3 + 1] }
    end
  end
  return list
end

local function recording(folder, name, channels)
  local path = audio.make(recordings.words(name, SECONDS, channels, folder)
    .. " -c:a pcm_s16le", folder .. "/recording.wav")
  local samples = audio.decode({ path })[1].samples
  assert(#samples == SECONDS * RATE * channels, name .. " is cut off")
  return samples
end

--- One channel becomes as many as `gains` has.
local function place(samples, gains)
  local placed, n = {}, 0
  for i = 1, #samples do
    for c = 1, #gains do
      n = n + 1
      placed[n] = samples[i] * gains[c]
    end
  end
  return placed
end

local function peak_of_sum(a, b, gain)
  local peak = 0
  for i = 1, #a do
    peak = math.max(peak, math.abs(a[i] * gain + b[i]))
  end
  return peak
end

--- Integers: the mixture is the exact sum of its stems.
local function scale(samples, gain)
  for i = 1, #samples do
    samples[i] = math.floor(samples[i] * gain + 0.5)
  end
end

--- Make one: its samples and those of the true lead, and the file.
function mixtures.make(folder, mixture)
  local gains = PLACES[mixture.place]
  local lead = place(recording(folder, mixture.lead, 1), gains)
  local rest = recording(folder, mixture.rest, #gains)
  local gain = math.sqrt(audio.energy(rest) / audio.energy(lead)
    * 10 ^ (mixture.level / 10))
  local level = PEAK / peak_of_sum(lead, rest, gain)
  scale(lead, gain * level)
  scale(rest, level)
  for i = 1, #lead do
    rest[i] = rest[i] + lead[i]
  end
  local path = audio.write(folder .. "/mixture.wav", rest, RATE, #gains)
  return path, rest, lead
end

return mixtures
