-- A module of Prosody beside the example's.
package.path = "/camb/spec/hosts/?.lua;" .. package.path
local late = require "late"
local timer = require "util.timer"

timer.add_task(0.01, function()
  late.tick(0.01)
  return 0.01
end)
timer.add_task(3, function()
  late.begin()
  prosody.events.fire_event("camb-separate", { path = os.getenv "FILE",
    output_dir = "/take/out", done = function(_, err)
      late.report(err and err.message or "the event camb-separate")
      os.exit(0)
    end })
end)
