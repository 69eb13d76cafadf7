--- For a host whose Lua loads no modules in C, such as Ardour: camb runs as a
--- process, and a tick reads its events.
---
---   local job = process.start("/takes/mix.wav", "/takes/stems")
---   -- in each tick: say(job.sentence, job.fraction), until process.tick(job)

local process = {}

-- `execute` starts a program; os.execute where the host has no other.
function process.start(path, folder, execute)
  local log = os.tmpname()
  local function quote(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
  end
  (execute or os.execute)(("camb separate %s -o %s --overwrite --quiet --log %s"
    .. " > /dev/null 2>&1 &"):format(quote(path), quote(folder), quote(log)))
  return { log = log, file = assert(io.open(log)), rest = "", fraction = 0,
    sentence = "Starting." }
end

--- True once it has ended; then `name` is "finished" or "failed".
function process.tick(job)
  local text = job.rest .. (job.file:read "*a" or "")
  for line in text:gmatch "([^\n]*)\n" do
    local name = line:match '^{"name":"([%l_]+)"'
    if name == "summary" then
      return true, job.file:close(), os.remove(job.log)
    end
    job.name = name
    job.sentence = line:match '"sentence":"(.-[^\\])"' or job.sentence
    job.fraction = tonumber(line:match '"fraction":([%d.]+)') or job.fraction
  end
  job.rest = text:match "[^\n]*$"
end

return process
