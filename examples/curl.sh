#!/bin/sh
# Ask the service for the digit in an image: curl.sh IMAGE [URL]. Needs curl and jq.
image=${1:?usage: curl.sh IMAGE [URL]}
url=${2:-http://127.0.0.1:3000}

if answer=$(curl --silent --show-error --fail-with-body --form "image=@\"$image\"" "$url/predict"); then
  echo "$answer" | jq --raw-output '
    if .digit == null then "no digit: \(.rejected)" else "\(.digit), confidence \(.confidence)" end'
else
  echo "$answer" | jq --raw-output '"error: \(.error.message)"' >&2  # nothing, if the service was not reached
  exit 1
fi
