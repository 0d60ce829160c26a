//! `kite stream` as people use it: what it prints, where it begins, and how it ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::hooks::Endpoint;
use crate::support::process::Process;
use crate::support::server::Server;

/// Silence after which a second copy of an event is not expected any more.
const SILENCE: Duration = Duration::from_millis(500);

/// What GitHub posts after a push, with spellings that a second hand would change.
const PUSH: &str = r#"{"ref":"refs/heads/main","size":1.0,"big":12345678901234567890,"z":"\u00e9\u001b[2J","pusher":{"name":"ann"},"commits":[{"id":"1"}],"repository":{"full_name":"acme/site"},"a":1e2}"#;

/// Puts an event of this type and id into the log.
fn emit(person: &Person, kind: &str, id: &str) {
    person
        .kite(&["emit", "--type", kind, "--id", id])
        .succeeds();
}

/// The ids of the events that `--json` printed.
fn ids(stdout: &str) -> Vec<String> {
    let id = |line: &str| -> String {
        let event: Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    stdout.lines().map(id).collect()
}

/// The next event that `--json` prints; its id.
fn next_id(stream: &mut Process) -> String {
    ids(&stream.line()).remove(0)
}

/// The names of the lines about the connection that `--json` puts on stderr.
fn told(stderr: &str) -> Vec<String> {
    let lines = stderr.lines();
    let objects = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects
        .filter_map(|object| Some(object["event"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_signed_push_is_one_line_and_its_data_leaves_byte_for_byte() {
    let server = Server::start();
    let github = Endpoint::github(&server.owner()).await;
    let person = Person::at(&server);
    let mut plain = person.listening(&["stream"]);
    let mut compact = person.listening(&["stream", "--compact", "--ephemeral"]);
    let mut json = person.listening(&["--json", "stream", "--ephemeral"]);
    github.push("d-1", PUSH).await.expect(202);

    let summary = "ann pushed 1 commit to main in acme/site";
    let line = plain.line();
    let (time, rest) = line.split_at("[00:00:00]".len());
    assert_eq!(rest, format!(" #1 com.github.push  {summary}"));
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "[00:00:00]", "{line}");
    assert_eq!(compact.line(), summary);
    let line = json.line();
    assert!(line.contains(&format!(r#""data":{PUSH}"#)), "{line}");
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["type"], "com.github.push");
    assert_eq!(event["source"], "https://github.com/acme/site");
    assert_eq!(event["kiteverified"], true);

    // The same delivery again is no event, and one with a wrong signature neither.
    github.push("d-1", PUSH).await.expect(200);
    let unsigned = github.post_from_github("d-2", &[], PUSH).await;
    unsigned.refused(401, "unauthorized");
    assert!(plain.is_silent_for(SILENCE), "{}", plain.said());
}

#[tokio::test]
async fn a_post_to_an_endpoint_is_of_the_source_that_the_endpoint_is_called() {
    let server = Server::start();
    let builds = Endpoint::create(&server.owner(), json!({"source": "builds"})).await;
    let person = Person::at(&server);
    let mut stream = person.listening(&["stream", "--source", "builds"]);
    emit(&person, "com.other", "1");
    let text = [("Content-Type", "text/plain")];
    builds.post_with_token(&text, "done").await.expect(202);
    assert!(
        stream
            .line()
            .ends_with(" #2 com.builds.event  builds event")
    );
    person
        .kite(&["endpoints", "deactivate", "--id", &builds.id])
        .succeeds();
    let refused = builds.post_with_token(&text, "done").await;
    refused.refused(410, "gone");
}

#[test]
fn two_forms_of_one_line_are_wrong_usage() {
    Person::new()
        .kite(&["stream", "--json", "--compact"])
        .stdout("")
        .stderr_has("--compact")
        .exits(2);
}

#[tokio::test]
async fn source_and_type_must_both_match() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let mut stream = person.listening(&[
        "stream",
        "--json",
        "--source",
        "github",
        "--event-type",
        "push",
    ]);
    let matching = ("https://github.com/a", "com.github.push");
    for (id, (source, kind)) in [
        ("wrong type", ("https://github.com/a", "com.github.issues")),
        ("wrong source", ("https://gitlab.com/a", "com.gitlab.push")),
        ("neither", ("https://gitlab.com/a", "com.gitlab.issues")),
        ("both", matching),
    ] {
        let event = json!({"id": id, "source": source, "type": kind});
        access.emit(&event).await.expect(202);
    }
    assert_eq!(next_id(&mut stream), "both");
    assert!(stream.is_silent_for(SILENCE), "{}", stream.said());
}

#[test]
fn what_came_while_it_was_away_is_printed_first_and_once() {
    let server = Server::start();
    let person = Person::at(&server);
    emit(&person, "com.demo", "before the first run");
    let mut stream = person.listening(&["stream", "--json"]);
    emit(&person, "com.demo", "1");
    assert_eq!(next_id(&mut stream), "1");
    stream.signal("INT");
    assert_eq!(stream.end().code, Some(130));

    emit(&person, "com.demo", "2");
    emit(&person, "com.demo", "3");
    let mut stream = person.listening(&["stream", "--json"]);
    emit(&person, "com.demo", "4");
    for expected in ["2", "3", "4"] {
        assert_eq!(next_id(&mut stream), expected);
    }
    stream.signal("TERM");
    stream.end();
    person
        .kite(&["stream", "--json", "--timeout", "1s"])
        .stdout("")
        .exits(8);
    // Another filter is another reader.
    emit(&person, "com.demo", "5");
    person
        .kite(&["stream", "--event-type", "demo", "--timeout", "1s"])
        .stdout("")
        .exits(8);
    let ended = person
        .kite(&["stream", "--json", "--count", "1", "--timeout", "10s"])
        .succeeds();
    assert_eq!(ids(&ended.stdout), ["5"]);
}

#[test]
fn an_event_beyond_the_count_is_there_for_the_next_run() {
    let server = Server::start();
    let person = Person::at(&server);
    let count = |count| {
        let args = ["stream", "--json", "--timeout", "10s", "--count", count];
        ids(&person.kite(&args).succeeds().stdout)
    };
    let first = person.listening(&["stream", "--json", "--count", "2"]);
    for id in ["1", "2", "3", "4", "5"] {
        emit(&person, "com.demo", id);
    }
    let ended = first.end();
    assert_eq!((ended.code, ids(&ended.stdout).len()), (Some(0), 2));
    assert_eq!(count("1"), ["3"]);
    assert_eq!(count("2"), ["4", "5"]);
}

#[test]
fn an_ephemeral_stream_keeps_nothing() {
    let server = Server::start();
    let person = Person::at(&server);
    emit(&person, "com.demo", "1");
    let mut stream = person.listening(&["stream", "--json", "--ephemeral"]);
    emit(&person, "com.demo", "2");
    assert_eq!(next_id(&mut stream), "2");
    stream.signal("INT");
    stream.end();
    emit(&person, "com.demo", "3");
    person
        .kite(&["stream", "--ephemeral", "--timeout", "1s"])
        .stdout("")
        .exits(8);
    person
        .kite(&["stream", "--ephemeral", "--client-id", "mine"])
        .exits(2);
}

#[tokio::test]
async fn since_begins_with_all_with_a_number_or_with_a_time() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    for id in ["1", "2", "3"] {
        emit(&person, "com.demo", id);
    }
    let since = |since, count| {
        let args = ["stream", "--json", "--ephemeral", "--timeout", "10s"];
        let args = [&args[..], &["--since", since, "--count", count]].concat();
        ids(&person.kite(&args).succeeds().stdout)
    };
    assert_eq!(since("all", "3"), ["1", "2", "3"]);
    assert_eq!(since("2", "2"), ["2", "3"]);
    assert_eq!(since("1h", "2"), ["1", "2"]);
    person
        .kite(&["stream", "--since", "7w"])
        .stderr_has("7w")
        .exits(2);

    // What is stored goes over into what comes: nothing twice, nothing missed, also with a cursor of its own.
    let mut stream = person.kite(&["stream", "--json", "--since", "2"]).start();
    assert_eq!(next_id(&mut stream), "2");
    assert_eq!(next_id(&mut stream), "3");
    emit(&person, "com.demo", "4");
    assert_eq!(next_id(&mut stream), "4");
    assert!(stream.is_silent_for(SILENCE), "{}", stream.said());
    stream.signal("INT");
    stream.end();
    emit(&person, "com.demo", "5");
    let mut stream = person.listening(&["stream", "--json"]);
    assert_eq!(next_id(&mut stream), "5");
}

#[test]
fn an_interrupt_ends_a_stream_with_130() {
    let server = Server::start();
    let person = Person::at(&server);
    for signal in ["INT", "TERM"] {
        let stream = person.listening(&["--json", "stream", "--ephemeral"]);
        stream.signal(signal);
        let ended = stream.end();
        assert_eq!(ended.code, Some(130), "{ended:#?}");
        assert_eq!(ended.stdout, "");
        let last = ended.stderr.lines().last().unwrap();
        let end: Value = serde_json::from_str(last).unwrap();
        assert_eq!(
            end,
            json!({"event": "end", "reason": "interrupted", "received": 0})
        );
    }
}

#[test]
fn a_closed_stdin_does_not_end_a_stream() {
    let server = Server::start();
    let person = Person::at(&server);
    let mut stream = person.listening(&["stream", "--json"]);
    assert!(stream.is_silent_for(SILENCE), "{}", stream.said());
    emit(&person, "com.demo", "1");
    assert_eq!(next_id(&mut stream), "1");
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_stream_quietly() {
    let server = Server::start();
    let person = Person::at(&server);
    let line = "set -o pipefail; kite stream --json --ready-file ready | head -n 1";
    let mut stream = person.shell(line).start();
    let ready = person.home().join("ready");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ready.exists() {
        assert!(Instant::now() < deadline, "{}", stream.said());
        std::thread::sleep(Duration::from_millis(10));
    }
    emit(&person, "com.demo", "1");
    assert_eq!(next_id(&mut stream), "1");
    // `head` has gone or is about to; the stream finds out when it prints again.
    emit(&person, "com.demo", "2");
    emit(&person, "com.demo", "3");
    let ended = stream.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for word in ["panicked", "roken pipe", "error"] {
        let said = ended.stderr.replace(r#""event":"end""#, "");
        assert!(!said.contains(word), "{ended:#?}");
    }
    // What could not be printed was not acknowledged.
    let ended = person
        .kite(&["stream", "--json", "--count", "1", "--timeout", "10s"])
        .succeeds();
    assert!(
        ["2", "3"].contains(&ids(&ended.stdout)[0].as_str()),
        "{ended:#?}"
    );
}

#[test]
fn everything_is_printed_once_and_in_order_though_the_server_is_killed() {
    let mut server = Server::start();
    let person = Person::at(&server);
    let mut stream = person.listening(&["--json", "stream"]);
    let mut sent = Vec::new();
    for round in 0..3 {
        if round > 0 {
            server.kill();
            if round == 1 {
                stream.wait_to_say(r#""event":"reconnecting""#);
            }
            server.start_again();
        }
        for n in 0..15 {
            let id = format!("{round}-{n}");
            emit(&person, "com.demo", &id);
            sent.push(id);
        }
    }
    let printed: Vec<String> = sent.iter().map(|_| next_id(&mut stream)).collect();
    assert_eq!(printed, sent);
    assert!(stream.is_silent_for(SILENCE), "{}", stream.said());
    stream.signal("INT");
    let ended = stream.end();
    let told = told(&ended.stderr);
    assert_eq!(told[..2], ["ready", "reconnecting"], "{ended:#?}");
    let last = told.iter().rposition(|name| name == "reconnecting");
    assert_eq!(told[last.unwrap() + 1..], ["ready", "end"], "{ended:#?}");
    for line in ended.stderr.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        if object["event"] == "reconnecting" {
            let reason = object["reason"].as_str().unwrap_or_default();
            assert!(!reason.is_empty(), "{object}");
            assert!(object["wait_ms"].is_u64(), "{object}");
        }
    }
}

#[tokio::test]
async fn no_field_of_an_event_paints_the_terminal() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let evil = "x\u{1b}[2J\u{1b}]0;owned\u{7}\r\n[00:00:00] #9 forged\u{9b}31m\u{202e}";
    let mut accepted = 0;
    for (id, name) in ["type", "source", "subject", "kitesummary", "data", "id"]
        .iter()
        .enumerate()
    {
        let mut event = json!({
            "id": format!("e{id}"), "source": "s", "type": "com.demo", "data": "fine"
        });
        event[*name] = json!(evil);
        match access.emit(&event).await {
            answer if answer.status == 202 => accepted += 1,
            answer => answer.refused(400, "bad_request"),
        }
    }
    assert!(accepted >= 2, "data and summary can hold anything");
    let count = accepted.to_string();
    for form in [
        &["stream"][..],
        &["stream", "--compact"],
        &["--json", "stream"],
    ] {
        let more = ["--ephemeral", "--since", "all", "--count", &count];
        let ended = person
            .kite(&[form, &more, &["--timeout", "10s"]].concat())
            .succeeds();
        assert_eq!(ended.stdout.lines().count(), accepted, "{ended:#?}");
        let is_raw = |c: char| c.is_ascii_control() && c != '\n';
        assert!(!ended.stdout.contains(is_raw), "{ended:#?}");
        assert!(!ended.stderr.contains(is_raw), "{ended:#?}");
        if form[0] == "stream" {
            let turns = |c: char| matches!(c, '\u{9b}' | '\u{202e}');
            assert!(!ended.stdout.contains(turns), "{ended:#?}");
        }
    }
    let listed = person.kite(&["logs"]).succeeds().stdout;
    assert_eq!(listed.lines().count(), accepted, "{listed:?}");
    assert!(!listed.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn a_second_stream_of_a_profile_reads_for_itself_and_says_so() {
    let server = Server::start();
    let person = Person::at(&server);
    let mut first = person.listening(&["stream", "--json"]);
    let mut second = person.listening(&["stream"]);
    second.wait_to_say("another process listens for the same here");
    assert!(!first.said().contains("another process"));
    emit(&person, "com.demo", "1");
    assert_eq!(next_id(&mut first), "1");
    assert!(second.line().contains(" #1 com.demo"));
    // Neither takes the other's place.
    emit(&person, "com.demo", "2");
    assert_eq!(next_id(&mut first), "2");
    assert!(second.line().contains(" #2 com.demo"));
}

#[test]
fn a_stream_whose_name_another_takes_over_ends_and_says_so() {
    let server = Server::start();
    let (here, there) = (Person::at(&server), Person::at(&server));
    let named = ["stream", "--json", "--client-id", "shared"];
    let first = here.listening(&named);
    let mut second = there.listening(&named);
    let ended = first.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let error = ended.json_error();
    assert_eq!(error["code"], "replaced");
    assert!(error["hint"].as_str().unwrap().contains("--client-id"));
    emit(&here, "com.demo", "1");
    assert_eq!(next_id(&mut second), "1");
}

#[test]
fn a_revoked_key_ends_a_stream_with_4() {
    let server = Server::start();
    let owner = Person::at(&server);
    let team = server.owner().team;
    let (id, access) = server.key_with(&team, &["--permissions", "read"]);
    let reader = Person::with(&access);
    let stream = reader.listening(&["stream"]);
    let idle = reader.listening(&["agent", "listen", "--as-id", "nobody"]);
    owner.kite(&["keys", "revoke", &id]).succeeds();
    let revoked = Instant::now();
    for listener in [stream, idle] {
        let ended = listener.end();
        assert_eq!(ended.code, Some(4), "{ended:#?}");
        assert!(ended.stderr.contains("refused the key"), "{ended:#?}");
        assert!(ended.stderr.contains("kite login"), "{ended:#?}");
    }
    // A promise (issue 3), not a measurement.
    assert!(revoked.elapsed() < Duration::from_secs(2));
    reader
        .kite(&["stream", "--timeout", "10s"])
        .stdout("")
        .exits(4);
}
