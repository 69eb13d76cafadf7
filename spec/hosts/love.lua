-- main.lua of a game: the example's, which gets a file dropped, at 60 frames.
dofile "/camb/examples/hosts/love/main.lua"
package.path = "/camb/spec/hosts/?.lua;" .. package.path
local late = require "late"

local update, began, draw = love.update, love.timer.getTime(), love.draw
local words

function love.update(...)
  love.timer.sleep(1 / 60)
  update(...)
  late.tick(1 / 60)
  if late.phase == "idle" and love.timer.getTime() - began > 3 then
    late.begin()
    love.filedropped { getFilename = function()
      return os.getenv "FILE"
    end }
  elseif words and words:find "^1 mixture" then
    late.report(words)
    love.event.quit()
  end
end

function love.draw()
  local print = love.graphics.print
  function love.graphics.print(text, ...)
    words = text
    return print(text, ...)
  end
  draw()
  love.graphics.print = print
end
