//! What is in `docs/` is true: each document is typed from its first block to its last, as `walk` says.

mod openintent;
mod recording;
mod shown;
mod terminal;
mod text;
mod walk;

use std::fs;
use std::path::Path;

use walk::{Places, walk};

use crate::support::postgres::Cluster;

/// Documents in which nothing is typed: the index, and what reviews have found.
const NOT_WALKED: [&str; 3] = ["README.md", "cli-review.md", "security-review.md"];

/// A test for each document, with what stands for something else in it.
macro_rules! documents {
    ($($name:ident: $file:literal, $places:expr;)*) => {
        const WALKED: &[&str] = &[$($file),*];

        $(
            #[test]
            fn $name() {
                let places: Places<'_> = $places;
                walk(concat!("docs/", $file), places);
            }
        )*
    };
}

documents! {
    agent_messaging: "agent-messaging.md", &[];
    federation: "federation.md", &[];
    first_steps: "first-steps.md", &[];
    hand_over: "hand-over.md", &[];
    openintent_walk: "openintent.md", &[];
    protocol: "protocol.md", &[];
    security_model: "security-model.md", &[];
    self_hosting: "self-hosting.md", &[("postgres://kite:secret@localhost/kite", &Cluster::shared().database())];
    webhooks: "webhooks.md", &[];
}

#[test]
fn readme() {
    // These are run by tests of their own, or are these tests.
    let places = [
        ("cargo run --locked -- demo", "kite demo"),
        ("./install.sh", "true"),
        ("scripts/test.sh", "true"),
    ];
    walk("README.md", &places);
}

#[test]
fn every_document_is_walked() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for entry in fs::read_dir(docs).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = WALKED.contains(&&*name) || NOT_WALKED.contains(&&*name);
        assert!(
            is_known || !name.ends_with(".md"),
            "nothing walks docs/{name}"
        );
        let path = Path::new("docs").join(&name);
        let text = fs::read_to_string(path).unwrap_or_default();
        let is_typed = text.contains("\n```sh");
        assert_eq!(
            is_typed,
            WALKED.contains(&&*name),
            "what docs/{name} has typed is tried"
        );
    }
}
