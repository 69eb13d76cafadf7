-- A process that forks while a client is open: the client stays the parent's.
-- The child may drop it in any way, and the parent's transfers go on.

local core = require "camb.core"
local copied = require "spec.support.copied"
local served = require "spec.support.served"
local stage = require "spec.support.stage"
local system = require "spec.support.system"
local workspace = require "spec.support.workspace"

-- More than the sockets between two processes take.
local SOURCE = copied.source("0123456789abcdef", 12 * 2 ^ 20)

describe("after a fork #slow", function()
  local folder, open, secure

  local function start(words)
    local data = ("%s/data-%d"):format(folder, #words)
    local server = served.start(("--engine '%s' --data-dir %s %s")
      :format(copied.ENGINE, data, words))
    server.uploads = function()
      return #workspace.list(data .. "/tasks")
    end
    return server
  end

  setup(function()
    folder = workspace.folder()
    open, secure = start(""), start(("--ca-out %s/ca.pem"):format(folder))
    secure.ca_file = folder .. "/ca.pem"
  end)

  teardown(function()
    open.stop()
    secure.stop()
    workspace.remove(folder)
  end)

  local function source()
    return { data = SOURCE, filename = "x.wav" }
  end

  -- Run `child` in a process of its own; what it returned, or its problem.
  local function in_child(child)
    local path = folder .. "/child"
    local pid = system.fork()
    if pid == 0 then
      local _, text = pcall(child)
      workspace.write(path, tostring(text))
      system.exit(0)
    end
    assert.equal(0, system.wait(pid))
    return workspace.read(path)
  end

  -- What a child may do with a client that is not its own.
  local leave = {
    ["exits at once"] = function() end,
    ["closes the client"] = function(client)
      client:close()
    end,
    ["steps the client"] = function(client)
      client:step(0)
    end,
  }
  -- What libcurl holds cannot be freed in a child without speaking in the
  -- parent's name, which the leak checkers would report.
  if not os.getenv("SANITIZER") then
    leave["collects everything"] = function(client)
      os.exit(true, client ~= nil)
    end
  end

  -- Without retries, so that whatever the child breaks fails.
  local function separates_through(server, child, event_name)
    local before, has_forked = server.uploads(), false
    local client = stage.client(server, { ca_file = server.ca_file,
      retries = 0 })
    local stems, err = client:separate(source(), {
      output_dir = folder, overwrite = true, interval = 0.05,
      max_attempts = 1000, on_event = function(event)
        if not has_forked and event.name == event_name
          and event.bytes ~= 0 then
          has_forked = true
          in_child(function()
            child(client)
          end)
        end
      end })
    client:close()
    assert(stems, tostring(err))
    assert.is_true(has_forked)
    for stem, bytes in pairs(copied.stems(SOURCE)) do
      assert.is_true(workspace.read(stems[stem]) == bytes)
    end
    assert.equal(before + 1, server.uploads())
  end

  for name, child in pairs(leave) do
    for _, event_name in ipairs({ "upload_progress", "polled",
      "download_progress" }) do
      it(("the parent goes on when the child %s (%s)"):format(name, event_name),
        function()
          separates_through(open, child, event_name)
        end)
    end
    it(("the parent goes on with TLS when the child %s"):format(name),
      function()
        separates_through(secure, child, "download_progress")
      end)
  end

  it("the child keeps files open that have the numbers of the parent's queue",
    function()
      local client = stage.client(open)
      client:submit(source())
      assert.equal("all can be read", in_child(function()
        local files = {}
        for i = 1, 64 do
          files[i] = assert(io.open("spec/fixtures/mix.flac", "rb"))
          files[i]:setvbuf("no")
        end
        client:close()
        for _, file in ipairs(files) do
          assert(file:read(4) == "fLaC", "one was closed")
        end
        return "all can be read"
      end))
      client:close()
    end)

  it("the parent is woken by its descriptor at the same times as before",
    function()
      local url = "http://127.0.0.1:9" -- nobody listens: all is pauses
      local session = core.session({ base_url = url })
      local transfer = session:poll({ url = url, interval = 0.3,
        max_attempts = 3 })
      local fd = session:pollfd()
      if not fd then return pending "this poller has no descriptor" end
      session:step(0)
      in_child(function()
        transfer:close()
      end)
      local ended = false
      while not ended do
        assert.is_true(system.readable(fd, 10))
        session:step(0)
        for id, kind in session.next, session do
          ended = ended or id == transfer:id() and kind == "done"
        end
      end
      session:close()
    end)

  it("the child is told that it needs a client of its own", function()
    local client = stage.client(open)
    local task = client:task("t")
    for _, call in ipairs({
      function() client:step(0) end,
      function() task:status() end,
      function() client:submit(source()) end,
      function() client:download(7, { output_dir = folder }) end,
    }) do
      assert.matches("a client cannot be used in a forked process: open a new "
        .. "one there$", in_child(call))
    end
  end)

  it("the child can open a client of its own", function()
    local client = stage.client(open)
    local task = assert(client:submit({ data = copied.source("x", 4000) }))
    local id = in_child(function()
      local own = stage.client(open)
      return assert(own:task(task.id):wait({ interval = 0.05,
        max_attempts = 1000 })).id
    end)
    local run = assert(task:wait({ interval = 0.05, max_attempts = 1000 }))
    assert.equal(tostring(run.id), id)
  end)

end)
