--- The command as a person runs it: in a folder and a home of its own, with
--- nothing of the environment's about camb.

local sandbox = require "camb.sandbox"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv("BUILD") or "build"

local command = {}

local begun -- the process that `begin` has started

--- A function that runs a line of the shell in `folder`: what it says on both
--- streams, and its exit status.  `server` may be nil: then there is no key.
---@param folder string
---@param server table? # a sandbox
---@return fun(line: string, ...): string, integer
function command.runner(folder, server)
  local environment = ("export PATH=%s/bin:$PATH HOME=%s; unset "
    .. "XDG_CONFIG_HOME CAMB_API_KEY CAMB_BASE_URL NO_COLOR; cd %s; "):format(
    BUILD:sub(1, 1) == "/" and BUILD or "$PWD/" .. BUILD, folder, folder)
  if server then
    environment = environment .. ("export CAMB_API_KEY=%s CAMB_BASE_URL=%s; ")
      :format(server.api_key, server.base_url)
  end
  return function(line, ...)
    return workspace.run(environment .. (select("#", ...) > 0
      and line:format(...) or line))
  end
end

--- Before a line: as on a machine that has the client alone.
command.NO_AUDIO = "export LUA_INIT=\"package.preload['camb.audio'] = "
  .. "function() error('none') end\"; unset LUA_INIT_5_4; "

--- A sandbox, a folder with `count` recordings below "in", and a runner there.
---@param count integer
---@param samples integer? # of each recording
function command.open(count, samples)
  local folder = workspace.folder()
  local server = assert(sandbox.start({ engine = takes.engine(folder),
    workers = 4 }))
  takes.make(folder .. "/in", count, samples)
  return server, folder, command.runner(folder, server)
end

--- Start a line by a runner in the background: one at a time, until `stop` or
--- `close`.
---@return string pid # its process
function command.begin(run, line, ...)
  begun = assert(run(line .. " & echo pid=$!", ...):match("^pid=(%d+)\n$"))
  return begun
end

--- What `condition` gives once it gives anything.  Where the line in the
--- background has ended without it, or time is up, the error has what it said.
---@param what string
---@param condition fun(): any
---@param said fun(): string
function command.wait_for(what, condition, said)
  local is_over
  local ok, value = pcall(workspace.wait_for, what, function()
    local is_running = not begun or workspace.is_running(begun)
    local value = condition()
    is_over = not value and not is_running
    return value or is_over
  end)
  if not ok or is_over then
    error(("%s: waited in vain for %s; it said: %s"):format(
      is_over and "the command has ended" or "the command runs", what,
      said()), 2)
  end
  return value
end

--- End it by `signal` (TERM), and wait for that.
function command.stop(signal)
  if begun then
    workspace.stop(begun, signal)
    begun = nil
  end
end

-- How many lines `mark` finds in `text`.
local function lines_with(mark, text)
  local count = 0
  for line in text:gmatch("[^\n]+") do
    local found = type(mark) == "function" and mark(line)
      or type(mark) == "string" and line:find(mark)
    count = count + (found and 1 or 0)
  end
  return count
end

--- Run `line`, its streams in the files "paths" and "words", until it has said
--- `mark`; send it a signal, and wait for its end.
---@param run fun(line: string): string, integer # a runner
---@param folder string # the runner's
---@param line string # of one process
---@param mark string|fun(line: string): any # a pattern that a line has
---@param more table? # signal (INT); count (1): of lines with the mark
---@return string words # "status=", its status, and what "words" holds
function command.interrupt(run, folder, line, mark, more)
  more = more or {}
  local function said()
    return workspace.read(folder .. "/paths") .. workspace.read(folder .. "/words")
  end
  local function ended()
    local status = workspace.read(folder .. "/ended")
    return status ~= "" and status
  end
  run("rm -f pid; : >paths >words >ended; { env --default-signal " .. line
    .. " >paths 2>words & echo $! >pid; wait $!; echo status=$? >ended; } "
    .. ">/dev/null 2>&1 & true")
  workspace.wait_for("its process", function()
    begun = (workspace.read(folder .. "/pid") or ""):match("^(%d+)\n")
    return begun
  end)
  workspace.wait_for("a line with what is looked for", function()
    return ended() or lines_with(mark, said()) >= (more.count or 1)
  end)
  assert(not ended(), "it has ended before; it said:\n" .. said())
  command.stop(more.signal or "INT")
  return workspace.wait_for("its status", ended)
    .. workspace.read(folder .. "/words")
end

--- The reverse of `open`.
function command.close(server, folder)
  command.stop("KILL")
  server:stop()
  workspace.remove(folder)
end

--- For a block of specs: what `open` returns for each of them, which `assign`
--- gets.
function command.for_each(count, samples, assign)
  local busted = require "busted"
  local server, folder, run
  busted.before_each(function()
    server, folder, run = command.open(count, samples)
    assign(server, folder, run)
  end)
  busted.after_each(function()
    command.close(server, folder)
  end)
end

return command
