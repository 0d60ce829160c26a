//! Words that come from outside, as they stand in types, sources and summaries (spec 10.1, 10.3).

use crate::protocol::view::{self, View};

use super::Request;

/// The longest word that a header or body may lend to a type, in characters.
const TYPE_MAX_CHARS: usize = 128;

/// The longest name that goes into a source, in bytes: that of a host.
const NAME_MAX_BYTES: usize = 253;

/// A word as part of a type: trimmed, lower case, everything unusual an underscore.
pub(super) fn for_type(text: &str) -> String {
    let word: String = text
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        })
        .collect();
    match word.len() {
        1..=TYPE_MAX_CHARS => word,
        _ => "event".to_owned(),
    }
}

/// As [`for_type`]; a missing word is `event`.
pub(super) fn for_type_or_event(text: Option<&String>) -> String {
    for_type(text.map_or("", String::as_str))
}

/// A name as part of a source; none where it could be anything but a name.
pub(super) fn for_source(name: Option<&str>) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.map(str::trim)
        .filter(|name| (1..=NAME_MAX_BYTES).contains(&name.len()) && name.chars().all(is_plain))
}

/// Who did something, in a summary.
pub(super) fn person(text: Option<String>) -> String {
    or(text, "someone")
}

/// What happened, in a summary.
pub(super) fn event(text: Option<String>) -> String {
    or(text, "event")
}

/// Anything else in a summary.
pub(super) fn known(text: Option<String>) -> String {
    or(text, "unknown")
}

fn or(text: Option<String>, missing: &str) -> String {
    let text = text.unwrap_or_default();
    match text.trim() {
        "" => missing.to_owned(),
        text => text.to_owned(),
    }
}

/// Looks into JSON text that nobody checked yet.
pub(super) fn view(text: &str) -> Option<View<'_>> {
    view::check(text).ok().map(|(_, view)| view)
}

/// The JSON that some providers put into a form, as its field `payload`.
pub(super) fn form_payload(request: &Request<'_>, form: &View<'_>) -> Option<String> {
    match request.is_form() {
        true => form.text("payload"),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_types_are_tame() {
        assert_eq!(for_type(" Pull Request "), "pull_request");
        assert_eq!(for_type("a/b\u{1b}é"), "a_b__");
        assert_eq!(for_type("  "), "event");
        assert_eq!(for_type(&"x".repeat(129)), "event");
    }

    #[test]
    fn only_plain_names_become_part_of_a_source() {
        assert_eq!(for_source(Some(" T-1 ")), Some("T-1"));
        for other in ["", "a b", "a/b", "a\u{7}", "é", &"x".repeat(254)] {
            assert_eq!(for_source(Some(other)), None, "{other}");
        }
    }

    #[test]
    fn missing_words_are_told_by_their_kind() {
        assert_eq!(person(None), "someone");
        assert_eq!(event(Some(" ".to_owned())), "event");
        assert_eq!(known(Some(" a b ".to_owned())), "a b");
    }
}
