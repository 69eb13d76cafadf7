-- The page that `camb serve` and `camb batch --page` serve: what it answers,
-- whom it refuses, and what becomes of a file that is dropped on it.

local audio = require "spec.support.audio"
local axe = require "spec.support.axe"
local browser = require "spec.support.browser"
local cjson = require "cjson"
local camb = require "camb"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv "BUILD" or "build"
local CAMB = BUILD .. "/bin/camb"
local MIX = "spec/fixtures/mix.flac"
local HERE = workspace.run("pwd"):gsub("\n", "")
local SEND = "-H 'X-Camb-Page: 1' "

local folder, running

before_each(function()
  folder = workspace.folder()
  running = {}
end)

-- Start the command, whose output is in `log`; where its page is.
local function start(words, environment)
  local log = folder .. "/log"
  os.remove(log)
  local pid = workspace.run(("%s %s %s > %s 2>&1; echo $? > %s/status")
    :format(environment or "", CAMB, words, log, folder)
    :gsub("^(.*)$", "( %1 ) > /dev/null 2>&1 & echo $!")):match("%d+")
  local url = workspace.wait_for("the page", function()
    return (workspace.read(log) or ""):match("files, at (%S+)\n")
      or not workspace.is_running(pid) and error(workspace.read(log))
  end)
  pid = workspace.run("pgrep -P " .. pid):match("%d+") or pid
  running[pid] = true
  return url, pid, log
end

local function serve(words, environment)
  return start("serve --port 0 " .. (words or ""), environment)
end

-- End it by a signal; its exit status.
local function stop(pid, signal)
  workspace.stop(pid, signal)
  running[pid] = nil
  return tonumber(workspace.wait_for("the exit status", function()
    return (workspace.read(folder .. "/status") or ""):match("%d+")
  end))
end

after_each(function()
  for pid in pairs(running) do
    stop(pid, "KILL")
  end
  workspace.remove(folder)
end)

-- A request by curl: the status, the body, and the headers.
local function ask(words, ...)
  local head, body = folder .. "/head", folder .. "/body"
  os.remove(body)
  local status = workspace.run(("curl -s -m 30 -D %s -o %s -w '%%{http_code}' %s")
    :format(head, body, words:format(...)))
  return tonumber(status:match("%d+$")), workspace.read(body) or "",
    (workspace.read(head) or ""):lower()
end

-- The items as a page that is opened now is told of them, by their names.
local function items(url)
  local by_name, text = {}, workspace.run(("curl -s -N -m 0.5 %sevents"):format(
    url))
  for line in text:gmatch("data: ({.-)\n") do
    local item = cjson.decode(line)
    by_name[item.name] = item
  end
  return by_name
end

local function wait_for_item(url, name, state)
  return workspace.wait_for(name .. " to be " .. state, function()
    local item = items(url)[name]
    return item and item.state == state and item
  end)
end

local function send(url, name, path)
  return ask("%s--data-binary @%s '%sfiles?name=%s'", SEND, path or MIX, url,
    name)
end

local function files_below(path)
  return select(2, workspace.run(("find %s -name '.camb-dropped*'"):format(path))
    :gsub("\n", ""))
end

describe("the page of camb serve", function()
  it("lets run nothing but its own script, in no frame and for no other site",
    function()
      local url = serve()
      local status, page, head = ask(url)
      assert.equal(200, status)
      assert.matches("^<!doctype html>", page)
      local policy = head:match("content%-security%-policy: ([^\r]*)")
      assert.matches("^default%-src 'none'; base%-uri 'none'; ", policy)
      assert.matches("; script%-src 'sha256%-[^']+'$", policy)
      assert.is_nil(policy:find("unsafe", 1, true))
      assert.is_nil(page:find("%son%l+="))
      assert.is_nil(page:find("%sstyle="))
      for _, line in ipairs({ "x-frame-options: deny",
        "cross-origin-resource-policy: same-origin",
        "x-content-type-options: nosniff", "referrer-policy: no-referrer" }) do
        assert.is_truthy(head:find(line, 1, true), line)
      end
    end)

  it("separates what is dropped, and gives its audio in pieces, and pictures",
    function()
      local url = serve()
      assert.equal(200, (send(url, "my%20take.flac")))
      local item = wait_for_item(url, "my take", "done")
      assert.equal(3, #item.tracks)
      assert.equal("my take.foreground.flac", item.tracks[2].file)
      for _, track in ipairs(item.tracks) do
        local status, bytes, head = ask("-r 0-3 '%s%s'", url, track.url)
        assert.equal(206, status)
        assert.equal("fLaC", bytes)
        assert.matches("content%-type: audio/flac", head)
        local _, text = ask("'%s%s'", url, track.picture)
        local picture = cjson.decode(text)
        assert.equal(#picture.peaks, 1800)
        assert.equal(#picture.cells, picture.columns * 64)
      end
    end)

  it("shows what any client has separated", function()
    local url, _, log = serve("--api-key secret-key-of-mine")
    local client = camb.client({ api_key = "secret-key-of-mine",
      base_url = workspace.read(log):match("listens at (%S+)") })
    local task = assert(client:submit(MIX))
    assert.equal(task.id, wait_for_item(url, "mix", "done").task)
    client:close()
  end)

  it("has its key neither in the page nor in what it tells", function()
    local url = serve("--api-key secret-key-of-mine")
    send(url, "a.flac")
    wait_for_item(url, "a", "done")
    for _, path in ipairs({ "", "events", "audio/9/mixture", "nowhere" }) do
      local _, body, head = ask("-m 1 '%s%s'", url, path)
      assert.is_nil((body .. head):find("secret-key-of-mine", 1, true))
    end
  end)

  it("says what is wrong with a file that is no audio", function()
    local url = serve()
    workspace.write(folder .. "/x.wav", "not audio")
    send(url, "x.wav", folder .. "/x.wav")
    local item = wait_for_item(url, "x", "failed")
    assert.matches('"x.wav" is not audio', item.error)
    assert.is_nil(item.error:find("dropped", 1, true))
  end)

  it("answers no name but one of this machine", function()
    local url = serve()
    local port = url:match(":(%d+)/")
    for host, expected in pairs({ ["evil.example"] = 403,
      ["127.0.0.1.evil.example"] = 403, ["localhost.evil:80"] = 403,
      ["127.evil"] = 403, ["[::1].evil"] = 403, ["localhost:80x"] = 403,
      ["localhost"] = 200, ["LOCALHOST:1"] = 200, ["[::1]:" .. port] = 200,
      ["127.0.0.1:9"] = 200 }) do
      for _, path in ipairs({ "", "audio/1/mixture" }) do
        local status = ask("-H 'Host: %s' '%s%s'", host, url, path)
        assert.equal(expected == 200 and path ~= "" and 404 or expected, status,
          host .. " " .. path)
      end
    end
    assert.equal(403, (ask("-H 'Host:' " .. url)))
  end)

  it("takes nothing from another site", function()
    local url = serve("--data-dir " .. folder .. "/data")
    local own = url:gsub("/$", "")
    local short = folder .. "/short" -- sent before the refusal can come
    workspace.write(short, "fLaC")
    for _, words in ipairs({ "",
      "-H 'Content-Type: text/plain'",
      SEND .. "-H 'Origin: http://evil.example'",
      SEND .. "-H 'Origin: null'",
      SEND .. "-H 'Origin: " .. own .. ".evil'",
      SEND .. "-H 'Origin: https://127.0.0.1'",
      SEND .. "-H 'Sec-Fetch-Site: cross-site'",
      SEND .. "-H 'Sec-Fetch-Site: same-site'",
    }) do
      assert.equal(403, (ask("%s --data-binary @%s '%sfiles?name=a.flac'",
        words, short, url)), words)
    end
    os.remove(short)
    for _, path in ipairs({ "events", "audio/1/mixture", "picture/1/mixture" })
    do
      assert.equal(403, (ask("-m 2 -H 'Sec-Fetch-Site: cross-site' "
        .. "-H 'Sec-Fetch-Mode: no-cors' %s%s", url, path)))
    end
    assert.same({}, items(url))
    assert.equal(0, files_below(folder))
    assert.equal(200, (ask("%s-H 'Origin: %s' -H 'Sec-Fetch-Site: same-origin' "
      .. "--data-binary @%s '%sfiles?name=a.flac'", SEND, own, MIX, url)))
  end)

  it("may be opened by a link of another site, as a whole page only",
    function()
      local url = serve()
      assert.equal(200, (ask("-H 'Sec-Fetch-Site: cross-site' "
        .. "-H 'Sec-Fetch-Mode: navigate' %s", url)))
      assert.equal(403, (ask("-H 'Sec-Fetch-Site: cross-site' "
        .. "-H 'Sec-Fetch-Mode: navigate' %sevents -m 2", url)))
    end)

  it("is for this machine alone, wherever the sandbox listens", function()
    local address = workspace.run("hostname -I"):match("%d+%.%d+%.%d+%.%d+")
    if not address then
      pending("an address that is not a loopback's")
      return
    end
    local url = serve("--host 0.0.0.0")
    local elsewhere = ("http://%s:%s/"):format(address, url:match(":(%d+)/"))
    assert.equal(200, (ask(url)))
    assert.equal(403, (ask("-H 'Host: localhost' " .. elsewhere)))
    local output = workspace.run(("%s serve --host %s --port 0 > %s/other & "
      .. "pid=$!; for i in $(seq 1000); do grep -qs export %s/other && break; "
      .. "sleep 0.05; done; kill $pid; wait $pid; cat %s/other"):format(CAMB,
      address, folder, folder, folder))
    assert.matches("listens at http://%d", output)
    assert.is_nil(output:find("drop files", 1, true))
  end)

  it("gives no file but those of its items", function()
    local url = serve()
    send(url, "a.flac")
    wait_for_item(url, "a", "done")
    for _, path in ipairs({ "audio/1/../../../etc/passwd", "audio/1/input",
      "audio/2/mixture", "audio/0/mixture", "audio/-1/mixture", "audio/1",
      "audio/1/", "audio//mixture", "audio/99999999999999999999/mixture",
      "audio/1/mixture/", "audio/%31/..%2fmixture", "picture/2/mixture",
      "page.js", "..", "files/x" }) do
      assert.equal(404, (ask("--path-as-is '%s%s'", url, path)), path)
    end
  end)

  it("takes other methods for what they are", function()
    local url = serve()
    for words, status in pairs({ ["-X PUT -d x"] = 405, ["-X DELETE"] = 405,
      ["-X OPTIONS"] = 405 }) do
      assert.equal(status, (ask("%s %s%s", words, SEND, url)), words)
    end
    assert.equal(405, (ask("%sfiles", url)))
  end)

  it("refuses a file that is too large, empty, or without a name, and keeps "
    .. "nothing of it", function()
    local server = assert(sandbox.start({ max_upload = 100000,
      data_dir = folder .. "/data" }, require("camb.report.live").options(
      "t", "n")))
    local url = server.origin .. "/"
    local status, body = send(url, "a.flac")
    assert.equal(413, status)
    assert.equal('{"detail":"The file is larger than this page takes."}', body)
    assert.not_equal(200, (ask("-T - %s-X POST '%sfiles?name=a' < %s", SEND,
      url, MIX))) -- chunked: cut
    assert.equal(400, (send(url, "a", "/dev/null")))
    assert.equal(400, (send(url, "")))
    assert.equal(400, (ask("%s-d x %sfiles", SEND, url)))
    assert.equal(0, files_below(folder))
    server:stop()
  end)

  it("keeps nothing of a file that breaks off", function()
    local url = serve("--data-dir " .. folder .. "/data")
    workspace.run(("timeout 1 curl -s %s--limit-rate 10k --data-binary @%s "
      .. "'%sfiles?name=a.flac'"):format(SEND, MIX, url))
    workspace.wait_for("the end of its part", function()
      return files_below(folder) == 0
    end)
    assert.same({}, items(url))
  end)

  it("tells many pages what is new, and not more than that", function()
    local url = serve()
    local pids = {}
    for i = 1, 64 do
      pids[i] = workspace.run(("curl -s -N -m 60 %sevents > %s/e%d 2>/dev/null & "
        .. "echo $!")
        :format(url, folder, i)):match("%d+")
    end
    local function wait_for_all(word)
      for i = 1, 64 do
        workspace.wait_for(("%s on page %d"):format(word, i), function()
          local heard = workspace.read(("%s/e%d"):format(folder, i))
          return heard and heard:find(word, 1, true)
        end)
      end
    end
    wait_for_all("retry")
    assert.equal(503, (ask("-m 2 %sevents", url)))
    send(url, "a.flac")
    wait_for_all('"state":"done"')
    for _, pid in ipairs(pids) do
      workspace.run("kill " .. pid)
    end
    workspace.wait_for("their places", function()
      return items(url).a
    end)
  end)

  it("ends while pages are open and a picture is being made", function()
    local url, pid = serve()
    local long = audio.make("-f lavfi -i sine=d=1200",
      folder .. "/long.flac")
    send(url, "long.flac", long)
    workspace.wait_for("the item", function()
      return items(url).long
    end)
    for _, path in ipairs({ "events", "picture/1/mixture" }) do
      workspace.run(("(curl -s -m 60 %s%s) > /dev/null 2>&1 & true"):format(url,
        path))
    end
    assert.equal(0, stop(pid, "TERM"))
  end)
end)

-- Where the module of the client is.
local function core_path()
  for place in package.cpath:gmatch("[^;]+") do
    local path = place:gsub("%?", "camb/core")
    if workspace.read(path) then
      return path
    end
  end
end

describe("camb batch --page", function()
  local function batch(words, environment)
    return start("batch --page 127.0.0.1:0 " .. words, environment)
  end

  it("shows each file, done or failed, until Ctrl-C", function()
    os.execute(("mkdir %s/in && cp %s %s/in/good.flac"):format(folder, MIX,
      folder))
    workspace.write(folder .. "/in/bad.wav", "not audio")
    local url, pid = batch(("%s/in -o %s/out --sandbox"):format(folder, folder))
    local good = wait_for_item(url, "good", "done")
    assert.equal(3, #good.tracks)
    assert.equal("bad.wav", wait_for_item(url, "bad", "failed").tracks[1].file)
    assert.equal(10, stop(pid, "INT"))
  end)

  it("separates what is dropped, into a folder and a store of its own, and "
    .. "ends well", function()
    local url, pid, log = batch(("-o %s/out --sandbox"):format(folder))
    local other = audio.make("-f lavfi -i sine=d=1", folder .. "/other.flac")
    send(url, "..%2F..%2Ftake.flac")
    send(url, "take.flac", other)
    wait_for_item(url, "take", "done")
    local second = wait_for_item(url, "take-2", "done")
    assert.equal("take-2.background.flac", second.tracks[3].file)
    assert.equal(workspace.read(other),
      workspace.read(folder .. "/out/dropped/take-2.flac"))
    assert.equal(0, stop(pid, "INT"), workspace.read(log))
    local output, status = workspace.run(("%s report %s/out -o %s/r.html")
      :format(CAMB, folder, folder))
    assert.equal(0, status, output)
    assert.is_truthy(workspace.read(folder .. "/r.html")
      :find('out/dropped/take-2.flac"', 1, true))
  end)

  it("tells of a dropped file that is paid for when it is interrupted",
    function()
      local server = assert(sandbox.start({ processing = math.huge }))
      local url, pid, log = batch(("-o %s/out --base-url %s"):format(folder,
        server.base_url), "CAMB_API_KEY=" .. server.api_key)
      send(url, "paid.flac")
      local item = workspace.wait_for("the task", function()
        local found = items(url).paid
        return found and found.task and found
      end)
      assert.equal(130, stop(pid, "INT"))
      assert.is_truthy(workspace.read(log):find(item.task, 1, true))
      server:stop()
    end)

  it("shows how far an upload has come", function()
    local server = assert(sandbox.start({ processing = math.huge }))
    local url = batch(("%s -o %s/out --base-url %s"):format(MIX, folder,
      server.base_url), "CAMB_API_KEY=" .. server.api_key)
    local item = workspace.wait_for("the task", function()
      local found = items(url).mix
      return found and found.task and found
    end)
    assert.equal("being separated", item.word)
    local said = {}
    for i, event in ipairs(item.events) do
      said[i] = event[2]
    end
    assert.same({ "upload started", "accepted by the service" }, said)
    server:stop()
  end)

  it("refuses an address that is not this machine's", function()
    for _, address in ipairs({ "0.0.0.0:8000", "8000", "example.com:80",
      "127.0.0.1", "127.0.0.1:99999", "192.168.0.1:80", "localhost.evil:80" })
    do
      local output, status = workspace.run(("%s batch x --page %s"):format(
        CAMB, address))
      assert.equal(2, status)
      assert.matches("%-%-page must be an address of this machine and a port, "
        .. "such as 127.0.0.1:8000", output)
    end
  end)

  it("says what it needs where camb-sandbox is missing", function()
    local alone = folder .. "/alone"
    workspace.run(("mkdir -p %s/camb && cp %s %s/camb/core.so"):format(alone,
      core_path(), alone))
    local output, status = workspace.run(("cd %s && LUA_CPATH='%s/?.so;;' %s -e "
      .. "\"package.path='%s/lua/?.lua;%s/lua/?/init.lua;' .. package.path; "
      .. "package.preload['camb.sandbox.core'] = function() error 'none' end; "
      .. "os.exit(require('camb.cli').main({'batch', '%s/%s', '--page', "
      .. "'127.0.0.1:0', '--api-key', 'k', '-o', 'out'}))\""):format(folder,
      alone, os.getenv "LUA" or "lua5.4", HERE, HERE, HERE, MIX))
    assert.equal(2, status, output)
    assert.matches("camb: %-%-page needs the rock camb%-sandbox\n", output)
  end)

  it("says that its port is taken", function()
    local url = serve()
    local output, status = workspace.run(("%s batch %s --sandbox -o %s/out "
      .. "--page 127.0.0.1:%s"):format(CAMB, MIX, folder, url:match(":(%d+)/")))
    assert.equal(6, status)
    assert.matches("cannot listen on port %d+ of '127.0.0.1'", output)
  end)
end)

describe("camb watch --page", function()
  it("shows what appears, and takes what is dropped for what appears", function()
    os.execute(("mkdir %s/in"):format(folder))
    local url, pid, log = start(("watch --page 127.0.0.1:0 %s/in -o %s/out "
      .. "--sandbox --settle 0.2"):format(folder, folder))
    audio.make("-f lavfi -i sine=d=1", folder .. "/in/first.flac")
    assert.equal(3, #wait_for_item(url, "first", "done").tracks)
    send(url, "take.flac")
    send(url, "first.flac", audio.make("-f lavfi -i sine=d=2",
      folder .. "/other.flac"))
    wait_for_item(url, "take", "done")
    wait_for_item(url, "first-2", "done")
    assert.same({ "first-2.flac", "first.flac", "take.flac" },
      workspace.list(folder .. "/in"))
    assert.is_string(workspace.read(folder .. "/out/take.foreground.flac"))
    assert.is_nil(workspace.read(log):find("all done", 1, true))
    assert.equal(130, stop(pid, "INT"))
    assert.matches("camb: 3 done; .*to resume, run: camb watch ",
      workspace.read(log))
  end)
end)

describe("the served page in Chromium #page", function()
  local chromium, url, pid, kept, take

  setup(function()
    kept = workspace.folder()
    take = audio.make("-i examples/mix.flac -t 9", kept .. "/take.flac")
    chromium = browser.open()
  end)

  teardown(function()
    chromium:close()
    workspace.remove(kept)
  end)

  before_each(function()
    url, pid = serve()
    chromium:screen(1200, 900)
    chromium:go(url)
    chromium:wait_for("!document.querySelector('#drop').hidden")
  end)

  local function state()
    return chromium:run([[const card = document.querySelector(".card");
      return card ? card.className : ""]])
  end

  local function separate()
    chromium:drop("#drop", take)
    chromium:wait_for("document.querySelector('.card.done')", 60)
    chromium:wait_for([[[...document.querySelectorAll("canvas")]
      .filter((canvas) => canvas.width > 0).length === 3]])
  end

  -- Seconds that are shown as played.
  local function at()
    return tonumber((chromium:run([[return document.querySelector(".seek")
      .value]])))
  end

  local function plays_beyond(seconds)
    chromium:wait_for(("document.querySelector('.playing') && "
      .. "Number(document.querySelector('.seek').value) > %g"):format(seconds))
  end

  it("takes a dropped file, shows how it is separated, and plays it",
    function()
      separate()
      assert.equal("take", chromium:run(
        "return document.querySelector('h2').textContent"))
      chromium:click(".play")
      plays_beyond(1)
      chromium:click(".play")
      assert.is_nil(state():find("playing", 1, true))
      assert.same({}, chromium:console())
    end)

  it("takes a file that is chosen", function()
    chromium:type("#choose", take)
    chromium:wait_for("document.querySelector('.card.done')", 60)
  end)

  it("says why a file was not taken, and takes the next one", function()
    workspace.write(folder .. "/empty.wav", "")
    chromium:drop("#drop", folder .. "/empty.wav")
    chromium:wait_for([[document.querySelector("#sending").textContent
      .includes("The file is empty.")]])
    separate()
  end)

  it("starts and seeks all tracks in one instant of one clock", function()
    separate()
    chromium:run([[
      window.starts = [];
      const start = AudioBufferSourceNode.prototype.start;
      AudioBufferSourceNode.prototype.start = function (when, offset) {
        window.starts.push([when, offset, this.context.currentTime]);
        return start.call(this, when, offset);
      };]])
    chromium:click(".play")
    plays_beyond(0)
    chromium:click(".picture") -- its middle
    plays_beyond(4.5)
    local starts = chromium:run("return window.starts")
    assert.equal(6, #starts)
    for first = 1, 4, 3 do
      for i = first, first + 2 do
        assert.equal(starts[first][1], starts[i][1])
        assert.equal(starts[first][2], starts[i][2])
        assert.is_true(starts[i][1] > starts[i][3]) -- none is late
      end
    end
  end)

  it("solos, mutes, fades and loops by keys", function()
    separate()
    chromium:run("document.querySelector('.card').focus()")
    chromium:press("2", "l", " ")
    plays_beyond(0)
    assert.same({ "false", "true", "false" }, chromium:run([[
      return [...document.querySelectorAll(".solo")].map((button) =>
        button.getAttribute("aria-pressed"))]]))
    chromium:type(".seek", "End")
    chromium:type(".seek", "Left")
    chromium:wait_for("Number(document.querySelector('.seek').value) < 5")
    assert.is_truthy(state():find("playing", 1, true))
    chromium:press("Tab")
  end)

  it("goes on playing the recording when its stems come", function()
    local long = audio.make("-f lavfi -i sine=d=120", folder .. "/long.flac")
    chromium:drop("#drop", long)
    chromium:wait_for("document.querySelector('.card.open .play')")
    chromium:click(".play")
    plays_beyond(0)
    local before = at()
    chromium:wait_for("document.querySelectorAll('.track').length === 3", 60)
    plays_beyond(before)
  end)

  it("says when camb has ended, and shows the next one when that is there", function()
    separate()
    local port = url:match(":(%d+)/")
    stop(pid, "TERM")
    chromium:wait_for("!document.querySelector('#away').hidden")
    assert.equal(1, chromium:run(
      "return document.querySelectorAll('.card').length"))
    start("serve --port " .. port)
    chromium:wait_for("document.querySelectorAll('.card').length === 0", 30)
    chromium:wait_for("!document.querySelector('#drop').hidden")
    chromium:drop("#drop", take)
    chromium:wait_for("document.querySelector('.card.done')", 60)
  end)

  for _, screen in ipairs({ { 1200, 900, "light" }, { 390, 844, "dark" } }) do
    it(("leaves axe-core nothing to mend at a width of %d in the %s"):format(
      screen[1], screen[3]), function()
      local script = axe.script()
      if not script then
        pending("npm could not fetch axe-core")
        return
      end
      workspace.write(folder .. "/x.wav", "not audio")
      separate()
      chromium:drop("#drop", folder .. "/x.wav")
      chromium:wait_for("document.querySelector('.card.failed')")
      chromium:screen(screen[1], screen[2], screen[3])
      assert.matches("^nothing, of %d%d", axe.run(chromium, script))
      assert.is_true(chromium:run("return document.documentElement.scrollWidth "
        .. "<= document.documentElement.clientWidth"))
    end)
  end
end)
