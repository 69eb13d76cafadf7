-- The engine's network agrees with a second implementation of it, which reads
-- the same weights.

local audio = require "spec.support.audio"
local engine = require "spec.support.engine"
local net = require "spec.support.net"
local workspace = require "spec.support.workspace"

local EXCERPT = "spec/fixtures/excerpt.flac"
local NEAR = 1e-3 -- of a mask: 0 to 1

local folder, weights

setup(function()
  folder = workspace.folder()
  weights = net.read "csrc/engine/weights.bin"
end)

teardown(function()
  workspace.remove(folder)
  weights = nil
  collectgarbage()
end)

local function dump(input, words)
  local to = folder .. "/dump"
  assert(os.execute("mkdir -p " .. to))
  assert(engine.separate(input, to .. "/foreground.flac",
    to .. "/background.flac", words .. " --dump " .. to))
  return engine.rows(to, "energies"), engine.rows(to, "mask")
end

--- Of the excerpt, in which a voice begins after 1.9 s.
local function agrees(start, seconds, filter, words, spread)
  local input = audio.make(("-ss %g -t %g -i %s %s"):format(start, seconds,
    EXCERPT, filter), folder .. "/input.wav")
  local energies, masks = dump(input, words)
  local least, most = 1, 0
  for t, row in ipairs(net.masks(weights, energies)) do
    for i, want in ipairs(row) do
      local got = masks[t][i]
      if not (math.abs(got - want) <= NEAR) then
        error(("frame %d, value %d: %.5f, where %.5f is expected"):format(t, i,
          got, want))
      end
      least, most = math.min(least, want), math.max(most, want)
    end
  end
  assert.is_true(most - least > (spread or 0.25),
    ("the masks hardly differ: %.3f to %.3f"):format(least, most))
end

-- Millions of multiplications in Lua for each frame.
describe("the masks of the network are those of its second implementation #slow",
  function()
    it("in stereo", function()
      agrees(1.4, 1.6, "", "")
    end)

    it("where there is no lead", function()
      agrees(0, 1.6, "", "", 0.01)
    end)

    it("in mono", function()
      agrees(1.9, 0.3, "-af 'pan=mono|c0=c0'", "")
    end)

    it("without AVX2", function()
      agrees(1.9, 0.3, "", "--plain")
    end)
  end)
