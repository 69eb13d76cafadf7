--- Makes mix.flac, the recording that the examples separate, from nothing but
--- this file: a few spoken sentences over a tune written for them.
---
---   lua5.4 examples/make_mix.lua [OUT_DIR]
---
--- writes OUT_DIR/mix.flac, OUT_DIR/ingredients/speech.flac and
--- OUT_DIR/ingredients/music.flac (OUT_DIR is this file's folder if not given).
--- In 16 bit, sample by sample, mix = speech + music: who has the ingredients
--- knows the truth that a separation is measured against.
---
--- Runs on Lua 5.1 to 5.4 and LuaJIT.  Needs these Debian packages:
---   apt install espeak-ng fluidsynth timgm6mb-soundfont sox

local RATE = 44100
local LENGTH = 21.5         -- seconds
local SPEECH_OVER_MUSIC = 4 -- dB, while somebody speaks
local PEAK = -1.5           -- dBFS, of the mix
local COMMENT = "Made by examples/make_mix.lua of camb"
local SOUNDFONT = "/usr/share/sounds/sf2/TimGM6mb.sf2"

-- What is said, and when (seconds).  Each sentence has its own pitch and pace,
-- as a person would have; the gaps between them leave the music alone.
local VOICE = "en-us+max"
local SENTENCES = {
  { at = 2.10, pitch = 46, speed = 152,
    "Hello. This is one recording, with a voice and music in it." },
  { at = 7.15, pitch = 43, speed = 150,
    "Camb takes the two apart: the voice in one file, the music in another." },
  { at = 12.80, pitch = 45, speed = 152,
    "One call from Lua is all it needs." },
  { at = 16.15, pitch = 41, speed = 146,
    "Now listen to the music without me." },
}

-- The tune: seven bars of four beats, F major, slow.  A beat is 0.75 s, so a
-- bar is 3 s.  Chords last; what moves stays short and away from the centre,
-- where the voice is.
local BPM = 80
local BAR = 4
local ENDING = 24 -- the beat on which everybody stops and rings
local CHORDS = { -- beat, length, bass, the four voices above it
  {  0, 4, "F2",  "A3", "C4",  "E4", "G4" },
  {  4, 4, "D2",  "A3", "C4",  "E4", "F4" },
  {  8, 4, "Bb1", "F3", "A3",  "C4", "D4" },
  { 12, 4, "C2",  "F3", "Bb3", "D4", "G4" },
  { 16, 2, "A1",  "G3", "C4",  "E4", "G4" },
  { 18, 2, "D2",  "A3", "C4",  "E4", "F4" },
  { 20, 2, "G2",  "Bb3", "D4", "F4", "A4" },
  { 22, 2, "C2",  "Bb3", "D4", "F4", "G4" },
  { ENDING, 5, "F2",  "A3", "C4",  "E4", "G4" },
}
local MELODY = { -- beat, length, note; sings where nobody speaks
  { 0, 0.5, "C5" }, { 0.5, 0.5, "E5" }, { 1, 1, "G5" }, { 2, 1.5, "A5" },
  { 8.5, 0.5, "F5" }, { 9, 0.5, "D5" },
  { 16, 0.5, "E5" }, { 16.5, 0.5, "G5" },
  { 20.5, 0.5, "D5" }, { 21, 0.5, "F5" },
  { 24.5, 0.5, "C5" }, { 25, 0.5, "E5" }, { 25.5, 0.5, "G5" },
  { 26, 1, "A5" }, { 27, 1.5, "G5" },
}

local DRUMS = { kick = 36, rim = 37, shaker = 70, ride = 51 }

--- Words for people -----------------------------------------------------------

local function fail(...)
  error(string.format(...), 0)
end

--- Processes and files --------------------------------------------------------

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

-- Lua 5.1 answers a number, later versions a boolean.
local function succeeds(command)
  local status = os.execute(command)
  return status == true or status == 0
end

local function run(...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = quote(word) end
  local command = table.concat(words, " ")
  if not succeeds(command .. " >/dev/null") then
    fail("This command failed: %s", command)
  end
end

-- No dither, or the pauses would not be silent; -R, or two runs would differ.
local function sox(...)
  run("sox", "-R", "-D", "-V1", ...)
end

local function read(path)
  local file, why = io.open(path, "rb")
  if not file then fail("Cannot read %s.", why) end
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function write(path, bytes)
  local file, why = io.open(path, "wb")
  if not file then fail("Cannot write %s.", why) end
  local ok = file:write(bytes)
  if not (file:close() and ok) then fail("Cannot write %s.", path) end
end

local function check_tools()
  for _, tool in ipairs{ "espeak-ng", "fluidsynth", "sox" } do
    if not succeeds("command -v " .. tool .. " >/dev/null") then
      fail("%s is not installed: apt install %s", tool, tool)
    end
  end
  local soundfont = io.open(SOUNDFONT, "rb")
  if not soundfont then
    fail("%s is missing: apt install timgm6mb-soundfont", SOUNDFONT)
  end
  soundfont:close()
end

--- A folder for what is made on the way.  Call it with a name to get a path.
local function workshop()
  local pipe = assert(io.popen("mktemp -d", "r"))
  local folder = pipe:read("*l")
  pipe:close()
  if not folder then fail("Cannot make a temporary folder.") end
  local made = {}
  local function path(name)
    local full = folder .. "/" .. name
    made[#made + 1] = full
    return full
  end
  local function remove()
    for _, full in ipairs(made) do os.remove(full) end
    os.remove(folder)
  end
  return path, remove
end

--- MIDI -----------------------------------------------------------------------

local TICKS = 480 -- per beat

local function big_endian(value, bytes)
  local out = {}
  for i = bytes, 1, -1 do
    out[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end

-- Seven bits a byte, the top bit set on all but the last.
local function variable_length(value)
  local out = string.char(value % 128)
  value = math.floor(value / 128)
  while value > 0 do
    out = string.char(128 + value % 128) .. out
    value = math.floor(value / 128)
  end
  return out
end

local SEMITONE = { C = 0, D = 2, E = 4, F = 5, G = 7, A = 9, B = 11 }

-- "Bb1" -> 34; a number is a key already.
local function key(note)
  if type(note) == "number" then return note end
  local letter, flat, octave = note:match("^(%u)(b?)(%d)$")
  return SEMITONE[letter] - #flat + 12 * (octave + 1)
end

--- An instrument on its own channel.  'pan' is 0 (left) to 127 (right).
local function part(channel, program, volume, pan, reverb)
  local events = {}
  local self = {}

  local function add(beat, order, ...)
    events[#events + 1] = {
      tick = math.floor(beat * TICKS + 0.5), order = order, serial = #events,
      bytes = string.char(...),
    }
  end

  function self.play(beat, length, note, velocity)
    add(beat, 2, 0x90 + channel, key(note), velocity)
    -- Ends come before starts on the same tick: a note may be struck again.
    add(beat + length, 1, 0x80 + channel, key(note), 0)
  end

  function self.chunk()
    table.sort(events, function(a, b)
      if a.tick ~= b.tick then return a.tick < b.tick end
      if a.order ~= b.order then return a.order < b.order end
      return a.serial < b.serial
    end)
    local out, now = {}, 0
    for _, event in ipairs(events) do
      out[#out + 1] = variable_length(event.tick - now) .. event.bytes
      now = event.tick
    end
    out[#out + 1] = "\0\255\47\0"
    local body = table.concat(out)
    return "MTrk" .. big_endian(#body, 4) .. body
  end

  add(0, 0, 0xC0 + channel, program)
  add(0, 0, 0xB0 + channel, 7, volume)
  add(0, 0, 0xB0 + channel, 10, pan)
  add(0, 0, 0xB0 + channel, 91, reverb)
  return self
end

local function midi(parts)
  local tempo = "\0\255\81\3" .. big_endian(math.floor(60e6 / BPM), 3)
    .. "\0\255\47\0"
  local out = {
    "MThd", big_endian(6, 4), big_endian(1, 2), big_endian(#parts + 1, 2),
    big_endian(TICKS, 2), "MTrk", big_endian(#tempo, 4), tempo,
  }
  for _, each in ipairs(parts) do out[#out + 1] = each.chunk() end
  return table.concat(out)
end

--- The arrangement ------------------------------------------------------------

-- Two pads, one on each side, share the chord: it sounds wide, not doubled.
local function play_pads(left, right)
  for _, chord in ipairs(CHORDS) do
    local beat, length = chord[1], chord[2]
    left.play(beat, length, chord[4], 62)
    left.play(beat, length, chord[6], 58)
    right.play(beat, length, chord[5], 62)
    right.play(beat, length, chord[7], 54)
  end
end

local function play_bass(bass)
  for _, chord in ipairs(CHORDS) do
    local beat, length, root = chord[1], chord[2], chord[3]
    bass.play(beat, length - 0.6, root, 78)
    if beat < ENDING then -- an octave up, to lead into the next chord
      bass.play(beat + length - 0.5, 0.45, key(root) + 12, 58)
    end
  end
end

-- Broken chords in quavers, each note held to the end of its half bar; the
-- piano leads, the guitar answers on the off-beats from the other side.
local function play_chords(piano, guitar)
  local order = { 4, 6, 5, 7 }
  for _, chord in ipairs(CHORDS) do
    for half = 0, chord[2] - 2, 2 do
      local beat = chord[1] + half
      for i, voice in ipairs(order) do
        local delay = (i - 1) / 2
        piano.play(beat + delay, 2 - delay, chord[voice], i == 1 and 66 or 54)
      end
      if beat < ENDING then
        guitar.play(beat + 0.75, 1.2, key(chord[7]), 50)
        guitar.play(beat + 1.25, 0.7, key(chord[5]) + 12, 44)
      end
    end
  end
  for i = 0, 3 do -- a slow strum to end on
    guitar.play(ENDING + i * 0.06, 3.8, CHORDS[#CHORDS][4 + i], 52)
  end
end

local function play_melody(vibraphone)
  for _, note in ipairs(MELODY) do
    vibraphone.play(note[1], note[2] + 0.6, note[3], 70)
  end
end

local function play_drums(drums)
  for beat = 0, ENDING - BAR, BAR do
    drums.play(beat, 0.25, DRUMS.kick, 62)
    drums.play(beat + 2.5, 0.25, DRUMS.kick, 50)
    drums.play(beat + 1, 0.25, DRUMS.rim, 34)
    drums.play(beat + 3, 0.25, DRUMS.rim, 38)
    for quaver = 0, 3.5, 0.5 do
      local accent = quaver % 1 == 0.5 and 34 or 24
      drums.play(beat + quaver, 0.25, DRUMS.shaker, accent)
    end
  end
  drums.play(ENDING, 1, DRUMS.kick, 58)
  drums.play(ENDING, 2, DRUMS.ride, 30)
end

local function compose()
  local left = part(0, 49, 78, 4, 60)         -- slow strings
  local right = part(1, 49, 78, 123, 60)
  local bass = part(2, 32, 92, 64, 10)        -- acoustic bass
  local piano = part(3, 0, 122, 24, 45)        -- piano
  local guitar = part(4, 24, 102, 106, 45)    -- nylon guitar
  local vibraphone = part(5, 11, 84, 96, 60)
  local drums = part(9, 0, 112, 64, 30)
  play_pads(left, right)
  play_bass(bass)
  play_chords(piano, guitar)
  play_melody(vibraphone)
  play_drums(drums)
  return midi{ left, right, bass, piano, guitar, vibraphone, drums }
end

--- Sound ----------------------------------------------------------------------

local function render_music(path)
  local score, raw, out = path "music.mid", path "band.wav", path "music.wav"
  write(score, compose())
  run("fluidsynth", "-q", "-n", "-i", "-g", "0.6", "-r", RATE,
    "-o", "synth.reverb.room-size=0.5", "-o", "synth.reverb.level=0.5",
    "-o", "synth.chorus.active=0",
    "-F", raw, "-T", "wav", "-O", "float", SOUNDFONT, score)
  -- Nothing above 11 kHz is missed, and FLAC has half as much to keep.
  sox(raw, "-b", 32, "-e", "float", out, "highpass", 35, "sinc", "-11000",
    "pad", 0, LENGTH, "trim", 0, LENGTH, "fade", "t", 0.02, LENGTH, 1.8)
  return out
end

-- One sentence, without the silence around it, at its place in the recording.
local function render_sentence(path, index, sentence)
  local raw = path("spoken" .. index .. ".wav")
  local out = path("sentence" .. index .. ".wav")
  run("espeak-ng", "-v", VOICE, "-p", sentence.pitch, "-s", sentence.speed,
    "-w", raw, sentence[1])
  sox(raw, "-b", 32, "-e", "float", out, "gain", -6, "rate", "-v", RATE,
    "silence", 1, 0.01, "0.2%", "fade", 0.005, "reverse",
    "silence", 1, 0.01, "0.2%", "fade", 0.02, "reverse", "pad", sentence.at)
  return out
end

local function render_speech(path)
  local dry, out = path "dry.wav", path "speech.wav"
  local mix = { "-m" }
  for index, sentence in ipairs(SENTENCES) do
    mix[#mix + 1] = "-v"
    mix[#mix + 1] = 1
    mix[#mix + 1] = render_sentence(path, index, sentence)
  end
  for _, word in ipairs{ "-b", 32, "-e", "float", dry } do
    mix[#mix + 1] = word
  end
  sox((table.unpack or unpack)(mix))
  -- Warmth in, buzz out, loud and quiet syllables nearer to each other, and a
  -- small room around it.  Padded first, so that the room may ring out.
  sox(dry, "-b", 32, "-e", "float", out,
    "pad", 0, LENGTH, "trim", 0, LENGTH, "highpass", 75,
    "equalizer", 190, "1.0q", 2.5, "equalizer", 900, "1.2q", -2,
    "equalizer", 3000, "1.0q", 1.5, "treble", -5, 6500, "sinc", "-10000",
    "compand", "0.004,0.12", "6:-60,-62,-36,-30,-18,-16,0,-10", 0, -20, 0.004,
    "remix", 1, 1, "reverb", 18, 60, 22, 60, 8, -4)
  return out
end

--- Levels ---------------------------------------------------------------------

-- The samples of both channels, interleaved, as 16-bit integers.
local function samples(path, sound, name)
  local raw = path(name .. ".raw")
  sox(sound, "-t", "raw", "-L", "-b", 16, "-e", "signed", raw)
  local bytes, out = read(raw), {}
  for i = 1, #bytes, 2 do
    local low, high = bytes:byte(i, i + 1)
    local value = low + 256 * high
    out[#out + 1] = value < 32768 and value or value - 65536
  end
  return out
end

local function energy(values, first, last)
  local sum = 0
  for i = first, last do sum = sum + values[i] * values[i] end
  return sum
end

local function decibel(ratio)
  return 10 * math.log(ratio) / math.log(10)
end

-- Speech over music in dB, over those twentieths of a second in which somebody
-- speaks: the speech is no more than 30 dB below its loudest.
local function ratio_while_speaking(speech, music)
  local block = RATE / 20 * 2
  local blocks, loudest = {}, 0
  for first = 1, #speech - block + 1, block do
    local e = energy(speech, first, first + block - 1)
    blocks[#blocks + 1] = { first = first, energy = e }
    if e > loudest then loudest = e end
  end
  local of_speech, of_music = 0, 0
  for _, each in ipairs(blocks) do
    if each.energy > loudest / 1000 then
      of_speech = of_speech + each.energy
      of_music = of_music + energy(music, each.first, each.first + block - 1)
    end
  end
  return decibel(of_speech / of_music)
end

local function peak_of_sum(a, a_gain, b, b_gain)
  local peak = 0
  for i = 1, #a do
    peak = math.max(peak, math.abs(a[i] * a_gain + b[i] * b_gain))
  end
  return peak / 32768
end

-- Factors for speech and music that give the wanted ratio and the wanted peak.
local function balance(path, speech_sound, music_sound)
  local speech = samples(path, speech_sound, "speech")
  local music = samples(path, music_sound, "music")
  local excess = ratio_while_speaking(speech, music) - SPEECH_OVER_MUSIC
  local relative = 10 ^ (excess / 20)
  local peak = peak_of_sum(speech, 1, music, relative)
  local gain = 10 ^ (PEAK / 20) / peak
  return gain, gain * relative
end

local function report(path, speech_flac, music_flac, mix_flac)
  local speech = samples(path, speech_flac, "speech16")
  local music = samples(path, music_flac, "music16")
  local mix = samples(path, mix_flac, "mix16")
  if #speech ~= #music or #mix ~= #speech then
    fail("The three files differ in length.")
  end
  for i = 1, #mix do
    if mix[i] ~= speech[i] + music[i] then
      fail("Sample %d of the mix is not speech + music.", i)
    end
  end
  print(string.format("%s: %.2f s, peak %.2f dBFS, speech %.1f dB over music",
    mix_flac, #mix / 2 / RATE, 2 * decibel(peak_of_sum(speech, 1, music, 1)),
    ratio_while_speaking(speech, music)))
end

--- All of it ------------------------------------------------------------------

local function make(path, out_dir)
  local mix_flac = out_dir .. "/mix.flac"
  local speech_flac = out_dir .. "/ingredients/speech.flac"
  local music_flac = out_dir .. "/ingredients/music.flac"
  run("mkdir", "-p", out_dir .. "/ingredients")
  local speech, music = render_speech(path), render_music(path)
  local speech_gain, music_gain = balance(path, speech, music)
  local function scaled(sound, gain, flac)
    sox("-v", string.format("%.6f", gain), sound,
      "-C", 8, "-b", 16, "--comment", COMMENT, flac)
  end
  scaled(speech, speech_gain, speech_flac)
  scaled(music, music_gain, music_flac)
  -- Added after both are integers, so that the sum is exact.
  sox("-m", "-v", 1, speech_flac, "-v", 1, music_flac,
    "-C", 8, "-b", 16, "--comment", COMMENT, mix_flac)
  report(path, speech_flac, music_flac, mix_flac)
end

local function main(out_dir)
  out_dir = out_dir or (arg[0]:match("^(.*)/[^/]*$") or ".")
  check_tools()
  local path, remove = workshop()
  local ok, why = pcall(make, path, out_dir)
  remove()
  if not ok then fail("%s", why) end
end

local ok, why = pcall(main, arg[1])
if not ok then
  io.stderr:write("make_mix: ", tostring(why), "\n")
  os.exit(1)
end
