//! Request headers: looked up without regard to case, and kept beside the event without what is secret or of the
//! connection (spec 10.2).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::protocol::token::{Token, TokenKind};

/// What the kept headers may take together, in bytes of names and values.
const KEPT_MAX_BYTES: usize = 16 * 1024;

/// Headers of the connection, of proxies, and credentials.
const DROPPED: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
];

/// Parts of names that speak of a credential.
const CREDENTIAL_PARTS: &[&str] = &["token", "secret", "api-key", "apikey"];

/// Headers by lower-case name; repeated ones are joined with `, `.
#[derive(Debug, Clone, Default)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// Collects headers in the order in which they came.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in pairs {
            headers
                .entry(name.as_ref().to_ascii_lowercase())
                .and_modify(|joined| {
                    joined.push_str(", ");
                    joined.push_str(value.as_ref());
                })
                .or_insert_with(|| value.as_ref().to_owned());
        }
        Self(headers)
    }

    /// Adds headers; one that is there already is replaced.
    pub fn extend(&mut self, pairs: impl IntoIterator<Item = (&'static str, String)>) {
        let pairs = pairs.into_iter();
        self.0
            .extend(pairs.map(|(name, value)| (name.to_ascii_lowercase(), value)));
    }

    /// A header, however its name is written.
    pub fn get(&self, name: &str) -> Option<&str> {
        let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        let found = match is_lower {
            true => self.0.get(name),
            false => self.0.get(&name.to_ascii_lowercase()),
        };
        found.map(String::as_str)
    }

    /// All of them, with names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is such a header.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What looks like a hook token, anywhere in a value.
    pub fn hook_tokens(&self) -> impl Iterator<Item = Token> {
        let values = self.0.values();
        values.flat_map(|value| Token::found_in(value, TokenKind::HookToken))
    }

    /// These without those that hold the hook token, if there is one.
    pub fn without(&self, hook_token: Option<&str>) -> Cow<'_, Self> {
        let holds = |value: &String| hook_token.is_some_and(|token| value.contains(token));
        if !self.0.values().any(holds) {
            return Cow::Borrowed(self);
        }
        let mut headers = self.clone();
        headers.0.retain(|_, value| !holds(value));
        Cow::Owned(headers)
    }

    /// What is kept beside the event, as the text of a JSON object of strings.
    pub fn to_keep(&self, hook_token: Option<&str>) -> String {
        let headers = self.without(hook_token);
        let mut kept: BTreeMap<&str, &str> = headers
            .0
            .iter()
            .filter(|(name, _)| is_kept(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut bytes: usize = kept
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        while bytes > KEPT_MAX_BYTES {
            let longest = kept.iter().max_by_key(|(_, value)| value.len());
            let Some((name, value)) = longest.map(|(name, value)| (*name, *value)) else {
                break;
            };
            bytes -= name.len() + value.len();
            kept.remove(name);
        }
        // Strings only: it always serialises.
        let text = serde_json::to_string(&kept).unwrap_or_default();
        without_controls(text)
    }
}

/// JSON text without the control characters that JSON lets stand as they are (U+007F to U+009F): no attribute of an event
/// may hold one.
fn without_controls(json: String) -> String {
    if !json.contains(char::is_control) {
        return json;
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c.is_control() {
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    text
}

/// Whether a header, by its lower-case name, says something about the event rather than about the connection or a
/// credential.
pub fn is_kept(name: &str) -> bool {
    // For words as short as these a search that prepares itself takes longer than looking at each place.
    let bytes = name.as_bytes();
    let speaks_of = |part: &&str| {
        bytes
            .windows(part.len())
            .any(|place| place == part.as_bytes())
    };
    let is_credential =
        CREDENTIAL_PARTS.iter().any(speaks_of) && name != "i-twilio-idempotency-token";
    !is_credential
        && !DROPPED.contains(&name)
        && !name.starts_with("x-forwarded-")
        && !name.starts_with("cf-")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kept_headers_have_no_control_character_and_mean_the_same() {
        let headers = Headers::new([("a", "\u{9b}31m\t\u{85}\u{7f}é")]);
        let kept = headers.to_keep(None);
        assert!(!kept.contains(char::is_control), "{kept:?}");
        let kept: BTreeMap<String, String> = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept["a"], "\u{9b}31m\t\u{85}\u{7f}é");
    }

    #[test]
    fn tokens_are_found_wherever_they_stand() {
        let token = Token::mint(TokenKind::HookToken, &[7; 20]);
        let flood = format!("{} {}; x", "khk_".repeat(10), token.reveal());
        let glued = format!("{}x_y", token.reveal());
        let found = |value: &str| Headers::new([("a", value)]).hook_tokens().count();
        assert_eq!(found(&flood), 1);
        assert_eq!(found(token.reveal()), 1);
        assert_eq!(found(&glued), 0);
        assert_eq!(found(&"khk_".repeat(100)), 0);
    }

    #[test]
    fn the_longest_values_go_first_when_there_are_too_many() {
        let long = "x".repeat(10_000);
        let longer = "y".repeat(12_000);
        let headers = Headers::new([("a", long.as_str()), ("b", longer.as_str()), ("c", "1")]);
        let kept: BTreeMap<String, String> = serde_json::from_str(&headers.to_keep(None)).unwrap();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["a", "c"]);
    }

    const TOKEN: &str = "khk_0a1b2c3d_00112233445566778899aabbccddeeff";

    #[test]
    fn control_characters_that_json_knows_nothing_of_are_escaped() {
        let headers = Headers::new([("a", "x\u{7f}\u{80}\u{9f}\ty")]);
        let kept = headers.to_keep(None);
        assert_eq!(kept, r#"{"a":"x\u007f\u0080\u009f\ty"}"#);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_bounded_tame_and_without_the_token(
            names in vec("[a-z-]{1,12}|x-api-key|Cookie|cf-ray", 0..8),
            values in vec("[\\PC\t\u{80}-\u{9f}]{0,12}", 8),
            repeated in vec(0..3000usize, 8),
            holder in 0..8usize,
        ) {
            let values = values.iter().zip(&repeated).map(|(value, times)| value.repeat(*times));
            let mut pairs: Vec<_> = names.iter().zip(values).collect();
            if let Some((_, value)) = pairs.get_mut(holder) {
                value.push_str(TOKEN);
            }
            let headers = Headers::new(pairs);
            let kept = headers.to_keep(Some(TOKEN));
            prop_assert!(!kept.contains(TOKEN));
            prop_assert!(!kept.contains(char::is_control));
            let kept: BTreeMap<String, String> = serde_json::from_str(&kept).unwrap();
            let bytes: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(bytes <= KEPT_MAX_BYTES);
            for (name, value) in kept {
                prop_assert!(is_kept(&name));
                prop_assert_eq!(headers.get(&name), Some(value.as_str()));
            }
        }

        #[test]
        fn a_token_is_found_wherever_it_stands(before in "[ -~]{0,9}|(khk){0,99}", after in "([ .,;/é-][ -~]{0,9})?") {
            let headers = Headers::new([("a", format!("{before}{TOKEN}{after}"))]);
            prop_assert!(headers.hook_tokens().any(|token| token.reveal() == TOKEN));
        }
    }
}
