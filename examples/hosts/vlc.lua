--- VLC: separates what is played, meanwhile, and puts the stems behind it in
--- the playlist.  As ~/.local/share/vlc/lua/intf/camb.lua:
---
---   vlc --extraintf luaintf --lua-intf camb song.flac

-- VLC keeps its Lua to itself: it has to be loaded for modules, too.
package.loadlib("liblua5.2.so.0", "*")

local camb = require "camb"

local client = camb.client()
local known = {}

-- The local file of what is played; nil: it is none, or a stem.
local function playing()
  local item = vlc.input.item()
  local path = item and vlc.strings.decode_uri(item:uri()):match "^file://(.*)"
  return path and not known[path] and path
end

local function separate(path)
  known[path] = true
  camb.spawn(client.separate, client, path, { overwrite = true,
    output_dir = vlc.config.cachedir() .. "/camb", on_event = function(event)
      vlc.msg.info(event.sentence)
    end }):on_done(function(stems, err)
    if not stems then
      vlc.msg.err(err.message)
      return
    end
    known[stems.foreground], known[stems.background] = true, true
    vlc.playlist.enqueue {
      { path = vlc.strings.make_uri(stems.foreground), name = "voice" },
      { path = vlc.strings.make_uri(stems.background), name = "music" } }
  end)
end

while not vlc.misc.should_die or not vlc.misc.should_die() do
  local path = playing()
  if path then
    separate(path)
  end
  client:step(0)
  vlc.misc.mwait(vlc.misc.mdate() + 20000)
end
