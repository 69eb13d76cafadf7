packages=prosody
lua=5.4
name='Prosody'
how='the event camb-separate; a timer of 10 ms of the same server'
run () {
  mkdir /tmp/modules /tmp/data
  cp /camb/examples/hosts/prosody/mod_camb.lua /camb/spec/hosts/mod_watch.lua \
    /tmp/modules
  cat > /tmp/prosody.cfg.lua <<END
run_as_root = true; daemonize = false; pidfile = "/tmp/prosody.pid"
data_path = "/tmp/data"; plugin_paths = { "/tmp/modules" }
interfaces = { "127.0.0.1" }; c2s_ports = { $PORT }; s2s_ports = {}
modules_disabled = { "s2s", "tls" }
log = { warn = "*console" }
VirtualHost "localhost"
modules_enabled = { "camb", "watch" }
END
  prosody --config /tmp/prosody.cfg.lua
}
