--- Recordings for batches: small, as many as wanted, each different, behind an
--- engine that costs next to nothing.

local core = require "camb.core"
local luas = require "spec.support.luas"
local workspace = require "spec.support.workspace"

local takes = {}

local RATE = 8000

--- A WAV of mono noise; the same seed gives the same bytes.
function takes.wav(seed, samples)
  samples = samples or 400
  local state, bytes = seed, {}
  for i = 1, 2 * samples do
    state = (state * 1103515245 + 12345) % 2 ^ 31
    bytes[i] = string.char(math.floor(state / 65536) % 256)
  end
  return "RIFF" .. luas.pack("<I4", 36 + 2 * samples) .. "WAVEfmt "
    .. luas.pack("<I4I2I2I4I4I2I2", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    .. "data" .. luas.pack("<I4", 2 * samples) .. table.concat(bytes)
end

--- Write recordings 1 to `count` into `folder`; their paths.
function takes.make(folder, count, samples)
  if not core.make_folder(folder) then
    workspace.run(("mkdir -p '%s'"):format(folder))
  end
  local paths = {}
  for i = 1, count do
    paths[i] = workspace.write(("%s/take%03d.wav"):format(folder, i),
      takes.wav(i, samples and samples + i))
  end
  return paths
end

--- An engine for the sandbox, which leaves the recording twice.
function takes.engine(folder)
  local path = workspace.write(folder .. "/engine.sh",
    'exec tee "$2/foreground.wav" <"$1" >"$2/background.wav"\n')
  return "sh " .. path
end

return takes
