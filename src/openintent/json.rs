//! JSON as it came: the kind and the digits of every number, and every member.
//!
//! Signatures cover all of that, and a reader that keeps less could check none. An ordinary tree of JSON turns large
//! integers into floats and `-0` into `-0.0`; so the numbers are read here, and the text of strings is left to
//! `serde_json`.

mod reader;

use std::collections::BTreeMap;
use std::fmt;

/// How deep arrays and objects may be nested (spec 4, rule 10).
pub const DEPTH_MAX: usize = 128;

/// How many digits an integer may have: CPython's own limit (spec 4, rule 10).
pub const DIGITS_MAX: usize = 4300;

/// The members of an object, by the code points of their names (spec 4, rule 2).
pub type Object = BTreeMap<String, Json>;

/// A JSON value.
///
/// ```
/// use kite::openintent::json::Json;
///
/// let value: Json = r#"{"b": 1.0, "a": 100000000000000000000, "a2": 1E2}"#.parse().unwrap();
/// assert_eq!(value.to_string(), r#"{"a":100000000000000000000,"a2":100.0,"b":1.0}"#);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction and exponent, of any length.
    Integer(Integer),
    /// Every other number: finite.
    Float(f64),
    /// A text.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object. Of members with the same name the last one counts.
    Object(Object),
}

/// An integer of any length, as its decimal digits. Zero has no sign.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Integer(String);

/// A text that is no JSON, or JSON that nobody can sign alike (spec 4, rules 9 and 10).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The bytes are no text.
    #[error("it is not UTF-8")]
    Utf8,
    /// The grammar is another one.
    #[error("it is not JSON at byte {0}")]
    Syntax(usize),
    /// Half of a surrogate pair, a control character or an escape that there is not.
    #[error(
        "the string at byte {0} cannot be read: it has a bare control character, a wrong escape or half a surrogate pair"
    )]
    String(usize),
    /// A number that no double can hold.
    #[error("the number at byte {0} is too large")]
    Overflow(usize),
    /// An integer that is too long.
    #[error("the integer at byte {0} has more than {DIGITS_MAX} digits")]
    Digits(usize),
    /// Too many arrays and objects within one another.
    #[error("it is nested deeper than {max} levels")]
    Depth {
        /// How many there may be.
        max: usize,
    },
}

impl Json {
    /// Reads a text of JSON.
    ///
    /// # Errors
    /// When it is not JSON, or holds what cannot be signed alike everywhere.
    pub fn read(bytes: &[u8]) -> Result<Self, JsonFault> {
        std::str::from_utf8(bytes)
            .map_err(|_| JsonFault::Utf8)?
            .parse()
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// A text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, where it fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => integer.to_i64(),
            _ => None,
        }
    }

    /// The nearest double of a number, none of them endless.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => {
                let number: Option<f64> = integer.digits().parse().ok();
                number.map(|number| number.clamp(f64::MIN, f64::MAX))
            }
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(it) => Some(*it),
            _ => None,
        }
    }

    /// Whether arrays and objects are nested within one another in at most so many levels.
    pub fn is_flat(&self, levels: usize) -> bool {
        let is_flat = |inner: &Self| inner.is_flat(levels - 1);
        match self {
            Self::Array(items) => levels > 0 && items.iter().all(is_flat),
            Self::Object(members) => levels > 0 && members.values().all(is_flat),
            _ => true,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A member of an object; `None` also for what is no object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object().and_then(|object| object.get(name))
    }

    /// What kind of value it is, for words to people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl fmt::Display for Json {
    /// Compact JSON with raw text, numbers as CPython writes them. Not what signatures cover: see
    /// [`canonical`](super::canonical).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        super::canonical::write_raw(self, &mut text);
        f.write_str(&text)
    }
}

impl std::str::FromStr for Json {
    type Err = JsonFault;

    fn from_str(text: &str) -> Result<Self, JsonFault> {
        reader::read(text)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Json {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl Integer {
    /// The digits, with a `-` before those of a negative one.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Its value, where it fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.0.starts_with('-')
    }
}

impl From<i64> for Integer {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Json, JsonFault> {
        text.parse()
    }

    #[test]
    fn numbers_keep_their_kind_and_their_digits() {
        let long = "123456789012345678901234567890";
        assert_eq!(read(long).unwrap().to_string(), long);
        assert_eq!(read("-0").unwrap(), Json::from(0));
        assert_eq!(read("-0.0").unwrap().to_string(), "-0.0");
        assert_eq!(read("1E2").unwrap().to_string(), "100.0");
        assert_eq!(read("1e-400").unwrap().to_string(), "0.0");
        let digits = "9".repeat(DIGITS_MAX);
        assert_eq!(read(&digits).unwrap().to_string(), digits);
        assert_eq!(read(&format!("{digits}9")), Err(JsonFault::Digits(0)));
        assert_eq!(read("[1e400]"), Err(JsonFault::Overflow(1)));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "[",
            "nul",
            "NaN",
            "Infinity",
            "-",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "+1",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "\"",
            "\"\\\"",
            "1 2",
            "{}x",
            "'a'",
            "[1 2]",
            "\u{feff}1",
            "{\"a\":}",
            "tru",
            "\"\\",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in [
            "\"\\ud800\"",
            "\"\\udc00x\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
        ] {
            assert_eq!(read(bad), Err(JsonFault::String(0)), "{bad}");
        }
        assert_eq!(Json::read(b"\"\xff\""), Err(JsonFault::Utf8));
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        let deep = JsonFault::Depth { max: DEPTH_MAX };
        assert_eq!(read(&nested(DEPTH_MAX + 1)), Err(deep));
        assert!(read(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn the_last_of_two_members_counts() {
        let value = read(r#"{"a":1,"\u0061":2}"#).unwrap();
        assert_eq!(value.get("a"), Some(&Json::from(2)));
    }

    proptest! {
        /// The same texts are JSON here and for `serde_json`, but for what cannot be signed.
        #[test]
        fn the_grammar_is_that_of_json(text in r#"[\[\]{}:, "\\a0-9eE.+-]{0,12}|[ -~]{0,8}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match read(&text) {
                Ok(ours) => {
                    prop_assert!(theirs.is_ok(), "{}", text);
                    prop_assert_eq!(read(&ours.to_string()), Ok(ours));
                }
                Err(fault) => prop_assert!(
                    theirs.is_err() || matches!(fault, JsonFault::Overflow(_)),
                    "{} {}", text, fault
                ),
            }
        }
    }
}
