--- LÖVE: drop a recording on the window, and see how far its separation is;
--- then 1 plays the mixture, 2 the voice and 3 the music.
---
---   love examples/hosts/love

local camb = require "camb"

local client = camb.client()
local state = { words = "Drop a recording here.", fraction = 0, sounds = {} }

local function load_sounds(path, stems)
  for key, file in pairs { ["1"] = path, ["2"] = stems.foreground,
    ["3"] = stems.background }
  do
    local data = love.filesystem.newFileData(assert(io.open(file, "rb"))
      :read "*a", file)
    state.sounds[key] = love.audio.newSource(data, "stream")
  end
end

function love.filedropped(file)
  local path = file:getFilename()
  camb.spawn(client.separate, client, path, { overwrite = true,
    output_dir = path:match "^(.*[/\\])" or ".", on_event = function(event)
      state.words, state.fraction = event.sentence, event.fraction
    end }):on_done(function(stems, err)
    state.words = stems and "1 mixture, 2 voice, 3 music" or err.message
    if stems and love.audio then
      load_sounds(path, stems)
    end
  end)
end

function love.update()
  client:step(0)
end

function love.draw()
  love.graphics.print(state.words, 20, 20)
  love.graphics.rectangle("line", 20, 50, 400, 20)
  love.graphics.rectangle("fill", 20, 50, 400 * state.fraction, 20)
end

function love.keypressed(key)
  if state.sounds[key] then
    love.audio.stop()
    state.sounds[key]:play()
  end
end
