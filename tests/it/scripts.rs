//! kite in scripts of `sh`: a CI step that waits for an event.

use std::fs;

use serde_json::Value;

use crate::support::cli::Person;
use crate::support::server::Server;

/// Starts a stream, does something when it stands, and ends as the stream ends.
fn step(timeout: &str, then: &str) -> String {
    format!(
        r#"set -eu
kite stream --json --count 1 --timeout {timeout} --ready-file r > event.json &
stream=$!
until [ -e r ]; do kill -0 "$stream" 2>/dev/null || wait "$stream"; sleep 0.1; done
{then}
wait "$stream"
"#
    )
}

fn run(person: &Person, script: &str) -> crate::support::cli::Kite {
    fs::write(person.home().join("step.sh"), script).unwrap();
    person.shell("exec sh step.sh")
}

#[test]
fn a_step_waits_for_its_event_and_goes_on() {
    let server = Server::start();
    let person = Person::at(&server);
    let emit = "kite emit --type com.example.build.done --data '{\"ok\":true}'";
    run(&person, &step("30s", emit)).succeeds();
    let printed = fs::read_to_string(person.home().join("event.json")).unwrap();
    let event: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(event["type"], "com.example.build.done");
    assert!(printed.contains(r#""data":{"ok":true}"#), "{printed}");
    // Again, over the ready file of the first run: the cursor stands already, so nothing is missed.
    run(&person, &step("30s", emit)).succeeds();
}

#[test]
fn a_step_to_which_nothing_comes_fails_with_8() {
    let server = Server::start();
    let person = Person::at(&server);
    let ended = run(&person, &step("1s", ":")).stdout("").exits(8);
    let error = ended.json_error();
    assert_eq!(error["code"], "nothing_came");
    assert_eq!(
        fs::read(person.home().join("event.json")).unwrap(),
        b"",
        "{ended:#?}"
    );
}

#[test]
fn a_step_whose_key_is_none_does_not_wait_for_its_ready_file() {
    let server = Server::start();
    let person = Person::new();
    run(&person, &step("30s", "exit 99"))
        .env("KITE_SERVER", server.url())
        .env(
            "KITE_API_KEY",
            "kite_deadbeef_00000000000000000000000000000000",
        )
        .exits(4);
    assert!(!person.home().join("r").exists());
}

#[test]
fn a_ready_file_that_cannot_be_made_new_is_said_at_once() {
    let server = Server::start();
    let person = Person::at(&server);
    fs::create_dir(person.home().join("r")).unwrap();
    person
        .kite(&["stream", "--timeout", "10s", "--ready-file", "r"])
        .stdout("")
        .stderr_has("`r`")
        .exits(1);
}
