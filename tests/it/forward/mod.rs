//! `kite stream --federation-target`: what another instance gets, in which order, and what happens while it does not
//! take it.

mod receiver;

use std::sync::Arc;
use std::time::Duration;

use kite::protocol::event::Event;
use kite::store::record::{Batch, NewEvent};
use serde_json::{Value, json};

use self::receiver::{Receiver, Reply, TOKEN};
use crate::support::authority::Authority;
use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::hooks::Endpoint;
use crate::support::http::Access;
use crate::support::peers::Peer;
use crate::support::process::Process;
use crate::support::server::Server;

/// Silence after which nothing more is expected.
const SILENCE: Duration = Duration::from_millis(500);

/// Emits an event of a source.
async fn emit(access: &Access, id: &str, source: &str) {
    let event = json!({"id": id, "source": source, "type": "com.example.note", "data": {"n": 1}});
    access.emit(&event).await.expect(202);
}

/// The command that forwards to a hook.
fn command<'a>(target: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let own = [
        "--json",
        "stream",
        "--federation-target",
        target,
        "--federation-token",
        TOKEN,
        "--instance-id",
        "laptop",
    ];
    [&own, more].concat()
}

/// Starts it; it is connected when this returns.
fn forwarding(person: &Person, target: &str, more: &[&str]) -> Process {
    person.listening(&command(target, more))
}

/// What the last line about the end says.
fn end(stderr: &str) -> Value {
    let lines = stderr.lines();
    let objects = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ends = objects.filter(|object| object["event"] == "end");
    ends.next_back().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_goes_on_over_tls_signed_and_with_its_provenance() {
    let server = Server::start();
    let authority = Authority::new();
    let receiver = Receiver::with_tls(&authority.identify("localhost")).await;
    let person = Person::at(&server);
    let ca_file = authority.write(person.home());
    emit(&server.owner(), "e-1", "https://a.example").await;
    let args = [
        "stream",
        "--federation-target",
        &receiver.url,
        "--federation-token",
        "-",
        "--instance-id",
        "laptop",
        "--ca-file",
        ca_file.to_str().unwrap(),
        "--since",
        "all",
        "--count",
        "1",
    ];
    let ended = person
        .kite(&args)
        .stdin(format!("{TOKEN}\n"))
        .stdout("")
        .stderr_has("1 forwarded, 0 skipped, 0 failed")
        .stderr_lacks(TOKEN)
        .succeeds();
    let event = &receiver.taken()[0];
    assert_eq!(event["id"], "e-1", "{ended:?}");
    assert_eq!(event["data"], json!({"n": 1}));
    assert_eq!(event["kitefedorigin"], "laptop");
    assert_eq!(event["kitefedchain"], r#"["laptop"]"#);
    assert_eq!(event["kitefedhops"], 1);
    assert_eq!(event.get("kiteseq"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_another_authority_vouches_for_gets_nothing() {
    let server = Server::start();
    let receiver = Receiver::with_tls(&Authority::new().identify("localhost")).await;
    let person = Person::at(&server);
    let ca_file = Authority::new().write(person.home());
    let ca_file = ["--ca-file", ca_file.to_str().unwrap()];
    let stream = forwarding(&person, &receiver.url, &ca_file);
    emit(&server.owner(), "e-1", "a").await;
    stream.wait_to_say(r#""event":"holding""#);
    stream.signal("INT");
    assert_eq!(stream.end().code, Some(130));
    assert_eq!(receiver.times("e-1"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_shows_how_far_it_is() {
    let server = Server::start();
    let receiver = Receiver::start().await;
    let person = Person::at(&server);
    emit(&server.owner(), "e-1", "a").await;
    let line = format!(
        "script -qec 'kite stream --federation-target {} --since all --count 2' /dev/null >&2",
        receiver.url
    );
    let terminal = person.shell(&line).env("KITE_FEDERATION_TOKEN", TOKEN);
    let terminal = terminal.env("TERM", "xterm").start();
    terminal.wait_to_say(" 1 forwarded, 0 skipped, 0 failed, ");
    emit(&server.owner(), "e-2", "a").await;
    let ended = terminal.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("2 forwarded, 0 skipped, 0 failed\r\n"),
        "{ended:?}"
    );
}

#[test]
fn what_cannot_be_forwarded_to_or_with_is_wrong_usage() {
    let person = Person::new();
    let refused = |args: &[&str], part: &str| {
        let all = [&["stream", "--federation-token", "t"], args].concat();
        person.kite(&all).stdout("").stderr_has(part).exits(2);
    };
    refused(
        &["--federation-target", "http://kite.example/hooks/t/kite"],
        "https",
    );
    refused(
        &["--federation-target", "https://a:b@kite.example/"],
        "password",
    );
    refused(&[], "--federation-target");
    let target = "https://kite.example/hooks/t/kite";
    refused(&["--federation-target", target, "--compact"], "--compact");
    refused(&["--federation-target", target, "--exec", "cat"], "--exec");
    refused(
        &["--federation-target", target, "--instance-id", ""],
        "instance id",
    );
    for (args, stdin, variable) in [
        (&[][..], "", ""),
        (&["--federation-token", ""], "", ""),
        (&["--federation-token", "-"], "\n", "unused"),
        (&[], "", " "),
    ] {
        person
            .kite(&[&["stream", "--federation-target", target], args].concat())
            .env("KITE_FEDERATION_TOKEN", variable)
            .stdin(stdin)
            .stderr_has("KITE_FEDERATION_TOKEN")
            .stderr_has("--federation-token -")
            .exits(2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_keeps_the_id_that_it_forwards_under() {
    let server = Server::start();
    let receiver = Receiver::start().await;
    let person = Person::at(&server);
    emit(&server.owner(), "e-1", "a").await;
    let line = ["stream", "--federation-target", &receiver.url];
    for _ in 0..2 {
        person
            .kite(&[&line[..], &["--since", "all", "--count", "1"]].concat())
            .env("KITE_FEDERATION_TOKEN", TOKEN)
            .succeeds();
    }
    let taken = receiver.taken();
    let origin = taken[0]["kitefedorigin"].as_str().unwrap();
    assert_eq!(origin.len(), 36);
    assert_eq!(taken[0]["kitefedorigin"], taken[1]["kitefedorigin"]);
    let config = std::fs::read_to_string(person.config_file()).unwrap();
    assert!(config.contains(&format!("instance_id = \"{origin}\"")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_the_other_instance_is_away() {
    let server = Server::start();
    let address = Receiver::start().await.stop().await;
    let person = Person::at(&server);
    let url = format!("http://localhost:{}/hooks/t/kite", address.port());
    let stream = forwarding(&person, &url, &["--count", "9"]);
    let access = server.owner();
    for n in 0..9 {
        emit(&access, &format!("e-{n}"), &format!("source {}", n % 3)).await;
    }
    stream.wait_to_say(r#""event":"holding""#);
    let receiver = Receiver::at(address).await;
    let ended = stream.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut ids = receiver.ids();
    ids.sort();
    assert_eq!(ids, (0..9).map(|n| format!("e-{n}")).collect::<Vec<_>>());
    let account = end(&ended.stderr);
    assert_eq!(account["forwarded"], 9);
    let resumed = ended.stderr.matches(r#""event":"resumed""#).count();
    assert_eq!(resumed, 1, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_busy_is_asked_again_and_keeps_the_order() {
    let server = Server::start();
    let receiver = Receiver::deciding(|event, before| match (event["id"].as_str(), before) {
        (Some("e-0"), 0) => Reply::With(503),
        (Some("e-0"), 1) => Reply::With(429),
        _ => Reply::With(202),
    })
    .await;
    let person = Person::at(&server);
    let stream = forwarding(&person, &receiver.url, &["--count", "5"]);
    let access = server.owner();
    for n in 0..5 {
        emit(&access, &format!("e-{n}"), "one").await;
    }
    assert_eq!(stream.end().code, Some(0));
    assert_eq!(receiver.ids(), ["e-0", "e-1", "e-2", "e-3", "e-4"]);
    assert_eq!(receiver.times("e-0"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hangs_there_when_forwarding_ends_is_forwarded_by_the_next_run() {
    let server = Server::start();
    let receiver = Receiver::deciding(|event, before| match (event["id"].as_str(), before) {
        (Some("e-hangs"), 0) => Reply::Hang,
        _ => Reply::With(202),
    })
    .await;
    let person = Person::at(&server);
    let stream = forwarding(&person, &receiver.url, &["--client-id", "f"]);
    let access = server.owner();
    emit(&access, "e-0", "one").await;
    receiver.has_taken(1).await;
    emit(&access, "e-hangs", "one").await;
    receiver.has_come("e-hangs", 1).await;
    emit(&access, "e-2", "another").await;
    receiver.has_taken(2).await;
    stream.signal("INT");
    assert_eq!(stream.end().code, Some(130));

    // What lies behind it was not acknowledged either, so it comes twice.
    let stream = forwarding(
        &person,
        &receiver.url,
        &["--client-id", "f", "--count", "2"],
    );
    assert_eq!(stream.end().code, Some(0));
    assert_eq!(receiver.times("e-0"), 1);
    assert_eq!(receiver.times("e-hangs"), 2);
    assert_eq!(receiver.times("e-2"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_refused_steps_aside_and_the_others_go_on() {
    let server = Server::start();
    let receiver = Receiver::deciding(|event, _| match event["id"].as_str() {
        Some("e-1") => Reply::With(400),
        _ => Reply::With(202),
    })
    .await;
    let person = Person::at(&server);
    let stream = forwarding(&person, &receiver.url, &["--count", "3"]);
    let access = server.owner();
    for n in 0..3 {
        emit(&access, &format!("e-{n}"), "one").await;
    }
    let ended = stream.end();
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(receiver.ids(), ["e-0", "e-2"]);
    let account = end(&ended.stderr);
    assert_eq!(
        (&account["forwarded"], &account["failed"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_keep_the_order_of_their_sources() {
    const EVENTS: usize = 10_000;
    let server = Server::start();
    let receiver = Receiver::start().await;
    let person = Person::at(&server);
    let stream = forwarding(&person, &receiver.url, &["--count", &EVENTS.to_string()]);
    let line = |n: usize| {
        let source = ["left", "right"][n % 2];
        json!({"specversion": "1.0", "id": format!("{n:05}"), "source": source, "type": "t"})
            .to_string()
    };
    let lines: Vec<String> = (0..EVENTS).map(line).collect();
    person
        .kite(&["emit", "--batch", "-"])
        .stdin(lines.join("\n"))
        .succeeds();
    let ended = stream.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(end(&ended.stderr)["forwarded"], EVENTS);
    for source in ["left", "right"] {
        let taken = receiver.taken();
        let of_source = taken.iter().filter(|event| event["source"] == source);
        let ids: Vec<&str> = of_source
            .map(|event| event["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), EVENTS / 2);
        assert!(ids.is_sorted(), "the events of `{source}` are out of order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_there_or_came_far_is_skipped() {
    let server = Server::start();
    let receiver = Receiver::start().await;
    let person = Person::at(&server);
    let with = |id: &str, members: &str| {
        let text =
            format!(r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"t"{members}}}"#);
        let event = Event::parse(&text).unwrap();
        NewEvent::new(server.owner().team.parse().unwrap(), &event, 0, None)
    };
    // As they are in the log of an instance that others forward to.
    let events = vec![
        with(
            "own",
            r#","kitefedchain":"[\"laptop\",\"b\"]","kitefedhops":2"#,
        ),
        with(
            "far",
            r#","kitefedchain":"[\"a\",\"b\",\"c\"]","kitefedhops":3"#,
        ),
        with("odd", r#","kitefedchain":"a","kitefedhops":1"#),
        with(
            "near",
            r#","kitefedorigin":"a","kitefedchain":"[\"a\"]","kitefedhops":1"#,
        ),
    ];
    let batch = Batch {
        events,
        month: "2026-11".to_owned(),
        events_limit: None,
    };
    server.store().await.append(Arc::new(batch)).await.unwrap();
    let line = command(&receiver.url, &["--since", "all", "--count", "4"]);
    let ended = person.kite(&line).exits(7);
    let account = end(&ended.stderr);
    assert_eq!(
        (
            &account["forwarded"],
            &account["skipped"],
            &account["failed"]
        ),
        (&json!(1), &json!(2), &json!(1)),
        "{ended:?}"
    );
    assert_eq!(receiver.ids(), ["near"]);
    assert_eq!(receiver.taken()[0]["kitefedchain"], r#"["a","laptop"]"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_that_forward_to_each_other_have_each_event_once() {
    let a = Server::start_with(&["--instance-id", "a"]);
    let b = Server::start_with(&["--instance-id", "b"]);
    let mut streams = Vec::new();
    for (from, to, id) in [(&a, &b, "a"), (&b, &a, "b")] {
        let peer = Peer::create(to, &to.owner()).await;
        let person = Person::at(from);
        let target = format!("{}{}", to.url(), peer.path());
        let stream = person.listening(&[
            "stream",
            "--federation-target",
            &target,
            "--federation-token",
            &peer.token,
            "--instance-id",
            id,
        ]);
        streams.push((stream, person));
    }
    emit(&a.owner(), "e-1", "https://a.example").await;
    emit(&b.owner(), "e-2", "https://b.example").await;
    let count = async |server: &Server| server.owner().log().await.len();
    eventually("both have both", async || {
        (count(&a).await == 2 && count(&b).await == 2).then_some(())
    })
    .await;

    // A webhook is known by its delivery, and does not come home either.
    Endpoint::github(&a.owner())
        .await
        .push("d-1", "{}")
        .await
        .expect(202);
    eventually("both have all", async || {
        (count(&a).await == 3 && count(&b).await == 3).then_some(())
    })
    .await;
    tokio::time::sleep(SILENCE).await;
    assert_eq!((count(&a).await, count(&b).await), (3, 3));
    for (stream, _) in streams {
        stream.signal("INT");
        assert_eq!(stream.end().code, Some(130));
    }
}
