//! What kite asks of JSON text beyond its grammar (spec 10).
//!
//! `data` travels as text, so what a receiver's parser would choke on has to be found here: published clients fail on
//! frames deeper than 128, on numbers that no double can hold, and on half a surrogate pair.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr2;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The deepest nesting of arrays and objects that is accepted.
pub const MAX_DEPTH: usize = 120;

/// Why a text is not accepted as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The bytes are not UTF-8.
    #[error("not UTF-8 (first bad byte at offset {0})")]
    NotUtf8(usize),
    /// The text breaks the grammar.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// Too many levels.
    #[error("the JSON nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A number beyond what a double can hold.
    #[error("the number `{0}` is larger than any receiver can hold")]
    Number(String),
    /// A form that would become an object of too many members.
    #[error("the form has more than {0} fields")]
    TooManyFields(usize),
    /// A `\uD800`-like escape without its other half.
    #[error("a string holds half of a surrogate pair (`\\{0}`)")]
    Surrogate(String),
}

/// Checks that bytes are UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, JsonFault> {
    std::str::from_utf8(bytes).map_err(|error| JsonFault::NotUtf8(error.valid_up_to()))
}

/// Checks a whole JSON text: grammar, depth, numbers, escapes.
pub fn check(text: &str) -> Result<&RawValue, JsonFault> {
    check_within(text, MAX_DEPTH)
}

/// As [`check`], with room for what is round a payload.
pub(super) fn check_within(text: &str, max_depth: usize) -> Result<&RawValue, JsonFault> {
    // Depth goes first: it needs no grammar and bounds whatever parses later.
    check_limits(text, max_depth)?;
    check_grammar(text)
}

/// The grammar alone.
pub(super) fn check_grammar(text: &str) -> Result<&RawValue, JsonFault> {
    serde_json::from_str(text).map_err(|error| JsonFault::Syntax(error.to_string()))
}

/// As [`check`], and the outermost value must be an object. `serde` reads arrays into structs, which no wire form allows.
pub fn check_object(text: &str) -> Result<&RawValue, JsonFault> {
    let value = check(text)?;
    if value.get().starts_with('{') {
        Ok(value)
    } else {
        Err(JsonFault::Syntax("expected an object".to_owned()))
    }
}

/// An object: its members in order, each as its text.
#[derive(Default)]
pub struct Object<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// How many members an object may have: what is kept of each is larger than what it takes to send one.
pub(super) const MEMBERS_MAX: usize = 4096;

impl<'a> Object<'a> {
    /// The members of an object; `None` for any other value.
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A member's name: a piece of the text itself, where nothing in it is escaped.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some((Name(name), value)) = map.next_entry()? {
                    if members.len() == MEMBERS_MAX {
                        let words = format!("an object with more than {MEMBERS_MAX} members");
                        return Err(A::Error::custom(words));
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The elements of an array, each as its text, and how many there are. What is beyond `max` is counted and not kept. Of
/// the elements only the grammar is checked.
pub fn elements(text: &str, max: usize) -> Result<(Vec<&RawValue>, usize), JsonFault> {
    struct Collect(usize);
    impl<'de> Visitor<'de> for Collect {
        type Value = (Vec<&'de RawValue>, usize);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while kept.len() < self.0 {
                match array.next_element()? {
                    Some(element) => kept.push(element),
                    None => break,
                }
            }
            let mut count = kept.len();
            while array.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok((kept, count))
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let syntax = |error: serde_json::Error| JsonFault::Syntax(error.to_string());
    let found = reader.deserialize_seq(Collect(max)).map_err(syntax)?;
    reader.end().map_err(syntax)?;
    Ok(found)
}

/// The same JSON on one line: white space between tokens goes, the tokens stay as they are. The text must be valid.
pub fn compact(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        line.push(c);
    }
    line
}

/// Puts the members of `patch` into `target`: objects are merged, `null` removes a member, everything else is replaced
/// (RFC 7396). Both must be valid; what stays is not written anew.
pub fn merge(target: &str, patch: &str) -> String {
    let Some(Object(changes)) = Object::parse(patch) else {
        return patch.to_owned();
    };
    let Object(members) = Object::parse(target).unwrap_or_default();
    let mut members: Vec<(String, String)> = members
        .into_iter()
        .map(|(name, value)| (name.into_owned(), value.get().to_owned()))
        .collect();
    for (name, change) in changes {
        let at = members.iter().position(|(member, _)| *member == name);
        match (at, change.get()) {
            (Some(at), "null") => drop(members.remove(at)),
            (None, "null") => {}
            (Some(at), change) => members[at].1 = merge(&members[at].1, change),
            (None, change) => members.push((name.into_owned(), merge("null", change))),
        }
    }
    let text = |(name, value): &(String, String)| {
        // A string always serialises.
        let name = serde_json::to_string(name).unwrap_or_default();
        format!("{name}:{value}")
    };
    let members: Vec<String> = members.iter().map(text).collect();
    format!("{{{}}}", members.join(","))
}

/// Depth, numbers and escapes of a text whose grammar somebody else checks.
pub(super) fn check_limits(text: &str, max_depth: usize) -> Result<(), JsonFault> {
    walk(text, max_depth, |_, _, _| {})
}

/// As [`check_limits`]. Where the text is an object, each of its members is told: its name with the quotes, its value,
/// and how many commas stand in the value one level below it.
pub(super) fn walk<'a>(
    text: &'a str,
    max_depth: usize,
    mut told: impl FnMut(&'a str, &'a str, usize),
) -> Result<(), JsonFault> {
    let bytes = text.as_bytes();
    // Anything else has its members at a depth that is never reached.
    let level = match bytes.trim_ascii_start().first() {
        Some(b'{') => 1,
        _ => max_depth + 1,
    };
    let (mut name, mut value, mut commas) = (None, None, 0);
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > max_depth {
                    return Err(JsonFault::TooDeep);
                }
                at += 1;
                if depth == level + 1 {
                    value.get_or_insert(start);
                }
                continue;
            }
            b'}' | b']' | b',' => {
                if depth == level
                    && let (Some(name), Some(value)) = (name.take(), value.take())
                {
                    told(
                        name,
                        text.get(value..at).unwrap_or_default().trim_ascii_end(),
                        commas,
                    );
                    commas = 0;
                }
                commas += usize::from(byte == b',' && depth == level + 1);
                depth = depth.saturating_sub(usize::from(byte != b','));
                at += 1;
                continue;
            }
            b'"' => {
                at = string_end(text, at + 1)?;
                if depth == level && name.is_none() {
                    name = text.get(start..at);
                    continue;
                }
            }
            b'-' | b'0'..=b'9' => at = number_end(text, at)?,
            b't' | b'f' | b'n' => at += 1,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == level {
            value.get_or_insert(start);
        }
    }
    Ok(())
}

/// Walks over a number that starts at `start`; returns where it ends.
fn number_end(text: &str, start: usize) -> Result<usize, JsonFault> {
    let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    let len = text.as_bytes()[start..]
        .iter()
        .take_while(|b| is_part(b))
        .count();
    let number = &text[start..start + len];
    // Up to 300 characters without an exponent always fit a double.
    let may_overflow = len > 300 || number.contains(['e', 'E']);
    // Asked of the reader that published clients have, which gives up a little earlier than others.
    let is_number = || serde_json::from_str::<IgnoredAny>(number).is_ok();
    if may_overflow && serde_json::from_str::<f64>(number).is_err() && is_number() {
        return Err(JsonFault::Number(number.chars().take(40).collect()));
    }
    Ok(start + len)
}

/// Walks over a string whose first character is at `at`; returns where it ends (behind the quote).
fn string_end(text: &str, mut at: usize) -> Result<usize, JsonFault> {
    let bytes = text.as_bytes();
    loop {
        // Most of a text is strings, and most strings have nothing to look at.
        at += memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()).unwrap_or(bytes.len());
        match bytes.get(at) {
            None => return Ok(bytes.len()),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') if bytes.get(at + 1) == Some(&b'u') => {
                let Some(unit) = escape_at(text, at) else {
                    return Ok(bytes.len()); // broken escape: the grammar check words it
                };
                let lone = || JsonFault::Surrogate(format!("u{unit:04X}"));
                at += 6;
                match unit {
                    0xD800..=0xDBFF => match escape_at(text, at) {
                        Some(0xDC00..=0xDFFF) => at += 6,
                        _ => return Err(lone()),
                    },
                    0xDC00..=0xDFFF => return Err(lone()),
                    _ => {}
                }
            }
            Some(_) => at += 2,
        }
    }
}

/// The code unit of the `\uXXXX` at `at`, if there is one.
fn escape_at(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::super::made_up;
    use super::*;

    #[test]
    fn depth_120_passes_and_121_does_not() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(120)).is_ok());
        assert_eq!(check(&nested(121)).unwrap_err(), JsonFault::TooDeep);
        assert!(check(&format!("\"{}\"", "[".repeat(500))).is_ok());
    }

    #[test]
    fn numbers_that_no_double_holds_are_refused() {
        assert!(matches!(check("[1e400]"), Err(JsonFault::Number(_))));
        assert!(matches!(check("-1E+999"), Err(JsonFault::Number(_))));
        assert!(matches!(check(&"9".repeat(400)), Err(JsonFault::Number(_))));
        // Fits, and yet `serde_json` cannot read it.
        assert!(check("1.7976931348623158e308").is_err());
        for fine in [
            "1e308",
            "1.7976931348623157e+308",
            "0.1e-999",
            "123456789012345678901234567890",
            "-0",
        ] {
            assert!(check(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        assert!(matches!(check(r#""\ud83d""#), Err(JsonFault::Surrogate(_))));
        assert!(matches!(
            check(r#""\udE00x""#),
            Err(JsonFault::Surrogate(_))
        ));
        assert!(matches!(
            check(r#""\ud83d\n""#),
            Err(JsonFault::Surrogate(_))
        ));
        assert!(check(r#""\ud83d\ude00 \\ud83d é""#).is_ok());
    }

    #[test]
    fn compact_drops_only_white_space_between_tokens() {
        let text = "{ \"a b\\\" \\\\\" :\n [1.0, 1e2 ,\t\"x y\"] }";
        assert_eq!(compact(text), "{\"a b\\\" \\\\\":[1.0,1e2,\"x y\"]}");
    }

    #[test]
    fn merging_replaces_members_and_leaves_the_rest_as_it_is() {
        let merged = |target: &str, patch: &str| compact(&merge(target, patch));
        let target = r#"{"a":{"b":1.0,"c":2},"d":[1],"e":1e2}"#;
        assert_eq!(
            merged(
                target,
                r#"{"a":{"c":null,"x":{"y":null,"z":1}},"d":{"f":[null]}}"#
            ),
            r#"{"a":{"b":1.0,"x":{"z":1}},"d":{"f":[null]},"e":1e2}"#
        );
        assert_eq!(merged(target, "[1]"), "[1]");
        assert_eq!(merged("3", r#"{"a\"":1}"#), r#"{"a\"":1}"#);
    }

    #[test]
    fn broken_grammar_is_named() {
        for broken in [
            "",
            "{",
            "hello",
            "\"",
            "\"\\u12",
            "{\"a\":}",
            "[1,]",
            "\"\\",
            "\"\\u+123\"",
        ] {
            assert!(
                matches!(check(broken), Err(JsonFault::Syntax(_))),
                "{broken}"
            );
        }
    }

    /// RFC 7396, as it stands there.
    fn merged(target: Value, patch: Value) -> Value {
        let Value::Object(changes) = patch else {
            return patch;
        };
        let mut members = match target {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        for (name, change) in changes {
            match change {
                Value::Null => drop(members.shift_remove(&name)),
                change => {
                    let member = members.remove(&name).unwrap_or_default();
                    members.insert(name, merged(member, change));
                }
            }
        }
        Value::Object(members)
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_others_can_read(text in made_up::json()) {
            let read = serde_json::from_str::<Value>(&text);
            prop_assert_eq!(check(&text).is_ok(), read.is_ok());
        }

        #[test]
        fn compact_keeps_the_meaning(value in made_up::value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let line = compact(&pretty);
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(read(&line), read(&pretty));
            prop_assert_eq!(line, value.to_string());
        }

        #[test]
        fn merging_is_that_of_rfc_7396(target in made_up::value(), patch in made_up::value()) {
            let text = merge(&target.to_string(), &patch.to_string());
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let (target, patch) = (read(&target.to_string()), read(&patch.to_string()));
            prop_assert_eq!(read(&text), merged(target, patch));
        }

        #[test]
        fn members_and_elements_are_what_others_find(value in made_up::value(), max in 0..4usize) {
            let text = value.to_string();
            let members = Object::parse(&text).map(|Object(members)| {
                let member = |(name, raw): (Cow<'_, str>, &RawValue)| (name.into_owned(), raw.get().to_owned());
                members.into_iter().map(member).collect::<Vec<_>>()
            });
            let expected = value.as_object().map(|members| {
                let member = |(name, member): (&String, &Value)| (name.clone(), member.to_string());
                members.iter().map(member).collect::<Vec<_>>()
            });
            prop_assert_eq!(members, expected);
            let found = elements(&text, max).ok().map(|(kept, count)| (kept.len(), count));
            let len = value.as_array().map(Vec::len);
            prop_assert_eq!(found, len.map(|len| (len.min(max), len)));
        }
    }
}
