//! Peers that were down and come back: everything arrives, once, and nobody waits for a quarter of an hour. And what people
//! do about it: try a peer, send dead letters again, give them up.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use super::hook::{Hook, Reply};
use super::site::{Instance, Site};
use crate::support::eventually;

/// Fails until it is mended.
async fn broken(site: &Site, code: u16) -> (Hook, Arc<AtomicBool>) {
    let is_mended = Arc::<AtomicBool>::default();
    let looked = is_mended.clone();
    let hook = site
        .hook(move |_, _, _| match looked.load(Ordering::SeqCst) {
            true => Reply::status(202),
            false => Reply::status(code),
        })
        .await;
    (hook, is_mended)
}

/// Waits until a peer is left alone; until when.
async fn left_alone(instance: &Instance, peer: &str) -> Value {
    let is_open = |health: &Value| health["failures"].as_u64() >= Some(5);
    let health = instance.until(peer, "is left alone", is_open).await;
    assert!(health["next_attempt_at"].is_string(), "{health}");
    health
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_peer_that_was_down_arrives_once_when_it_is_heard_from() {
    let site = Site::new();
    let (a, mut b) = (site.secure_instance("a"), site.secure_instance("b"));
    a.connect(&b, 3).await;
    a.emit("before").await;
    b.has(1).await;
    b.server.stop();
    for nth in 0..20 {
        a.emit(&format!("e-{nth}")).await;
    }
    let health = left_alone(&a, "b").await;
    assert_eq!(health["backlog"], 20, "{health}");
    let said = health["last_error"].as_str().unwrap();
    assert!(said.contains("no connection to `127.0.0.1:"), "{said}");
    b.server.start_again();
    // Something of its own: what it shows with that is what closes the circuit.
    b.emit("of-b").await;
    a.until("b", "has all", |health| health["backlog"] == 0)
        .await;
    let ids = b.has(22).await;
    let different: HashSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), different.len()), (22, 22), "{ids:?}");
    assert_eq!(a.has(22).await.len(), 22);
    let health = a.health("b").await;
    assert_eq!(
        (&health["failures"], &health["dead_letters"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_of_a_mended_peer_lets_everything_go_that_waits() {
    let site = Site::new();
    let (hook, is_mended) = broken(&site, 503).await;
    let a = site.instance("a");
    let peer = a.add("b", &hook.url("b")).await;
    for nth in 0..30 {
        a.emit(&format!("e-{nth}")).await;
    }
    left_alone(&a, "b").await;
    let person = a.person();
    let test = || person.kite(&["federation", "peers", "test", "b", "--json"]);
    let tried = test().exits(1);
    assert_eq!(tried.json()["status_code"], 503, "{tried:?}");
    assert_eq!(a.health("b").await["backlog"], 30);
    is_mended.store(true, Ordering::SeqCst);
    assert_eq!(test().succeeds().json()["status_code"], 202);
    a.until("b", "has all", |health| health["backlog"] == 0)
        .await;
    let rows = a.rows(&peer).await;
    assert_eq!(rows.len(), 30);
    assert!(
        rows.iter().all(|row| row["status"] == "delivered"),
        "{rows:?}"
    );
    // Beside the tests, each came once more than it failed.
    let failed = |id: &str| {
        let before = hook.counts("b")[id];
        assert!((1..=3).contains(&before), "{id}: {before}");
    };
    (0..30).for_each(|nth| failed(&format!("e-{nth}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_forgets_neither_what_waits_nor_that_the_peer_is_left_alone() {
    let site = Site::new();
    let (hook, is_mended) = broken(&site, 500).await;
    let mut a = site.instance("a");
    let peer = a.add("b", &hook.url("b")).await;
    for nth in 0..10 {
        a.emit(&format!("e-{nth}")).await;
    }
    let health = left_alone(&a, "b").await;
    let posts = hook.count("b");
    a.server.kill();
    a.server.start_again();
    let again = a.health("b").await;
    for member in ["failures", "next_attempt_at", "backlog"] {
        assert_eq!(again[member], health[member], "{member}");
    }
    assert_eq!(hook.count("b"), posts, "it is not asked at once");
    is_mended.store(true, Ordering::SeqCst);
    let id = peer["id"].as_str().unwrap();
    a.call(Method::POST, &format!("peers/{id}/test")).await;
    a.until("b", "has all", |health| health["backlog"] == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_address_or_token_is_tried_at_once() {
    let site = Site::new();
    let (hook, _) = broken(&site, 401).await;
    let good = site.hook(|_, _, _| Reply::status(202)).await;
    let a = site.instance("a");
    let peer = a.add("b", &hook.url("b")).await;
    for nth in 0..10 {
        a.emit(&format!("e-{nth}")).await;
    }
    left_alone(&a, "b").await;
    // Both: the hook checks that it is shown the token of these tests.
    let path = format!("/api/federation/peers/{}", peer["id"].as_str().unwrap());
    let change = json!({"peer_hook_url": good.url("b"), "outbound_token": super::TOKEN});
    let request = a.owner.request(Method::PATCH, &path);
    let request = request
        .header("content-type", "application/json")
        .body(change.to_string());
    crate::support::http::answer(request).await.expect(200);
    a.until("b", "has all", |health| health["backlog"] == 0)
        .await;
    let counts = good.counts("b");
    assert_eq!(counts.len(), 10, "{counts:?}");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_arrive_when_they_are_replayed_and_never_when_they_are_discarded() {
    let site = Site::new();
    let (hook, is_mended) = broken(&site, 422).await;
    let a = site.instance("a");
    let peer = a.add("b", &hook.url("b")).await;
    for nth in 0..5 {
        a.emit(&format!("e-{nth}")).await;
    }
    let has_died = |health: &Value| health["dead_letters"] == 5;
    let health = a.until("b", "has refused all", has_died).await;
    assert_eq!(
        (&health["backlog"], &health["failures"]),
        (&json!(0), &json!(0))
    );
    let rows = a.rows(&peer).await;
    let of = |event: &str| {
        let mut its = rows.iter().filter(|row| row["event_id"] == event);
        its.next().unwrap()["id"].as_str().unwrap().to_owned()
    };
    let person = a.person();
    let letters = |args: &[&str]| person.kite(&[&["federation", "dead-letters"], args].concat());
    // Unmended, it comes back dead.
    letters(&["replay", &of("e-0")]).succeeds();
    hook.has_come("b", 6).await;
    a.until("b", "has refused it again", has_died).await;
    letters(&["discard", &of("e-4")]).succeeds();
    is_mended.store(true, Ordering::SeqCst);
    letters(&["replay", &of("e-1")]).succeeds();
    let is_there = async |count: usize| {
        let look = async || {
            let rows = a.rows(&peer).await;
            let done = rows.iter().filter(|row| row["status"] == "delivered");
            (done.count() == count).then_some(())
        };
        eventually("what was replayed is delivered", look).await;
    };
    is_there(1).await;
    assert_eq!(a.health("b").await["dead_letters"], 3);
    letters(&["replay", "--peer", "b"]).succeeds();
    is_there(4).await;
    let status = |event: &str, rows: &[Value]| {
        let mut its = rows.iter().filter(|row| row["event_id"] == event);
        its.next().unwrap()["status"].clone()
    };
    let rows = a.rows(&peer).await;
    assert_eq!(status("e-4", &rows), "discarded");
    let counts = hook.counts("b");
    let expected = [("e-0", 3), ("e-1", 2), ("e-2", 2), ("e-3", 2), ("e-4", 1)];
    for (event, count) in expected {
        assert_eq!(counts[event], count, "{event}");
    }
}
