#!/bin/sh
# single-use.sh FOLDER URL WORK: the one file in FOLDER beside a script, in hosts
# that show none of their Lua: it works in those of 5.4.4 and later, and refuses
# others with a sentence, as it does hosts that show another Lua.
folder=$1 url=$2 work=$3
unset LUA_PATH LUA_CPATH
mkdir "$work/script"
cp "$folder/camb.so" spec/ports/check.lua spec/fixtures/mix.flac "$work/script"
cat > "$work/script/run.lua" <<'L'
package.path = ""
package.cpath = arg[0]:match("^.*/") .. "?.so"
collectgarbage(os.getenv "COLLECT")
dofile(arg[0]:match("^.*/") .. "check.lua")
-- what one of the two Luas has made, the other one reads
local json = require "cjson"
local long = ("x"):rep(70)
assert(#json.encode({ long }) == 74 and json.decode(json.encode({ long }))[1] == long)
assert(json.encode({ long }):sub(-2) == '"]')
for i = 1, 200000 do
  local text = json.encode({ i, { tostring(i) } }) .. long
  assert(#text > 70)
end
print "and both agree on what a string is"
L
failed=0
for host in "$folder"/host-5.4.*; do
  for collect in incremental generational; do
    echo "== $(basename "$host") $collect"
    rm -rf "$work/out" && mkdir "$work/out"
    said=$(COLLECT=$collect timeout 300 "$host" "$work/script/run.lua" "$url" port \
      "$work/out" "$work/script/mix.flac" 2>&1)
    status=$?
    case $host in
      *-5.4.[0-3]) [ $status != 0 ] && echo "$said" | grep 'host: .*camb cannot work' ;;
      *) [ $status = 0 ] && echo "$said" | tail -3 ;;
    esac || { echo "status $status: $said"; failed=1; }
  done
done
for lua in lua5.1 lua5.2 lua5.3 luajit; do
  command -v $lua >/dev/null || continue
  echo "== $lua"
  said=$(timeout 60 $lua -e "package.cpath = '$folder/?.so' require 'camb'" 2>&1)
  echo "$said" | grep 'camb cannot work' || { echo "$said"; failed=1; }
done
exit $failed
