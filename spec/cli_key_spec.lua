-- Where the key comes from.

local camb = require "camb"
local command = require "spec.support.command"
local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local KEY = "k-4f1c"

describe("the key of camb", function()
  local server, folder, run

  before_each(function()
    folder = workspace.folder()
    server = assert(sandbox.start({ engine = takes.engine(folder),
      api_key = KEY }))
    takes.make(folder .. "/in", 1)
    run = command.runner(folder)
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  -- 7: the service knows the key, and no such task; 4: not the key.
  local function try(words, ...)
    return run("timeout 60 camb status nobody " .. words, ...)
  end

  local function keep(path, text, mode)
    workspace.write(folder .. "/" .. path, text)
    run("chmod %s %s", mode or "600", path)
  end

  it("is asked for on the first run, with the place that gives one, and the "
    .. "way without", function()
    local output, status = run("camb separate in/take001.wav")
    assert.equal(4, status)
    assert.equal("camb: no API key: get one in CAMB.AI Studio "
      .. "(https://studio.camb.ai), Settings, API Keys, and store it, or "
      .. "set CAMB_API_KEY; --sandbox needs none, and separates on this "
      .. "machine\ncamb: to store a key, run: camb login\n", output)
  end)

  -- How often it is said in `said`.
  local function count(words, said)
    return select(2, said:gsub(words, ""))
  end

  for _, line in ipairs({ "separate in -o out", "separate in -o out -j 1",
    "batch in -o out", "batch in -o out --no-store", "submit in/*.wav",
    "status a b c", "wait a b c", "result a b 1", "download a b 1 -o out" })
  do
    it("is refused once, and the line that helps is said once, by camb " .. line,
      function()
        takes.make(folder .. "/in", 3)
        local said, status = run("timeout 60 camb %s --base-url %s --api-key "
          .. "wrong", line, server.base_url)
        assert.is_true(status == 4 or status == 10, said)
        assert.equal(1, count("rejected the API key", said), said)
        assert.is_true(count("run: camb doctor", said) <= 1, said)
      end)
  end

  it("is refused once for files that are paid for, and each task is named",
    function()
      takes.make(folder .. "/in", 3)
      local given = " --base-url " .. server.base_url .. " --api-key "
      local ids = run("timeout 60 camb submit in/*.wav -o out 2>/dev/null"
        .. given .. KEY)
      for _, line in ipairs({ "separate", "batch --no-store", "batch" }) do
        local said, status = run("timeout 60 camb %s in -o out" .. given
          .. "wrong", line)
        assert.is_true(status == 4 or status == 10, said)
        assert.equal(1, count("rejected the API key", said), said)
        assert.is_nil(said:find("retrying", 1, true), said)
        for id in ids:gmatch("[^\n]+") do
          assert.matches(id, said, 1, true)
        end
      end
      assert.equal(3, count("\n", ids), ids)
    end)

  it("is refused for each file in the events", function()
    takes.make(folder .. "/in", 3)
    local said = run("timeout 60 camb separate in -o out --json --base-url %s "
      .. "--api-key wrong 2>/dev/null", server.base_url)
    assert.equal(3, count('"name":"failed"', said), said)
  end)

  it("has no credit for any file, which is said once, and how to go on",
    function()
      takes.make(folder .. "/in", 3)
      server:fault({ step = "submit", status = 402, times = math.huge })
      for _, line in ipairs({ "separate in", "batch --no-store in", "batch in",
        "submit in/*" })
      do
        local said, status = run("timeout 60 camb %s -o out --base-url %s "
          .. "--api-key %s", line, server.base_url, KEY)
        assert.equal(5, status, said)
        assert.equal(1, count("out of credit", said), said)
        assert.equal(1, count("camb: a refused file is not charged; once you "
          .. "have bought credit, run the same line again\n", said), said)
        said = run("CAMB_API_KEY=%s timeout 60 camb %s -o out --base-url %s",
          KEY, line, server.base_url)
        assert.equal(1, count("camb: a refused file is not charged; once you "
          .. "have bought credit, run: camb", said), said)
        assert.equal(line:find("^submit") and 0 or 1, count("camb: 0 done, 3 "
          .. "unfinished in", said), said)
        assert.equal(5, select(2, run("CAMB_API_KEY=%s timeout 60 camb %s "
          .. "nowhere.wav -o out --base-url %s", KEY, line, server.base_url)))
      end
    end)

  it("that is refused leaves all files unfinished, with its own status",
    function()
      takes.make(folder .. "/in", 3)
      for _, line in ipairs({ "separate in", "batch --no-store in", "batch in",
        "submit in/*" })
      do
        local said, status = run("timeout 60 camb %s -o out --base-url %s "
          .. "--api-key wrong", line, server.base_url)
        assert.equal(4, status, said)
        assert.equal(line:find("^submit") and 0 or 1, count("camb: 0 done, 3 "
          .. "unfinished in", said), said)
      end
    end)

  it("lets nothing more be submitted once it is refused", function()
    takes.make(folder .. "/in", 5)
    server:fault({ step = "submit", status = 402, skip = 1, times = math.huge })
    local said, status = run("timeout 60 camb submit in/* -j 1 -o out "
      .. "--base-url %s --api-key %s", server.base_url, KEY)
    assert.equal(5, status, said)
    assert.equal(1, server:stats().uploads)
    assert.equal(2, count(": uploading\n", said), said)
  end)

  it("is read from a file that only its owner may read", function()
    keep("key", KEY .. "\n")
    local output, status = try("--base-url %s --api-key-file key",
      server.base_url)
    assert.equal(7, status, output)
    run("chmod 640 key")
    output, status = try("--base-url %s --api-key-file key", server.base_url)
    assert.equal(4, status)
    assert.matches('camb: --api-key-file: "key" may be read by others: run '
      .. "chmod 600 'key'\n", output, 1, true)
    for text, words in pairs({ [""] = '"key" contains no API key',
      ["\n"] = '"key" contains no API key' }) do
      keep("key", text)
      output, status = try("--api-key-file key")
      assert.equal(4, status)
      assert.matches(words, output, 1, true)
    end
    output, status = try("--api-key-file nowhere")
    assert.equal(4, status)
    assert.matches('"nowhere" cannot be read: No such file', output, 1, true)
  end)

  it("is read from a pipe, which belongs to nobody else", function()
    local output, status = run("bash -c 'timeout 60 camb status nobody "
      .. "--base-url %s --api-key-file <(echo %s)'", server.base_url, KEY)
    assert.equal(7, status, output)
  end)

  it("is read from a file by the library, too", function()
    keep("key", KEY)
    local client = camb.client({ base_url = server.base_url,
      api_key_file = folder .. "/key" })
    local _, err = client:task("nobody"):status()
    client:close()
    assert.equal("not_found", err.kind)
    local _, one = camb.separate(folder .. "/in/take001.wav", {
      base_url = server.base_url, api_key_file = folder .. "/key",
      output_dir = folder .. "/out", interval = 0.1, max_attempts = 500 })
    assert.is_nil(one)
    run("chmod 604 key")
    assert.has_error(function()
      camb.client({ api_key_file = folder .. "/key" })
    end, ("option 'api_key_file': \"%s/key\" may be read by others: run chmod "
      .. "600 '%s/key'"):format(folder, folder))
    assert.has_error(function()
      camb.client({ api_key_file = folder .. "/key", api_key = "k" })
    end, "pass either api_key or api_key_file")
  end)

  it("is stored from a pipe, for this user alone, and used from then on",
    function()
      local output, status = run("echo %s | camb login --base-url %s", KEY,
        server.base_url)
      assert.equal(0, status, output)
      assert.equal(("camb: the key of the profile \"default\" is stored in "
        .. "%s/.config/camb/config.json; to try it, run: camb doctor\n"):format(
        folder), output)
      assert.equal("600\n", (run("stat -c %a .config/camb/config.json")))
      output, status = try("")
      assert.equal(7, status, output)
      assert.is_nil(output:find(KEY, 1, true))
    end)

  it("has a profile for each account, and --profile names one", function()
    run("echo wrong | camb login --base-url %s", server.base_url)
    run("printf '  %s\\r\\n' | camb login --base-url %s --profile 'at work'",
      KEY, server.base_url)
    assert.equal(4, select(2, try("")))
    local output, status = try("--profile 'at work'")
    assert.equal(7, status, output)
    assert.matches("run: camb doctor --profile 'at work'\n", output, 1, true)
    output, status = try("--profile home")
    assert.equal(4, status)
    assert.matches('there is no profile "home"\ncamb: to store a key, run: camb login '
      .. "--profile home\n", output, 1, true)
  end)

  it("is taken from an option before the environment, and from there before "
    .. "the configuration", function()
    run("echo wrong | camb login --base-url %s", server.base_url)
    keep("key", KEY)
    local known = ("CAMB_API_KEY=%s CAMB_BASE_URL=%s "):format(KEY,
      server.base_url)
    assert.equal(7, select(2, run(known .. "camb status nobody")))
    assert.equal(4, select(2, run(known
      .. "camb status nobody --api-key other")))
    assert.equal(4, select(2, run(known
      .. "camb status nobody --profile default")))
    local output, status = run("camb status nobody --profile x --api-key y")
    assert.equal(4, status)
    assert.matches("--api-key and --profile both name a key: give one\n",
      output, 1, true)
  end)

  it("goes to the service of its profile, whatever CAMB_BASE_URL says",
    function()
      run("echo %s | camb login --base-url %s", KEY, server.base_url)
      local output, status = run("CAMB_BASE_URL=http://127.0.0.1:1/ timeout 60 "
        .. "camb status nobody")
      assert.equal(7, status, output)
    end)

  it("is refused from a configuration that others may read, with the line that "
    .. "closes it", function()
    run("echo %s | camb login", KEY)
    run("chmod 644 .config/camb/config.json")
    for _, words in ipairs({ "status nobody", "login </dev/null",
      "submit in/take001.wav" }) do
      local output, status = run("echo other | camb %s", words)
      assert.is_true(status == 4 or words:find("login") and status == 2, output)
    end
    local output = run("camb status nobody")
    local line = output:match("run (chmod 600 [^\n]+)\n")
    assert.is_truthy(line, output)
    run("%s", line)
    assert.equal(7, select(2, try("--base-url %s", server.base_url)))
  end)

  it("is not stored where the configuration is damaged or cannot be written",
    function()
      run("mkdir -p .config/camb; echo '{\"default\": 7}' "
        .. ">.config/camb/config.json; chmod 600 .config/camb/config.json")
      local output, status = run("echo k | camb login")
      assert.equal(4, status)
      assert.matches("is damaged: remove it, and store the key again", output)
      output, status = run("echo k | XDG_CONFIG_HOME=/proc/nowhere camb login")
      assert.equal(3, status)
      assert.matches('the configuration "/proc/nowhere/camb/config.json" cannot '
        .. "be written", output, 1, true)
    end)

  it("is no empty line, and holds no spaces", function()
    for text, words in pairs({ [""] = "no key was given",
      ["a b"] = "this is not an API key: it contains a space" }) do
      local output, status = run("echo '%s' | camb login", text)
      assert.equal(2, status)
      assert.matches(words, output, 1, true)
    end
    assert.is_nil(workspace.read(folder .. "/.config/camb/config.json"))
  end)

  -- Type `text` on a terminal once the question is there.
  local function type_at_login(text)
    return run([[{ for i in $(seq 1000); do grep -qs 'not shown' screen && break
      sleep 0.02; done; printf '%s'; for i in $(seq 3000); do
      grep -qs status= screen && break; sleep 0.02; done; } |
      timeout 60 script -qefc 'camb login; echo status=$?' /dev/null >screen
      cat screen]], text)
  end

  it("is taken from the environment without the blanks around it", function()
    local line = ("CAMB_BASE_URL=%s CAMB_API_KEY='%%s' camb status nobody")
      :format(server.base_url)
    assert.equal(7, select(2, run(line, KEY .. " ")))
    assert.equal(7, select(2, run(line, " " .. KEY .. "\r\n")))
    local output, status = run(line, "a b")
    assert.equal(4, status)
    assert.matches("camb: the key from the environment variable CAMB_API_KEY "
      .. "contains a space or a control character\n", output, 1, true)
  end)

  it("is typed on a terminal unseen", function()
    local screen = type_at_login(KEY .. "\\n")
    assert.matches("camb: get the key in CAMB.AI Studio", screen, 1, true)
    assert.matches("API key %(not shown%): ", screen)
    assert.matches("status=0", screen)
    assert.is_nil(screen:find(KEY, 1, true))
    assert.matches(KEY, workspace.read(folder .. "/.config/camb/config.json"),
      1, true)
  end)

  it("is not stored where Ctrl-C ends the question", function()
    local screen = type_at_login("k\\003") -- at once, not at the next line's end
    assert.matches("camb: interrupted by SIGINT", screen, 1, true)
    assert.matches("status=130", screen)
    assert.is_nil(workspace.read(folder .. "/.config/camb/config.json"))
  end)

  it("is stored in the keyring of the desktop, and not in a file", function()
    workspace.write(folder .. "/in_session.sh", ([[
      echo pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null
      echo %s | camb login --keyring --base-url %s; echo login=$?
      camb status nobody; echo status=$?
      echo other | camb login --keyring --profile other
      camb status nobody --profile other --base-url %s; echo other=$?
    ]]):format(KEY, server.base_url, server.base_url))
    local output = run("timeout 60 dbus-run-session -- sh in_session.sh")
    assert.matches("is stored in the keyring; to try it, run: camb doctor\n",
      output, 1, true)
    assert.matches("login=0\n.*status=7\n.*other=4\n", output)
    local config = workspace.read(folder .. "/.config/camb/config.json")
    assert.matches('"keyring": "yes"', config, 1, true)
    assert.is_nil(config:find(KEY, 1, true))
    local status
    output, status = run("timeout 60 env -u DBUS_SESSION_BUS_ADDRESS "
      .. "camb status nobody")
    assert.equal(4, status)
    assert.matches('the keyring has no key for the profile "default": unlock '
      .. "it, or store the key again\n", output, 1, true)
  end)

  it("is stored nowhere if there is no keyring", function()
    local output, status = run("echo k | timeout 60 env -u "
      .. "DBUS_SESSION_BUS_ADDRESS camb login --keyring")
    assert.equal(4, status)
    assert.matches("the keyring did not store the key: omit --keyring",
      output, 1, true)
    run("mkdir few; for p in env sh lua5.4 ${LUA:-lua5.4} camb; do ln -sf "
      .. "$(command -v $p) few/; done")
    output, status = run("echo k | PATH=$PWD/few camb login --keyring")
    assert.equal(4, status)
    assert.matches("needs secret-tool, which is not installed", output, 1, true)
    assert.is_nil(workspace.read(folder .. "/.config/camb/config.json"))
  end)

  it("is in the lines that the command advises as the file or the profile",
    function()
      keep("key", KEY)
      server:fault({ step = "status", reply = { status = "PENDING" },
        times = math.huge })
      local output = run("timeout 60 camb separate in/take001.wav --base-url %s "
        .. "--api-key-file key --interval 0.05 --max-attempts 2",
        server.base_url)
      local line = output:match("run: (camb download [^\n]+)\n")
      server:clear_faults()
      local status
      output, status = run("timeout 60 %s", line)
      assert.equal(0, status, output)
    end)
end)
