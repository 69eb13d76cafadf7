--- What specs share: a folder of their own, and a look at files and processes.

local core = require "camb.core"
local luas = require "spec.support.luas"

local workspace = {}

local function run(command)
  assert(os.execute(command), command)
end

--- A new, empty folder.
function workspace.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(core.make_folder(path))
  return path
end

function workspace.remove(path)
  run(("rm -rf '%s'"):format(path))
end

function workspace.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

--- The file's bytes; nil when there is none.
function workspace.read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local bytes = file:read("*a")
  file:close()
  return bytes
end

--- The path of a file in `folder` that holds `bytes` as gzip.
function workspace.pack(bytes, folder)
  local path = workspace.write(folder .. "/packed", bytes)
  run(("gzip -n '%s' && mv '%s.gz' '%s'"):format(path, path, path))
  return path
end

--- The names in a folder, sorted.
function workspace.list(path)
  local names = {}
  local pipe = assert(io.popen(("ls -A '%s'"):format(path)))
  for name in pipe:lines() do
    names[#names + 1] = name
  end
  pipe:close()
  return names
end

--- Run a shell command: its output (both streams) and its exit status.
function workspace.run(command)
  local pipe = assert(io.popen("{ " .. command .. " ; } 2>&1; echo \"=$?\""))
  local output = pipe:read("*a")
  pipe:close()
  local text, status = output:match("^(.*)=(%d+)\n$")
  return text, tonumber(status)
end

-- What separates is twenty times as slow under valgrind.
local PATIENCE = os.getenv("SANITIZER") and 300 or 60

--- What `condition` gives once it gives anything; an error after `seconds`
--- (60, or 300 under a sanitizer).
---@param what string # for the error
---@param condition fun(): any
---@param seconds number?
function workspace.wait_for(what, condition, seconds)
  local give_up = core.now() + (seconds or PATIENCE)
  repeat
    local value = condition()
    if value then
      return value
    end
    core.wait(0.01)
  until core.now() > give_up
  error("waited in vain for " .. what, 2)
end

--- Wait until `server` is being sent `count` uploads: the command says "uploading"
--- before it has begun, when nothing could be charged yet.
---@param server table # a sandbox
---@param count integer # since it was started
function workspace.wait_for_uploads(server, count)
  workspace.wait_for("the uploads", function()
    return (server:stats().requests.submit or 0) >= count
  end)
end

--- Call `fn` with a folder that is a file system of `size` ("8k"); where none can
--- be mounted, the spec is `pending`.
---@param size string
---@param pending function # busted's
---@param fn fun(disk: string)
function workspace.on_small_disk(size, pending, fn)
  local disk = workspace.folder()
  local _, status = workspace.run(("mount -t tmpfs -o size=%s none '%s'")
    :format(size, disk))
  local ok, problem = true, nil
  if status == 0 then
    ok, problem = pcall(fn, disk)
    workspace.run(("umount '%s'"):format(disk))
  end
  workspace.remove(disk)
  if status ~= 0 then
    pending("a file system of its own cannot be mounted here")
  elseif not ok then
    error(problem, 0)
  end
end

local AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "

--- What goes before a command that root's rights must not help: nothing for a
--- user who has none, nil where nobody else may read the checkout.
---@return string?
function workspace.without_rights()
  if workspace.run("id -u") ~= "0\n" then
    return ""
  end
  local _, status = workspace.run(AS_NOBODY .. 'test -r "$PWD/lua/camb.lua"')
  return status == 0 and AS_NOBODY or nil
end

--- Whether a process runs, with any of its threads.  One that has ended does
--- not, even if nobody has collected it: the first process of a container may
--- never do so.
---@param pid integer|string
function workspace.is_running(pid)
  local stat = workspace.read(("/proc/%d/stat"):format(pid)) or ""
  local state, threads = stat:match("^%d+ %(.*%) (%a)"
    .. (" %S+"):rep(16) .. " (%d+)")
  return state ~= nil and not (state:find("[ZX]") and tonumber(threads) <= 1)
end

--- Wait until a process has ended; one that does not is killed, and an error.
---@param pid integer|string
function workspace.wait_for_end(pid)
  local ok, problem = pcall(workspace.wait_for, "the end of process " .. pid,
    function()
      return not workspace.is_running(pid)
    end)
  if not ok then
    workspace.run("kill -KILL " .. pid)
    error(problem, 2)
  end
end

--- End a process by `signal` (TERM) and wait for that.
---@param pid integer|string
---@param signal string?
function workspace.stop(pid, signal)
  workspace.run(("kill -%s %s"):format(signal or "TERM", pid))
  workspace.wait_for_end(pid)
end

--- How many descriptors this process has open, without what waits for the
--- collector.  Looked up one by one: a child that lists them would change their
--- number.
function workspace.descriptors()
  luas.collect()
  local count = 0
  for number = 0, 1023 do
    if core.stat(("/proc/self/fd/%d"):format(number)) then
      count = count + 1
    end
  end
  return count
end

--- Wait until no more than `count` descriptors are open: a peer within this
--- process closes its ends when it notices, and those of earlier specs that were
--- still counted may be closed meanwhile.
function workspace.expect_descriptors(count)
  local open
  local ok = pcall(workspace.wait_for, "the descriptors", function()
    open = workspace.descriptors()
    return open <= count
  end)
  if not ok then
    error(("%d descriptors are open, %d were"):format(open, count), 2)
  end
end

--- Resident memory of this process in KiB; always 0 under a sanitizer, which
--- keeps what is freed and so says nothing of it.
function workspace.memory()
  if os.getenv("SANITIZER") then
    return 0
  end
  return tonumber(workspace.read("/proc/self/status"):match("VmRSS:%s*(%d+)"))
end

--- Seconds for which this process was ready to run and others ran instead, so
--- that a busy machine is not taken for slowness of ours.
function workspace.starved()
  local line = workspace.read("/proc/self/schedstat") or "0 0 0"
  return tonumber(line:match("^%d+ (%d+)")) / 1e9
end

--- Let `peak` count from now on.
function workspace.reset_peak()
  workspace.write("/proc/self/clear_refs", "5")
end

--- The most resident memory since then, in KiB; see `memory`.
function workspace.peak()
  if os.getenv("SANITIZER") then
    return 0
  end
  return tonumber(workspace.read("/proc/self/status"):match("VmHWM:%s*(%d+)"))
end

--- For a file of specs: one folder for all of them, which `assign` gets.
function workspace.for_file(assign)
  local busted = require "busted"
  local folder
  busted.setup(function()
    folder = workspace.folder()
    assign(folder)
  end)
  busted.teardown(function()
    workspace.remove(folder)
  end)
end

--- For a block of specs: a folder for each of them, which `assign` gets.
function workspace.for_each(assign)
  local busted = require "busted"
  local folder
  busted.before_each(function()
    folder = workspace.folder()
    assign(folder)
  end)
  busted.after_each(function()
    workspace.remove(folder)
  end)
end

return workspace
