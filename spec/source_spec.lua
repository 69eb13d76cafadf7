-- What a source is taken for and called, whatever its name is and whatever stands
-- before its audio.

local scripted = require "spec.support.scripted"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"

describe("a source", function()
  local server, client, folder

  stage.for_batches(nil, function(...)
    server, client, folder = ...
    workspace.run("mkdir " .. folder .. "/in")
  end)

  local function sent()
    local requests = server:requests()
    for i = #requests, 1, -1 do
      if requests[i].file then
        return requests[i].file
      end
    end
  end

  for name, expected in pairs({
    ["C# minor"] = {},
    ["what? now"] = {},
    ["100%25 wet %s"] = {},
    ["it's; a & b = c"] = {},
    ["a\\b"] = { stem = "a_b", file = "a_b" },
    ['a "quoted" take'] = { file = "a _quoted_ take" },
    [".hidden"] = {},
    ["..dots..and.more"] = {},
    ["\195\188 \255\254"] = {},
    ["-o"] = {},
    [("n"):rep(230)] = {},
    [" two  spaces "] = {},
    ["take1.5"] = {},
    ["file:name*<>|"] = {},
  }) do
    -- Windows has no such names, and they are refused or changed there.
    local tag = (name:find '[\\?"*<>|:\254]' or name:find " $") and " #posix"
    it(("named %q keeps its name"):format(name) .. (tag or ""), function()
      local path = workspace.write(("%s/in/%s.wav"):format(folder, name),
        takes.wav(1))
      local stems = assert(client:separate(path, { output_dir = folder
        .. "/out", interval = 0.05, max_attempts = 1000 }))
      assert.equal(("%s/out/%s.foreground.wav"):format(folder,
        expected.stem or name), stems.foreground)
      assert.equal(takes.wav(1), workspace.read(stems.background))
      assert.equal((expected.file or name) .. ".wav", sent().name)
      local named = assert(client:submit({ data = takes.wav(2),
        filename = name .. ".wav" }))
      assert.is_string(named.id)
      assert.equal((expected.file or name) .. ".wav", sent().name)
    end)
  end

  local function id3(size)
    return "ID3\4\0\0" .. string.char(math.floor(size / 2 ^ 21) % 128,
      math.floor(size / 2 ^ 14) % 128, math.floor(size / 2 ^ 7) % 128,
      size % 128) .. ("\0"):rep(size)
  end

  local function ape(size)
    return "APETAGEX\208\7\0\0" .. string.char(size % 256,
      math.floor(size / 256) % 256, 0, 0) .. ("\0"):rep(16) .. ("x"):rep(size)
  end

  local AUDIO = {
    flac = "fLaC" .. ("\1"):rep(200),
    aac = "\255\241\80\128\1\31\252" .. ("\1"):rep(200),
    mp3 = "\255\251\144\0" .. ("\1"):rep(200),
    wav = takes.wav(1),
  }

  for what, before in pairs({
    ["a small ID3 tag"] = id3(73), ["a large ID3 tag"] = id3(300000),
    ["two ID3 tags"] = id3(10) .. id3(2000), ["an APE tag"] = ape(700),
    ["zeros"] = ("\0"):rep(1), ["many zeros"] = ("\0"):rep(5000),
    ["all of these"] = id3(90) .. ("\0"):rep(700) .. ape(90),
  }) do
    it("behind " .. what .. " is known by its content", function()
      for extension, audio in pairs(AUDIO) do
        local bytes = before .. audio
        local path = workspace.write(folder .. "/in/song.bin", bytes)
        local at = 1
        for _, given in ipairs({ path, { data = bytes, filename = "song.bin" },
          { size = #bytes, filename = "song.bin", read = function()
            at = at + 1000
            return bytes:sub(at - 1000, at - 1)
          end } })
        do
          assert(client:submit(given))
          local file = sent()
          assert.equal("song.bin." .. extension, file.name)
          assert.equal(#bytes, file.size)
        end
      end
    end)
  end

  it("and a stem are named by what is behind their tags", function()
    for extension, audio in pairs({ flac = AUDIO.flac, mp3 = AUDIO.mp3,
      aac = AUDIO.aac })
    do
      local run = assert(assert(client:submit({ data = takes.wav(3) }))
        :wait({ interval = 0.05, max_attempts = 1000 }))
      server:fault({ step = "stem", body = id3(40000) .. ("\0"):rep(100)
        .. audio, times = 2 })
      local stems = assert(client:download(run, { output_dir = folder }))
      assert.matches("%." .. extension .. "$", stems.foreground)
      assert.equal(id3(40000) .. ("\0"):rep(100) .. audio,
        workspace.read(stems.background))
    end
  end)

  it("is sent where its head does not know how long it is", function()
    for _, length in ipairs({ ("\0"):rep(4), ("\255"):rep(4) }) do
      local take = takes.wav(1)
      local bytes = "RIFF" .. length .. take:sub(9, 40) .. length .. take:sub(45)
      for _, given in ipairs({ { data = bytes, filename = "x.wav" },
        workspace.write(folder .. "/in/x.wav", bytes) })
      do
        assert(client:submit(given))
        assert.equal(#bytes, sent().size)
      end
    end
  end)

  it("that has nothing but a tag is MP3, and one of zeros alone is none",
    function()
      assert(client:submit({ data = id3(100), filename = "x" }))
      assert.equal("x.mp3", sent().name)
      local task, err = client:submit({ data = ("\0"):rep(2 ^ 20) })
      assert.is_nil(task)
      assert.equal("source", err.kind)
    end)

  describe("that is a URL", function()
    local peer

    after_each(function()
      peer.stop()
    end)

    local function serve(headers)
      peer = scripted.start(([[
        local connection = ...
        while connection:head() do
          local body = %q
          connection:send("HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n%s"
            .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
        end
      ]]):format(takes.wav(1), headers or ""))
      return peer.base_url:gsub("/apis$", "")
    end

    it("is named as it was before it was encoded", function()
      local url = serve() .. "/a/C%23%20minor%2Fb%0a.wav?sig=a/b.flac#x"
      local stems = assert(client:separate(url, { output_dir = folder
        .. "/out", interval = 0.05, max_attempts = 1000 }))
      assert.equal(folder .. "/out/C# minor_b_.foreground.wav",
        stems.foreground)
      assert.equal("C# minor_b_.wav", sent().name)
      for item in client:batch({ url }, { output_dir = folder .. "/many",
        interval = 0.05, max_attempts = 1000 })
      do
        assert.matches("/a/C# minor_b_%.foreground%.wav$",
          item.stems.foreground)
      end
    end)

    it("leads nowhere else by what it decodes to", function()
      local root = serve()
      for url, name in pairs({ ["/%2e%2e/%2e%2e.wav"] = "audio",
        ["/x/..%2f..%2fetc.wav"] = ".._.._etc", ["/%00.wav"] = "_",
        ["/"] = "audio", [""] = "audio" })
      do
        local stems = assert(client:separate(root .. url, {
          output_dir = folder .. "/out", interval = 0.05,
          max_attempts = 1000, overwrite = true }))
        assert.equal(("%s/out/%s.foreground.wav"):format(folder, name),
          stems.foreground)
      end
    end)

    for header, name in pairs({
      ['attachment; filename="my take.wav"'] = "my take",
      ["attachment; filename=plain.wav"] = "plain",
      ["inline; filename=\"a.wav\"; filename*=UTF-8''%c3%bc%20b.wav"] = "ü b",
      ['attachment; filename="../../x.wav"'] = "x",
      ['attachment; filename="C:\\\\dir\\\\y.wav"'] = "y",
      ['attachment; filename=""'] = "get",
      ["attachment"] = "get",
    }) do
      it(("is named by %q"):format(header), function()
        local url = serve(("Content-Disposition: %s\\r\\n"):format(
          (header:gsub('[\\"]', "\\%0")))) .. "/get?id=7"
        local stems = assert(client:separate(url, { output_dir = folder
          .. "/out", interval = 0.05, max_attempts = 1000 }))
        assert.equal(("%s/out/%s.foreground.wav"):format(folder, name),
          stems.foreground)
        assert.equal(name .. ".wav", sent().name)
      end)
    end

    -- What `look` prints while the source goes up, and the task.
    local function submit_and(look, around)
      serve()
      workspace.run(("mkdir %s/tmp"):format(folder))
      workspace.write(folder .. "/fetch.lua", ([[
        local client = require("camb").client()
        print(client:submit("%s/x.wav", { on_event = function(event)
          if event.name == "upload_started" then
            os.execute("cd %s/tmp; %s")
          end
        end }))
      ]]):format(peer.base_url, folder, look))
      local words = ("TMPDIR=%s/tmp CAMB_API_KEY=%s CAMB_BASE_URL=%s %s "
        .. "%s/fetch.lua"):format(folder, server.api_key, server.base_url, LUA,
        folder)
      return workspace.run((around or "%s"):format(words))
    end

    it("comes into TMPDIR, for the user alone, under no name #posix", function()
      local output = submit_and("ls -A; cd /proc/$PPID/fd; stat -L -c '%a %F' "
        .. "$(find . -lname '*/tmp/camb-* (deleted)') | sort -u")
      assert.matches("^600 regular file\ncamb.Task", output)
    end)

    it("has a name while it goes up where there is no /proc #posix", function()
      local hidden = "unshare -m sh -c 'mount -t tmpfs none /proc && %s'"
      if os.getenv("SANITIZER") or select(2,
        workspace.run(hidden:format("true"))) ~= 0
      then
        pending "sanitizers need /proc, or unshare is refused here"
        return
      end
      local output = submit_and("stat -c '%a %F' *", hidden)
      assert.matches("^600 regular file\ncamb.Task", output)
      assert.same({}, workspace.list(folder .. "/tmp"))
    end)

    it("says where it cannot be kept #posix", function()
      serve()
      workspace.write(folder .. "/fetch.lua", ([[
        local client = require("camb").client()
        print(select(2, client:submit("%s/x.wav")))
      ]]):format(peer.base_url))
      local output = workspace.run(("TMPDIR=%s/none CAMB_API_KEY=%s "
        .. "CAMB_BASE_URL=%s %s %s/fetch.lua"):format(folder, server.api_key,
        server.base_url, LUA, folder))
      assert.matches(('cannot be fetched: a temporary file cannot be written in '
        .. '"%s/none": No such file or directory; set TMPDIR to another folder')
        :format(folder), output, 1, true)
    end)
  end)

  it("may have another one's name in a call of the command #posix", function()
    local build = os.getenv("BUILD") or "build"
    for _, way in ipairs({ "a", "b" }) do
      workspace.run(("mkdir %s/%s"):format(folder, way))
      workspace.write(("%s/%s/01.wav"):format(folder, way), takes.wav(#way))
    end
    local output, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "%s/bin/camb separate %s/a/01.wav %s/b/01.wav %s/a/../a/01.wav -o %s/o "
      .. "--interval 0.05 2>/dev/null"):format(server.api_key, server.base_url,
      build, folder, folder, folder, folder))
    assert.equal(0, status)
    assert.matches("/o/01.foreground.wav\n", output)
    assert.matches("/o/01%-2.foreground.wav\n", output)
    assert.equal(1, server:stats().uploads) -- of one content
  end)

  it("that no option takes ends alone in the command's call #posix", function()
    local build = os.getenv("BUILD") or "build"
    workspace.write(folder .. "/in/ok.wav", takes.wav(1))
    workspace.write(folder .. "/in/a\nb.wav", takes.wav(2))
    local output, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "%s/bin/camb separate %s/in/* -o %s/o --interval 0.05"):format(
      server.api_key, server.base_url, build, folder, folder))
    assert.equal(10, status)
    assert.matches("contains a control character", output)
    assert.matches("/o/ok.foreground.wav\n", output)
    assert.is_nil(output:find("lua:", 1, true))
  end)
end)
