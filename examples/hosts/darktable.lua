--- darktable: voice notes without the noise.  For each selected image with a
--- recording of the same name (IMG_1.raf and IMG_1.wav, as cameras keep them)
--- the stems come beside it.
---
---   require "darktable_camb"   -- in luarc; this file in darktable's lua/

local camb = require "camb"
local darktable = require "darktable"

local function recording_of(image)
  for _, extension in ipairs { "wav", "WAV", "mp3", "m4a", "flac" } do
    local path = ("%s/%s.%s"):format(image.path,
      image.filename:gsub("%.%w+$", ""), extension)
    local file = io.open(path, "rb")
    if file then
      file:close()
      return path, image.path
    end
  end
end

local function separate(images)
  local client = camb.client()
  local list, jobs = {}, 0
  for _, image in ipairs(images) do
    local path, folder = recording_of(image)
    if path then
      list[path] = folder
    end
  end
  for path, folder in pairs(list) do
    jobs = jobs + 1
    camb.spawn(client.separate, client, path, { output_dir = folder,
      overwrite = true }):on_done(function(stems, err)
      jobs = jobs - 1
      darktable.print(stems and stems.foreground or err.message)
    end)
  end
  while jobs > 0 do
    client:step(0)
    darktable.control.sleep(20) -- milliseconds, in which darktable goes on
  end
  client:close()
end

darktable.register_event("camb", "shortcut", function()
  separate(darktable.gui.selection())
end, "separate the voice notes of the selected images")

return { separate = separate }
