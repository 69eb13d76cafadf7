#!/bin/sh
# The tutorial's flow with curl:
#
#     sh separate.sh BASE_URL KEY AUDIO FOLDER
#
# leaves foreground.flac and background.flac in FOLDER and prints what each
# step was answered, a line of JSON each.
set -eu
base=$1 key=$2 audio=$3 folder=$4
max_attempts=600
interval=0.1

api () {
  curl -sS --fail-with-body --max-time 60 -H "x-api-key: $key" "$@"
}

say () {
  printf '{"step":"%s","reply":%s}\n' "$1" "$2"
}

# The string or the number that a name has in a flat object.
field () {
  printf '%s' "$2" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"
}

reply=$(api -F "media_file=@$audio" -F project_name=my-separation-job \
  -F 'project_description=Größe & ‘quotes’' -F folder_id=7 \
  "$base/audio-separation")
say create "$reply"
task=$(field task_id "$reply")

attempt=0
while reply=$(api "$base/audio-separation/$task"); do
  status=$(field status "$reply")
  attempt=$((attempt + 1))
  if [ "$status" != PENDING ] || [ $attempt -ge $max_attempts ]; then
    break
  fi
  sleep $interval
done
say status "$reply"
[ "$status" = SUCCESS ]
run=$(field run_id "$reply")

result=$(api "$base/audio-separation-result/$run")
say result "$result"
reply=$(api -H 'Content-Type: application/json' \
  -d "{\"run_ids\": [$run, $((run + 1))]}" "$base/audio-separation-results")
say results "$reply"

# The stems are at another host, which must not see the key.
for stem in foreground background; do
  curl -sS --fail --max-time 60 -o "$folder/$stem.flac" \
    "$(field ${stem}_audio_url "$result")"
done
