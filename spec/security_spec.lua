-- The key reaches the service and nothing else, whatever comes between.

local proxies = require "spec.support.proxies"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local traced = require "spec.support.traced"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local LUA = os.getenv("LUA") or "lua5.4"
local KEY = "k3y/of%secret+l3tters=="
local ESCAPED = "k3y%2Fof%25secret%2Bl3tters%3D%3D"

-- Everything that a program may do, and print all that it is given.
local JOURNEY = [[
  local camb = require "camb"
  local function show(value, seen, place)
    if type(value) == "table" and not seen[value] then
      seen[value] = true
      print(place, tostring(value))
      for name, item in pairs(value) do
        show(name, seen, place .. ".name")
        show(item, seen, place .. "." .. tostring(name))
      end
    else
      print(place, tostring(value))
    end
  end
  local function say(...)
    show({ ... }, {}, "value")
  end
  local client = camb.client{ base_url = arg[1], proxy = arg[2] ~= "" and arg[2]
    or nil, ca_file = arg[3] ~= "" and arg[3] or nil, on_event = say,
    headers = { ["X-Team"] = "ours" } }
  local url, work = arg[4], arg[5]
  say(client)
  say(client:submit("spec/fixtures/mix.flac"))
  say(client:task("t"):status())
  say(client:result(1))
  say(client:results{ 1 })
  say(client:separate(url, { interval = 0.05, max_attempts = 5000,
    output_dir = work }))
  say(pcall(camb.client, { api_key = os.getenv "CAMB_API_KEY" .. "\n" }))
  client:close()
  say(client)
  io.stdout:flush()
  io.stderr:write("the end\n")
]]

-- What should make it slip: each of the first calls is sent elsewhere, then a
-- separation meets retries, an expired URL and a stem that is elsewhere.
local function obstruct(server, other, stem)
  for _, step in ipairs({ "submit", "status", "result", "results" }) do
    server:fault({ step = step, status = 307,
      redirect = other.base_url .. "/audio-separation/x" })
  end
  server:fault({ step = "submit", status = 429, retry_after = 1 })
  server:fault({ step = "status", status = 503 })
  server:fault({ step = "status", reset = true })
  server:fault({ step = "stem", expired = true })
  server:fault({ step = "stem", status = 302, redirect = stem })
end

describe("the key", function()
  local server, other, folder

  before_each(function()
    folder = workspace.folder()
  end)

  -- There are none where a spec could not begin.
  after_each(function()
    if server then
      server:stop()
      other:stop()
    end
    workspace.remove(folder)
  end)

  -- A stem of another server, as a source and as the target of a redirect.
  local function foreign_stem()
    local client = stage.client(other, { ca_file = other.ca_file })
    local run = assert(assert(client:submit(MIX)):wait({ interval = 0.1,
      max_attempts = 5000 }))
    local urls = assert(client:result(run.id))
    client:close()
    return urls.foreground_audio_url
  end

  -- Where the key was written to, in any spelling.
  local function places(written)
    local found = {}
    for target, bytes in pairs(written) do
      if bytes:find(KEY, 1, true) or bytes:upper():find(ESCAPED:upper(), 1, true)
      then
        found[#found + 1] = target
      end
    end
    table.sort(found)
    return found
  end

  -- Both servers' authorities.
  local function trust()
    return server.ca_file and workspace.write(folder .. "/ca.pem",
      workspace.read(server.ca_file) .. workspace.read(other.ca_file))
  end

  local function travel(proxy)
    local stem = foreign_stem()
    local before = #other:requests()
    obstruct(server, other, stem)
    local script = workspace.write(folder .. "/journey.lua", JOURNEY)
    local written, output = traced.run(("%s %s %s '%s' '%s' '%s' %s")
      :format(LUA, script, server.base_url, proxy or "", trust() or "", stem,
      folder), ("CAMB_API_KEY='%s'"):format(KEY))
    assert.matches("the end\n$", output)
    assert.is_truthy(output:find("value.1.background\t" .. folder, 1, true),
      output)
    local others = other:requests()
    assert.equal(before + 2, #others) -- the source, and the redirected stem
    for i = before + 1, #others do
      assert.is_nil(others[i].headers["x-api-key"])
      assert.is_nil(others[i].headers["x-team"])
    end
    for _, request in ipairs(server:requests()) do
      assert.equal(request.listener == "api" and KEY or nil,
        request.headers["x-api-key"])
    end
    return written
  end

  local function journey(title, proxy_kind, options, check)
    it(title, function()
      if not traced.is_allowed() then
        pending("no process may be traced here")
        return
      end
      options.api_key = KEY
      server = assert(sandbox.start(options))
      other = assert(sandbox.start(options))
      local proxy = proxy_kind and proxies[proxy_kind]()
      local ok, problem = pcall(function()
        check(travel(proxy and proxy.url), proxy)
      end)
      if proxy then
        proxy.stop()
      end
      assert(ok, problem)
    end)
  end

  local function port(one)
    return one.base_url:match(":(%d+)")
  end

  -- Only to connections to that port.
  local function only_to(written, wanted)
    local found = places(written)
    assert.is_true(#found > 0)
    for _, target in ipairs(found) do
      assert.matches("^TCP:%[127.0.0.1:%d+%->127.0.0.1:" .. wanted .. "%]$",
        target)
    end
    return found
  end

  journey("is written to the service's connections, and nowhere else", nil, {},
    function(written)
      only_to(written, port(server))
    end)

  journey("is never written in the clear over TLS", nil, { tls = true },
    function(written)
      assert.same({}, places(written))
    end)

  journey("goes through a proxy in requests to the service alone", "http", {},
    function(written, proxy)
      for _, target in ipairs(only_to(written, proxy.address:match("%d+$"))) do
        local head = "\r\n\r\n" .. written[target]
        for at in head:gmatch("()x%-api%-key:") do
          local line = head:sub(1, at):match(".*\n(%u+ %S+) HTTP/1.1\r\n")
          assert.is_truthy(line:find(" " .. server.base_url, 1, true), line)
        end
      end
    end)

  journey("is not in what a proxy is asked to connect to", "http",
    { tls = true }, function(written, proxy)
      assert.same({}, places(written))
      local asked = ""
      for target, bytes in pairs(written) do
        asked = asked .. (target:find(proxy.address, 1, true) and bytes or "")
      end
      assert.matches("CONNECT 127.0.0.1:" .. port(server), asked)
      assert.is_nil(asked:lower():find("x-api-key", 1, true))
      assert.is_nil(asked:lower():find("x-team", 1, true))
    end)

  journey("goes through SOCKS to the service alone", "socks", {},
    function(written, proxy)
      for _, target in ipairs(only_to(written, proxy.address:match("%d+$"))) do
        -- a connection of its own for each host
        assert.is_truthy(written[target]:find("Host: 127.0.0.1:" .. port(server),
          1, true))
        assert.is_nil(written[target]:find("/stems/", 1, true))
      end
    end)
end)
