-- Replies made to hurt: each ends as an error that is true, within its time,
-- and memory stays bounded.

local camb = require "camb"
local core = require "camb.core"
local sandbox = require "camb.sandbox"
local luas = require "spec.support.luas"
local served = require "spec.support.served"
local workspace = require "spec.support.workspace"

local LIMIT_KIB = 64 * 1024

describe("a hostile reply", function()
  local server, client

  before_each(function()
    server = assert(sandbox.start({ processing = math.huge }))
    client = camb.client({ base_url = server.base_url,
      api_key = server.api_key, retries = 0 })
  end)

  after_each(function()
    client:close()
    server:stop()
  end)

  local function fails(kind, fault, call)
    local started, memory = core.now(), workspace.memory()
    fault.times = fault.times or math.huge
    server:fault(fault)
    local result, err = call()
    assert.is_nil(result)
    assert.equal(kind, err.kind, tostring(err))
    assert.is_true(core.now() - started < 10)
    assert.is_true(workspace.memory() - memory < LIMIT_KIB)
    server:clear_faults()
    return err
  end

  local function status()
    return client:task("t"):status()
  end

  local function wait()
    return client:task("t"):wait({ interval = 0.4, max_attempts = 3 })
  end

  local function result()
    return client:result(1001)
  end

  it("is survived while polling, and named when it never ends", function()
    for _, fault in ipairs({ { html = true, status = 200 },
      { body = "{", status = 200 }, { reply = { status = 7 } } }) do
      fault.step = "status"
      local err = fails("protocol", fault, wait)
      assert.equal("t", err.task_id)
      if not os.getenv("SANITIZER") then -- with which three take too long
        assert.equal(3, err.attempts)
      end
    end
    for _, fault in ipairs({ { reset = true }, { close = true },
      { status = 500 }, { status = 200, empty = true } }) do
      fault.step = "status"
      local err = fails("timeout", fault, wait)
      assert.equal("t", err.task_id)
    end
  end)

  it("whose URLs cannot be fetched is refused", function()
    for _, url in ipairs({ "/relative", "file:///etc/passwd", "ftp://h/x",
      "http://h a/b", "http://h/a\r\nb", "", "//h/x" }) do
      local err = fails("protocol", { step = "result", reply = {
        foreground_audio_url = url, background_audio_url = "http://h/b" } },
        result)
      assert.matches("foreground_audio_url", err.message)
    end
  end)

  it("that echoes the key does not bring it into the error", function()
    local own = assert(sandbox.start({ api_key = "k-1234567" }))
    local secret = camb.client({ base_url = own.base_url,
      api_key = "k-1234567", retries = 0 })
    own:fault({ step = "status", status = 403,
      reply = { detail = "key k-1234567 may not" } })
    local _, err = secret:task("t"):status()
    assert.equal("the API key lacks permission (task \"t\") "
      .. "(HTTP 403: key [key] may not)", err.message)
    secret:close()
    own:stop()
  end)

  it("leads the key to no other origin", function()
    local other = assert(sandbox.start({}))
    for _, code in ipairs({ 301, 302, 303, 307, 308 }) do
      server:fault({ step = "status", status = code,
        redirect = other.base_url .. "/audio-separation/t" })
      server:fault({ step = "result", status = code,
        redirect = other.base_url .. "/audio-separation-result/1" })
      local _, err = status()
      assert.equal("protocol", err.kind)
      _, err = result()
      assert.equal("protocol", err.kind)
    end
    assert.equal(0, #other:requests())
    other:stop()
  end)

  it("cannot make a process of its own grow", function()
    local own = served.start("--processing 1e9")
    local one = camb.client({ base_url = own.base_url, api_key = "wrong" })
    for _ = 1, 50 do
      one:task("t"):status()
    end
    luas.collect()
    local memory = workspace.memory()
    for _ = 1, 500 do
      one:task("t"):status()
    end
    luas.collect()
    assert.is_true(workspace.memory() - memory < 1024)
    one:close()
    own.stop()
  end)
end)
