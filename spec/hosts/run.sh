#!/usr/bin/env bash
# Run each host of examples/hosts, or those that are named, in a chroot of its own:
# the host from Debian, camb installed into it, a file separated by a sandbox
# outside, and how late the host's other work came meanwhile.  Needs root.
#
#   BUILD=build spec/hosts/run.sh [HOST…]
#
# Prints a row of the table in doc/hosts.md for each, and what went wrong.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
BUILD=${BUILD:-build}
here=$PWD
hosts=$(realpath -m "$BUILD")/hosts
base=$hosts/base
limit=240 # seconds for each host

[ "$(id -u)" = 0 ] || { echo "make hosts needs root, for its chroots" >&2; exit 1; }
# What is mounted is gone with this process.  A chroot is no mount of its own, so
# that nothing can be changed of how its mounts spread.
spread=
unshare -m true 2>/dev/null || spread='--propagation unchanged'
[ "${IN_NAMESPACE:-}" ] || IN_NAMESPACE=1 exec unshare -m $spread "$0" "$@"

make_base () {
  [ -e "$base/.whole" ] && return
  rm -rf "$base" && mkdir -p "$hosts/archives"
  debootstrap --variant=minbase bookworm "$base" >"$hosts/debootstrap.log" &&
  printf '#!/bin/sh\nexit 101\n' > "$base/usr/sbin/policy-rc.d" &&
  chmod +x "$base/usr/sbin/policy-rc.d" &&
  chroot "$base" sh -c 'apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends ca-certificates libcurl4 lua-cjson procps' \
    >>"$hosts/debootstrap.log" 2>&1 && touch "$base/.whole"
}

free_port () {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null ||
    echo $((20000 + RANDOM % 10000))
}

# The root of a host: what it changes is thrown away.  An overlay cannot lie on
# another one, which is what containers have: there the base is copied.
mount_root () {
  root=$hosts/$1/root
  ! mountpoint -q "$root" || return # what is mounted there is not ours to remove
  rm -rf --one-file-system "${hosts:?}/$1"
  mkdir -p "$root" "$hosts/$1/upper" "$hosts/$1/work" "$hosts/archives"
  { mount -t overlay overlay \
      -o "lowerdir=$base,upperdir=$hosts/$1/upper,workdir=$hosts/$1/work" \
      "$root" 2>/dev/null ||
    { cp -a "$base/." "$root" && mount --bind "$root" "$root"; }; } &&
  mkdir -p "$root/camb" "$root/take/out" &&
  mount --bind "$here" "$root/camb" && mount -o remount,ro,bind "$root/camb" &&
  mount --bind "$hosts/archives" "$root/var/cache/apt/archives" &&
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
  cp examples/mix.flac "$root/take/mix.flac"
}

install_into () { # PACKAGES LUA
  flock "$hosts/archives" chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $1 </dev/null >"$log" 2>&1 &&
  make -s install-core LUA="lua$2" BUILD="$hosts/lua$2" PREFIX=/usr/local \
    DESTDIR="$root" >>"$log" 2>&1 &&
  cp spec/hosts/late.lua "$root/usr/local/share/lua/$2/"
}

# With a priority by which what else the machine does is not measured.
run_inside () { # HOST
  chroot "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/games \
    HOME=/root LANG=C.UTF-8 CAMB_BASE_URL="$url" CAMB_API_KEY=hosts \
    FILE=/take/mix.flac REPORT=/take/report PORT="$(free_port)" \
    chrt -r 1 timeout -k 5 $limit bash -c ". /camb/spec/hosts/$1.sh; run" \
    </dev/null >>"$log" 2>&1
  cat "$root/take/report" >>"$log" 2>&1
}

row () { # HOST LINES
  local idle busy stems script delay
  idle=$(sed -n 's/^idle //p' "$root/take/report" 2>/dev/null)
  busy=$(sed -n 's/^busy //p' "$root/take/report" 2>/dev/null)
  stems=$(find "$root/take/out" "$root/take" -maxdepth 1 -type f -size +1k ! -name 'mix.flac' \
    ! -name report 2>/dev/null | sort -u | wc -l)
  if [ -z "$busy" ] || [ "$stems" -lt 2 ]; then
    echo "FAILED $1: $stems stems, $(cat "$root/take/report" 2>/dev/null | tr '\n' ';')"
    tail -25 "$log"
    return 1
  fi
  script=$(cd doc && ls ../examples/hosts/"$1".lua ../examples/hosts/"$1"/*.lua 2>/dev/null)
  set -- "$2" $idle $busy
  [ "$2" = 0 ] && delay=– || delay="$4 → $8 ms"
  [ "$lua" = 5.1 ] && lua=LuaJIT
  echo "| [$name]($script) | $lua | $how | $delay | $1 |"
}

host () {
  local packages lua name how root log=$hosts/$1.log
  . "spec/hosts/$1.sh"
  make -s core LUA="lua$lua" BUILD="$hosts/lua$lua" >"$log" 2>&1 &&
    mount_root "$1" && install_into "$packages" "$lua" ||
    { echo "FAILED $1: cannot be installed"; tail -25 "$log"; return 1; }
  name="$name $(chroot "$root" dpkg-query -W -f '${Version}' "${packages%% *}" |
    sed 's/^[0-9]*://; s/[-+].*//')"
  run_inside "$1"
  row "$1" "$(cat "examples/hosts/$1.lua" examples/hosts/"$1"/*.lua 2>/dev/null | grep -cv '^ *--\|^$')"
}

make_base || { tail -5 "$hosts/debootstrap.log"; exit 1; }
mkdir -p "$hosts/data"
# As if it were on another machine.
nice -n 19 "$BUILD/bin/camb" serve --port 0 --api-key hosts >"$hosts/serve.log" 2>&1 &
sandbox=$!
trap 'kill $sandbox' EXIT
for _ in $(seq 100); do
  url=$(sed -n 's/.*listens at \([^ ]*\).*/\1/p' "$hosts/serve.log")
  [ -n "$url" ] && break
  sleep 0.1
done

[ $# -gt 0 ] || set -- $(cd spec/hosts && ls *.sh | sed 's/\.sh$//' | grep -vx run)
failed=
for one; do
  host "$one" || failed="$failed $one"
  umount -R -l "$hosts/$one/root" && rm -rf --one-file-system "${hosts:?}/$one"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
