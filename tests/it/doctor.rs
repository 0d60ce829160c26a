//! `kite doctor`: a line per check, the remedy where one is needed, the exit code of the worst; and it never hangs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::Value;

use crate::support::cli::Person;
use crate::support::server::Server;

/// The findings by check.
fn findings(person: &Person, args: &[&str], code: i32) -> serde_json::Map<String, Value> {
    let ended = person
        .kite(&[args, &["doctor", "--json"]].concat())
        .exits(code);
    let lines = ended.stdout.lines();
    lines
        .map(|line| {
            let finding: Value = serde_json::from_str(line).unwrap();
            let mut members: Vec<&str> = finding
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            members.sort_unstable();
            assert_eq!(members, ["check", "detail", "ok", "remedy"]);
            (finding["check"].as_str().unwrap().to_owned(), finding)
        })
        .collect()
}

const CHECKS: [&str; 12] = [
    "config",
    "files",
    "key",
    "agent",
    "name",
    "connection",
    "health",
    "clock",
    "session",
    "permissions",
    "expiry",
    "cursor",
];

fn are_complete(findings: &serde_json::Map<String, Value>) {
    let checks: Vec<&str> = findings.keys().map(String::as_str).collect();
    assert_eq!(checks, CHECKS, "every check is named, in its order");
}

#[test]
fn a_profile_that_is_well_has_a_tick_everywhere() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "agent-alpha");
    let found = findings(&person, &[], 0);
    are_complete(&found);
    for (check, finding) in &found {
        assert_eq!(finding["ok"], true, "{check}: {finding}");
    }
    let detail = |check: &str| found[check]["detail"].as_str().unwrap().to_owned();
    assert!(detail("permissions").ends_with("read, write, admin"));
    assert!(detail("health").contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(detail("cursor"), "no message waits");

    let ended = person
        .kite(&["doctor"])
        .stderr_has("all is well")
        .succeeds();
    let ticks = ended.stdout.lines().filter(|line| line.starts_with("✓ "));
    assert_eq!(ticks.count(), CHECKS.len(), "{ended:#?}");
}

#[test]
fn waiting_messages_are_counted_and_not_taken() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "agent-alpha");
    for body in ["one", "two"] {
        let send = ["agent", "send", "--to", "agent-alpha", body];
        person.kite(&send).succeeds();
    }
    for _ in 0..2 {
        let found = findings(&person, &[], 0);
        assert_eq!(found["cursor"]["detail"], "2 messages wait");
    }
    let listen = ["agent", "listen", "--count", "2", "--timeout", "10s"];
    person.kite(&listen).stdout_has(": two").succeeds();

    let listener = person.listen();
    let found = findings(&person, &[], 0);
    assert_eq!(found["cursor"]["ok"], Value::Null, "{found:?}");
    assert!(!listener.said().contains("replaced"), "{}", listener.said());
}

#[test]
fn somebody_who_never_logged_in_hears_how() {
    let server = Server::start();
    let person = Person::new();
    let found = findings(&person, &["--server", server.url()], 4);
    are_complete(&found);
    assert_eq!(found["key"]["ok"], false);
    assert!(
        found["key"]["remedy"]
            .as_str()
            .unwrap()
            .contains("kite login")
    );
    assert_eq!(found["health"]["ok"], true);
    assert_eq!(found["session"]["ok"], Value::Null);
    assert!(!person.config_file().exists(), "looking changes nothing");
}

#[test]
fn a_server_that_is_away_is_5_and_one_that_refuses_the_key_4() {
    let mut server = Server::start();
    let person = Person::at(&server);
    let (id, access) = server.key_with("default", &["--permissions", "read"]);
    let reader = Person::with(&access);
    server.stop();
    let found = findings(&person, &[], 5);
    are_complete(&found);
    assert_eq!(found["connection"]["ok"], false);
    assert_eq!(found["health"]["ok"], Value::Null);

    server.start_again();
    assert!(
        findings(&reader, &[], 0)["permissions"]["detail"]
            .as_str()
            .unwrap()
            .ends_with("may read")
    );
    // By the server itself, so that it counts at once.
    person.kite(&["keys", "revoke", &id]).succeeds();
    let found = findings(&reader, &[], 4);
    are_complete(&found);
    assert_eq!(found["session"]["ok"], false);
}

#[test]
fn a_file_that_others_can_read_and_one_that_does_not_parse_are_found() {
    let server = Server::start();
    let person = Person::at(&server);
    fs::set_permissions(person.config_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let found = findings(&person, &[], 1);
    assert_eq!(found["files"]["ok"], false);
    assert!(
        found["files"]["remedy"]
            .as_str()
            .unwrap()
            .starts_with("`chmod 600 ")
    );

    person.write_config("not = [toml");
    let found = findings(&person, &[], 1);
    are_complete(&found);
    assert_eq!(found["config"]["ok"], false);
    person
        .kite(&["doctor"])
        .stdout_has("✗ config: ")
        .stderr_has("1 check failed")
        .exits(1);
}

#[test]
fn a_name_that_does_not_exist_and_a_clock_that_is_wrong_are_found() {
    let person = Person::new();
    let found = findings(&person, &["--server", "http://no-such-host.invalid"], 4);
    assert_eq!(found["name"]["ok"], false);

    let url = answering(
        "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    );
    let found = findings(&person, &["--server", &url], 4);
    assert_eq!(found["clock"]["ok"], false, "{found:?}");
    assert!(found["clock"]["detail"].as_str().unwrap().contains("ahead"));
    assert_eq!(
        found["health"]["ok"], true,
        "a server may say nothing about itself"
    );
}

#[test]
fn a_server_that_never_answers_is_given_up_on() {
    let url = answering("");
    let person = Person::new();
    let found = findings(&person, &["--server", &url], 4);
    are_complete(&found);
    assert_eq!(found["connection"]["ok"], true);
    assert_eq!(found["health"]["ok"], false);
}

/// A server that gives one answer to everything; to an empty one belongs silence.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                // Whoever only connects sends nothing, and is gone.
                let read = stream.read(&mut [0; 4096]).unwrap_or(0);
                if read > 0 && !answer.is_empty() {
                    stream.write_all(answer.as_bytes()).ok();
                    return;
                }
                // Holds the connection until the other side lets go.
                stream.read_to_end(&mut Vec::new()).ok();
            });
        }
    });
    url
}
