#!/usr/bin/env bash
# Everything that must hold before a change goes in: format, lints of both builds, all tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Installs the package ($2) that brings a missing program ($1). It may be there outside of the PATH ($3, a pattern).
need() {
    command -v "$1" >/dev/null && return
    [[ -z ${3:-} ]] || ! compgen -G "$3" >/dev/null || return 0
    local as_root=()
    [[ $(id -u) -eq 0 ]] || as_root=(sudo --non-interactive)
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$2"
}

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: https://rustup.rs installs it; the toolchain is named in rust-toolchain.toml" >&2
    exit 1
fi
# Where Debian puts servers.
PATH=$PATH:/usr/sbin
need cc build-essential
need chromium chromium
need chromedriver chromium-driver
need curl curl
need haproxy haproxy
need postgres postgresql '/usr/lib/postgresql/*/bin/postgres'
need shellcheck shellcheck
need systemd-analyze systemd
scripts/python.sh mcp openapi openintent schemas

shellcheck install.sh scripts/*.sh tests/it/support/*.sh .ci/run
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
cargo clippy --locked --all-targets --no-default-features -- -D warnings
cargo test --locked
# What a client meets, once more on PostgreSQL.
KITE_TEST_ON=postgres cargo test --locked --test it -- \
    agents_at_peers:: bad_input:: calls:: clients:: invites:: limits:: login:: openintent:: openintent_delegation:: paperclip:: publish:: streams:: \
    teams:: tenancy:: trace:: trigger:: vectors:: webhooks::
