//! `docs/demo.svg` shows what `kite demo` says today; `scripts/record.sh` makes it anew.

use std::fs;
use std::path::Path;

use crate::support::cli::Person;

/// The text of a line that has another number each time, with 0 for every number.
fn without_numbers(line: &str) -> String {
    let mut kept = String::new();
    for c in line.trim_end().chars() {
        match c {
            '0'..='9' if kept.ends_with('0') => {}
            // Of a fraction, or an address.
            '.' if kept.ends_with('0') => {}
            '0'..='9' => kept.push('0'),
            c => kept.push(c),
        }
    }
    kept
}

/// The lines of the picture: the texts that have the same height.
fn lines(svg: &str) -> Vec<String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for text in svg.split("<text ").skip(1) {
        let (_, height) = text.split_once(" y=\"").unwrap();
        let (height, _) = height.split_once('"').unwrap();
        let (_, words) = text.split_once('>').unwrap();
        let (words, _) = words.split_once("</text>").unwrap();
        match lines.last_mut() {
            Some((last, line)) if last == height => line.push_str(words),
            _ => lines.push((height.to_owned(), words.to_owned())),
        }
    }
    let plain = |line: String| {
        let line = line
            .replace('\u{a0}', " ")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
        line.replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&amp;", "&")
    };
    lines.into_iter().map(|(_, line)| plain(line)).collect()
}

#[test]
fn the_recording_shows_what_the_demo_says_today() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let svg = fs::read_to_string(root.join("docs/demo.svg")).unwrap();
    let shown = lines(&svg);
    assert_eq!(shown[0], "$ kite demo");
    let ended = Person::new().kite(&["demo"]).succeeds();
    let said: Vec<String> = ended.stdout.lines().map(without_numbers).collect();
    let shown: Vec<String> = shown[1..]
        .iter()
        .map(|line| without_numbers(line))
        .collect();
    let hint = "`scripts/record.sh` makes it anew";
    assert_eq!(shown[..said.len()], said, "{hint}");
    // What follows it is said on stderr.
    for line in &shown[said.len()..] {
        let mut notes = ended.stderr.lines().map(without_numbers);
        assert!(notes.any(|note| note == *line), "`{line}`: {hint}");
    }
}
