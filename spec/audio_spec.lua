-- camb.audio, against files that ffmpeg makes.

local audio = require "camb.audio"
local camb = require "camb"
local sandbox = require "camb.sandbox"
local make = require("spec.support.audio").make
local decode = require("spec.support.audio").decode
local is_same = require("spec.support.audio").is_same
local luas = require "spec.support.luas"
local traced = require "spec.support.traced"
local workspace = require "spec.support.workspace"

local MIX = "examples/mix.flac"

local folder

workspace.for_file(function(path)
  folder = path
end)

local function sound(filter, name, more)
  return make(('-f lavfi -i "%s" %s'):format(filter, more or ""),
    folder .. "/" .. name)
end

--- The column and the row, from 1, of the brightest cell.
local function brightest(picture, column)
  local best, place = -1, nil
  for row = 1, picture.rows do
    local cell = picture.cells:byte((row - 1) * picture.columns + column)
    if cell > best then
      best, place = cell, row
    end
  end
  return place, best
end

-- Where a frequency is, by the scale that the documentation names.
local function row_of(picture, hz)
  local function mel(f)
    return math.log(1 + f / 700)
  end
  local part = (mel(hz) - mel(picture.lowest))
    / (mel(picture.highest) - mel(picture.lowest))
  return picture.rows - math.floor(part * picture.rows)
end

describe("camb.audio.probe", function()
  it("says what each format is, and how long", function()
    for name, codec in pairs({ ["a.wav"] = "pcm_s16le", ["a.flac"] = "flac",
      ["a.mp3"] = "mp3", ["a.m4a"] = "aac", ["a.ogg"] = "vorbis",
      ["a.opus"] = "opus", ["a.mkv"] = "flac" }) do
      local path = sound("sine=r=48000:d=1.5", name, "-ac 2"
        .. (name == "a.mkv" and " -c:a flac" or ""))
      local found = assert(audio.probe(path))
      assert.equal(codec, found.codec)
      assert.equal(48000, found.rate)
      assert.equal(2, found.channels)
      assert.is_true(math.abs(found.duration - 1.5) < 0.1, name)
      assert.is_false(found.is_estimate)
      assert.is_false(found.has_cover)
    end
  end)

  it("calls a length that comes from the bit rate an estimate", function()
    local found = assert(audio.probe(sound("sine=d=3", "raw.aac")))
    assert.is_true(found.is_estimate)
    assert.is_true(math.abs(found.duration - 3) < 1)
  end)

  it("gives the tags, in UTF-8 on one line, and says that there is a cover",
    function()
      make("-f lavfi -i color=s=16x16:d=1 -frames:v 1", folder .. "/cover.png")
      local path = make(("-f lavfi -i sine=d=1 -i %s/cover.png -map 0 -map 1 "
        .. "-disposition:v attached_pic -metadata title='Gr\195\188\195\159e\n"
        .. "\27[31m' -metadata ARTIST=Nina"):format(folder),
        folder .. "/tagged.mp3")
      local found = assert(audio.probe(path))
      assert.equal("Gr\195\188\195\159e [31m", found.tags.title)
      assert.equal("Nina", found.tags.artist)
      assert.is_true(found.has_cover)
    end)

  it("says of what is no audio that it is none, and names the file", function()
    local path = workspace.write(folder .. "/notes.wav", "not audio")
    local found, err = audio.probe(path)
    assert.is_nil(found)
    assert.equal("source", err.kind)
    assert.equal(path, err.path)
    assert.equal(('"%s": the source is named like audio, but is in no '
      .. "supported audio format"):format(path), err.message)
  end)

  it("says of a file that is not there that it cannot be read", function()
    for _, path in ipairs({ folder .. "/nowhere.wav", folder }) do
      local found, err = audio.probe(path)
      assert.is_nil(found)
      assert.equal("file", err.kind)
    end
  end)
end)

describe("camb.audio.peaks", function()
  it("gives each column the extremes of all channels", function()
    local path = sound("aevalsrc='if(gte(t,1),0.5,0)|if(gte(t,1),-0.25,0)'"
      .. ":s=44100:d=2", "step.wav")
    local found = assert(audio.peaks(path, { columns = 10 }))
    assert.equal(10, #found.low)
    assert.equal(10, #found.high)
    for i = 1, 5 do
      assert.equal(0, found.low[i])
      assert.equal(0, found.high[i])
    end
    for i = 7, 10 do
      assert.is_true(math.abs(found.high[i] - 0.5) < 1e-3)
      assert.is_true(math.abs(found.low[i] + 0.25) < 1e-3)
    end
    assert.equal(2, found.duration)
    assert.equal(88200, found.samples)
  end)

  it("shows one sample in the column in which it is, however long the file",
    function()
      for _, seconds in ipairs({ 1, 7, 200 }) do
        for _, part in ipairs({ 0.005, 0.5, 0.995 }) do
          local path = sound(("aevalsrc='if(eq(n,%d),0.9,0)':s=8000:d=%d")
            :format(seconds * 8000 * part, seconds), "click.wav")
          local found = assert(audio.peaks(path, { columns = 100 }))
          for i = 1, 100 do
            local is_there = i == math.floor(part * 100) + 1
            assert.equal(is_there, found.high[i] > 0.8)
          end
        end
      end
    end)

  it("fills every column where there are fewer samples than columns", function()
    local path = sound("aevalsrc='0.5':s=8000:d=0.01", "short.wav")
    local found = assert(audio.peaks(path, { columns = 1000 }))
    for i = 1, 1000 do
      assert.is_true(math.abs(found.high[i] - 0.5) < 1e-3)
    end
  end)

  it("reads 24 bits and full scale alike", function()
    local path = sound("aevalsrc='if(gte(t,0.5),1,-1)':s=8000:d=1", "full.wav",
      "-c:a pcm_s24le")
    local found = assert(audio.peaks(path, { columns = 4 }))
    assert.equal(-1, found.low[1])
    assert.is_true(found.high[4] > 0.999 and found.high[4] <= 1)
  end)
end)

describe("camb.audio.spectrogram", function()
  it("shows a sine in its row, at its level, in every column", function()
    for _, rate in ipairs({ 8000, 44100, 192000 }) do
      for _, hz in ipairs({ 440, 3000 }) do
        local path = sound(("aevalsrc='sin(2*PI*t*%d)':s=%d:d=2"):format(hz,
          rate), "sine.wav")
        local found = assert(audio.spectrogram(path,
          { columns = 20, rows = 32 }))
        assert.equal(20 * 32, #found.cells)
        for column = 2, 19 do
          local row, level = brightest(found, column)
          assert.is_true(math.abs(row - row_of(found, hz)) <= 1)
          assert.is_true(level >= 250, level)
        end
      end
    end
  end)

  it("is black where there is silence", function()
    local path = sound("aevalsrc='if(gte(t,1),sin(2*PI*t*1000),0)'"
      .. ":s=44100:d=2", "half.wav")
    local found = assert(audio.spectrogram(path, { columns = 10, rows = 16 }))
    for column = 1, 4 do
      assert.equal(0, (select(2, brightest(found, column))))
    end
    assert.is_true(select(2, brightest(found, 8)) > 240)
  end)

  it("puts a moment into its column, however long the file", function()
    local path = sound("aevalsrc='if(between(t,150,154),sin(2*PI*t*500),0)'"
      .. ":s=8000:d=200", "burst.flac")
    local found = assert(audio.spectrogram(path, { columns = 50, rows = 16 }))
    for column = 1, 50 do
      assert.equal(column == 38 or column == 39,
        select(2, brightest(found, column)) > 200)
    end
  end)
end)

describe("camb.audio.convert", function()
  it("is exact from lossless to lossless, at 16 and at 24 bits", function()
    for _, codec in ipairs({ "pcm_s16le", "pcm_s24le" }) do
      local bits = codec == "pcm_s16le" and 16 or 24
      local source = sound("aevalsrc='0.5*sin(700*t)+0.1*random(0)"
        .. "|0.3*random(1)':s=44100:d=1.01", "exact.wav", "-c:a " .. codec)
      local flac, wav = folder .. "/exact.flac", folder .. "/again.wav"
      assert(audio.convert(source, flac, { overwrite = true }))
      assert(audio.convert(flac, wav, { overwrite = true }))
      local sounds = decode({ source, flac, wav }, bits)
      for i = 2, 3 do
        assert.equal(44100, sounds[i].rate)
        assert.equal(2, sounds[i].channels)
        assert.is_true(is_same(sounds[1].samples, sounds[i].samples))
      end
    end
  end)

  it("writes each format that it names, as long as the source", function()
    for format, codec in pairs({ flac = "flac", wav = "pcm_s16le",
      mp3 = "mp3", opus = "opus", m4a = "aac", aac = "aac" }) do
      for _, rate in ipairs({ 8000, 44100, 96000 }) do
        local source = sound(("sine=660:r=%d:d=2"):format(rate), "any.wav")
        local output = folder .. "/any." .. format
        assert(audio.convert(source, output, { overwrite = true }))
        assert.equal(codec, audio.probe(output).codec)
        local made = assert(audio.spectrogram(output,
          { columns = 20, rows = 32 }))
        -- ADTS does not say how much of it is the codec's own delay
        local delay = format == "aac" and 3072 / rate or 0
        assert.is_true(math.abs(made.duration - 2) < 0.1 + delay, format)
        local row, level = brightest(made, 10)
        assert.is_true(math.abs(row - row_of(made, 660)) <= 1, format)
        assert.is_true(level > 180)
      end
    end
  end)

  it("gives its name to what would outlive a power cut alone", function()
    if not traced.is_allowed() then
      pending("needs strace")
      return
    end
    local source = sound("sine=d=1", "kept.wav")
    local _, status = workspace.run(('timeout 300 strace -f -y -o %s/trace -e '
      .. "trace=fsync,rename %s -e 'assert(require(\"camb.audio\").convert("
      .. "\"%s\", \"%s/kept.mp3\"))'"):format(folder,
      os.getenv("LUA") or "lua5.4", source, folder))
    assert.equal(0, status)
    assert.matches("fsync%(%d+<[^>]*kept.mp3.part>.*rename%(",
      workspace.read(folder .. "/trace"))
  end)

  it("mixes down what a format has no channels for", function()
    local source = sound("aevalsrc='0.1*sin(900*t)|0|0|0|0|0':c=5.1:s=48000:d=1",
      "surround.wav")
    for format, channels in pairs({ mp3 = 2, opus = 2, m4a = 6, flac = 6 }) do
      local output = folder .. "/surround." .. format
      assert(audio.convert(source, output))
      assert.equal(channels, audio.probe(output).channels)
    end
  end)

  it("clips nothing where it mixes down", function()
    local source = sound("aevalsrc='0.8*sin(900*t)" .. ("|0.8*sin(900*t)"):rep(5)
      .. "':c=5.1:s=48000:d=1", "loud.wav")
    for _, format in ipairs{ "mp3", "opus" } do
      local output = folder .. "/loud." .. format
      assert(audio.convert(source, output))
      local most = math.max(luas.unpack(assert(audio.peaks(output,
        { columns = 20 })).high))
      assert.is_true(most > 0.7 and most < 0.9, format .. ": " .. most)
    end
  end)

  it("carries tags and cover of another file over", function()
    make("-f lavfi -i color=s=16x16:d=1 -frames:v 1", folder .. "/c.png")
    local tagged = make(("-f lavfi -i sine=d=1 -i %s/c.png -map 0 -map 1 "
      .. "-disposition:v attached_pic -metadata title=Gr\195\188\195\159e "
      .. "-metadata artist=Nina -metadata date=1965"):format(folder),
      folder .. "/original.mp3")
    local stem = sound("sine=d=1", "stem.flac")
    for format, has_cover in pairs({ flac = true, mp3 = true, m4a = true,
      wav = false, opus = true }) do
      local output = folder .. "/dressed." .. format
      assert(audio.convert(stem, output, { tags_from = tagged }))
      local found = assert(audio.probe(output))
      assert.equal("Gr\195\188\195\159e", found.tags.title, format)
      assert.equal("Nina", found.tags.artist, format)
      assert.equal(has_cover, found.has_cover, format)
    end
  end)

  it("leaves every byte of a cover as it is, in each format that has one",
    function()
      make("-f lavfi -i testsrc=s=640x480:d=1,noise=alls=99 -frames:v 1",
        folder .. "/large.jpg")
      local bytes = assert(workspace.read(folder .. "/large.jpg"))
      assert.is_true(#bytes > 65536) -- more than a page of Ogg
      local tagged = make(("-f lavfi -i sine=d=1 -i %s/large.jpg -map 0 -map 1 "
        .. "-c:v copy -disposition:v attached_pic"):format(folder),
        folder .. "/large.mp3")
      for _, format in ipairs({ "flac", "mp3", "m4a", "opus" }) do
        local output = folder .. "/covered." .. format
        assert(audio.convert(sound("sine=d=1", "stem.flac"), output,
          { tags_from = tagged }))
        assert.equal(bytes, workspace.read(make(("-i %s -map 0:v -c copy "
          .. "-f image2pipe"):format(output), folder .. "/out.jpg")), format)
      end
      -- and from Ogg to another format
      local again = folder .. "/again.mp3"
      assert(audio.convert(folder .. "/covered.opus", again))
      assert.is_true(audio.probe(again).has_cover)
    end)

  it("heeds the bit rate", function()
    local source = sound("anoisesrc=d=4:r=44100", "noise.wav")
    local function size(bitrate)
      local output = ("%s/noise.%d.mp3"):format(folder, bitrate)
      assert(audio.convert(source, output, { bitrate = bitrate }))
      return #workspace.read(output)
    end
    assert.is_true(size(64000) * 3 < size(320000))
  end)

  it("leaves nothing behind where it fails, and replaces nothing unasked",
    function()
      local notes = workspace.write(folder .. "/text.wav", "not audio")
      local ok, err = audio.convert(notes, folder .. "/none.flac")
      assert.is_nil(ok)
      assert.equal("source", err.kind)
      assert.is_nil(workspace.read(folder .. "/none.flac.part"))
      local source = sound("sine=d=1", "again.flac")
      ok, err = audio.convert(source, source)
      assert.is_nil(ok)
      assert.equal(('"%s": already exists'):format(source), err.message)
      ok, err = audio.convert(source, folder .. "/nowhere/a.flac")
      assert.is_nil(ok)
      assert.equal("file", err.kind)
    end)

  it("refuses an extension that it does not know, at the caller's line",
    function()
      local ok, problem = pcall(function()
        audio.convert(MIX, folder .. "/a.xyz")
      end)
      assert.is_false(ok)
      assert.matches("audio_spec.lua:%d+: option 'output': its extension is "
        .. "none of flac, wav, mp3, opus, m4a, aac", problem)
    end)
end)

describe("while it works, camb.audio", function()
  local long, works

  setup(function()
    long = sound("sine=d=240:r=44100", "long.wav")
    works = {
      convert = function()
        return audio.convert(long, folder .. "/long.mp3", { overwrite = true })
      end,
      peaks = function()
        return audio.peaks(long)
      end,
      spectrogram = function()
        return audio.spectrogram(long)
      end,
    }
  end)

  it("lets transfers of other jobs go on", function()
    local server = assert(sandbox.start())
    local client = camb.client({ base_url = server.base_url,
      api_key = server.api_key, retries = 0 })
    for name, work in pairs(works) do
      local is_done, count = false, 0
      camb.run(function()
        camb.spawn(function()
          assert(work())
          is_done = true
        end)
        while not is_done do
          local _, err = client:task("none"):status()
          assert.equal("not_found", err.kind)
          count = count + 1
        end
      end)
      assert.is_true(count > 5, name .. ": " .. count)
    end
    client:close()
    server:stop()
  end)

  it("is cancelled with its job, and leaves nothing behind", function()
    for name, work in pairs(works) do
      os.remove(folder .. "/long.mp3")
      local result, err
      camb.run(function()
        local job = camb.spawn(function()
          result, err = work()
        end)
        workspace.wait_for("its begin", function()
          camb.sleep(0.005)
          return name ~= "convert"
            or workspace.read(folder .. "/long.mp3.part")
        end)
        job:cancel()
        job:join()
      end)
      assert.is_nil(result)
      assert.equal("cancelled", err.kind)
      assert.is_nil(workspace.read(folder .. "/long.mp3.part"))
      assert.is_nil(workspace.read(folder .. "/long.mp3"))
    end
  end)

  it("is given up where nobody waits for it any more", function()
    local core = require "camb.sandbox.core"
    local output = folder .. "/dropped.mp3.part"
    local work = core.convert(long, output, "mp3", long, 0)
    assert.is_false(work:outcome())
    workspace.wait_for("its file", function()
      return workspace.read(output)
    end)
    work = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(workspace.read(output))
    work = core.convert(MIX, output, "flac", MIX, 0)
    workspace.wait_for("its end", function()
      return #(workspace.read(output) or "") > 800000
    end)
    work:close() -- its output was not asked for
    work:close()
    assert.is_nil(workspace.read(output))
  end)
end)

describe("camb.audio", function()
  it("needs no more memory for an hour than for a minute", function()
    local function grown(path)
      collectgarbage()
      workspace.reset_peak()
      local before = workspace.memory()
      assert(audio.picture(path, 800, 300, 48))
      return workspace.peak() - before
    end
    local minute = sound("sine=r=8000:d=60", "minute.flac")
    local hour = sound("sine=r=8000:d=3600", "hour.flac")
    grown(minute)
    assert.is_true(grown(hour) < 4096)
  end)

  it("looks at a file that is cut off as far as it goes", function()
    local bytes = workspace.read(MIX)
    local path = workspace.write(folder .. "/cut.flac",
      bytes:sub(1, math.floor(#bytes / 2)))
    local whole, found = assert(audio.peaks(MIX)), assert(audio.peaks(path))
    assert.is_true(found.duration > 1 and found.duration < whole.duration)
  end)

  it("refuses what is no size, at the caller's line", function()
    for options, words in pairs({
      [{ columns = 0 }] = "option 'columns' must be a whole number from 1 to",
      [{ columns = 1.5 }] = "option 'columns' must be a whole number",
      [{ rows = 1000 }] = "option 'rows' must be a whole number from 1 to 256",
      [{ colums = 1 }] = "unknown option 'colums' %(did you mean 'columns'%?%)",
    }) do
      local ok, problem = pcall(function()
        audio.spectrogram(MIX, options)
      end)
      assert.is_false(ok)
      assert.matches("audio_spec.lua:%d+: " .. words, problem)
    end
    assert.error_matches(function()
      audio.probe()
    end, "a path is missing")
    assert.error_matches(function()
      audio.peaks("a\0b")
    end, "option 'path' contains a NUL byte")
  end)
end)
