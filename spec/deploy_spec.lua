-- What runs workers elsewhere: the unit for systemd and the manifest for
-- Kubernetes, as far as they can be checked without either.

local camb_json = require "camb.json"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv("BUILD") or "build") .. "/bin/camb"

local function has(program)
  return select(2, workspace.run("command -v " .. program)) == 0
end

-- Each of these words that is a flag is one of `camb batch`.
local function check_flags(words)
  local help = workspace.run(CAMB .. " batch --help"):gsub("%s+", " ")
  local flags = 0
  for word in words:gmatch("%-%-?[%a][%a-]*") do
    assert.matches(word .. " ", help .. " ", 1, true)
    flags = flags + 1
  end
  assert.is_true(flags > 3)
end

describe("the unit for systemd", function()
  local unit = workspace.read("examples/camb.service")

  it("is one that systemd takes", function()
    if not has("systemd-analyze") then
      pending("systemd is not installed")
    end
    local folder = workspace.folder()
    local camb = workspace.run("realpath " .. CAMB):gsub("\n", "")
    workspace.write(folder .. "/camb.service", (unit:gsub("ExecStart=camb",
      "ExecStart=" .. camb)))
    local words, status = workspace.run(("timeout 60 systemd-analyze verify "
      .. "--man=no --generators=no %s/camb.service"):format(folder))
    workspace.remove(folder)
    assert.equal(0, status, words)
    assert.is_nil(words:find("camb.service:", 1, true), words)
  end)

  it("starts a batch by flags that there are, and waits for its drain",
    function()
      local command = unit:match("ExecStart=(.-[^\\])\n")
      check_flags(command)
      local drain = tonumber(command:match("%-%-drain (%d+)"))
      assert.is_true(drain < tonumber(unit:match("TimeoutStopSec=(%d+)")))
    end)

  it("does not start again what a person has to look at", function()
    local errors = require "camb.error"
    local prevented = " " .. unit:match("RestartPreventExitStatus=([%d ]+)")
      .. " "
    for _, kind in ipairs({ "authentication", "payment_required" }) do
      assert.matches((" %d "):format(errors.kind(kind).exit), prevented, 1, true)
    end
  end)
end)

describe("the manifest for Kubernetes", function()
  it("is YAML, and starts a batch by flags that there are", function()
    local text, status = workspace.run("/usr/bin/python3 -c 'import json, sys, "
      .. "yaml; print(json.dumps(yaml.safe_load(open(\"examples/camb.yaml\"))))'")
    if status ~= 0 and text:find("No module named") then
      pending("Python has no YAML")
    end
    assert.equal(0, status, text)
    local manifest = assert(camb_json.decode(text))
    local pod = manifest.spec.template.spec
    assert.same(manifest.spec.selector.matchLabels,
      manifest.spec.template.metadata.labels)
    local words = table.concat(pod.containers[1].args, " ")
    check_flags(words)
    assert.is_true(tonumber(words:match("%-%-drain (%d+)"))
      < pod.terminationGracePeriodSeconds)
    assert.equal(pod.volumes[1].name, pod.containers[1].volumeMounts[1].name)
    assert.equal(tonumber(words:match("%-%-metrics [%d.]+:(%d+)")),
      pod.containers[1].ports[1].containerPort)
  end)
end)
