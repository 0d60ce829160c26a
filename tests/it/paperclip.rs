//! Messages for agents that go to Paperclip too (spec 13.3): by the outbox, once, in order, and what becomes of those
//! whose agent is not there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::http::{Access, answer};
use crate::support::peers::{Peer, forwarded, fresh_token};
use crate::support::postgres::Cluster;
use crate::support::receiver::{Got, Receiver};
use crate::support::server::Server;

const PEERS: &str = "/api/federation/peers";

const UNDELIVERABLE: &str = "com.kite.agent.message.undeliverable";

/// Starts a server that posts to the Paperclip at this address.
fn server(api_url: &str) -> Server {
    Server::start_with(&["--allow-insecure-peers", "--paperclip-api-url", api_url])
}

/// The peer that stands for Paperclip in a team.
async fn peer(access: &Access) -> Value {
    let peers = access.get(PEERS).await.expect(200);
    let all = peers.as_array().unwrap();
    let found = all.iter().find(|peer| peer["kind"] == "paperclip");
    found.unwrap_or_else(|| panic!("{peers}")).clone()
}

async fn health(access: &Access) -> Value {
    let all = access.get("/api/federation/status").await.expect(200);
    all[0].clone()
}

/// Waits until Paperclip does as it should.
async fn until(access: &Access, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let look = async || Some(health(access).await).filter(&is_so);
    eventually(&format!("Paperclip {what}"), look).await
}

async fn dead_letters(access: &Access) -> Vec<Value> {
    let path = "/api/federation/dead-letters?limit=1000";
    let letters = access.get(path).await.expect(200);
    letters.as_array().unwrap().clone()
}

/// The events of a type in a team's log.
async fn of_type(access: &Access, kind: &str) -> Vec<Value> {
    let log = access.log().await.into_iter();
    let events = log.map(|mut listed| listed["event"].take());
    events.filter(|event| event["type"] == kind).collect()
}

async fn call(access: &Access, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = access.request(method, path);
    let request = request.header("content-type", "application/json");
    let answer = answer(request.body(body.to_string())).await;
    (answer.status, answer.json)
}

/// What a team's Paperclip got: paths and ids.
fn posts(got: &[Got]) -> Vec<(String, String)> {
    got.iter()
        .map(|got| (got.path.clone(), got.id().to_owned()))
        .collect()
}

fn path_to(agent: &str) -> String {
    format!("/hook/api/agents/{agent}/messages")
}

#[tokio::test]
async fn without_the_setting_there_is_no_paperclip() {
    let server = Server::start_with(&["--allow-insecure-peers"]);
    let owner = server.owner();
    owner.tell("a", "b", "hello").await;
    assert_eq!(owner.get(PEERS).await.expect(200), json!([]));
    let rows = owner.get("/api/federation/outbox").await.expect(200);
    assert_eq!(rows, json!([]), "nothing waits for anybody");
}

#[tokio::test]
async fn each_message_arrives_once_as_it_stands_and_nothing_else_does() {
    let receiver = Receiver::start();
    let dir = tempfile::TempDir::new().unwrap();
    let key_file = dir.path().join("key");
    std::fs::write(&key_file, "pc_key_1\n").unwrap();
    let server = Server::start_with(&[
        "--allow-insecure-peers",
        "--paperclip-api-url",
        &receiver.url,
        "--paperclip-api-key-file",
        key_file.to_str().unwrap(),
    ]);
    let owner = server.owner();
    let note = json!({"id": "n", "source": "https://x.example", "type": "com.example.note"});
    owner.emit(&note).await.expect(202);
    let request =
        r#"{"from":"a","to":"b/c ü","body":"h\u00e9","thread_id":"t","payload":{"n": 1e2}}"#;
    let id = owner.message(request).await.expect(201)["id"].clone();
    let second = owner.tell("b", "a", "hello").await;
    until(&owner, "has all", |it| {
        it["backlog"] == 0 && it["last_success_at"].is_string()
    })
    .await;
    let got = receiver.wait(2);
    let expected = [
        (path_to("b%2Fc%20%C3%BC"), id.as_str().unwrap().to_owned()),
        (path_to("a"), second),
    ];
    assert_eq!(posts(&got), expected);
    assert_eq!(got[0].header("content-type"), "application/json");
    assert_eq!(got[0].header("authorization"), "Bearer pc_key_1");
    assert_eq!(
        std::str::from_utf8(&got[0].body).unwrap(),
        r#"{"from":"a","to":"b/c ü","body":"hé","thread_id":"t","payload":{"n": 1e2}}"#
    );
    for secret in ["pc_key_1", &owner.key] {
        assert!(!server.log().contains(secret));
        assert!(!peer(&owner).await.to_string().contains(secret));
    }
}

#[tokio::test]
async fn what_a_peer_brought_for_an_agent_here_goes_there_too() {
    let receiver = Receiver::start();
    let server = server(&receiver.url);
    let from = Peer::create(&server, &server.owner()).await;
    let mut message = forwarded("m-1");
    message["type"] = "com.kite.agent.message".into();
    message["data"] = json!({"from": "far", "to": "b", "body": "hello"});
    message["kitefedchain"] = r#"["x","y","elsewhere"]"#.into();
    message["kitefedhops"] = 3.into();
    from.send(&message).await.expect(202);
    let got = receiver.wait(1);
    assert_eq!(posts(&got), [(path_to("b"), "m-1".to_owned())]);
    assert!(
        got[0]
            .headers
            .iter()
            .all(|(name, _)| name != "authorization"),
        "no key was given, so none is shown"
    );
}

#[tokio::test]
async fn what_waited_while_it_was_away_arrives_once() {
    let (address, url) = Receiver::nowhere();
    let server = server(&url);
    let owner = server.owner();
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(owner.tell("a", "b", &format!("{n}")).await);
    }
    let away = until(&owner, "is away", |it| it["failures"].as_u64() > Some(0)).await;
    assert_eq!(away["backlog"], 20, "{away}");
    assert_eq!(
        (&away["peer"], &away["status"]),
        (&json!("paperclip"), &json!("active"))
    );
    let receiver = Receiver::at(address, |_| Some(201));
    // Pausing and resuming wakes what waits.
    for status in ["paused", "active"] {
        let path = format!("{PEERS}/{}", away["peer_id"].as_str().unwrap());
        let (code, changed) = call(&owner, Method::PATCH, &path, json!({"status": status})).await;
        assert_eq!(
            (code, &changed["status"]),
            (200, &json!(status)),
            "{changed}"
        );
    }
    until(&owner, "has all", |it| it["backlog"] == 0).await;
    // Order is for one that keeps up: one that lags gets several at a time.
    let mut ids = receiver.ids();
    ids.sort();
    sent.sort();
    assert_eq!(ids, sent);
    assert!(dead_letters(&owner).await.is_empty());
}

#[tokio::test]
async fn a_missing_agent_is_told_once_and_holds_up_nobody() {
    let receiver = Receiver::answering(|got| match got.path.contains("/gone/") {
        true => Some(404),
        false => Some(200),
    });
    let server = server(&receiver.url);
    let owner = server.owner();
    let mut sent = BTreeMap::new();
    for n in 0..6 {
        sent.insert(owner.tell("a", "gone", &format!("{n}")).await, n);
        owner.tell("a", "b", "hello").await;
    }
    let health = until(&owner, "has judged all", |it| {
        it["backlog"] == 0 && it["dead_letters"] == 6
    })
    .await;
    assert_eq!(health["failures"], 0, "it is there: {health}");
    assert_eq!(receiver.got().len(), 12);
    let told = of_type(&owner, UNDELIVERABLE).await;
    assert_eq!(told.len(), 6);
    for event in &told {
        let id = event["data"]["event_id"].as_str().unwrap();
        assert!(sent.contains_key(id), "{event}");
        assert_eq!(event["data"]["from"], "a");
        assert_eq!(event["data"]["to"], "gone");
        let reason = event["data"]["reason"].as_str().unwrap();
        assert!(reason.contains("knows no such agent (404)"), "{event}");
        assert_eq!(event["source"], "kite://paperclip");
        assert!(event["kitesummary"].as_str().unwrap().contains("a → gone"));
    }
    let letters = dead_letters(&owner).await;
    assert!(
        letters
            .iter()
            .all(|letter| sent.contains_key(letter["event_id"].as_str().unwrap()))
    );

    // Replayed in vain, nothing more is said.
    let replayed = owner
        .post("/api/federation/dead-letters/replay", "{}")
        .await;
    assert_eq!(replayed.expect(200)["replayed"], 6);
    receiver.wait(18);
    until(&owner, "has judged them again", |it| {
        it["dead_letters"] == 6
    })
    .await;
    assert_eq!(of_type(&owner, UNDELIVERABLE).await.len(), 6);
}

#[tokio::test]
async fn where_the_quota_is_used_up_the_dead_letter_says_so_instead() {
    let receiver = Receiver::answering(|_| Some(410));
    let server = Server::start_with(&[
        "--allow-insecure-peers",
        "--events-limit",
        "1",
        "--paperclip-api-url",
        &receiver.url,
    ]);
    let owner = server.owner();
    owner.tell("a", "gone", "hello").await;
    until(&owner, "has judged it", |it| it["dead_letters"] == 1).await;
    let letter = dead_letters(&owner).await.remove(0);
    let error = letter["last_error"].as_str().unwrap();
    assert!(error.contains("no such agent (410)"), "{error}");
    assert!(error.contains("quota is used up"), "{error}");
    assert!(of_type(&owner, UNDELIVERABLE).await.is_empty());
}

#[tokio::test]
async fn a_key_that_is_refused_holds_everything_until_a_start_with_another() {
    let status = Arc::new(AtomicU16::new(401));
    let answers = Arc::clone(&status);
    let receiver = Receiver::answering(move |_| Some(answers.load(Ordering::Relaxed)));
    let mut server = server(&receiver.url);
    let owner = server.owner();
    for _ in 0..8 {
        owner.tell("a", "b", "hello").await;
    }
    let refused = until(&owner, "is left alone", |it| {
        it["failures"].as_u64() >= Some(5) && it["next_attempt_at"].is_string()
    })
    .await;
    assert_eq!(
        (&refused["backlog"], &refused["dead_letters"]),
        (&json!(8), &json!(0))
    );
    let error = refused["last_error"].as_str().unwrap();
    assert!(error.contains("KITE_PAPERCLIP_API_KEY"), "{error}");
    server.stop();
    status.store(200, Ordering::Relaxed);
    server.start_again();
    let owner = server.owner();
    until(&owner, "has all", |it| {
        it["backlog"] == 0 && it["failures"] == 0
    })
    .await;
    assert!(of_type(&owner, UNDELIVERABLE).await.is_empty());
}

#[tokio::test]
async fn each_team_has_its_own_also_one_that_was_made_beside_the_server() {
    let receiver = Receiver::start();
    let server = server(&receiver.url);
    let (owner, other) = (server.owner(), server.fresh_team("other"));
    let look = async || {
        let peers = other.get(PEERS).await.expect(200);
        (peers != json!([])).then_some(peers)
    };
    let peers = eventually("the new team has its Paperclip", look).await;
    assert_eq!(peers.as_array().unwrap().len(), 1, "{peers}");
    let ours = owner.tell("a", "b", "ours").await;
    until(&owner, "has it", |it| it["last_success_at"].is_string()).await;
    let theirs = other.tell("a", "b", "theirs").await;
    until(&other, "has it", |it| it["last_success_at"].is_string()).await;
    for (access, id) in [(&owner, &ours), (&other, &theirs)] {
        let delivered = access.get("/api/federation/deliveries").await.expect(200);
        let delivered = delivered.as_array().unwrap().clone();
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0]["event_id"], **id);
        assert_eq!(delivered[0]["peer_id"], peer(access).await["id"]);
    }
    assert_eq!(receiver.ids(), [ours, theirs]);
}

#[tokio::test]
async fn its_peer_is_the_settings_and_can_only_be_paced() {
    let receiver = Receiver::start();
    let server = server(&receiver.url);
    let owner = server.owner();
    let peer = peer(&owner).await;
    assert_eq!(peer["name"], "paperclip");
    assert_eq!(peer["peer_hook_url"], receiver.url.as_str());
    assert_eq!(peer["scopes"], json!(["com.kite.agent.message"]));
    let path = format!("{PEERS}/{}", peer["id"].as_str().unwrap());
    for change in [
        json!({"name": "x"}),
        json!({"peer_hook_url": "https://x.example"}),
        json!({"scopes": ["*"]}),
        json!({"max_hops": 1}),
        json!({"discovery": true}),
        json!({"outbound_token": "s3cret-outbound-token-of-32-chars"}),
        json!({"inbound_token": "s3cret-inbound-token-of-32-chars!"}),
        json!({"status": "revoked"}),
    ] {
        let (status, body) = call(&owner, Method::PATCH, &path, change.clone()).await;
        assert_eq!(status, 409, "{change}: {body}");
        assert!(
            body.to_string().contains("KITE_PAPERCLIP_API_URL"),
            "{body}"
        );
    }
    for (method, path) in [
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/test")),
    ] {
        assert_eq!(
            call(&owner, method, &path, json!({})).await.0,
            409,
            "{path}"
        );
    }
    let pace = json!({"rate_limit_per_sec": 7, "status": "paused"});
    let (status, changed) = call(&owner, Method::PATCH, &path, pace).await;
    assert_eq!((status, &changed["rate_limit_per_sec"]), (200, &json!(7)));
    let person = Person::at(&server);
    person
        .kite(&["federation", "peers", "remove", "paperclip"])
        .stderr_has("set by the server's settings")
        .exits(1);
    // Its word is taken, and nobody else is called by it.
    let draft = json!({"name": "paperclip", "peer_hook_url": "https://b.invalid/hooks/t/kite"});
    let (status, body) = call(&owner, Method::POST, PEERS, draft).await;
    assert_eq!(status, 409, "{body}");
    assert!(receiver.got().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn it_goes_with_the_setting_and_comes_back_with_it() {
    let is_there = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&is_there);
    let receiver = Receiver::answering(move |_| match answers.load(Ordering::Relaxed) {
        true => Some(200),
        false => Some(503),
    });
    let mut server = server(&receiver.url);
    let owner = server.owner();
    let cancelled = owner.tell("a", "b", "too late").await;
    until(&owner, "fails", |it| it["failures"].as_u64() > Some(0)).await;
    server.stop();

    server.say(&["--allow-insecure-peers"]);
    server.start_elsewhere();
    let owner = server.owner();
    let look = async || {
        let path = "/api/federation/outbox?status=cancelled";
        let rows = owner.get(path).await.expect(200);
        rows.as_array().unwrap().first().cloned()
    };
    let row = eventually("what waited is cancelled", look).await;
    assert_eq!(row["event_id"], cancelled);
    let revoked = peer(&owner).await;
    assert_eq!(revoked["status"], "revoked");
    let path = format!("{PEERS}/{}", revoked["id"].as_str().unwrap());
    let resume = json!({"status": "active"});
    let (status, body) = call(&owner, Method::PATCH, &path, resume).await;
    assert_eq!(status, 409, "{body}");
    owner.tell("a", "b", "for nobody there").await;
    server.stop();

    is_there.store(true, Ordering::Relaxed);
    server.say(&[
        "--allow-insecure-peers",
        "--paperclip-api-url",
        &receiver.url,
    ]);
    server.start_elsewhere();
    let owner = server.owner();
    assert_eq!(peer(&owner).await["status"], "active");
    let back = owner.tell("a", "b", "back").await;
    until(&owner, "has it", |it| it["last_success_at"].is_string()).await;
    assert_eq!(receiver.ids().pop(), Some(back));
    assert_eq!(health(&owner).await["backlog"], 0);
    server.stop();

    // Of no more use, it can be removed.
    server.say(&["--allow-insecure-peers"]);
    server.start_elsewhere();
    let owner = server.owner();
    let (status, removed) = call(&owner, Method::DELETE, &path, json!({})).await;
    assert_eq!((status, &removed["status"]), (200, &json!("deleted")));
}

#[tokio::test]
async fn the_instance_that_a_message_came_from_hears_that_its_agent_is_missing() {
    let receiver = Receiver::answering(|_| Some(404));
    let a = Server::start_with(&["--allow-insecure-peers", "--instance-id", "a"]);
    let b = Server::start_with(&[
        "--allow-insecure-peers",
        "--instance-id",
        "b",
        "--paperclip-api-url",
        &receiver.url,
    ]);
    let [there, back] = [fresh_token(), fresh_token()];
    let add = async |at: &Server, peer: &Server, name: &str, tokens: [&str; 2]| {
        let url = format!("{}/hooks/{}/kite", peer.url(), peer.owner().team);
        let body = json!({"peer_instance_id": name, "peer_hook_url": url,
            "outbound_token": tokens[0], "inbound_token": tokens[1]});
        at.owner().post(PEERS, body.to_string()).await.expect(201);
    };
    add(&a, &b, "b", [&there, &back]).await;
    add(&b, &a, "a", [&back, &there]).await;
    let id = a.owner().tell("x", "gone", "hello").await;
    let look = async || of_type(&a.owner(), UNDELIVERABLE).await.pop();
    let told = eventually("the sender's instance hears of it", look).await;
    assert_eq!(told["data"]["event_id"], *id);
    assert_eq!(told["kitefedorigin"], "b");
    assert_eq!(receiver.ids(), [id], "what is told is no message");
}

#[tokio::test]
async fn nodes_share_one_peer_for_each_team() {
    let receiver = Receiver::start();
    let flags = [
        "--allow-insecure-peers",
        "--paperclip-api-url",
        &receiver.url,
    ];
    let server = Server::start_on_with(&Cluster::shared().database(), &flags);
    let node = server.another_node();
    let other = server.fresh_team("other");
    let look = async || (other.get(PEERS).await.expect(200) != json!([])).then_some(());
    eventually("the new team has its Paperclip", look).await;
    let there = node.owner();
    let mut sent = Vec::new();
    for n in 0..10 {
        let door = if n % 2 == 0 { &there } else { &server.owner() };
        sent.push(door.tell("a", "b", "hello").await);
    }
    until(&there, "has all", |it| {
        it["backlog"] == 0 && it["last_success_at"].is_string()
    })
    .await;
    let mut ids = receiver.ids();
    ids.sort();
    sent.sort();
    assert_eq!(ids, sent);
    for access in [&there, &other] {
        let peers = access.get(PEERS).await.expect(200);
        assert_eq!(peers.as_array().unwrap().len(), 1, "{peers}");
    }
}

#[test]
fn an_address_that_may_not_be_called_stops_the_start() {
    let person = Person::new();
    let dir = person.home().join("server");
    let serve = |more: &[&str]| {
        let dir = dir.to_str().unwrap();
        let all = ["serve", "--listen", "127.0.0.1:0", "--data-dir", dir];
        person.kite(&[&all[..], more].concat())
    };
    for (url, words) in [
        ("http://127.0.0.1:3100", "--allow-insecure-peers"),
        ("https://10.0.0.1", "--allow-private-networks"),
        ("http://pc.example", "plain http"),
        ("https://pc.example/?x", "behind the `?`"),
        ("https://u:p@pc.example", "user name"),
        ("pc.example", "https://"),
    ] {
        serve(&["--paperclip-api-url", url])
            .stderr_has("Paperclip")
            .stderr_has(words)
            .exits(2);
    }
    serve(&["--paperclip-api-url", "https://pc.example"])
        .env("KITE_PAPERCLIP_API_KEY", "sp ace")
        .stderr_has("the key has characters")
        .stderr_lacks("sp ace")
        .exits(2);
    serve(&["--paperclip-api-key-file", "/nowhere"])
        .stderr_has("--paperclip-api-url")
        .exits(2);
    assert!(!dir.exists(), "nothing was made");
}
