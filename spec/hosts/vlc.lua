-- The example; its own wait tells how late each turn comes, and it ends when the
-- stems are in the playlist.
package.loadlib("liblua5.2.so.0", "*") -- for the measuring
package.path = "/camb/spec/hosts/?.lua;" .. package.path
local late = require "late"

local began = vlc.misc.mdate()
local wait = vlc.misc.mwait
function vlc.misc.mwait(at)
  wait(at)
  late.tick(0.02)
  if late.phase == "idle" and vlc.misc.mdate() - began > 3e6 then
    late.begin()
    vlc.playlist.add { { path = "file://" .. os.getenv "FILE" } }
  end
  local items = vlc.playlist.get("playlist").children
  if #items >= 3 then
    late.report(#items .. " items in the playlist")
    vlc.misc.quit()
  end
end

dofile "/camb/examples/hosts/vlc.lua"
