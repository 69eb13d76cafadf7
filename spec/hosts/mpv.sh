packages=mpv
lua=5.2
name='mpv'
how='plays with --ao=null, Ctrl+s; a timer of 10 ms in the same script'
run () {
  mpv --no-config --vo=null --ao=null --loop=inf --msg-level=all=warn \
    --script=/camb/spec/hosts/mpv.lua --script-opts=camb-folder=/take/out "$FILE"
}
