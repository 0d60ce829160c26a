#!/bin/sh
# Installs kite from a clone of its source, or from a release archive, and takes it away again.
# It asks nothing, and writes nowhere but below the prefix. `--help` says more.
set -eu

say() { printf '%s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
    exit "${3:-1}"
}

help() {
    cat <<'END'
Installs kite: the program, its manual, and completions for your shell.

  ./install.sh                                builds it from this clone
  ./install.sh --archive FILE --sha256 HEX    takes it from a release archive
  ./install.sh --uninstall                    removes what was installed, and nothing else

Options:
  --prefix DIR    below which everything goes [default: ~/.local; as root /usr/local]
  --shell NAME    whose completions: bash, zsh, fish, all or none [default: your shell's]
  --force         replace files that this script did not install
  --help          print this

Exit: 0 done, 1 failed, 2 wrong usage. It never asks anything.
END
}

usage() { fail "$1" "./install.sh --help" 2; }

# A file that has to be gone, and a directory, when this ends.
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

has() { command -v "$1" >/dev/null 2>&1; }

# --- what is wanted

prefix='' archive='' sum='' shell='' action=install force=no
value() { [ "$1" -ge 2 ] || usage "$2 needs a value"; }
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) value $# "$1"; prefix=$2; shift ;;
        --archive) value $# "$1"; archive=$2; shift ;;
        --sha256) value $# "$1"; sum=$2; shift ;;
        --shell) value $# "$1"; shell=$2; shift ;;
        --uninstall) action=uninstall ;;
        --force) force=yes ;;
        -h | --help) help; exit 0 ;;
        *) usage "unknown argument \`$1\`" ;;
    esac
    shift
done

if [ -z "$prefix" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        prefix=/usr/local
    else
        prefix=${HOME:?is not set: name a directory with --prefix}/.local
    fi
fi
case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac
prefix=${prefix%/}
case $prefix/ in
    */../* | */./* | *'
'*) usage "\`$prefix\` is not a plain path" ;;
esac
# Not below share/kite: in a home that is where kite keeps its data.
manifest=$prefix/lib/kite/manifest

case $shell in
    bash | zsh | fish | all | none) ;;
    '')
        shell=$(basename "${SHELL:-none}")
        case $shell in bash | zsh | fish) ;; *) shell=none ;; esac
        ;;
    *) usage "--shell takes bash, zsh, fish, all or none" ;;
esac

# --- taking away

# Whether the manifest names this file ($1).
is_ours() { [ -f "$manifest" ] && grep -Fqx "file $1" "$manifest"; }

uninstall() {
    [ -f "$manifest" ] || fail "nothing is installed below \`$prefix\`" "name the directory with --prefix"
    while read -r kind path; do
        case $kind:$path in
            */../*) fail "\`$manifest\` names \`$path\`" "remove the files by hand" ;;
            "file:$prefix/"*)
                [ ! -e "$path" ] || say "removed $path"
                rm -f "$path"
                ;;
        esac
    done <"$manifest"
    # Deeper directories first; those that hold anything else stay.
    sed -n 's/^dir //p' "$manifest" | sort -r >"$manifest.dirs"
    rm -f "$manifest"
    directories=$(cat "$manifest.dirs")
    rm -f "$manifest.dirs"
    printf '%s\n' "$directories" | while read -r path; do
        case $path in
            "$prefix" | "$prefix"/*) rmdir "$path" 2>/dev/null || : ;;
        esac
    done
    say "kite is gone. Its configuration and data stay: $(settings)"
}

settings() {
    case $(uname -s) in
        Darwin) say "Library/Application Support/dev.kite.kite in your home" ;;
        *) say ".config/kite and .local/share/kite in your home" ;;
    esac
}

# --- where it comes from: each of the two sets $from, with kite, completions/ and man/ in it

# The SHA-256 sum of a file ($1), and more behind it.
sha256() {
    if has sha256sum; then
        sha256sum "$1"
    elif has shasum; then
        shasum -a 256 "$1"
    elif has openssl; then
        openssl dgst -sha256 -r "$1"
    else
        fail "there is no program for SHA-256 sums" "install one of sha256sum, shasum, openssl"
    fi
}

unpack() {
    [ -n "$sum" ] || usage "--archive needs --sha256: the sum stands beside the archive where you got it"
    [ -f "$archive" ] || fail "there is no archive \`$archive\`"
    has tar || fail "\`tar\` is missing" "your system's packages have it"
    wanted=$(printf %s "$sum" | tr 'A-F' 'a-f')
    found=$(sha256 "$archive")
    found=${found%% *}
    [ "$found" = "$wanted" ] ||
        fail "the sum of \`$archive\` is $found, not $wanted" "get the archive again; do not use this one"
    work=$(mktemp -d)
    tar -xzf "$archive" -C "$work" || fail "\`$archive\` cannot be unpacked"
    for from in "$work"/kite-*; do
        [ -f "$from/kite" ] && return
    done
    fail "\`$archive\` is no release archive of kite"
}

build() {
    source=$(cd "$(dirname "$0")" && pwd)
    [ -f "$source/Cargo.toml" ] ||
        fail "there is no source beside this script" "run it in a clone, or name a release with --archive and --sha256"
    missing=''
    # Where rustup puts it; a shell that was open then does not know.
    has cargo || PATH=$PATH:${HOME:-}/.cargo/bin
    has cargo || missing="cargo: https://rustup.rs installs it"
    if ! has cc && ! has gcc && ! has clang; then
        missing="$missing${missing:+
}a C compiler: $(compiler)"
    fi
    [ -z "$missing" ] || fail "to build kite these are missing:
$missing" "install them and run this again"
    say "building kite; the first time takes some minutes"
    # In the clone, so that its toolchain file counts.
    (cd "$source" && cargo build --release --locked --target-dir "$source/target") ||
        fail "the build failed" "what cargo said stands above"
    work=$(mktemp -d)
    from=$work
    cp "$source/target/release/kite" "$from/kite"
    cp -R "$source/completions" "$source/man" "$from/"
}

compiler() {
    case $(uname -s) in
        Darwin) say "\`xcode-select --install\` installs it" ;;
        *)
            if has apt-get; then
                say "\`apt-get install build-essential\` installs it"
            elif has dnf; then
                say "\`dnf install gcc\` installs it"
            elif has apk; then
                say "\`apk add build-base\` installs it"
            elif has pacman; then
                say "\`pacman -S base-devel\` installs it"
            else
                say "your system's packages have gcc or clang"
            fi
            ;;
    esac
}

# --- putting it there

# Notes a line ($1) for the manifest before it becomes true: what breaks off in the middle can be taken away too.
note() {
    grep -Fqx "$1" "$notes" 2>/dev/null || say "$1" >>"$notes"
}

# Makes a directory ($1) and those above it, and notes those that were not there.
directory() {
    [ ! -d "$1" ] || return 0
    directory "$(dirname "$1")"
    note "dir $1"
    mkdir "$1" || fail "cannot make the directory \`$1\`" "--prefix names another place"
}

# Refuses to replace what somebody else put there.
check() {
    if [ -e "$1" ] && [ "$force" = no ] && ! is_ours "$1"; then
        fail "\`$1\` is there, and this script did not install it" "move it away, or replace it with --force"
    fi
}

# Copies a file ($1) to its place ($2) with a mode ($3): whole or not at all, also over a program that runs.
place() {
    directory "$(dirname "$2")"
    note "file $2"
    rm -f "$2.new"
    cp "$1" "$2.new" || fail "cannot write \`$2\`" "--prefix names another place"
    chmod "$3" "$2.new"
    mv -f "$2.new" "$2"
}

# Every file and its place, one pair a line.
plan() {
    say "kite:$prefix/bin/kite"
    for page in "$from"/man/*.1; do
        say "man/${page##*/}:$prefix/share/man/man1/${page##*/}"
    done
    case $shell in bash | all) say "completions/kite.bash:$prefix/share/bash-completion/completions/kite" ;; esac
    case $shell in zsh | all) say "completions/_kite:$prefix/share/zsh/site-functions/_kite" ;; esac
    case $shell in fish | all) say "completions/kite.fish:$prefix/share/fish/vendor_completions.d/kite.fish" ;; esac
}

install() {
    plan >"$work/plan"
    while IFS=: read -r _ target; do
        check "$target"
    done <"$work/plan"
    notes=$work/notes
    directory "$(dirname "$manifest")"
    [ ! -f "$notes" ] || cat "$notes" >>"$manifest"
    notes=$manifest
    while IFS=: read -r file target; do
        case $file in kite) mode=755 ;; *) mode=644 ;; esac
        place "$from/$file" "$target" "$mode"
    done <"$work/plan"
    # What an earlier version had and this one has not.
    sed -n 's/^file //p' "$manifest" | while read -r old; do
        cut -d : -f 2- "$work/plan" | grep -Fqx "$old" || rm -f "$old"
    done
    {
        sed -n '/^dir /p' "$manifest"
        cut -d : -f 2- "$work/plan" | sed 's/^/file /'
    } >"$work/manifest"
    cp "$work/manifest" "$manifest.new"
    mv -f "$manifest.new" "$manifest"
}

report() {
    say "installed $("$prefix/bin/kite" --version):"
    say "  program      $prefix/bin/kite"
    say "  manual       $prefix/share/man/man1 (\`man kite\`)"
    case $shell in
        none) say "  completions  none; \`kite completions --help\` says how" ;;
        *) grep -E '(/completions/kite|/_kite|/kite.fish)$' "$manifest" | sed 's/^file /  completions  /' ;;
    esac
    case $shell in
        zsh | all)
            [ "$prefix" = /usr/local ] ||
                say "  zsh finds them with \`fpath+=($prefix/share/zsh/site-functions)\` before \`compinit\` in ~/.zshrc"
            ;;
    esac
    case :$PATH: in
        *":$prefix/bin:"*) say "PATH has $prefix/bin: \`kite demo\` shows what kite does" ;;
        *) say "PATH lacks $prefix/bin: \`export PATH=\"$prefix/bin:\$PATH\"\`, also in your shell's start file" ;;
    esac
    say "to undo: $0 --uninstall --prefix \"$prefix\""
}

if [ "$action" = uninstall ]; then
    uninstall
    exit 0
fi
case $sum:$archive in
    ?*:) usage "--sha256 is for --archive" ;;
    :) build ;;
    *) unpack ;;
esac
install
report
