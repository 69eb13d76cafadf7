--- mpv: Ctrl+s separates the file that plays, while it plays.  Then the stems
--- are two more audio tracks: "#" goes from the mixture to the voice, the music
--- and back; and the next time they are there at once.
---
---   mpv --script=examples/hosts/mpv.lua song.flac
---
--- script-opts/camb.conf: api_key_file=…; folder=… for the stems; auto=yes to
--- separate whatever is played.

local camb = require "camb"
local utils = require "mp.utils"

local options = { api_key_file = "", folder = "~/.cache/camb", auto = false }
require "mp.options".read_options(options, "camb")

local TICK = 0.02 -- seconds

-- The stems of a file are known by its path and time of change.
local function stems_of(path)
  local info = utils.file_info(path)
  local name = ("%s-%x"):format(path:match "([^/\\]+)$":gsub("%.%w+$", ""),
    info and info.mtime or 0)
  local folder = mp.command_native { "expand-path", options.folder }
  local stems = {}
  for _, file in ipairs(utils.readdir(folder, "files") or {}) do
    for _, stem in ipairs { "foreground", "background" } do
      if file:find(name .. "." .. stem .. ".", 1, true) == 1
        and not file:find "%.part$"
      then
        stems[stem] = folder .. "/" .. file
      end
    end
  end
  return folder, name, stems.foreground and stems.background and stems
end

local function add_tracks(stems)
  mp.commandv("audio-add", stems.foreground, "auto", "voice")
  mp.commandv("audio-add", stems.background, "auto", "music")
  mp.osd_message "# switches between the mixture, the voice and the music"
end

local function separate()
  local path = mp.get_property "path"
  local folder, name, known = stems_of(path)
  if known then
    return add_tracks(known)
  end
  local client = camb.client { api_key_file = options.api_key_file ~= ""
    and options.api_key_file or nil }
  local timer = mp.add_periodic_timer(TICK, function()
    client:step(0)
  end)
  camb.spawn(client.separate, client, path, { output_dir = folder, name = name,
    overwrite = true, on_event = function(event)
      mp.osd_message(event.sentence)
    end }):on_done(function(stems, err)
    timer:kill()
    client:close()
    if not stems then
      mp.osd_message(err.message, 10)
    elseif path == mp.get_property "path" then
      add_tracks(stems)
    end
  end)
end

mp.add_key_binding("Ctrl+s", "camb-separate", separate)
if options.auto then
  mp.register_event("file-loaded", separate)
end
