//! `docs/openintent.md` tells the truth: it has every name of the published package, and its commands are typed here from
//! the first line to the last. Its Rust is run as documentation tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::support::cli::Person;
use crate::support::openintent::{Node, address};
use crate::support::process::Process;
use crate::support::reference::sdk;
use crate::support::{GLANCE, PATIENCE};

/// The addresses of the two servers in the document.
const A: &str = "127.0.0.1:7700";
const B: &str = "127.0.0.1:7701";

fn document() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("docs/openintent.md")).unwrap()
}

/// The fenced blocks of one kind.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(opened)) => {
                fence = Some(opened);
                if opened == kind {
                    blocks.push(String::new());
                }
            }
            (Some(_), Some("")) => fence = None,
            (Some(opened), _) if opened == kind => {
                let block = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

#[test]
fn blocks_are_told_apart_by_their_kind() {
    let text = "text\n```sh\none\ntwo\n```\nthree\n```rust\nfour\n```\n```sh\n```\n";
    assert_eq!(blocks(text, "sh"), ["one\ntwo\n", ""]);
    assert_eq!(blocks(text, "rust"), ["four\n"]);
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

/// What is printed by the block that has the words, as far as others read it.
const PRINTED: [(&str, &str); 13] = [
    ("trust list", "upstream"),
    ("--from boss", "completed"),
    ("identity show", "multibase: z6Mk"),
    ("trust remove", "allowlist"),
    ("ucan inspect", "did:web:c.example"),
    ("envelope verify", "The signature is right"),
    ("status --json", "analyst"),
    ("-d '{", r#""accepted":true"#),
    ("--idempotency-key third", "completed"),
    ("/.well-known/did.json\n", "Ed25519VerificationKey2020"),
    ("--source", "analyst"),
    ("--dry-run", "analyst at http"),
    ("--output report.json", "completed"),
];

#[test]
fn what_the_document_shows_works_from_its_first_line_to_its_last() {
    let text = document();
    let [a, b] = [address(), address()];
    // The DIDs have the ports in another spelling.
    let here = |line: &str| line.replace(A, &a).replace(B, &b);
    let settings = here(&blocks(&text, "toml")[0]);
    let settings = settings.strip_prefix("[openintent]\n").unwrap();
    let nodes = [Node::start_at(&a, ""), Node::start_at(&b, settings)];
    let person = Person::new();
    for (name, node) in ["a", "b"].into_iter().zip(&nodes) {
        symlink(node.server.data_dir(), person.home().join(name)).unwrap();
    }
    let pipeline = here(&blocks(&text, "yaml")[0]);
    fs::write(person.home().join("pipeline.yaml"), pipeline).unwrap();
    let mut listeners: Vec<Process> = Vec::new();
    let mut printed = Vec::new();
    for block in blocks(&text, "sh") {
        let line = here(&block);
        if line.starts_with("kite serve ") {
            // The harness has started them.
            assert_eq!(line.matches("--allow-insecure-peers").count(), 2);
        } else if line.contains(" agent listen ") {
            let listener = person.shell(&format!("exec {line}")).start();
            listener.wait_to_say("listening for");
            listeners.push(listener);
        } else {
            let script = format!("set -e\n{line}");
            printed.push((block, person.shell(&script).succeeds().stdout));
        }
    }
    for (words, expected) in PRINTED {
        let mut found = printed.iter().filter(|(block, _)| block.contains(words));
        let (_, stdout) = found
            .next()
            .unwrap_or_else(|| panic!("nothing has {words}"));
        assert!(found.next().is_none(), "several have {words}");
        assert!(stdout.contains(expected), "{words}: {stdout}");
    }
    let told = |file: &str, part: &str| {
        let deadline = Instant::now() + PATIENCE;
        let file = person.home().join(file);
        while !fs::read_to_string(&file).is_ok_and(|text| text.contains(part)) {
            assert!(
                Instant::now() < deadline,
                "{file:?} never has {part}; {}",
                listeners[1].said()
            );
            thread::sleep(GLANCE);
        }
    };
    told("warnings.txt", "budget");
    told("news.txt", " completed");
}
