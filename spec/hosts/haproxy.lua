local late = require "late"

core.register_task(function()
  while true do
    late.tick(0.01)
    core.msleep(10)
  end
end)

local function service(name, fn)
  core.register_service(name, "http", function(applet)
    fn()
    applet:set_status(204)
    applet:start_response()
  end)
end

service("begin", late.begin)
service("report", function()
  late.report "POST /separate"
end)
