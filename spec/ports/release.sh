#!/bin/sh
# release.sh FOLDER DIST: what is written into DIST, as people would use it: the two
# rocks by a server of rocks in FOLDER, each Lua's into a clean tree, built from the
# tarball; the command of one serves; a stranger's script works with each.
set -e
here=$(pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
dist=$2
unset MAKEFLAGS MAKELEVEL MFLAGS LUA_PATH LUA_CPATH
mkdir "$work/rocks" "$work/source"
tar -xzf "$dist"/camb-*.tar.gz -C "$work/source" --strip-components=1

cd "$work/rocks"
for spec in "$dist"/*.rockspec; do
  luarocks lint "$spec"
  luarocks pack "$spec" >/dev/null
  cp "$spec" .
done
luarocks-admin make_manifest . >/dev/null
ls

# The other rocks that camb needs are Debian's packages here.
cat > "$work/config.lua" <<'L'
rocks_provided = { ["lua-cjson"] = "2.1.0-1", argparse = "0.7.1-1" }
L
export LUAROCKS_CONFIG="$work/config.lua"
rock () {
  luarocks "--lua-version=$1" --only-server="$work/rocks" install \
    --tree "$work/tree$1" "$2" >"$work/log" 2>&1 || {
    tail -30 "$work/log"; exit 1; }
}
cd /
rock 5.4 camb-sandbox # and with it camb
for v in 5.1 5.2 5.3; do rock $v camb; done

# $1: the version of Lua, $2: its program; then a program's words
with () {
  tree=$work/tree$1 v=$1 lua=$2
  shift 2
  env LUA_PATH="$tree/share/lua/$v/?.lua;$tree/share/lua/$v/?/init.lua;;" \
    LUA_CPATH="$tree/lib/lua/$v/?.so;;" timeout 300 "$lua" "$@"
}
version=$("$work/tree5.4/bin/camb" --version | head -1)
echo "$version"
"$work/tree5.4/bin/camb" serve --port 0 --api-key stranger >"$work/served" &
server=$!
trap 'kill $server' EXIT
for i in $(seq 100); do grep -q 'listens at' "$work/served" && break; sleep 0.1; done
url=$(sed -n 's/^The sandbox listens at //p' "$work/served")
cp "$work/source/spec/fixtures/mix.flac" "$work/mix.flac"
for lua in lua5.1 luajit lua5.2 lua5.3 lua5.4; do
  v=${lua#lua}
  [ "$lua" = luajit ] && v=5.1
  said=$(with "$v" "$lua" -e 'print("camb " .. require("camb").VERSION)')
  [ "$said" = "$version" ] || { echo "$lua has $said" >&2; exit 1; }
  mkdir "$work/$lua"
  echo "== $lua"
  with "$v" "$lua" "$here/spec/ports/check.lua" "$url" stranger "$work/$lua" \
    "$work/mix.flac"
done
