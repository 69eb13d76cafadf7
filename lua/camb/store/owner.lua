--- Who holds a job: a name for this process, from which others on the machine
--- can tell that it has ended.  Elsewhere only the end of its lease tells.

local owner = {}

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

-- This start of this machine; nil where there is no Linux's /proc.
local function machine()
  local host = read("/proc/sys/kernel/hostname")
  local boot = read("/proc/sys/kernel/random/boot_id")
  return host and boot
    and ("%s/%s"):format(host:match("[^%s:]*"), boot:sub(1, 8)) or nil
end

-- A process by its number and the time of its start: numbers come again.
local function process(pid)
  local stat = read(("/proc/%s/stat"):format(pid))
  local number, state, rest = (stat or ""):match("^(%d+) %(.*%) (%a)(.*)$")
  if not number or state == "Z" or state == "X" then
    return nil
  end
  local start = rest:match("^" .. (" %S+"):rep(18) .. " (%d+)")
  return number, start
end

local function random()
  local file = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(8)
  if file then
    file:close()
  end
  if not bytes then -- the address of a new table differs, at least
    return (tostring({}):gsub("%X", ""))
  end
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

--- A name that no other store has, in this process or another.
---@return string
function owner.name()
  local pid, start = process("self")
  return ("%s:%s:%s:%s"):format(machine() or "?", pid or 0, start or 0,
    random())
end

--- True where the process behind `name` is known to have ended.
---@param name string # of `owner.name`, or whatever a caller chose
---@return boolean
function owner.is_dead(name)
  local where, pid, start = name:match("^(.*):(%d+):(%d+):%x+$")
  if not where or where ~= machine() then
    return false
  end
  local _, its_start = process(pid)
  return its_start ~= start
end

return owner
