//! The same again: lost answers, two at once, and connections that one side has given up.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    PEERS, arrives, code, connect, emit, goes, invited, join, open, opened, peers, works_both_ways,
};
use crate::support::http::{Access, answer};
use crate::support::relay::{Fate, Relay};
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_joined_with_twice_makes_one_connection() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    let code = code(&at_a).await;
    let first = join(&at_b, &code).await.expect(200);
    assert_eq!(first["renewed"], false);
    let second = join(&at_b, &code).await.expect(200);
    works_both_ways(&second);
    assert_eq!(second["renewed"], true);
    assert_eq!(second["peer"]["id"], first["peer"]["id"]);
    assert_eq!(peers(&at_a).await.len(), 1);
    goes(&at_a, &at_b, "there").await;
    goes(&at_b, &at_a, "back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    // Two answers are lost; then it goes on.
    let relay = Relay::to("http://127.0.0.1:1", move |_| {
        match counted.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Fate::Unanswered,
            _ => Fate::Passed,
        }
    })
    .await;
    let a = Server::start_with(&[
        "--instance-id",
        "kite-a",
        "--allow-insecure-peers",
        "--public-url",
        &relay.url,
    ]);
    relay.lead_to(a.url());
    let b = open("kite-b");
    let joined = connect(&a.owner(), &b.owner()).await;
    assert_eq!(joined["renewed"], false);
    let statuses: Vec<_> = relay.posts().iter().map(|post| post.status).collect();
    assert_eq!(statuses[..3], [Some(200); 3], "redeemed each time");
    assert_eq!(peers(&a.owner()).await.len(), 1);
    goes(&a.owner(), &b.owner(), "there").await;
    goes(&b.owner(), &a.owner(), "back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_join_at_the_same_moment_come_to_the_same_connection() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    let code = code(&at_a).await;
    let (one, other) = tokio::join!(join(&at_b, &code), join(&at_b, &code));
    for joined in [one.expect(200), other.expect(200)] {
        works_both_ways(&joined);
    }
    assert_eq!(peers(&at_a).await.len(), 1);
    assert_eq!(peers(&at_b).await.len(), 1);
    goes(&at_a, &at_b, "there").await;
    goes(&at_b, &at_a, "back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_behind_the_redemption_is_mended_by_the_same_code() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    let code = code(&at_a).await;
    join(&at_b, &code).await.expect(200);
    // As if the answer had come and nothing was written down.
    let [there] = &peers(&at_b).await[..] else {
        panic!("one peer")
    };
    remove(&at_b, there).await;
    let again = join(&at_b, &code).await.expect(200);
    works_both_ways(&again);
    assert_eq!(again["renewed"], false);
    assert_eq!(peers(&at_a).await.len(), 1);
}

async fn remove(access: &Access, peer: &Value) {
    let path = format!("{PEERS}/{}", peer["id"].as_str().unwrap());
    answer(access.request(Method::DELETE, &path))
        .await
        .expect(200);
}

async fn backlog(access: &Access) -> Value {
    let health = access.get("/api/federation/status").await.expect(200);
    health[0]["backlog"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_peer_that_has_removed_this_one_goes_out_when_it_is_back() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    connect(&at_a, &at_b).await;
    let [kept] = &peers(&at_a).await[..] else {
        panic!("one peer")
    };
    let [gone] = &peers(&at_b).await[..] else {
        panic!("one peer")
    };
    remove(&at_b, gone).await;
    emit(&at_a, "waits").await;
    assert_eq!(backlog(&at_a).await, 1);
    let wish = json!({"name": "bee", "scopes": ["com.demo.*"]});
    let made = invited(&at_a, wish).await;
    let joined = join(&at_b, made["code"].as_str().unwrap())
        .await
        .expect(200);
    works_both_ways(&joined);
    arrives(&at_b, "waits").await;
    let [renewed] = &peers(&at_a).await[..] else {
        panic!("one peer")
    };
    assert_eq!(renewed["id"], kept["id"]);
    assert_eq!(renewed["name"], "bee");
    assert_eq!(renewed["scopes"], json!(["com.demo.*"]));
    goes(&at_b, &at_a, "back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inviter_that_has_removed_the_joiner_is_joined_again() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    let first = code(&at_a).await;
    let joined = join(&at_b, &first).await.expect(200);
    let [gone] = &peers(&at_a).await[..] else {
        panic!("one peer")
    };
    remove(&at_a, gone).await;
    // The old code does not undo that.
    join(&at_b, &first).await.refused(409, "invite_used");
    emit(&at_b, "waits").await;
    let again = connect(&at_a, &at_b).await;
    assert_eq!(again["renewed"], true);
    assert_eq!(again["peer"]["id"], joined["peer"]["id"]);
    arrives(&at_a, "waits").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_may_invite_the_other_way_round() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    connect(&at_a, &at_b).await;
    let back = connect(&at_b, &at_a).await;
    assert_eq!(back["renewed"], true);
    assert_eq!(peers(&at_a).await.len(), 1);
    assert_eq!(peers(&at_b).await.len(), 1);
    goes(&at_a, &at_b, "there").await;
    goes(&at_b, &at_a, "back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_keep_the_key_of_the_other() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (a.owner(), b.owner());
    connect(&at_a, &at_b).await;
    for (access, other) in [(&at_a, &at_b), (&at_b, &at_a)] {
        let fingerprint = opened(&code(other).await).fingerprint;
        assert_eq!(peers(access).await[0]["identity"], fingerprint);
    }
}
