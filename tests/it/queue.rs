//! `kite queue` as people use it: what it shows, what a replay posts, what it removes, and several processes at once.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use kite::base::clock::Clock;
use kite::sink::queue::{Entry, Verdict};
use kite::sink::{Consumer, Item, Queue};
use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::hooks::Endpoint;
use crate::support::process::Process;
use crate::support::receiver::Receiver;
use crate::support::server::Server;

/// What GitHub posts after a push, with spellings that a second hand would change.
const PUSH: &str = r#"{"ref":"refs/heads/main","size":1.0,"big":12345678901234567890,"z":"\u00e9é","a":1e2,  "b":[ ]}"#;

/// Somebody's queue, written to as a stream does.
struct Shelf {
    person: Person,
    queue: Queue,
}

impl Shelf {
    fn new() -> Self {
        let person = Person::new();
        let queue = Queue::open(&file(&person), Clock::system()).unwrap();
        Self { person, queue }
    }

    /// Puts an event there that a proxy was to post to this address.
    async fn put(&self, seq: u64, url: &str, verdict: Verdict) {
        let sink = json!({"type": "proxy", "target": url, "timeout_secs": 5}).to_string();
        let entry = Entry::of(&item(seq), verdict);
        self.queue
            .put(&consumer("acme", sink), entry)
            .await
            .unwrap();
    }

    async fn fail(&self, seq: u64, url: &str) {
        self.put(seq, url, Verdict::Failed(format!("no {seq}")))
            .await;
    }

    /// The number of entries of each status that there are.
    fn stats(&self) -> Value {
        stats(&self.person)
    }

    fn list(&self) -> Vec<Value> {
        let ended = self.person.kite(&["queue", "list", "--json"]).succeeds();
        objects(&ended.stdout)
    }
}

fn file(person: &Person) -> PathBuf {
    person.home().join("data/queue.db")
}

fn consumer(team: &str, sink: String) -> Consumer {
    Consumer {
        server: "http://127.0.0.1:7".to_owned(),
        team: team.parse().unwrap(),
        name: "proxy *".to_owned(),
        sink,
    }
}

fn item(seq: u64) -> Item {
    let text = format!(
        r#"{{"specversion":"1.0","id":"e{seq}","source":"s","type":"com.github.push","data":{{"n":1.0}}}}"#
    );
    Item::read(seq, "acme".to_owned(), text).unwrap()
}

fn stats(person: &Person) -> Value {
    person.kite(&["queue", "stats", "--json"]).succeeds().json()
}

fn objects(stdout: &str) -> Vec<Value> {
    let object = |line: &str| serde_json::from_str(line).unwrap();
    stdout.lines().map(object).collect()
}

fn proxying(person: &Person, url: &str) -> Process {
    person.listening(&["proxy", "--target", url])
}

/// A receiver that refuses the events with these ids.
fn refusing(ids: &'static [&'static str]) -> Receiver {
    Receiver::answering(|got| match ids.contains(&got.id()) {
        true => Some(500),
        false => Some(204),
    })
}

#[tokio::test]
async fn a_replay_posts_exactly_what_the_stream_posted() {
    let server = Server::start();
    let github = Endpoint::github(&server.owner()).await;
    let person = Person::at(&server);
    let (address, url) = Receiver::nowhere();
    let receiver = Receiver::at(address, |_| Some(500));
    let proxy = proxying(&person, &url);
    github.push("d-1", PUSH).await.expect(202);
    proxy.wait_to_say("refused");
    proxy.kill();
    let live = receiver.got().remove(0);
    drop(receiver);

    let receiver = eventually_at(address);
    person
        .kite(&["queue", "replay", "--status", "ready"])
        .stdout_has("→ http://127.0.0.1:")
        .stdout_has("Delivered 1, failed 0, not tried 0")
        .succeeds();
    let again = receiver.wait(1).remove(0);
    assert_eq!(again.body, PUSH.as_bytes());
    assert_eq!(
        (again.path, again.headers, again.body),
        (live.path, live.headers, live.body)
    );
    assert_eq!(stats(&person)["delivered"], 1);
}

/// A receiver where one was a moment ago.
fn eventually_at(address: std::net::SocketAddr) -> Receiver {
    for _ in 0..500 {
        if std::net::TcpListener::bind(address).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Receiver::at(address, |_| Some(200))
}

#[tokio::test]
async fn what_a_killed_proxy_left_is_tried_by_the_next_one() {
    let server = Server::start();
    let github = Endpoint::github(&server.owner()).await;
    let person = Person::at(&server);
    let (address, url) = Receiver::nowhere();
    let receiver = Receiver::at(address, |_| Some(500));
    let proxy = proxying(&person, &url);
    github.push("d-1", PUSH).await.expect(202);
    proxy.wait_to_say("refused");
    proxy.kill();
    assert_eq!(stats(&person)["ready"], 1);
    drop(receiver);

    let receiver = eventually_at(address);
    let proxy = proxying(&person, &url);
    receiver.wait(1);
    proxy.wait_to_say("taken after all");
    assert_eq!(stats(&person)["delivered"], 1);
}

#[tokio::test]
async fn a_replay_goes_from_the_oldest_and_says_what_became_of_each() {
    let shelf = Shelf::new();
    let receiver = refusing(&["e2"]);
    for seq in 1..=3 {
        shelf.fail(seq, &receiver.url).await;
    }
    let ended = shelf.person.kite(&["queue", "replay", "--json"]).exits(7);
    let lines = objects(&ended.stdout);
    assert_eq!(receiver.ids(), ["e1", "e2", "e3"]);
    let delivered = json!({"seq": 1, "id": "e1", "type": "com.github.push", "status": "delivered",
        "reason": null, "target": receiver.url});
    assert_eq!(lines[0], delivered);
    assert_eq!(lines[1]["status"], "failed");
    let reason = lines[1]["reason"].as_str().unwrap();
    assert!(reason.contains("it answered 500"), "{reason}");
    assert_eq!(
        lines[3],
        json!({"delivered": 2, "failed": 1, "not_tried": 0})
    );

    let left = &shelf.list()[1];
    assert_eq!(
        (&left["status"], &left["attempts"]),
        (&json!("failed"), &json!(2))
    );
    assert_eq!(left["failure_reason"], reason);
    shelf
        .person
        .kite(&["queue", "replay"])
        .stdout_has("#2 com.github.push → http://")
        .stdout_has("Delivered 0, failed 1, not tried 0")
        .exits(1);
}

#[tokio::test]
async fn a_sink_that_cannot_be_reached_is_asked_once_and_the_others_get_theirs() {
    let shelf = Shelf::new();
    let receiver = Receiver::start();
    let (_, nowhere) = Receiver::nowhere();
    for seq in 1..=3 {
        shelf.fail(seq, &nowhere).await;
    }
    shelf.fail(4, &receiver.url).await;
    let before = shelf.list();
    let ended = shelf
        .person
        .kite(&["queue", "replay", "--json"])
        .stderr_has("cannot be reached")
        .exits(7);
    let lines = objects(&ended.stdout);
    assert_eq!(
        lines[4],
        json!({"delivered": 1, "failed": 1, "not_tried": 2})
    );
    assert_eq!(
        shelf.list()[..3],
        before[..3],
        "what was not judged stays as it was"
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_where_and_changes_nothing() {
    let shelf = Shelf::new();
    let receiver = Receiver::start();
    shelf.fail(1, &receiver.url).await;
    shelf.fail(2, "http://127.0.0.1:9/other").await;
    let before = shelf.list();
    shelf
        .person
        .kite(&["queue", "replay", "--dry-run"])
        .stdout_has(&format!(
            "#1 com.github.push → {} failed: no 1",
            receiver.url
        ))
        .stdout_has("#2 com.github.push → http://127.0.0.1:9/other failed: no 2")
        .stdout_has("Would hand on 2 entries; nothing was sent")
        .succeeds();
    assert_eq!(receiver.got().len(), 0);
    assert_eq!(shelf.list(), before);
}

#[tokio::test]
async fn a_target_takes_them_wherever_they_were_to_go_and_the_old_verb_does_too() {
    let shelf = Shelf::new();
    let receiver = Receiver::start();
    let (_, nowhere) = Receiver::nowhere();
    shelf.fail(1, &nowhere).await;
    shelf.fail(2, &nowhere).await;
    let target = ["--target", &receiver.url];
    shelf
        .person
        .kite(&[&["queue", "replay", "--seq", "2"], &target[..]].concat())
        .succeeds();
    shelf
        .person
        .kite(&[&["retry", "--source", "GitHub"], &target[..]].concat())
        .stderr_has("older spelling of `kite queue replay --status failed`")
        .succeeds();
    assert_eq!(receiver.ids(), ["e2", "e1"]);
    assert_eq!(receiver.got()[0].body, br#"{"n":1.0}"#);
    shelf
        .person
        .kite(&["queue", "replay"])
        .stdout("Delivered 0, failed 0, not tried 0\n")
        .stderr_has("nothing to replay")
        .succeeds();
}

#[tokio::test]
async fn one_that_is_not_there_is_not_found() {
    let shelf = Shelf::new();
    shelf
        .put(1, "http://127.0.0.1:9/", Verdict::Delivered)
        .await;
    for (args, hint) in [
        (&["queue", "show", "7"][..], "kite queue list"),
        (&["queue", "replay", "--seq", "7"][..], "kite queue list"),
        (&["queue", "replay", "--seq", "1"][..], "--status delivered"),
    ] {
        shelf.person.kite(args).stdout("").stderr_has(hint).exits(3);
    }
}

#[tokio::test]
async fn an_entry_without_a_sink_needs_a_target() {
    let person = Person::new();
    let dlq = person.home().join("data/dlq/github");
    std::fs::create_dir_all(&dlq).unwrap();
    std::fs::write(dlq.join("e1.json"), item(1).raw).unwrap();
    std::fs::write(dlq.join("bad.json"), "[").unwrap();
    person
        .kite(&["queue", "replay"])
        .stdout("")
        .stderr_has("bad.json` stays where it is")
        .stderr_has("not known where they were to go")
        .stderr_has("--target")
        .exits(2);
    let receiver = Receiver::start();
    person
        .kite(&["queue", "replay", "--target", &receiver.url])
        .succeeds();
    assert_eq!(receiver.ids(), ["e1"]);
}

#[tokio::test]
async fn a_signed_proxy_is_replayed_with_its_secret_or_not_at_all() {
    let shelf = Shelf::new();
    let receiver = Receiver::start();
    let sink =
        json!({"type": "proxy", "target": receiver.url, "timeout_secs": 5, "is_signed": true});
    let entry = Entry::of(&item(1), Verdict::Failed("no".to_owned()));
    let consumer = consumer("acme", sink.to_string());
    shelf.queue.put(&consumer, entry).await.unwrap();
    shelf
        .person
        .kite(&["queue", "replay"])
        .stderr_has("--sign-secret -")
        .exits(2);
    shelf
        .person
        .kite(&["queue", "replay", "--sign-secret", "-"])
        .stdin("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        .succeeds();
    assert!(
        receiver.got()[0]
            .header("webhook-signature")
            .starts_with("v1,")
    );
}

#[tokio::test]
async fn a_list_narrows_and_what_is_listed_can_be_shown() {
    let shelf = Shelf::new();
    shelf.fail(1, "http://127.0.0.1:9/").await;
    shelf
        .put(2, "http://127.0.0.1:9/", Verdict::Delivered)
        .await;
    let kite = |args: &[&str]| shelf.person.kite(args);
    let table = kite(&["queue", "list"]).succeeds().stdout;
    let head = table.lines().next().unwrap();
    let headings: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(
        headings,
        [
            "seq", "status", "tries", "source", "type", "created", "reason"
        ]
    );
    assert_eq!(table.lines().count(), 3);
    kite(&[
        "queue", "list", "--status", "failed", "--source", "GITHUB", "--since", "1h",
    ])
    .stdout_has("no 1")
    .stdout_lacks("delivered")
    .succeeds();
    kite(&["queue", "list", "--importance", "high"])
        .stdout("")
        .stderr_has("no such entries")
        .succeeds();
    for other in [["--server", "http://elsewhere"], ["--team", "other"]] {
        kite(&[&["queue", "list"], &other[..]].concat())
            .stdout("")
            .succeeds();
    }
    kite(&["queue", "list", "--status", "lost"])
        .stderr_has("is no status")
        .exits(2);

    kite(&["queue", "show", "1"])
        .stdout_has("reason: no 1")
        .stdout_has(r#""data":{"n":1.0}"#)
        .succeeds();
    let shown = kite(&["queue", "show", "1", "--json"]).succeeds();
    assert!(shown.stdout.contains(r#""data":{"n":1.0}"#), "{shown:?}");
    let shown = shown.json();
    assert_eq!(shown["event"]["id"], "e1");
    let created = shown["created_at"].as_str().unwrap();
    assert!(created.ends_with('Z'), "{created}");
}

#[tokio::test]
async fn a_hostile_event_cannot_reach_the_terminal() {
    let shelf = Shelf::new();
    let evil = "x\u{1b}[2J\n#9 forged";
    let text =
        json!({"specversion": "1.0", "id": evil, "source": "s", "type": "t", "kitesource": evil,
        "data": evil})
        .to_string();
    let mut item = item(1);
    item.event.kind = evil.to_owned();
    item.event.id = evil.to_owned();
    item.raw = text;
    let sink = json!({"type": "proxy", "target": "http://127.0.0.1:9/", "timeout_secs": 1});
    let entry = Entry::of(&item, Verdict::Failed(evil.to_owned()));
    let consumer = consumer("acme", sink.to_string());
    shelf.queue.put(&consumer, entry).await.unwrap();
    for args in [
        &["queue", "list"][..],
        &["queue", "show", "1"],
        &["queue", "replay", "--dry-run"],
        &["queue", "replay"],
    ] {
        let ended = shelf.person.kite(args).start().end();
        for said in [&ended.stdout, &ended.stderr] {
            assert!(!said.contains('\u{1b}'), "{args:?}: {said}");
            assert!(!said.contains("\n#9"), "{args:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_flush_keeps_what_is_still_to_be_tried_unless_all_is_to_go() {
    let shelf = Shelf::new();
    let again = Verdict::Again {
        attempts: 1,
        due_at: i64::MAX,
        why: "no".to_owned(),
    };
    shelf.fail(1, "http://127.0.0.1:9/").await;
    shelf.put(2, "http://127.0.0.1:9/", again).await;
    let flush = |args: &[&str]| {
        let args = [&["queue", "flush", "--json"], args].concat();
        shelf.person.kite(&args).succeeds().json()["removed"].clone()
    };
    assert_eq!(flush(&["1h"]), 0);
    assert_eq!(flush(&["0s"]), 1);
    assert_eq!(shelf.stats()["ready"], 1);
    assert_eq!(flush(&["0s", "--all"]), 1);
    let none = json!({"pending": 0, "enriching": 0, "ready": 0, "delivered": 0, "failed": 0, "filtered": 0});
    assert_eq!(shelf.stats(), none);
}

#[test]
fn several_processes_use_one_file_and_nothing_is_lost() {
    let person = Person::new();
    let path = file(&person);
    thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let queue = Queue::open(path, Clock::system()).unwrap();
                    let consumer = consumer(&format!("team-{writer}"), "{}".to_owned());
                    for seq in 1..=50 {
                        let entry = Entry::of(&item(seq), Verdict::Failed("no".to_owned()));
                        queue.put(&consumer, entry).await.unwrap();
                    }
                });
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..5 {
                    stats(&person);
                    person.kite(&["queue", "flush", "1h"]).succeeds();
                }
            });
        }
    });
    assert_eq!(stats(&person)["failed"], 200);
}

#[tokio::test]
async fn a_replay_that_is_killed_loses_nothing_and_holds_others_off_for_a_while() {
    let shelf = Shelf::new();
    // It gets the event and says nothing.
    let stuck = Receiver::answering(|_| {
        thread::sleep(Duration::from_secs(20));
        None
    });
    shelf.fail(1, &stuck.url).await;
    let before = shelf.list();
    let replay = shelf.person.kite(&["queue", "replay"]).start();
    stuck.wait(1);
    let ended = shelf.person.kite(&["queue", "replay", "--json"]).exits(1);
    let account = objects(&ended.stdout).remove(1);
    assert_eq!(
        account,
        json!({"delivered": 0, "failed": 0, "not_tried": 1})
    );
    replay.kill();
    assert_eq!(shelf.list(), before);
    assert_eq!(stuck.got().len(), 1);
}

#[test]
fn a_file_that_is_no_queue_is_named_and_left_alone() {
    let person = Person::new();
    std::fs::create_dir_all(file(&person).parent().unwrap()).unwrap();
    let text = "these are my notes, and no queue\n".repeat(50);
    std::fs::write(file(&person), &text).unwrap();
    person
        .kite(&["queue", "list"])
        .stdout("")
        .stderr_has("queue.db` is not a local queue")
        .stderr_has("hint: kite does not replace it")
        .exits(1);
    assert_eq!(std::fs::read_to_string(file(&person)).unwrap(), text);
}
