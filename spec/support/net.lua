--- The network of the engine once more, in plain Lua and double precision: from
--- energies to masks by the same file of weights.  Slow: some frames a second.

local luas = require "spec.support.luas"
local workspace = require "spec.support.workspace"

local net = {}

local BINS, PLANES, REACH, TAPS = 1024, 3, 64, 3
local WIDTHS = { { 8, 12 }, { 16, 8 }, { 32, 8 }, { 64, 4 }, { 96, 3 } }
local BANDS, ENCODED, WIDTH, HIDDEN, DECODED = 35, 32, 320, 256, 48
local SEEN, SMOOTH, LEAST = 64, 16, 48
local DILATIONS, POOLED = { 1, 2, 4, 8, 16, 32, 1, 4, 16 }, 4

-- --- reading -----------------------------------------------------------------

local function reader(bytes)
  local at = 13 -- behind the magic and the checksum
  local read = {}

  function read.floats(count)
    local values = {}
    for i = 1, count do
      values[i], at = luas.unpack_bytes("<f", bytes, at)
    end
    return values
  end

  --- Rows of numbers, one for each input of each tap.
  function read.linear(taps, inputs, outputs)
    local rows = {}
    for i = 1, taps * inputs do
      local row = { bytes:byte(at, at + outputs - 1) }
      at = at + outputs
      for o = 1, outputs do
        row[o] = row[o] < 128 and row[o] or row[o] - 256
      end
      rows[i] = row
    end
    local scale = read.floats(outputs)
    return { rows = rows, taps = taps, inputs = inputs, outputs = outputs,
      scale = scale, bias = read.floats(outputs) }
  end

  --- One for each band; `make` gets the band's bins.
  function read.bands(make)
    local layers = {}
    for _, width in ipairs(WIDTHS) do
      for _ = 1, width[2] do
        layers[#layers + 1] = make(width[1])
        layers[#layers].bins = width[1]
      end
    end
    return layers
  end

  function read.is_at_end()
    return at == #bytes + 1
  end

  return read
end

--- All layers of a file of weights.
function net.read(path)
  local read = reader(assert(workspace.read(path)))
  local n = { mean = read.floats(PLANES * BINS),
    scale = read.floats(PLANES * BINS), blocks = {} }
  local function norm()
    return { gain = read.floats(WIDTH), bias = read.floats(WIDTH) }
  end
  n.encode = read.bands(function(w)
    return read.linear(TAPS, PLANES * w, ENCODED)
  end)
  n.inner = read.linear(1, BANDS * ENCODED, WIDTH)
  for i = 1, #DILATIONS do
    n.blocks[i] = { norm = norm(), conv = read.linear(TAPS, WIDTH, HIDDEN),
      out = read.linear(1, HIDDEN, WIDTH) }
  end
  n.pool = read.linear(1, 2 * WIDTH, WIDTH)
  n.norm = norm()
  n.context = read.linear(1, WIDTH, BANDS * DECODED)
  n.decode = read.bands(function(w)
    return read.linear(TAPS, PLANES * w, DECODED)
  end)
  n.mask = read.bands(function(w)
    return read.linear(1, DECODED, 2 * w)
  end)
  n.seen = read.linear(1, WIDTH, SEEN)
  n.doubt = read.floats(SEEN + 1)
  assert(read.is_at_end(), "the file of weights has another length")
  return n
end

-- --- layers ------------------------------------------------------------------

--- Of frame t of `frames`, which are rows; taps come from `distance` apart.
local function linear(layer, frames, t, distance)
  local sums = {}
  for o = 1, layer.outputs do
    sums[o] = 0.0
  end
  for tap = 1, layer.taps do
    local row = frames[t + (tap - (layer.taps + 1) / 2) * distance]
    for i = 1, row and layer.inputs or 0 do
      local x, weights = row[i], layer.rows[(tap - 1) * layer.inputs + i]
      if x ~= 0 then
        for o = 1, #sums do
          sums[o] = sums[o] + x * weights[o]
        end
      end
    end
  end
  for o = 1, #sums do
    sums[o] = sums[o] * layer.scale[o] + layer.bias[o]
  end
  return sums
end

local function relu(row)
  for i = 1, #row do
    row[i] = math.max(row[i], 0)
  end
  return row
end

local function add(row, more)
  for i = 1, #row do
    row[i] = row[i] + more[i]
  end
  return row
end

local function normal(norm, row)
  local mean, square, out = 0.0, 0.0, {}
  for i = 1, WIDTH do
    mean = mean + row[i] / WIDTH
  end
  for i = 1, WIDTH do
    square = square + (row[i] - mean) ^ 2 / WIDTH
  end
  for i = 1, WIDTH do
    out[i] = (row[i] - mean) / math.sqrt(square + 1e-5) * norm.gain[i]
      + norm.bias[i]
  end
  return out
end

local function map(frames, make)
  local out = {}
  for t = 1, #frames do
    out[t] = make(t, frames[t])
  end
  return out
end

--- Calls `visit` for each frame within `reach` of t.
local function around(frames, t, reach, visit)
  local first, last = math.max(1, t - reach), math.min(#frames, t + reach)
  for i = first, last do
    visit(frames[i], 1 / (last - first + 1))
  end
end

-- --- features ----------------------------------------------------------------

--- Of each frame, rows of the features of each band.
local function features(n, energies)
  local levels = map(energies, function(_, row)
    local out = {}
    for i = 1, 2 * BINS do
      out[i] = (row[i] + 1e-9) ^ 0.15
    end
    return out
  end)
  return map(levels, function(t, row)
    local mean, all, bands = {}, 0.0, {}
    for k = 1, BINS do
      mean[k] = 0.0
    end
    around(levels, t, REACH, function(other, share)
      for k = 1, BINS do
        mean[k] = mean[k] + other[k] * share
      end
    end)
    for k = 1, BINS do
      all = all + mean[k] / BINS
    end
    local first = 0
    for b, layer in ipairs(n.encode) do
      local band, w = {}, layer.bins
      for k = 1, w do
        local bin = first + k
        for plane, value in ipairs{ row[bin], row[BINS + bin],
          row[bin] - mean[bin] } do
          local i = (plane - 1) * BINS + bin
          band[(plane - 1) * w + k] = (value / all - n.mean[i]) * n.scale[i]
        end
      end
      bands[b] = band
      first = first + w
    end
    return bands
  end)
end

--- The rows of one band.
local function band_of(frames, b)
  return map(frames, function(_, bands)
    return bands[b]
  end)
end

-- --- the whole ---------------------------------------------------------------

local function trunk(n, x)
  for i, block in ipairs(n.blocks) do
    if i == POOLED + 1 then
      x = map(x, function(t, row)
        local all = {}
        for k = 1, 2 * WIDTH do
          all[k] = 0.0
        end
        around(x, t, REACH, function(other, share)
          for k = 1, WIDTH do
            all[k] = all[k] + other[k] * share
          end
        end)
        around(x, t, REACH, function(other, share)
          for k = 1, WIDTH do
            all[WIDTH + k] = all[WIDTH + k] + (other[k] - all[k]) ^ 2 * share
          end
        end)
        for k = WIDTH + 1, 2 * WIDTH do
          all[k] = math.sqrt(all[k] + 1e-5)
        end
        return add(linear(n.pool, { all }, 1, 0), row)
      end)
    end
    local y = map(x, function(_, row)
      return normal(block.norm, row)
    end)
    x = map(x, function(t, row)
      local h = relu(linear(block.conv, y, t, DILATIONS[i]))
      return add(linear(block.out, { h }, 1, 0), row)
    end)
  end
  return map(x, function(_, row)
    return normal(n.norm, row)
  end)
end

--- By how much each frame's logits are lowered, by what the trunk ends with.
local function doubts(n, x)
  local against = map(x, function(t)
    local sum = 0.0
    for k, seen in ipairs(relu(linear(n.seen, x, t, 0))) do
      sum = sum + n.doubt[k] * seen
    end
    return sum
  end)
  local smooth = map(against, function(t)
    local mean = 0.0
    around(against, t, SMOOTH, function(other, share)
      mean = mean + other * share
    end)
    return mean
  end)
  return map(smooth, function(t)
    local least = math.huge
    around(smooth, t, LEAST, function(other)
      least = math.min(least, other)
    end)
    return math.log(1 + math.exp(least + n.doubt[SEEN + 1]))
  end)
end

--- `energies` are frames of 1024 values along the lead's direction and 1024
--- across it; what comes back has the masks in the same places.
function net.masks(n, energies)
  local bands, encoded = features(n, energies), map(energies, function()
    return {}
  end)
  for b, layer in ipairs(n.encode) do
    local frames = band_of(bands, b)
    for t, row in ipairs(encoded) do
      local values = relu(linear(layer, frames, t, 1))
      luas.move(values, 1, ENCODED, #row + 1, row)
    end
  end
  local x = trunk(n, map(encoded, function(_, row)
    return linear(n.inner, { row }, 1, 0)
  end))
  local doubted, contexts = doubts(n, x), map(x, function(t)
    return linear(n.context, x, t, 0)
  end)
  local first, masks = 0, map(energies, function()
    return {}
  end)
  for b, layer in ipairs(n.decode) do
    local frames = band_of(bands, b)
    for t, context in ipairs(contexts) do
      local h = linear(layer, frames, t, 1)
      for k = 1, DECODED do
        h[k] = math.max(h[k] + context[(b - 1) * DECODED + k], 0)
      end
      local logits = linear(n.mask[b], { h }, 1, 0)
      for k = 1, layer.bins do
        for plane = 0, 1 do
          masks[t][plane * BINS + first + k] =
            1 / (1 + math.exp(doubted[t] - logits[plane * layer.bins + k]))
        end
      end
    end
    first = first + layer.bins
  end
  return masks
end

return net
