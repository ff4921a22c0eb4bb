#!/usr/bin/env bash
# What a whole server does under load: the server on one core, the load on the other. Figures go to standard output.
# Usage: bench.sh [SECONDS [PART OF A NAME]]: how long each case is measured, and which.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
only=${2:-}
ulimit -n 40000 2>/dev/null || ulimit -n "$(ulimit -Hn)"

bin=$(mktemp -d)
trap 'rm -rf "$bin"; kill $(jobs -p) 2>/dev/null || true' EXIT
go build -o "$bin/waggle" .

on=()
command -v taskset >/dev/null && [[ $(nproc) -ge 2 ]] && on=(taskset -c)

ticks() { awk '{print $14 + $15}' "/proc/$server/stat"; }

# run NAME ARGUMENTS...: a fresh server and one load.
run() {
  local name=$1; shift
  [[ $name == *"$only"* ]] || return 0
  local log; log=$(mktemp)
  GOMAXPROCS=1 "${on[@]}" ${on:+0} "$bin/waggle" serve --no-agent --listen 127.0.0.1:0 2>"$log" &
  server=$!
  local page=""
  until page=$(grep -o 'page=http://[^/]*' "$log" | cut -d= -f2); do :; done
  echo "== $name: simulate $*"
  local before; before=$(ticks)
  local began=$SECONDS
  GOMAXPROCS=1 "${on[@]}" ${on:+1} "$bin/waggle" simulate --server "$page" --warmup 3s --duration "${seconds}s" --json "$@"
  echo "server: $((($(ticks) - before) * 1000 / $(getconf CLK_TCK) / (SECONDS - began > 0 ? SECONDS - began : 1))) ms of processor a second," \
    "$(awk '/VmHWM/ {most = $2} /VmRSS/ {print $2 " kB of memory, " most " kB at most"}' "/proc/$server/status")"
  kill "$server"; wait "$server" 2>/dev/null || true
  rm -f "$log"
}

run "heartbeats one by one, as many as go" --hives 1000 --workers 8 --trouble 0 --interval 10ms
run "heartbeats in batches, as many as go" --hives 1000 --workers 8 --trouble 0 --interval 10ms --door batch
run "heartbeats on rbee's wire, as many as go" --hives 1000 --workers 8 --trouble 0 --interval 10ms --door legacy
run "10,000 hives of 8 workers, once a second, in batches" --hives 10000 --workers 8 --trouble 0 --door batch
# A dashboard of simulate is told the fleet's summary ten times a second.
run "schedulers beside 1,000 dashboards" --hives 20 --workers 8 --trouble 0 --subscribers 1000 --schedulers 4
run "5,000 dashboards" --hives 100 --workers 8 --trouble 0 --subscribers 5000
run "10,000 dashboards" --hives 1 --workers 1 --trouble 0 --interval 60s --subscribers 10000
run "a mirror of 80,000 workers beside 10,000 hives" --hives 10000 --workers 8 --trouble 0 --door batch --mirrors 1
