--- Requests that no HTTP client would send: bytes on a connection, by bash.

local core = require "camb.core"
local workspace = require "spec.support.workspace"

local raw = {}

--- Run bash commands with a connection to the origin of `url` as descriptor 3,
--- for `seconds` at most.  Returns what they printed, and how long it took.
---@param url string
---@param commands string
---@param seconds number
---@return string output
---@return number took # seconds
function raw.talk(url, commands, seconds)
  local host, port = url:match("^https?://([^/:]+):(%d+)")
  local script = workspace.write(os.tmpname(), ([[
    trap '' PIPE
    exec 3<>/dev/tcp/%s/%s || exit 1
    { %s
    } 2>/dev/null
  ]]):format(host, port, commands))
  local started = core.now()
  local output = workspace.run(("timeout %g bash %s"):format(seconds, script))
  os.remove(script)
  return output, core.now() - started
end

--- Send these bytes, in printf's spelling, and read until the server closes.
function raw.send(url, bytes, seconds)
  return raw.talk(url, ("printf '%s' >&3; cat <&3"):format(bytes), seconds or 5)
end

--- Send these bytes, then `byte` again and again, until the server closes.
function raw.drip(url, bytes, byte, seconds)
  return raw.talk(url, ([[printf '%s' >&3
    while read -r -t 0.1 -u 3 line; [ $? != 1 ]; do
      printf '%s' >&3 || break
    done]]):format(bytes, byte), seconds)
end

return raw
