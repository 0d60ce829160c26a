#!/usr/bin/env bash
# Makes the release archive and its sum in DIR (default: target/package). KITE_BIN names another program than the release
# build of this clone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:-target/package}
kite=${KITE_BIN:-}
if [[ -z $kite ]]; then
    cargo build --release --locked
    kite=target/release/kite
fi

version=$("$kite" --version)
system=$(uname -s | tr '[:upper:]' '[:lower:]')
name=kite-${version#kite }-$system-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/$name"
cp "$kite" "$work/$name/kite"
cp -R completions man LICENSE README.md install.sh "$work/$name/"

# The same content makes the same archive, where tar can leave out who made it and when.
options=()
if tar --version | grep -q GNU; then
    options=(--sort=name --owner=0 --group=0 --numeric-owner --mtime=@0)
fi
tar "${options[@]}" -C "$work" -cf - "$name" | gzip -n >"$out/$name.tar.gz"
cd "$out"
if command -v sha256sum >/dev/null; then
    sha256sum "$name.tar.gz" >"$name.tar.gz.sha256"
else
    shasum -a 256 "$name.tar.gz" >"$name.tar.gz.sha256"
fi
printf '%s\n' "$PWD/$name.tar.gz"
