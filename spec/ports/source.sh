#!/bin/sh
# source.sh FOLDER PACKAGE [SUITE]: the source that Debian builds PACKAGE from, with
# its patches, unpacked as FOLDER/PACKAGE.  The system's own lists of packages stay
# as they are.
set -e
folder=$1 package=$2 suite=${3:-bookworm}
[ -e "$folder/$package" ] && exit 0
mkdir -p "$folder/apt/$suite/lists" "$folder/$package.new"
cd "$folder"
at="$PWD/apt/$suite"
# The archive that this system has its own packages from, unless DEBIAN names one.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
  'Component: main' | head -n 1)
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
  "${DEBIAN:-$mirror} $suite main" > "$at/sources"
apt_get () {
  apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$at/sources" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$at/lists" "$@"
}
[ -e "$at/updated" ] || { apt_get update && touch "$at/updated"; }
cd "$package.new"
apt_get source --download-only "$package" >/dev/null
dpkg-source --no-check -x ./*.dsc source >/dev/null
mv source "../$package"
cd ..
rm -rf "$package.new"
