#!/usr/bin/env bash
# The main job on one screen: a throw-away server, two agents, one message. Leaves nothing behind but the build.
# KITE_BIN names a program that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kite=${KITE_BIN:-}
if [[ -z $kite ]]; then
    cargo build --locked
    kite=${CARGO_TARGET_DIR:-target}/debug/kite
fi

# Nothing of the caller's own kite is used or changed: not its settings, not its keyring.
for name in $(compgen -e KITE_); do
    unset "$name"
done
unset DBUS_SESSION_BUS_ADDRESS
umask 077
work=$(mktemp -d)
export KITE_CONFIG_DIR=$work/config KITE_DATA_DIR=$work/data

server=
clean_up() {
    local status=$?
    trap - EXIT
    if [[ $status -ne 0 ]]; then
        echo "It did not work; the server said:" >&2
        cat "$work/server.log" >&2 || true
    fi
    "$kite" --profile alpha logout >/dev/null 2>&1 || true
    "$kite" --profile beta logout >/dev/null 2>&1 || true
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Shows a command as one would type it, and runs it.
run() {
    printf '\n$ kite' >&2
    printf ' %q' "$@" >&2
    printf '\n' >&2
    "$kite" "$@"
}

# A member of the announcements that the server prints, one JSON object per line.
announced() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/announcements" | head -n 1
}

"$kite" serve --json --listen 127.0.0.1:0 --data-dir "$work/server" \
    >"$work/announcements" 2>"$work/server.log" &
server=$!
for _ in $(seq 300); do
    [[ -n $(announced url) ]] && break
    kill -0 "$server"
    sleep 0.1
done
url=$(announced url)
announced api_key >"$work/key"

for name in alpha beta; do
    run --profile "$name" login --server "$url" --with-token <"$work/key"
    run --profile "$name" agent register --name "agent-$name"
done

# The first agent is known to the server since it registered: it misses nothing, however late it listens.
run --profile beta agent send --to agent-alpha "Numbers are in."
run --profile alpha agent listen --count 1 --timeout 30s
