--- WeeChat: "/camb FILE" separates a recording while you chat; the stems come
--- beside it.
---
---   /script load examples/hosts/weechat.lua

local camb = require "camb"

weechat.register("camb", "camb", "1.0", "MIT", "separate recordings", "", "")

local client = camb.client()

-- WeeChat watches the client's descriptor, and calls now and then besides.
function camb_step()
  client:step(0)
  return weechat.WEECHAT_RC_OK
end

function camb_command(_, buffer, path)
  local last = ""
  camb.spawn(client.separate, client, path, {
    output_dir = path:match "^(.*[/\\])" or ".", on_event = function(event)
      if event.name ~= last and event.name ~= "failed" then -- each step once
        weechat.print(buffer, "camb: " .. event.sentence)
      end
      last = event.name
    end }):on_done(function(stems, err)
    weechat.print(buffer, "camb: " .. (stems and stems.foreground .. " and "
      .. stems.background or err.exists and not err.task_id and err.path
      .. " is in the way: move it away, then run this again" or err.message))
  end)
  return camb_step()
end

weechat.hook_fd(client:pollfd(), 1, 0, 0, "camb_step", "")
weechat.hook_timer(100, 0, 0, "camb_step", "")
weechat.hook_command("camb", "separate a recording", "FILE", "FILE: its path",
  "%(filename)", "camb_command", "")
