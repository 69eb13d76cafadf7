-- The built-in engine really separates: held against true stems, by way of the
-- whole pipeline.

local audio = require "spec.support.audio"
local camb = require "camb"
local sandbox = require "camb.sandbox"
local luas = require "spec.support.luas"
local workspace = require "spec.support.workspace"

local LEAST = 2 -- dB of SI-SDR that a stem gains over the mixture
local SECONDS = 12 -- of the ingredients: enough, and quick to compare

local folder, server, speech, music

setup(function()
  folder = workspace.folder()
  server = assert(sandbox.start{ workers = 2 })
  local function ingredient(name)
    return audio.cut("examples/ingredients/" .. name .. ".flac", 4, SECONDS,
      folder .. "/" .. name .. ".wav")
  end
  speech, music = luas.unpack(audio.decode{ ingredient "speech",
    ingredient "music" })
end)

teardown(function()
  server:stop()
  workspace.remove(folder)
  speech, music = nil, nil
  collectgarbage()
end)

local function separate(path, name)
  return assert(camb.separate(path, { base_url = server.base_url,
    api_key = server.api_key, output_dir = folder, name = name,
    interval = 0.1, max_attempts = 600 }))
end

local function louder(samples, decibel)
  local gain, scaled = 10 ^ (decibel / 20), {}
  for i = 1, #samples do
    scaled[i] = math.floor(samples[i] * gain + 0.5)
  end
  return scaled
end

--- The sum as integers; it may not clip, or it would not be a sum.
local function mix(a, b)
  local sum = {}
  for i = 1, #a do
    sum[i] = a[i] + b[i]
    assert(math.abs(sum[i]) <= 32767, "the mixture clips")
  end
  return sum
end

--- How much nearer to the truth than the mixture is.
local function gains(stem, mixture, truth)
  local before = audio.si_sdr(mixture, truth)
  local after = audio.si_sdr(stem, truth)
  assert.is_true(after - before >= LEAST, ("SI-SDR %.2f dB, where the mixture "
    .. "has %.2f dB and %g dB more is asked"):format(after, before, LEAST))
end

-- Of two ingredients one is turned down and none up, so that nothing clips.
for _, case in ipairs{
  { "as loud as it is", 0, 0 },
  { "5 dB softer against the music", -5, 0 },
  { "5 dB louder against the music", 0, -5 },
} do
  local title, speech_level, music_level = luas.unpack(case)

  describe("speech " .. title, function()
    local lead, rest, mixture, foreground, background

    setup(function()
      local name = ("mix%+d%+d"):format(speech_level, music_level)
      lead = louder(speech.samples, speech_level)
      rest = louder(music.samples, music_level)
      mixture = mix(lead, rest)
      local path = audio.write(folder .. "/" .. name .. ".wav", mixture,
        speech.rate, speech.channels)
      local stems = separate(path, name)
      local sounds = audio.decode{ stems.foreground, stems.background }
      foreground, background = sounds[1].samples, sounds[2].samples
    end)

    -- Millions of samples, which busted would hold until its end.
    teardown(function()
      lead, rest, mixture, foreground, background = nil, nil, nil, nil, nil
      collectgarbage()
    end)

    it("is nearer in the foreground than in the mixture", function()
      gains(foreground, mixture, lead)
    end)

    it("leaves the music nearer in the background than in the mixture",
      function()
        gains(background, mixture, rest)
      end)
  end)
end

describe("the engine", function()
  local MIX = "examples/mix.flac"

  local function same_bytes(a, b)
    for _, stem in ipairs{ "foreground", "background" } do
      assert.is_true(workspace.read(a[stem]) == workspace.read(b[stem]),
        "the " .. stem .. " differs")
    end
  end

  it("gives the same files for the same recording again", function()
    same_bytes(separate(MIX, "first"), separate(MIX, "second"))
  end)

  it("gives the same files beside another separation as alone", function()
    local alone, here, there = separate(MIX, "alone"), nil, nil
    camb.run(function()
      local other = camb.spawn(separate, "examples/ingredients/music.flac",
        "other")
      here = camb.spawn(separate, MIX, "here")
      there = assert(other:join())
      here = assert(here:join())
    end)
    same_bytes(alone, here)
    assert.not_equal(workspace.read(here.foreground),
      workspace.read(there.foreground))
  end)

  -- A segment has 24 s: there are two places where one mask follows another.
  it("loses no sample of a recording that is longer than a segment", function()
    local path = audio.make("-stream_loop 2 -i " .. MIX
      .. " -ar 22050 -ac 1 -sample_fmt s16", folder .. "/long.flac")
    local stems = separate(path, "long")
    local problem, mixture = audio.compare(path, stems.foreground,
      stems.background)
    assert.is_nil(problem)
    assert.is_true(#mixture.samples > 60 * 22050)
  end)
end)
