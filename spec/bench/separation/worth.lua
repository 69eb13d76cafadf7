--- What an estimate of the lead, and what it leaves of the mixture, are worth.

local worth = {}

local function decibel(ratio)
  return 10 * math.log(ratio, 10)
end

--- SDR and SI-SDR from three inner products: of the truth, of the estimate, of
--- both.
local function ratios(truth, estimate, common)
  local along = common * common / truth
  return decibel(truth / (truth - 2 * common + estimate)),
    decibel(along / (estimate - along))
end

-- Inner products of mixture, lead and estimate say all about the other stem.
local function products(mixture, lead, estimate)
  local mm, ll, ee, ml, me, le = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
  for i = 1, #mixture do
    local m, l, e = mixture[i], lead[i], estimate[i]
    mm, ll, ee = mm + m * m, ll + l * l, ee + e * e
    ml, me, le = ml + m * l, me + m * e, le + l * e
  end
  return mm, ll, ee, ml, me, le
end

--- How many dB of SDR and of SI-SDR the foreground, then the background, gain
--- over the mixture.
function worth.of(mixture, lead, estimate)
  local mm, ll, ee, ml, me, le = products(mixture, lead, estimate)
  local rr, bb = mm - 2 * ml + ll, mm - 2 * me + ee
  local mr, rb = mm - ml, mm - me - ml + le
  local sdr, si = ratios(ll, ee, le)
  local sdr_before, si_before = ratios(ll, mm, ml)
  local rest_sdr, rest_si = ratios(rr, bb, rb)
  local rest_sdr_before, rest_si_before = ratios(rr, mm, mr)
  return { sdr - sdr_before, si - si_before, rest_sdr - rest_sdr_before,
    rest_si - rest_si_before }
end

--- The same of the mixture at half level, which separates nothing.
function worth.of_half(mixture, lead)
  local half = {}
  for i = 1, #mixture do
    half[i] = mixture[i] / 2
  end
  return worth.of(mixture, lead, half)
end

return worth
