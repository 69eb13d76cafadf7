--- OBS Studio: Tools, Scripts: choose a recording and press the button.  Its
--- stems come beside it, and OBS goes on recording.

-- OBS keeps its Lua to itself: it has to be loaded for modules, too.
package.loadlib("libluajit-5.1.so.2", "*")

local obs = obslua
-- Or, in Windows, the folder camb of the zip, beside this script.
local load_zip = loadfile(script_path() .. "camb/load.lua")
local camb = load_zip and load_zip() or require "camb"

local TICK = 20 -- milliseconds

local client, path, key_file

local function tick()
  client:step(0)
end

local function separate()
  client = client or camb.client({ api_key_file = key_file ~= "" and key_file
    or nil })
  obs.timer_add(tick, TICK)
  camb.spawn(client.separate, client, path, { overwrite = true,
    output_dir = path:match "^(.*[/\\])", on_event = function(event)
      obs.script_log(obs.LOG_INFO, event.sentence)
    end }):on_done(function(stems, err)
    obs.timer_remove(tick)
    obs.script_log(obs.LOG_INFO, stems and stems.foreground .. ", "
      .. stems.background or err.message)
  end)
  return false
end

function script_description()
  return "Separate a recording into voice and music, by CAMB.AI"
end

function script_properties()
  local properties = obs.obs_properties_create()
  obs.obs_properties_add_path(properties, "path", "Recording",
    obs.OBS_PATH_FILE, nil, nil)
  obs.obs_properties_add_path(properties, "key_file", "File of the API key",
    obs.OBS_PATH_FILE, nil, nil)
  obs.obs_properties_add_button(properties, "go", "Separate", separate)
  return properties
end

function script_update(settings)
  path = obs.obs_data_get_string(settings, "path")
  key_file = obs.obs_data_get_string(settings, "key_file")
end
