--- awesome: Mod4+s separates the file whose path was copied last, and notifies.
---
---   require "awesome_camb"   -- in rc.lua, this file beside it

local awful = require "awful"
local camb = require "camb"
local gears = require "gears"
local naughty = require "naughty"

local TICK = 0.02 -- seconds

local client = camb.client()
local module = { timer = gears.timer { timeout = TICK, callback = function()
  client:step(0)
end } }

--- Separate the file at `path`; `done(stems, err)` is called then.
function module.separate(path, done)
  module.timer:again()
  camb.spawn(client.separate, client, path, { overwrite = true,
    output_dir = path:match "^(.*[/\\])" or "." }):on_done(function(stems, err)
    module.timer:stop()
    naughty.notify { title = "camb", text = stems and stems.foreground .. "\n"
      .. stems.background or err.message }
    if done then
      done(stems, err)
    end
  end)
end

module.keys = awful.key({ "Mod4" }, "s", function()
  awful.spawn.easy_async("xclip -o", function(path)
    module.separate((path:gsub("%s+$", "")))
  end)
end)

return module
