//! What the document says of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{document, operations, program};
use crate::support::process::Process;
use crate::support::server::Server;

/// Where the copy is that shows changes to whoever reads them.
const COPY: &str = "docs/openapi.json";

#[tokio::test]
async fn every_operation_says_what_it_is() {
    let document = document(&Server::start()).await;
    let tags = document["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = tags.iter().map(|tag| text(&tag["name"])).collect();
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        assert!(
            ids.insert(text(&operation["operationId"])),
            "{name}: its id is not its own"
        );
        let summary = text(&operation["summary"]);
        assert!(
            summary.ends_with('.') && summary.contains(' '),
            "{name}: `{summary}`"
        );
        let own = operation["tags"].as_array().unwrap();
        assert_eq!(own.len(), 1, "{name}");
        assert!(tags.contains(text(&own[0])), "{name}: {own:?}");
        used.insert(text(&own[0]));
        let permission = operation.get("x-kite-permission");
        let words = ["read", "write", "admin"];
        assert!(
            permission.is_none_or(|word| words.contains(&text(word))),
            "{name}"
        );
        let answers = operation["responses"].as_object().unwrap();
        assert!(
            answers.keys().any(|status| !status.starts_with('5')),
            "{name}"
        );
    }
    assert!(ids.len() > 50, "{ids:?}");
    assert_eq!(used, tags, "a tag of nothing");
}

#[tokio::test]
async fn whatever_is_referred_to_is_there_and_whatever_is_there_is_referred_to() {
    let document = document(&Server::start()).await;
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    assert!(!named.is_empty());
    for reference in &named {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        let reference = format!("#/components/schemas/{name}");
        assert!(named.contains(&reference), "nothing refers to {name}");
    }
}

#[tokio::test]
async fn the_validator_finds_nothing_wrong_with_it() {
    let document = document(&Server::start()).await;
    let home = TempDir::new().unwrap();
    let command = program("valid.py", home.path());
    let stdin = Some(document.to_string().into_bytes());
    let ended = Process::start("the validator", command, stdin).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

/// `scripts/generate.sh` has it written anew.
#[tokio::test]
async fn the_copy_in_docs_is_fresh() {
    let document = document(&Server::start()).await;
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join(COPY);
    let text = format!("{document:#}\n");
    if std::env::var_os("KITE_TEST_WRITES_OPENAPI").is_some() {
        fs::write(&copy, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(copy).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(
        kept == text,
        "{COPY} is not fresh: scripts/generate.sh writes it ({differs:?})"
    );
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Everything that a part of the document refers to.
fn references(part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(members) => {
            found.extend(
                members
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            members
                .values()
                .for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
