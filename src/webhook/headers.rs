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

/// More characters than a token has.
const TOKEN_MAX_CHARS: usize = 160;

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

    /// Adds headers that are not there yet.
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

    /// Whether there is such a header.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What looks like a hook token, anywhere in a value.
    pub fn hook_tokens(&self) -> impl Iterator<Item = Token> {
        let scheme = TokenKind::HookToken.scheme();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.0.values().flat_map(move |value| {
            value.match_indices(scheme).filter_map(move |(at, _)| {
                let rest = &value[at..];
                let end = rest
                    .char_indices()
                    .take(TOKEN_MAX_CHARS)
                    .find(|(_, c)| !is_part(*c));
                // What is longer is none; so a header full of beginnings costs no square of its length.
                let end = end.map_or(rest.len(), |(end, _)| end);
                Token::parse(&rest[..end]).ok()
            })
        })
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
        without_controls(serde_json::to_string(&kept).unwrap_or_default())
    }
}

/// A JSON text whose strings have all control characters escaped. The JSON library leaves those above ASCII as they are,
/// and no attribute of an event may have one.
fn without_controls(json: String) -> String {
    if !json.contains(char::is_control) {
        return json;
    }
    json.chars().fold(String::new(), |mut text, c| {
        match c.is_control() {
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
        text
    })
}

fn is_kept(name: &str) -> bool {
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
}
