-- `camb doctor`: what is wrong, and what to do.

local command = require "spec.support.command"
local proxies = require "spec.support.proxies"
local sandbox = require "camb.sandbox"
local store = require "camb.store"
local workspace = require "spec.support.workspace"

describe("camb doctor", function()
  local folder, server

  after_each(function()
    if server then
      server:stop()
      server = nil
    end
  end)

  workspace.for_each(function(path)
    folder = path
  end)

  local function start(options)
    server = assert(sandbox.start(options or {}))
    return command.runner(folder, server)
  end

  -- A line of each check, in this order.
  local function states(output)
    local found = {}
    for state, check in output:gmatch("([a-zA-Z]+) +([a-z]+) +[^\n]+\n") do
      found[#found + 1] = state .. " " .. check
    end
    return table.concat(found, ", ")
  end

  it("says of each thing that it is right, and uploads nothing", function()
    local run = start()
    local output, status = run("timeout 60 camb doctor -o new/stems")
    assert.equal(0, status, output)
    assert.equal("ok versions, ok libcurl, ok key, ok proxy, ok dns, ok tcp, "
      .. "note tls, ok service, ok clock, ok folder, ok tmpdir, ok store, ok "
      .. "sandbox", states(output))
    assert.matches("ok    key       from the environment variable CAMB_API_KEY\n",
      output, 1, true)
    assert.matches('folder    "new/stems" can be created, [%d.]+ GB are free\n',
      output)
    assert.equal(0, server:stats().uploads)
    assert.same({}, workspace.list(folder))
  end)

  it("never says the key, and says where it is from", function()
    local run = start({ api_key = "se-cret" })
    run("echo se-cret >key; chmod 600 key; echo se-cret | camb login")
    for words, from in pairs({
      ["camb doctor"] = "from the environment variable CAMB_API_KEY",
      ["camb doctor --api-key-file key"] = "from the file key",
      ["env CAMB_API_KEY= camb doctor"] = "from the profile \"default\" in " .. folder,
      ["camb doctor --api-key wrong"] = "from --api-key",
    }) do
      local output, status = run("timeout 60 " .. words .. " --json")
      assert.equal(words:find("wrong") and 4 or 0, status, output)
      assert.matches(from:gsub('"', "\\u0022"), output, 1, true)
      assert.is_nil(output:find("se-cret", 1, true))
      assert.is_nil(output:find("wrong", 1, true))
    end
  end)

  it("exits with 4 without a key, or with one that the service rejects",
    function()
      local run = start()
      local output, status = run("CAMB_API_KEY= timeout 60 camb doctor")
      assert.equal(4, status)
      assert.matches("FAIL  key       no API key: [^\n]+, and store it, or set "
        .. "CAMB_API_KEY; run: camb login\n", output)
      assert.equal(1, select(2, output:gsub("camb login", "")), output)
      assert.matches("FAIL  key       %-%-api%-key%-file: \"none\" cannot be read: "
        .. "[^;\n]+\n", (run("timeout 60 camb doctor --api-key-file none")))
      assert.matches("ok    service   it answers, and asks for a key\n", output,
        1, true)
      output, status = run("timeout 60 camb doctor --api-key other")
      assert.equal(4, status)
      assert.matches("FAIL  service   it rejects the key from --api-key (HTTP "
        .. "401); replace it with one from CAMB.AI Studio", output, 1, true)
      run("echo other | camb login")
      output = run("CAMB_API_KEY= timeout 60 camb doctor")
      assert.matches('rejects the key from the profile "default" in [^\n]+; run: '
        .. "camb login\n", output)
    end)

  it("tells a name, a connection, a certificate and a service that is none "
    .. "apart", function()
    local run = start({ tls = true })
    local closed = 1
    for url, words in pairs({
      ["http://nowhere.invalid"] = "FAIL  dns ",
      ["http://127.0.0.1:" .. closed] = "FAIL  tcp ",
      [server.base_url] = "FAIL  tls ",
    }) do
      local output, status = run("timeout 60 camb doctor --base-url %s", url)
      assert.equal(6, status, output)
      assert.matches(words, output, 1, true)
    end
    local output, status = run("timeout 60 camb doctor --ca-file %s",
      server.ca_file)
    assert.equal(0, status, output)
    assert.matches("ok    tls       the certificate is trusted", output, 1, true)
    server:fault({ step = "status", status = 404, html = true })
    output, status = run("timeout 60 camb doctor --ca-file %s", server.ca_file)
    assert.equal(6, status, output)
    assert.matches("FAIL  service   what answers (HTTP 404) is not the service; "
      .. "check --base-url and CAMB_BASE_URL\n", output, 1, true)
    output, status = run("timeout 60 camb doctor --base-url nonsense")
    assert.equal(2, status, output)
  end)

  it("notes a base URL without the path of the service", function()
    local run = start()
    local words = "note  service .* does not end with /apis, as the URL of the "
      .. "service does; check %-%-base%-url and CAMB_BASE_URL\n"
    local said = run("COLUMNS=999 camb doctor --base-url %s",
      (server.base_url:gsub("/apis$", "/api")))
    assert.matches(words, said)
    said = run("COLUMNS=999 camb doctor")
    assert.is_nil(said:find(words))
  end)

  it("says how far the clock is from that of the service", function()
    if os.getenv("SANITIZER") then
      pending("a sanitizer wants to be loaded first, and so does faketime")
      return
    end
    local run = start()
    local output, status = run("timeout 60 faketime -f +2h camb doctor")
    assert.equal(1, status, output)
    assert.matches("FAIL  clock     it is 7%d+ s ahead of that of the service",
      output)
  end)

  it("names the proxy, where it is from, and no password of it", function()
    local run = start()
    local output = run("http_proxy=http://me:se-cret@127.0.0.1:1 timeout 60 "
      .. "camb doctor --base-url http://service.invalid")
    assert.matches("proxy     http://[user]@127.0.0.1:1, from the environment "
      .. "variable http_proxy; not for this machine\n", output, 1, true)
    assert.is_nil(output:find("se-cret", 1, true))
  end)

  it("says what a proxy asks for, and how to give it", function()
    local http = proxies.http()
    finally(http.stop)
    local ASKS = "FAIL  proxy     it asks for a user name and a password, or "
      .. "rejects those that it got (HTTP %d); give them in %s: "
      .. "http://USER:PASSWORD@HOST:PORT\n"
    local ELSEWHERE = "0.0.0.0" -- this machine by a name that is none of its own
    for _, case in ipairs({
      { false, "http_proxy", http.address,
        ASKS:format(407, "the environment variable http_proxy") },
      { true, "ALL_PROXY", http.address,
        ASKS:format(407, "the environment variable ALL_PROXY") },
      { true, "https_proxy", http.url:gsub(http.password, "wrong-one"),
        ASKS:format(401, "the environment variable https_proxy") },
      { false, "http_proxy", "foo://me:se-cret@h:1", "FAIL  proxy     the "
        .. "environment variable http_proxy is not the URL of a proxy, such as "
        .. "http://host:3128 or socks5h://host:1080; correct it\n" },
    }) do
      local run = start({ tls = case[1] })
      local output, status = run("%s=%s timeout 60 camb doctor --base-url %s",
        case[2], case[3], (server.base_url:gsub("127.0.0.1", ELSEWHERE)))
      assert.equal(6, status, output)
      assert.matches(case[4], output, 1, true)
      assert.is_nil(output:find("wrong%-one"), output)
      assert.is_nil(output:find("se%-cret"), output)
      output = run("timeout 60 camb doctor --proxy %s --base-url %s",
        http.address, server.base_url)
      assert.matches(ASKS:format(407, "--proxy"), output, 1, true)
      server:stop()
      server = nil
    end
    local output, status = command.runner(folder)(("timeout 60 camb doctor "
      .. "--proxy %s --base-url https://127.0.0.1:9"):format(http.url))
    assert.equal(4, status, output) -- there is no key
    assert.matches("FAIL  proxy     the proxy cannot reach the host (HTTP 500); "
      .. "check the proxy, or name another with --proxy\n", output, 1, true)
  end)

  it("says of a folder that it is none, or cannot be written", function()
    local run = start()
    workspace.write(folder .. "/file", "")
    for words, reason in pairs({ ["-o file/stems"] = '"file" is not a folder',
      ["-o /proc/stems"] = '"/proc" cannot be written',
      ["-o stems/" .. ("x"):rep(300)] = '"stems/' .. ("x"):rep(300)
        .. '" cannot be created: File name too long; name another with '
        .. "--output-dir\n" })
    do
      local output, status = run("timeout 60 camb doctor %s", words)
      assert.equal(3, status, output)
      assert.matches("FAIL  folder    " .. reason, output, 1, true)
      assert.is_nil(output:find("chmod", 1, true), output)
    end
  end)

  it("names no other folder in place of one that knows what is paid for",
    function()
      local run = start()
      run("mkdir -p out/.camb-doctor.part")
      for _, file in ipairs({ "nothing", ".camb-journal", ".camb.db" }) do
        run("touch out/" .. file)
        local output, status = run("timeout 60 camb doctor -o out")
        assert.equal(3, status, output)
        assert.matches('FAIL  folder    "out" cannot be written: [^\n]+; '
          .. (file == "nothing" and "name another with %-%-output%-dir\n"
          or "make it writable\n"), output)
        run("rm out/" .. file)
      end
    end)

  it("says of the folder of temporary files that it cannot be written #posix",
    function()
      local run = start()
      local output, status = run("TMPDIR=$PWD/none timeout 60 camb doctor")
      assert.equal(3, status, output)
      assert.matches('FAIL  tmpdir    "' .. folder .. '/none" cannot be written: '
        .. "No such file or directory; set TMPDIR to another folder\n", output, 1,
        true)
      assert.matches('ok    tmpdir    "/tmp" can be written, ',
        (run("TMPDIR= timeout 60 camb doctor")), 1, true)
    end)

  it("looks into a store, and says of one that is damaged", function()
    local run = start()
    local jobs = assert(store.open(folder .. "/.camb.db"))
    assert(jobs:add({ { key = "a", source = "/a" } }))
    jobs:close()
    local output, status = run("timeout 60 camb doctor")
    assert.equal(0, status, output)
    assert.matches("ok    store     ./.camb.db: 1 job (1 intended)\n", output, 1,
      true)
    workspace.write(folder .. "/other.db", ("no database\n"):rep(500))
    for place, number in pairs({ ["other.db"] = 3, ["nowhere.db"] = 1 }) do
      output, status = run("timeout 60 camb doctor --store %s", place)
      assert.equal(number, status, output)
      assert.matches("FAIL  store ", output, 1, true)
    end
  end)
end)
