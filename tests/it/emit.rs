//! `kite emit --batch`: many events from lines, each stored once and accounted for.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::server::Server;

/// Lines with so many events, named e1 and so on.
fn lines(count: usize) -> String {
    let line = |number| {
        format!(
            "{{\"specversion\":\"1.0\",\"type\":\"com.acme.note\",\"id\":\"e{number}\",\"data\":{{\"n\": {number}.0}}}}\n"
        )
    };
    (1..=count).map(line).collect()
}

fn ids(log: &[Value]) -> Vec<String> {
    log.iter()
        .map(|listed| listed["event"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("e{number}")).collect()
}

#[tokio::test]
async fn ten_thousand_lines_are_stored_once_and_in_order() {
    let server = Server::start();
    let person = Person::at(&server);
    person
        .kite(&["emit", "--batch", "-"])
        .stdin(lines(10_000))
        .stdout("Accepted 10000, already stored 0, refused 0\n")
        .succeeds();
    let owner = server.owner();
    assert_eq!(ids(&owner.log().await), names(10_000));
    let page = owner.get("/api/v1/events?limit=1").await;
    assert!(
        page.text.contains(r#""data":{"n": 10000.0}"#),
        "{}",
        page.text
    );
    assert!(
        page.text.contains(r#""source":"kite-cli""#),
        "{}",
        page.text
    );
    let again = person
        .kite(&["emit", "--batch", "-", "--json"])
        .stdin(lines(1000))
        .succeeds();
    assert_eq!(
        again.json(),
        json!({"accepted": 0, "duplicate": 1000, "refused": 0})
    );
}

#[tokio::test]
async fn a_byte_order_mark_and_windows_line_ends_spoil_no_event() {
    let server = Server::start();
    let text = format!("\u{feff}{}", lines(3).replace('\n', "\r\n"));
    Person::at(&server)
        .kite(&["emit", "--batch", "-"])
        .stdin(text)
        .stdout("Accepted 3, already stored 0, refused 0\n")
        .succeeds();
}

#[tokio::test]
async fn bad_lines_are_named_and_hold_up_nothing() {
    let server = Server::start();
    let person = Person::at(&server);
    let long = format!("{{\"data\":\"{}\"}}", "x".repeat(1024 * 1024));
    let text = [
        r#"{"specversion":"1.0","type":"t"}"#,
        "",
        "nope",
        r#"{"specversion":"1.0","id":"e4","source":"s"}"#,
        "  \r",
        r#"{"specversion":"1.0","type":"kite.subscription.x"}"#,
        &long,
        r#"{"specversion":"1.0","type":"t","id":"e8","subject":"é","time":"2026-01-01T00:00:00Z","source":"mine"}"#,
    ]
    .join("\n");
    let file = person.home().join("events.jsonl");
    std::fs::write(&file, text.clone() + "\n\u{7}").unwrap();
    let ended = person
        .kite(&["emit", "--batch", "events.jsonl"])
        .stdout("Accepted 2, already stored 0, refused 5\n")
        .exits(7);
    for (line, why) in [
        (3, "JSON"),
        (4, "`type`"),
        (6, "reserved"),
        (7, "longer"),
        (9, "JSON"),
    ] {
        let prefix = format!("line {line} was refused: ");
        let found = ended.stderr.lines().any(|said| {
            said.split_once(&prefix)
                .is_some_and(|(_, rest)| rest.contains(why))
        });
        assert!(found, "{line} {why}: {}", ended.stderr);
    }
    let log = server.owner().log().await;
    let (made, own) = (&log[0]["event"], &log[1]["event"]);
    assert_eq!(made["source"], "kite-cli");
    assert!(made["id"].as_str().is_some_and(|id| id.len() == 36));
    assert_eq!(
        (&own["id"], &own["source"], &own["time"]),
        (&json!("e8"), &json!("mine"), &json!("2026-01-01T00:00:00Z"))
    );

    let with_type = ["emit", "--batch", "events.jsonl", "--type", "t", "--json"];
    let ended = person.kite(&with_type).exits(7);
    assert_eq!(
        ended.json(),
        json!({"accepted": 2, "duplicate": 1, "refused": 4})
    );
    assert!(
        ended.stderr.contains(r#"{"event":"refused","line":3,"#),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn an_event_may_nest_as_deeply_as_one_that_is_sent_alone() {
    let server = Server::start();
    let person = Person::at(&server);
    let line = |depth: usize| {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!("{{\"specversion\":\"1.0\",\"type\":\"t\",\"id\":\"e{depth}\",\"data\":{data}}}\n")
    };
    let text: String = (116..=120).map(line).collect();
    let ended = person
        .kite(&["emit", "--batch", "-", "--json"])
        .stdin(text)
        .exits(7);
    assert_eq!(
        ended.json(),
        json!({"accepted": 4, "duplicate": 0, "refused": 1})
    );
    let stored = server.owner().log().await;
    assert_eq!(ids(&stored), ["e116", "e117", "e118", "e119"]);
    let data = "[".repeat(119) + &"]".repeat(119);
    let alone = ["emit", "--type", "t", "--data", &data];
    person.kite(&alone).succeeds();
}

#[tokio::test]
async fn nothing_and_only_bad_lines_have_their_exit_codes() {
    let server = Server::start();
    let person = Person::at(&server);
    for empty in ["", "\n\n  \n"] {
        person
            .kite(&["emit", "--batch", "-"])
            .stdin(empty)
            .stdout("Accepted 0, already stored 0, refused 0\n")
            .succeeds();
    }
    person
        .kite(&["emit", "--batch", "-"])
        .stdin("x\ny")
        .stdout("Accepted 0, already stored 0, refused 2\n")
        .exits(1);
    person
        .kite(&["emit", "--batch", "no-such-file"])
        .stderr_has("no-such-file")
        .exits(2);
    for clash in ["--data", "--subject", "--id"] {
        person.kite(&["emit", "--batch", "-", clash, "1"]).exits(2);
    }
    person.kite(&["emit"]).stderr_has("--type").exits(2);
    let reader = server.key(&server.owner().team, "read");
    Person::with(&reader)
        .kite(&["emit", "--batch", "-"])
        .stdin(lines(2))
        .stdout("Accepted 0, already stored 0, refused 0, unanswered 2\n")
        .stderr_has("`write`")
        .exits(4);
    assert!(server.owner().log().await.is_empty());
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_has_every_event_once() {
    let mut server = Server::start();
    let person = Person::at(&server);
    let count = 20_000;
    let process = person
        .kite(&["emit", "--batch", "-", "--json"])
        .stdin(lines(count))
        .start();
    let owner = server.owner();
    eventually("some events are stored", || async {
        let page = owner.get("/api/v1/events?limit=1").await;
        (page.json["last_seq"].as_u64()? > 500).then_some(())
    })
    .await;
    server.kill();
    process.wait_to_say("waiting");
    server.start_again();
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let account = ended.json();
    let of = |name: &str| account[name].as_u64().unwrap();
    assert_eq!(of("accepted") + of("duplicate"), count as u64);
    assert_eq!(of("refused"), 0);
    // The connections of before are gone.
    assert_eq!(ids(&server.owner().log().await), names(count));
}

#[tokio::test]
async fn a_quota_that_ends_ends_the_run_with_an_exact_account() {
    let server = Server::start_with(&["--events-limit", "30"]);
    let person = Person::at(&server);
    let ended = person
        .kite(&["emit", "--batch", "-", "--json"])
        .stdin(lines(100) + "bad\n")
        .exits(6);
    assert_eq!(
        ended.json(),
        json!({"accepted": 30, "duplicate": 0, "refused": 1, "unanswered": 70})
    );
    assert_eq!(ended.json_error()["code"], "quota_exhausted");
    person
        .kite(&["emit", "--batch", "-"])
        .stdin(lines(40))
        .stdout_has("already stored 30, refused 0, unanswered 10")
        .exits(6);
}

#[tokio::test]
async fn a_closed_stdout_hides_no_failure() {
    let server = Server::start_with(&["--events-limit", "2"]);
    let person = Person::at(&server);
    let emit = |text: &str| {
        let run = "{ kite emit --batch - 3>&-; echo $? >&3; } 3>ended | true; cat ended >&2";
        let said = person.shell(run).stdin(text).succeeds().stderr;
        said.lines().last().map(str::to_owned)
    };
    assert_eq!(emit("bad\n").as_deref(), Some("1"));
    assert_eq!(emit(&lines(1)).as_deref(), Some("0"));
    assert_eq!(emit(&lines(4)).as_deref(), Some("6"));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    let server = Server::start_with(&["--key-rate-limit", "40", "--rate-window-secs", "2"]);
    let person = Person::at(&server);
    person
        .kite(&["emit", "--batch", "-"])
        .stdin(lines(100))
        .stdout("Accepted 100, already stored 0, refused 0\n")
        .stderr_has("waiting")
        .succeeds();
    let stored: BTreeSet<_> = ids(&server.owner().log().await).into_iter().collect();
    assert_eq!(stored, names(100).into_iter().collect());
}

#[tokio::test]
async fn lines_that_come_slowly_are_sent_at_once_and_an_interrupt_leaves_an_account() {
    let server = Server::start();
    let person = Person::at(&server);
    let pipe = person.home().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let process = person.kite(&["emit", "--batch", "pipe"]).start();
    let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    let owner = server.owner();
    for (number, line) in lines(3).lines().enumerate() {
        writer.write_all(format!("{line}\n\n").as_bytes()).unwrap();
        let owner = &owner;
        eventually("it is stored", || async move {
            let page = owner.get("/api/v1/events?limit=1").await;
            (page.json["last_seq"] == number + 1).then_some(())
        })
        .await;
    }
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_eq!(ended.stdout, "Accepted 3, already stored 0, refused 0\n");
}

#[test]
fn a_server_that_is_not_there_is_told_of_at_once() {
    Person::new()
        .kite(&["emit", "--batch", "-"])
        .env("KITE_SERVER", "http://127.0.0.1:1")
        .env("KITE_TEAM_ID", "default")
        .env(
            "KITE_API_KEY",
            "kite_0a1b2c3d_00112233445566778899aabbccddeeff",
        )
        .stdin(lines(3))
        .stdout("Accepted 0, already stored 0, refused 0, unanswered 3\n")
        .exits(5);
}
