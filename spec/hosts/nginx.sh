packages='nginx libnginx-mod-http-lua curl'
lua=5.1
name='nginx'
how='curl posts a recording; a timer of 10 ms in the one worker'
run () {
  mkdir -p /usr/local/share/camb /var/lib/camb/stems
  chmod 777 /var/lib/camb/stems /take
  cp /camb/examples/hosts/nginx/service.lua /usr/local/share/camb
  cp /camb/spec/hosts/nginx.lua /usr/local/share/camb/watch.lua
  cp /camb/spec/hosts/late.lua /usr/local/share/camb
  sed -e "s/8080/127.0.0.1:$PORT/" -e 's/^env CAMB_API_KEY;/&\nenv REPORT;/' \
    -e 's/require("service").init()/& require "watch"/' \
    -e 's,location /stems/,location = /begin { content_by_lua_block { require("late").begin() } } &,' \
    -e 's,location /stems/,location = /report { content_by_lua_block { require("late").report("POST /separate") } } &,' \
    /camb/examples/hosts/nginx/nginx.conf > /etc/nginx/camb.conf
  nginx -c /etc/nginx/camb.conf -g 'daemon off;' &
  sleep 4
  curl -sS "localhost:$PORT/begin"
  for path in $(curl -sS --data-binary @"$FILE" "localhost:$PORT/separate"); do
    curl -sS -o "/take/out/$(basename "$path")" "localhost:$PORT$path"
  done
  curl -sS "localhost:$PORT/report"
  kill $!
}
