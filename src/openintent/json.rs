//! JSON as it came: the kind and the digits of every number, and every member.
//!
//! Signatures cover all of that, and a reader that keeps less could check none. An ordinary tree of JSON turns large
//! integers into floats and `-0` into `-0.0`; so the numbers are read here, and the text of strings is left to
//! `serde_json`.

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
        let mut reader = Reader {
            text,
            at: 0,
            depth: 0,
        };
        reader.space();
        let value = reader.value()?;
        reader.space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(JsonFault::Syntax(reader.at)),
        }
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

/// A text on its way into a value.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn wrong<T>(&self) -> Result<T, JsonFault> {
        Err(JsonFault::Syntax(self.at))
    }

    fn value(&mut self) -> Result<Json, JsonFault> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [
                    ("null", Json::Null),
                    ("true", true.into()),
                    ("false", false.into()),
                ];
                let rest = self.rest();
                let found = words.into_iter().find(|(word, _)| rest.starts_with(word));
                let Some((word, value)) = found else {
                    return self.wrong();
                };
                self.at += word.len();
                Ok(value)
            }
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Json, JsonFault>,
    ) -> Result<Json, JsonFault> {
        if self.depth == DEPTH_MAX {
            return Err(JsonFault::Depth { max: DEPTH_MAX });
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Json, JsonFault> {
        let mut object = Object::new();
        if self.ends(b'}') {
            return Ok(object.into());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.wrong();
            }
            let name = self.string()?;
            self.space();
            if !self.ends(b':') {
                return self.wrong();
            }
            self.space();
            object.insert(name, self.value()?);
            if !self.continues(b'}')? {
                return Ok(object.into());
            }
        }
    }

    fn array(&mut self) -> Result<Json, JsonFault> {
        let mut items = Vec::new();
        if self.ends(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if !self.continues(b']')? {
                return Ok(Json::Array(items));
            }
        }
    }

    /// Takes a byte, if it is the next one.
    fn ends(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes what is between two items or behind the last one; says whether there is another.
    fn continues(&mut self, end: u8) -> Result<bool, JsonFault> {
        self.space();
        if self.ends(end) {
            return Ok(false);
        }
        if !self.ends(b',') {
            return self.wrong();
        }
        self.space();
        Ok(true)
    }

    /// A string: its end is found here, the rest is `serde_json`'s.
    fn string(&mut self) -> Result<String, JsonFault> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            let rest = bytes.get(end..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(JsonFault::Syntax(bytes.len()));
            };
            end += found;
            if bytes.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        self.at = end + 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted).map_err(|_| JsonFault::String(start))
    }

    fn number(&mut self) -> Result<Json, JsonFault> {
        let start = self.at;
        let is_negative = self.ends(b'-');
        let whole = self.at;
        match self.digits() {
            0 => return self.wrong(),
            1 => {}
            _ if self.text.as_bytes().get(whole) == Some(&b'0') => {
                return Err(JsonFault::Syntax(whole));
            }
            _ => {}
        }
        let whole_end = self.at;
        if self.ends(b'.') && self.digits() == 0 {
            return self.wrong();
        }
        if self.ends(b'e') || self.ends(b'E') {
            let _ = self.ends(b'+') || self.ends(b'-');
            if self.digits() == 0 {
                return self.wrong();
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if self.at != whole_end {
            let float: f64 = text.parse().map_err(|_| JsonFault::Syntax(start))?;
            return match float.is_finite() {
                true => Ok(Json::Float(float)),
                false => Err(JsonFault::Overflow(start)),
            };
        }
        if whole_end - whole > DIGITS_MAX {
            return Err(JsonFault::Digits(start));
        }
        let text = match is_negative && text == "-0" {
            true => "0",
            false => text,
        };
        Ok(Json::Integer(Integer(text.to_owned())))
    }

    /// Takes digits; says how many.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
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
