//! JSON for the property tests: values, and texts that are JSON or almost.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

/// Strings with whatever a sender may put into one.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", "\\PC{0,12}", any::<String>()]
}

/// Any value, a few levels deep.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = vec(("[a-c]|\\PC{0,4}", inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// What texts of JSON are made of, and what breaks them.
const PIECES: &[&str] = &[
    "{", "}", "[", "]", ",", ":", "\"", "\"a\":", "\"b\"", "\\", "\\u00e9", "\\ud83d", "\\ude00",
    "\\u+123", "\\n", "\n", "\t", " ", "\u{a0}", "é", "\u{0}", "0", "-", "1.0", "1e2", "1E+400",
    ".", "e", "null", "true",
];

/// The texts of values, some of them with a fault.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let soup = vec(select(PIECES), 0..10).prop_map(|pieces| pieces.concat());
    let spoilt = (value(), any::<Index>(), select(PIECES)).prop_map(|(value, at, piece)| {
        let mut chars: Vec<char> = value.to_string().chars().collect();
        let at = at.index(chars.len() + 1);
        chars.splice(at..at, piece.chars());
        chars.into_iter().collect()
    });
    let pretty = value().prop_map(|value| serde_json::to_string_pretty(&value).unwrap());
    prop_oneof![
        soup,
        spoilt,
        pretty,
        value().prop_map(|value| value.to_string())
    ]
}
