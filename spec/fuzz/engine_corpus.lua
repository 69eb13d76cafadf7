-- What fuzzing the engine begins with: a tenth of a second in every format.
--
--   lua5.4 spec/fuzz/engine_corpus.lua FOLDER

local MIX = "examples/mix.flac"

local VIDEO = "-f lavfi -i color=red:s=16x16:d=0.1:r=10"

local FORMATS = {
  wav = "-ac 2 -c:a pcm_s16le -f wav",
  wav24 = "-ac 2 -c:a pcm_s24le -f wav",
  wav32 = "-ac 1 -c:a pcm_s32le -f wav",
  wavfloat = "-ac 1 -c:a pcm_f32le -f wav",
  wavdouble = "-ac 1 -c:a pcm_f64le -f wav",
  wav8 = "-c:a pcm_u8 -ar 8000 -ac 6 -f wav",
  wavalaw = "-c:a pcm_alaw -ar 8000 -f wav",
  wavadpcm = "-c:a adpcm_ima_wav -f wav",
  flac = "-ac 2 -c:a flac -f flac",
  flac24 = "-c:a flac -sample_fmt s32 -ar 96000 -t 0.02 -f flac",
  mp3 = "-ac 2 -c:a libmp3lame -b:a 64k -ar 44100 -f mp3",
  aac = "-c:a aac -b:a 48k -ar 44100 -f adts",
  aac22 = "-c:a aac -b:a 32k -ar 22050 -ac 1 -f adts",
  m4a = "-c:a aac -b:a 48k -ar 44100 -f ipod",
  alac = "-c:a alac -f ipod",
  fragments = "-c:a aac -b:a 48k -movflags frag_keyframe+empty_moov -f mp4",
  vorbis = "-c:a libvorbis -f ogg",
  opus = "-c:a libopus -b:a 24k -f ogg",
  webm = "-c:a libopus -b:a 24k -f webm",
  matroska = "-c:a flac -f matroska",
  aiff = "-f aiff",
  au = "-f au",
  caf = "-f caf",
  wma = "-c:a wmav2 -ar 44100 -b:a 64k -f asf",
  wavpack = "-c:a wavpack -f wv",
  tta = "-c:a tta -f tta",
  ac3 = "-c:a ac3 -ar 48000 -f ac3",
  mp2 = "-c:a mp2 -ar 44100 -b:a 64k -f mp2",
  transport = "-c:a aac -b:a 48k -ar 44100 -f mpegts",
  avi = "-c:a libmp3lame -ar 44100 -b:a 64k -f avi",
  film = "-map 1:v -c:v mpeg4 -c:a aac -b:a 48k -f mp4",
  silent = "-map -0:a -map 1:v -c:v mpeg4 -f mp4",
  picture = "-map -0:a -map 1:v -frames:v 1 -c:v png -f image2pipe",
}

local function has_video(words)
  return words:find("-c:v", 1, true) ~= nil
end

--- The first byte is not the file's: see engine.c.
local function write_seed(path, name, words)
  local pipe = assert(io.popen(("ffmpeg -nostdin -v error -ss 8 -t 0.1 -i %s "
    .. "%s -map 0:a -ar 16000 -fflags +bitexact -flags:a +bitexact "
    .. "-map_metadata -1 %s -y '%s' 2>&1"):format(MIX,
      has_video(words) and VIDEO or "", words, path)))
  local output = pipe:read "*a"
  if not pipe:close() then
    io.stderr:write(name, ": ", output)
    return
  end
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  file = assert(io.open(path, "wb"))
  file:write("\1", bytes)
  file:close()
end

local folder = arg[1] or error("usage: engine_corpus.lua FOLDER", 0)
assert(os.execute("mkdir -p '" .. folder .. "'"))
for name, words in pairs(FORMATS) do
  write_seed(folder .. "/" .. name, name, words)
end

-- One that changes its rate and its channels on the way, twice.
local function read(name)
  local file = assert(io.open(folder .. "/" .. name, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end
local file = assert(io.open(folder .. "/joined", "wb"))
file:write(read "aac", read "aac22":sub(2), read "aac":sub(2))
file:close()
