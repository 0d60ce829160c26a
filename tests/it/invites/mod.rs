//! Connecting two servers with an invitation (spec 14.1): the commands, what goes wrong, servers that are killed meanwhile,
//! and who is kept out.

mod commands;
mod faults;
mod refusals;
mod renewals;

use kite::protocol::invite::Invite;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Access, Answer};
use crate::support::server::Server;

const INVITES: &str = "/api/federation/invites";
const JOIN: &str = "/api/federation/join";
const PEERS: &str = "/api/federation/peers";
const REDEEM: &str = "/api/federation/invites/redeem";

/// A server whose peers may be on this machine.
fn open(id: &str) -> Server {
    Server::start_with(&["--instance-id", id, "--allow-insecure-peers"])
}

/// Makes an invitation; the answer to that.
async fn invited(access: &Access, wish: Value) -> Value {
    access.post(INVITES, wish.to_string()).await.expect(201)
}

/// The code of a new invitation.
async fn code(access: &Access) -> String {
    let made = invited(access, json!({})).await;
    made["code"].as_str().unwrap().to_owned()
}

async fn join(access: &Access, code: &str) -> Answer {
    access.post(JOIN, json!({"code": code}).to_string()).await
}

/// Connects the second with the first; the answer, in which both directions work.
async fn connect(inviter: &Access, joiner: &Access) -> Value {
    let joined = join(joiner, &code(inviter).await).await.expect(200);
    works_both_ways(&joined);
    joined
}

fn works_both_ways(joined: &Value) {
    for direction in ["to_peer", "from_peer"] {
        let test = &joined[direction];
        assert_eq!(test["status_code"], 200, "{direction} of {joined:#}");
        assert_eq!(test["error"], Value::Null, "{direction} of {joined:#}");
    }
}

async fn peers(access: &Access) -> Vec<Value> {
    let peers = access.get(PEERS).await.expect(200);
    peers.as_array().unwrap().clone()
}

/// Emits an event at one and waits until the other has it.
async fn goes(from: &Access, to: &Access, id: &str) {
    emit(from, id).await;
    arrives(to, id).await;
}

async fn emit(from: &Access, id: &str) {
    let event = json!({"type": "com.demo.note", "source": "s", "id": id, "data": {}});
    from.emit(&event).await.expect(202);
}

async fn arrives(to: &Access, id: &str) {
    eventually("the event arrives", async || {
        let log = to.log().await;
        log.iter()
            .any(|entry| entry["event"]["id"] == id)
            .then_some(())
    })
    .await;
}

/// What a code carries.
fn opened(code: &str) -> Invite {
    Invite::parse(code).unwrap()
}
