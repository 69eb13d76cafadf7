--- What the programs of spec/bench share: commands, costs, medians.

local workspace = require "spec.support.workspace"

local bench = {}

function bench.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- What a shell command prints; raises when it fails.
function bench.run(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a"):gsub("%s+$", "")
  local ok = pipe:close()
  assert(ok, command)
  return output
end

bench.read = workspace.read

--- Command words that keep a process on a core of its own, where there are two.
function bench.on_core(number)
  local words = ("taskset -c %d "):format(number)
  local both = os.execute("taskset -c 0 true 2>/dev/null && "
    .. "taskset -c 1 true 2>/dev/null")
  return both and words or ""
end

--- Run a command on the first core, or anywhere: seconds `wall`, `user`,
--- `system`, `cpu`, and its `output`.  Raises with what it says to standard error.
---@param command string
---@param is_anywhere boolean?
function bench.cost(command, is_anywhere)
  local errors = os.tmpname()
  local words = ("TIMEFORMAT='cost %%R %%U %%S'; time %s%s 2>%s || echo failed")
    :format(is_anywhere and "" or bench.on_core(0), command,
    bench.quote(errors))
  local output = bench.run(("bash -c %s 2>&1"):format(bench.quote(words)))
  local complaint = bench.read(errors)
  os.remove(errors)
  if output:find "failed$" then
    error(("%s failed: %s"):format(command, complaint), 0)
  end
  local wall, user, system = output:match("cost (%S+) (%S+) (%S+)")
  return { wall = tonumber(wall), user = tonumber(user),
    system = tonumber(system), cpu = user + system, output = output }
end

function bench.sorted(list, field)
  local values = {}
  for i, item in ipairs(list) do
    values[i] = item[field]
  end
  table.sort(values)
  return values
end

function bench.median(list, field)
  local values = bench.sorted(list, field)
  local middle = (#values + 1) / 2
  return (values[math.floor(middle)] + values[math.ceil(middle)]) / 2
end

function bench.verdict(met)
  return met and "met" or "MISSED"
end

--- One line on what the figures were measured with.
function bench.machine(folder)
  return ("%s cores, Linux %s, %s, files on %s; client and server on %s")
    :format(bench.run("nproc"), bench.run("uname -r"),
    bench.run("curl --version"):match("^curl %S+"),
    bench.run("stat -f -c %T " .. bench.quote(folder)),
    bench.on_core(0) ~= "" and "a core each" or "any core")
end

--- A new folder in TMPDIR or /var/tmp.
function bench.folder()
  return bench.run('mktemp -d -p "${TMPDIR:-/var/tmp}" camb-bench-XXXXXX')
end

return bench
