#!/bin/sh
# specs.sh FOLDER SPEC…: specs by the Lua for Windows that is built in FOLDER.
folder=$1
shift
export PREFIX=Z: EXCEPT=timed,posix,stored,h2,gzip POLLER=poll LC_ALL=C.UTF-8 WINEDEBUG=-all
export WINEDLLOVERRIDES=mscoree,mshtml= WINEPREFIX="$folder/wine"
export LUA_PATH="lua/?.lua;lua/?/init.lua;./?.lua;Z:/usr/share/lua/5.4/?.lua;Z:/usr/share/lua/5.4/?/init.lua"
export LUA_CPATH="Z:$folder/lua54/?.dll"
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
exec spec/ports/remote/run.sh "$wine $folder/bin/lua.exe" "$@"
