-- What the service, a proxy or a URL may bring into an error or an event, and
-- nobody should find in a log.

local camb = require "camb"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local KEY = 'k3y/of%secret+"l3tters==' -- with what needs escapes
local BEGINNING = "k3y[/%%\\]" -- of the key, in all spellings
local ECHOES = {
  ["as it is"] = KEY,
  ["in a URL"] = "k3y%2Fof%25secret%2B%22l3tters%3D%3D",
  ["in a URL, in small letters"] = "k3y%2fof%25secret%2b%22l3tters%3d%3d",
}
local IN_JSON = { 'k3y/of%secret+\\"l3tters==', 'k3y\\/of%secret+\\"l3tters==' }

-- Every string in `value`, one to a line.
local function strings(value, seen, found)
  seen, found = seen or {}, found or {}
  if type(value) ~= "table" then
    found[#found + 1] = tostring(value)
  elseif not seen[value] then
    seen[value] = true
    local meta = getmetatable(value)
    found[#found + 1] = meta and meta.__tostring and tostring(value) or nil
    for name, item in pairs(value) do
      strings(name, seen, found)
      strings(item, seen, found)
    end
  end
  return table.concat(found, "\n")
end

describe("an echo of the key", function()
  local server, client, events

  before_each(function()
    events = {}
    server = assert(sandbox.start({ api_key = KEY, processing = math.huge }))
    client = stage.client(server, { retries = 0, on_event = function(event)
      events[#events + 1] = event
    end })
  end)

  after_each(function()
    client:close()
    server:stop()
  end)

  local steps = {
    submit = function()
      return client:submit(MIX)
    end,
    status = function()
      return client:task("t"):status()
    end,
    result = function()
      return client:result(1)
    end,
    results = function()
      return client:results({ 1 })
    end,
  }

  local function fails(fault, call)
    fault.times = math.huge
    server:fault(fault)
    local value, err = call()
    server:clear_faults()
    assert.is_nil(value)
    local text = strings(err) .. strings(events)
    local at = text:find(BEGINNING)
    assert.is_nil(at and text:sub(math.max(1, at - 80), at + 40))
    events = {}
    return err
  end

  for title, echo in pairs(ECHOES) do
    it(title .. " is in no error and no event", function()
      for step, call in pairs(steps) do
        for _, reply in ipairs({ { detail = "bad: " .. echo },
          { error = echo }, { message = { [echo] = echo } },
          { detail = { { loc = { "header", echo }, msg = echo, type = "x" } } },
        }) do
          local err = fails({ step = step, status = 403, reply = reply }, call)
          assert.equal("forbidden", err.kind)
          assert.matches("%[key%]", strings(err))
        end
        -- an excerpt ends somewhere in the key
        for length = 20, 70, 5 do
          fails({ step = step, status = 200, body = ("x"):rep(length)
            .. echo .. " and more and more" }, call)
        end
        -- and a longer one in the core
        for length = 180, echo ~= KEY and 230 or 0, 10 do
          fails({ step = step, status = 302, redirect = "http://127.0.0.1:9/"
            .. ("x"):rep(length) .. echo }, call)
        end
      end
    end)

    it(title .. " is in no error and no event of polling", function()
      for _, reply in ipairs({
        { status = "ERROR", exception_reason = echo, message = echo },
        { status = "ERROR", message = { detail = echo } },
        { status = echo }, { status = 7, message = echo },
        { status = "SUCCESS", message = echo },
        { status = "SUCCESS", run_id = echo },
      }) do
        fails({ step = "status", status = 200, reply = reply }, function()
          return client:task("t"):wait({ interval = 0.01, max_attempts = 2 })
        end)
      end
      fails({ step = "status", status = 200, body = echo .. " is no JSON" },
        function()
          return client:task("t"):wait({ interval = 0.01, max_attempts = 2 })
        end)
    end)
  end

  it("in JSON is not in an excerpt of it", function()
    for step, call in pairs(steps) do
      for _, echo in ipairs(IN_JSON) do
        for length = 20, 70, 5 do
          fails({ step = step, status = 200, body = ('["%s%s"'):format(
            ("x"):rep(length), echo) }, call)
        end
      end
    end
  end)

  it("cannot bring what a terminal obeys into a sentence", function()
    server:fault({ step = "status", status = 422, reply = { detail = {
      { loc = { "body", "x" }, msg = "\27[2J\7no\nsuch\194\155thing" } } } })
    local _, err = client:task("t"):status()
    assert.equal("validation", err.kind)
    assert.matches("no such thing", err.message)
    assert.is_nil(err.message:find("%c"))
    server:fault({ step = "status", reply = { status = "\27[31mODD" },
      times = math.huge })
    _, err = client:task("t"):wait({ interval = 0.01, max_attempts = 2 })
    assert.is_nil((err.message .. err.status):find("%c"))
    for _, event in ipairs(events) do
      assert.is_nil((event.status or event.reason or ""):find("%c"))
    end
  end)

  it("is not in a client or a task that is printed or looked through",
    function()
      local task = client:task("t")
      assert.is_nil(strings({ client, task, client.audio_separation }):find(
        BEGINNING))
    end)
end)

describe("what opens a URL", function()
  local server, client, folder, events

  before_each(function()
    events = {}
    server, client, folder = stage.open({ url_lifetime = 3600 }, { retries = 0,
      on_event = function(event)
        events[#events + 1] = event
      end })
  end)

  after_each(function()
    stage.close(server, client, folder)
  end)

  local function hides(value)
    local text = strings(value) .. strings(events)
    assert.is_nil(text:find("signature", 1, true), text)
    assert.is_nil(text:find("expires=", 1, true), text)
    assert.is_nil(text:find("pass", 1, true), text)
  end

  local function separate(options)
    options.interval, options.max_attempts = 0.1, 5000
    options.output_dir = folder
    return client:separate(MIX, options)
  end

  it("is given back, but not told to listeners", function()
    local stems = assert(separate({}))
    assert.matches("signature=%x", stems.foreground_audio_url)
    hides({})
    assert.equal("finished", events[#events].name)
    assert.matches("^http.*%?…$", events[#events].stems.foreground_audio_url)
    assert.equal(stems.foreground, events[#events].stems.foreground)
  end)

  it("is not in what goes wrong with a stem", function()
    local urls = assert(separate({ download = false }))
    events = {}
    local gone = { foreground_audio_url = "http://127.0.0.1:9/a?signature=1",
      background_audio_url = "http://127.0.0.1:9/b?signature=1" }
    for _, from in ipairs({ gone, urls }) do
      server:fault({ step = "stem", status = 404, times = math.huge,
        reply = { detail = "no " .. urls.foreground_audio_url } })
      local stems, err = client:download(from, { output_dir = folder,
        name = "x" })
      assert.is_nil(stems)
      hides(err)
    end
  end)

  it("is not in what goes wrong with a source", function()
    for _, url in ipairs({ "http://me:pass@127.0.0.1:9/x.wav?signature=1",
      server.stem_url .. "/stems/9/x.wav?signature=1&expires=2#signature" }) do
      for _, call in ipairs({ client.submit, client.separate }) do
        local value, err = call(client, url)
        assert.is_nil(value)
        hides(err)
      end
    end
    assert.matches("^http://%[user%]@127.0.0.1:9/x.wav%?…$", events[1].source)
  end)

  it("is not in a result that cannot be right", function()
    for _, reply in ipairs({
      { foreground_audio_url = "ftp://h/x?signature=1" },
      { foreground_audio_url = "http://h/x?signature=1" },
    }) do
      server:fault({ step = "result", reply = reply })
      hides(select(2, client:result(1)))
    end
    server:fault({ step = "result", body = '"http:\\/\\/h\\/x?signature=1"' })
    hides(select(2, client:result(1)))
  end)

  it("is not in the name of a client", function()
    local named = camb.client({ api_key = "k",
      base_url = "https://me:pass@127.0.0.1:9/apis" })
    assert.equal("camb.Client (https://[user]@127.0.0.1:9/apis)",
      tostring(named))
    hides(select(2, named:task("t"):status({ deadline = 1 })))
    named:close()
  end)

  it("is not printed by the command", function()
    local text, status = workspace.run(("CAMB_API_KEY=k CAMB_BASE_URL=%s "
      .. "%s/bin/camb separate 'http://me:pass@127.0.0.1:9/x.wav?signature=1' "
      .. "--deadline 0.2 -o %s"):format(server.base_url,
      os.getenv("BUILD") or "build", folder))
    assert.equal(1, status)
    hides(text)
  end)
end)
