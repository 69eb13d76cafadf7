packages='awesome xvfb xauth'
lua=5.3
name='awesome'
how='in Xvfb; a gears.timer of 10 ms'
run () {
  cp /camb/examples/hosts/awesome.lua /tmp/awesome_camb.lua
  xvfb-run -a awesome -c /camb/spec/hosts/awesome.lua
}
