-- What busted and the specs ask of C modules, or of a shell, that Windows lacks.

local core = require "camb.core"

local lfs = {}

function lfs.attributes(path, what)
  local kind, size, changed = core.stat(path)
  if not kind then
    return nil, size
  end
  local all = { mode = kind == "folder" and "directory" or kind, size = size,
    modification = changed }
  return what and all[what] or (not what and all or nil)
end
lfs.symlinkattributes = lfs.attributes

function lfs.currentdir()
  return core.real_path(".")
end

function lfs.chdir(path) -- busted stays where it is
  return path ~= nil
end

function lfs.dir(path)
  local names, i = core.list_folder(path), 0
  return function()
    i = i + 1
    return names[i]
  end
end

package.preload.lfs = function()
  return lfs
end
package.preload.term = function()
  return { isatty = function() return false end }
end
package.preload.system = function()
  return { gettime = core.time, monotime = core.now, sleep = core.wait }
end

-- The shell is that of the other system, which has the same files.
local ask = require "spec.ports.remote.ask"

local function run(command)
  local result = ask(2, "run", command)
  return result.output, result.status
end

function os.execute(command) -- luacheck: ignore 122
  local _, status = run(command)
  return status == 0 or nil, "exit", status
end

local workspace = dofile "spec/support/workspace.lua"
workspace.run = run
local count = 0

function workspace.folder()
  count = count + 1
  local path = ("%s/%d-%d"):format(os.getenv "REMOTE", core.process(), count)
  assert(core.make_folder(path))
  return path
end

function workspace.list(path)
  local names = core.list_folder(path)
  table.sort(names)
  return names
end

function workspace.starved()
  return 0
end

package.preload["spec.support.workspace"] = function()
  return workspace
end
