-- The sandbox's tasks: on disk, over restarts.

local cjson = require "cjson"
local sandbox = require "camb.sandbox"
local sandboxed = require "spec.support.sandboxed"
local served = require "spec.support.served"
local workspace = require "spec.support.workspace"

local key = sandboxed.key
local run = sandboxed.run
local read = sandboxed.read
local write = sandboxed.write
local start = sandboxed.start
local start_with_stems = sandboxed.start_with_stems
local fresh = sandboxed.fresh
local plant = sandboxed.plant
local http = sandboxed.http
local submit = sandboxed.submit
local poll = sandboxed.poll
local finished = sandboxed.finished
local urls = sandboxed.urls
local wait_for = sandboxed.wait_for

local work

sandboxed.for_file(function(folder)
  work = folder
end)

describe("a data folder", function()
  it("finishes what was pending when a server starts on it again", function()
    local data = fresh "again"
    local first = start{ data_dir = data, processing = math.huge }
    local ids = { submit(first), submit(first) }
    first:stop()
    local second = start{ data_dir = data }
    assert.equal(1001, finished(second, ids[1]).run_id)
    assert.equal(1002, finished(second, ids[2]).run_id)
  end)

  it("gives no run id twice, even if a task is removed by hand", function()
    local data = fresh "removed"
    local first = start{ data_dir = data }
    local id = submit(first)
    assert.equal(1001, finished(first, id).run_id)
    first:stop()
    run("rm -r " .. first:task(id).folder)
    local second = start{ data_dir = data }
    assert.equal(404, poll(second, id).status)
    assert.equal(1002, finished(second, submit(second)).run_id)
  end)

  it("keeps a signed URL good over a restart", function()
    local first = start_with_stems "signed"
    local url = urls(first, 5000).foreground_audio_url
    first:stop()
    local second = start{ data_dir = first.data_dir }
    url = url:gsub("^http://[^/]+", second.stem_url)
    assert.equal("0123456789", http("'" .. url .. "'").body)
  end)

  it("keeps a task pending whose separation was cancelled #timed", function()
    local long = work .. "/long.flac"
    run("ffmpeg -v error -y -stream_loop 400 -i " .. work .. "/mix.flac " .. long)
    local server = start{ data_dir = fresh "cancelled" }
    local id = submit(server, "-F media_file=@" .. long)
    local before = os.time()
    server:stop()
    assert.is_true(os.time() - before <= 2)
    local record = cjson.decode(read(server:task(id).folder .. "/task.json"))
    assert.equal("PENDING", record.status)
  end)

  it("is rid of uploads that broke, at once and at the next start", function()
    local data = fresh "broken"
    local server = start{ data_dir = data }
    local _, code = run("curl -sS --limit-rate 20k --max-time 2 " .. key
      .. "-F media_file=@" .. work .. "/mix.flac " .. server.base_url
      .. "/audio-separation")
    assert.equal(28, code)
    local request = wait_for("the broken request", function()
      return server:requests()[1]
    end)
    assert.is_nil(request.status)
    assert.is_nil(request.file)
    assert.is_true(request.body_bytes > 0)
    assert.equal("", run("ls " .. data .. "/uploads " .. data .. "/tasks | grep -v :")
      :gsub("%s", ""))
    assert.equal(0, server:stats().uploads)
    server:stop()
    local left = data .. "/uploads/camb-" .. ("0a"):rep(16)
    run("mkdir " .. left)
    write(left .. "/input.flac", "fLaC")
    local second = start{ data_dir = data }
    assert.equal("", run("ls " .. data .. "/uploads"))
    assert.is_truthy(second)
  end)

  it("is rid of an upload whose end came together with its last bytes", function()
    local server = start()
    local port = server.base_url:match(":(%d+)/")
    write(work .. "/part", "POST /apis/audio-separation HTTP/1.1\r\nHost: a\r\n"
      .. "x-api-key: sandbox\r\nContent-Length: 1000\r\nContent-Type: "
      .. "multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: "
      .. 'form-data; name="media_file"; filename="a.wav"\r\n\r\nRIFF')
    local before = os.time()
    for _ = 1, 20 do
      run(("bash -c 'cat %s/part > /dev/tcp/127.0.0.1/%s'"):format(work, port))
    end
    wait_for("the broken requests", function() return #server:requests() == 20 end)
    assert.is_true(os.time() - before < 30)
    assert.equal("", run("ls " .. server.data_dir .. "/uploads"))
  end)

  it("is whole after kill -9 in the middle of everything", function()
    local data, note = fresh "crash", work .. "/note"
    local lua = os.getenv "LUA" or "lua5.4"
    write(work .. "/crash.lua", ([[
      local server = assert(require("camb.sandbox").start{ data_dir = %q,
        engine = "sh -c 'echo $$ > %s.engine; exec sleep 1000' sh" })
      local file = io.open(%q, "w")
      file:write(io.open("/proc/self/stat"):read("*l"):match("^%%d+"), " ",
        server.base_url)
      file:close()
      os.rename(%q, %q)
      io.read()]]):format(data, note, note .. ".new", note .. ".new", note))
    local child = io.popen("exec " .. lua .. " " .. work .. "/crash.lua", "w")
    local pid, url = wait_for("the server", function()
      return read(note)
    end):match("^(%d+) (%S+)$")
    local ids = { submit{ base_url = url }, submit{ base_url = url } }
    run(("(curl -s --limit-rate 20k %s -F media_file=@%s/mix.flac "
      .. "%s/audio-separation > %s/cut 2>&1 &)"):format(key, work, url, work))
    wait_for("the upload to begin", function()
      return run("ls " .. data .. "/uploads") ~= ""
    end)
    local engine = wait_for("the engine", function()
      return (read(note .. ".engine") or ""):match("%d+")
    end)
    assert.equal("", (run("kill -9 " .. pid)))
    run("kill -9 " .. engine .. " 2>/dev/null") -- its keeper may have been faster
    child:close()
    local server = start{ data_dir = data }
    assert.equal("", run("ls " .. data .. "/uploads"))
    assert.equal(1001, finished(server, ids[1]).run_id)
    assert.equal(1002, finished(server, ids[2]).run_id)
  end)

  it("keeps what a sandbox has not made, wherever it lies", function()
    local data = fresh "theirs"
    run("mkdir -p " .. data .. "/uploads/album " .. data .. "/tasks/album "
      .. data .. "/uploads/camb-x " .. data .. "/uploads/" .. ("0a"):rep(16))
    for _, name in ipairs{ "uploads/photo", "uploads/album/photo", "lock",
      "tasks/album/photo", "uploads/camb-x/photo", "tasks/photo",
      "uploads/" .. ("0a"):rep(16) .. "/photo", "ca.pem", "ca-key.pem" } do
      write(data .. "/" .. name, "theirs")
    end
    local before = run("cd " .. data .. " && find . -type f | sort | xargs md5sum")
    for _ = 1, 2 do
      start{ data_dir = data }:stop()
      os.remove(data .. "/secret")
      assert.equal(before,
        run("cd " .. data .. " && find . -type f | sort | xargs md5sum"))
    end
  end)

  for name, options in pairs{ secret = {}, last_run = {},
    ["ca.pem"] = { tls = true }, ["ca-key.pem"] = { tls = true } } do
    it("is refused where a sandbox would replace somebody's " .. name, function()
      local data = fresh "refused"
      run("mkdir " .. data)
      write(data .. "/" .. name, "theirs")
      options.data_dir = data
      local server, err = sandbox.start(options)
      assert.is_nil(server)
      assert.equal("file", err.kind)
      assert.matches("not a sandbox's, or cannot be read: choose another folder$",
        err.message)
      assert.matches(name, err.message, 1, true)
      assert.equal("theirs", read(data .. "/" .. name))
    end)
  end

  it("belongs to one server at a time", function()
    local data = fresh "shared"
    local first = start{ data_dir = data }
    local second, err = sandbox.start{ data_dir = data }
    assert.is_nil(second)
    assert.equal("file: the folder '" .. first.data_dir
      .. "' is in use by another sandbox", tostring(err))
    first:stop()
    local third = start{ data_dir = data }
    assert.equal(first.data_dir, third.data_dir)
  end)

  it("is removed in the end if it was not given", function()
    local server = start()
    assert.equal(0, select(2, run("test -d " .. server.data_dir)))
    server:stop()
    assert.equal(1, select(2, run("test -e " .. server.data_dir)))
  end)

  it("gives away nothing outside of it, whatever a record says", function()
    local data = fresh "hostile"
    write(work .. "/secret.flac", "not for you")
    plant(data, { task_id = "out", status = "SUCCESS", run_id = 5000,
      foreground = "../../../secret.flac", background = ".hidden" })
    local server = start{ data_dir = data }
    local url = urls(server, 5000).foreground_audio_url
    assert.equal(404, http("'" .. url .. "'").status)
  end)

  it("that cannot be made is an error of kind file", function()
    local server, err = sandbox.start{ data_dir = work .. "/mix.flac/x" }
    assert.is_nil(server)
    assert.equal("file", err.kind)
    assert.equal("cannot make the folder '" .. work
      .. "/mix.flac/x': Not a directory", err.message)
  end)
end)

describe("a temporary folder of a sandbox that was killed", function()
  local parent

  local function serve()
    return served.start("", "TMPDIR=" .. parent)
  end

  before_each(function()
    parent = fresh "parent"
    run("mkdir " .. parent)
  end)

  it("is removed by the next one, which leaves all others alone", function()
    local killed = serve()
    local dead = workspace.list(parent)[1]
    assert.matches("^camb%-sandbox%-......$", dead)
    workspace.stop(killed.pid, "KILL")
    local living = serve()
    assert.is_nil(workspace.list(parent)[2])
    assert.not_equal(dead, workspace.list(parent)[1])
    living.stop()
    killed = serve()
    dead = workspace.list(parent)[1]
    local others = { "camb-sandbox-starts", "camb-sandbox-longer_name",
      "camb-sandbox-", "their-sandbox-abcdef" }
    for _, name in ipairs(others) do
      run(("mkdir '%s/%s'"):format(parent, name))
      if name ~= others[1] then
        write(("%s/%s/lock"):format(parent, name), "")
      end
    end
    run(("cd '%s'; mkdir theirs; touch theirs/lock; "
      .. "ln -s theirs camb-sandbox-linked; touch camb-sandbox-afile1")
      :format(parent))
    living = serve()
    local before = workspace.list(parent)
    workspace.stop(killed.pid, "KILL")
    local next_one = serve()
    local after = workspace.list(parent)
    assert.equal(#before, #after) -- one less, one more
    assert.is_nil((" " .. table.concat(after, " ") .. " "):find(" " .. dead
      .. " ", 1, true))
    assert.is_true(sandboxed.http(living.base_url).status ~= nil)
    next_one.stop()
    living.stop()
    assert.equal(#others + 3, #workspace.list(parent))
    assert.equal("", read(parent .. "/theirs/lock"))
  end)

  it("is not removed while it is in use, by any number of others", function()
    local all = {}
    for i = 1, 4 do
      all[i] = serve()
    end
    assert.equal(4, #workspace.list(parent))
    for _, one in ipairs(all) do
      one.stop()
    end
    assert.same({}, workspace.list(parent))
  end)
end)
