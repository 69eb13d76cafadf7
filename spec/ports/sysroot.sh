#!/bin/sh
# sysroot.sh FOLDER ARCHITECTURE PACKAGE…: Debian's packages of another
# architecture, with what they depend on, unpacked as FOLDER/ARCHITECTURE.  This
# system's own packages stay as they are.
set -e
mkdir -p "$1"
folder=$(cd "$1" && pwd) arch=$2
shift 2
[ -e "$folder/$arch" ] && exit 0
at="$folder/apt/$arch"
# The archive that this system has its own packages from, unless DEBIAN names one.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
  'Component: main' | head -n 1)
mkdir -p "$at/lists" "$at/cache/archives/partial" "$folder/$arch.new"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
  "${DEBIAN:-$mirror} bookworm main" > "$at/sources"
: > "$at/status"
apt_get () {
  apt-get -qq -o APT::Sandbox::User=root -o APT::Architecture="$arch" \
    -o APT::Architectures="$arch" -o Dir::Etc::SourceList="$at/sources" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$at/lists" \
    -o Dir::State::Status="$at/status" -o Dir::Cache="$at/cache" "$@"
}
apt_get update
apt_get install --download-only --no-install-recommends -y "$@" >/dev/null
for deb in "$at"/cache/archives/*.deb; do dpkg -x "$deb" "$folder/$arch.new"; done
mv "$folder/$arch.new" "$folder/$arch"
