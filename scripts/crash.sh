#!/usr/bin/env bash
# The crash tests in their full form: more kills, longer outages. Settings that are there already win.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A hang is a failure too.
limit=60m

export KITE_CRASH_ROUNDS="${KITE_CRASH_ROUNDS:-200}"
export KITE_CRASH_ROUNDS_POSTGRES="${KITE_CRASH_ROUNDS_POSTGRES:-50}"
export KITE_CRASH_AWAY_SECS="${KITE_CRASH_AWAY_SECS:-60}"
export KITE_CRASH_PROXY_KILLS="${KITE_CRASH_PROXY_KILLS:-10}"
export KITE_CRASH_PROXY_EVENTS="${KITE_CRASH_PROXY_EVENTS:-10000}"
# Long enough that the server lets go of a reader that takes nothing (30 s), short enough that it can still say why.
export KITE_CRASH_STALL_SECS="${KITE_CRASH_STALL_SECS:-50}"
export KITE_CRASH_FEDERATION_ROUNDS="${KITE_CRASH_FEDERATION_ROUNDS:-60}"
export KITE_CRASH_FEDERATION_KILLS="${KITE_CRASH_FEDERATION_KILLS:-6}"
export KITE_CRASH_FEDERATION_EVENTS="${KITE_CRASH_FEDERATION_EVENTS:-10000}"
export KITE_CRASH_OPENINTENT_ROUNDS="${KITE_CRASH_OPENINTENT_ROUNDS:-60}"
export KITE_CRASH_OPENINTENT_WORK="${KITE_CRASH_OPENINTENT_WORK:-60}"
export KITE_CRASH_OPENINTENT_REPEATS="${KITE_CRASH_OPENINTENT_REPEATS:-500}"
export KITE_ORDER_EVENTS="${KITE_ORDER_EVENTS:-1000000}"
export KITE_FEDERATION_BACKLOG="${KITE_FEDERATION_BACKLOG:-100000}"

cargo test --locked --test it --no-run
exec timeout "$limit" cargo test --locked --test it -- crash:: crash_federation:: crash_openintent:: crowds:: federation::backlog nodes:: order:: outages:: --nocapture "$@"
