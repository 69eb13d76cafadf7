-- What the engine makes of plain cases, where one knows what it should; and
-- what must not be heard of how it computes.

local audio = require "spec.support.audio"
local engine = require "spec.support.engine"
local workspace = require "spec.support.workspace"

local RATE, SECONDS = 44100, 6
local SPEECH = "examples/ingredients/speech.flac"
local MUSIC = "examples/ingredients/music.flac"
-- dB: what may be left where nothing should be
local NOISE, MUSIC_LEFT, BAND_LEFT, SPEECH_LEFT = -40, -40, -20, -20

local energy = audio.energy

local folder

workspace.for_file(function(path)
  folder = path
end)

teardown(function()
  collectgarbage()
end)

local function separate(path, words)
  local foreground, background = folder .. "/foreground.flac",
    folder .. "/background.flac"
  assert(engine.separate(path, foreground, background, words))
  return foreground, background
end

--- The samples of the source and of both stems.
local function separated(path, words, bits)
  local sounds = audio.decode({ path, separate(path, words) }, bits)
  return sounds[1].samples, sounds[2].samples, sounds[3].samples
end

local function is_below(limit, part, whole)
  local decibel = 10 * math.log((energy(part) + 1e-9) / energy(whole), 10)
  assert.is_true(decibel <= limit, ("%.1f dB, where at most %g are expected")
    :format(decibel, limit))
end

local function cut(path, name)
  return audio.cut(path, 2, SECONDS, ("%s/%s.wav"):format(folder, name))
end

--- Integers of both channels, made by `at(seconds, channel)` from -1 to 1.
local function write(name, at)
  local samples = {}
  for i = 0, SECONDS * RATE - 1 do
    for c = 1, 2 do
      samples[#samples + 1] = math.floor(32000 * at(i / RATE, c) + 0.5)
    end
  end
  return audio.write(("%s/%s.wav"):format(folder, name), samples, RATE, 2),
    samples
end

local function noise()
  local state = 1
  return function()
    state = state * 48271 % 2147483647
    return (state / 2147483647 - 0.5) * 0.3
  end
end

-- Organ chords, struck each half second and held, over a kick and a hat.
local function band()
  local hiss, roots, one = noise(), { 0, 5, 7, 3 }, 0
  local function chord(t)
    local bar, part, sum = math.floor(t / 2), t % 0.5, 0
    local root = 220 * 2 ^ (roots[bar % 4 + 1] / 12)
    for _, semitones in ipairs{ 0, bar % 2 == 0 and 3 or 4, 7 } do
      local hz = root * 2 ^ (semitones / 12)
      for k = 1, 8 do
        sum = sum + math.sin(2 * math.pi * hz * k * part) * k ^ -0.8
      end
    end
    return sum * math.max(0, math.min(1, part * 100, (0.45 - part) * 50))
  end
  return function(t, channel)
    if channel == 1 then
      local part = t % 0.5
      local beat = t % 1 < 0.5 and 4 * math.sin(2 * math.pi * 55 * part)
        * math.exp(-30 * part) or 15 * hiss() * math.exp(-35 * part)
      one = 0.05 * (chord(t) + beat)
    end
    return one
  end
end

describe("of a recording that has only one of the two the other stem is empty:",
  function()
    it("silence gives silence", function()
      local _, foreground, background = separated(write("silence", function()
        return 0
      end), "")
      assert.is_true(audio.is_silent(foreground)
        and audio.is_silent(background))
    end)

    it("noise goes to the background", function()
      local mixture, foreground = separated(write("noise", noise()), "")
      is_below(NOISE, foreground, mixture)
    end)

    it("music goes to the background", function()
      local mixture, foreground = separated(cut(MUSIC, "music"), "")
      is_below(MUSIC_LEFT, foreground, mixture)
    end)

    it("a band without a lead goes to the background", function()
      local mixture, foreground = separated(write("band", band()), "")
      is_below(BAND_LEFT, foreground, mixture)
    end)

    it("speech goes to the foreground", function()
      local mixture, _, background = separated(cut(SPEECH, "speech"), "")
      is_below(SPEECH_LEFT, background, mixture)
    end)

    for title, pan in pairs{ left = "c0=c0|c1=0*c0", right = "c0=0*c0|c1=c0" } do
      it("speech does in the " .. title .. " channel alone", function()
        local path = audio.make(("-i %s -af 'pan=stereo|%s'"):format(
          cut(SPEECH, "speech"), pan), folder .. "/side.wav")
        local mixture, _, background = separated(path, "")
        is_below(SPEECH_LEFT, background, mixture)
      end)
    end
  end)

describe("a bass in the middle", function()
  -- Notes of half a second, with what a string has of harmonics.
  local function bass(t, low)
    local hz, part = low * 2 ^ (math.floor(t * 2) * 5 % 12 / 12), t % 0.5
    local sum = 0
    for k = 1, 6 do
      sum = sum + math.sin(2 * math.pi * hz * k * t) / k
    end
    return 0.2 * sum * math.min(1, part * 50) * math.exp(-3 * part)
  end

  -- The lowest note in Hz, and how much of the bass may be in the foreground.
  for low, most in pairs{ [55] = 0.11, [70] = 0.14 } do
    it("stays in the background of speech from " .. low .. " Hz on", function()
      local speech = audio.decode{ cut(SPEECH, "speech") }[1].samples
      local _, notes = write("bass", function(t)
        return bass(t, low)
      end)
      local mixture = {}
      for i = 1, #notes do
        mixture[i] = notes[i] + speech[i]
      end
      local path = audio.write(folder .. "/over.wav", mixture, RATE, 2)
      local _, foreground = separated(path, "")
      local common = 0.0
      for i = 1, #notes do
        common = common + notes[i] * (foreground[i] - speech[i])
      end
      local share = common / energy(notes)
      assert.is_true(math.abs(share) < most,
        ("%.0f %% of it are in the foreground"):format(100 * share))
    end)
  end
end)

describe("what is too low to be heard", function()
  local BLOCK = 2 * 4410 -- of both channels: a tenth of a second

  -- How far the mean of each block is from zero, at most.
  local function most_offset(samples)
    local most = 0
    for first = 1, #samples - BLOCK + 1, BLOCK do
      local sum = 0
      for i = first, first + BLOCK - 1 do
        sum = sum + samples[i]
      end
      most = math.max(most, math.abs(sum / BLOCK))
    end
    return most
  end

  it("does not come and go with the words: an offset is in the background",
    function()
      local OFFSET = 3277 -- a tenth of full scale
      local speech = audio.decode{ cut(SPEECH, "speech") }[1].samples
      local mixture = {}
      for i, sample in ipairs(speech) do
        mixture[i] = math.max(-32768, math.min(32767, sample + OFFSET))
      end
      local path = audio.write(folder .. "/offset.wav", mixture, RATE, 2)
      local _, foreground = separated(path, "")
      local most = most_offset(foreground) / OFFSET
      assert.is_true(most < 0.05, ("%.1f %% of it"):format(100 * most))
    end)
end)

describe("music that lies to one side", function()
  it("is told from speech in the middle by the other channel", function()
    local sounds = audio.decode{ cut(SPEECH, "speech"), cut(MUSIC, "music") }
    local speech, music, mixture = sounds[1].samples, sounds[2].samples, {}
    for i = 1, #music, 2 do
      local one = (music[i] + music[i + 1]) / 2
      mixture[i] = speech[i] + math.floor(0.9 * one)
      mixture[i + 1] = speech[i + 1] + math.floor(0.4 * one)
    end
    local path = audio.write(folder .. "/aside.wav", mixture, RATE, 2)
    local _, foreground = separated(path, "")
    for i = 1, #foreground do
      foreground[i] = foreground[i] - speech[i]
    end
    is_below(-12.5, foreground, speech)
  end)
end)

describe("two channels that differ in level alone are heard as one:", function()
  for title, pan in pairs{
    ["the right one quieter"] = "c0|c1=0.7*c0",
    ["the left one quieter"] = "0.4*c0|c1=c0",
    ["one upside down"] = "c0|c1=-1*c0",
  } do
    it(title, function()
      local one = audio.make(("-t %d -i examples/mix.flac -ac 1 -c:a pcm_s16le")
        :format(SECONDS), folder .. "/one.wav")
      local two = audio.make(("-i %s -af 'pan=stereo|c0=%s'"):format(one, pan),
        folder .. "/two.wav")
      local _, alone = separated(one, "")
      local _, foreground = separated(two, "")
      local at = title:find "left" and 0 or 1 -- the louder one
      local apart = {}
      for i = 1, #alone do
        apart[i] = foreground[2 * i - at] - alone[i]
      end
      is_below(-50, apart, alone)
    end)
  end
end)

describe("a lead that comes a sample later in one channel, as from a tape", function()
  it("is not taken for background that leaks across its direction", function()
    local one = audio.make(("-t %d -i examples/mix.flac -ac 1 -c:a pcm_s16le")
      :format(SECONDS), folder .. "/one.wav")
    local two = audio.make(("-i %s -af 'pan=stereo|c0=c0|c1=c0,adelay=0S|1S'")
      :format(one), folder .. "/two.wav")
    local _, alone = separated(one, "")
    local _, foreground = separated(two, "")
    local apart = {}
    for i = 1, #alone do
      apart[i] = foreground[2 * i - 1] - alone[i]
    end
    is_below(-9.2, apart, alone)
  end)
end)

describe("in a stem one does not hear #slow", function()
  --- `from` and `to` in seconds; of the second signal, `shift` samples later.
  local function differs(limit, a, b, from, to, shift)
    local apart, whole = {}, {}
    for i = from * RATE * 2 + 1, to * RATE * 2 do
      whole[#whole + 1] = a[i]
      apart[#apart + 1] = a[i] - b[i + shift * 2]
    end
    is_below(limit, apart, whole)
  end

  -- The boundary is 24 s from the start.  The piece has none, and begins where a
  -- frame of the whole begins, and a block of 32 frames.
  it("where a long recording was cut into segments", function()
    local long = audio.make("-stream_loop 1 -i examples/mix.flac -c:a pcm_s16le",
      folder .. "/long.wav")
    local start, seconds = 608 * 1024, 24
    local piece = audio.make(("-i %s -af atrim=start_sample=%d:end_sample=%d")
      :format(long, start, start + seconds * RATE), folder .. "/piece.wav")
    local _, whole = separated(piece, "")
    local _, parts = separated(long, "")
    differs(-45, whole, parts, 4, seconds - 4, start)
  end)

  -- Each segment has one direction of its lead: here those on both sides of the
  -- boundary have not the same.
  it("where a lead moves when the recording is cut", function()
    local speech = audio.decode{ audio.make("-stream_loop 2 -t 48 -i " .. SPEECH
      .. " -ac 1", folder .. "/mono.wav") }[1].samples
    local boundary, mixture, lead = 1034 * 1024 - 1536, {}, {}
    for i, sample in ipairs(speech) do
      local tone = 3000 * math.sin(2 * math.pi * 2330 * i / RATE)
      local left, right = 0.5 * sample, 0.1 * sample
      if i > boundary then
        left, right = right, left
      end
      lead[2 * i - 1], lead[2 * i] = left, right
      mixture[2 * i - 1] = math.floor(left + 0.9 * tone)
      mixture[2 * i] = math.floor(right + 0.3 * tone)
    end
    local path = audio.write(folder .. "/moving.wav", mixture, RATE, 2)
    local _, foreground = separated(path, "")
    local kept, there = {}, {}
    for i = 2 * boundary - RATE, 2 * boundary + RATE do
      kept[#kept + 1], there[#there + 1] = foreground[i], lead[i]
    end
    is_below(4, there, kept)
  end)

  -- 4 dB below the music, which then stands out more than the voice does.
  it("where a voice is in the middle of music that is not", function()
    local speech = audio.decode{ audio.make("-ss 2 -t 6 -i " .. SPEECH
      .. " -ac 1", folder .. "/speech.wav") }[1].samples
    local music = audio.decode{ audio.make("-ss 2 -t 6 -i " .. MUSIC
      .. " -ac 1", folder .. "/music.wav") }[1].samples
    local level = math.sqrt(energy(music) / energy(speech)) * 10 ^ (-4 / 20)
    local mixture, lead = {}, {}
    for i, sample in ipairs(speech) do
      for c, gain in ipairs({ 0.9, 0.44 }) do
        lead[2 * i - 2 + c] = 0.2 * level * sample
        mixture[2 * i - 2 + c] = math.floor(0.2 * (level * sample + gain
          / 0.707 * music[i]))
      end
    end
    local _, foreground = separated(audio.write(folder .. "/middle.wav", mixture,
      RATE, 2), "")
    local wrong = {}
    for i, sample in ipairs(foreground) do
      wrong[i] = sample - lead[i]
    end
    is_below(-6.5, wrong, lead)
  end)

  it("whether the processor has AVX2", function()
    local path = audio.make("-i examples/mix.flac -sample_fmt s32",
      folder .. "/wide.flac")
    local _, one = separated(path, "", 24)
    local _, other = separated(path, "--plain", 24)
    differs(-90, one, other, 0, 21, 0)
  end)
end)
