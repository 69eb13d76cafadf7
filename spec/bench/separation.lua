-- How good the built-in engine is, on mixtures of real recordings with true
-- stems, beside the mixture at half level and, where the environment's REFERENCE
-- names an implementation to compare with (PROGRAM MIX.wav FOLDER, run by
-- PYTHON, leaves FOLDER/foreground.wav), beside that.  Then how fast it is and
-- what memory it takes.
--
--   VERBOSE=1    a line for each mixture
--   RECORDINGS=… where the packages are unpacked, if not installed
--   FIGURES=quality or FIGURES=speed for one half of it

local audio = require "spec.support.audio"
local engine = require "spec.support.engine"
local mixtures = require "spec.bench.separation.mixtures"
local recordings = require "spec.bench.separation.recordings"
local workspace = require "spec.support.workspace"
local worth = require "spec.bench.separation.worth"

local REFERENCE = os.getenv "REFERENCE"
local PYTHON = os.getenv "PYTHON" or "python3"
local FIGURES = os.getenv "FIGURES"

local function printf(...)
  io.write(string.format(...), "\n")
  io.flush()
end

-- --- quality -----------------------------------------------------------------

local METHODS = { "half level", "engine", "reference" }

local function separate(path, folder)
  local stem = folder .. "/foreground.flac"
  assert(engine.separate(path, stem, folder .. "/background.flac"))
  return audio.decode({ stem })[1].samples
end

local function separate_by_reference(path, folder)
  local output, status = workspace.run(("'%s' '%s' '%s' '%s'"):format(PYTHON,
    REFERENCE, path, folder))
  assert(status == 0, output)
  return audio.decode({ folder .. "/foreground.wav" })[1].samples
end

local function measure(mixture, folder)
  local path, mixed, lead = mixtures.make(folder, mixture)
  local figures = { ["half level"] = worth.of_half(mixed, lead),
    engine = worth.of(mixed, lead, separate(path, folder)) }
  if REFERENCE then
    figures.reference = worth.of(mixed, lead,
      separate_by_reference(path, folder))
  end
  return figures
end

local function add(sums, group, figures)
  sums[group] = sums[group] or { count = 0 }
  local sum = sums[group]
  sum.count = sum.count + 1
  for method, values in pairs(figures) do
    sum[method] = sum[method] or { 0, 0, 0, 0 }
    for i, value in ipairs(values) do
      sum[method][i] = sum[method][i] + value
    end
  end
end

local ROW = "%-27s %-12s %6s %7s   %6s %7s"

local function print_rows(title, sum)
  for _, method in ipairs(METHODS) do
    if sum[method] then
      local cells = {}
      for i, value in ipairs(sum[method]) do
        cells[i] = ("%.2f"):format(value / sum.count)
      end
      printf(ROW, title, method, table.unpack(cells))
      title = ""
    end
  end
end

local function quality(folder)
  local sums, groups = {}, {}
  printf("improvement over the mixture in dB, mean of each group")
  printf(ROW, "", "", "fg SDR", "SI-SDR", "bg SDR", "SI-SDR")
  for _, mixture in ipairs(mixtures.list()) do
    local figures = measure(mixture, folder)
    if not sums[mixture.group] then
      groups[#groups + 1] = mixture.group
    end
    add(sums, mixture.group, figures)
    add(sums, "all", figures)
    add(sums, mixture.place, figures)
    if os.getenv "VERBOSE" == "1" then
      print_rows(("%s/%s %+d %s"):format(mixture.lead, mixture.rest,
        mixture.level, mixture.place), { count = 1, engine = figures.engine,
          reference = figures.reference })
    end
  end
  for _, group in ipairs(groups) do
    print_rows(("%s (%d)"):format(group, sums[group].count), sums[group])
  end
  for _, place in ipairs{ "mono", "centred", "panned" } do
    print_rows(("%s (%d)"):format(place, sums[place].count), sums[place])
  end
  print_rows(("all (%d)"):format(sums.all.count), sums.all)
end

-- --- speed and memory --------------------------------------------------------

local function long_mp3(folder, minutes)
  return audio.make(("-stream_loop -1 -i examples/mix.flac -t %d "
    .. "-c:a libmp3lame -b:a 128k"):format(60 * minutes), folder .. "/long.mp3")
end

local function speed(folder)
  printf("\nMP3 in, FLAC out, 44.1 kHz stereo; one worker is pinned to a core")
  printf("%-10s %8s %8s %8s %8s %10s %8s", "length", "workers", "seconds",
    "cpu", "x play", "peak MB", "sum")
  for _, minutes in ipairs{ 10, 60 } do
    local path = long_mp3(folder, minutes)
    local foreground = folder .. "/foreground.flac"
    local background = folder .. "/background.flac"
    for _, workers in ipairs{ 1, 4 } do
      local f = assert(engine.separate(path, foreground, background,
        "--workers " .. workers, workers == 1 and "taskset -c 0"))
      printf("%-10s %8d %8.1f %8.1f %8.1f %10.1f %8s", minutes .. " min",
        workers, f.seconds, f.cpu, f.speed, f.peak_mb,
        audio.has_sum(path, foreground, background) and "exact" or "WRONG")
    end
  end
end

-- --- both --------------------------------------------------------------------

local function print_missing(packages)
  printf("No recordings to mix, so quality is not measured.  Missing packages:"
    .. "\n\n  apt-get install --no-install-recommends %s\n",
    table.concat(packages, " "))
end

local folder = workspace.folder()
local missing = recordings.missing()
local ok, message = xpcall(function()
  if FIGURES == "speed" then
    return speed(folder)
  elseif #missing > 0 then
    print_missing(missing)
  else
    quality(folder)
  end
  if FIGURES ~= "quality" then
    speed(folder)
  end
end, debug.traceback)
workspace.remove(folder)
if not ok then
  io.stderr:write(message, "\n")
  os.exit(1)
end
