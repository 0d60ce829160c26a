//! SIGKILL of an instance between what Paperclip answered and what is written down of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::DELAY_MAX_MICROS;
use crate::support::GLANCE;
use crate::support::chance::{Dice, number};
use crate::support::http::Access;
use crate::support::load::{Follower, Nodes};
use crate::support::postgres::Cluster;
use crate::support::receiver::{Got, Receiver};
use crate::support::server::Server;

const KILLS: u64 = 8;

const MESSAGES: usize = 40;

/// How many more posts come before a kill, at most.
const POSTS_MAX: u64 = 6;

const UNDELIVERABLE: &str = "com.kite.agent.message.undeliverable";

/// How long nothing may happen: the claim of a node that died stands for 20 s.
const STALL_MAX: Duration = Duration::from_secs(45);

/// Sends messages to an agent that is not there, and to one that is; the ids of the first kind. It ends when it is told to.
async fn send(mut way: Follower, is_over: watch::Receiver<bool>) -> Vec<String> {
    let mut lost = Vec::new();
    while lost.len() < MESSAGES || !*is_over.borrow() {
        for to in ["gone", "there"] {
            let key = format!("{to}-{}", lost.len());
            let body = json!({"from": "a", "to": to, "body": key}).to_string();
            let message = |access: &Access| {
                let request = access.request(reqwest::Method::POST, "/api/v1/agents/messages");
                let request = request.header("content-type", "application/json");
                request.header("Idempotency-Key", &key).body(body.clone())
            };
            let accepted = way.insist(201, message).await;
            if to == "gone" {
                lost.push(accepted.json["id"].as_str().unwrap().to_owned());
            }
        }
        sleep(GLANCE).await;
    }
    lost
}

/// Waits until Paperclip's peer has nothing left, as long as there is less of it.
async fn is_drained(access: &Access) {
    let (mut last, mut changed_at) = (Value::Null, Instant::now());
    loop {
        let status = access.get("/api/federation/status").await.expect(200);
        let backlog = status[0]["backlog"].clone();
        if backlog == 0 {
            return;
        }
        if backlog != last {
            (last, changed_at) = (backlog, Instant::now());
        }
        assert!(changed_at.elapsed() < STALL_MAX, "it stays at {status}");
        sleep(GLANCE).await;
    }
}

/// How often each message was said to be undeliverable.
async fn told(access: &Access) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for listed in access.log().await {
        let event = &listed["event"];
        if event["type"] == UNDELIVERABLE {
            let id = event["data"]["event_id"].as_str().unwrap();
            *told.entry(id.to_owned()).or_default() += 1;
        }
    }
    told
}

async fn is_killed(start: impl FnOnce(&[&str]) -> Server) {
    let mut dice = Dice::new();
    let posts = Arc::new(AtomicUsize::new(0));
    let count = posts.clone();
    let paperclip = Receiver::answering(move |got: &Got| {
        count.fetch_add(1, Ordering::Relaxed);
        Some(if got.path.contains("/gone/") {
            404
        } else {
            200
        })
    });
    let mut server = start(&[
        "--allow-insecure-peers",
        "--paperclip-api-url",
        &paperclip.url,
    ]);
    let nodes = Nodes::new(&[&server]);
    let (over, is_over) = watch::channel(false);
    let sender = tokio::spawn(send(nodes.follow(), is_over));
    for _ in 0..number("KITE_CRASH_FEDERATION_ROUNDS", KILLS) {
        let (before, began) = (posts.load(Ordering::Relaxed), Instant::now());
        let more = 1 + usize::try_from(dice.below(POSTS_MAX)).unwrap();
        while posts.load(Ordering::Relaxed) < before + more {
            assert!(began.elapsed() < STALL_MAX, "nothing is posted");
            sleep(Duration::from_micros(200)).await;
        }
        sleep(Duration::from_micros(dice.below(DELAY_MAX_MICROS))).await;
        nodes.withdraw(0);
        server.kill();
        // As if the claim of the one that died had run out.
        server.sql("UPDATE peer_states SET claimed_until = 0 RETURNING 'all'");
        server.start_elsewhere();
        nodes.announce(0, &server);
    }
    over.send_replace(true);
    let lost = sender.await.unwrap();
    let access = server.owner();
    is_drained(&access).await;
    let expected: BTreeMap<String, usize> = lost.iter().map(|id| (id.clone(), 1)).collect();
    assert_eq!(told(&access).await, expected, "each is told once");
    let status = access.get("/api/federation/status").await.expect(200);
    assert_eq!(status[0]["dead_letters"], lost.len(), "{status}");
    // What came twice, was not settled when the server died.
    let came = paperclip.ids();
    let repeated = came.len() - 2 * lost.len();
    eprintln!(
        "{} messages to nobody, {repeated} of all {} posted again",
        lost.len(),
        came.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_missing_agent_is_told_once_though_the_server_is_killed() {
    is_killed(Server::start_with).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_missing_agent_is_told_once_on_postgresql_too() {
    let database = Cluster::shared().database();
    is_killed(|flags| Server::start_on_with(&database, flags)).await;
}
