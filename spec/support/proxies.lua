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

local function start(scheme, port, folder, command)
  local log = folder .. "/log"
  local pid = workspace.run(("%s >> %s 2>&1 & echo $!"):format(command, log))
    :match("%d+")
  workspace.wait_for("a proxy at port " .. port, function()
    return is_up(port)
      or not workspace.is_running(pid) and error(workspace.read(log))
  end)
  return {
    address = "127.0.0.1:" .. port,
    url = ("%s://%s:%s@127.0.0.1:%s"):format(scheme, NAME, PASSWORD, port),
    password = PASSWORD,
    log = function()
      return workspace.read(log)
    end,
    stop = function()
      workspace.stop(pid)
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
