#!/bin/sh
# Runs a PostgreSQL for the tests, in a directory that goes when it goes. An order comes as a line on stdin and is answered
# with the same line once it is carried out. The end of stdin is the end of the test program, however that came about.
#
# usage: postgres.sh BIN_DIR PORT, with the password of the superuser `kite` in PGPASSWORD; with a certificate and its key
# in TLS_CERTIFICATE and TLS_KEY it speaks TLS too
set -eu
bin=$1
port=$2
server=
dir=$(mktemp -d)
trap finish EXIT
# Neither an answer that nobody reads any more is a sudden death, nor the test program's end, which hangs up on a group
# with a halted process in it.
trap '' HUP PIPE

finish() {
    if [ -n "$server" ]; then
        # Halted ones would not hear of their end.
        thaw || :
        kill -QUIT "$server" || :
        wait "$server" || :
    fi
    rm -rf "$dir"
}

prepare() {
    printf '%s\n' "$PGPASSWORD" >"$dir/password"
    # What initdb writes need not survive a power cut; what the server writes must seem to, so fsync stays on below.
    "$bin/initdb" --pgdata "$dir/data" --username kite --pwfile "$dir/password" --auth scram-sha-256 \
        --encoding UTF8 --locale C --no-sync >"$dir/log" 2>&1 || fail
}

# What makes it speak TLS, or nothing.
tls() {
    [ -n "${TLS_KEY-}" ] || return 0
    umask 077
    printf '%s\n' "$TLS_CERTIFICATE" >"$dir/server.crt"
    printf '%s\n' "$TLS_KEY" >"$dir/server.key"
    echo "-c ssl=on -c ssl_cert_file=$dir/server.crt -c ssl_key_file=$dir/server.key"
}

start() {
    # shellcheck disable=SC2046
    # No Unix socket: its path has a length limit that a temporary directory may exceed.
    "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=on -c shared_buffers=32MB -c max_connections=200 $(tls) </dev/null >>"$dir/log" 2>&1 &
    server=$!
    tries=0
    until "$bin/pg_isready" --quiet --host 127.0.0.1 --port "$port"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ] || ! kill -0 "$server" 2>/dev/null; then
            fail
        fi
        sleep 0.05
    done
}

fail() {
    echo "PostgreSQL in $bin does not start:" >&2
    tail -n 20 "$dir/log" >&2
    exit 1
}

stop() {
    kill -INT "$server"
    wait "$server" || :
    server=
}

# The first process is halted before the others and goes on after them, so that it does nothing about them meanwhile.
freeze() {
    kill -STOP "$server"
    signal_children STOP
}

thaw() {
    signal_children CONT
    kill -CONT "$server"
}

# Everything at once, as a power cut would.
crash() {
    kill -STOP "$server"
    signal_children KILL
    kill -KILL "$server"
    # The shell would report the death that was wanted.
    wait "$server" 2>/dev/null || :
    server=
    # A successor is refused while one of them still holds the shared memory.
    for child in $children; do
        while grep -qs '^State:.[^ZX]' "/proc/$child/status"; do
            sleep 0.01
        done
    done
}

signal_children() {
    children=$(cat "/proc/$server/task/$server/children")
    for child in $children; do
        # One may have ended by itself.
        kill "-$1" "$child" 2>/dev/null || :
    done
}

prepare
start
echo start
while read -r order; do
    case $order in
    start | stop | crash | freeze | thaw) "$order" ;;
    *) exit 2 ;;
    esac
    echo "$order"
done
