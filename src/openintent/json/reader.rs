//! The reader of a text.

use super::{DEPTH_MAX, DIGITS_MAX, Integer, Json, JsonFault, Object};

/// The value of a whole text.
pub(super) fn read(text: &str) -> Result<Json, JsonFault> {
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
