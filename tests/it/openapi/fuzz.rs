//! A generative tester reads the document, makes up requests from it, good ones and bad ones, and judges the answers.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::program;
use crate::support::openintent::{Node, address};
use crate::support::process::Process;

/// How long one run may take on a machine that has other things to do.
const RUN_LIMIT: Duration = Duration::from_secs(600);

#[test]
fn no_answer_to_a_read_key_is_undocumented() {
    answers_are_as_described("read");
}

#[test]
fn no_answer_to_a_write_key_is_undocumented() {
    answers_are_as_described("write");
}

#[test]
fn no_answer_to_an_admin_key_is_undocumented() {
    answers_are_as_described("admin");
}

/// Tries all operations with a key that allows this.
fn answers_are_as_described(permission: &str) {
    // Who calls is what the tester says: from one address, too much would be refused.
    let url = "https://kite.example.com";
    let more = ["--public-url", url, "--trusted-proxies", "127.0.0.0/8"];
    let node = Node::start_with(&address(), url, "trust_policy = \"open\"\n", &more);
    let server = &node.server;
    let team = server.team("acme");
    let (id, access) = server.key_with(&team.team, &["--permissions", permission]);
    let home = TempDir::new().unwrap();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openapi/schemathesis.toml");
    let mut command = program("fuzz.py", home.path());
    command
        .current_dir(home.path())
        .env("KITE_OWN_KEY_ID", id)
        .arg("--config-file")
        .arg(settings)
        .arg("run")
        .arg(format!("{}/openapi.json", access.url))
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", access.key))
        .arg("--header")
        .arg(format!("X-API-Key: {}", access.key))
        .args(["--seed", "1", "--max-examples", "5", "--no-color"]);
    let ended = Process::start("the tester", command, None).end_within(RUN_LIMIT);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}
