-- What a sandbox says of a source: that it is beyond the limits that were set,
-- told as the service tells its own, or that something of it is missing.

local sandboxed = require "spec.support.sandboxed"
local served = require "spec.support.served"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local work

sandboxed.for_file(function(folder)
  work = folder -- its mix.flac has 2 seconds
end)

local function separate(server, options)
  options = options or {}
  options.output_dir = options.output_dir or work .. "/stems"
  options.interval, options.max_attempts = 0.02, 3000
  local client = stage.client(server)
  local stems, err = client:separate(work .. "/mix.flac", options)
  client:close()
  return stems, err
end

local function size()
  return #workspace.read(work .. "/mix.flac")
end

local function is_refused(server, reason, message)
  local stems, err = separate(server)
  assert.is_nil(stems)
  assert.equal("task_failed", err.kind)
  assert.equal(reason, err.exception_reason)
  assert.matches(message, err.message, 1, true)
  assert.is_string(err.task_id)
end

describe("a sandbox with a limit", function()
  it("ends a longer source's task as SOURCE_TOO_LONG", function()
    is_refused(sandboxed.start{ max_seconds = 1.5 }, "SOURCE_TOO_LONG",
      "the source is longer than the limit of 1.5 seconds")
  end)

  it("ends a larger source's task as SOURCE_TOO_LARGE", function()
    is_refused(sandboxed.start{ max_bytes = size() - 1 }, "SOURCE_TOO_LARGE",
      ("the source has %d bytes; the limit is %d"):format(size(),
        size() - 1))
  end)

  it("separates what is exactly so long and so large", function()
    local server = sandboxed.start{ max_seconds = 2, max_bytes = size() }
    assert(separate(server, { output_dir = work .. "/exact" }))
  end)

  it("keeps it when it runs another engine", function()
    local mark = work .. "/ran"
    local engine = "touch " .. mark
    is_refused(sandboxed.start{ engine = engine, max_seconds = 1.5 },
      "SOURCE_TOO_LONG", "the source is longer than the limit of 1.5 seconds")
    is_refused(sandboxed.start{ engine = engine, max_bytes = 100 },
      "SOURCE_TOO_LARGE", "the limit is 100")
    assert.is_nil(workspace.read(mark))
  end)

  it("is what `camb serve` starts with its options", function()
    for words, reason in pairs{ ["--max-seconds 1.5"] = "SOURCE_TOO_LONG",
      ["--max-bytes 100"] = "SOURCE_TOO_LARGE" } do
      local server = served.start(words)
      local stems, err = separate(server)
      server.stop()
      assert.is_nil(stems)
      assert.equal(reason, err.exception_reason)
    end
  end)
end)

describe("a source that was cut off", function()
  it("ends in SUCCESS, with a message that says what was separated", function()
    local path = workspace.write(work .. "/cut.flac",
      workspace.read(work .. "/mix.flac"):sub(1, 100000))
    local server = sandboxed.start()
    local reply = sandboxed.finished(server,
      sandboxed.submit(server, "-F media_file=@" .. path))
    assert.equal("SUCCESS", reply.status)
    assert.matches("^the source ends early: only %d%.%d+ of 2.000 seconds "
      .. "were separated$", reply.message)
  end)
end)
