-- busted in the interpreter that runs this file, whichever one its own command
-- would choose.

-- CAMB_GC=1000: a full collection every 1000 instructions of the main thread and
-- of every coroutine, and a collector that never pauses between them.
local instructions = tonumber(os.getenv "CAMB_GC")
if instructions then
  collectgarbage("setpause", 0)
  collectgarbage("setstepmul", 1000)
  debug.sethook(function()
    collectgarbage()
  end, "", instructions)
end

require "busted.runner" { standalone = false }
