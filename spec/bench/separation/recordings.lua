--- Real recordings out of Debian's packages, from which benches mix.  What is
--- used here to measure is never used to fit: see spec/bench/weights.

local recordings = {}

--- Packages are unpacked here; elsewhere (`dpkg -x`) for who cannot install.
local ROOT = os.getenv "RECORDINGS" or "/"

local FISH = "usr/share/games/fillets-ng/sound/"
local SAMPLES = "usr/share/sonic-pi/samples/"
local PROMPTS = "usr/share/asterisk/sounds/en_US_f_Allison/"
local CSOUND = "usr/share/doc/csound-doc/html/examples/"

--- Of each: name, package, files (played one after the other, with pauses, when
--- there are several) and where to begin in seconds.
recordings.list = {
  -- speech
  { name = "woman", package = "asterisk-core-sounds-en-g722",
    files = { PROMPTS .. "demo-congrats.g722" } },
  { name = "woman 2", package = "asterisk-core-sounds-en-g722",
    files = { PROMPTS .. "demo-instruct.g722" }, start = 20 },
  { name = "man", package = "fillets-ng-data-nl", files = {
    FISH .. "computer/nl/poc-v-vyresil.ogg", FISH .. "ending/nl/z-v-pozdrav.ogg",
    FISH .. "warcraft/nl/war-v-pohadka.ogg",
    FISH .. "atlantis/nl/sp-v-vratit1.ogg" } },
  { name = "woman 3", package = "fillets-ng-data-nl", files = {
    FISH .. "atlantis/nl/sp-m-potize.ogg", FISH .. "warcraft/nl/war-m-hodiny.ogg",
    FISH .. "atlantis/nl/sp-m-vratit1.ogg", FISH .. "tank/nl/sv-m-kecy.ogg" } },
  -- singing
  { name = "singer", package = "csound-doc",
    files = { CSOUND .. "singFemale.aif.gz" } },
  -- instruments
  { name = "oboe", package = "csound-doc",
    files = { CSOUND .. "oboe.aiff.gz" } },
  { name = "guitar", package = "sonic-pi-samples", files = {
    SAMPLES .. "guit_em9.flac", SAMPLES .. "guit_e_fifths.flac" } },
  { name = "slide guitar", package = "sonic-pi-samples", files = {
    SAMPLES .. "guit_e_slide.flac", SAMPLES .. "guit_harmonics.flac" } },
  -- music
  { name = "concerto", package = "gamine-data", start = 60, files = {
    "usr/share/games/gamine/sounds/"
    .. "BachJSBrandenburgConcertNo2inFMajorBWV1047mvmt1.ogg" } },
  { name = "song", package = "csmash-demosong", start = 40,
    files = { "usr/share/games/csmash/danslatristesse2-48.ogg" } },
  { name = "score", package = "asc-music", start = 60,
    files = { "usr/share/games/asc/music/frontiers.mp3" } },
  -- ambience
  { name = "birds", package = "gnome-shell-pomodoro-data", start = 30,
    files = { "usr/share/gnome-pomodoro/sounds/birds.ogg" } },
  { name = "sauna", package = "sonic-pi-samples",
    files = { SAMPLES .. "ambi_sauna.flac" } },
  { name = "machine", package = "sonic-pi-samples",
    files = { SAMPLES .. "loop_3d_printer.flac" } },
}

local function path_of(file)
  return (ROOT:gsub("/*$", "/")) .. file
end

local function exists(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close()
end

--- The packages of which something is missing, sorted.
function recordings.missing()
  local seen, names = {}, {}
  for _, recording in ipairs(recordings.list) do
    for _, file in ipairs(recording.files) do
      if not exists(path_of(file)) and not seen[recording.package] then
        seen[recording.package] = true
        names[#names + 1] = recording.package
      end
    end
  end
  table.sort(names)
  return names
end

--- Where ffmpeg finds a file: what is compressed is unpacked into `folder`.
local function readable(file, folder)
  local path = path_of(file)
  if not path:find "%.gz$" then
    return path
  end
  local unpacked = folder .. "/" .. path:match "([^/]+)%.gz$"
  assert(os.execute(("gzip -dc '%s' > '%s'"):format(path, unpacked)))
  return unpacked
end

--- Words for ffmpeg that give `seconds` of a recording at 44.1 kHz: its inputs,
--- and the filter.  What is too short is repeated.
function recordings.words(name, seconds, channels, folder)
  for _, recording in ipairs(recordings.list) do
    if recording.name == name then
      local inputs, chain, labels = {}, {}, {}
      for i, file in ipairs(recording.files) do
        inputs[i] = ("-i '%s'"):format(readable(file, folder))
        chain[i] = ("[%d:a]aresample=44100,aformat=sample_fmts=s16:"
          .. "channel_layouts=%s%s[a%d];"):format(i - 1,
            channels == 2 and "stereo" or "mono",
            #recording.files > 1 and ",apad=pad_dur=0.4" or "", i)
        labels[i] = ("[a%d]"):format(i)
      end
      return ("%s -filter_complex '%s%sconcat=n=%d:v=0:a=1,aloop=-1:2e9,"
        .. "asetpts=N/SR/TB,atrim=start=%d:duration=%d'"):format(
          table.concat(inputs, " "), table.concat(chain), table.concat(labels),
          #labels, recording.start or 0, seconds)
    end
  end
  error("no recording called " .. name)
end

return recordings
