-- The sandbox's stems: signed URLs, ranges, validators.

local sandboxed = require "spec.support.sandboxed"

local run = sandboxed.run
local start_with_stems = sandboxed.start_with_stems
local http = sandboxed.http
local urls = sandboxed.urls
local wait_for = sandboxed.wait_for

setup(sandboxed.open)
teardown(sandboxed.close)

describe("a stem", function()
  local server, foreground, background
  setup(function()
    server = start_with_stems("stems", { url_lifetime = 100 })
    local found = urls(server, 5000)
    foreground = found.foreground_audio_url
    background = found.background_audio_url
  end)

  local function get(arguments, url)
    return http(("%s '%s'"):format(arguments, url or foreground))
  end

  it("comes whole, with validators, digest and type", function()
    local reply = get ""
    assert.equal("0123456789", reply.body)
    assert.equal("audio/flac", reply.headers["content-type"])
    assert.equal("bytes", reply.headers["accept-ranges"])
    assert.matches('^"%x+"$', reply.headers.etag)
    assert.matches("^%a+, %d%d %a+ %d+ [%d:]+ GMT$", reply.headers["last-modified"])
    assert.equal("sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:",
      reply.headers["repr-digest"])
  end)

  it("has the name and the type that its file has", function()
    assert.matches("/stems/5000/background%.wav%?", background)
    assert.equal("audio/wav", get("", background).headers["content-type"])
    assert.equal(403, get("", (background:gsub("%.wav", ".flac"))).status)
  end)

  it("is at another origin than the API", function()
    assert.equal(server.stem_url, foreground:match "^http://[^/]+")
    assert.not_equal(server.base_url:match "^http://[^/]+", server.stem_url)
  end)

  for range, part in pairs{ ["2-4"] = "2-4", ["7-"] = "7-9", ["-3"] = "7-9",
    ["8-99999999999999999999999"] = "8-9", ["-50"] = "0-9", ["0-0"] = "0-0" } do
    it("gives the range " .. range, function()
      local reply = get("-H 'Range: bytes=" .. range .. "'")
      assert.equal(206, reply.status)
      assert.equal("bytes " .. part .. "/10", reply.headers["content-range"])
      local first, last = part:match "(%d)-(%d)"
      assert.equal(("0123456789"):sub(first + 1, last + 1), reply.body)
    end)
  end

  for _, range in ipairs{ "bytes=4-2", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2",
    "bytes=1 -2", "bytes=", "bytes=-" } do
    it("comes whole for the range " .. range, function()
      local reply = get("-H 'Range: " .. range .. "'")
      assert.equal(200, reply.status)
      assert.equal("0123456789", reply.body)
    end)
  end

  for _, range in ipairs{ "10-", "10-20", "-0" } do
    it("has nothing for the range " .. range, function()
      local reply = get("-H 'Range: bytes=" .. range .. "'")
      assert.equal(416, reply.status)
      assert.equal("bytes */10", reply.headers["content-range"])
    end)
  end

  it("gives a range only of the file that If-Range means", function()
    local head = get("-I").headers
    local range = "-H 'Range: bytes=2-4' -H 'If-Range: "
    assert.equal("234", get(range .. head.etag .. "'").body)
    assert.equal("234", get(range .. head["last-modified"] .. "'").body)
    assert.equal("0123456789", get(range .. '"other"' .. "'").body)
    assert.equal("0123456789", get(range .. "W/" .. head.etag .. "'").body)
  end)

  it("tells its length for HEAD without a body", function()
    local reply = get "-I -H 'Range: bytes=2-4'"
    assert.equal(200, reply.status)
    assert.equal("10", reply.headers["content-length"])
  end)

  it("is refused where the URL was tampered with", function()
    for _, pattern in ipairs{ "signature=%x", "expires=%d", "/5000/", "foreground%." }
    do
      local url = foreground:gsub(pattern, function(s)
        return s:sub(1, -2) .. (s:sub(-1) == "1" and "2" or "1")
      end)
      local reply = get("", url)
      assert.equal(403, reply.status, url)
      assert.matches("SignatureDoesNotMatch", reply.body, 1, true)
    end
    assert.equal(403, get("", (foreground:gsub("%?.*", ""))).status)
  end)

  it("is refused once its URL has expired", function()
    local other = start_with_stems("expired", { url_lifetime = 0 })
    local url = urls(other, 5000).foreground_audio_url
    local reply = wait_for("the URL to expire", function()
      local reply = get("", url)
      return reply.status ~= 200 and reply
    end)
    assert.equal(403, reply.status)
    assert.matches("Request has expired", reply.body, 1, true)
  end)

  it("is not served through a symbolic link", function()
    local folder = server.data_dir .. "/tasks/planted/"
    os.execute(("mv %sbg.wav %sreal && ln -s real %sbg.wav"):format(folder, folder,
      folder))
    finally(function() os.execute(("mv %sreal %sbg.wav"):format(folder, folder)) end)
    assert.equal(404, get("", background).status)
  end)

  it("is at the public URL, which a proxy may stand before", function()
    local other = start_with_stems("public", { public_url = "https://cdn.test/x/" })
    local url = urls(other, 5000).foreground_audio_url
    assert.equal("https://cdn.test/x/stems/5000/foreground.flac", url:match "^[^?]+")
    url = url:gsub("https://cdn.test/x", other.stem_url)
    assert.equal("0123456789", get("", url).body)
  end)

  it("outlives clients that break off in the middle", function()
    assert(os.execute("truncate -s 2G " .. server.data_dir
      .. "/tasks/planted/bg.wav"))
    for _ = 1, 5 do
      local _, code = run(("curl -s --limit-rate 1M --max-time 0.2 -o /dev/null '%s'")
        :format(background))
      assert.equal(28, code)
    end
    assert.equal("0123456789", get("").body)
  end)
end)
