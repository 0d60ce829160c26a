//! Messages for agents of other instances, as the server takes them in (spec 14.1).

use kite::protocol::federation::{PeerKind, PeerStatus};
use kite::protocol::forward::TypeScopes;
use kite::store::federation::{NewPeer, PeerUpdate};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::http::{Access, Answer, answer};
use crate::support::peers::{Peer, fresh_token};
use crate::support::server::Server;
use crate::support::socket::Socket;

/// A peer of the owner's that the team calls `partner`, and that calls itself `kite-b`.
async fn partner(server: &Server, more: impl FnOnce(&mut NewPeer)) -> Peer {
    let called = |peer: &mut NewPeer| {
        peer.name = "partner".to_owned();
        peer.instance_id = "kite-b".to_owned();
        peer.scopes = scopes(&["*"]);
        more(peer);
    };
    Peer::create_with(server, &server.owner(), &fresh_token(), called).await
}

fn scopes(patterns: &[&str]) -> TypeScopes {
    TypeScopes::parse(patterns.iter().map(|it| (*it).to_owned()).collect()).unwrap()
}

async fn say(access: &Access, to: &str) -> Answer {
    access.message(message(to)).await
}

fn message(to: &str) -> String {
    json!({"from": "alice", "to": to, "body": "hi"}).to_string()
}

/// The event that the server has stored.
async fn stored(access: &Access, accepted: &Value) -> Value {
    let id = accepted["id"].as_str().unwrap();
    let shown = access.get(&format!("/api/v1/events/{id}")).await;
    shown.expect(200)["event"].clone()
}

/// The events that wait for a peer.
async fn waiting(access: &Access, peer: &Peer) -> Vec<Value> {
    let path = format!("/api/federation/outbox?peer_id={}", peer.record.id);
    let rows = access.get(&path).await.expect(200);
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["event_id"].clone()).collect()
}

#[tokio::test]
async fn a_message_for_an_agent_at_a_peer_goes_to_that_peer_alone() {
    let server = Server::start();
    let owner = server.owner();
    let peer = partner(&server, |_| {}).await;
    let other = |peer: &mut NewPeer| peer.scopes = scopes(&["*"]);
    let other = Peer::create_with(&server, &owner, &fresh_token(), other).await;
    let mut expected = Vec::new();
    for to in ["bob@partner", "bob@kite-b"] {
        let accepted = say(&owner, to).await.expect(201);
        assert_eq!(
            (&accepted["to"], &accepted["to_instance"]),
            (&json!("bob"), &json!("kite-b")),
            "{to}"
        );
        let event = stored(&owner, &accepted).await;
        assert_eq!(event["kitetoinstance"], "kite-b");
        assert_eq!(
            event["data"],
            json!({"from": "alice", "to": "bob", "body": "hi"})
        );
        expected.push(accepted["id"].clone());
    }
    let mut found = waiting(&owner, &peer).await;
    found.sort_by_key(Value::to_string);
    assert_eq!(found, expected);
    assert_eq!(waiting(&owner, &other).await, [Value::Null; 0]);
    say(&owner, "bob").await.expect(201);
    assert_eq!(waiting(&owner, &other).await.len(), 1);
}

#[tokio::test]
async fn an_agent_of_the_same_name_here_does_not_hear_it_and_who_hears_all_does() {
    let server = Server::start();
    let owner = server.owner();
    partner(&server, |_| {}).await;
    let mut bob = listener(&owner, "agent_to:bob").await;
    let mut whole = listener(&owner, "agent_to:bob@partner").await;
    let mut all = listener(&owner, "*").await;
    let away = say(&owner, "bob@partner").await.expect(201);
    let here = say(&owner, "bob").await.expect(201);
    assert_eq!(all.next_event().await["event"]["id"], away["id"]);
    assert_eq!(all.next_event().await["event"]["id"], here["id"]);
    assert_eq!(bob.next_event().await["event"]["id"], here["id"]);
    whole.expect_none().await;
}

async fn listener(access: &Access, scope: &str) -> Socket {
    Socket::connect(access, &[scope], scope).await.0
}

#[tokio::test]
async fn both_forms_name_an_agent_at_a_peer_and_must_name_the_same() {
    let server = Server::start();
    let owner = server.owner();
    partner(&server, |_| {}).await;
    let second = json!({"from_agent_id": "alice", "to_agent_id": "bob@partner", "message_type": "task", "payload": {"n": 1}});
    let accepted = owner.message(second.to_string()).await.expect(201);
    assert_eq!(accepted["to_instance"], "kite-b");
    let data = stored(&owner, &accepted).await["data"].clone();
    assert_eq!(
        (&data["to"], &data["to_agent_id"]),
        (&json!("bob"), &json!("bob"))
    );
    assert_eq!(data["payload"], json!({"n": 1}));
    let both =
        json!({"from": "alice", "to": "bob@partner", "to_agent_id": "bob@partner", "body": ""});
    let accepted = owner.message(both.to_string()).await.expect(201);
    let data = stored(&owner, &accepted).await["data"].clone();
    assert_eq!(
        (&data["to"], &data["to_agent_id"]),
        (&json!("bob"), &json!("bob"))
    );
    // The same place by another name: which was meant is not for the server to say.
    let differing =
        json!({"from": "alice", "to": "bob@partner", "to_agent_id": "bob@kite-b", "body": ""});
    owner
        .message(differing.to_string())
        .await
        .refused(400, "bad_request");
}

#[tokio::test]
async fn what_a_peer_would_never_get_is_refused_with_the_way_out() {
    let server = Server::start();
    let owner = server.owner();
    let peer = partner(&server, |peer| peer.scopes = scopes(&["stripe.*"])).await;
    let refused = say(&owner, "bob@partner").await;
    refused.refused(422, "unprocessable");
    let why = refused.json["error"].as_str().unwrap();
    assert!(why.contains("com.kite.agent.message"), "{why}");
    assert!(
        why.contains("kite federation peers update partner"),
        "{why}"
    );
    let wide = PeerUpdate {
        scopes: Some(scopes(&["stripe.*", "kite.agent.*"])),
        ..PeerUpdate::default()
    };
    peer.update(wide).await;
    peer.set_status(PeerStatus::Revoked).await;
    let refused = say(&owner, "bob@kite-b").await;
    refused.refused(422, "unprocessable");
    let why = refused.json["error"].as_str().unwrap();
    assert!(
        why.contains("kite federation peers resume partner"),
        "{why}"
    );
    assert!(owner.log().await.is_empty(), "nothing was stored");
    // What a paused peer gets waits for it.
    peer.set_status(PeerStatus::Paused).await;
    let accepted = say(&owner, "bob@kite-b").await.expect(201);
    assert_eq!(waiting(&owner, &peer).await, [accepted["id"].clone()]);
}

#[tokio::test]
async fn an_agent_has_a_name_before_the_sign() {
    let server = Server::start();
    let owner = server.owner();
    partner(&server, |_| {}).await;
    say(&owner, "@partner").await.refused(400, "bad_request");
    let long = format!("{}@partner", "b".repeat(256));
    say(&owner, &long).await.refused(400, "bad_request");
    assert!(owner.log().await.is_empty());
    let twice = say(&owner, "bob@home@partner").await.expect(201);
    assert_eq!(twice["to"], "bob@home");
}

#[tokio::test]
async fn what_names_no_peer_is_an_ordinary_agent() {
    let server = Server::start();
    let owner = server.owner();
    let paperclip = |peer: &mut NewPeer| peer.kind = PeerKind::Paperclip;
    partner(&server, paperclip).await;
    let rival = server.fresh_team("rival");
    let theirs = |peer: &mut NewPeer| peer.name = "theirs".to_owned();
    Peer::create_with(&server, &rival, &fresh_token(), theirs).await;
    for to in [
        "bob@nowhere",
        "@",
        "bob@",
        "@nowhere",
        "bob@partner",
        "bob@theirs",
    ] {
        let accepted = say(&owner, to).await.expect(201);
        assert_eq!(accepted["to"], to);
        assert_eq!(accepted.get("to_instance"), None, "{to}");
        let event = stored(&owner, &accepted).await;
        assert_eq!(event["data"]["to"], to);
        assert_eq!(event.get("kitetoinstance"), None, "{to}");
    }
}

#[tokio::test]
async fn an_agent_at_this_very_instance_is_one_of_its_own() {
    let server = Server::start_with(&["--instance-id", "kite-a"]);
    let owner = server.owner();
    let mut bob = listener(&owner, "agent_to:bob").await;
    let keyed = async || {
        let request = owner.request(Method::POST, "/api/v1/agents/messages");
        let request = request.header(CONTENT_TYPE, "application/json");
        answer(
            request
                .header("Idempotency-Key", "k1")
                .body(message("bob@kite-a")),
        )
        .await
    };
    let accepted = keyed().await.expect(201);
    assert_eq!(
        (&accepted["to"], &accepted["to_instance"]),
        (&json!("bob"), &json!("kite-a"))
    );
    assert_eq!(bob.next_event().await["event"]["id"], accepted["id"]);
    let again = keyed().await.expect(201);
    for member in ["id", "to", "to_instance"] {
        assert_eq!(again[member], accepted[member]);
    }
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_was_whatever_became_of_the_peer() {
    let server = Server::start();
    let owner = server.owner();
    let keyed = async |key: &str, to: &str| {
        let request = owner.request(Method::POST, "/api/v1/agents/messages");
        let request = request.header(CONTENT_TYPE, "application/json");
        answer(request.header("Idempotency-Key", key).body(message(to))).await
    };
    let before = keyed("before", "bob@partner").await.expect(201);
    assert_eq!(before["to"], "bob@partner");
    let peer = partner(&server, |_| {}).await;
    let with = keyed("with", "bob@partner").await.expect(201);
    assert_eq!(with["to"], "bob");
    let same = async |key: &str, first: &Value| {
        let again = keyed(key, "bob@partner").await.expect(201);
        for member in ["id", "created_at", "from", "to", "to_instance"] {
            assert_eq!(again.get(member), first.get(member), "{key}: {member}");
        }
    };
    same("before", &before).await;
    same("with", &with).await;
    peer.set_status(PeerStatus::Revoked).await;
    same("with", &with).await;
    let new = keyed("new", "bob@partner").await;
    new.refused(422, "unprocessable");
    let changed = keyed("before", "bob@kite-b").await;
    changed.refused(409, "conflict");
    peer.set_status(PeerStatus::Deleted).await;
    same("with", &with).await;
    let other = keyed("with", "bob@kite-b").await;
    other.refused(409, "conflict");
    assert_eq!(owner.log().await.len(), 2);
}
