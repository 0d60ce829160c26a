//! Texts that somebody else wrote, made safe to show.

use std::borrow::Cow;
use std::fmt::Write;

use crate::protocol::summary::is_hidden;

/// Makes every control character but TAB visible, and with them what turns the direction of a line or ends it: a text
/// cannot move the cursor, forge a line or hide a part of one.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\t' && is_hidden(c))
}

/// As [`visible`], for a text that we laid out in lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\t' && c != '\n' && is_hidden(c))
}

/// A text of several lines: those after the first are indented, so that none of them passes for one of ours.
pub fn indented(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text
        .split('\n')
        .map(|line| visible(line.strip_suffix('\r').unwrap_or(line)))
        .collect();
    lines.join("\n    ")
}

fn escape(text: &str, is_shown_as_code: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_shown_as_code) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !is_shown_as_code(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            // Writing to a string cannot fail.
            c => drop(write!(shown, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

/// A text as a shell reads it as one word.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_reach_the_terminal() {
        assert_eq!(
            visible("a\u{1b}[31m\tb\r\n\u{9b}"),
            "a\\u{1b}[31m\tb\\r\\n\\u{9b}"
        );
        assert_eq!(visible("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(visible("grüße → 😀"), "grüße → 😀");
        assert_eq!(visible_lines("a\nb\u{7}"), "a\nb\\u{7}");
    }

    #[test]
    fn a_second_line_cannot_pass_for_a_message() {
        assert_eq!(
            indented("one\r\n[id] a → b: two\n"),
            "one\n    [id] a → b: two\n    "
        );
    }

    #[test]
    fn a_shell_reads_any_text_as_one_word() {
        assert_eq!(shell_word("/a/b.key"), "/a/b.key");
        assert_eq!(shell_word("/a b/it's"), r"'/a b/it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
