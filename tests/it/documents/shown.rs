//! What a document shows, held against what came: `…` stands for anything, a line of `…` alone for any lines, and a word in
//! capitals that a command uses later for what was there. How wide the columns of a table are does not count.

use std::collections::BTreeMap;

/// What words in capitals stand for.
pub(super) type Words = BTreeMap<String, String>;

/// How many of the lines what is shown covers, from the first on, with what its words stand for.
pub(super) fn covers(shown: &str, lines: &[&str], words: &Words) -> Option<(usize, Words)> {
    let shown: Vec<String> = shown.lines().map(narrow).collect();
    let lines: Vec<String> = lines.iter().map(|line| narrow(line)).collect();
    from(&shown, &lines, words.clone())
}

/// A line with two spaces between columns.
fn narrow(line: &str) -> String {
    let mut line = line.trim_end().to_owned();
    while line.contains("   ") {
        line = line.replace("   ", "  ");
    }
    line
}

fn from(shown: &[String], lines: &[String], words: Words) -> Option<(usize, Words)> {
    let Some((first, rest)) = shown.split_first() else {
        return Some((0, words));
    };
    if *first == "…" {
        // As few lines as will do; at the end all of them.
        if rest.is_empty() {
            return Some((lines.len(), words));
        }
        return (0..=lines.len()).find_map(|skipped| {
            let (count, words) = from(rest, &lines[skipped..], words.clone())?;
            Some((skipped + count, words))
        });
    }
    let words = line(first, lines.first()?, words)?;
    let (count, words) = from(rest, &lines[1..], words)?;
    Some((count + 1, words))
}

/// Whether one line is what is shown. An entry of `words` that is empty is a word that is not known yet.
fn line(shown: &str, came: &str, mut words: Words) -> Option<Words> {
    if shown.is_empty() {
        return came.is_empty().then_some(words);
    }
    if let Some(rest) = shown.strip_prefix('…') {
        let mut ends = came.char_indices().map(|(at, _)| at).chain([came.len()]);
        return ends.find_map(|end| line(rest, &came[end..], words.clone()));
    }
    let length = word(shown);
    let (name, rest) = shown.split_at(length);
    match words.get(name) {
        Some(known) if !known.is_empty() => line(rest, came.strip_prefix(known.as_str())?, words),
        Some(_) => {
            // As much as will do, up to a space.
            let most = came.find(' ').unwrap_or(came.len());
            let mut ends = (1..=most).rev().filter(|end| came.is_char_boundary(*end));
            ends.find_map(|end| {
                words.insert(name.to_owned(), came[..end].to_owned());
                line(rest, &came[end..], words.clone())
            })
        }
        None => line(rest, came.strip_prefix(name)?, words),
    }
}

/// The length of what is compared as a whole: a word, or else one character.
fn word(text: &str) -> usize {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.find(|c: char| !is_letter(c))
        .unwrap_or(text.len())
        .max(first)
}

/// The words in capitals of a text, which may stand for something.
pub(super) fn capitals(text: &str) -> impl Iterator<Item = &str> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let is_capital =
        |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    text.split(move |c| !is_letter(c)).filter(is_capital)
}

/// The text with each known word in the place of its name. What follows `$` is the shell's.
pub(super) fn filled(text: &str, words: &Words) -> String {
    let (mut rest, mut filled) = (text, String::new());
    while !rest.is_empty() {
        let (name, after) = rest.split_at(word(rest));
        match words.get(name) {
            Some(known) if !known.is_empty() && !filled.ends_with(['$', '{']) => filled += known,
            _ => filled += name,
        }
        rest = after;
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pairs: &[(&str, &str)]) -> Words {
        let pairs = pairs.iter();
        pairs
            .map(|(name, known)| ((*name).to_owned(), (*known).to_owned()))
            .collect()
    }

    #[test]
    fn dots_stand_for_anything_and_all_else_for_itself() {
        let none = words(&[]);
        let fits = |shown: &str, came: &[&str]| covers(shown, came, &none).map(|(count, _)| count);
        assert_eq!(fits("[…] a → b: Hi", &["[1x] a → b: Hi"]), Some(1));
        assert_eq!(fits("[…] a → b: Hi", &["[1x] a → b: Hi!"]), None);
        assert_eq!(fits("[…] a → b: H…", &["[1x] a → b: Hi!"]), Some(1));
        assert_eq!(fits("a\n…\nd", &["a", "b", "c", "d", "e"]), Some(4));
        assert_eq!(fits("a\n…", &["a", "b", "c"]), Some(3));
        assert_eq!(fits("a\nb", &["a"]), None);
        assert_eq!(fits("a", &["ab"]), None);
        assert_eq!(fits("id  name", &["id      name"]), Some(1));
        assert_eq!(fits("id  name", &["id name"]), None);
    }

    #[test]
    fn a_word_in_capitals_is_what_was_there() {
        let open = words(&[("EVENT", "")]);
        let (_, known) = covers("[EVENT] for EVENT", &["[0a-1] for 0a-1"], &open).unwrap();
        assert_eq!(known["EVENT"], "0a-1");
        assert!(covers("[EVENT] for EVENT", &["[0a-1] for 0a-2"], &open).is_none());
        assert!(covers("[EVENTS]", &["[0a-1]"], &open).is_none());
        assert_eq!(
            filled("x EVENT $EVENT EVENTS", &known),
            "x 0a-1 $EVENT EVENTS"
        );
        let found: Vec<&str> = capitals("a CODE, KEY_FILE OK x").collect();
        assert_eq!(found, ["CODE", "KEY_FILE"]);
    }
}
