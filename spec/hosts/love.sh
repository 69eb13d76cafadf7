packages='love xvfb xauth libgl1-mesa-dri'
lua=5.1
name='LÖVE'
how='a file is dropped on the window, in Xvfb; frames, 60 a second'
run () {
  mkdir /tmp/game
  cp /camb/spec/hosts/love.lua /tmp/game/main.lua
  echo 'function love.conf(t) t.window.vsync = 0 t.modules.audio = false end' \
    > /tmp/game/conf.lua
  xvfb-run -a love /tmp/game
}
