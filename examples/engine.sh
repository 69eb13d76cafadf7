#!/bin/sh
# An engine of your own for the sandbox.  It gets a recording and a folder, and
# leaves two stems there: here what the channels share, and how they differ.
#   sandbox.start{ engine = "examples/engine.sh" }
set -e
shared="aformat=channel_layouts=stereo,pan=stereo|c0=.5*FL+.5*FR|c1=.5*FL+.5*FR"
differ="aformat=channel_layouts=stereo,pan=stereo|c0=.5*FL-.5*FR|c1=.5*FR-.5*FL"
ffmpeg -nostdin -v error -i "$1" -af "$shared" "$2/foreground.flac"
ffmpeg -nostdin -v error -i "$1" -af "$differ" "$2/background.flac"
