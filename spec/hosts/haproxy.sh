packages='haproxy curl'
lua=5.3
name='HAProxy'
how='curl posts a recording; a task of 10 ms in the same thread'
run () {
  cat > /tmp/haproxy.cfg <<END
global
  nbthread 1
  lua-load /camb/examples/hosts/haproxy.lua
  lua-load /camb/spec/hosts/haproxy.lua
defaults
  mode http
  timeout client 120s
  timeout server 120s
  timeout connect 5s
frontend recordings
  bind 127.0.0.1:$PORT
  http-request use-service lua.separate if { path /separate }
  http-request use-service lua.begin if { path /begin }
  http-request use-service lua.report if { path /report }
END
  haproxy -f /tmp/haproxy.cfg &
  sleep 4
  curl -sS "localhost:$PORT/begin"
  for url in $(curl -sS --data-binary @"$FILE" "localhost:$PORT/separate"); do
    curl -sS -o "/take/out/$(basename "${url%%\?*}").$RANDOM" "$url"
  done
  curl -sS "localhost:$PORT/report"
  kill $!
}
