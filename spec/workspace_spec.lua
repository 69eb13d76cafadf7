-- What specs wait with: each of their waits ends.

local core = require "camb.core"
local system = require "spec.support.system"
local workspace = require "spec.support.workspace"

describe("the wait for a process", function()
  it("ends with it, even if nobody ever collects it", function()
    local pid = system.fork()
    if pid == 0 then
      system.exit(0)
    end
    workspace.wait_for_end(pid)
    assert.is_false(workspace.is_running(pid))
    assert.equal(0, select(2, workspace.run("kill -0 " .. pid)))
    assert.equal(0, system.wait(pid))
    assert.is_false(workspace.is_running(pid))
  end)

  it("tells one that runs", function()
    local pid = system.fork()
    if pid == 0 then
      core.wait(60)
      system.exit(0)
    end
    assert.is_true(workspace.is_running(pid))
    workspace.stop(pid)
    assert.equal(-15, system.wait(pid))
  end)
end)

describe("the wait for a condition", function()
  it("ends where it never holds, and says what was waited for", function()
    local ok, problem = pcall(workspace.wait_for, "a miracle", function()
      return false
    end, 0.05)
    assert.is_false(ok)
    assert.matches("waited in vain for a miracle$", problem)
  end)
end)
