#!/usr/bin/env bash
# Makes target/openintent-sdk: a Python environment of the tests' own, with the reference implementation of OpenIntent in
# exactly the versions of tests/it/openintent/requirements.txt. Where it is there already, nothing is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=tests/it/openintent/requirements.txt
made=target/openintent-sdk
cmp --quiet "$wanted" "$made/requirements.txt" && exit 0

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    as_root=()
    [[ $(id -u) -eq 0 ]] || as_root=(sudo --non-interactive)
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends python3 python3-venv
fi
rm -rf "$made"
mkdir -p target
python3 -m venv "$made"
"$made/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
# Last: an environment that was not finished is made again.
cp "$wanted" "$made/requirements.txt"
