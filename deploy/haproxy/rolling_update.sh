#!/usr/bin/env bash
# rolling_update.sh IMAGE [SECONDS]: two containers behind haproxy, each replaced once while wrk asks for predictions.
# Needs docker, haproxy and wrk; ends with 0 only if every answer was a good one.
set -euo pipefail
image=${1:?usage: $0 IMAGE [SECONDS]} seconds=${2:-60}
here=$(cd "$(dirname "$0")" && pwd) folder=$(mktemp -d) started=()
export DIGITS_FRONT=127.0.0.1:18080 DIGITS_A=127.0.0.1:18081 DIGITS_B=127.0.0.1:18082
stop_all() { docker rm -f digits-a digits-b >/dev/null 2>&1 || true; kill "${started[@]}" 2>/dev/null || true; rm -r "$folder"; }
trap stop_all EXIT

say() { printf '%s %s\n' "$(date +%T)" "$*"; }
wait_ready() { timeout 60 sh -c "until curl -sf -o /dev/null http://$1/readyz; do sleep 0.1; done"; }
start() { # NAME ADDRESS
  docker run -d --rm --name "$1" -p "$2:3000" --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    --memory 256m -e DIGITS_MAX_HELD_MIB=64 "$image" >/dev/null
  wait_ready "$2"
}

start digits-a "$DIGITS_A"
start digits-b "$DIGITS_B"
haproxy -db -f "$here/haproxy.cfg" >"$folder/haproxy.log" 2>&1 & started+=($!)
wait_ready "$DIGITS_FRONT"

# One black 28 × 28 image as an Open Inference Protocol request with binary data.
cat >"$folder/infer.lua" <<'LUA'
local head = '{"inputs":[{"name":"images","datatype":"UINT8","shape":[1,28,28],"parameters":{"binary_data_size":784}}]}'
wrk.method = "POST"
wrk.body = head .. string.rep("\0", 784)
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Inference-Header-Content-Length"] = tostring(#head)
function done(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.timeout + e.status
  io.write(string.format("requests %d, failed %d, p99 %.1f ms, longest %.1f ms\n", summary.requests, failed,
    latency:percentile(99) / 1000, latency.max / 1000))
  os.exit(failed == 0 and summary.requests > 0 and 0 or 1)
end
LUA
wrk -t1 -c16 -d"${seconds}s" --timeout 20s -s "$folder/infer.lua" "http://$DIGITS_FRONT/v2/models/digits/infer" \
  >"$folder/wrk.log" & load=$!; started+=("$load")

for name in digits-a digits-b; do
  sleep 5
  address=$([ "$name" = digits-a ] && echo "$DIGITS_A" || echo "$DIGITS_B")
  say "$name: stopping"
  docker stop -t 30 "$name" >/dev/null
  timeout 30 sh -c "while docker inspect $name >/dev/null 2>&1; do sleep 0.1; done"
  say "$name: gone, starting its successor"
  start "$name" "$address"
  say "$name: ready again"
done
status=0; wait "$load" || status=$?
tail -1 "$folder/wrk.log"
exit "$status"
