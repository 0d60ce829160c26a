//! The REST face of federation: peers, tokens, what is on its way, dead letters, and the numbers for Prometheus.

use kite::federation::FederationToken;
use kite::store::federation::PeerRecord;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Access, Answer, answer};
use crate::support::server::Server;

const PEERS: &str = "/api/federation/peers";

/// A name that no resolver knows: nothing of a test gets out.
const HOOK: &str = "https://b.invalid/hooks/b-team/kite";

/// Far behind every test.
const MUCH_LATER: i64 = 9_000_000_000_000;

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

async fn send(access: &Access, method: Method, path: &str, body: &Value) -> Answer {
    let request = access.request(method, path);
    let request = match body {
        Value::Null => request,
        body => request
            .header("content-type", "application/json")
            .body(body.to_string()),
    };
    answer(request).await
}

async fn add(access: &Access, body: Value) -> Value {
    let mut body = body;
    let members = body.as_object_mut().unwrap();
    members.entry("peer_hook_url").or_insert(HOOK.into());
    send(access, Method::POST, PEERS, &body).await.expect(201)
}

async fn patch(access: &Access, peer: &Value, body: Value) -> Answer {
    send(access, Method::PATCH, &path(peer), &body).await
}

fn path(peer: &Value) -> String {
    format!("{PEERS}/{}", peer["id"].as_str().unwrap())
}

/// What the server has of a peer.
async fn record(server: &Server, access: &Access, peer: &Value) -> PeerRecord {
    let (team, id) = (access.team.parse().unwrap(), peer["id"].as_str().unwrap());
    let found = server.store().await.find_peer(team, id.to_owned()).await;
    found.unwrap().expect("the peer is there")
}

fn parsed(token: &str) -> FederationToken {
    FederationToken::parse(token).unwrap()
}

#[tokio::test]
async fn a_peer_is_made_listed_shown_changed_and_removed() {
    let server = Server::start();
    let owner = server.owner();
    assert_eq!(owner.get(PEERS).await.expect(200), json!([]));
    let made = add(
        &owner,
        json!({"peer_instance_id": "kite-b", "scopes": ["stripe.*", "github.*"]}),
    )
    .await;
    let (outbound, inbound) = (
        made["outbound_token"].as_str().unwrap().to_owned(),
        made["inbound_token"].as_str().unwrap().to_owned(),
    );
    assert_ne!(outbound, inbound);
    for token in [&outbound, &inbound] {
        assert!(token.starts_with("kfd_"), "{made}");
    }
    assert_eq!(made["own_endpoint"], format!("/hooks/{}/kite", owner.team));
    let mut peer = made.clone();
    let members = peer.as_object_mut().unwrap();
    for shown_once in [
        "outbound_token",
        "inbound_token",
        "own_instance_id",
        "own_endpoint",
    ] {
        members.remove(shown_once).unwrap();
    }
    let expected = [
        ("name", json!("kite-b")),
        ("peer_instance_id", json!("kite-b")),
        ("status", json!("active")),
        ("peer_hook_url", json!(HOOK)),
        ("scopes", json!(["stripe.*", "github.*"])),
        ("max_hops", json!(3)),
        ("rate_limit_per_sec", json!(100)),
    ];
    for (name, value) in expected {
        assert_eq!(peer[name], value, "{name}");
    }
    let listed = owner.get(PEERS).await;
    let shown = owner.get(&path(&peer)).await;
    assert_eq!(listed.json, json!([peer]));
    assert_eq!(shown.json, peer);

    let changes = json!({"name": "b", "scopes": [], "max_hops": 16, "rate_limit_per_sec": 1,
        "peer_hook_url": "https://c.invalid/x", "status": "paused", "unknown": 1});
    let changed = patch(&owner, &peer, changes.clone()).await;
    assert_eq!(changed.status, 200, "{changed:#?}");
    for (name, value) in changes.as_object().unwrap() {
        if name != "unknown" {
            assert_eq!(&changed.json[name], value, "{name}");
        }
    }
    assert_eq!(changed.json["created_at"], peer["created_at"]);
    let removed = send(&owner, Method::DELETE, &path(&peer), &Value::Null).await;
    assert_eq!(removed.status, 200, "{removed:#?}");
    assert_eq!(removed.json["status"], "deleted");
    assert_eq!(owner.get(PEERS).await.expect(200), json!([]));
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let gone = send(&owner, method, &path(&peer), &json!({})).await;
        gone.refused(404, "not_found");
    }
    let log = server.log();
    for said in [
        &listed.text,
        &shown.text,
        &changed.text,
        &removed.text,
        &log,
    ] {
        assert!(!said.contains(&outbound[13..]), "{said}");
        assert!(!said.contains(&inbound[13..]), "{said}");
    }
    // What was removed may come again.
    add(&owner, json!({"peer_instance_id": "kite-b"})).await;
}

#[tokio::test]
async fn given_tokens_are_kept_hashed_and_sealed_and_are_not_said_again() {
    let server = Server::start();
    let owner = server.owner();
    let (outbound, inbound) = ("operators-outbound-1", "operators-inbound-01");
    let body = json!({"name": "b", "outbound_token": outbound, "inbound_token": inbound});
    let made = add(&owner, body).await;
    assert!(made.get("outbound_token").is_none(), "{made}");
    assert!(made.get("inbound_token").is_none(), "{made}");
    let stored = record(&server, &owner, &made).await;
    assert!(stored.inbound.hash.starts_with("$2b$12$"), "{stored:?}");
    assert!(parsed(inbound).matches(&stored.inbound.hash));
    let sealed = &stored.outbound_token;
    let holds = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
    assert!(!sealed.is_empty() && !holds(outbound.as_bytes()));
}

#[tokio::test]
async fn a_new_inbound_token_leaves_the_one_before_for_a_while() {
    let server = Server::start();
    let owner = server.owner();
    let first = "the-first-inbound-token";
    let peer = add(&owner, json!({"name": "b", "inbound_token": first})).await;
    let before = record(&server, &owner, &peer).await;
    assert_eq!(before.old_inbound, None);

    let second = "the-second-inbound-token";
    let answer = patch(&owner, &peer, json!({"inbound_token": second})).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert!(!answer.text.contains(second), "{answer:#?}");
    let usual = record(&server, &owner, &peer).await;
    assert!(parsed(second).matches(&usual.inbound.hash));
    let (old, until) = usual.old_inbound.unwrap();
    assert_eq!(old, before.inbound);
    // Ten minutes, but for the milliseconds between two looks at the clock.
    let overlap = until - usual.updated_at;
    assert!((595_000..=600_000).contains(&overlap), "{overlap}");

    let body = json!({"inbound_token": "the-third-inbound-token", "overlap_secs": 0});
    patch(&owner, &peer, body).await.expect(200);
    assert_eq!(record(&server, &owner, &peer).await.old_inbound, None);
    let body = json!({"outbound_token": "another-outbound-token"});
    patch(&owner, &peer, body).await.expect(200);
    let after = record(&server, &owner, &peer).await;
    assert_ne!(after.outbound_token, usual.outbound_token);
}

#[tokio::test]
async fn two_peers_are_not_one() {
    let server = Server::start();
    let owner = server.owner();
    let token = "one-inbound-token-for-all";
    let body = json!({"name": "b", "peer_instance_id": "id-b", "inbound_token": token});
    let b = add(&owner, body).await;
    for twin in [
        json!({"peer_instance_id": "id-b", "name": "c"}),
        json!({"peer_instance_id": "id-c", "name": "b"}),
        json!({"name": "c", "inbound_token": token}),
    ] {
        let mut body = twin;
        body["peer_hook_url"] = HOOK.into();
        let refused = send(&owner, Method::POST, PEERS, &body).await;
        refused.refused(409, "conflict");
        assert!(!refused.text.contains(token), "{refused:#?}");
    }
    let c = add(&owner, json!({"name": "c"})).await;
    patch(&owner, &c, json!({"name": "b"}))
        .await
        .refused(409, "conflict");
    patch(&owner, &c, json!({"inbound_token": token}))
        .await
        .refused(409, "conflict");
    // Another team has its own.
    let other = server.team("other");
    let body = json!({"name": "b", "peer_instance_id": "id-b", "inbound_token": token});
    add(&other, body).await;
    // A token that opens nothing any more may come again.
    patch(&owner, &b, json!({"status": "revoked"}))
        .await
        .expect(200);
    patch(&owner, &c, json!({"inbound_token": token}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_revoked_peer_is_sent_no_test_either() {
    let server = Server::start();
    let owner = server.owner();
    let peer = add(&owner, json!({"name": "b"})).await;
    let path = format!("{}/test", path(&peer));
    let test = async || send(&owner, Method::POST, &path, &Value::Null).await;
    for status in ["active", "paused"] {
        patch(&owner, &peer, json!({"status": status}))
            .await
            .expect(200);
        // It is tried, though nobody is there.
        assert!(test().await.expect(200)["error"].is_string());
    }
    patch(&owner, &peer, json!({"status": "revoked"}))
        .await
        .expect(200);
    let refused = test().await;
    refused.refused(409, "conflict");
    assert!(refused.text.contains("`b` is revoked"), "{}", refused.text);
}

#[tokio::test]
async fn a_bad_member_is_named_and_changes_nothing() {
    let server = Server::start();
    let owner = server.owner();
    let peer = add(&owner, json!({"name": "kept"})).await;
    let own_id = peer.clone();
    let long = "x".repeat(300);
    // The member, and what is wrong with it.
    let both = [
        ("name", json!("")),
        ("name", json!(7)),
        ("name", json!(long)),
        ("name", json!("a\nb")),
        ("peer_hook_url", json!("ftp://b.invalid/x")),
        ("peer_hook_url", json!("http://b.invalid/x")),
        ("peer_hook_url", json!("https://127.0.0.1/x")),
        ("peer_hook_url", json!("https://10.0.0.1/x")),
        ("peer_hook_url", json!("https://169.254.169.254/x")),
        ("peer_hook_url", json!("https://u:hush-hush@b.invalid/x")),
        ("peer_hook_url", json!("https://b.invalid/x#y")),
        ("peer_hook_url", json!("")),
        ("peer_hook_url", json!(["https://b.invalid/x"])),
        ("scopes", json!("stripe.*")),
        ("scopes", json!(["source:stripe"])),
        ("scopes", json!([1])),
        ("scopes", json!(["stripe.\0"])),
        ("scopes", json!(vec!["x"; 101])),
        ("max_hops", json!(0)),
        ("max_hops", json!(17)),
        ("max_hops", json!(-1)),
        ("max_hops", json!("3")),
        ("max_hops", json!(1.5)),
        ("rate_limit_per_sec", json!(0)),
        ("rate_limit_per_sec", json!(100_001)),
        ("rate_limit_per_sec", json!(1e12)),
        ("outbound_token", json!("hush-hush")),
        ("outbound_token", json!(long)),
        ("inbound_token", json!("hush hush hush hush hush")),
        ("inbound_token", json!("hush-hush-hush-hüsh")),
        ("inbound_token", json!(1)),
    ];
    let only_new = [
        ("peer_instance_id", json!("")),
        ("peer_instance_id", own_id["own_instance_id"].clone()),
    ];
    let only_changes = [
        ("status", json!("deleted")),
        ("status", json!("gone")),
        ("status", json!(1)),
        ("overlap_secs", json!(60)),
    ];
    let refused = |answer: Answer, member: &str, value: &Value| {
        answer.refused(400, "bad_request");
        let named = answer.json["error"].as_str().unwrap();
        assert!(named.contains(&format!("`{member}`")), "{value}: {named}");
        assert!(!named.contains("hush"), "{named}");
    };
    for (member, value) in both.iter().chain(&only_new) {
        let mut body = json!({"peer_instance_id": "new", "peer_hook_url": HOOK});
        body[*member] = value.clone();
        let answer = send(&owner, Method::POST, PEERS, &body).await;
        refused(answer, member, value);
    }
    for (member, value) in both.iter().chain(&only_changes) {
        refused(
            patch(&owner, &peer, json!({ *member: value })).await,
            member,
            value,
        );
    }
    let token = "good-inbound-token";
    for secs in [json!(-1), json!(86_401), json!("60")] {
        let body = json!({"inbound_token": token, "overlap_secs": secs});
        refused(patch(&owner, &peer, body).await, "overlap_secs", &secs);
    }
    for (body, word) in [
        (json!({"peer_hook_url": HOOK}), "peer_instance_id"),
        (json!({"name": "new"}), "peer_hook_url"),
    ] {
        refused(
            send(&owner, Method::POST, PEERS, &body).await,
            word,
            &Value::Null,
        );
    }
    for text in ["", "{", "[]", "null", "\"x\"", "{\"name\":\"x\"} x"] {
        owner.post(PEERS, text).await.refused(400, "bad_request");
    }
    let listed = owner.get(PEERS).await.expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["name"], "kept");
    assert_eq!(listed[0]["updated_at"], peer["updated_at"]);
}

/// Every call of the API, on a peer, a token and a letter.
fn calls(peer: &str, token: &str, letter: &str) -> Vec<(Method, String, Value)> {
    let call =
        |method: Method, path: &str, body: Value| (method, format!("/api/federation/{path}"), body);
    vec![
        call(Method::GET, "peers", Value::Null),
        call(
            Method::POST,
            "peers",
            json!({"name": "heron", "peer_hook_url": HOOK}),
        ),
        call(Method::GET, &format!("peers/{peer}"), Value::Null),
        call(
            Method::PATCH,
            &format!("peers/{peer}"),
            json!({"max_hops": 9}),
        ),
        call(Method::POST, &format!("peers/{peer}/test"), Value::Null),
        call(Method::DELETE, &format!("peers/{peer}"), Value::Null),
        call(Method::GET, "status", Value::Null),
        call(Method::GET, "tokens", Value::Null),
        call(Method::POST, "tokens", json!({"label": "heron"})),
        call(Method::DELETE, &format!("tokens/{token}"), Value::Null),
        call(Method::GET, "outbox", Value::Null),
        call(Method::GET, "deliveries", Value::Null),
        call(Method::GET, "dead-letters", Value::Null),
        call(Method::GET, &format!("dead-letters/{letter}"), Value::Null),
        call(
            Method::POST,
            &format!("dead-letters/{letter}/replay"),
            Value::Null,
        ),
        call(Method::POST, "dead-letters/replay", Value::Null),
        call(
            Method::POST,
            "dead-letters/replay",
            json!({"peer_id": peer}),
        ),
        call(
            Method::DELETE,
            &format!("dead-letters/{letter}"),
            Value::Null,
        ),
    ]
}

/// A team with a paused peer, a token, and a dead letter of an event.
struct Stage {
    access: Access,
    peer: Value,
    token: Value,
    letter: Value,
}

const EVENT: &str = r#"{"specversion":"1.0","id":"heron-1","source":"s","type":"com.heron","data":{"b": 1.0, "a":1e2}}"#;

impl Stage {
    async fn set(server: &Server, access: Access) -> Self {
        let peer = add(&access, json!({"name": "heron-peer"})).await;
        // Nothing goes out while somebody looks.
        patch(&access, &peer, json!({"status": "paused"}))
            .await
            .expect(200);
        access.post_event("/api/v1/events", EVENT).await.expect(202);
        let store = server.store().await;
        let expired = store.expire_rows(MUCH_LATER, MUCH_LATER, now(), 10);
        assert_eq!(expired.await.unwrap(), 1);
        let tokens = "/api/federation/tokens";
        let body = json!({"label": "heron-label"}).to_string();
        let token = access.post(tokens, body).await.expect(201);
        let letters = access.get("/api/federation/dead-letters").await.expect(200);
        Self {
            letter: letters[0].clone(),
            access,
            peer,
            token,
        }
    }

    fn calls(&self) -> Vec<(Method, String, Value)> {
        let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
        calls(&id(&self.peer), &id(&self.token), &id(&self.letter))
    }
}

#[tokio::test]
async fn all_of_it_is_for_admin_keys_of_the_team() {
    let server = Server::start();
    let stage = Stage::set(&server, server.team("red")).await;
    let write = server.key("red", "write");
    let blue = server.team("blue");
    for (method, path, body) in stage.calls() {
        let none = answer(stage.access.bare(method.clone(), &path)).await;
        none.refused(401, "unauthorized");
        let refused = send(&write, method.clone(), &path, &body).await;
        refused.refused(403, "forbidden");
        let theirs = send(&blue, method.clone(), &format!("{path}?team_id=red"), &body).await;
        theirs.refused(403, "forbidden");
        let nowhere = send(&write, Method::PUT, &path, &body).await;
        nowhere.refused(405, "method_not_allowed");
    }
    let nothing = stage.access.get("/api/federation/nothing").await;
    nothing.refused(404, "not_found");
    let openintent = stage.access.get("/api/v1/federation/peers").await;
    assert_eq!(openintent.status, 404);
}

#[tokio::test]
async fn nothing_of_one_team_shows_to_another() {
    let server = Server::start();
    let stage = Stage::set(&server, server.team("red")).await;
    let blue = server.team("blue");
    let id = stage.peer["id"].as_str().unwrap();
    for (method, path, body) in stage.calls() {
        // The two that make something of blue's own.
        if body["name"] == "heron" || body["label"] == "heron" {
            continue;
        }
        let theirs = send(&blue, method.clone(), &path, &body).await;
        let names_red = path.contains(id)
            || path.contains(stage.token["id"].as_str().unwrap())
            || body["peer_id"] == id;
        match names_red {
            true => theirs.refused(404, "not_found"),
            false => assert_eq!(theirs.status, 200, "{method} {path}: {theirs:#?}"),
        }
        assert!(
            !theirs.text.contains("heron"),
            "{method} {path}: {theirs:#?}"
        );
        // Nobody's answer is the same.
        let nobody = "0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f";
        if path.contains(id) {
            let nobodys = send(&blue, method, &path.replace(id, nobody), &body).await;
            assert_eq!(theirs.text.replace(id, nobody), nobodys.text, "{path}");
        }
    }
    for list in ["outbox", "deliveries", "dead-letters"] {
        let path = format!("/api/federation/{list}?peer_id={id}&event_id=heron-1");
        assert_eq!(blue.get(&path).await.expect(200), json!([]), "{list}");
    }
    let own = stage.access.get("/api/federation/dead-letters").await;
    assert_eq!(own.expect(200), json!([stage.letter]), "all is as it was");
    assert_eq!(stage.access.get(&path(&stage.peer)).await.status, 200);
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_event_replayed_and_discarded() {
    let server = Server::start();
    let stage = Stage::set(&server, server.owner()).await;
    let (owner, letter) = (&stage.access, &stage.letter);
    let id = letter["id"].as_str().unwrap();
    let expected = [
        ("peer_id", stage.peer["id"].clone()),
        ("event_id", json!("heron-1")),
        ("event_type", json!("com.heron")),
        ("status", json!("dead")),
        ("attempts", json!(0)),
        ("next_attempt_at", Value::Null),
    ];
    for (name, value) in expected {
        assert_eq!(letter[name], value, "{name}");
    }
    let at = |rest: &str| format!("/api/federation/dead-letters{rest}");
    let shown = owner.get(&at(&format!("/{id}"))).await;
    assert_eq!(shown.status, 200, "{shown:#?}");
    let event = shown.text.split_once("\"event\":").unwrap().1;
    assert!(event.contains(r#""data":{"b": 1.0, "a":1e2}"#), "{event}");
    assert_eq!(shown.json["id"], id);
    let outbox = async |query: &str| {
        let path = format!("/api/federation/outbox{query}");
        owner.get(&path).await.expect(200)
    };
    assert_eq!(outbox("").await, json!([letter]));
    assert_eq!(outbox("?status=pending").await, json!([]));

    let replay = at(&format!("/{id}/replay"));
    let replayed = owner.post(&replay, "").await.expect(200);
    assert_eq!(replayed["status"], "pending");
    assert_eq!(replayed["attempts"], 0);
    owner.post(&replay, "").await.refused(404, "not_found");
    assert_eq!(outbox("?status=pending").await, json!([replayed]));
    assert_eq!(owner.get(&at("")).await.expect(200), json!([]));
    let bury = async || {
        let store = server.store().await;
        let expired = store.expire_rows(MUCH_LATER, MUCH_LATER, now(), 10);
        assert_eq!(expired.await.unwrap(), 1);
    };
    for body in [
        String::new(),
        "{}".to_owned(),
        json!({"peer_id": stage.peer["id"]}).to_string(),
    ] {
        bury().await;
        let done = owner.post(&at("/replay"), body).await.expect(200);
        assert_eq!(done, json!({"replayed": 1}));
    }
    let again = owner.post(&at("/replay"), "").await.expect(200);
    assert_eq!(again, json!({"replayed": 0}));

    bury().await;
    patch(owner, &stage.peer, json!({"status": "revoked"}))
        .await
        .expect(200);
    owner.post(&replay, "").await.refused(409, "conflict");
    let path = at(&format!("/{id}"));
    let discarded = send(owner, Method::DELETE, &path, &Value::Null).await;
    assert_eq!(discarded.expect(200)["status"], "discarded");
    let twice = send(owner, Method::DELETE, &path, &Value::Null).await;
    twice.refused(404, "not_found");
    assert_eq!(outbox("?status=discarded").await[0]["id"], id);
    for odd in ["x", "x:y", "%3A", "a:-1", "a:99999999999999999999"] {
        let path = at(&format!("/{odd}"));
        owner.get(&path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn revoking_and_removing_cancel_what_waits() {
    let server = Server::start();
    let owner = server.owner();
    for (name, method, body) in [
        ("revoked", Method::PATCH, json!({"status": "revoked"})),
        ("removed", Method::DELETE, Value::Null),
    ] {
        let peer = add(&owner, json!({"name": name})).await;
        patch(&owner, &peer, json!({"status": "paused"}))
            .await
            .expect(200);
        owner
            .emit(&json!({"type": "com.demo", "source": "s", "id": name}))
            .await
            .expect(202);
        let rows = async |status: &str| {
            let id = peer["id"].as_str().unwrap();
            let path = format!("/api/federation/outbox?peer_id={id}&status={status}");
            let rows = owner.get(&path).await.expect(200);
            rows.as_array().unwrap().len()
        };
        assert_eq!((rows("pending").await, rows("cancelled").await), (1, 0));
        send(&owner, method, &path(&peer), &body).await.expect(200);
        assert_eq!((rows("pending").await, rows("cancelled").await), (0, 1));
    }
}

#[tokio::test]
async fn lists_are_as_long_as_asked_for_and_bad_questions_are_refused() {
    let server = Server::start();
    let owner = server.owner();
    let peer = add(&owner, json!({"name": "b"})).await;
    patch(&owner, &peer, json!({"status": "paused"}))
        .await
        .expect(200);
    for id in ["1", "2", "3"] {
        owner
            .emit(&json!({"type": "com.demo", "source": "s", "id": id}))
            .await
            .expect(202);
    }
    let outbox = async |query: &str| owner.get(&format!("/api/federation/outbox?{query}")).await;
    let ids = |answer: Answer| -> Vec<String> {
        let rows = answer.expect(200);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["event_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(outbox("").await), ["1", "2", "3"]);
    assert_eq!(ids(outbox("limit=2&status=pending").await), ["1", "2"]);
    for bad in ["0", "-1", "x", "", "1.5"] {
        for list in ["outbox", "deliveries", "dead-letters"] {
            let path = format!("/api/federation/{list}?limit={bad}");
            let answer = owner.get(&path).await;
            answer.refused(400, "bad_request");
            assert!(answer.text.contains("`limit`"), "{answer:#?}");
        }
    }
    for path in [
        "peers/%00",
        "outbox?peer_id=%00",
        "deliveries?event_id=%00",
        "dead-letters/%00:1",
    ] {
        let answer = owner.get(&format!("/api/federation/{path}")).await;
        answer.refused(400, "bad_request");
    }
    let all_of = json!({"peer_id": "\0"});
    let replay = "/api/federation/dead-letters/replay";
    let answer = send(&owner, Method::POST, replay, &all_of).await;
    answer.refused(404, "not_found");
    let answer = outbox("status=lost").await;
    answer.refused(400, "bad_request");
    assert!(answer.text.contains("`pending`"), "{answer:#?}");
}

#[tokio::test]
async fn a_minted_token_is_shown_once_and_its_label_stays_until_it_is_revoked() {
    let server = Server::start();
    let owner = server.owner();
    let path = "/api/federation/tokens";
    let made = owner.post(path, r#"{"label":"for b"}"#).await.expect(201);
    let token = made["token"].as_str().unwrap();
    parsed(token);
    let listed = owner.get(path).await;
    assert!(!listed.text.contains(token), "{listed:#?}");
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("token");
    assert_eq!(listed.json, json!([expected]));
    for bad in ["{}", r#"{"label":""}"#, r#"{"label":7}"#, ""] {
        owner.post(path, bad).await.refused(400, "bad_request");
    }
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let gone = send(&owner, Method::DELETE, &one, &Value::Null).await;
    assert_eq!(gone.expect(200), expected);
    let twice = send(&owner, Method::DELETE, &one, &Value::Null).await;
    twice.refused(404, "not_found");
    // It is as good as any other for a peer.
    add(&owner, json!({"name": "b", "inbound_token": token})).await;
}

#[tokio::test]
async fn the_status_of_a_peer_counts_what_waits_and_what_was_given_up() {
    let server = Server::start();
    let stage = Stage::set(&server, server.owner()).await;
    let event = json!({"type": "com.demo", "source": "s", "id": "2"});
    stage.access.emit(&event).await.expect(202);
    let status = stage.access.get("/api/federation/status").await.expect(200);
    let [one] = &status.as_array().unwrap()[..] else {
        panic!("{status}");
    };
    let expected = [
        ("peer", json!("heron-peer")),
        ("peer_id", stage.peer["id"].clone()),
        ("status", json!("paused")),
        ("backlog", json!(1)),
        ("dead_letters", json!(1)),
        ("failures", json!(0)),
        ("last_success_at", Value::Null),
        ("next_attempt_at", Value::Null),
    ];
    for (name, value) in expected {
        assert_eq!(one[name], value, "{name}");
    }
    assert!(one["oldest_secs"].is_u64(), "{one}");
}

#[tokio::test]
async fn metrics_tell_anybody_sums_and_an_admin_key_its_own_peers() {
    let server = Server::start();
    let red = Stage::set(&server, server.team("red")).await;
    let blue = server.team("blue");
    let forged = "crane\"} 7\nkite_forged 1";
    // Names have no line breaks; quotes they may have.
    let named = add(&blue, json!({"name": forged.replace('\n', " ")})).await;
    let page = async |access: Option<&Access>| {
        let request = match access {
            Some(access) => access.request(Method::GET, "/metrics"),
            None => red.access.bare(Method::GET, "/metrics"),
        };
        answer(request).await
    };
    let open = eventually("both peers are counted", || async {
        let answer = page(None).await;
        let counted = "kite_federation_peers{status=\"active\"} 1\n";
        answer.text.contains(counted).then_some(answer)
    })
    .await;
    let content_type = open.headers["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("text/plain; version=0.0.4"));
    for line in [
        "kite_federation_peers{status=\"paused\"} 1",
        "kite_federation_peers{status=\"revoked\"} 0",
        "kite_federation_dead_letters 1",
        "kite_federation_backlog 0",
        "kite_federation_oldest_seconds 0",
        "kite_connections 0",
    ] {
        assert!(open.text.lines().any(|has| has == line), "{}", open.text);
    }
    let of_red = ["heron", "red", red.peer["id"].as_str().unwrap()];
    let of_blue = ["crane", named["id"].as_str().unwrap()];
    let lacks = |text: &str, words: &[&str]| {
        let found = words.iter().find(|word| text.contains(**word));
        assert_eq!(found, None, "{text}");
    };
    lacks(&open.text.replace("red.", ""), &of_red[..1]);
    lacks(&open.text, &of_red[2..]);
    lacks(&open.text, &of_blue);
    let own = page(Some(&red.access)).await;
    let id = of_red[2];
    for line in [
        format!(
            "kite_federation_peer_status{{peer=\"heron-peer\",peer_id=\"{id}\",status=\"paused\"}} 1"
        ),
        format!("kite_federation_peer_dead_letters{{peer=\"heron-peer\",peer_id=\"{id}\"}} 1"),
    ] {
        assert!(own.text.lines().any(|has| has == line), "{}", own.text);
    }
    lacks(&own.text, &of_blue);
    let theirs = page(Some(&blue)).await;
    assert!(
        theirs.text.contains(r#"peer="crane\"} 7"#),
        "{}",
        theirs.text
    );
    lacks(&theirs.text, &[of_red[0], of_red[2], "\nkite_forged"]);
    for answer in [&own, &theirs] {
        assert_eq!(answer.status, 200);
        let bad = answer.text.lines().find(|line| {
            !line.starts_with('#') && line.rsplit_once(' ').unwrap().1.parse::<f64>().is_err()
        });
        assert_eq!(bad, None);
    }
    page(Some(&server.key("red", "write")))
        .await
        .refused(403, "forbidden");
    let nobody = red
        .access
        .with_key("kite_00000000_00000000000000000000000000000000");
    page(Some(&nobody)).await.refused(401, "unauthorized");
}
