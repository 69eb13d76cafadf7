-- The example of an engine of one's own, behind the sandbox.

local audio = require "spec.support.audio"
local camb = require "camb"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local ROUNDING = 1

describe("the shell script as the engine", function()
  local folder, server

  setup(function()
    folder = workspace.folder()
    server = assert(sandbox.start{ engine = "sh examples/engine.sh" })
  end)

  teardown(function()
    server:stop()
    workspace.remove(folder)
  end)

  it("leaves two stems that sum to the recording, but for rounding", function()
    local path = audio.cut("examples/mix.flac", 3, 2, folder .. "/cut.wav")
    local stems = assert(camb.separate(path, { base_url = server.base_url,
      api_key = server.api_key, output_dir = folder, interval = 0.05,
      max_attempts = 600 }))
    local sounds = audio.decode{ path, stems.foreground, stems.background }
    local whole, shared, rest = sounds[1].samples, sounds[2].samples,
      sounds[3].samples
    assert.equal(#whole, #shared)
    assert.equal(#whole, #rest)
    for i = 1, #whole do
      assert.is_true(math.abs(shared[i] + rest[i] - whole[i]) <= ROUNDING)
    end
    assert.is_false(audio.is_silent(rest))
    assert.is_false(audio.is_same(shared, rest))
  end)
end)
