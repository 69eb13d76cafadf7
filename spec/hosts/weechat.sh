packages='weechat-headless weechat-lua'
lua=5.3
name='WeeChat'
how='/camb in weechat-headless; a timer of 10 ms of the same loop'
run () {
  weechat-headless -d /tmp/weechat -r "/lua load /camb/examples/hosts/weechat.lua" \
    -r "/lua load /camb/spec/hosts/weechat.lua"
}
