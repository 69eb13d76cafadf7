#!/bin/sh
# run.sh "LUA AND ITS WORDS" SPEC…: specs by an interpreter of another system, each
# file in a process of its own; the sandboxes are here, and other peers.  PREFIX
# stands before paths.  EXCEPT: the tags of specs that are left out.
lua=$1
shift
folder=$(mktemp -d)
trap 'touch "$folder/end"; wait; rm -rf "$folder"' EXIT
# Lua there and Lua here, each with its modules, for shells that specs start.
program () { # NAME LUA PATH CPATH
  printf '#!/bin/sh\nexport LUA_PATH="%s" LUA_CPATH="%s"\nexec %s "$@"\n' "$3" "$4" \
    "$2" > "$folder/$1" && chmod +x "$folder/$1"
}
program there "$lua" "$LUA_PATH" "$LUA_CPATH"
program here lua5.4 "lua/?.lua;lua/?/init.lua;./?.lua;;" "$HERE_CPATH;;"
failed=
for spec in "$@"; do
  mkdir "$folder/$(basename "$spec")"
  at="$folder/$(basename "$spec")"
  "$folder/here" spec/ports/remote/serve.lua "$at" &
  echo "$spec"
  REMOTE="$PREFIX$at" LUA="$folder/there" PEER_LUA="$folder/here" timeout 600 \
    "$folder/there" spec/ports/remote/busted.lua --output=plainTerminal \
    --exclude-tags="${EXCEPT:-timed}" "$spec" </dev/null > "$at/log" 2>&1
  status=$?
  tr -d '\r' < "$at/log" | grep -E 'success|^Failure|^Error|^spec/' | head -${LINES_SHOWN:-12}
  [ $status = 0 ] || failed="$failed $spec"
  touch "$at/end"
done
wait
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
