-- The engine agrees with its algorithm as written down in numbers: each feature
-- on one segment, the mask that follows from them, and what its stems are worth.

local audio = require "spec.support.audio"
local engine = require "spec.support.engine"
local workspace = require "spec.support.workspace"

local EXCERPT = "spec/fixtures/excerpt.flac"
local golden = dofile "spec/fixtures/reference.lua"

-- Floats against doubles, values in the file rounded to 4 decimals.  Features
-- are logarithms between -4 and 2, or shares of 1.
local NEAR, NEAR_MEAN = 2e-3, 1e-5
local NEAR_MASK = 5e-4

-- By design the engine's mask is 0 above 16 kHz: so many dB of SI-SDR that may
-- cost either stem, under music and under noise that reaches up there.
local MOST_LOST = 0.1

local folder

setup(function()
  folder = workspace.folder()
end)

teardown(function()
  workspace.remove(folder)
  collectgarbage()
end)

local function dump(input, name)
  local to = folder .. "/" .. name
  assert(os.execute("mkdir " .. to))
  assert(engine.separate(input, to .. "/foreground.flac",
    to .. "/background.flac", "--dump " .. to))
  return to
end

local function agrees(to, name, expected, near, near_mean)
  local at, frames, mean = engine.plane(to, name)
  assert.equal(expected.frames, frames)
  local values = expected.values[name]
  for i, frame in ipairs(expected.at_frame) do
    local bin = expected.at_bin[i]
    local got, want = at(frame, bin), values[i] or values[1]
    assert.is_true(math.abs(got - want) <= near, ("frame %d, bin %d: %.5f, "
      .. "where %.4f is expected"):format(frame, bin, got, want))
  end
  assert.is_true(math.abs(mean - expected.means[name]) <= near_mean,
    ("the mean is %.6f, where %.6f is expected"):format(mean,
      expected.means[name]))
end

local function read_weights(to)
  local weights = {}
  for name, value in workspace.read(to .. "/weights"):gmatch "(%S+) (%S+)" do
    weights[name] = tonumber(value)
  end
  return weights
end

--- The logistic function of the weighted features at one place.
local function mask_of(features, weights, i)
  local sum, count = 0, 0
  for name, weight in pairs(weights) do
    if name == "bias" then
      sum = sum + weight
    else
      sum = sum + weight * (features[name][i] or features[name][1])
      count = count + 1
    end
  end
  assert(count == 26, "weights are missing")
  return 1 / (1 + math.exp(-sum))
end

for _, channels in ipairs{ "stereo", "mono" } do
  describe("on one segment in " .. channels, function()
    local expected, to = golden[channels], nil

    setup(function()
      local input = EXCERPT
      if channels == "mono" then
        input = audio.make("-i " .. EXCERPT .. " -af 'pan=mono|c0=c0'",
          folder .. "/left.wav")
      end
      to = dump(input, channels)
    end)

    for name in pairs(expected.values) do
      it(("the feature %s agrees with the reference"):format(name), function()
        agrees(to, name, expected, NEAR, NEAR_MEAN)
      end)
    end

    it("the mask is what the reference's features make it", function()
      local weights = read_weights(to)
      local at = engine.plane(to, "mask")
      for i, frame in ipairs(expected.at_frame) do
        local got, want = at(frame, expected.at_bin[i]),
          mask_of(expected.values, weights, i)
        assert.is_true(math.abs(got - want) <= NEAR_MASK, ("frame %d, bin %d: "
          .. "%.5f, where %.5f is expected"):format(frame, expected.at_bin[i],
            got, want))
      end
    end)
  end)
end

describe("of speech over", function()
  local SECONDS = 12

  local function ingredient(name, filter)
    local path = audio.make(("-ss 4 -t %d -i examples/ingredients/%s.flac %s "
      .. "-c:a pcm_s16le"):format(SECONDS, name, filter), ("%s/%s%d.wav"):format(
        folder, name, #filter))
    return audio.decode({ path })[1]
  end

  local function noise(count)
    local values, state = {}, 1
    for i = 1, count do
      state = state * 48271 % 2147483647
      values[i] = state % 8001 - 4000
    end
    return values
  end

  local function is_worth(stem, truth, expected)
    local got = audio.si_sdr(stem, truth)
    assert.is_true(got >= expected - MOST_LOST, ("%.3f dB, where the reference "
      .. "has %.3f dB"):format(got, expected))
  end

  local function compares(name, speech, rest)
    local mixture = {}
    for i, value in ipairs(rest) do
      mixture[i] = speech.samples[i] + value
    end
    local path = audio.write(folder .. "/over.wav", mixture, speech.rate,
      speech.channels)
    local stems = { folder .. "/foreground.flac", folder .. "/background.flac" }
    assert(engine.separate(path, table.unpack(stems)))
    local foreground, background = table.unpack(audio.decode(stems))
    is_worth(foreground.samples, speech.samples, golden.si_sdr[name].foreground)
    is_worth(background.samples, rest, golden.si_sdr[name].background)
  end

  it("music both stems are worth what the reference's are", function()
    compares("music", ingredient("speech", ""), ingredient("music", "").samples)
  end)

  it("white noise both stems are worth what the reference's are", function()
    local speech = ingredient("speech", "-af 'pan=mono|c0=c0'")
    compares("noise", speech, noise(#speech.samples))
  end)
end)
