//! `kite proxy` as people use it: what a local program gets, when the target is away, what is refused, and how it ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::hooks::{Endpoint, hmac_sha256, signature};
use crate::support::process::{Ended, Process};
use crate::support::providers::{Scheme, WHSEC, delivery, lines};
use crate::support::receiver::Receiver;
use crate::support::server::Server;

/// Silence after which nothing more is expected.
const SILENCE: Duration = Duration::from_millis(500);

/// What GitHub posts after a push, with spellings that a second hand would change.
const PUSH: &str = r#"{"ref":"refs/heads/main","size":1.0,"big":12345678901234567890,"z":"\u00e9é","a":1e2,  "b":[ ]}"#;

/// Puts an event with this id into the log.
fn emit(person: &Person, id: &str) {
    person
        .kite(&["emit", "--type", "com.demo", "--id", id])
        .succeeds();
}

fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// What `--json` said about the course of things, under this name.
fn told(ended: &Ended, event: &str) -> Vec<Value> {
    let mut all = objects(&ended.stderr);
    all.retain(|object| object["event"] == event);
    all
}

/// Starts a proxy that posts there; it is connected when this returns.
fn proxying(person: &Person, url: &str, more: &[&str]) -> Process {
    person.listening(&[&["--json", "proxy", "--target", url], more].concat())
}

#[tokio::test]
async fn a_push_arrives_as_github_sent_it_and_its_signature_holds() {
    let server = Server::start();
    let github = Endpoint::github(&server.owner()).await;
    let person = Person::at(&server);
    let receiver = Receiver::start();
    let mut proxy = person.listening(&["proxy", "--target", &receiver.url]);
    github.push("d-1", PUSH).await.expect(202);

    let got = receiver.wait(1).remove(0);
    assert_eq!(got.body, PUSH.as_bytes());
    assert_eq!(
        got.header("x-hub-signature-256"),
        signature(&github.secret, &got.body)
    );
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/1"),
        ("x-github-event", "push"),
        ("x-github-delivery", "d-1"),
        ("x-kite-source", "github"),
        ("x-kite-event-type", "com.github.push"),
        ("x-kite-team-id", server.owner().team.as_str()),
        ("ce-specversion", "1.0"),
        ("ce-type", "com.github.push"),
        ("ce-id", got.id()),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert_eq!(got.path, "/hook");
    let line = proxy.line();
    let begin = format!("#1 com.github.push → {} 200 (", receiver.url);
    assert!(line.starts_with(&begin) && line.ends_with(" ms)"), "{line}");
}

#[tokio::test]
async fn forms_and_text_arrive_to_the_byte_with_all_that_signs_them() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let receiver = Receiver::start();
    let _proxy = proxying(&person, &receiver.url, &[]);
    let form = |scheme| matches!(scheme, Scheme::TwilioForm(_));
    for (number, delivery) in [
        delivery("slack", |scheme| scheme == Scheme::Slack),
        delivery("twilio", form),
    ]
    .into_iter()
    .enumerate()
    {
        let params = json!({"source": delivery.slug, "webhook_secret": delivery.secret});
        let endpoint = Endpoint::create(&access, params).await;
        let (url, path) = endpoint.address(&delivery);
        let sent = delivery.signed(&delivery.secret, &url);
        let answer = endpoint.post(&path, &lines(&sent), &*delivery.body).await;
        assert!((200..300).contains(&answer.status), "{answer:#?}");
        let got = receiver.wait(number + 1).remove(number);
        assert_eq!(String::from_utf8(got.body.clone()).unwrap(), delivery.body);
        for (name, value) in &sent {
            assert_eq!(got.header(&name.to_ascii_lowercase()), value, "{name}");
        }
    }
    let builds = Endpoint::create(&access, json!({"source": "builds"})).await;
    let bodies: [(&str, &[u8]); 5] = [
        ("text/plain; charset=utf-8", " d\u{f6}ne\r\n\t".as_bytes()),
        ("text/plain; charset=iso-8859-1", b"d\xf6ne"),
        ("application/json", b" {\"a\" : 1.0 }\n"),
        ("application/octet-stream", b"\0\xff\x00"),
        ("application/xml", b"<a/>"),
    ];
    for (number, (kind, body)) in bodies.into_iter().enumerate() {
        let headers = [("Content-Type", kind)];
        builds.post_with_token(&headers, body).await.expect(202);
        let got = receiver.wait(number + 3).remove(number + 2);
        assert_eq!((got.header("content-type"), &got.body[..]), (kind, body));
        assert_eq!(got.header("x-kite-source"), "builds");
    }
    // What is too long to be kept is posted as what it became, and called that.
    let long = format!("a={}", "x".repeat(100_000));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    builds.post_with_token(&form, long).await.expect(202);
    let got = receiver.wait(8).remove(7);
    assert_eq!(got.header("content-type"), "application/json");
    assert!(serde_json::from_slice::<Value>(&got.body).unwrap()["a"].is_string());
}

#[tokio::test]
async fn each_source_has_its_route_and_the_rest_the_target() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let (github, stripe, rest) = (Receiver::start(), Receiver::start(), Receiver::start());
    let routes = [
        format!("GitHub={}", github.url),
        format!("stripe={}", stripe.url),
    ];
    let routes = ["--route", &routes[0], "--route", &routes[1]];
    let all = proxying(&person, &rest.url, &routes);
    let only = person.listening(&[&["--json", "proxy"], &routes[..]].concat());
    for (id, kind) in [
        ("1", "com.github.push"),
        ("2", "com.stripe.charge"),
        ("3", "com.other"),
    ] {
        let event = json!({"id": id, "source": format!("https://{id}"), "type": kind});
        access.emit(&event).await.expect(202);
    }
    // An event that a client emits has a source of its own name.
    rest.wait(3);
    for process in [all, only] {
        process.signal("INT");
        assert_eq!(process.end().code, Some(130));
    }
    assert_eq!((github.ids().len(), stripe.ids().len()), (0, 0));

    let hook = Endpoint::github(&access).await;
    let all = proxying(&person, &rest.url, &routes);
    let mut only = person.listening(&[&["--json", "proxy", "--ephemeral"], &routes[..]].concat());
    hook.push("d-1", PUSH).await.expect(202);
    assert_eq!(github.wait(2).len(), 2);
    let line: Value = serde_json::from_str(&only.line()).unwrap();
    assert_eq!(line["source"], "github");
    assert_eq!(line["target"], github.url);
    assert_eq!(line["status"], 200);
    assert_eq!(rest.ids().len(), 3);
    drop(all);
}

#[tokio::test]
async fn a_source_without_a_route_or_a_target_fails_at_once() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let builds = Endpoint::create(&access, json!({"source": "builds"})).await;
    let receiver = Receiver::start();
    let route = format!("github={}", receiver.url);
    let more = ["--count", "1", "--timeout", "10s"];
    let proxy = [
        &["--json", "proxy", "--source", "builds", "--route", &route],
        &more[..],
    ];
    let proxy = person.listening(&proxy.concat());
    builds.post_with_token(&[], "done").await.expect(202);
    let ended = proxy.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let line = &objects(&ended.stdout)[0];
    assert_eq!(
        (&line["outcome"], &line["target"]),
        (&json!("refused"), &Value::Null)
    );
    assert!(line["reason"].as_str().unwrap().contains("`builds`"));
    assert_eq!(told(&ended, "failed").len(), 1, "{ended:#?}");
    assert!(receiver.ids().is_empty());
}

#[test]
fn a_target_that_is_away_holds_the_stream_until_it_is_back() {
    let server = Server::start();
    let person = Person::at(&server);
    let (address, url) = Receiver::nowhere();
    let proxy = proxying(&person, &url, &["--count", "3", "--timeout", "20s"]);
    for id in ["1", "2", "3"] {
        emit(&person, id);
    }
    proxy.wait_to_say(r#""event":"holding""#);
    let receiver = Receiver::at(address, |_| Some(200));
    let ended = proxy.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(receiver.ids(), ["1", "2", "3"]);

    let holding = &told(&ended, "holding")[0];
    assert_eq!((&holding["seq"], &holding["id"]), (&json!(1), &json!("1")));
    assert!(
        holding["reason"]
            .as_str()
            .unwrap()
            .contains("cannot connect")
    );
    assert!(holding["wait_ms"].as_u64().unwrap() <= 30_000);
    assert_eq!(told(&ended, "resumed").len(), 1);
    let end = &told(&ended, "end")[0];
    let expected = json!({"event": "end", "reason": "count", "received": 3, "delivered": 3, "skipped": 0, "refused": 0});
    assert_eq!(end, &expected);
    for (line, id) in objects(&ended.stdout).iter().zip(["1", "2", "3"]) {
        assert_eq!(line["id"], id);
        assert_eq!(
            (&line["status"], &line["outcome"]),
            (&json!(200), &json!("delivered"))
        );
        assert_eq!(
            (&line["type"], &line["reason"]),
            (&json!("com.demo"), &Value::Null)
        );
        assert_eq!(line["target"], url);
        assert!(line["ms"].is_u64() && line["seq"].is_u64());
    }
}

#[test]
fn a_target_that_is_slow_or_busy_is_asked_again() {
    let server = Server::start();
    let person = Person::at(&server);
    let before = AtomicUsize::new(0);
    let receiver = Receiver::answering(move |_| match before.fetch_add(1, Ordering::Relaxed) {
        0 => {
            thread::sleep(Duration::from_millis(1500));
            None
        }
        1 => Some(503),
        _ => Some(200),
    });
    let more = ["--target-timeout", "1s", "--count", "1", "--timeout", "20s"];
    let proxy = proxying(&person, &receiver.url, &more);
    emit(&person, "1");
    let ended = proxy.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let holding = told(&ended, "holding");
    let reason = |at: usize| holding[at]["reason"].as_str().unwrap();
    assert!(reason(0).contains("in time"), "{ended:#?}");
    assert!(reason(1).contains("503"), "{ended:#?}");
    assert_eq!(receiver.ids(), ["1", "1", "1"]);
}

#[test]
fn one_poisonous_event_stops_no_other_and_the_end_says_so() {
    let server = Server::start();
    let person = Person::at(&server);
    let receiver = Receiver::answering(|got| Some(if got.id() == "bad" { 500 } else { 200 }));
    let more = ["--count", "4", "--timeout", "20s"];
    let proxy = proxying(&person, &receiver.url, &more);
    for id in ["1", "bad", "2", "3"] {
        emit(&person, id);
    }
    let ended = proxy.end();
    assert_eq!(ended.code, Some(7), "{ended:#?}");
    let mut ids = receiver.ids();
    ids.dedup();
    let firsts: Vec<_> = ids
        .iter()
        .enumerate()
        .filter(|(at, id)| !ids[..*at].contains(id))
        .map(|(_, id)| id.as_str())
        .collect();
    assert_eq!(firsts, ["1", "bad", "2", "3"]);
    let refused = &told(&ended, "refused")[0];
    assert_eq!(refused["id"], "bad");
    assert!(refused["reason"].as_str().unwrap().contains("500"));
    let end = &told(&ended, "end")[0];
    assert_eq!((&end["delivered"], &end["refused"]), (&json!(3), &json!(1)));
    let error = ended.json_error();
    assert!(error["hint"].as_str().unwrap().contains("kite queue"));
}

#[test]
fn what_was_refused_is_taken_by_a_later_run() {
    let server = Server::start();
    let person = Person::at(&server);
    let (address, url) = Receiver::nowhere();
    let refusing = Receiver::at(address, |_| Some(400));
    let proxy = proxying(&person, &url, &["--count", "1", "--timeout", "20s"]);
    emit(&person, "1");
    assert_eq!(proxy.end().code, Some(1));
    drop(refusing);
    let taking = Receiver::at(address, |_| Some(200));
    let proxy = proxying(&person, &url, &[]);
    proxy.wait_to_say(r#""event":"recovered""#);
    assert_eq!(taking.ids(), ["1"]);
    proxy.signal("TERM");
    let ended = proxy.end();
    assert_eq!(ended.code, Some(130));
    assert_eq!(told(&ended, "end")[0]["received"], 0);
}

#[test]
fn wrong_usage_is_said_before_anything_is_called() {
    let person = Person::new();
    let server = Server::start();
    let owner = Person::at(&server);
    for (args, part) in [
        (&[][..], "--target"),
        (&["--target", "ftp://x"], "ftp://x"),
        (&["--target", "localhost:3000"], "localhost:3000"),
        (&["--target", "/hook"], "/hook"),
        (&["--target", ""], "--target"),
        (&["--target", "http://me:pw@localhost/"], "password"),
        (&["--route", "github"], "SOURCE=URL"),
        (&["--route", "=http://localhost"], "SOURCE=URL"),
        (&["--route", "github="], "http://localhost:3000"),
        (
            &["--target", "http://localhost", "--target-timeout", "soon"],
            "soon",
        ),
        (
            &["--target", "http://localhost", "--target-timeout", "0s"],
            "at least 1s",
        ),
        (&["--target", "http://localhost:0/"], "port 0"),
        (&["--target", "http://localhost", "--count", "0"], "--count"),
        (&["--target", "localhost"], "kite proxy --help"),
        (&[], "--route"),
    ] {
        let args = [&["proxy"], args].concat();
        person.kite(&args).stdout("").stderr_has(part).exits(2);
    }
    let twice = [
        "proxy",
        "--route",
        "a=http://localhost",
        "--route",
        "A=http://localhost",
    ];
    owner.kite(&twice).stderr_has("`a` has two routes").exits(2);
    let secret = [
        "proxy",
        "--target",
        "http://localhost",
        "--sign-secret",
        "-",
    ];
    for bad in ["", "whsec_", "whpk_AAAA", "whsec_?"] {
        let lacks = if bad.len() > 6 { bad } else { "panicked" };
        owner.kite(&secret).stdin(bad).stderr_lacks(lacks).exits(2);
    }
}

#[test]
fn a_signed_post_is_verified_by_whoever_has_the_secret() {
    let server = Server::start();
    let person = Person::at(&server);
    let receiver = Receiver::start();
    let args = ["proxy", "--target", &receiver.url, "--sign-secret", "-"];
    let more = ["--since", "all", "--count", "1", "--timeout", "20s"];
    emit(&person, "i-1");
    person
        .kite(&[&args[..], &more].concat())
        .stdin(format!("{WHSEC}\n"))
        .stderr_lacks(WHSEC)
        .stdout_lacks(WHSEC)
        .succeeds();
    let got = receiver.wait(1).remove(0);
    let (id, time) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    assert_eq!(id, "i-1");
    let key = STANDARD.decode(WHSEC.trim_start_matches("whsec_")).unwrap();
    let message = [id.as_bytes(), b".", time.as_bytes(), b".", &got.body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &message)));
    assert_eq!(got.header("webhook-signature"), expected);
    assert!(
        got.headers
            .iter()
            .all(|(_, value)| !value.contains("whsec_"))
    );
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_proxy_quietly() {
    let server = Server::start();
    let person = Person::at(&server);
    let receiver = Receiver::start();
    for id in ["1", "2", "3", "4", "5"] {
        emit(&person, id);
    }
    let line = format!(
        "set -o pipefail; kite proxy --since all --target {} | head -n 1",
        receiver.url
    );
    let ended = person.shell(&line).succeeds();
    assert!(ended.stdout.starts_with("#1 com.demo"), "{ended:#?}");
    for word in ["panicked", "roken pipe", "error"] {
        assert!(!ended.stderr.contains(word), "{ended:#?}");
    }
}

#[test]
fn an_interrupt_ends_a_proxy_with_130_also_while_it_is_held() {
    let server = Server::start();
    let person = Person::at(&server);
    let (address, url) = Receiver::nowhere();
    let idle = proxying(&person, &url, &[]);
    idle.signal("INT");
    assert_eq!(idle.end().code, Some(130));
    let held = proxying(&person, &url, &[]);
    emit(&person, "1");
    held.wait_to_say(r#""event":"holding""#);
    held.signal("TERM");
    let ended = held.end();
    assert_eq!(ended.code, Some(130));
    assert_eq!(told(&ended, "end")[0]["reason"], "interrupted");
    // What nobody took comes again.
    let receiver = Receiver::at(address, |_| Some(200));
    let _proxy = proxying(&person, &url, &[]);
    assert_eq!(receiver.wait(1)[0].id(), "1");
    let held_out = person.kite(&[
        "proxy",
        "--target",
        "http://127.0.0.1:9/",
        "--timeout",
        "1s",
    ]);
    held_out.exits(8);
}

#[test]
fn a_proxy_whose_name_another_takes_over_ends_and_says_so() {
    let server = Server::start();
    let (here, there) = (Person::at(&server), Person::at(&server));
    let receiver = Receiver::start();
    let named = ["--client-id", "shared"];
    let first = proxying(&here, &receiver.url, &named);
    let _second = proxying(&there, &receiver.url, &named);
    let ended = first.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.json_error()["code"], "replaced");
    emit(&here, "1");
    assert_eq!(receiver.wait(1)[0].id(), "1");
}

#[test]
fn a_second_proxy_with_the_same_arguments_reads_for_itself() {
    let server = Server::start();
    let person = Person::at(&server);
    let receiver = Receiver::start();
    let _first = proxying(&person, &receiver.url, &[]);
    let second = proxying(&person, &receiver.url, &[]);
    second.wait_to_say("another process listens for the same here");
    emit(&person, "1");
    receiver.wait(2);
    emit(&person, "2");
    receiver.wait(4);
    thread::sleep(SILENCE);
    let mut counts = BTreeMap::new();
    for id in receiver.ids() {
        *counts.entry(id).or_insert(0) += 1;
    }
    assert_eq!(counts, [("1".to_owned(), 2), ("2".to_owned(), 2)].into());
}
