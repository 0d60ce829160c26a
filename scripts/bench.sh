#!/usr/bin/env bash
# Measures everything that BENCHMARKS.md lists, in release mode, and leaves the reports in a directory:
#
#   scripts/bench.sh DIR
#
# KITE_BIN names another program than the one built here; KITE_BENCH_DURATION, KITE_BENCH_ROUNDS and KITE_BENCH_LISTENERS
# make a shorter or a longer run. KITE_BENCH_DATABASE names an empty PostgreSQL for the throw-away servers: it serves one
# measurement only, so name the one to make in KITE_BENCH_ONLY.
set -euo pipefail
[[ $# -eq 1 ]] || {
    echo "usage: scripts/bench.sh DIR" >&2
    exit 2
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kite=${KITE_BIN:-}
if [[ -z $kite ]]; then
    cargo build --release --locked
    kite=target/release/kite
fi
duration=${KITE_BENCH_DURATION:-10s}
rounds=${KITE_BENCH_ROUNDS:-3}
listeners=${KITE_BENCH_LISTENERS:-1000}
only=${KITE_BENCH_ONLY:-}
database=()
[[ -z ${KITE_BENCH_DATABASE:-} ]] || database=(--database "$KITE_BENCH_DATABASE")

# measure NAME VERB ARGUMENTS…: lines for people on the terminal, JSON in DIR/NAME.json.
measure() {
    local name=$1
    shift
    [[ -z $only || $only == "$name" ]] || return 0
    echo "== kite bench $*" >&2
    "$kite" bench "$@" --json >"$out/$name.json"
    cat "$out/$name.json"
}

paced=(--duration "$duration")
beside=("${paced[@]}" --floor --rounds "$rounds" "${database[@]}")

{
    "$kite" --version
    uname -srm
    getconf _NPROCESSORS_ONLN
} >"$out/machine.txt"

measure limits limits "${paced[@]}"
measure publish publish "${beside[@]}"
measure publish-rpc publish --via rpc --publishers 1 --batch 500 --in-flight 16 "${beside[@]}"
measure publish-4096 publish --size 4096 "${beside[@]}"
measure publish-webhook publish --via webhook --size 4096 "${beside[@]}"
measure latency latency "${beside[@]}"
measure latency-1000 latency --rate 1000 "${beside[@]}"
measure fanout fanout --listeners "$listeners" "${beside[@]}"
measure fanout-addressed fanout --listeners "$listeners" --addressed --publishers 64 "${beside[@]}"
measure fanout-paced fanout --listeners "$listeners" --rate 50 "${beside[@]}"
measure fanout-half fanout --listeners "$listeners" --rate 125 "${beside[@]}"
measure fanout-addressed-10 fanout --listeners 10 --addressed --publishers 64 "${beside[@]}"
measure fanout-addressed-9900 fanout --listeners "$((listeners * 99 / 10))" --addressed --publishers 64 "${beside[@]}"
measure replay replay --events "$((listeners * 1000))" "${database[@]}"
measure idle idle --listeners "$((listeners * 995 / 100))" "${database[@]}"
measure proxy proxy "${paced[@]}"
measure proxy-100 proxy --rate 100 "${paced[@]}"
[[ -n $only ]] || cargo bench --locked --bench hot | tee "$out/hot.txt"
