//! What a scalar of YAML means: those of its core schema (YAML 1.2.2, 10.3), which are JSON's and a few more spellings of them.

use saphyr_parser::{ScalarStyle, Tag};

use super::fault::{Fault, Position};
use crate::openintent::json::Json;

/// The fault of a tag that names a type of somebody else's.
pub(super) fn foreign_tag(at: Position) -> Fault {
    Fault::new(
        at,
        "tags such as `!name` mean nothing here: write the value alone",
    )
}

/// The value of a scalar. Only what stands without quotes can be anything but a text.
pub(super) fn scalar(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Position,
) -> Result<Json, Fault> {
    if let Some(tag) = tag {
        match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (false, _) => return Err(foreign_tag(at)),
            (true, "str") => return Ok(text.into()),
            (true, _) => {}
        }
    }
    if style != ScalarStyle::Plain {
        return Ok(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Json::Null),
        "true" | "True" | "TRUE" => return Ok(true.into()),
        "false" | "False" | "FALSE" => return Ok(false.into()),
        _ => {}
    }
    let no_number = || Fault::new(at, format!("`{text}` is a number that JSON does not have"));
    match number(text) {
        Some(spelled) => spelled.parse().map_err(|_| no_number()),
        None if is_beyond_json(text) => Err(no_number()),
        None => Ok(text.into()),
    }
}

/// A number as JSON spells it.
fn number(text: &str) -> Option<String> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let value = u64::from_str_radix(digits, radix).ok();
            return value
                .filter(|_| !digits.starts_with('+'))
                .map(|value| value.to_string());
        }
    }
    let (sign, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_digits = !whole.is_empty() || fraction.is_some_and(|digits| !digits.is_empty());
    if !has_digits || !is_digits(whole) || !fraction.is_none_or(is_digits) {
        return None;
    }
    let exponent = match exponent {
        None => String::new(),
        Some(exponent) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !is_digits(digits) {
                return None;
            }
            format!("e{exponent}")
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = match fraction {
        None => String::new(),
        Some("") => ".0".to_owned(),
        Some(digits) => format!(".{digits}"),
    };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}

/// Whether it is one of the numbers of the core schema that are none.
fn is_beyond_json(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&text)
}
