//! What becomes of work that was given to other servers: callbacks at the one that dispatched, and work that is passed on
//! from server to server with less at each (spec openintent 8 to 10, 13.5, 13.8, 14).

mod callbacks;
mod chain;
mod listing;
mod refusals;
mod reports;

use kite::openintent::json::Json;
use kite::openintent::work::Intent;
use kite::store::openintent::ExchangeKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Answer, answer};
use crate::support::openintent::{Node, address, settings};
use crate::support::party::{Party, RECEIVE, stamp};

const DISPATCH: &str = "/api/v1/federation/dispatch";

/// The agent that works, on every server of these tests.
const WORKER: &str = "agent-public";

/// Posts a dispatch in the name of an agent.
async fn dispatch_as(node: &Node, agent: &str, order: &Value) -> Answer {
    let request = node.access().bare(Method::POST, DISPATCH);
    let request = request.header("X-API-Key", node.key());
    let request = request.header("X-Agent-ID", agent);
    answer(request.json(order)).await
}

/// The id that an answer gives a dispatch.
fn id_of(answer: Answer) -> String {
    let answer = answer.expect(200);
    answer["dispatch_id"].as_str().unwrap().to_owned()
}

/// A dispatch as its server shows it.
async fn shown(node: &Node, id: &str) -> Value {
    let path = format!("/api/openintent/dispatches/{id}");
    node.access().get(&path).await.expect(200)
}

/// The messages of a type that an agent got, in order.
async fn messages(node: &Node, agent: &str, kind: &str) -> Vec<Value> {
    let events = node.events().await.into_iter();
    let data = events
        .filter(|event| event["type"] == "com.kite.agent.message")
        .map(|mut event| event["data"].take());
    data.filter(|data| data["to"] == agent && data["message_type"] == kind)
        .collect()
}

/// The intent that came to a worker of a server, with this title, once it is there.
async fn arrived(node: &Node, title: &str) -> Value {
    let what = format!("`{title}` is at {}", node.url);
    let message = eventually(&what, || async {
        let mut all = messages(node, WORKER, "openintent.intent").await;
        all.retain(|message| message["payload"]["intent_title"] == title);
        all.pop()
    });
    message.await["payload"].take()
}

/// What an intent is called at the server that it came to.
fn local_id(payload: &Value) -> String {
    payload["local_intent_id"].as_str().unwrap().to_owned()
}

/// What a server keeps of an intent.
async fn kept(node: &Node, local_id: &str) -> Intent {
    let (store, team) = (node.server.store().await, node.access().team);
    let found = store.exchange(
        team.parse().unwrap(),
        ExchangeKind::Intent,
        local_id.to_owned(),
    );
    let record = found.await.unwrap().unwrap().record;
    Intent::from_json(&record.parse::<Json>().unwrap()).unwrap()
}

/// Three servers, each of which trusts the next, the one before and the first, and a party that all of them trust.
struct Row {
    party: Party,
    nodes: [Node; 3],
}

impl Row {
    fn start() -> Self {
        Self::with(["", "", ""])
    }

    /// One whose servers say more of themselves.
    fn with(more: [&str; 3]) -> Self {
        let party = Party::start();
        let addresses = [address(), address(), address()];
        let urls = addresses
            .each_ref()
            .map(|address| format!("http://{address}"));
        let nodes = [0, 1, 2].map(|own| {
            let mut trusted: Vec<&str> = urls.iter().map(String::as_str).collect();
            trusted.remove(own);
            trusted.push(&party.url);
            let settings = format!("{}{}", more[own], settings("allowlist", &trusted));
            Node::start_at(&addresses[own], &settings)
        });
        Self { party, nodes }
    }

    /// Has the party give the first server an intent; its id there.
    async fn give(&self, title: &str, more: &Value) -> String {
        give(&self.party, &self.nodes[0], title, more).await
    }
}

/// Has a party give a server an intent; its id there.
async fn give(party: &Party, node: &Node, title: &str, more: &Value) -> String {
    let mut intent = party.intent(&node.url, &format!("given-{title}"));
    intent["intent_title"] = title.into();
    intent["agent_id"] = WORKER.into();
    for (name, value) in more.as_object().unwrap() {
        intent[name] = value.clone();
    }
    let answer = node.receive(party.signed(&intent)).await.expect(200);
    assert_eq!(answer["accepted"], true, "{answer}");
    answer["local_intent_id"].as_str().unwrap().to_owned()
}

/// A dispatch that a party has got, and speaks of.
struct Told {
    node: Node,
    party: Party,
    id: String,
}

impl Told {
    /// One that an agent has sent.
    async fn by(agent: &str) -> Self {
        let party = Party::start();
        let node = Node::trusting(&[&party.url]);
        let order =
            json!({"intent_id": "intent-1", "intent_title": "Plan", "target_server": party.url});
        let id = id_of(dispatch_as(&node, agent, &order).await);
        let told = Self { node, party, id };
        eventually("it is delivered", || async {
            (shown(&told.node, &told.id).await["status"] == "delivered").then_some(())
        })
        .await;
        assert_eq!(told.party.posted(RECEIVE).len(), 1);
        told
    }

    /// A callback of it, as kite numbers them.
    fn callback(&self, kind: &str, number: u32, delta: Value) -> Value {
        json!({
            "dispatch_id": self.id, "event_type": kind, "state_delta": delta,
            "idempotency_key": format!("{kind}-{}-{number}", self.id), "timestamp": stamp(0),
        })
    }

    /// Has the party tell it.
    async fn tell(&self, callback: &Value) -> Value {
        let told = self.node.call_back(self.party.signed(callback)).await;
        told.expect(200)
    }

    async fn shown(&self) -> Value {
        shown(&self.node, &self.id).await
    }
}
