//! The verbs beside the walk: bodies from pipes, threads, registers, profiles, emit and logs.

use serde_json::json;

use crate::support::cli::{Person, split};
use crate::support::server::Server;

#[test]
fn threads_and_replies_stand_before_the_colon() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let send = ["agent", "send", "--from", "b", "--to", "agent-alpha"];
    let more = ["--thread", "t-9", "--reply-to", "e-1", "one more"];
    alpha.kite(&[&send[..], &more].concat()).succeeds();
    let ended = alpha
        .kite(&["agent", "listen", "--count", "1", "--timeout", "10s"])
        .succeeds();
    let message = "b → agent-alpha thread=t-9 reply_to=e-1: one more";
    assert_eq!(split(ended.stdout.trim_end()).1, message);
}

#[test]
fn a_body_can_come_from_stdin_and_json_answers_in_the_apis_words() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let sent = alpha
        .kite(&["agent", "send", "--json", "--to", "agent-alpha", "-"])
        .stdin("from a pipe")
        .succeeds()
        .json();
    assert_eq!(
        (&sent["from"], &sent["to"]),
        (&json!("agent-alpha"), &json!("agent-alpha"))
    );
    let ended = alpha
        .kite(&[
            "agent",
            "listen",
            "--json",
            "--count",
            "1",
            "--timeout",
            "10s",
        ])
        .succeeds();
    let event = ended.json();
    assert_eq!(event["id"], sent["id"]);
    assert_eq!(event["data"]["body"], "from a pipe");
}

#[test]
fn agents_are_listed_and_shown() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let _beta = Person::agent(&server.owner(), "agent-beta");
    alpha
        .kite(&["agent", "list"])
        .stdout_has("agent-alpha")
        .stdout_has("agent-beta")
        .succeeds();
    alpha
        .kite(&["agent", "show"])
        .stdout_has("agent-alpha")
        .succeeds();
    let shown = alpha.kite(&["agent", "show", "--json"]).succeeds().json();
    assert_eq!(shown["id"], "agent-alpha");
}

#[test]
fn one_machine_can_hold_several_identities() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "agent-alpha");
    let (url, key) = (server.url().to_owned(), server.owner().key);
    person
        .kite(&[
            "--profile",
            "beta",
            "login",
            "--server",
            &url,
            "--with-token",
        ])
        .stdin(key)
        .succeeds();
    person
        .kite(&[
            "--profile",
            "beta",
            "agent",
            "register",
            "--name",
            "agent-beta",
        ])
        .succeeds();
    person
        .kite(&["--profile", "beta", "agent", "show"])
        .stdout_has("agent-beta")
        .succeeds();
    person
        .kite(&["agent", "show"])
        .stdout_has("agent-alpha")
        .succeeds();
}

#[test]
fn events_are_emitted_and_logged_with_their_data_as_it_was() {
    let server = Server::start();
    let person = Person::at(&server);
    let data = r#"{"z": 1.0, "a": 12345678901234567890, "é": "\u00e9"}"#;
    let emitted = person
        .kite(&[
            "emit",
            "--json",
            "--type",
            "com.demo.event",
            "--source",
            "https://demo",
            "--data",
            data,
        ])
        .succeeds()
        .json();
    for (name, count) in [("accepted", 1), ("duplicate", 0), ("refused", 0)] {
        assert_eq!(emitted[name], count, "{emitted}");
    }
    person
        .kite(&[
            "emit",
            "--type",
            "com.demo.event",
            "--source",
            "https://demo",
            "--data",
            "-",
        ])
        .stdin("[2]")
        .succeeds();

    let logged = person.kite(&["logs", "--json", "--limit", "10"]).succeeds();
    let compact = r#""data":{"z":1.0,"a":12345678901234567890,"é":"\u00e9"}"#;
    assert!(logged.stdout.contains(compact), "{logged:#?}");
    assert_eq!(
        logged.stdout.lines().count(),
        2,
        "one object per line: {logged:#?}"
    );

    let shown = person.kite(&["logs"]).succeeds().stdout;
    let places: Vec<_> = shown
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(places, ["#1", "#2"], "oldest first: {shown}");
    assert!(shown.contains("com.demo.event - "), "{shown}");
}
