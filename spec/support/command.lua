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
function command.begin(run, line, ...)
  begun = assert(run(line .. " & echo pid=$!", ...):match("^pid=(%d+)\n$"))
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
