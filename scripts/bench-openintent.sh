#!/usr/bin/env bash
# Measures how many signed intents kite verifies and stores in a second, and how many plain ones the reference server takes,
# one after the other in the same run. Lines for people go to stderr, one JSON object per run to stdout.
#
# KITE_BIN names another program than the one built here; KITE_BENCH_SECONDS and KITE_BENCH_INTENTS make a shorter or a
# longer run, KITE_OPENINTENT_PYTHON names another Python with the reference implementation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${KITE_OPENINTENT_PYTHON:-} ]] || scripts/python.sh openintent
exec cargo bench --locked --bench openintent
