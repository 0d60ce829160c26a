//! How expected values of the vectors compare with real ones: patterns, subsets, instants.

use jiff::Timestamp;
use kite::protocol::token::{Token, TokenKind};
use serde_json::Value;
use uuid::Uuid;

/// What `$TEAM` and `$KEY` stand for; also inside strings.
pub(super) struct Stage {
    pub(super) team: String,
    pub(super) key: String,
}

impl Stage {
    /// The value with both filled in.
    pub(super) fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                Value::String(text.replace("$TEAM", &self.team).replace("$KEY", &self.key))
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                let filled = members
                    .iter()
                    .map(|(name, value)| (name.clone(), self.fill(value)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        }
    }
}

/// Whether a value is what was expected; if not, where and how it differs.
pub(super) fn compare(expected: &Value, actual: &Value) -> Result<(), String> {
    compare_at("", expected, actual)
}

fn compare_at(path: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    let differs = || Err(format!("at `{path}`: expected {expected}, got {actual}"));
    match (expected, actual) {
        (Value::String(pattern), _) if is_pattern(pattern) => {
            if matches_pattern(pattern, actual)? {
                Ok(())
            } else {
                differs()
            }
        }
        (Value::Object(members), Value::Object(found)) => {
            for (name, value) in members {
                let inner = format!("{path}/{name}");
                match found.get(name) {
                    Some(found) => compare_at(&inner, value, found)?,
                    None => return Err(format!("at `{inner}`: missing in {actual}")),
                }
            }
            Ok(())
        }
        (Value::Array(items), Value::Array(found)) if items.len() == found.len() => {
            let mut pairs = items.iter().zip(found).enumerate();
            pairs.try_for_each(|(at, (item, found))| {
                compare_at(&format!("{path}/{at}"), item, found)
            })
        }
        (Value::String(one), Value::String(other)) if same_instant(one, other) => Ok(()),
        _ if expected == actual => Ok(()),
        _ => differs(),
    }
}

fn is_pattern(text: &str) -> bool {
    text.strip_prefix('$')
        .is_some_and(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn matches_pattern(pattern: &str, actual: &Value) -> Result<bool, String> {
    let text = actual.as_str();
    let token_of = |kind| {
        text.and_then(|text| Token::parse(text).ok())
            .map(|token| token.kind())
            == Some(kind)
    };
    Ok(match pattern {
        "$ANY" => true,
        "$ARRAY" => actual.is_array(),
        "$STRING" => text.is_some_and(|text| !text.is_empty()),
        "$INT" => actual.is_u64(),
        "$TIME" => text.is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        "$UUID7" => text.is_some_and(is_uuid7),
        "$APIKEY" => token_of(TokenKind::ApiKey),
        "$HOOKTOKEN" => token_of(TokenKind::HookToken),
        unknown => return Err(format!("the pattern `{unknown}` is not known")),
    })
}

/// Whether a text is a version 7 UUID in lower-case canonical form.
pub(super) fn is_uuid7(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.get_version_num() == 7 && id.to_string() == text)
}

fn same_instant(one: &str, other: &str) -> bool {
    match (one.parse::<Timestamp>(), other.parse::<Timestamp>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_compare_as_subsets_and_arrays_in_full() {
        assert!(compare(&json!({"a": 1}), &json!({"a": 1, "b": 2})).is_ok());
        assert!(compare(&json!({"a": 1, "b": 2}), &json!({"a": 1})).is_err());
        assert!(compare(&json!([{"a": 1}]), &json!([{"a": 1, "b": 2}])).is_ok());
        assert!(compare(&json!([1]), &json!([1, 2])).is_err());
        assert!(compare(&json!({"a": null}), &json!({})).is_err());
    }

    #[test]
    fn a_difference_is_named_with_its_place() {
        let difference = compare(&json!({"a": [{"b": 1}]}), &json!({"a": [{"b": 2}]})).unwrap_err();
        assert_eq!(difference, "at `/a/0/b`: expected 1, got 2");
    }

    #[test]
    fn times_compare_as_instants_and_other_texts_as_texts() {
        assert!(
            compare(
                &json!("2026-01-01T12:00:00Z"),
                &json!("2026-01-01T12:00:00.000Z")
            )
            .is_ok()
        );
        assert!(
            compare(
                &json!("2026-01-01T12:00:00Z"),
                &json!("2026-01-01T12:00:01Z")
            )
            .is_err()
        );
        assert!(compare(&json!("a"), &json!("A")).is_err());
    }

    #[test]
    fn patterns_match_what_they_name_and_unknown_ones_fail() {
        let key = "kite_0a1b2c3d_00112233445566778899aabbccddeeff";
        for (pattern, good, bad) in [
            ("$STRING", json!("x"), json!("")),
            ("$INT", json!(0), json!(-1)),
            ("$INT", json!(7), json!(7.0)),
            ("$TIME", json!("2026-01-01T00:00:00Z"), json!("yesterday")),
            (
                "$UUID7",
                json!("0190a0b0-0000-7000-8000-000000000001"),
                json!("0190a0b0-0000-4000-8000-000000000001"),
            ),
            (
                "$UUID7",
                json!("0190a0b0-0000-7000-8000-00000000000a"),
                json!("0190A0B0-0000-7000-8000-00000000000A"),
            ),
            ("$ARRAY", json!([]), json!({})),
            ("$APIKEY", json!(key), json!(key.replace("kite_", "khk_"))),
            (
                "$HOOKTOKEN",
                json!(key.replace("kite_", "khk_")),
                json!(key),
            ),
        ] {
            assert!(compare(&json!(pattern), &good).is_ok(), "{pattern} {good}");
            assert!(compare(&json!(pattern), &bad).is_err(), "{pattern} {bad}");
        }
        assert!(compare(&json!("$ANY"), &Value::Null).is_ok());
        assert!(compare(&json!("$NOVEL"), &json!("x")).is_err());
        assert!(compare(&json!("$5"), &json!("$5")).is_ok());
    }

    #[test]
    fn the_stage_is_filled_in_also_inside_strings() {
        let stage = Stage {
            team: "acme".to_owned(),
            key: "k".to_owned(),
        };
        assert_eq!(
            stage.fill(&json!({"at": ["/hooks/$TEAM/x", "$KEY", 1]})),
            json!({"at": ["/hooks/acme/x", "k", 1]})
        );
    }
}
