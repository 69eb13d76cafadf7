-- Certificates are verified; what is wrong with one is said in a sentence, and
-- nothing is sent to it.

local camb = require "camb"
local sandbox = require "camb.sandbox"
local served = require "spec.support.served"
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
    -- Authorities are read within that time, under valgrind in seconds.
    options.connect_timeout = 60
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

  it("an authority stands in place of the system's, by option or environment",
    function()
      open(true, { ca_file = false })
      local script = folder .. "/try.lua"
      workspace.write(script, ([[
        local client = require("camb").client{ base_url = %q, api_key = "sandbox",
          ca_file = os.getenv "OPTION", retries = 0, connect_timeout = 60 }
        local status, err = client:task("t"):status()
        print(err.kind, err.message)]]):format(server.base_url))
      local function try(environment)
        return (workspace.run(("env -u CURL_CA_BUNDLE -u SSL_CERT_FILE "
          .. "%s %s %s"):format(environment, os.getenv("LUA") or "lua5.4",
          script)))
      end
      local ours, public = server.ca_file, "/etc/ssl/certs/ca-certificates.crt"
      for _, name in ipairs({ "CURL_CA_BUNDLE", "SSL_CERT_FILE", "OPTION" }) do
        assert.matches("^not_found", try(name .. "=" .. ours))
        assert.matches("certificate problem", try(name .. "=" .. public))
      end
      assert.matches("^not_found", try(("CURL_CA_BUNDLE=%s OPTION=%s")
        :format(public, ours)))
      assert.matches("certificate problem", try(("SSL_CERT_FILE=%s OPTION=%s")
        :format(ours, public)))
      assert.matches("the environment variable SSL_CERT_FILE names "
        .. '"/nowhere.pem", which cannot be read: No such file or directory',
        try("SSL_CERT_FILE=/nowhere.pem"))
    end)

  it("a file of certificates that is none is refused at once", function()
    open(true)
    local function refuses(text, path)
      local ok, problem = pcall(function()
        camb.client({ api_key = "k", ca_file = path })
      end)
      assert.is_false(ok)
      assert.matches("tls_spec.lua:%d+: option 'ca_file' names ", problem)
      assert.is_truthy(problem:find(text, 1, true), problem)
    end
    refuses("cannot be read: No such file or directory", folder .. "/none.pem")
    refuses("cannot be read: it is a folder, not a file", folder)
    refuses("contains no certificate in PEM form",
      workspace.write(folder .. "/x.pem", "not PEM"))
  end)

  it("the stems' host is verified like the service", function()
    open(true)
    local run = assert(assert(client:submit(MIX)):wait({ interval = 0.1,
      max_attempts = 5000 }))
    local urls = assert(client:result(run.id))
    local other = assert(sandbox.start({ tls = { expired = true } }))
    for name, url in pairs(urls) do
      if type(url) == "string" then
        urls[name] = url:gsub("^https://[^/]*", other.stem_url)
      end
    end
    local stems, err = client:download(urls, { output_dir = folder,
      name = "x" })
    other:stop()
    assert.is_nil(stems)
    assert.matches("the download failed after 1 attempt: SSL certificate "
      .. "problem", err.message)
    assert.same({}, workspace.list(folder))
  end)

  it("the command serves it, and says which authority to trust", function()
    open(true)
    local copy = folder .. "/ca.pem"
    local own = served.start("--tls --ca-out " .. copy)
    assert.matches("^https://127.0.0.1:", own.base_url)
    local text = workspace.run(("curl -sS --cacert %s -o /dev/null "
      .. "-w '%%{http_code}' -H 'x-api-key: sandbox' %s/audio-separation/t")
      :format(copy, own.base_url))
    assert.equal("404", text)
    text = workspace.run(("CAMB_API_KEY=sandbox CAMB_BASE_URL=%s "
      .. "%s/bin/camb separate %s -o %s --interval 0.1 --max-attempts 5000 "
      .. "--ca-file %s 2>/dev/null"):format(own.base_url,
      os.getenv("BUILD") or "build", MIX, folder, copy))
    own.stop()
    assert.equal(("%s/mix.foreground.flac\n%s/mix.background.flac\n"):format(
      folder, folder), text)
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

  it("a URL in capitals is no way around it", function()
    open(true)
    local plain = assert(sandbox.start({}))
    server:fault({ step = "stem", status = 302, times = math.huge,
      redirect = plain.stem_url .. "/stems/1/foreground.flac" })
    for _, scheme in ipairs({ "HTTPS", "Https", "httpS" }) do
      local url = server.stem_url:gsub("^https", scheme) .. "/stems/1/x.flac"
      local stems, err = client:download({ foreground_audio_url = url,
        background_audio_url = url }, { output_dir = folder, name = "x" })
      assert.is_nil(stems)
      assert.matches("something that is not https", err.message)
      local _, problem = client:submit(url)
      assert.matches("something that is not https", problem.message)
    end
    local reached = #plain:requests()
    plain:stop()
    assert.equal(0, reached)
  end)
end)
