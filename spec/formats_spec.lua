-- Every format that the service takes goes through the whole pipeline against
-- one sandbox, and comes back as stems of its own shape.

local audio = require "spec.support.audio"
local camb = require "camb"
local sandbox = require "camb.sandbox"
local luas = require "spec.support.luas"
local workspace = require "spec.support.workspace"

local RATES = { 22050, 44100, 48000, 96000 }
local MP3_RATES = { 22050, 44100, 48000 } -- the format has no more
local NAMES = { "mono", "stereo" }

local FORMATS = {
  { name = "WAV", extension = "wav", encode = "-c:a pcm_s16le", rates = RATES },
  { name = "MP3", extension = "mp3", encode = "-c:a libmp3lame -b:a 128k",
    rates = MP3_RATES },
  { name = "FLAC", extension = "flac", encode = "-c:a flac -sample_fmt s16",
    rates = RATES },
  { name = "AAC", extension = "aac", encode = "-c:a aac -f adts",
    rates = RATES },
  { name = "M4A", extension = "m4a", encode = "-c:a aac", rates = RATES },
}

local server, folder, cut

setup(function()
  folder = workspace.folder()
  server = assert(sandbox.start())
  cut = audio.cut("examples/mix.flac", 6, 2, folder .. "/cut.wav")
end)

teardown(function()
  server:stop()
  workspace.remove(folder)
  collectgarbage()
end)

local function separate(path)
  return assert(camb.separate(path, { base_url = server.base_url,
    api_key = server.api_key, output_dir = folder .. "/stems", interval = 0.05,
    max_attempts = 600, overwrite = true }))
end

--- The cut in another form.
local function make(arguments, name)
  return audio.make("-i " .. cut .. " " .. arguments, folder .. "/" .. name)
end

--- Separate `path`, see that the stems are whole, and give all three sounds.
local function comes_back_whole(path, bits)
  local stems = separate(path)
  local problem, mixture, foreground, background = audio.compare(path,
    stems.foreground, stems.background, bits)
  assert.is_nil(problem)
  return mixture, foreground, background
end

--- For sound that has both: neither stem may be empty, nor be the other.
local function comes_back_divided(path, bits)
  local mixture, foreground, background = comes_back_whole(path, bits)
  local a, b = foreground.samples, background.samples
  assert.is_false(audio.is_silent(a), "the foreground is silent")
  assert.is_false(audio.is_silent(b), "the background is silent")
  assert.is_false(audio.is_same(a, b), "the stems are the same")
  return mixture, foreground, background
end

describe("a recording", function()
  for _, format in ipairs(FORMATS) do
    for _, rate in ipairs(format.rates) do
      for channels, name in ipairs(NAMES) do
        it(("comes back in two whole stems from %s, %s, %d Hz"):format(
          format.name, name, rate), function()
          local path = make(("%s -ar %d -ac %d"):format(format.encode, rate,
            channels), "recording." .. format.extension)
          local mixture = comes_back_divided(path)
          assert.equal(rate, mixture.rate)
          assert.equal(channels, mixture.channels)
        end)
      end
    end
  end

  for name, encode in pairs{ ["24-bit WAV"] = "-c:a pcm_s24le -f wav",
    ["24-bit FLAC"] = "-c:a flac -sample_fmt s32 -f flac",
    ["float WAV"] = "-c:a pcm_f32le -f wav" } do
    it("keeps 24 bits of " .. name, function()
      local path = make("-af aformat=dbl,volume=0.7071:precision=double "
        .. encode, "fine.bin")
      local mixture, foreground = comes_back_divided(path, 24)
      for _, sound in ipairs{ mixture, foreground } do
        local fine = 0
        for _, value in ipairs(sound.samples) do
          fine = fine + (value % 256 ~= 0 and 1 or 0)
        end
        assert.is_true(fine > #sound.samples / 2, "these are 16 bits")
      end
    end)
  end

  it("comes back whole from 8-bit WAV", function()
    comes_back_divided(make("-c:a pcm_u8", "coarse.wav"))
  end)

  it("comes back whole at 8 kHz", function()
    comes_back_divided(make("-ar 8000", "telephone.wav"))
  end)

  it("comes back whole in six channels", function()
    local path = make("-af 'pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.2*FL|"
      .. "BL=0.3*FR|BR=0.3*FL' -c:a flac", "surround.flac")
    assert.equal(6, comes_back_divided(path).channels)
  end)

  it("comes back whole though it carries tags and a cover", function()
    local path = audio.make("-i " .. cut .. " -f lavfi "
      .. "-i color=red:s=64x64:d=0.04:r=25 -map 0:a -map 1:v -c:v mjpeg "
      .. "-frames:v 1 -disposition:v attached_pic -metadata title=A "
      .. "-metadata artist=B -c:a libmp3lame -id3v2_version 3",
      folder .. "/cover.mp3")
    comes_back_divided(path)
  end)

  it("comes back whole when it is one sample long", function()
    local path = audio.write(folder .. "/one.wav", { 12345 }, 44100, 1)
    assert.same({ 12345 }, comes_back_whole(path).samples)
  end)

  it("comes back whole when it is silent", function()
    local silence = {}
    for i = 1, 44100 do silence[i] = 0 end
    local path = audio.write(folder .. "/silence.wav", silence, 44100, 1)
    local _, foreground = comes_back_whole(path)
    assert.is_true(audio.is_silent(foreground.samples))
  end)

  it("comes back whole when every sample is at full scale", function()
    local loud, state = {}, 1
    for i = 1, 44100 do
      state = state * 48271 % 2147483647
      loud[i] = state % 2 == 0 and 32767 or -32768
    end
    local path = audio.write(folder .. "/loud.wav", loud, 44100, 2)
    assert.is_true(audio.is_same(loud, comes_back_whole(path).samples))
  end)
end)

describe("the uploaded part", function()
  local function uploaded()
    local file
    for _, request in ipairs(server:requests()) do
      file = request.file or file
    end
    return file
  end

  -- what it is; encoding; its name here; its name and type in the upload
  for _, case in ipairs{
    { "an MP3", "-c:a libmp3lame -f mp3", "x.wav", "x.mp3", "audio/mpeg" },
    { "an M4A", "-c:a aac -f ipod", "x.mp3", "x.m4a", "audio/mp4" },
    { "an AAC", "-c:a aac -f adts", "x.flac", "x.aac", "audio/aac" },
    { "a FLAC", "-c:a flac -f flac", "x", "x.flac", "audio/flac" },
    { "a WAV", "-c:a pcm_s16le -f wav", "x.AAC", "x.wav", "audio/wav" },
    { "a FLAC", "-c:a flac -f flac", "x.FLAC", "x.FLAC", "audio/flac" },
  } do
    local kind, encode, here, there, content_type = luas.unpack(case)
    it(("is %s of type %s for %s called %s"):format(there, content_type, kind,
      here), function()
      local path = make(encode, here)
      comes_back_divided(path)
      local file = uploaded()
      assert.equal(there, file.name)
      assert.equal(content_type, file.content_type)
      assert.equal(#workspace.read(path), file.size)
    end)
  end
end)
