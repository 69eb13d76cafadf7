#!/usr/bin/env bash
# Downloads the packages that the pool is made of, and unpacks what can be heard
# into root/ of WEIGHTS_DATA; nothing is installed.  doc/weights.md says under
# which terms they are.  What is there already stays.
set -euo pipefail

packages=(
  0ad-data asterisk-core-sounds-es-g722 asterisk-core-sounds-fr-g722
  asterisk-core-sounds-it-g722 asterisk-core-sounds-ru-g722
  asterisk-prompt-es-co asterisk-prompt-fr-armelle
  asterisk-prompt-it-menardi-wav colobot-common-sounds endless-sky-data
  extremetuxracer-data fillets-ng-data fillets-ng-data-cs flare-game
  flightgear-data-base fluid-soundfont-gm freedoom freedroidrpg-data
  fretsonfire-songs-muldjord fretsonfire-songs-sectoid frozen-bubble-data
  hedgewars-data hyperrogue-music klettres-data ktuberling-data lincity-ng-data
  marsshooter-data megaglest-data musescore-general-soundfont-small naev-data
  nexuiz-music openttd-openmsx planetblupi-music-midi planetblupi-music-ogg
  singularity-music supertux-data supertuxkart-data timgm6mb-soundfont
  tuxpaint-stamps-default unknown-horizons warzone2100-music wesnoth-1.16-data
  wesnoth-1.16-music widelands-data
)

mkdir -p "$WEIGHTS_DATA/root" "$WEIGHTS_DATA/debs"
cd "$WEIGHTS_DATA/debs"

unzip='import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
archive.extractall(sys.argv[2], [
    name for name in archive.namelist() if name.endswith((".ogg", ".wav"))])'

unpack () {
  dpkg-deb --fsys-tarfile "$1"_*.deb | tar -x -C "../root/$1"
  find "../root/$1" -type f ! -path '*/doc/*/copyright' |
    { grep -viE '\.(ogg|wav|flac|g722|opus|pk3|zip|sf[23]|mid|wad)$' || true; } |
    tr '\n' '\0' | xargs -0r rm -f
  find "../root/$1" -name '*.pk3' -o -name '*.zip' | while read -r archive; do
    python3 -c "$unzip" "$archive" "${archive%/*}" && rm "$archive"
  done
  to_wav "../root/$1"
}

# Sixty at a time: to start ffmpeg takes longer than to decode.
to_wav () {
  find "$1" -name '*.g722' -size +2k | sort | while mapfile -n 60 -t files &&
    [ ${#files[@]} -gt 0 ]; do
    in=() out=()
    for i in "${!files[@]}"; do
      in+=(-f g722 -i "${files[i]}")
      out+=(-map "$i" -c:a pcm_s16le "${files[i]%.g722}.wav")
    done
    ffmpeg -v error -nostdin -y "${in[@]}" "${out[@]}" && rm "${files[@]}"
  done
}

for package in "${packages[@]}"; do
  [ -e "$package.done" ] && continue
  apt-get download -qq "$package" > /dev/null
  mkdir -p "../root/$package"
  unpack "$package"
  rm "$package"_*.deb
  touch "$package.done"
  echo "$package"
done

# Debian's torch computes by whatever BLAS there is; the one of the reference is
# five times slower.
if [ ! -e ../blas ]; then
  apt-get download -qq libopenblas0-serial > /dev/null
  dpkg -x libopenblas0-serial_*.deb ../blas
  rm libopenblas0-serial_*.deb
fi
