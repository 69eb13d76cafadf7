-- Every mistake has its own sentence, names the option, points at the caller's
-- line, and sends nothing.

local camb = require "camb"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local WAV = "RIFF\36\0\0\0WAVEfmt " -- enough for a look at the first bytes

describe("misuse", function()
  local server, client, folder

  setup(function()
    server, client, folder = stage.open({ processing = math.huge })
  end)

  teardown(function()
    stage.close(server, client, folder)
  end)

  after_each(function()
    assert.equal(0, #server:requests())
  end)

  -- The error must blame the line of this file that makes the call.
  local function raises(text, fn)
    local ok, problem = pcall(fn)
    assert.is_false(ok)
    assert.matches("misuse_spec.lua:%d+: ", tostring(problem))
    assert.equal(text, (tostring(problem):gsub("^.-:%d+: ", "")))
  end

  it("names the type that was expected", function()
    raises("option 'interval': number expected, got string", function()
      client:separate("x.wav", { interval = "5" })
    end)
    raises("option 'project_name': string expected, got number", function()
      client:submit("x.wav", { project_name = 7 })
    end)
    raises("options: table expected, got string", function()
      client:separate("x.wav", "stems")
    end)
    raises("source: path or table expected, got nil", function()
      client:separate()
    end)
    raises("option 'folder_id' must be an integer", function()
      client:submit("x.wav", { folder_id = 1.5 })
    end)
  end)

  it("names an unknown option, and the one it may be a slip of", function()
    raises("unknown option 'colour'", function()
      client:separate("x.wav", { colour = "red" })
    end)
    raises("unknown option 'outputdir' (did you mean 'output_dir'?)", function()
      client:separate("x.wav", { outputdir = "stems" })
    end)
    raises("unknown option 'intervall' (did you mean 'interval'?)", function()
      camb.separate("x.wav", { intervall = 5 })
    end)
    raises("unknown option 'apikey' (did you mean 'api_key'?)", function()
      camb.client({ apikey = "k" })
    end)
  end)

  it("takes an option by its former name, and says once what it is called now",
    function()
      local path = folder .. "/a.db"
      local output, status = workspace.run(([[%s -e '
        local store = require("camb.store")
        local path = "%s"
        store.open(path, { patience = 1 }):close()
        store.open(path, { patience = 2 }):close()
        store.open(path, { store_timeout = 2 }):close()
        print(pcall(store.open, path, { patience = 2, store_timeout = 2 }))
        print(pcall(store.open, path, { patience = "x" }))']]):format(
        os.getenv("LUA") or "lua5.4", path))
      assert.equal(0, status, output)
      local _, times = output:gsub("camb: the option 'patience' is now called "
        .. "'store_timeout'\n", "")
      assert.equal(1, times, output)
      assert.matches("option 'store_timeout' is given twice", output)
      assert.matches("option 'store_timeout': number expected, got string",
        output)
    end)

  it("names values that cannot be right", function()
    raises("option 'interval' must be more than 0", function()
      client:separate("x.wav", { interval = 0 })
    end)
    raises("option 'max_attempts' must be a whole number of 1 or more",
      function()
        client:separate("x.wav", { max_attempts = 0.5 })
      end)
    raises("option 'name' must be a file name without folders", function()
      client:separate("x.wav", { name = "../x" })
    end)
    raises("option 'output_dir' is empty", function()
      client:separate("x.wav", { output_dir = "" })
    end)
    raises("option 'project_name' contains a line break", function()
      client:submit("x.wav", { project_name = "a\r\nb" })
    end)
    raises('option \'traceparent\' must look like "00-<trace id>-<parent id>-01"'
      .. " (W3C Trace Context)", function()
      client:submit("x.wav", { traceparent = "x" })
    end)
  end)

  it("tells how to give a key when there is none", function()
    -- the specs run without CAMB_API_KEY: see .ci/run and the Makefile
    assert.is_nil(os.getenv("CAMB_API_KEY"))
    raises("no API key: pass api_key or api_key_file, or set CAMB_API_KEY",
      function()
        camb.separate("x.wav", { base_url = server.base_url })
      end)
  end)

  it("refuses a base_url that is none", function()
    for _, url in ipairs({ "client.camb.ai", "http://a%7F/", "http://%33/" }) do
      raises("option 'base_url' is invalid: it is not an absolute http or "
        .. "https URL", function()
        camb.client({ api_key = "k", base_url = url })
      end)
    end
    raises("option 'base_url' is invalid: it has a query or a fragment",
      function()
        camb.client({ api_key = "k", base_url = "https://h/apis?x=1" })
      end)
  end)

  it("refuses a path with a NUL", function()
    raises("option 'source' contains a NUL byte", function()
      client:separate("mix.wav\0.txt")
    end)
  end)

  it("refuses a header that would be two", function()
    raises("option 'headers.X-Team' contains a line break", function()
      camb.client({ api_key = "k", headers = { ["X-Team"] = "a\nb: c" } })
    end)
    raises("option 'headers': \"X Team\" is not a valid header name", function()
      camb.client({ api_key = "k", headers = { ["X Team"] = "a" } })
    end)
    raises("option 'headers': pass the key as api_key", function()
      camb.client({ api_key = "k", headers = { ["X-API-Key"] = "a" } })
    end)
  end)

  it("refuses a table that is no source", function()
    raises("source: exactly one of 'path', 'data' and 'read' is needed",
      function()
        client:submit({ filename = "x.wav" })
      end)
    raises("source: a reader needs 'size', the number of bytes that it returns",
      function()
        client:submit({ read = function() end })
      end)
  end)

  it("refuses run ids and task ids that are none", function()
    raises("run id: integer expected, got nil", function()
      client:result(nil)
    end)
    raises("run id: integer expected, got \"None\"", function()
      client:result("None")
    end)
    raises("client:task needs a task id", function()
      client:task()
    end)
    raises("option 'task_id' is empty", function()
      client:task("")
    end)
    raises("option 'media_file' is missing", function()
      client.audio_separation:create_audio_separation({})
    end)
  end)

  it("refuses a client that is closed, or called with a dot", function()
    local closed = camb.client({ base_url = server.base_url, api_key = "k" })
    closed:close()
    closed:close()
    raises("the client is closed", function()
      closed:submit("x.wav")
    end)
    raises("not a client: call it with a colon, client:submit(…)", function()
      client.submit("x.wav")
    end)
  end)

  it("refuses a loop that is none", function()
    for _, loop in ipairs({ "luv", 7, {}, { running = print } }) do
      raises("option 'loop' is not a loop, such as require "
        .. '"camb.loop.cqueues"', function()
          camb.client({ base_url = server.base_url, api_key = "x",
            loop = loop })
        end)
    end
  end)

  it("refuses jobs that are no functions", function()
    raises("camb.spawn: function expected, got nil", function()
      camb.spawn()
    end)
    raises("camb.run: function expected, got nil", function()
      camb.run()
    end)
  end)

  local function fails(kind, text, source)
    local stems, err = client:separate(source, { output_dir = folder .. "/out" })
    assert.is_nil(stems)
    assert.equal(kind, err.kind)
    assert.equal(text, err.message)
    assert.equal(kind .. ": " .. text, tostring(err))
    assert.is_false(err.retryable)
    assert.same({}, workspace.list(folder .. "/out"))
  end

  it("says that a file is missing", function()
    local path = folder .. "/nowhere.wav"
    fails("file", ('the source "%s" cannot be read: No such file or directory')
      :format(path), path)
  end)

  it("says that a file is empty", function()
    local path = workspace.write(folder .. "/empty.wav", "")
    fails("source", ('the source "%s" is empty'):format(path), path)
  end)

  -- What stands before the samples: all of it, or cut where it need not be read.
  local HOLLOW = {
    ["x.wav"] = takes.wav(1, 0),
    ["cut.wav"] = takes.wav(1):sub(1, 44),
    ["shorter.wav"] = takes.wav(1):sub(1, 40),
    ["unknown.wav"] = takes.wav(1, 0):sub(1, -5) .. ("\255"):rep(4),
    ["x.flac"] = "fLaC\0\0\0\34" .. ("\0"):rep(34) .. "\129\0\0\2..",
    ["cut.flac"] = "fLaC\0\0\0\34" .. ("\0"):rep(34) .. "\129\0\0\200..",
  }

  for name, bytes in pairs(HOLLOW) do
    it("says that a file has no samples: " .. name, function()
      local path = workspace.write(folder .. "/" .. name, bytes)
      local text = 'the source "%s" contains no sound: it ends where that would '
        .. "begin"
      fails("source", text:format(path), path)
      fails("source", text:format(name), { data = bytes, filename = name })
      local is_read = false
      fails("source", text:format(name), { size = #bytes, filename = name,
        read = function()
          is_read = not is_read
          return is_read and bytes or nil
        end })
    end)
  end

  it("says that a path is a folder", function()
    fails("file", ('the source "%s" cannot be read: it is a folder, not a file')
      :format(folder), folder)
  end)

  it("says that a path is a pipe, and waits for nobody to write", function()
    local path = folder .. "/pipe.wav"
    workspace.run(("mkfifo '%s'"):format(path))
    fails("file", ('the source "%s" cannot be read: it is not a regular file')
      :format(path), path)
  end)

  it("says that a text file is no audio, whatever its name", function()
    local path = workspace.write(folder .. "/notes.wav", "Dear diary, …")
    fails("source", ('the source "%s" is not audio that the service accepts: '
      .. "its first bytes are not those of FLAC, MP3, WAV or AAC"):format(path),
      path)
  end)

  it("says which format the service does not take", function()
    local path = workspace.write(folder .. "/x.wav", "OggS" .. ("\0"):rep(60))
    fails("source", ('the source "%s" is Ogg, which the service does not accept: '
      .. "use FLAC, MP3, WAV or AAC"):format(path), path)
  end)

  it("refuses to overwrite stems before anything is paid for", function()
    local path = workspace.write(folder .. "/take.wav", WAV)
    workspace.write(folder .. "/take.background.mp3", "x")
    local stems, err = client:separate(path, { output_dir = folder })
    assert.is_nil(stems)
    assert.equal("file", err.kind)
    assert.equal(('"%s/take.background.mp3" already exists: pass overwrite = '
      .. "true to replace it, or use another output_dir"):format(folder),
      err.message)
  end)

  it("says that the output folder cannot be made", function()
    local path = workspace.write(folder .. "/take.wav", WAV)
    workspace.write(folder .. "/taken", "x")
    local stems, err = client:separate(path,
      { output_dir = folder .. "/taken/deeper" })
    assert.is_nil(stems)
    assert.equal("file", err.kind)
    assert.equal(('the folder "%s/taken" cannot be created: Not a directory')
      :format(folder), err.message)
  end)
end)
