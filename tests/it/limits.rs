//! What an operator limits, and what those who meet a limit are told (spec 15).

use reqwest::Method;
use serde_json::json;

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::hooks::Endpoint;
use crate::support::http::{Access, answer};
use crate::support::postgres::Cluster;
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

#[tokio::test]
async fn a_team_over_its_rate_is_refused_and_others_are_not() {
    let server = Server::start_with(&["--team-rate-limit", "3", "--rate-window-secs", "3600"]);
    let owner = server.owner();
    let hook = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    owner.tell("a", "b", "one").await;
    owner
        .emit(&json!({"type": "com.acme.note"}))
        .await
        .expect(202);
    hook.post_with_token(&[], "{}").await.expect(202);

    let message = json!({"from": "a", "to": "b", "body": "late"}).to_string();
    let refused = owner.message(message).await;
    refused.refused(429, "rate_limited");
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    hook.post_with_token(&[], "{}")
        .await
        .refused(429, "rate_limited");
    assert_eq!(
        owner.log().await.len(),
        3,
        "reading goes on, nothing was stored"
    );
    server.fresh_team("other").tell("a", "b", "in peace").await;
}

#[tokio::test]
async fn a_command_that_meets_a_limit_exits_6() {
    let server = Server::start_with(&["--key-rate-limit", "1", "--rate-window-secs", "3600"]);
    let person = Person::at(&server);
    let emit = ["emit", "--type", "com.acme.note"];
    person.kite(&emit).succeeds();
    person.kite(&emit).stderr_has("this API key").exits(6);
}

#[tokio::test]
async fn limits_per_address_go_by_what_a_trusted_proxy_says_and_by_nobody_else() {
    let limit = ["--address-rate-limit", "1", "--rate-window-secs", "3600"];
    let trusting =
        Server::start_with(&[&limit[..], &["--trusted-proxies", "10.0.0.0/8,127.0.0.1"]].concat());
    let wary = Server::start_with(&limit);
    let send = async |server: &Server, client: &str| {
        let request = server
            .owner()
            .request(Method::POST, "/api/v1/agents/messages")
            .header("content-type", "application/json")
            .header("x-forwarded-for", client)
            .body(r#"{"from":"a","to":"b","body":"x"}"#);
        answer(request).await.status
    };
    let sent = [
        send(&trusting, "198.51.100.7").await,
        send(&trusting, "203.0.113.1, 198.51.100.7").await,
        send(&trusting, "198.51.100.8").await,
        send(&wary, "198.51.100.7").await,
        send(&wary, "198.51.100.8").await,
    ];
    assert_eq!(sent, [201, 429, 201, 201, 429]);
}

const EXHAUSTED: &str = "kite.subscription.quota_exhausted";
const RESTORED: &str = "kite.subscription.quota_restored";

/// The types in a team's log, once it has so many events.
async fn kinds(access: &Access, count: usize) -> Vec<String> {
    eventually("the log has all events", async || {
        let kind = |it: &serde_json::Value| it["event"]["type"].as_str().unwrap().to_owned();
        let kinds: Vec<String> = access.log().await.iter().map(kind).collect();
        (kinds.len() >= count).then_some(kinds)
    })
    .await
}

#[tokio::test]
async fn a_quota_that_is_used_up_refuses_what_is_new_and_says_so_once() {
    let mut server = Server::start_with(&["--events-limit", "3"]);
    let owner = server.owner();
    let hook = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let (mut listener, _) = Socket::connect(&owner, &["*"], "listener").await;
    let named = json!({"type": "com.acme.note", "source": "https://a.example", "id": "one"});
    owner.emit(&named).await.expect(202);
    hook.post_with_token(&[], "{}").await.expect(202);
    let last = json!({"from": "a", "to": "b", "body": "three"}).to_string();
    let accepted = owner.message(last.clone()).await.expect(201);
    assert_eq!(
        (
            &accepted["usage"]["events_used"],
            &accepted["usage"]["events_limit"]
        ),
        (&json!(3), &json!(3))
    );

    for refused in [
        owner.message(last.clone()).await,
        hook.post_with_token(&[], "{}").await,
        owner.emit(&json!({"type": "com.acme.note"})).await,
    ] {
        refused.refused(402, "payment_required");
        let body = refused.expect(402);
        assert_eq!(body["error"], "event quota exhausted");
        assert_eq!(body["usage"]["events_used"], 3);
    }
    // Free, and not refused: its sender may not have heard that it was stored.
    owner.emit(&named).await.expect(200);

    let kinds_heard = [
        "com.acme.note",
        "com.my-app.webhook",
        "com.kite.agent.message",
    ];
    for _ in kinds_heard {
        listener.next_event().await;
    }
    let mut frames = vec![listener.next().await, listener.next().await];
    frames.sort_by_key(|frame| frame["type"].to_string());
    assert_eq!(frames[0]["type"], "billing_block", "{frames:?}");
    assert_eq!(
        (
            &frames[0]["provider"],
            &frames[0]["reason"],
            &frames[0]["retryable"]
        ),
        (
            &json!("self_hosted"),
            &json!("quota_exhausted"),
            &json!(true)
        )
    );
    let told = &frames[1]["event"];
    assert_eq!(told["type"], EXHAUSTED);
    assert_eq!(told["data"]["resets_at"], frames[0]["action"]["resets_at"]);
    listener.expect_none().await;

    // Who comes later is told in the handshake, also who only makes calls. Reading goes on.
    for scopes in [&["*"][..], &[]] {
        let (mut late, _) = Socket::connect(&owner, scopes, "").await;
        assert_eq!(late.next().await["type"], "billing_block");
        let stats = late.call("dashboard.stats", json!({})).await;
        assert_eq!(stats["payload"]["quota"]["events_used"], 3);
    }
    assert_eq!(kinds(&owner, 4).await.len(), 4);
    // Another team has its own.
    server.fresh_team("other").tell("a", "b", "in peace").await;

    server.stop();
    server.say(&["--events-limit", "4"]);
    server.start_again();
    let owner = server.owner();
    assert_eq!(kinds(&owner, 5).await.last().unwrap(), RESTORED);
    owner.message(last.clone()).await.expect(201);
    owner.message(last).await.refused(402, "payment_required");
    let kinds = kinds(&owner, 7).await;
    assert_eq!(
        kinds[3..],
        [EXHAUSTED, RESTORED, "com.kite.agent.message", EXHAUSTED]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_that_a_quota_is_used_up_and_one_of_them_says_so() {
    let first = Server::start_on_with(&Cluster::shared().database(), &["--events-limit", "2"]);
    let second = first.another_node();
    let (one, other) = (first.owner(), second.owner());
    let mut calls_only = Socket::open(&other.ws_url).await;
    calls_only.send(&connect_frame(&other, &[], "")).await;
    assert_eq!(calls_only.next().await["type"], "connected");
    assert_eq!(calls_only.next().await["type"], "quota_snapshot");
    one.tell("a", "b", "one").await;
    one.tell("a", "b", "two").await;
    assert_eq!(calls_only.next().await["type"], "billing_block");
    let message = json!({"from": "a", "to": "b", "body": "three"}).to_string();
    for node in [&one, &other] {
        node.message(message.clone())
            .await
            .refused(402, "payment_required");
    }
    assert_eq!(kinds(&one, 3).await[2..], [EXHAUSTED]);
    calls_only.expect_none().await;
    assert_eq!(one.log().await.len(), 3);
}

#[tokio::test]
async fn status_shows_every_limit() {
    let server = Server::start_with(&[
        "--events-limit",
        "9",
        "--retention-days",
        "7",
        "--retention-events",
        "1000",
        "--team-rate-limit",
        "50",
        "--rate-window-secs",
        "10",
    ]);
    let person = Person::at(&server);
    person
        .kite(&["status"])
        .stdout_has("events this month: 0 of 9")
        .stdout_has("at most 7 days and 1000 events")
        .stdout_has("50 events in 10 s")
        .succeeds();
    let status = person.kite(&["status", "--json"]).succeeds().json();
    assert_eq!(status["quota"]["events_limit"], 9);
    assert_eq!(status["limits"]["team_rate_limit"], 50);
    assert_eq!(status["limits"]["key_rate_limit"], json!(null));
}

#[tokio::test]
async fn a_command_that_meets_the_quota_exits_6() {
    let server = Server::start_with(&["--events-limit", "0"]);
    let person = Person::at(&server);
    person
        .kite(&["emit", "--type", "com.acme.note"])
        .stderr_has("event quota exhausted")
        .stderr_has("`kite status` shows the quota")
        .exits(6);
}
