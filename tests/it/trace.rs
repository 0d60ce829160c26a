//! `kite logs --trace`: the way of an event, as each instance on it tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::instance::{Instance, UNLIMITED, befriend, link};
use crate::support::relay::Fate;
use crate::support::scripted::{Reply, Scripted};
use crate::support::server::Server;

/// What an instance tells of an event.
async fn traced(instance: &Instance, event_id: &str) -> Value {
    let path = format!("/api/federation/trace?event_id={event_id}");
    instance.server.owner().get(&path).await.expect(200)
}

/// Waits until a forward of the one event with an id has a status; what the instance tells then.
async fn until(instance: &Instance, event_id: &str, peer: &str, status: &str) -> Value {
    eventually(&format!("{event_id} is {status} at {peer}"), async || {
        let told = traced(instance, event_id).await;
        let forward = forward(&told, peer)?;
        (forward["status"] == status).then_some(told.clone())
    })
    .await
}

/// What is told of the forward to a peer.
fn forward<'a>(told: &'a Value, peer: &str) -> Option<&'a Value> {
    let forwards = told["traces"][0]["forwards"].as_array()?;
    forwards.iter().find(|it| it["peer"] == peer)
}

/// Where the event has been, as it is told.
fn hops(told: &Value) -> Vec<(&str, &str, bool)> {
    let hops = told["traces"][0]["hops"].as_array().unwrap();
    hops.iter()
        .map(|hop| {
            let (instance, kind) = (hop["instance"].as_str(), hop["kind"].as_str());
            (instance.unwrap(), kind.unwrap(), hop["at"].is_string())
        })
        .collect()
}

fn emit(instance: &Instance, id: &str) {
    Person::at(&instance.server)
        .kite(&["emit", "--type", "com.demo", "--source", "s", "--id", id])
        .succeeds();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_tells_its_part_of_the_way() {
    let (a, b, c) = (
        Instance::start("a").await,
        Instance::start("b").await,
        Instance::start("c").await,
    );
    befriend(&a, &b).await;
    link(&b, &c, UNLIMITED).await;
    emit(&a, "one");
    c.has(1).await;

    let at_a = until(&a, "one", "b", "delivered").await;
    assert_eq!(hops(&at_a), [("a", "stored", true)]);
    assert_eq!(at_a["traces"][0]["not_forwarded"], json!([]));
    let at_b = until(&b, "one", "c", "delivered").await;
    assert_eq!(at_b["instance_id"], "b");
    assert_eq!(hops(&at_b), [("a", "began", true), ("b", "stored", true)]);
    let taken = &forward(&at_b, "c").unwrap()["attempts"][0];
    assert_eq!(
        (&taken["attempt"], &taken["status_code"]),
        (&json!(1), &json!(202))
    );
    assert!(
        taken["latency_ms"].is_u64() && taken["at"].is_string(),
        "{taken}"
    );
    let kept = &at_b["traces"][0]["not_forwarded"][0];
    assert_eq!(kept["peer"], "a");
    let at_c = traced(&c, "one").await;
    assert_eq!(
        hops(&at_c),
        [
            ("a", "began", true),
            ("b", "passed", false),
            ("c", "stored", true)
        ]
    );
    assert_eq!(at_c["traces"][0]["forwards"], json!([]));

    let trace = ["logs", "--trace", "one"];
    Person::at(&b.server)
        .kite(&trace)
        .stdout_has("Event one com.demo from s\n  began at `a` ")
        .stdout_has("  stored here, `b`, as #1 ")
        .stdout_has("  → peer `c`: delivered ")
        .stdout_has("  → peer `a`: not forwarded: `a` is in its chain already")
        .stdout_lacks("\u{1b}")
        .succeeds();
    Person::at(&c.server)
        .kite(&trace)
        .stdout_has("passed on by `b`; when is known there alone")
        .succeeds();
    let owner = Person::at(&a.server);
    let json = owner.kite(&["logs", "--trace", "one", "--json"]);
    assert_eq!(json.succeeds().json()["traces"], at_a["traces"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_dropped_on_its_way_in_is_traced_though_nothing_of_it_is_stored() {
    let (a, b) = (Instance::start("a").await, Instance::start("b").await);
    let [b_at_a, _] = befriend(&a, &b).await;
    a.reaches(&b_at_a).await;
    let dropped = b.deliveries().await;
    let told = traced(&b, &dropped[0].event_id).await;
    assert_eq!(told["traces"], json!([]));
    assert_eq!(told["drops"][0]["peer"], "a");
    Person::at(&b.server)
        .kite(&["logs", "--trace", &dropped[0].event_id])
        .stdout_has("  ← peer `a`: ")
        .succeeds();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_and_what_is_dead_says_why_and_a_replay_is_seen_to_arrive() {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = is_well.clone();
    let a = Instance::start("a").await;
    let refuses = Instance::start_behind("refuses", move |_| match well.load(Ordering::Relaxed) {
        true => Fate::Passed,
        false => Fate::Refused(422),
    })
    .await;
    let mut away = Instance::start("away").await;
    link(&a, &refuses, UNLIMITED).await;
    link(&a, &away, UNLIMITED).await;
    away.kill();
    emit(&a, "one");
    until(&a, "one", "refuses", "dead").await;
    let waiting = eventually("the one that is away was tried", async || {
        let told = traced(&a, "one").await;
        let is_tried = forward(&told, "away")?["last_error"].is_string();
        is_tried.then_some(told)
    })
    .await;
    assert_eq!(forward(&waiting, "away").unwrap()["status"], "pending");
    let id = forward(&waiting, "refuses").unwrap()["id"]
        .as_str()
        .unwrap();
    let owner = Person::at(&a.server);
    owner
        .kite(&["logs", "--trace", "one"])
        .stdout_has("  → peer `refuses`: dead: the peer refused the event (422)")
        .stdout_has(&format!("kite federation dead-letters replay {id}\n"))
        .stdout_has("  → peer `away`: pending, ")
        .succeeds();
    owner
        .kite(&["federation", "dead-letters", "show", "refuses:1"])
        .stdout_has("\n    1 ")
        .stdout_has(", 422, ")
        .stdout_has("the peer judged the event itself")
        .stdout_has("kite federation dead-letters replay refuses:1\n")
        .succeeds();

    is_well.store(true, Ordering::Relaxed);
    owner
        .kite(&["federation", "dead-letters", "replay", "refuses:1"])
        .stdout("Dead letter refuses:1 is due again\n")
        .succeeds();
    let replayed = until(&a, "one", "refuses", "delivered").await;
    let attempts = forward(&replayed, "refuses").unwrap()["attempts"]
        .as_array()
        .unwrap();
    let codes: Vec<&Value> = attempts.iter().map(|it| &it["status_code"]).collect();
    assert_eq!(codes, [422, 202]);
    away.revive();
    until(&a, "one", "away", "delivered").await;
}

#[test]
fn who_may_not_or_asks_for_nothing_is_told_so() {
    let server = Server::start();
    let owner = Person::at(&server);
    owner
        .kite(&["logs", "--trace", "nobody's\u{1b}"])
        .stdout("")
        .stderr_has("nothing is known of an event `nobody's\\u{1b}`")
        .exits(3);
    for also in [
        &["--limit", "5"][..],
        &["--since", "1h"],
        &["--follow"],
        &["--source", "x"],
        &["--event-type", "x"],
    ] {
        let args = [&["logs", "--trace", "x"], also].concat();
        owner.kite(&args).stderr_has("cannot be used with").exits(2);
    }
    let reader = Person::with(&server.key(&server.owner().team, "write"));
    reader
        .kite(&["logs", "--trace", "x"])
        .stdout("")
        .stderr_has("admin")
        .exits(4);
}

#[test]
fn a_server_that_traces_nothing_tells_what_the_event_itself_knows() {
    let event = r#"{"seq":7,"created_at":"2026-11-22T01:00:01.000Z","event":{"specversion":"1.0","id":"one","source":"s",
        "type":"com.demo","time":"2026-11-22T01:00:00.000Z","kitefedorigin":"a","kitefedchain":"[\"a\",\"b\"]","kitefedhops":2}}"#;
    let server = Scripted::start(&[Reply::With(404, ""), Reply::With(200, event)]);
    let person = Person::new();
    let trace = || {
        person
            .kite(&["logs", "--trace", "one"])
            .env("KITE_SERVER", &server.url)
            .env(
                "KITE_API_KEY",
                "kite_00000000_00000000000000000000000000000000",
            )
    };
    trace()
        .stdout_has("began at `a` 2026-11-22T01:00:00.000Z")
        .stdout_has("passed on by `b`")
        .stdout_has("as #7 2026-11-22T01:00:01.000Z (+1.000 s)")
        .stderr_has("manages no other instances")
        .succeeds();
    trace().stderr_has("nothing is known").exits(3);
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_with_its_member() {
    let server = Server::start();
    let owner = server.owner();
    for (path, member) in [
        ("trace", "event_id"),
        ("trace?event_id=", "event_id"),
        ("outbox?type=source:x", "type"),
        ("outbox?since=yesterday", "since"),
        ("dead-letters?before=1h", "before"),
        ("dead-letters?after=x", "after"),
        ("deliveries?status_code=ok", "status_code"),
    ] {
        let refused = owner.get(&format!("/api/federation/{path}")).await;
        let refused = refused.expect(400);
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains(member), "{path}: {error}");
    }
    let nothing = owner.get("/api/federation/trace?event_id=none").await;
    let nothing = nothing.expect(200);
    assert_eq!(
        (&nothing["traces"], &nothing["drops"]),
        (&json!([]), &json!([]))
    );
}
