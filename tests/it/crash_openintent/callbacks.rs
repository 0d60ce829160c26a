//! Callbacks of one dispatch: each counts once, through kills and whichever node gets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kite::store::openintent::ExchangeState::{Completed, Delivered};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::{ANSWERED, Station};
use crate::support::door::Door;
use crate::support::eventually;
use crate::support::http::{Access, answer};
use crate::support::partner::{Partner, signed};
use crate::support::postgres::Cluster;

const COUNT: u32 = 60;

/// A kill comes after each so many of them.
const KILL_EVERY: u32 = 15;

fn callback(id: &str, kind: &str, number: u32) -> Value {
    json!({
        "dispatch_id": id, "event_type": kind, "state_delta": {format!("part-{number}"): number},
        "idempotency_key": format!("{kind}-{id}-{number}"),
    })
}

/// The post of a callback, stamped and signed now.
fn post(to: &Access, callback: &Value) -> RequestBuilder {
    let request = to.bare(Method::POST, "/api/v1/federation/callback");
    let request = request.header("content-type", "application/json");
    request.body(signed(callback, "timestamp", 1))
}

/// Checks that these counted, each once, in what is shown of a dispatch and in the log.
async fn check(station: &Station, id: &str, count: u32) {
    let path = format!("/api/openintent/dispatches/{id}");
    let shown = station.access().get(&path).await.expect(200);
    assert_eq!(shown["callbacks"], count, "{shown}");
    let parts = (1..=count).map(|number| (format!("part-{number}"), json!(number)));
    assert_eq!(shown["state"], Value::Object(parts.collect::<Map<_, _>>()));
    assert_eq!(station.log_of(ANSWERED).await.len(), count as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_that_meet_kills_count_once() {
    let partner = Partner::start(1);
    let mut station = Station::trusting(&[&partner.url]).await;
    let id = station.dispatch(&partner.url, None).await;
    station.becomes(&id, Delivered).await;
    let taken = Arc::new(AtomicU32::new(0));
    let (mut way, counter, of) = (station.nodes.follow(), taken.clone(), id.clone());
    let sending = tokio::spawn(async move {
        for number in 1..=COUNT {
            let kind = if number == COUNT {
                "completed"
            } else {
                "state_delta"
            };
            let callback = callback(&of, kind, number);
            // Twice: the answer to the first may have been lost, as far as its sender knows.
            for _ in 0..2 {
                way.insist(200, |access| post(access, &callback)).await;
            }
            counter.store(number, Ordering::Relaxed);
        }
    });
    for kill in 1..COUNT / KILL_EVERY {
        eventually("it is time for a kill", async || {
            (taken.load(Ordering::Relaxed) >= kill * KILL_EVERY).then_some(())
        })
        .await;
        station.kill_and_revive();
    }
    sending.await.unwrap();
    assert_eq!(station.dispatched(&id).await.state, Completed);
    check(&station, &id, COUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_that_two_nodes_get_at_the_same_time_all_count() {
    let partner = Partner::start(1);
    let database = Cluster::shared().database();
    let station = Station::behind(Door::open(None).await, &[&partner.url], Some(&database)).await;
    let other = station.server.another_node();
    let id = station.dispatch(&partner.url, None).await;
    station.becomes(&id, Delivered).await;
    let nodes = [station.access(), other.owner()];
    for number in (1..COUNT).step_by(2) {
        let both = [number, number + 1].map(|number| callback(&id, "state_delta", number));
        // Each of the two at each of the two.
        let (a, b, c, d) = tokio::join!(
            answer(post(&nodes[0], &both[0])),
            answer(post(&nodes[1], &both[1])),
            answer(post(&nodes[0], &both[1])),
            answer(post(&nodes[1], &both[0])),
        );
        for answer in [a, b, c, d] {
            answer.expect(200);
        }
    }
    check(&station, &id, COUNT).await;
}
