//! `docs/openintent.md` has every name of the published package. Its Rust is run as documentation tests.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::reference::sdk;

fn document() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("docs/openintent.md")).unwrap()
}

#[test]
fn every_name_of_the_package_is_in_the_document() {
    let text = document();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = text.split(|c| !is_name(c)).collect();
    let said = sdk(&[json!({"do": "names"})]);
    let names: Vec<String> = serde_json::from_value(said[0].value().clone()).unwrap();
    assert!(names.iter().any(|name| name == "compose_strictest"));
    assert!(names.iter().any(|name| name == "UNLISTED"));
    let missing = names.iter().filter(|name| !words.contains(&name.as_str()));
    let missing: Vec<&String> = missing.collect();
    assert!(missing.is_empty(), "the document lacks {missing:?}");
}
