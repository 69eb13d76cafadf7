#!/bin/sh
# single.sh FOLDER SOURCE SOURCES: hosts that show none of their Lua, of the
# releases of 5.4 that Debian has: host-VERSION in FOLDER.
set -e
folder=$1
for suite in bullseye bookworm trixie; do
  "$2" "$3-$suite" lua5.4 $suite
  src=$3-$suite/lua5.4/src
  echo '#define DEB_HOST_MULTIARCH "."' > "$src/lua5.4-deb-multiarch.h"
  release=$(sed -n 's/^#define LUA_VERSION_RELEASE.*"\([0-9]*\)".*/\1/p' "$src/lua.h")
  [ -e "$folder/host-5.4.$release" ] || cc -w -O2 -std=gnu99 -DLUA_USE_POSIX \
    -DLUA_USE_DLOPEN -I"$src" -o "$folder/host-5.4.$release" spec/ports/host.c \
    $(ls "$src"/*.c | grep -v '/luac\?\.c$') -lm -ldl
done
