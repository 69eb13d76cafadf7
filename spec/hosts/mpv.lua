-- The example, and beside it a timer of the same script.
dofile "/camb/examples/hosts/mpv.lua"
local late = require "late"

mp.add_periodic_timer(0.01, function()
  late.tick(0.01)
end)
mp.add_timeout(3, function()
  late.begin()
  mp.commandv("script-binding", mp.get_script_name() .. "/camb-separate")
end)
mp.observe_property("track-list/count", "number", function(_, count)
  if count == 3 then
    late.report(("%d audio tracks"):format(count))
    mp.commandv "quit"
  end
end)
