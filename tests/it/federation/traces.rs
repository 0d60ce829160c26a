//! Traces of events whose forwards are being worked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::http::Access;
use crate::support::instance::{Instance, UNLIMITED, link};
use crate::support::postgres::Cluster;
use crate::support::relay::Fate;

const EVENTS: usize = 150;

/// How many ask at the same time.
const ASKERS: usize = 3;

/// A peer that is well two times of three: refusals of all kinds never come so close that it would be left alone.
fn fickle() -> impl Fn(&str) -> Fate + Send + Sync + 'static {
    let count = AtomicU64::new(0);
    move |_| match count.fetch_add(1, Ordering::Relaxed) % 6 {
        2 => Fate::Refused(503),
        5 => Fate::Unanswered,
        _ => Fate::Passed,
    }
}

/// What is wrong with the forward of an event, as one trace tells it; else its status.
fn judge(told: &Value, peer: &str) -> Result<String, &'static str> {
    let [trace] = &told["traces"].as_array().unwrap()[..] else {
        return Err("it is not told of once");
    };
    let forwards = trace["forwards"].as_array().unwrap();
    let [forward] = &forwards[..] else {
        return Err("it has not exactly one forward");
    };
    if forward["peer"] != peer {
        return Err("it goes to somebody else");
    }
    let attempts = forward["attempts"].as_array().unwrap();
    let is_taken = |attempt: &&Value| matches!(attempt["status_code"].as_u64(), Some(200..300));
    let taken = attempts.iter().filter(is_taken).count();
    let numbers: Vec<u64> = attempts
        .iter()
        .map(|it| it["attempt"].as_u64().unwrap())
        .collect();
    if !numbers.iter().copied().eq(1..=numbers.len() as u64) {
        return Err("its attempts are not counted up");
    }
    match (forward["status"].as_str(), taken) {
        (Some("delivered"), 1) => Ok("delivered".to_owned()),
        (Some("pending"), 0) => Ok("pending".to_owned()),
        (Some("delivered"), 0) => Err("it is delivered and nobody took it"),
        (Some("pending"), _) => Err("it is pending though it was taken"),
        (None, _) => Err("it is neither pending nor delivered"),
        _ => Err("it is something else"),
    }
}

/// Traces one event after the other until all are delivered; how often one was seen pending.
async fn ask_until_delivered(access: &Access, ids: &[String]) -> usize {
    let mut pending = 0;
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    while seen.values().filter(|it| *it == "delivered").count() < ids.len() {
        for id in ids {
            let path = format!("/api/federation/trace?event_id={id}");
            let told = access.get(&path).await.expect(200);
            let status = judge(&told, "b").unwrap_or_else(|fault| panic!("{fault}: {told:#}"));
            pending += usize::from(status == "pending");
            let before = seen.insert(id, status.clone());
            let is_back = before.as_deref() == Some("delivered") && status == "pending";
            assert!(!is_back, "it was delivered before: {told:#}");
        }
    }
    pending
}

async fn tells_no_contradiction(a: Instance) {
    let b = Instance::start_behind("b", fickle()).await;
    let peer = link(&a, &b, UNLIMITED).await;
    a.set_status(&peer, "paused").await;
    a.take("e", EVENTS).await;
    let owner = a.server.owner();
    let ids: Vec<String> = (0..EVENTS).map(|number| format!("e-{number}")).collect();
    let asking = join_all((0..ASKERS).map(|_| ask_until_delivered(&owner, &ids)));
    let (pending, ()) = tokio::join!(asking, a.set_status(&peer, "active"));
    assert!(
        pending.iter().sum::<usize>() > 0,
        "all was delivered before anybody asked"
    );
    let log = a.log().await;
    a.is_copied_to(&b, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_of_what_is_under_way_tells_no_contradiction() {
    tells_no_contradiction(Instance::start("a").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_of_what_is_under_way_tells_no_contradiction_on_postgresql_either() {
    let a = Instance::start_on("a", &Cluster::shared().database()).await;
    tells_no_contradiction(a).await;
}
