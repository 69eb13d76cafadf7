--- Prosody: separates recordings beside the server's work, for other modules:
---
---   prosody.events.fire_event("camb-separate", { path = "/srv/take.wav",
---     output_dir = "/srv/stems", done = function(stems, err) … end })
---
--- In prosody.cfg.lua:
---
---   plugin_paths = { "examples/hosts/prosody" }
---   modules_enabled = { "camb" }

local camb = require "camb"
local timer = require "util.timer"

local TICK = 0.02 -- seconds

local client = camb.client({ api_key_file = module:get_option_string(
  "camb_api_key_file") })

timer.add_task(TICK, function()
  client:step(0)
  return TICK
end)

module:hook_global("camb-separate", function(event)
  camb.spawn(client.separate, client, event.path, {
    output_dir = event.output_dir, overwrite = true,
    on_event = function(told)
      module:log("info", "%s: %s", event.path, told.sentence)
    end }):on_done(event.done)
  return true
end)
