-- Certificates are verified; what is wrong with one is said in a sentence, and
-- nothing is sent to it.

local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"

describe("over TLS", function()
  local server, client, folder

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function open(tls, options)
    server = assert(sandbox.start({ tls = tls }))
    options = options or {}
    if options.ca_file == nil then
      options.ca_file = server.ca_file
    end
    options.ca_file = options.ca_file or nil
    client = stage.client(server, options)
    folder = workspace.folder()
  end

  local function fails(text)
    local task, err = client:submit(MIX)
    assert.is_nil(task)
    assert.equal("network", err.kind)
    assert.matches(text, err.message)
    assert.equal(1, err.attempts)
    assert.equal(0, #server:requests())
  end

  it("a file is separated as it is without", function()
    open(true)
    assert.matches("^https://", server.base_url)
    local stems = assert(client:separate(MIX, { output_dir = folder,
      interval = 0.1, max_attempts = 5000 }))
    assert.matches("^https://", stems.foreground_audio_url)
    assert.matches("^fLaC", workspace.read(stems.background))
  end)

  it("an authority that nobody named is refused", function()
    open(true, { ca_file = false })
    fails("SSL certificate problem")
  end)

  it("an expired certificate is refused, and called that", function()
    open({ expired = true })
    fails("certificate has expired")
  end)

  it("a certificate of another host is refused, and called that", function()
    open({ host = "other.example" })
    fails("no alternative certificate subject name matches")
  end)

  it("a certificate signed by itself is refused, and called that", function()
    open({ self_signed = true }, { ca_file = false })
    fails("self%-signed certificate")
  end)

  it("TLS 1.1 is refused", function()
    open({ old = true }, { retries = 0 })
    fails("unsupported protocol")
  end)

  it("any certificate will do for who says so, by a name that is no slip",
    function()
      open({ expired = true }, { ca_file = false,
        danger_accept_invalid_certificates = true })
      assert(client:submit(MIX))
    end)

  it("a stem is never fetched without it", function()
    open(true)
    local plain = assert(sandbox.start({}))
    local run = assert(assert(client:submit(MIX)):wait({ interval = 0.1,
      max_attempts = 5000 }))
    server:fault({ step = "stem", status = 302, times = math.huge,
      redirect = plain.stem_url .. "/stems/1/foreground.flac" })
    local stems, err = client:download(run, { output_dir = folder })
    local reached = #plain:requests()
    plain:stop()
    assert.is_nil(stems)
    assert.equal("protocol", err.kind)
    assert.matches("something that is not https", err.message)
    assert.equal(0, reached)
  end)
end)
