-- The exit statuses of the command.

local errors = require "camb.error"
local sandbox = require "camb.sandbox"
local statuses = require "camb.cli.status"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"
local MIX = "spec/fixtures/mix.flac"

describe("the command's exit status", function()
  local server, folder

  before_each(function()
    folder = workspace.folder()
    server = assert(sandbox.start())
  end)

  after_each(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function camb(command, words)
    local output, status = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s "
      .. "timeout 60 %s %s %s -o %s/out --interval 0.05 --deadline 20"):format(
      server.api_key, server.base_url, CAMB, command, words, folder))
    return status, output
  end

  for _, case in ipairs({
    { kind = "authentication", fault = { step = "submit", status = 401 } },
    { kind = "forbidden", fault = { step = "submit", status = 403 } },
    { kind = "payment_required", fault = { step = "submit", status = 402 } },
    { kind = "validation", fault = { step = "submit", status = 422 } },
    { kind = "not_found", fault = { step = "status", status = 404 } },
    { kind = "task_failed",
      fault = { step = "status", reply = { status = "ERROR" } } },
    { kind = "task_timeout",
      fault = { step = "status", reply = { status = "TIMEOUT" } } },
    { kind = "timeout", words = "--max-attempts 2",
      fault = { step = "status", reply = { status = "PENDING" } } },
    { kind = "unknown_outcome", fault = { step = "submit", status = 500 } },
  }) do
    for _, command in ipairs({ "separate", "batch" }) do
      it(("of camb %s with one file is that of its error, %s"):format(command,
        case.kind), function()
        case.fault.times = math.huge
        server:fault(case.fault)
        local status, output = camb(command, MIX .. " " .. (case.words or ""))
        assert.equal(errors.kind(case.kind).exit, status, output)
      end)
    end
  end

  it("is 3 if the file is not there, or is not audio", function()
    workspace.write(folder .. "/notes.wav", "not audio")
    assert.equal(3, (camb("separate", folder .. "/notes.wav")))
    assert.equal(3, (camb("separate", folder .. "/nothing.wav")))
    assert.equal(3, (camb("batch", folder .. "/notes.wav")))
    assert.equal(3, (camb("batch", folder .. "/nothing.wav")))
  end)

  it("is 6 if the service cannot be reached", function()
    local status, output = camb("separate", MIX
      .. " --base-url http://127.0.0.1:1")
    assert.equal(6, status, output)
  end)

  it("is 10 if some of several files failed", function()
    workspace.write(folder .. "/notes.wav", "not audio")
    for _, command in ipairs({ "separate", "batch" }) do
      assert.equal(10, (camb(command, folder .. "/notes.wav " .. MIX)))
    end
    assert.equal(10, (camb("batch", folder .. "/nothing.wav " .. MIX
      .. " --overwrite")))
  end)

  it("is 2 if the command line is wrong", function()
    for _, words in ipairs({ "", "nothing", "separate", "separate x --colour",
      "separate x -j 0", "batch", "batch --status", "serve --port x",
      "separate x --engine y", "download a b --name c" })
    do
      local output, status = workspace.run(CAMB .. " " .. words)
      assert.equal(2, status, output)
    end
  end)

  it("is explained by the help, for each kind of error", function()
    local help = workspace.run(CAMB .. " --help"):gsub("%s+", " ")
    for _, entry in ipairs(errors.KINDS) do
      assert.is_truthy(help:match(" " .. entry.exit .. " [^%d]*%f[%w_]"
        .. entry.kind .. "%f[^%w_]"), entry.kind)
    end
    for _, entry in ipairs(statuses.list()) do
      assert.is_truthy(help:find((" %d %s"):format(entry.number,
        entry.meaning), 1, true), entry.meaning)
    end
  end)
end)
