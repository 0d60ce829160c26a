//! What kite asks of JSON beside `serde_json`, which is taken for the judge.
//!
//! An input is one text; where it has a line `---`, what follows is merged into what goes before.
#![no_main]

use kite::protocol::json::{self, MAX_DEPTH};
use kite::protocol::view;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
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

fn members_agree(text: &str, value: &Value) {
    let (_, view) = view::check(text).unwrap();
    for (name, value) in value.as_object().into_iter().flatten() {
        let raw = view.get(name).unwrap();
        assert_eq!(&serde_json::from_str::<Value>(raw).unwrap(), value);
        assert_eq!(view.text(name).as_deref(), value.as_str());
        assert_eq!(view.integer(name), value.as_i64());
        assert_eq!(view.is_true(name), *value == Value::Bool(true));
        assert_eq!(view.count(name), value.as_array().map(Vec::len));
        assert_eq!(view.object(name).is_some(), value.is_object());
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = json::text(input) else {
        assert!(std::str::from_utf8(input).is_err());
        return;
    };
    if let Some((target, patch)) = text.split_once("\n---\n") {
        let read = |text| serde_json::from_str::<Value>(text);
        let (Ok(target), Ok(patch)) = (read(target), read(patch)) else {
            return;
        };
        // Written anew, since a name that is there twice has no meaning.
        let text = json::merge(&target.to_string(), &patch.to_string());
        assert_eq!(read(&text).unwrap(), merged(target, patch));
        return;
    }
    let value = serde_json::from_str::<Value>(text);
    match (json::check(text), value) {
        (Ok(raw), Ok(value)) => {
            assert_eq!(raw.get(), text.trim_ascii());
            let line = json::compact(text);
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            assert_eq!(json::compact(&line), line);
            members_agree(text, &value);
            match (json::elements(text, 3), value.as_array()) {
                (Ok((kept, count)), Some(array)) => {
                    assert_eq!(count, array.len());
                    assert_eq!(kept.len(), count.min(3));
                }
                (found, array) => assert!(found.is_err() && array.is_none(), "{text}"),
            }
        }
        (Ok(_), Err(fault)) => panic!("accepted, and others cannot read it: {fault}: {text}"),
        (Err(fault), Ok(value)) => assert!(depth(&value) > MAX_DEPTH, "{fault}: {text}"),
        (Err(_), Err(_)) => {}
    }
});
