-- busted in the interpreter that runs this file, whichever one its own command
-- would choose.

-- CAMB_GC=always: a collection is always under way, a piece of it for every 64
-- bytes that are asked for.  CAMB_GC=1000: besides, a full one every 1000
-- instructions of the main thread and of every coroutine.
local effort = os.getenv "CAMB_GC"
if effort then
  collectgarbage("incremental", 0, 200, 6)
  collectgarbage("setpause", 0) -- which "incremental" takes for no change
end
local instructions = tonumber(effort)
if instructions then
  debug.sethook(function()
    collectgarbage()
  end, "", instructions)
end

require "busted.runner" { standalone = false }
