#!/bin/sh
# An engine that costs next to nothing: the stems are the input, and the input
# with a line behind it, so that neither can be taken for the other.
ln "$1" "$2/foreground.flac"
{ cat "$1"; echo background; } > "$2/background.flac"
