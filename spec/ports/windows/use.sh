#!/bin/sh
# use.sh FOLDER ZIP URL WORK: what is in ZIP, beside a script, in the hosts that are
# built in FOLDER: a Lua 5.4 and a LuaJIT by their DLLs, and one that shows no Lua.
set -e
folder=$1 zip=$2 url=$3 work=$4
here=$(pwd)
export LC_ALL=C.UTF-8 WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=
export WINEPREFIX="$folder/wine"
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
unset LUA_PATH LUA_CPATH
mkdir -p "$WINEPREFIX"
script="$work/a script"
unzip -q "$zip" -d "$script"
cp "$here/spec/ports/check.lua" "$here/spec/fixtures/mix.flac" "$script"
cat > "$script/run.lua" <<'L'
local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\])")
package.path, package.cpath = "", ""
local camb = dofile(folder .. "camb/load.lua")
assert(camb == require "camb")
print(_VERSION, camb.VERSION, package.preload["camb.client"] and "one file" or "DLLs")
dofile(folder .. "check.lua")
L
# The README's own lines, with the key and the files of here.
{
  echo 'local say, done = print local function print(...) done = true say(...) end'
  sed -n '/^  local folder/,/^    end)/s/^  //p' "$script/camb/README.txt" |
    sed "s|\.\.\.\"|port\"|; s|C:/takes/stems|Z:$work/out/readme|; s|C:/takes|Z:$script|
      s|mix.wav|mix.flac|"
  echo 'repeat client:step(0) require "camb.core".wait(0.01) until done'
} > "$script/readme.lua"
for host in lua luajit host; do
  echo "== $host.exe"
  rm -rf "$work/out" && mkdir "$work/out"
  cd "$work"
  timeout 300 "$wine" "$folder/bin/$host.exe" "Z:$script/run.lua" "$url" port \
    "Z:$work/out" "Z:$script/mix.flac"
  CAMB_BASE_URL=$url timeout 60 "$wine" "$folder/bin/$host.exe" \
    "Z:$script/readme.lua" > "$work/said"
  cat "$work/said" && grep -q readme/mix.foreground "$work/said"
done
