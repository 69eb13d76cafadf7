-- The example, whose button is pressed; frames are measured.
package.loadlib("libluajit-5.1.so.2", "*")
package.path = "/camb/spec/hosts/?.lua;" .. package.path
local late = require "late"
local pressed
obslua.obs_properties_add_button = function(_, _, _, fn)
  pressed = fn
end
dofile "/camb/examples/hosts/obs.lua"

function script_tick()
  late.tick(1 / 30)
end

local log = obslua.script_log
function obslua.script_log(level, text)
  log(level, text)
  if text:find "background%.%w+$" then
    late.report(text)
    os.exit(0)
  end
end

local function go()
  obslua.timer_remove(go)
  late.begin()
  obslua.obs_properties_destroy(script_properties())
  pressed()
end

function script_load()
  obslua.timer_add(go, 5000)
end
