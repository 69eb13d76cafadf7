-- Where a host gives neither a length nor a digest, what a stem is says whether
-- all of it came.

local audio = require "spec.support.audio"
local camb = require "camb"
local scripted = require "spec.support.scripted"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local CLOSE = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
local OLD = "HTTP/1.0 200 OK\r\n\r\n"

-- By name: how ffmpeg is told to write it.
local FORMATS = {
  flac = "-c:a flac -f flac",
  wav = "-c:a pcm_s16le -f wav",
  rf64 = "-c:a pcm_s16le -rf64 always -f wav",
  aac = "-c:a aac -f adts",
  mp3 = "-c:a libmp3lame -b:a 96k -f mp3",
  ["mp3 without its numbers"] = "-c:a libmp3lame -write_xing 0 "
    .. "-id3v2_version 0 -f mp3",
  ["mp3 between tags"] = "-c:a libmp3lame -metadata title=x "
    .. "-write_id3v1 1 -f mp3",
  m4a = "-c:a aac -f ipod",
  ["m4a with its index first"] = "-c:a aac -movflags +faststart -f ipod",
  ["m4a in fragments"] = "-c:a aac -movflags frag_keyframe+empty_moov -f ipod",
  ogg = "-c:a libvorbis -f ogg",
}

describe("a stem of which no length and no digest came", function()
  local server, client, folder, run
  local made = {}

  setup(function()
    server, run = stage.separated(MIX)
    folder = workspace.folder()
    for name, words in pairs(FORMATS) do
      audio.make(("-i %s -map_metadata -1 %s"):format(MIX, words),
        folder .. "/stem")
      made[name] = workspace.read(folder .. "/stem")
    end
    workspace.remove(folder)
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    folder = workspace.folder()
    client = stage.client(server, { retries = 2 })
  end)

  after_each(function()
    stage.leave(server, client, folder)
  end)

  -- What comes of the stem, reply by reply; the last one again and again.
  local function serve(stem, head, replies)
    for i, bytes in ipairs(replies) do
      server:fault({ step = "stem", path = stem, raw = head .. bytes,
        times = i == #replies and math.huge or 1 })
    end
  end

  local function download()
    return client:download(run, { output_dir = folder, name = "x",
      interval = 0.01, max_attempts = 3 })
  end

  local function refuses(words)
    client:close()
    client = camb.client({ base_url = server.base_url,
      api_key = server.api_key, retries = 0 })
    local stems, err = download()
    assert.is_nil(stems)
    assert.equal("protocol", err.kind)
    assert.matches(words, err.message)
    assert.is_nil(table.concat(workspace.list(folder), " "):find("foreground"))
  end

  for name in pairs(FORMATS) do
    it("is begun anew until it is whole: " .. name, function()
      local whole = made[name]
      serve("background", OLD, { whole })
      serve("foreground", CLOSE, { whole:sub(1, math.floor(#whole / 2)),
        whole:sub(1, -300), whole })
      local stems = assert(download())
      assert.is_true(whole == workspace.read(stems.foreground))
      assert.is_true(whole == workspace.read(stems.background))
    end)

    it("is not named when it never is: " .. name, function()
      local whole = made[name]
      serve("background", OLD, { whole })
      serve("foreground", OLD, { whole:sub(1, math.floor(#whole * 0.7)) })
      refuses("ends early")
    end)
  end

  for name, behind in pairs({
    ["FLAC and an ID3 tag"] = { "flac", "TAG" .. ("\0"):rep(125) },
    ["FLAC and an APE tag"] = { "flac", "APETAGEX\208\7\0\0\32\0\0\0\0\0\0\0"
      .. "\0\0\0\128" .. ("\0"):rep(8) },
    ["FLAC and zeros"] = { "flac", ("\0"):rep(1000) },
    ["WAV and a byte"] = { "wav", "\0" },
    ["WAV and a chunk"] = { "wav", "LIST\4\0\0\0INFO" },
    ["MP3 and a tag"] = { "mp3", "TAG" .. ("\0"):rep(125) },
  }) do
    it("is whole with more behind it: " .. name, function()
      local whole = made[behind[1]]
      serve("background", OLD, { whole })
      serve("foreground", CLOSE, { whole:sub(1, -300), whole .. behind[2] })
      local stems = assert(download())
      assert.is_true(whole .. behind[2] == workspace.read(stems.foreground))
    end)
  end

  it("is not whole where half of it ends like a tag", function()
    serve("background", OLD, { made.flac })
    serve("foreground", OLD, { made.flac:sub(1, 50000) .. "TAG"
      .. ("\0"):rep(125) })
    refuses("ends early")
  end)

  it("is resumed where its host says by an ETag that it is the same",
    function()
      local whole = made.flac
      server:fault({ step = "stem", path = "foreground",
        raw = 'HTTP/1.1 200 OK\r\nETag: "a"\r\nConnection: close\r\n\r\n'
          .. whole:sub(1, 50000) })
      server:fault({ step = "stem", path = "foreground",
        raw = ('HTTP/1.1 206 OK\r\nETag: "a"\r\nContent-Range: bytes 50000-%d/*'
          .. "\r\nConnection: close\r\n\r\n"):format(#whole - 1)
          .. whole:sub(50001) })
      local stems = assert(download())
      assert.is_true(whole == workspace.read(stems.foreground))
    end)

  it("is whole where the host has no more bytes, and says how many", function()
    local whole = made.flac
    server:fault({ step = "stem", path = "foreground", headers = {
      ETag = '"a"', ["Content-Length"] = false,
      ["Content-Range"] = ("bytes 0-%d/*"):format(#whole - 1) },
      status = 206, body = whole })
    local stems = assert(download())
    assert.is_true(whole == workspace.read(stems.foreground))
  end)

  -- Cut between two frames nothing of it looks wrong.
  local function cut_frames(bytes, count)
    local at = 1
    for _ = 1, count do
      local a, b, c = bytes:byte(at + 3, at + 5)
      at = at + (a % 4) * 2048 + b * 8 + math.floor(c / 32)
    end
    return bytes:sub(1, at - 1)
  end

  it("is begun anew where the other one is longer, though by a frame",
    function()
      local whole = made.aac
      local frames = 0
      repeat
        frames = frames + 1
      until #cut_frames(whole, frames) == #whole
      serve("foreground", OLD, { cut_frames(whole, math.floor(frames / 2)),
        cut_frames(whole, frames - 1), whole })
      serve("background", OLD, { whole })
      local stems = assert(download())
      assert.is_true(whole == workspace.read(stems.foreground))
      assert.is_true(whole == workspace.read(stems.background))
    end)

  it("is refused where it always is shorter than the other one", function()
    serve("foreground", OLD, { cut_frames(made.aac, 20) })
    serve("background", CLOSE, { made.aac })
    refuses("differ in length: 0.%d+ s and 2.%d+ s")
  end)

  it("is refused where nothing of it can be read", function()
    serve("foreground", OLD, { "fLaC" .. ("\0"):rep(50000) })
    refuses("ends early")
  end)

  it("needs no proof where its length came", function()
    local bytes = "fLaC" .. ("x"):rep(50000)
    server:fault({ step = "stem", path = "foreground", body = bytes })
    local stems = assert(download())
    assert.is_true(bytes == workspace.read(stems.foreground))
  end)

  it("is not sent by halves where it is a source", function()
    local urls = assert(client:result(run.id))
    local uploads = server:stats().uploads
    serve("foreground", OLD, { made.flac:sub(1, 30000) })
    local task, err = client:submit(urls.foreground_audio_url)
    assert.is_nil(task)
    assert.matches("ends early", err.message)
    assert.equal(uploads, server:stats().uploads)
  end)

  describe("over HTTP/2", function()
    local peer

    after_each(function()
      peer.stop()
    end)

    -- The first `cut` replies hold half of the stem, and end by `ending`.
    local function download_from(cut, ending)
      local path = workspace.write(folder .. "/whole", made.flac)
      peer = scripted.start(([[
        local c = ...
        local file = io.open("%s", "rb")
        local whole = file:read("*a")
        file:close()
        while c.is_open or c:tls("h2") do
          c.is_open = true
          local stream = c:stream()
          if not stream then
            return
          end
          REPLIES = (REPLIES or 0) + 1
          local is_cut = REPLIES <= %d
          local bytes = is_cut and whole:sub(1, math.floor(#whole / 2)) or whole
          c:frame(1, 4, stream, "\136")
          for at = 1, #bytes, 16384 do
            c:frame(0, 0, stream, bytes:sub(at, at + 16383))
          end
          if is_cut then
            %s
          else
            c:frame(0, 1, stream, "")
          end
        end]]):format(path, cut, ending), "https")
      client:close()
      client = camb.client({ base_url = peer.base_url, api_key = peer.api_key,
        retries = 2, danger_accept_invalid_certificates = true })
      local url = peer.base_url .. "/stem"
      return client:download({ foreground_audio_url = url,
        background_audio_url = url }, { output_dir = folder, name = "x",
        interval = 0.01, max_attempts = 3 })
    end

    for name, ending in pairs({
      ["its stream is reset without an error"] = "c:reset(stream, 0)",
      ["its stream ends early"] = 'c:frame(0, 1, stream, "")',
      ["the connection is given up without an error"] =
        "c:goaway(stream, 0) return",
    }) do
      it("is begun anew when " .. name, function()
        local stems = assert(download_from(2, ending))
        for _, stem in ipairs({ "foreground", "background" }) do
          assert.is_true(made.flac == workspace.read(stems[stem]))
        end
      end)

      it("is not named when each time " .. name, function()
        local stems, err = download_from(1000, ending)
        assert.is_nil(stems)
        assert.is_true(err.kind == "protocol" or err.kind == "network",
          tostring(err))
        assert.same({ "whole" }, workspace.list(folder))
      end)
    end
  end)
end)
