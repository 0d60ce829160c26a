//! Vectors of the manifest: what is one, what it asks a server for, and which events its rules mean.

use kite::protocol::event::Event;
use kite::protocol::scope::Scope;
use kite::sink::manifest::Manifest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::file::run;
use super::pattern::compare;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestCase {
    manifest: Value,
    valid: bool,
    scopes: Option<Vec<String>>,
    normalized: Option<Value>,
}

#[test]
fn vectors_manifests() {
    run("manifests", |case: ManifestCase| {
        let parsed = Manifest::parse(&case.manifest.to_string());
        assert_eq!(parsed.is_ok(), case.valid, "{parsed:?}");
        let Ok(manifest) = parsed else {
            assert!(case.scopes.is_none() && case.normalized.is_none());
            return;
        };
        if let Some(expected) = case.scopes {
            let scopes = manifest.scopes();
            let scopes: Vec<String> = scopes.iter().map(Scope::to_string).collect();
            assert_eq!(scopes, expected);
        }
        if let Some(expected) = case.normalized {
            compare(&expected, &manifest.normalized()).unwrap();
        }
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    rule: Value,
    event: Value,
    matches: bool,
}

#[test]
fn vectors_rule_globs() {
    run("rule_globs", |case: RuleCase| {
        let manifest = json!({
            "name": "n",
            "sink": {"type": "stdout"},
            "filters": {"drop": [case.rule]},
        });
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        let mut event = case.event;
        event["specversion"] = "1.0".into();
        event["id"] = "e1".into();
        let event = Event::parse(&event.to_string()).unwrap();
        assert_eq!(manifest.filters.drop[0].matches(&event), case.matches);
    });
}
