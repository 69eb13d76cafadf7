-- `--metrics`: what Prometheus is told of a batch.

local command = require "spec.support.command"
local ports = require "spec.support.ports"
local workspace = require "spec.support.workspace"

describe("camb batch --metrics", function()
  local server, folder, run, address

  command.for_each(2, nil, function(...)
    server, folder, run = ...
    address = "127.0.0.1:" .. ports.free()
  end)

  local function start(words)
    command.begin(run, "camb %s -o out --interval 0.1 --metrics %s >paths "
      .. "2>words", words, address)
  end

  -- What is told, once it has this line.
  local function wait_for(line)
    local text
    workspace.wait_for(line, function()
      text = run("curl -s --max-time 5 http://%s/metrics", address)
      return text:find(line, 1, true)
    end)
    return text
  end

  it("makes no store where one was removed, which would hide that", function()
    local metrics = require "camb.cli.metrics"
    local path = folder .. "/removed.db"
    local told = assert(metrics.new({ metrics = address, store = path }))
    told:close()
    assert.equal("", (run("ls | grep removed")))
  end)

  it("tells of jobs by state while they are under way", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    start("batch in")
    local text = wait_for('camb_jobs{state="separation"} 2\n')
    assert.matches('camb_jobs{state="upload"} 0\n', text, 1, true)
    assert.matches('camb_store_jobs{state="[a-z]+"} %d\n',
      wait_for('camb_store_jobs{state='))
    assert.matches("camb_uploaded_bytes_total %d+\n", text)
  end)

  it("tells of what has ended: outcomes, bytes, minutes, steps, retries and "
    .. "errors", function()
    workspace.write(folder .. "/in/no.wav", "no audio")
    server:fault({ step = "stem", status = 503 })
    start("watch in --settle 0")
    wait_for('camb_jobs_ended_total{outcome="done"} 2\n')
    local text = wait_for('camb_errors_total{kind="source"} 1\n')
    assert.matches('camb_jobs_ended_total{outcome="failed"} 1\n', text, 1, true)
    local size = #workspace.read(folder .. "/in/take001.wav")
      + #workspace.read(folder .. "/in/take002.wav")
    assert.matches(("camb_uploaded_bytes_total %d\n"):format(size), text, 1, true)
    assert.matches(("camb_downloaded_bytes_total %d\n"):format(2 * size), text,
      1, true)
    local minutes = tonumber(text:match("camb_audio_minutes_total ([%d.e-]+)\n"))
    assert.is_true(math.abs(minutes - 2 * 400 / 8000 / 60) < 1e-9)
    assert.matches('camb_retries_total{step="download"} 1\n', text, 1, true)
    for _, step in ipairs({ "upload", "separation", "download" }) do
      assert.matches(('camb_step_seconds_sum{step="%s"} [%%d.e-]+\n'):format(
        step), text)
      assert.matches(('camb_step_seconds_count{step="%s"} 2\n'):format(step),
        text, 1, true)
    end
    for name in text:gmatch("\n([%w_]+)[{ ]") do
      local family = name:gsub("_sum$", ""):gsub("_count$", "")
      assert.matches("# TYPE " .. family .. " %l+\n", text)
    end
  end)

  it("counts the minutes of a job that downloads the background only",
    function()
      start("watch in --settle 0 --only background")
      local text = wait_for('camb_jobs_ended_total{outcome="done"} 2\n')
      local minutes = tonumber(text:match("camb_audio_minutes_total ([%d.e-]+)"))
      assert.is_true(math.abs(minutes - 2 * 400 / 8000 / 60) < 1e-9)
    end)

  it("answers nothing but GET /metrics, and tells no key", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    start("batch in")
    local text = wait_for("camb_jobs")
    assert.is_nil(text:find(server.api_key, 1, true))
    for words, status in pairs({ ["http://%s/"] = 404,
      ["http://%s/metrics/x"] = 404, ["-d x http://%s/metrics"] = 405,
      ["http://%s/metrics"] = 200 }) do
      assert.equal(tostring(status), (run("curl -s -o answer --max-time 5 -w "
        .. "'%%{http_code}' " .. words, address)))
    end
  end)

  it("says that its port is taken before anything is sent", function()
    local other = server.base_url:match("127.0.0.1:%d+")
    local output, status = run("timeout 60 camb batch in -o out --metrics %s",
      other)
    assert.equal(2, status)
    assert.matches("--metrics: cannot listen on port %d+ of '127.0.0.1': "
      .. "Address already in use\n", output)
    assert.equal(0, server:stats().uploads)
    output, status = run("camb batch in --metrics nonsense")
    assert.equal(2, status)
    assert.matches("--metrics must look like 127.0.0.1:", output, 1, true)
  end)
end)
