local camb = require "camb"
local core = require "camb.core"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"
local luas = require "spec.support.luas"

local MIX = "spec/fixtures/mix.flac"
-- libkqueue, which is what kqueue is on Linux, has none that could be waited on.
local POLLER = os.getenv "POLLER" or ""
local HAS_FD = POLLER == "" or POLLER == "epoll"

describe("a client", function()
  local server, client, folder

  stage.for_each(nil, function(...)
    server, client, folder = ...
  end)

  it("separates a file into two stems in one call", function()
    local stems = assert(client:separate(MIX, { output_dir = folder .. "/a/b",
      interval = 1 }))
    assert.equal(folder .. "/a/b/mix.foreground.flac", stems.foreground)
    assert.equal(folder .. "/a/b/mix.background.flac", stems.background)
    assert.matches("^fLaC", workspace.read(stems.foreground))
    assert.matches("^fLaC", workspace.read(stems.background))
    assert.are_not.equal(workspace.read(stems.foreground),
      workspace.read(stems.background))
    assert.is_string(stems.task_id)
    assert.equal("integer", luas.type(stems.run_id))
    assert.same({ "mix.background.flac", "mix.foreground.flac" },
      workspace.list(folder .. "/a/b"))
  end)

  it("works step by step, and from another client on another day", function()
    local task = assert(client:submit(MIX))
    client:close()
    local other = camb.client({ base_url = server.base_url .. "/",
      api_key = server.api_key })
    local run = assert(other:task(task.id):wait({ interval = 1 }))
    assert.equal(task.id, run.task_id)
    local urls = assert(other:result(run.id))
    local stems = assert(other:download(urls, { output_dir = folder,
      name = "again" }))
    assert.equal(folder .. "/again.foreground.flac", stems.foreground)
    stems = assert(other:download(run, { output_dir = folder }))
    assert.equal(("%s/run-%d.background.flac"):format(folder, run.id),
      stems.background)
    other:close()
  end)

  it("ends at the URLs with download = false", function()
    local urls = assert(client:separate(MIX, { download = false,
      interval = 1 }))
    assert.matches("^http://.*/foreground", urls.foreground_audio_url)
    assert.is_string(urls.task_id)
    assert.equal(0, #stage.requests(server, "GET", "^/stems/"))
  end)

  it("sends the form, the trace and the run id as the reference has them",
    function()
      assert(client:submit(MIX, {
        project_name = 'a "quoted" name — ü', project_description = "notes\nmore",
        folder_id = 7, run_id = 99,
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      }))
      local request = server:requests()[1]
      assert.equal("run_id=99", request.query)
      assert.same({ project_name = 'a "quoted" name — ü',
        project_description = "notes\nmore", folder_id = "7" }, request.fields)
      assert.equal("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        request.headers.traceparent)
      assert.equal("media_file", request.file.field)
      assert.equal("mix.flac", request.file.name)
      assert.equal("audio/flac", request.file.content_type)
      assert.equal(#workspace.read(MIX), request.file.size)
    end)

  it("gives the file the name and type that its content has", function()
    local path = folder .. "/take.wav"
    workspace.write(path, workspace.read(MIX))
    assert(client:submit(path))
    assert(client:submit({ data = workspace.read(MIX) }))
    local file = server:requests()[1].file
    assert.equal("take.flac", file.name)
    assert.equal("audio/flac", file.content_type)
    assert.equal("audio.flac", server:requests()[2].file.name)
  end)

  it("sends the same bytes from a file, from memory and from a reader",
    function()
      local bytes = workspace.read(MIX)
      local at = 1
      assert(client:submit(MIX))
      assert(client:submit({ data = bytes, filename = "m.flac" }))
      assert(client:submit({
        size = #bytes,
        filename = "r.flac",
        read = function()
          local chunk = bytes:sub(at, at + 99999)
          at = at + 100000
          return chunk ~= "" and chunk or nil
        end,
      }))
      local seen = {}
      for _, request in ipairs(server:requests()) do
        seen[request.file.sha256] = (seen[request.file.sha256] or 0) + 1
      end
      assert.equal(3, seen[server:requests()[1].file.sha256])
      assert.equal("r.flac", server:requests()[3].file.name)
    end)

  it("ends an upload whose reader gives less or more than it said", function()
    local bytes = workspace.read(MIX)
    for _, case in ipairs({
      { size = #bytes + 10, text = "it ended after %d+ of its %d+ bytes" },
      { size = #bytes - 10, text = "it returned more than the %d+ bytes" },
    }) do
      local given = false
      local task, err = client:submit({ size = case.size, read = function()
        local chunk = not given and bytes or nil
        given = true
        return chunk
      end })
      assert.is_nil(task)
      assert.equal("source", err.kind)
      assert.matches(case.text, err.message)
    end
    assert.equal(0, server:stats().uploads)
  end)

  it("ends an upload whose reader raises", function()
    local task, err = client:submit({ size = 100000, read = function()
      error("the tape tore", 0)
    end })
    assert.is_nil(task)
    assert.equal("source", err.kind)
    assert.matches("the tape tore", err.message)
  end)

  it("fetches a source that is a URL, without the key", function()
    local first = assert(client:separate(MIX, { download = false,
      interval = 1 }))
    local stems = assert(client:separate(first.foreground_audio_url,
      { output_dir = folder, interval = 1 }))
    assert.equal(folder .. "/foreground.foreground.flac", stems.foreground)
    assert.is_nil(stage.requests(server, "GET", "^/stems/")[1].headers["x-api-key"])
  end)

  it("sends the key to the service and never to the stems' host", function()
    assert(client:separate(MIX, { output_dir = folder, interval = 1 }))
    local stems = 0
    for _, request in ipairs(server:requests()) do
      if request.listener == "stem" then
        stems = stems + 1
        assert.is_nil(request.headers["x-api-key"])
      else
        assert.equal(server.api_key, request.headers["x-api-key"])
      end
    end
    assert.equal(2, stems)
  end)

  it("tells of every step, each with what is known", function()
    local names, events = {}, {}
    assert(client:separate(MIX, { output_dir = folder, interval = 1,
      on_event = function(event)
        if names[#names] ~= event.name then
          names[#names + 1] = event.name
        end
        events[#events + 1] = event
      end }))
    assert.equal("upload_started", names[1])
    assert.equal("upload_progress", names[2])
    assert.equal("submitted", names[3])
    assert.equal("polled", names[4])
    assert.equal("run_ready", names[5])
    assert.equal("download_started", names[6])
    assert.equal("finished", names[#names])
    local submitted = false
    for _, event in ipairs(events) do
      assert.equal(MIX, event.source)
      assert.near(os.time(), event.time, 60)
      submitted = submitted or event.name == "submitted"
      assert.equal(submitted, event.task_id ~= nil)
    end
  end)

  it("tells progress at last with the whole size, and never more often than "
    .. "ten times a second", function()
    local last, count, started = {}, 0, core.now()
    local bytes = "fLaC" .. ("\0"):rep(8 * 2 ^ 20)
    assert(client:submit({ data = bytes }, { on_event = function(event)
      if event.name == "upload_progress" then
        last = event
        count = count + 1
      end
    end }))
    assert.equal(#bytes, last.bytes)
    assert.equal(#bytes, last.total)
    assert.is_true(count <= 2 + (core.now() - started) * 10)
  end)

  it("hears each poll at the interval that was asked for #timed",
    function()
      local slow, patient, other = stage.open({ processing = math.huge })
      local task = assert(patient:submit(MIX))
      local polls = {}
      local run, err = task:wait({ interval = 0.05, max_attempts = 6,
        on_event = function(event)
          if event.name == "polled" then
            polls[#polls + 1] = event
          end
        end })
      assert.is_nil(run)
      assert.equal("timeout", err.kind)
      assert.equal(6, #polls)
      for i, poll in ipairs(polls) do
        assert.equal("PENDING", poll.status)
        assert.equal(i, poll.attempt)
      end
      assert.is_nil(polls[6].next_in)
      assert.near(0.25, polls[6].time - polls[1].time, 0.1)
      stage.close(slow, patient, other)
    end)

  it("has the four operations under their official names", function()
    local operations = client.audio_separation
    local created = assert(operations:create_audio_separation({
      media_file = MIX, project_name = "p" }))
    local status
    workspace.wait_for("the task to succeed", function()
      status = assert(operations:get_audio_separation_status({
        task_id = created.task_id }))
      return status.status == "SUCCESS"
    end)
    local urls = assert(operations:get_audio_separation_run_info({
      run_id = status.run_id }))
    assert.is_string(urls.foreground_audio_url)
    local map = assert(operations:get_audio_separation_runs_results({
      run_ids = { status.run_id, 999999 } }))
    assert.is_string(map[status.run_id].background_audio_url)
    assert.is_nil(map[999999])
  end)

  it("asks for many runs in one request", function()
    local run = assert(assert(client:submit(MIX)):wait({ interval = 1 }))
    local ids = { tostring(run.id) }
    for i = 2, 300 do
      ids[i] = 10 ^ 6 + i
    end
    local map = assert(client:results(ids))
    assert.is_string(map[tostring(run.id)].foreground_audio_url)
    assert.equal(1, #stage.requests(server, "POST", "results$"))
  end)

  it("uses an upload's connection for one call after the other", function()
    local task = assert(client:submit(MIX))
    for _ = 1, 5 do
      assert(task:status())
    end
    assert.equal(1, server:stats().connections.api)
    assert(client:submit(MIX))
    assert.equal(2, server:stats().connections.api)
  end)

  it("shows no key when it is printed", function()
    assert.is_nil(tostring(client):find(server.api_key, 1, true))
  end)

  it("ends with the listener's error when a listener raises", function()
    local ok, problem = pcall(client.separate, client, MIX,
      { output_dir = folder, interval = 1, on_event = function(event)
        if event.name == "download_started" then
          error("no more", 0)
        end
      end })
    assert.is_false(ok)
    assert.equal("no more", problem)
    assert.same({}, workspace.list(folder))
    assert.equal(0, client.session:active())
  end)

  it("can be closed while it works, and what waits is told", function()
    local stems, err = client:separate(MIX, { output_dir = folder,
      interval = 1, on_event = function(event)
        if event.name == "submitted" then
          client:close()
        end
      end })
    assert.is_nil(stems)
    assert.equal("cancelled", err.kind)
    assert.is_string(err.task_id)
    assert.matches("the service cannot cancel it", err.message)
  end)

  it("stops waiting for a task that is cancelled, and says what that means",
    function()
      server:fault({ step = "status", reply = { status = "PENDING" } })
      local task = assert(client:submit(MIX))
      local run, err = task:wait({ interval = 60, on_event = function(event)
        if event.name == "polled" then
          task:cancel()
        end
      end })
      assert.is_nil(run)
      assert.equal("cancelled", err.kind)
      assert.equal(task.id, err.task_id)
    end)

  it("stops all who wait for a task that is cancelled", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local task, polled = assert(client:submit(MIX)), 0
    local function wait()
      local _, err = task:wait({ interval = 0.1, deadline = 30,
        on_event = function(event)
          polled = polled + (event.name == "polled" and 1 or 0)
          if polled == 2 then
            task:cancel()
          end
        end })
      return err.kind
    end
    camb.run(function()
      local first, second = camb.spawn(wait), camb.spawn(wait)
      assert.equal("cancelled", first:join())
      assert.equal("cancelled", second:join())
    end)
  end)

  it("is closed at the end of its block", function()
    local scope = (loadstring or load)("local one <close> = ...; return one")
    if not scope then
      return pending("this Lua has no <close>")
    end
    local kept = scope(stage.client(server))
    assert.has_error(function()
      kept:submit(MIX)
    end)
  end)

  it("leaves a connection to polls while uploads take all they get", function()
    local narrow = stage.client(server, { max_connections = 2 })
    local task = assert(narrow:submit(MIX))
    server:fault({ step = "submit", silence = true, times = 3 })
    camb.run(function()
      local jobs = {}
      for i = 1, 3 do
        jobs[i] = camb.spawn(narrow.submit, narrow, MIX)
      end
      assert(task:wait({ interval = 0.1, max_attempts = 1000, deadline = 60 }))
      local give_up = core.now() + 60
      while #stage.requests(server, "POST", "/audio%-separation$") < 2 do
        assert.is_true(core.now() < give_up)
        camb.sleep(0.01)
      end
      for i = 1, 3 do
        jobs[i]:cancel()
      end
    end)
    -- two of them were waiting for a connection and sent nothing
    assert.equal(1 + 1, #stage.requests(server, "POST", "/audio%-separation$"))
  end)

  it("replaces stems only with overwrite", function()
    local options = { output_dir = folder, interval = 1 }
    assert(client:separate(MIX, options))
    local _, err = client:separate(MIX, options)
    assert.equal("file", err.kind)
    options.overwrite = true
    assert(client:separate(MIX, options))
    assert.equal(2, server:stats().uploads)
  end)

  it("can be stepped by a host that has a loop of its own", function()
    local done
    local job = coroutine.wrap(function()
      return camb.run(function()
        return assert(client:submit(MIX))
      end)
    end)
    done = job() -- camb.run blocks inside of a foreign coroutine
    assert.is_string(done.id)
    assert.equal(HAS_FD and "number" or "nil", type(client:pollfd()))
    assert.equal("r", client:events())
    client:step(0)
  end)

  it("leaves its host alone when an idle connection is closed", function()
    if not HAS_FD then return pending("sleeps a tick over " .. POLLER) end
    assert(client:submit(MIX))
    assert.equal("number", type(client:pollfd()))
    server:stop()
    local slept, tries = 0, 0
    while slept < 0.09 and tries < 100 do
      client:step(0)
      local before = core.now()
      core.wait(0.1, client.session)
      slept, tries = core.now() - before, tries + 1
    end
    assert.is_true(slept >= 0.09)
  end)
end)
