local late = require "late"

weechat.register("watch", "camb", "1.0", "MIT", "measures", "", "")

function watch_tick()
  late.tick(0.01)
  return weechat.WEECHAT_RC_OK
end

function watch_go()
  late.begin()
  weechat.command("", "/camb " .. os.getenv "FILE")
  return weechat.WEECHAT_RC_OK
end

function watch_print(_, _, _, _, _, _, _, message)
  if message:find "background" and message:find " and " then
    late.report "/camb FILE"
    weechat.command("", "/quit -yes")
  end
  return weechat.WEECHAT_RC_OK
end

weechat.hook_timer(10, 0, 0, "watch_tick", "")
weechat.hook_timer(3000, 0, 1, "watch_go", "")
weechat.hook_print("", "", "", 1, "watch_print", "")
