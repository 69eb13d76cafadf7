--- A server that answers as a spec tells it, byte by byte, in a process of its
--- own: for replies that no server in its right mind would send.

local workspace = require "spec.support.workspace"

local scripted = {}

--- Start it.  `script` is Lua, run for each connection with the connection and
--- its number, counted from 1; what it can do is in scripted_peer.lua.  The
--- result has port, base_url, log() (what scripts have printed) and stop().
---@param script string
---@param scheme string? # "https" where it speaks TLS; "http" otherwise
function scripted.start(script, scheme)
  local folder = workspace.folder()
  local log = folder .. "/log"
  workspace.write(folder .. "/script.lua", script)
  local pid = workspace.run(("%s spec/support/scripted_peer.lua %s/script.lua "
    .. "> %s 2>&1 & echo $!"):format(os.getenv("PEER_LUA") or os.getenv("LUA")
      or "lua", folder, log)):match("%d+")
  local ok, port = pcall(workspace.wait_for, "a port", function()
    return workspace.read(log):match("^(%d+)\n")
  end)
  assert(ok, "the scripted server did not start: " .. workspace.read(log))
  return {
    port = tonumber(port),
    base_url = ("%s://127.0.0.1:%s/apis"):format(scheme or "http", port),
    api_key = "scripted",
    log = function()
      return (workspace.read(log):gsub("^%d+\n", ""))
    end,
    stop = function()
      workspace.run("kill -9 " .. pid)
      workspace.remove(folder)
    end,
  }
end

--- How often the plain word `word` stands in its log.
function scripted.count(peer, word)
  return select(2, peer.log():gsub(word, ""))
end

return scripted
