--- What specs share: a folder of their own, and a look at files and processes.

local core = require "camb.core"

local workspace = {}

local function run(command)
  assert(os.execute(command), command)
end

--- A new, empty folder.
function workspace.folder()
  local path = os.tmpname()
  os.remove(path)
  run(("mkdir -p '%s'"):format(path))
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

--- How many descriptors this process has open.  Looked up one by one: a child
--- that lists them would change their number.
function workspace.descriptors()
  local count = 0
  for number = 0, 1023 do
    if core.stat(("/proc/self/fd/%d"):format(number)) then
      count = count + 1
    end
  end
  return count
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

return workspace
