-- Proxies by option and by environment; their passwords stay between them and
-- libcurl.

local camb = require "camb"
local proxies = require "spec.support.proxies"
local sandbox = require "camb.sandbox"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local LUA = os.getenv("LUA") or "lua5.4"
local FAST = { interval = 0.1, max_attempts = 5000 }
local CLEAN = "env -u http_proxy -u https_proxy -u HTTPS_PROXY -u ALL_PROXY "
  .. "-u all_proxy -u NO_PROXY -u no_proxy "

describe("a proxy", function()
  local server, secure, http, folder

  setup(function()
    server = assert(sandbox.start({}))
    secure = assert(sandbox.start({ tls = true }))
    http = proxies.http()
  end)

  teardown(function()
    server:stop()
    secure:stop()
    http.stop()
  end)

  workspace.for_each(function(path)
    folder = path
  end)

  local function separate(one, options)
    options.ca_file = one.ca_file
    local client = stage.client(one, options)
    local stems, err = client:separate(MIX, { output_dir = folder,
      overwrite = true, interval = FAST.interval,
      max_attempts = FAST.max_attempts })
    client:close()
    return stems, err
  end

  -- What the proxy was asked for since the last time.
  local seen = 0
  local function asked()
    local log = http.log()
    local new = {}
    for method, target in log:sub(seen + 1):gmatch("%): (%u+) (%S+) HTTP") do
      new[#new + 1] = method .. " " .. target
    end
    seen = #log
    return table.concat(new, "\n")
  end

  it("is asked for everything, service and stems", function()
    assert(separate(server, { proxy = http.url }))
    local log = asked()
    assert.is_truthy(log:find("POST " .. server.base_url, 1, true), log)
    assert.is_truthy(log:find("GET " .. server.stem_url, 1, true), log)
  end)

  it("only forwards what is encrypted", function()
    assert(separate(secure, { proxy = http.url }))
    local log = asked()
    assert.is_truthy(log:find("CONNECT 127.0.0.1:", 1, true), log)
    assert.is_nil(log:find("POST", 1, true))
    assert.is_nil(log:find("GET", 1, true))
  end)

  it("may speak SOCKS, and resolves names itself", function()
    -- The proxy tries the first address of a name, here or in IPv6, and that
    -- alone.
    local address = workspace.run("getent ahosts localhost"):match("^%S+")
    local local_server = assert(sandbox.start({ host = address }))
    finally(function() local_server:close() end)
    local port = local_server.base_url:match(":(%d+)/")
    local socks = proxies.socks()
    local named = { base_url = ("http://localhost:%s/apis"):format(port),
      api_key = local_server.api_key }
    local stems, err = separate(named, { proxy = socks.url })
    local log = socks.log()
    socks.stop()
    assert(stems, err)
    assert.matches("connected to localhost:" .. port, log)
    assert.equal("", asked())
  end)

  -- The same server, under a name that is not this machine's own.
  local function elsewhere(one)
    return { base_url = one.base_url:gsub("127.0.0.1", "0.0.0.0") }
  end

  -- One status request by a program of its own, with this environment.
  local function ask(one, environment, option, retries)
    local script = workspace.write(folder .. "/ask.lua", ([[
      local client = require("camb").client{ base_url = %q, api_key = "sandbox",
        retries = %d, proxy = %s, danger_accept_invalid_certificates = true }
      local status, err = client:task("t"):status()
      io.write(err.kind, " ", err.message, " ", err.attempts, " ",
        tostring(err.retryable), "\n")]]):format(one.base_url,
      retries or 0, option or "nil"))
    return (workspace.run(("%s %s %s %s"):format(CLEAN, environment, LUA,
      script)))
  end

  it("is found in the environment", function()
    for _, case in ipairs({
      { server, "http_proxy" }, { server, "ALL_PROXY" },
      { secure, "HTTPS_PROXY" }, { secure, "https_proxy" },
      { secure, "ALL_PROXY" },
    }) do
      local text = ask(elsewhere(case[1]), case[2] .. "=" .. http.url)
      assert.matches("^not_found", text)
      assert.is_truthy(asked():find("0.0.0.0", 1, true), case[2])
    end
  end)

  it("is passed by for hosts in NO_PROXY", function()
    for _, name in ipairs({ "NO_PROXY", "no_proxy" }) do
      for _, hosts in ipairs({ "other,0.0.0.0", "*" }) do
        local text = ask(elsewhere(server), ("http_proxy=%s %s='%s'"):format(
          http.url, name, hosts))
        assert.matches("^not_found", text)
        assert.equal("", asked())
      end
    end
  end)

  it("of the environment is not asked for what is on this machine", function()
    local named = server.base_url:gsub("127.0.0.1", "localhost")
    local other = server.base_url:gsub("127.0.0.1", "127.0.0.2")
    for _, url in ipairs({ server.base_url, named, other }) do
      for _, environment in ipairs({ "http_proxy", "ALL_PROXY",
        "NO_PROXY=other http_proxy", "no_proxy= all_proxy" }) do
        local text = ask({ base_url = url }, environment
          .. "=http://127.0.0.1:9")
        assert.is_nil(text:find("port 9 ", 1, true), text)
        assert.equal(url ~= other, text:find("^not_found") ~= nil, text)
      end
    end
  end)

  it("of the environment is not asked for this machine by whatever name",
    function()
      for _, host in ipairs({ "[::1]", "[0:0:0:0:0:0:0:1]", "ip6-localhost",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "ip6-loopback", "LOCALHOST",
        "[::ffff:127.0.0.5]", "[0:0:0:0:0:ffff:127.0.0.5]", "[::FFFF:7F12:5]",
        "[0::ffff:7f00:5]", "localhost.", "127.1", "0x7f.5", "2130706433" })
      do
        local text = ask({ base_url = ("http://%s:7/apis"):format(host) },
          "http_proxy=" .. http.url)
        assert.matches("^network", text)
        assert.equal("", asked(), host)
      end
    end)

  it("of the environment is asked for hosts whose names look like this machine",
    function()
      for _, host in ipairs({ "127.0.0.1.example", "localhost.example",
        "notlocalhost", "[::ffff:0.0.0.0]", "[::ffff:12.7.0.1]", "[::ffff:7f0:1]",
        "[::ffff:7f00:0:1]", "[64::ffff:7f00:1]", "[::ffff:7f0]",
        "[::ffff:7f00]", "[::7f00:1]" })
      do
        ask({ base_url = ("http://%s:7/apis"):format(host) }, "http_proxy="
          .. http.url)
        assert.is_truthy(asked():find("GET http://" .. host, 1, true), host)
      end
    end)

  it("is not asked for the sandbox of the command", function()
    for _, words in ipairs({ "", "--proxy http://127.0.0.1:9" }) do
      local text, status = workspace.run(("%s http_proxy=http://127.0.0.1:9 "
        .. "ALL_PROXY=http://127.0.0.1:9 %s/bin/camb separate %s --sandbox "
        .. "--overwrite -o %s %s"):format(CLEAN, os.getenv("BUILD") or "build",
        MIX, folder, words))
      assert.equal(0, status, text)
    end
    local text, status = workspace.run(("%s/bin/camb separate http://h/x.wav "
      .. "--sandbox --proxy http://127.0.0.1:9"):format(
      os.getenv("BUILD") or "build"))
    assert.equal(2, status)
    assert.matches("%-%-proxy cannot be combined with %-%-sandbox and a URL", text)
  end)

  it("is not used where the option says none, or another", function()
    for _, none in ipairs({ "false", '""' }) do
      assert.matches("^not_found", ask(elsewhere(server),
        "http_proxy=http://127.0.0.1:9", none))
    end
    assert.matches("^not_found", ask(elsewhere(server),
      "http_proxy=http://127.0.0.1:9", ("%q"):format(http.url)))
    assert.is_truthy(asked():find("GET", 1, true))
  end)

  it("that wants another password says so, and nothing is paid", function()
    local before = server:stats().uploads
    for proxy, one in pairs({
      ["http://" .. http.address] = server,
      [http.url:gsub(http.password, "wrong-one")] = secure,
    }) do
      local stems, err = separate(one, { proxy = proxy })
      assert.is_nil(stems)
      assert.equal("network", err.kind)
      assert.is_nil(err.task_id)
      assert.equal(1, err.attempts)
      assert.matches("the proxy rejected the user name and password",
        err.message)
      assert.is_nil(err.message:find("wrong-one", 1, true))
    end
    assert.equal(before, server:stats().uploads)
    asked()
  end)

  it("that cannot be reached is an error without its password", function()
    local stems, err = separate(server, { retries = 0,
      proxy = "http://camb:pass-word@127.0.0.1:9" })
    assert.is_nil(stems)
    assert.equal("network", err.kind)
    assert.matches("127.0.0.1 port 9", err.message)
    assert.is_nil(err.message:find("pass-word", 1, true))
    assert.is_nil(tostring(err):find("pass-word", 1, true))
  end)

  it("that is none is refused at once, and not quoted", function()
    for _, bad in ipairs({ "ftp://camb:pass-word@h:1", "http://",
      "http://camb:pass-word@", "http://camb:pass-word@h:x",
      "camb:pass-word@h:99999", "http://camb:pass/word@h", "http://h/x", "socks6://h", 7, true }) do
      local ok, problem = pcall(function()
        camb.client({ api_key = "k", proxy = bad })
      end)
      assert.is_false(ok, tostring(bad))
      assert.matches("^%S*proxy_spec.lua:%d+: option 'proxy' ", problem)
      assert.is_nil(problem:find("pass-word", 1, true))
    end
    for _, good in ipairs({ "h", "h:1", "http://h", "socks4a://h:1/",
      "socks5h://a:b@[::1]:1080", "HTTPS://a:b%40c@h:3128" }) do
      camb.client({ api_key = "k", proxy = good }):close()
    end
  end)

  it("that is none in the environment is not quoted either, nor asked again",
    function()
      for _, bad in ipairs({ "ftp://camb:pass-word@127.0.0.1:9",
        "http://camb:pass-word@127.0.0.1:99999",
        "http://camb:pass/word@127.0.0.1:9" })
      do
        for name, one in pairs({ http_proxy = server, all_proxy = server,
          HTTPS_PROXY = secure })
        do
          assert.equal(("network the request failed: the environment variable "
            .. "%s is not the URL of a proxy, such as http://host:3128 or "
            .. "socks5h://host:1080 1 false\n"):format(name),
            (ask(elsewhere(one), name .. "=" .. bad, nil, 4):gsub("status ", "")))
        end
      end
    end)

  it("that is none in the environment ends a batch at once", function()
    local before = server:stats().uploads
    local text, status = workspace.run(("%s http_proxy=foo://h:1 CAMB_API_KEY=k "
      .. "CAMB_BASE_URL=%s timeout 60 %s/bin/camb batch %s -o %s"):format(CLEAN,
      elsewhere(server).base_url, os.getenv("BUILD") or "build", MIX, folder))
    assert.equal(6, status, text)
    assert.matches("the environment variable http_proxy is not the URL of a "
      .. "proxy", text, 1, true)
    assert.equal(before, server:stats().uploads)
  end)
end)
