#!/usr/bin/env bash
# Makes docs/demo.svg: what `kite demo` shows in a terminal, with its colours. Takes the kite of the PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec python3 - docs/demo.svg <<'END'
import html, os, pty, re, subprocess, sys

COMMAND = ["kite", "demo"]
COLUMNS = 114
# In pixels: of a character, of a line, and round the text.
WIDTH, HEIGHT, MARGIN, BAR = 8.4, 20, 20, 36
# A space that SVG keeps.
NO_BREAK = "\u00a0"
# What the terminal colours are here, by their number.
COLOURS = {"31": "#ff7b72", "32": "#3fb950", "33": "#d29922", "34": "#58a6ff", "36": "#39c5cf"}


def output():
    """What the command writes into a terminal."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm-256color"}
    program = subprocess.Popen(COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        text += part
    if program.wait() != 0:
        sys.exit(f"`{' '.join(COMMAND)}` failed:\n{text.decode()}")
    return text.decode().replace("\r", "")


def spans(line):
    """The parts of a line, each with its look."""
    look, column = "", 0
    for part in re.split(r"(\x1b\[[0-9;]*[A-Za-z])", line):
        if part.startswith("\x1b"):
            codes = part[2:-1].split(";")
            colour = next((COLOURS[code] for code in codes if code in COLOURS), None)
            look = f' fill="{colour}"' if colour else ""
            look += ' font-weight="bold"' if "1" in codes else ""
        elif part:
            yield column, len(part), look, part
            column += len(part)


def line(number, text):
    y = BAR + MARGIN + HEIGHT * number
    for column, length, look, part in spans(text):
        x, width = MARGIN + WIDTH * column, WIDTH * length
        shown = html.escape(part).replace(" ", NO_BREAK)
        yield f'<text x="{x:g}" y="{y}" textLength="{width:g}"{look}>{shown}</text>'


lines = [f"\x1b[1;34m$\x1b[0m {' '.join(COMMAND)}", *output().rstrip("\n").split("\n")]
if any(sum(length for _, length, _, _ in spans(text)) > COLUMNS for text in lines):
    sys.exit(f"a line is longer than {COLUMNS} characters")
width, height = WIDTH * COLUMNS + 2 * MARGIN, BAR + HEIGHT * len(lines) + MARGIN
dots = [f'<circle cx="{MARGIN + 20 * at}" cy="18" r="6" fill="{fill}"/>' for at, fill in enumerate(["#ff5f57", "#febc2e", "#28c840"])]
rows = [row for number, text in enumerate(lines) for row in line(number, text)]
with open(sys.argv[1], "w", encoding="utf-8") as svg:
    svg.write("\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">',
        f"<title>A terminal: {' '.join(COMMAND)}</title>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#0d1117"/>',
        *dots,
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14"'
        ' fill="#c9d1d9">',
        *rows,
        "</g>",
        "</svg>",
        "",
    ]))
END
