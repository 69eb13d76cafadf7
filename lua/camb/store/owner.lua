--- Who holds a job: a name for this process.  Others that count processes as it
--- does can tell by it that this one has ended; a container counts its own,
--- whatever its host is called.  To all others the end of its lease tells.

local core = require "camb.core"

local owner = {}

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

-- What numbers of processes, and the times of their start, are counted by: this
-- start of the machine and its namespaces.  Nil without Linux's /proc.
local function counted_by()
  local boot = read("/proc/sys/kernel/random/boot_id")
  local numbers = core.link("/proc/self/ns/pid")
  local times = core.link("/proc/self/ns/time")
  return boot and numbers and ("%s/%s/%s"):format(boot:match("[%x-]*"),
    numbers:match("%d+"), (times or ""):match("%d*$") or "") or nil
end

-- What /proc says of a process: when it was started, as numbers come again, and
-- whether it has ended; nothing where it says nothing.
local function look_up(number)
  local stat = read(("/proc/%s/stat"):format(number))
  local found, state, rest = (stat or ""):match("^(%d+) %(.*%) (%a)(.*)$")
  if not found then
    return nil
  end
  return rest:match("^" .. (" %S+"):rep(18) .. " (%d+)"),
    state == "Z" or state == "X", tonumber(found)
end

-- /proc may be that of another namespace, with other numbers.
local function is_own_proc()
  return select(3, look_up("self")) == core.process()
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
  return ("%s:%d:%s:%s"):format(counted_by() or "?", core.process(),
    is_own_proc() and look_up("self") or "0", random())
end

--- True where the process behind `name` is known to have ended.
---@param name string # of `owner.name`, or whatever a caller chose
---@return boolean
function owner.is_dead(name)
  local where, number, start = name:match("^(.*):(%d+):(%d+):%x+$")
  number = tonumber(number)
  if not where or where ~= counted_by() or number < 1 or number >= 2 ^ 31 then
    return false
  elseif not core.has_process(number) then
    return true
  elseif start == "0" or not is_own_proc() then
    return false
  end
  local its_start, has_ended = look_up(number)
  return its_start ~= nil and (has_ended or its_start ~= start)
end

return owner
