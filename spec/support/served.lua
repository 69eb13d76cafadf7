--- A sandbox in a process of its own, where the memory of this one is measured.

local workspace = require "spec.support.workspace"

local served = {}

--- Start it with more words for the command line, and before it, such as an
--- environment; the result has base_url, api_key, pid and stop().
---@param words string?
---@param before string?
function served.start(words, before)
  local log = os.tmpname()
  local pid = workspace.run(("%s %s/bin/camb serve --port 0 --api-key sandbox "
    .. "%s > %s 2>&1 & echo $!"):format(before or "", os.getenv("BUILD") or "build", words or "",
    log)):match("%d+")
  local base_url = workspace.wait_for("camb serve to start", function()
    return workspace.read(log):match("listens at (%S+)")
      or not workspace.is_running(pid) and error(workspace.read(log))
  end)
  os.remove(log)
  return {
    base_url = base_url,
    api_key = "sandbox",
    pid = pid,
    stop = function()
      workspace.stop(pid)
    end,
  }
end

return served
