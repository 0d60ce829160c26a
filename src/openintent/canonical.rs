//! The bytes that signatures cover: what CPython 3 makes of an object (spec 4).

use super::json::{Json, Object};

/// The member that is not signed, at the top level alone.
pub const SIGNATURE: &str = "signature";

/// The canonical bytes of an object: members sorted, no spaces, pure ASCII, without the member `signature` at the top
/// level (spec 4).
///
/// ```
/// use kite::openintent::canonical::canonical;
/// use kite::openintent::json::Json;
///
/// let value: Json = r#"{"b": 1.0, "signature": "x", "a": "\u00e9"}"#.parse().unwrap();
/// let bytes = canonical(value.as_object().unwrap());
/// assert_eq!(bytes, br#"{"a":"\u00e9","b":1.0}"#);
/// ```
pub fn canonical(object: &Object) -> Vec<u8> {
    canonical_without(object, &[SIGNATURE])
}

/// The same of an object that lacks other members at the top level.
pub fn canonical_without(object: &Object, left_out: &[&str]) -> Vec<u8> {
    let is_in = |(name, _): &(&String, &Json)| !left_out.contains(&name.as_str());
    let mut text = String::new();
    write_members(object.iter().filter(is_in), &Style::CANONICAL, &mut text);
    text.into_bytes()
}

/// The text of a token's payload: as [`canonical`], with a space behind each comma and colon, and nothing left out
/// (spec 10.1).
pub fn spaced(object: &Object) -> String {
    let mut text = String::new();
    write_members(object.iter(), &Style::SPACED, &mut text);
    text
}

/// Compact JSON with raw text.
pub(super) fn write_raw(value: &Json, text: &mut String) {
    write(value, &Style::RAW, text);
}

/// How JSON is laid out.
struct Style {
    comma: &'static str,
    colon: &'static str,
    is_ascii: bool,
}

impl Style {
    const CANONICAL: Self = Self {
        comma: ",",
        colon: ":",
        is_ascii: true,
    };
    const SPACED: Self = Self {
        comma: ", ",
        colon: ": ",
        is_ascii: true,
    };
    const RAW: Self = Self {
        comma: ",",
        colon: ":",
        is_ascii: false,
    };
}

fn write(value: &Json, style: &Style, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(true) => text.push_str("true"),
        Json::Bool(false) => text.push_str("false"),
        Json::Integer(integer) => text.push_str(integer.digits()),
        Json::Float(float) => write_float(*float, text),
        Json::String(string) => write_string(string, style, text),
        Json::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push_str(style.comma);
                }
                write(item, style, text);
            }
            text.push(']');
        }
        Json::Object(object) => write_members(object.iter(), style, text),
    }
}

fn write_members<'o>(
    members: impl Iterator<Item = (&'o String, &'o Json)>,
    style: &Style,
    text: &mut String,
) {
    text.push('{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            text.push_str(style.comma);
        }
        write_string(name, style, text);
        text.push_str(style.colon);
        write(value, style, text);
    }
    text.push('}');
}

/// Spec 4, rule 5. What is no exception is copied in one piece: tokens are long.
fn write_string(string: &str, style: &Style, text: &mut String) {
    let is_plain = |char: char| match char {
        '"' | '\\' => false,
        ' '..='~' => true,
        _ => !style.is_ascii && !char.is_control(),
    };
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest.find(|char| !is_plain(char)) {
        let (plain, exceptions) = rest.split_at(at);
        text.push_str(plain);
        let mut chars = exceptions.chars();
        if let Some(char) = chars.next() {
            write_exception(char, text);
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

fn write_exception(char: char, text: &mut String) {
    match char {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\u{8}' => text.push_str("\\b"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\u{c}' => text.push_str("\\f"),
        '\r' => text.push_str("\\r"),
        _ => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

/// A finite double as CPython's `repr` writes it (spec 4, rule 7). The standard library differs on exact ties, so the
/// digits are ryu's.
fn write_float(float: f64, text: &mut String) {
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(float);
    let (sign, shortest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    text.push_str(sign);
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // The value is 0.DIGITS times ten to the power of `point`.
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = all.len() - digits.len();
    let point = exponent + length(whole) - length(&all[..zeros]);
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        text.push_str("0.0");
        return;
    }
    match point {
        -3..=0 => {
            text.push_str("0.");
            text.extend((point..0).map(|_| '0'));
            text.push_str(digits);
        }
        1..=16 => {
            let at = usize::try_from(point).unwrap_or(0);
            let (whole, fraction) = digits.split_at(at.min(digits.len()));
            text.push_str(whole);
            text.extend((digits.len()..at).map(|_| '0'));
            text.push('.');
            text.push_str(if fraction.is_empty() { "0" } else { fraction });
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            text.push_str(first);
            if !rest.is_empty() {
                text.push('.');
                text.push_str(rest);
            }
            let exponent = point - 1;
            let sign = if exponent < 0 { '-' } else { '+' };
            text.push_str(&format!("e{sign}{:02}", exponent.abs()));
        }
    }
}

fn length(text: &str) -> i32 {
    i32::try_from(text.len()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(float: f64) -> String {
        Json::Float(float).to_string()
    }

    #[test]
    fn floats_are_written_as_cpython_does() {
        for (float, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (1e15 + 0.25, "1000000000000000.2"),
            (123_456.789, "123456.789"),
            (-2.5e-7, "-2.5e-07"),
        ] {
            assert_eq!(written(float), text);
        }
    }

    #[test]
    fn the_worked_example_of_the_specification() {
        let text = r#"{ "b": 1.0, "signature": "x", "a": "\u00e9\ud83d\ude00\u007f",
            "c": { "signature": 1, "n": [ -0.0, 1E16, 100000000000000000000, -0 ] } }"#;
        let value: Json = text.parse().unwrap();
        let bytes = canonical(value.as_object().unwrap());
        let expected = r#"{"a":"\u00e9\ud83d\ude00\u007f","b":1.0,"c":{"n":[-0.0,1e+16,100000000000000000000,0],"signature":1}}"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn every_double_reads_back(float in any::<f64>().prop_filter("finite", |it| it.is_finite())) {
            let read: Json = written(float).parse().unwrap();
            let Json::Float(read) = read else { panic!("an integer") };
            prop_assert_eq!(read.to_bits(), float.to_bits());
        }
    }
}
