-- What the engine takes, and how it refuses the rest: with the reason that the
-- service would give, and a sentence for a person.

local audio = require "spec.support.audio"
local engine = require "spec.support.engine"
local luas = require "spec.support.luas"
local workspace = require "spec.support.workspace"

local MIX = "examples/mix.flac"

local folder, cut

setup(function()
  folder = workspace.folder()
  cut = audio.cut(MIX, 3, 3, folder .. "/cut.wav")
end)

teardown(function()
  workspace.remove(folder)
  collectgarbage()
end)

local function stems()
  return folder .. "/foreground.flac", folder .. "/background.flac"
end

local function separate(path, words)
  local foreground, background = stems()
  return engine.separate(path, foreground, background, words)
end

--- The cut in another form, or what `arguments` say, in a file of that name.
local function make(name, arguments)
  return audio.make(arguments:gsub("CUT", (cut:gsub("%%", "%%%%"))),
    folder .. "/" .. name)
end

local function write(name, bytes)
  return workspace.write(folder .. "/" .. name, bytes)
end

--- The first part of a file, as if its transfer had broken off.
local function truncate(path, part)
  local bytes = workspace.read(path)
  return workspace.write(path, bytes:sub(1, math.floor(#bytes * part)))
end

local function is_refused(path, reason, message, words)
  local figures, why, sentence = separate(path, words)
  assert.is_nil(figures)
  assert.equal(reason, why)
  assert.equal(message, sentence)
  for _, stem in ipairs{ stems() } do
    assert.is_nil(workspace.read(stem), "a stem was left behind")
  end
end

--- The stems sum to what ffmpeg makes of the source, sample by sample.
local function is_whole(path)
  local figures = assert(separate(path))
  local problem, mixture = audio.compare(path, stems())
  assert.is_nil(problem)
  assert.equal(#mixture.samples, figures.samples * figures.channels)
  return figures
end

describe("a source is refused", function()
  for name, content in pairs{
    ["text"] = ("no audio at all. "):rep(500),
    ["zeros"] = ("\0"):rep(20000),
    ["a playlist"] = "#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
  } do
    it("as of an unknown type when it is " .. name, function()
      is_refused(write("unknown.bin", content), "SOURCE_TYPE_NOT_SUPPORTED",
        "the source is in no supported audio format")
    end)

    it("as named wrongly when it is " .. name .. " called WAV", function()
      is_refused(write("unknown.wav", content),
        "CONTENT_DOES_NOT_MATCH_EXTENSION", "the source is named like audio, "
        .. "but is in no supported audio format")
    end)
  end

  it("as named wrongly when it is a picture called MP3", function()
    make("picture.png", "-f lavfi -i color=red:s=64x64 -frames:v 1")
    os.rename(folder .. "/picture.png", folder .. "/picture.mp3")
    is_refused(folder .. "/picture.mp3", "CONTENT_DOES_NOT_MATCH_EXTENSION",
      "the source is named like audio, but is png_pipe")
  end)

  it("as of another type when it is a picture", function()
    local path = make("picture.png", "-f lavfi -i color=red:s=64x64 "
      .. "-frames:v 1")
    is_refused(path, "SOURCE_TYPE_NOT_SUPPORTED",
      "the source is png_pipe, not audio")
  end)

  it("when it is empty", function()
    is_refused(write("empty.wav", ""), "INVALID_SOURCE_DATA",
      "the source is empty")
  end)

  it("when it is a header without samples", function()
    is_refused(audio.write(folder .. "/header.wav", {}, 44100, 2),
      "INVALID_SOURCE_DATA", "nothing in the source can be decoded")
  end)

  it("when its header is damaged", function()
    local bytes = workspace.read(cut)
    local path = write("rate.wav", bytes:sub(1, 24) .. ("\0"):rep(4)
      .. bytes:sub(29))
    is_refused(path, "INVALID_SOURCE_DATA", "the source cannot be opened: "
      .. "Invalid data found when processing input")
  end)

  it("when its index is missing", function()
    local path = truncate(make("cut.m4a", "-i CUT -c:a aac"), 0.7)
    is_refused(path, "INVALID_SOURCE_DATA", "the source cannot be opened: "
      .. "Invalid data found when processing input")
  end)

  it("when it is a video without sound", function()
    local path = make("silent.mp4", "-f lavfi -i testsrc=s=64x64:d=1:r=5 "
      .. "-c:v mpeg4")
    is_refused(path, "VIDEO_DOES_NOT_HAVE_AUDIO_STREAMS",
      "the source is a video without an audio track")
  end)

  it("when it has nine channels", function()
    is_refused(audio.write(folder .. "/nine.wav", { 1, 2, 3, 4, 5, 6, 7, 8, 9 },
      44100, 9), "SOURCE_TYPE_NOT_SUPPORTED",
      "the source has 9 channels, not 1 to 8")
  end)

  it("when its rate is beyond what a stem can have", function()
    is_refused(audio.write(folder .. "/slow.wav", { 1, 2, 3 }, 100, 1),
      "SOURCE_TYPE_NOT_SUPPORTED", "the source's sample rate of 100 Hz is "
      .. "not supported")
  end)

  it("when it is a folder, or not there", function()
    is_refused(folder, "INTERNAL_ERROR",
      "cannot read the source: it is not a regular file")
    is_refused(folder .. "/nowhere.wav", "INTERNAL_ERROR",
      "cannot read the source: No such file or directory")
  end)

  it("when a stem would overwrite it", function()
    local before = workspace.read(cut)
    local _, reason, message = engine.separate(cut, cut, (stems()))
    assert.equal("INTERNAL_ERROR", reason)
    assert.equal("the source and the two stems must be three files", message)
    assert.is_true(before == workspace.read(cut))
  end)

  it("when its stems cannot be written", function()
    local _, reason, message = engine.separate(cut, folder .. "/no/f.flac",
      (stems()))
    assert.equal("INTERNAL_ERROR", reason)
    assert.equal("cannot create a stem: No such file or directory", message)
  end)
end)

describe("a source that was cut off", function()
  for name, arguments in pairs{
    ["wav"] = "-i CUT -c:a pcm_s16le",
    ["flac"] = "-i CUT -c:a flac",
    ["mp3"] = "-i CUT -c:a libmp3lame -b:a 128k",
    ["aac"] = "-i CUT -c:a aac -f adts",
    ["m4a"] = "-i CUT -c:a aac -movflags +faststart",
  } do
    it("is separated as far as it goes, and says so: " .. name, function()
      local path = truncate(make("cut-off." .. name, arguments), 0.5)
      local figures = assert(separate(path))
      assert.matches("^the source ends early", figures.message)
      assert.matches("seconds were separated$", figures.message)
      local seconds = figures.samples / figures.rate
      assert.is_true(seconds > 1 and seconds < 2, seconds .. " seconds")
      local a, b = luas.unpack(audio.decode{ stems() })
      assert.equal(figures.samples * 2, #a.samples)
      assert.equal(figures.samples * 2, #b.samples)
    end)
  end

  it("has nothing to say when it is whole", function()
    for name, arguments in pairs{ ["whole.mp3"] = "-i CUT",
      ["whole.m4a"] = "-i CUT -c:a aac", ["whole.aac"] = "-i CUT",
      ["whole.flac"] = "-i CUT", ["whole.wav"] = "-i CUT",
      ["whole.caf"] = "-i CUT -c:a alac" } do
      assert.equal("", assert(separate(make(name, arguments))).message)
    end
  end)

  it("says how many samples are clipped, where its floats are too loud",
    function()
      local path = make("loud.wav", "-f lavfi -i 'aevalsrc=if(mod(n\\,100)\\,"
        .. "0.5\\,1.25)|0.99:s=44100:d=1' -c:a pcm_f32le")
      local figures = assert(separate(path))
      assert.equal("441 samples of the source beyond full scale were clipped",
        figures.message)
      local problem = audio.compare(path, folder .. "/foreground.flac",
        folder .. "/background.flac", 24)
      assert.is_nil(problem)
    end)

  it("says where it is damaged in the middle", function()
    local bytes = workspace.read(make("damaged.flac", "-i CUT -c:a flac"))
    local middle = math.floor(#bytes / 2)
    local path = write("damaged.flac", bytes:sub(1, middle)
      .. ("\255"):rep(3000) .. bytes:sub(middle + 3001))
    local figures = assert(separate(path))
    assert.matches("^the source ", figures.message)
  end)
end)

describe("what stands around the audio and is none", function()
  local RAW = { flac = "-c:a flac", mp3 = "-c:a libmp3lame", aac = "-c:a aac "
    .. "-f adts" }

  local function id3(size)
    return "ID3\4\0\0" .. string.char(0, math.floor(size / 2 ^ 14), math.floor(size / 2 ^ 7)
      % 128, size % 128) .. ("\90cover"):rep(math.floor(size / 6) + 1):sub(1, size)
  end

  local function ape(size)
    local item = luas.pack("<I4I4z", size, 2, "Cover Art") .. ("c"):rep(size)
    local function frame(flags)
      return luas.pack("<c8I4I4I4I4I8", "APETAGEX", 2000, #item + 32, 1, flags, 0)
    end
    return frame(0xA0000000) .. item .. frame(0x80000000)
  end

  local function zeros(size)
    return ("\0"):rep(size)
  end

  local function id3v1(title)
    return ("TAG" .. title):sub(1, 128) .. zeros(125 - #title)
  end

  local bare = {} -- by name: bytes, and how many samples they are

  setup(function()
    for name, encoder in pairs(RAW) do
      -- without tags of its own, so that what is put around it is all there is
      local path = make("bare." .. name, "-i CUT -map_metadata -1 "
        .. "-id3v2_version 0 " .. encoder)
      local figures = assert(separate(path))
      assert.equal("", figures.message)
      bare[name] = { bytes = workspace.read(path), samples = figures.samples }
    end
  end)

  local function is_as_without(name, front, back)
    local figures = assert(separate(write("around." .. name, front
      .. bare[name].bytes .. back)))
    assert.equal("", figures.message)
    return bare[name].samples, figures.samples
  end

  for what, front in pairs{
    ["an ID3 tag beyond what is probed"] = id3(1100000),
    ["two ID3 tags"] = id3(600000) .. id3(600000),
    ["an ID3 tag and padding"] = id3(2000) .. zeros(3000),
    ["an APE tag"] = ape(3000),
    ["an APE tag beyond what is probed"] = ape(1200000),
    ["ID3 and APE"] = id3(3000) .. ape(5000),
    ["zeros"] = zeros(1000),
    ["many zeros"] = zeros(70000),
  } do
    for name in pairs(RAW) do
      it(("is skipped in front: %s, %s"):format(what, name), function()
        local wanted, samples = is_as_without(name, front, "")
        assert.equal(wanted, samples)
      end)
    end
  end

  for what, back in pairs{
    ["an ID3v1 tag"] = id3v1("A title"),
    ["an empty ID3v1 tag"] = id3v1(""),
    ["an APE tag"] = ape(2000),
    ["APE and ID3v1"] = ape(2000) .. id3v1("x"),
    ["an ID3v2 tag"] = id3(2000),
    ["Lyrics3"] = "LYRICSBEGININD0000200" .. "000021LYRICS200" .. id3v1("x"),
    ["a zero"] = "\0",
    ["zeros"] = zeros(1000),
  } do
    for name in pairs(RAW) do
      it(("is no damage behind it: %s, %s"):format(what, name), function()
        is_as_without(name, "", back)
      end)
    end
  end

  it("does not hide that the audio is cut", function()
    for name in pairs(RAW) do
      local bytes = id3(2000) .. bare[name].bytes
      local path = write("cut-tagged." .. name, bytes:sub(1, math.floor(#bytes * 0.6)))
      assert.matches("^the source ends early", assert(separate(path)).message)
    end
  end)
end)

describe("a source that was written to a pipe", function()
  -- With another length in the heads of RIFF and of its samples.
  local function with_length(length)
    local bytes = workspace.read(make("length.wav", "-i CUT -c:a pcm_s16le "
      .. "-map_metadata -1 -fflags +bitexact"))
    local field = luas.pack("<I4", length)
    local at = bytes:find("data", 1, true)
    return "RIFF" .. field .. bytes:sub(9, at + 3) .. field .. bytes:sub(at + 8)
  end

  for what, length in pairs{ ["none"] = 0, ["all bits"] = 0xFFFFFFFF,
    ["the largest"] = 0x7FFFFFFF, ["a little less"] = 0xFFFFFFDB } do
    it("is whole, whatever stands for its length: " .. what, function()
      local figures = assert(separate(write("pipe.wav", with_length(length))))
      assert.equal(132300, figures.samples)
      assert.equal("", figures.message)
    end)
  end

  it("says so where it ends inside of a sample", function()
    local path = write("pipe.wav", with_length(0xFFFFFFFF):sub(1, -2))
    assert.matches("^the source ends early", assert(separate(path)).message)
  end)

  for _, format in ipairs{ "au", "caf", "flac", "wav" } do
    it("is whole in its other forms: " .. format, function()
      local path = folder .. "/pipe." .. format
      assert.equal("", (workspace.run(("ffmpeg -v error -i %s -f %s - > %s")
        :format(cut, format, path))))
      local figures = assert(separate(path))
      assert.equal(132300, figures.samples)
      assert.equal("", figures.message)
    end)
  end
end)

describe("a WAV whose samples have room for more bits than they have", function()
  -- WAVE_FORMAT_EXTENSIBLE: 'valid' bits in 'width'.
  local function extensible(width, valid)
    local raw = make("raw.bin", ("-i CUT -f s%dle -c:a pcm_s%dle")
      :format(width, width))
    local samples, bytes = workspace.read(raw), width / 8
    local form = luas.pack("<I2I2I4I4I2I2I2I2I4", 0xFFFE, 2, 44100,
      44100 * 2 * bytes, 2 * bytes, width, 22, valid, 3)
      .. "\1\0\0\0\0\0\16\0\128\0\0\170\0\56\155\113"
    return write("extensible.wav", luas.pack("<c4I4c8I4", "RIFF",
      4 + 8 + #form + 8 + #samples, "WAVEfmt ", #form) .. form
      .. luas.pack("<c4I4", "data", #samples) .. samples)
  end

  for _, case in ipairs{ { 32, 24 }, { 32, 20 }, { 32, 16 }, { 24, 20 },
    { 24, 16 }, { 16, 12 } } do
    local width, valid = luas.unpack(case)
    local title = ("is read by their room: %d in %d"):format(valid, width)
    it(title, function()
      local figures = assert(separate(extensible(width, valid)))
      assert.equal("", figures.message)
      assert.equal(132300, figures.samples)
      local bits = width == 16 and 16 or 24
      local plain = make("plain.wav", ("-i CUT -c:a pcm_s%dle"):format(bits))
      local foreground, background = stems()
      assert.is_nil((audio.compare(plain, foreground, background, bits)))
    end)
  end
end)

describe("a source that changes its rate on the way", function()
  it("keeps its first rate, and loses nothing of its length", function()
    local parts = {}
    for i, rate in ipairs{ 48000, 32000, 44100 } do
      parts[i] = workspace.read(make("part.aac", ("-i CUT -ar %d -c:a aac "
        .. "-f adts"):format(rate)))
    end
    local figures = assert(separate(write("joined.aac", table.concat(parts))))
    assert.equal(48000, figures.rate)
    -- Each part has a delay in front and a last packet that is filled up.
    local seconds = figures.samples / figures.rate
    assert.is_true(seconds > 9 and seconds < 9.3, seconds .. " seconds")
  end)

  it("keeps each sound at its time", function()
    local parts = {}
    for i, sound in ipairs{ "0:s=48000", "0:s=44100", "0.5:s=48000" } do
      parts[i] = workspace.read(make("part.ogg", ("-f lavfi -i 'aevalsrc=%s:d=1' "
        .. "-sample_fmt s16 -c:a flac"):format(sound)))
    end
    assert(separate(write("joined.ogg", table.concat(parts))))
    local a, b = luas.unpack(audio.decode{ stems() })
    assert.equal(144000, #a.samples)
    for i = 1, #a.samples do
      local wanted = i <= 96000 and 0 or 16384
      if a.samples[i] + b.samples[i] ~= wanted then
        error(("sample %d is %d"):format(i, a.samples[i] + b.samples[i]))
      end
    end
  end)

  it("clips nothing where it has more channels on the way", function()
    local parts = {}
    for i, layout in ipairs{ "stereo", "5.1", "stereo" } do
      parts[i] = workspace.read(make("part.ac3", ("-f lavfi -i "
        .. "'aevalsrc=0.8*sin(1000*t)%s:c=%s:s=48000:d=1' -c:a ac3"):format(
        ("|0.8*sin(1000*t)"):rep(layout == "5.1" and 5 or 1), layout)))
    end
    local path = write("joined.ac3", table.concat(parts))
    assert.equal("", assert(separate(path)).message)
  end)
end)

describe("the length of the stems", function()
  -- Encoders put a delay in front and fill the last packet: both are off again.
  it("is the recording's own where MP3 says what was added", function()
    assert.equal(132300, is_whole(make("own.mp3", "-i CUT -c:a libmp3lame"))
      .samples)
  end)

  it("is what ffmpeg reports of AAC, in any container", function()
    for name, arguments in pairs{ ["a.m4a"] = "-i CUT -c:a aac",
      ["a.aac"] = "-i CUT -c:a aac -f adts", ["a.mkv"] = "-i CUT -c:a aac" } do
      is_whole(make(name, arguments))
    end
  end)

  it("is the recording's own where M4A says it by an edit", function()
    local figures = is_whole(make("edit.m4a", "-i CUT -c:a alac"))
    assert.equal(132300, figures.samples)
  end)

  it("is one second for one second, at any rate", function()
    for _, rate in ipairs{ 8000, 44100, 192000 } do
      local path = make("second.wav", ("-t 1 -i CUT -ar %d -ac 1"):format(rate))
      assert.equal(rate, is_whole(path).samples)
    end
  end)

  it("is one sample for one sample, in every channel", function()
    for channels = 1, 8 do
      local samples = {}
      for i = 1, channels do samples[i] = 1000 * i end
      local path = audio.write(folder .. "/one.wav", samples, 48000, channels)
      local figures = assert(separate(path))
      assert.equal(1, figures.samples)
      local a, b = luas.unpack(audio.decode{ stems() })
      for i = 1, channels do
        assert.equal(samples[i], a.samples[i] + b.samples[i])
      end
    end
  end)
end)

describe("a video", function()
  for _, case in ipairs{ { "mp4", "-c:v mpeg4 -c:a aac" },
    { "mkv", "-c:v mpeg4 -c:a flac" }, { "webm", "-c:v libvpx -c:a libopus" },
    { "avi", "-c:v mpeg4 -c:a libmp3lame" },
    { "mov", "-c:v mpeg4 -c:a pcm_s16le" } } do
    local extension, codecs = luas.unpack(case)
    it("gives its sound: " .. extension, function()
      local path = make("film." .. extension, "-i CUT -f lavfi -i "
        .. "testsrc=s=64x64:d=3:r=5 " .. codecs)
      is_whole(path)
    end)
  end
end)

describe("the number of workers", function()
  -- Three segments: each worker waits for another one.
  it("changes nothing in the stems", function()
    local path = make("long.flac", "-stream_loop 2 -i " .. MIX
      .. " -ac 1 -ar 32000")
    local foreground, background = stems()
    local first, second
    for _, workers in ipairs{ 1, 2, 4 } do
      assert(separate(path, "--workers " .. workers))
      first = first or workspace.read(foreground)
      second = second or workspace.read(background)
      assert.is_true(first == workspace.read(foreground)
        and second == workspace.read(background), workers .. " workers differ")
    end
  end)
end)
