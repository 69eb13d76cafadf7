--- A sandbox in a process of its own, where the memory of this one is measured.

local workspace = require "spec.support.workspace"

local served = {}

--- Start it with more words for the command line; the result has base_url,
--- api_key, pid and stop().
function served.start(words)
  local log = os.tmpname()
  local pid = workspace.run(("%s/bin/camb serve --port 0 --api-key sandbox %s "
    .. "> %s 2>&1 & echo $!"):format(os.getenv("BUILD") or "build", words or "",
    log)):match("%d+")
  local base_url
  for _ = 1, 1500 do
    base_url = workspace.read(log):match("listens at (%S+)")
    if base_url then
      break
    end
    workspace.run("sleep 0.02")
  end
  assert(base_url, "camb serve did not start: " .. workspace.read(log))
  os.remove(log)
  return {
    base_url = base_url,
    api_key = "sandbox",
    pid = pid,
    stop = function()
      workspace.run(("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done")
        :format(pid, pid))
    end,
  }
end

return served
