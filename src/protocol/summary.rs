//! One-line texts about events (spec 10.3).

/// The longest summary, in characters.
pub const SUMMARY_MAX_CHARS: usize = 200;

/// How many characters of a message body its summary shows.
pub const PREVIEW_MAX_CHARS: usize = 80;

/// Makes a text one line of at most [`SUMMARY_MAX_CHARS`]: CR, LF and TAB become a space, other control characters
/// vanish, and what is too long ends in `…` on a character boundary.
pub fn one_line(text: &str) -> String {
    // Almost always it is one already.
    if text.len() <= SUMMARY_MAX_CHARS && !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let cleaned = text.chars().filter_map(|c| match c {
        '\r' | '\n' | '\t' => Some(' '),
        c if c.is_control() => None,
        c => Some(c),
    });
    let mut line = String::with_capacity(text.len().min(SUMMARY_MAX_CHARS * 4));
    for (count, c) in cleaned.enumerate() {
        if count == SUMMARY_MAX_CHARS {
            line.pop();
            line.push('…');
            break;
        }
        line.push(c);
    }
    line
}

/// What can move a terminal's cursor, forge a line or hide a part of one: control characters, line and paragraph separators, and the marks that reorder what stands on a line.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first [`PREVIEW_MAX_CHARS`] characters of a message body, followed by `…` when there are more.
pub fn preview(body: &str) -> String {
    match body.char_indices().nth(PREVIEW_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &body[..end]),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_short_tame_and_stays_as_it_is(text in "\\PC{0,20}|[a\u{7}\u{9f}\r\t é]{190,210}") {
            let line = one_line(&text);
            prop_assert!(line.chars().count() <= SUMMARY_MAX_CHARS);
            prop_assert!(!line.contains(char::is_control));
            prop_assert_eq!(one_line(&line), line);
        }
    }
}
