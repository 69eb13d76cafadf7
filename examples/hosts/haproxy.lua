--- HAProxy: an upload service without another process.
---
---   curl --data-binary @take.wav http://localhost:8080/separate
---
--- answers with the addresses of the two stems.  In haproxy.cfg:
---
---   global
---     lua-load examples/hosts/haproxy.lua
---   frontend recordings
---     mode http
---     bind :8080
---     http-request use-service lua.separate if { path /separate }

local camb = require "camb"

local client = camb.client()

local TICK = 20 -- milliseconds

core.register_task(function()
  while true do
    client:step(0)
    core.msleep(TICK)
  end
end)

local function answer(applet, status, text)
  applet:set_status(status)
  applet:add_header("content-length", tostring(#text))
  applet:start_response()
  applet:send(text)
end

core.register_service("separate", "http", function(applet)
  local job = camb.spawn(client.separate, client, { data = applet:receive(),
    filename = "upload" }, { download = false })
  repeat
    core.msleep(TICK)
  until job:is_done()
  local stems, err = job:join()
  if stems then
    answer(applet, 200, ("%s\n%s\n"):format(stems.foreground_audio_url,
      stems.background_audio_url))
  else
    answer(applet, err.kind == "source" and 415 or 502, err.message .. "\n")
  end
end)
