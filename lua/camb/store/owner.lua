--- Who holds a job: a name for this process.  Workers that see the same process
--- numbers can tell by it that this one has ended; a container has its own
--- numbers, whatever its host is called.  All others wait for the end of its
--- lease.

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

--- What tells this start of the machine from others; nil without Linux's /proc.
---@return string?
function owner.machine_start()
  local boot = read("/proc/sys/kernel/random/boot_id")
  return boot and boot:match("[%x-]*")
end

-- What numbers of processes, and the times of their start, are counted by: this
-- start of the machine and its namespaces.  Nil without Linux's /proc.
local function counted_by()
  local boot = owner.machine_start()
  local numbers = core.link("/proc/self/ns/pid")
  local times = core.link("/proc/self/ns/time")
  return boot and numbers and ("%s/%s/%s"):format(boot,
    numbers:match("%d+"), (times or ""):match("%d*$") or "") or nil
end

-- What /proc says of a process: when it was started, as numbers are reused, and
-- whether it has ended; nothing if it does not say.
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

--- The name of the same worker after it was taken for dead, and lost its jobs.
---@param name string
---@return string
function owner.anew(name)
  return (name:match("^(.*:)%x+$") or name .. ":") .. random()
end

--- `name` for people.
---@param name string # of `owner.name`, or whatever a caller chose
---@return string
function owner.label(name)
  local where, number = name:match("^(.*):(%d+):%d+:%x+$")
  if not where then
    return name
  elseif where == counted_by() then
    return "process " .. number
  end
  return ("process %s of another machine or container, %s"):format(number,
    where:sub(1, 8))
end

--- True if a process of this machine is known to have ended, even if nobody has
--- collected it.
---@param number integer # its own, in the namespace of this process
---@return boolean
function owner.has_ended(number)
  return not core.has_process(number)
    or is_own_proc() and select(2, look_up(number)) or false
end

--- True if the process behind `name` is known to have ended.
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

--- True if the process behind `name` is known to run.
---@param name string # of `owner.name`
---@return boolean
function owner.is_alive(name)
  return name:match("^(.*):%d+:%d+:%x+$") == (counted_by() or false)
    and not owner.is_dead(name)
end

return owner
