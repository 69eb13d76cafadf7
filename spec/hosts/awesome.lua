-- rc.lua: the example, and a timer beside it.
package.path = "/camb/spec/hosts/?.lua;/tmp/?.lua;" .. package.path
local gears = require "gears"
local late = require "late"
local camb = require "awesome_camb"

gears.timer.start_new(0.01, function()
  late.tick(0.01)
  return true
end)
gears.timer.start_new(3, function()
  late.begin()
  camb.separate(os.getenv "FILE", function(stems, err)
    late.report(stems and "separate()" or err.message)
    awesome.quit()
  end)
end)
