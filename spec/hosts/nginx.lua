local late = require "late"

local function watch()
  while not ngx.worker.exiting() do
    late.tick(0.01)
    ngx.sleep(0.01)
  end
end

assert(ngx.timer.at(0, watch))
return late
