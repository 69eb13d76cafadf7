#!/bin/sh
# See copied.lua.
ln "$1" "$2/foreground.wav"
{ cat "$1"; echo background; } > "$2/background.wav"
