--- Real proxies for specs: tinyproxy for HTTP and CONNECT, microsocks for SOCKS,
--- with their logs as evidence of what went through.

local ports = require "spec.support.ports"
local workspace = require "spec.support.workspace"

local proxies = {}

local NAME, PASSWORD = "camb", "password1"

local function is_up(port)
  local _, status = workspace.run(("bash -c ': < /dev/tcp/127.0.0.1/%s'")
    :format(port))
  return status == 0
end

local function wait_until_up(port, log)
  for _ = 1, 500 do
    if is_up(port) then
      return
    end
    workspace.run("sleep 0.02")
  end
  error("no proxy at port " .. port .. ": " .. (workspace.read(log) or ""))
end

local function start(scheme, port, folder, command)
  local log = folder .. "/log"
  local pid = workspace.run(("%s >> %s 2>&1 & echo $!"):format(command, log))
    :match("%d+")
  wait_until_up(port, log)
  return {
    address = "127.0.0.1:" .. port,
    url = ("%s://%s:%s@127.0.0.1:%s"):format(scheme, NAME, PASSWORD, port),
    password = PASSWORD,
    log = function()
      return workspace.read(log)
    end,
    stop = function()
      workspace.run(("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; "
        .. "done"):format(pid, pid))
      workspace.remove(folder)
    end,
  }
end

--- An HTTP proxy that wants a name and a password: url with both, address
--- without, log(), stop().
function proxies.http()
  local port, folder = ports.free(), workspace.folder()
  local settings = workspace.write(folder .. "/settings", ([[
    Port %s
    Listen 127.0.0.1
    LogFile "%s/log"
    LogLevel Connect
    BasicAuth %s %s
  ]]):format(port, folder, NAME, PASSWORD))
  return start("http", port, folder, "tinyproxy -d -c " .. settings)
end

--- The same for SOCKS 5; names are resolved by the proxy.
function proxies.socks()
  local port, folder = ports.free(), workspace.folder()
  return start("socks5h", port, folder, ("microsocks -i 127.0.0.1 -p %s -u %s "
    .. "-P %s"):format(port, NAME, PASSWORD))
end

return proxies
