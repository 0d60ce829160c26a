//! The work on intents, end to end: what agents report over HTTP, what is kept of it, and what comes back to whoever gave the
//! intent (spec openintent 3.4, 13.7, 14).

mod at_once;
mod lists;
mod own;
mod rules;
mod told;

use kite::openintent::json::Json;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Answer, escaped};
use crate::support::openintent::Node;
use crate::support::party::Party;

const INTENTS: &str = "/api/openintent/intents";

/// Where the party of these tests takes callbacks.
const CALLED: &str = "/called";

/// The path of what is done about an intent.
fn path(id: &str, verb: &str) -> String {
    format!("{INTENTS}/{}/{verb}", escaped(id))
}

/// Reports on an intent with the key of its team's admin.
async fn report(node: &Node, id: &str, verb: &str, body: Value) -> Answer {
    node.access().post(&path(id, verb), body.to_string()).await
}

/// An intent as its server shows it.
async fn shown(node: &Node, id: &str) -> Value {
    let path = format!("{INTENTS}/{}", escaped(id));
    node.access().get(&path).await.expect(200)
}

/// Sends an intent for an agent from a party that wants to hear of it; its id here.
async fn received(node: &Node, party: &Party, dispatch_id: &str, more: Value) -> String {
    let mut intent = party.intent(&node.url, dispatch_id);
    intent["agent_id"] = "agent-public".into();
    intent["callback_url"] = format!("{}{CALLED}", party.url).into();
    for (name, value) in more.as_object().unwrap() {
        intent[name] = value.clone();
    }
    let taken = node.receive(party.signed(&intent)).await.expect(200);
    taken["local_intent_id"].as_str().unwrap().to_owned()
}

/// The callbacks of a dispatch that a party got, each once, by their number; the acceptance, which has none, is first.
fn callbacks(party: &Party, dispatch_id: &str) -> Vec<Json> {
    let posted = party.posted(CALLED).into_iter();
    let mut all: Vec<Json> = posted
        .map(|got| String::from_utf8(got.body).unwrap().parse().unwrap())
        .filter(|callback: &Json| text(callback, "dispatch_id") == dispatch_id)
        .collect();
    all.sort_by_key(number);
    all.dedup_by_key(|callback| text(callback, "idempotency_key").to_owned());
    all
}

/// Waits until a party has been told that a dispatch has ended; all that it was told of it.
async fn told_to_its_end(party: &Party, dispatch_id: &str) -> Vec<Json> {
    eventually("all callbacks have come", || async {
        let all = callbacks(party, dispatch_id);
        let last = all.last().map(|last| text(last, "event_type").to_owned());
        let has_ended = matches!(last.as_deref(), Some("completed" | "failed"));
        // The number of the last one says how many there are beside the acceptance.
        (has_ended && all.len() as i64 == number(all.last().unwrap()) + 1).then_some(all)
    })
    .await
}

fn text<'j>(callback: &'j Json, name: &str) -> &'j str {
    callback.get(name).and_then(Json::as_str).unwrap()
}

fn number(callback: &Json) -> i64 {
    let key = text(callback, "idempotency_key");
    match key.starts_with("accept-") {
        true => 0,
        false => key.rsplit('-').next().unwrap().parse().unwrap(),
    }
}

fn kinds(callbacks: &[Json]) -> Vec<&str> {
    callbacks.iter().map(|it| text(it, "event_type")).collect()
}

/// The entries of an intent's log, in order.
async fn entries(node: &Node, id: &str) -> Vec<Value> {
    let events = node.events().await.into_iter();
    let reported = events.filter(|event| event["type"] == "com.openintent.intent.reported");
    let data = reported.map(|mut event| event["data"].take());
    data.filter(|entry| entry["local_intent_id"] == id)
        .collect()
}

/// A policy with a budget of a hundred tokens.
fn hundred_tokens() -> Value {
    json!({"budget": {"max_llm_tokens": 100}})
}
