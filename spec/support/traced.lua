--- What a program writes, as the kernel sees it: by strace.

local workspace = require "spec.support.workspace"

local traced = {}

-- The ways in which bytes leave a process; and those that name files.
local WRITES = { "write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg",
  "sendmmsg" }
local NAMES = { "openat", "mkdir", "rename", "unlink", "execve" }

local is_write = {}
for _, name in ipairs(WRITES) do
  is_write[name] = true
end

--- False where no process may be traced.
function traced.is_allowed()
  local _, status = workspace.run("strace -o /dev/null true")
  return status == 0 and not os.getenv("SANITIZER")
end

-- As -xx prints them.
local function from_hex(text)
  return (text:gsub("\\x(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The strings of a call, put together.
local function bytes_of(arguments)
  local bytes = {}
  for quoted in arguments:gmatch('"([\\x%x]*)"') do
    bytes[#bytes + 1] = from_hex(quoted)
  end
  return table.concat(bytes)
end

--- Run one program.  Returns what was written, by what it was written to,
--- such as "TCP:[127.0.0.1:40000->127.0.0.1:80]", a path, or "(names)" for the
--- arguments of calls that name files; then output and exit status.
---@param command string
---@param environment string # "NAME=value …", quoted for the shell
---@return table<string, string> written
---@return string output
---@return integer status
function traced.run(command, environment)
  local log = os.tmpname()
  local output, status = workspace.run(("%s strace -f -yy -xx -s 1000000 -e trace="
    .. "%s,%s -o %s %s"):format(environment, table.concat(WRITES, ","),
    table.concat(NAMES, ","), log, command))
  local written = {}
  for line in io.lines(log) do
    local name, rest = line:match("^%d+ +([%l%d_]+)%((.*)$")
    if rest then
      local target = is_write[name] and from_hex(rest:match("^%d+<(.-)>,")
        or rest:match("^%d+<(.-)>%(deleted%),")) or "(names)"
      written[target] = (written[target] or "") .. bytes_of(rest)
    end
  end
  os.remove(log)
  return written, output, status
end

return traced
