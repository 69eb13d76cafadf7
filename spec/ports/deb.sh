#!/bin/sh
# deb.sh FOLDER: install the packages in FOLDER as a person would, and separate a
# file by the command and by each Lua.  For a machine of its own, such as a chroot.
set -e
packages=$(cd "$1" && pwd)
apt-get install -y -qq --no-install-recommends lua5.1 lua5.2 lua5.3 luajit \
  "$packages"/*.deb >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp spec/fixtures/mix.flac spec/ports/check.lua "$work"
cd "$work"
unset LUA_PATH LUA_CPATH
camb --version | head -1
camb separate mix.flac -o stems --sandbox
ls stems/mix.foreground.flac stems/mix.background.flac
man -w camb 2>/dev/null || ls /usr/share/man/man1/camb.1.gz
camb serve --port 0 --api-key stranger >served &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
for i in $(seq 100); do grep -q 'listens at' served && break; sleep 0.1; done
url=$(sed -n 's/^The sandbox listens at //p' served)
for lua in lua5.1 luajit lua5.2 lua5.3 lua5.4; do
  mkdir "$lua"
  echo "== $lua"
  timeout 300 "$lua" check.lua "$url" stranger "$work/$lua" mix.flac
done
