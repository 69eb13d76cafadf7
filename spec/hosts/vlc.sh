packages='vlc-bin vlc-plugin-base'
lua=5.2
name='VLC'
how='plays with the dummy output; the turns of the same interface'
run () {
  useradd -m listener
  chown -R listener /take
  mkdir -p ~listener/.local/share/vlc/lua/intf
  cp /camb/spec/hosts/vlc.lua ~listener/.local/share/vlc/lua/intf/watch.lua
  chown -R listener ~listener
  runuser -u listener -- env HOME=/home/listener vlc -I luaintf \
    --lua-intf watch --aout=dummy --no-video
  cp -r /home/listener/.cache/vlc/camb/* /take/out/
}
