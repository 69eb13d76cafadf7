-- busted, with sandboxes on another system, in the interpreter that runs this.

package.preload["camb.sandbox"] = function()
  return dofile "spec/ports/remote/sandbox.lua"
end
if package.config:sub(1, 1) == "\\" then
  dofile "spec/ports/windows/stand_ins.lua"
end
require "busted.runner" { standalone = false }
