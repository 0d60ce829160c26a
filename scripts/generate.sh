#!/usr/bin/env bash
# Writes completions/ and man/ anew from the program, and docs/openapi.json from a server of the tests. Where KITE_BIN names
# another program than the one built here, the first two alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kite=${KITE_BIN:-}
if [[ -z $kite ]]; then
    cargo build --locked --quiet
    kite=target/debug/kite
fi

rm -rf completions man
mkdir completions
"$kite" completions bash >completions/kite.bash
"$kite" completions zsh >completions/_kite
"$kite" completions fish >completions/kite.fish
"$kite" completions powershell >completions/_kite.ps1
"$kite" completions elvish >completions/kite.elv
"$kite" man man >/dev/null
[[ -z ${KITE_BIN:-} ]] || exit 0
KITE_TEST_WRITES_OPENAPI=1 cargo test --locked --quiet --test it -- openapi::document::the_copy_in_docs_is_fresh >/dev/null
