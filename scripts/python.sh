#!/usr/bin/env bash
# Makes target/python/NAME for each NAME: a Python environment of the tests' own, with exactly what tests/it/python/NAME.txt
# says. Where it is there already, nothing is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

make() {
    local wanted=tests/it/python/$1.txt made=target/python/$1
    [[ -f $wanted ]] || {
        echo "there is no environment $1: tests/it/python has" tests/it/python/*.txt >&2
        exit 2
    }
    cmp --quiet "$wanted" "$made/requirements.txt" && return
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        local as_root=()
        [[ $(id -u) -eq 0 ]] || as_root=(sudo --non-interactive)
        "${as_root[@]}" apt-get update
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends python3 python3-venv
    fi
    rm -rf "$made"
    mkdir -p target/python
    python3 -m venv "$made"
    "$made/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
    # Last: an environment that was not finished is made again.
    cp "$wanted" "$made/requirements.txt"
}

for name in "$@"; do
    make "$name"
done
