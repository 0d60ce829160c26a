#!/usr/bin/env bash
# Lets the generative tester loose on a server with an admin key, for longer than the tests do: FACTOR times as many
# requests (20), from another beginning each time. Options behind it go to the tester, such as --include-path or --seed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

factor=20
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    factor=$1
    shift
fi
scripts/python.sh openapi
cargo build --locked --quiet

home=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$home"' EXIT
export RUST_BACKTRACE=0
target/debug/kite serve --data-dir "$home" --listen 127.0.0.1:0 --trusted-proxies 127.0.0.0/8 2>"$home/log" &
server=$!
url=
until [[ -n $url ]]; do
    kill -0 "$server" || { cat "$home/log" >&2; exit 1; }
    url=$(sed -n 's/^kite .* listens on \([^ ]*\).*/\1/p' "$home/log")
    sleep 0.1
done

key=$(<"$home/bootstrap.key")
id=$(curl --fail --silent --header "Authorization: Bearer $key" "$url/api/v1/keys" | sed 's/.*"id":"\([^"]*\)".*/\1/')
PYTHONPATH=tests/it/openapi KITE_OWN_KEY_ID=$id target/python/openapi/bin/python tests/it/openapi/fuzz.py \
    --config-file tests/it/openapi/schemathesis.toml run "$url/openapi.json" \
    --header "Authorization: Bearer $key" --max-examples "$((5 * factor))" "$@"
