//! What whoever gave an intent is told: every kind of callback, signed and attested, also through a restart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kite::openintent::json::Json;
use kite::openintent::signature::verify;
use kite::openintent::work::log::merkle_root;
use kite::store::openintent::ExchangeState;
use serde_json::{Value, json};

use super::{
    callbacks, entries, hundred_tokens, kinds, received, report, shown, text, told_to_its_end,
};
use crate::support::eventually;
use crate::support::openintent::{Node, address, settings};
use crate::support::party::{CALLBACK, Party};
use crate::support::reference::{REFERENCE_KEY, Reference, sdk};

const DISPATCH: &str = "/api/v1/federation/dispatch";

/// Whether a server has signed an object.
async fn is_signed(node: &Node, object: &Json) -> bool {
    let key = STANDARD.decode(node.public_key().await).unwrap();
    verify(object.as_object().unwrap(), &[key.try_into().unwrap()]).is_ok()
}

#[tokio::test]
async fn callbacks_of_all_six_kinds_come_signed_and_the_end_attested() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let more = json!({
        "federation_policy": hundred_tokens(), "trace_context": {"trace_id": "trace-7"},
    });
    let id = received(&node, &party, "dispatch-1", more).await;
    report(&node, &id, "accept", json!({})).await.expect(200);
    let half = json!({"state_delta": {"rooms": 3, "price": null}, "usage": {"llm_tokens": 80}, "message": "half"});
    report(&node, &id, "progress", half).await.expect(200);
    let end = json!({"state_delta": {"found": 1.0}, "usage": {"cost_usd": 0.25}});
    let done = report(&node, &id, "complete", end).await.expect(200);
    assert_eq!(done["status"], "completed");
    assert_eq!(done["state"], json!({"rooms": 3, "found": 1.0}));
    assert_eq!(
        done["budget"],
        json!([{"name": "max_llm_tokens", "limit": 100.0, "used": 80.0}])
    );

    let told = told_to_its_end(&party, "dispatch-1").await;
    let all = [
        "state_delta",
        "status_changed",
        "state_delta",
        "budget_warning",
        "attestation",
        "completed",
    ];
    assert_eq!(kinds(&told), all);
    for callback in &told {
        assert!(is_signed(&node, callback).await, "{callback}");
        assert_eq!(text(callback, "trace_id"), "trace-7");
    }
    let delta = |at: usize| told[at].get("state_delta").unwrap().to_string();
    assert_eq!(delta(1), r#"{"status":"running"}"#);
    assert_eq!(delta(2), r#"{"message":"half","price":null,"rooms":3}"#);
    assert_eq!(
        delta(5),
        r#"{"found":1.0,"price":null,"rooms":3,"status":"completed"}"#
    );
    let attestation = told[4].get("attestation").unwrap();
    assert_eq!(told[5].get("attestation"), Some(attestation));
    assert!(is_signed(&node, attestation).await, "{attestation}");
    let attested: Value = serde_json::from_str(&attestation.to_string()).unwrap();
    assert_eq!(attested["dispatch_id"], "dispatch-1");
    assert_eq!(attested["governance_compliant"], true);
    assert_eq!(attested["trace_references"], json!(["trace-7"]));
    assert_eq!(attested["usage"]["llm_tokens"], 80);
    assert_eq!(attested["usage"]["cost_usd"], 0.25);
    assert!(attested["usage"]["duration_seconds"].is_f64());
    // The root stands over what the server's own log has.
    let entries = entries(&node, &id).await;
    let hashes: Vec<String> = entries
        .iter()
        .map(|it| it["event_hash"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(hashes.len(), 3);
    assert_eq!(attested["merkle_root"], merkle_root(&hashes).unwrap());

    let id = received(&node, &party, "dispatch-2", json!({})).await;
    let why = json!({"message": "no data"});
    let failed = report(&node, &id, "fail", why).await.expect(200);
    assert_eq!(
        (&failed["status"], &failed["message"]),
        (&"failed".into(), &"no data".into())
    );
    let told = told_to_its_end(&party, "dispatch-2").await;
    assert_eq!(kinds(&told), ["state_delta", "attestation", "failed"]);
    let delta = told[2].get("state_delta").unwrap().to_string();
    assert_eq!(delta, r#"{"error":"no data","status":"failed"}"#);
}

#[tokio::test]
async fn more_than_the_budget_is_told_as_a_failure_against_the_rules() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let more = json!({"federation_policy": hundred_tokens()});
    let id = received(&node, &party, "dispatch-1", more).await;
    let much = json!({"usage": {"llm_tokens": 101}});
    let failed = report(&node, &id, "complete", much).await.expect(200);
    assert_eq!(failed["status"], "failed");
    let told = told_to_its_end(&party, "dispatch-1").await;
    assert_eq!(kinds(&told), ["state_delta", "attestation", "failed"]);
    let attestation = told[2].get("attestation").unwrap();
    let is_compliant = attestation.get("governance_compliant");
    assert_eq!(is_compliant, Some(&false.into()));
    let why = told[2].get("state_delta").unwrap();
    assert!(text(why, "error").contains("`max_llm_tokens`"), "{why}");
}

#[tokio::test]
async fn a_kite_that_dispatched_hears_all_of_it_and_knows_the_end() {
    let addresses = [address(), address()];
    let urls = addresses
        .each_ref()
        .map(|address| format!("http://{address}"));
    let [from, to] = [0, 1]
        .map(|own| Node::start_at(&addresses[own], &settings("allowlist", &[&urls[1 - own]])));
    let order = json!({
        "intent_id": "intent-1", "target_server": to.url, "intent_title": "Plan the move",
        "agent_id": "agent-public", "callback_url": format!("{}{CALLBACK}", from.url),
        "federation_policy": hundred_tokens(),
    });
    let dispatched = from.post(DISPATCH, &order).await.expect(200);
    let dispatch_id = dispatched["dispatch_id"].as_str().unwrap();
    let id = eventually("the intent comes", || async {
        let mut events = to.events().await.into_iter();
        let intent = events.find(|event| event["data"]["message_type"] == "openintent.intent")?;
        let id = &intent["data"]["payload"]["local_intent_id"];
        Some(id.as_str().unwrap().to_owned())
    })
    .await;
    for (verb, body) in [
        ("accept", json!({"agent_id": "agent-public"})),
        (
            "progress",
            json!({"state_delta": {"rooms": 3}, "usage": {"llm_tokens": 90}}),
        ),
        ("complete", json!({})),
    ] {
        report(&to, &id, verb, body).await.expect(200);
    }
    eventually("all kinds come, and the dispatch is completed", || async {
        let mut heard: Vec<String> = Vec::new();
        for event in from.events().await {
            let data = &event["data"];
            let callback = match &data["payload"] {
                Value::Null => data,
                payload => payload,
            };
            if callback["dispatch_id"] == dispatch_id
                && let Some(kind) = callback["event_type"].as_str()
            {
                heard.push(kind.to_owned());
            }
        }
        heard.sort();
        heard.dedup();
        let all = [
            "attestation",
            "budget_warning",
            "completed",
            "state_delta",
            "status_changed",
        ];
        let store = from.server.store().await;
        let found = store.find_dispatch(dispatch_id.to_owned()).await.unwrap();
        (heard == all && found.unwrap().1.state == ExchangeState::Completed).then_some(())
    })
    .await;
}

#[tokio::test]
async fn work_goes_on_where_a_kill_has_broken_it_off() {
    let party = Party::start();
    let mut node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    let who = json!({"agent_id": "agent-public"});
    report(&node, &id, "accept", who.clone()).await.expect(200);
    node.server.kill();
    node.server.start_again();
    // The agent was started anew, too, and begins again.
    let again = report(&node, &id, "accept", who).await.expect(200);
    assert_eq!(
        (&again["status"], &again["repeated"]),
        (&"running".into(), &true.into())
    );
    let half =
        json!({"state_delta": {"rooms": 3}, "usage": {"tool_calls": 1}, "idempotency_key": "half"});
    report(&node, &id, "progress", half.clone())
        .await
        .expect(200);
    node.server.kill();
    node.server.start_again();
    // Nobody heard the answer, and says it again.
    let again = report(&node, &id, "progress", half).await.expect(200);
    assert_eq!(again["repeated"], true);
    report(&node, &id, "complete", json!({})).await.expect(200);
    node.server.kill();
    node.server.start_again();
    let told = told_to_its_end(&party, "dispatch-1").await;
    let all = [
        "state_delta",
        "status_changed",
        "state_delta",
        "attestation",
        "completed",
    ];
    assert_eq!(kinds(&told), all);
    let done = shown(&node, &id).await;
    assert_eq!(done["usage"]["tool_calls"], 1);
    assert_eq!(done["state"]["rooms"], 3);
}

#[tokio::test]
async fn the_package_verifies_what_kite_says_of_a_dispatch_of_the_reference_server() {
    let address = address();
    let reference = Reference::start("allowlist", &[&format!("http://{address}")]);
    let node = Node::start_at(&address, &settings("allowlist", &[&reference.url]));
    let said = sdk(&[json!({
        "do": "call", "client": "async", "url": reference.url, "key": REFERENCE_KEY,
        "method": "federation_dispatch",
        "arguments": {
            "intent_id": "intent-1", "target_server": node.url, "agent_id": "agent-public",
            "callback_url": format!("{}/callback", reference.url),
            "federation_policy": hundred_tokens(),
        },
    })]);
    let dispatch_id = said[0].value()["dispatch_id"].as_str().unwrap().to_owned();
    let id = eventually("the intent comes", || async {
        let mut events = node.events().await.into_iter();
        let intent = events.find(|event| event["data"]["correlation_id"] == dispatch_id)?;
        let id = &intent["data"]["payload"]["local_intent_id"];
        Some(id.as_str().unwrap().to_owned())
    })
    .await;
    let half = json!({"state_delta": {"Zimmer für zwei 😀": 1e300, "price": 1.0}, "usage": {"llm_tokens": 85}});
    report(&node, &id, "progress", half).await.expect(200);
    let usage = json!({"usage": {"cost_usd": 0.1}});
    report(&node, &id, "complete", usage).await.expect(200);
    let posted = eventually("all callbacks have come", || async {
        let posted = reference.posted("/callback").await;
        (posted.len() >= 6).then_some(posted)
    })
    .await;
    let key = node.public_key().await;
    let mut orders = Vec::new();
    let mut attested = 0;
    for post in &posted {
        orders.push(json!({"do": "verify", "public_key": key, "text": post.body}));
        let callback: Json = post.body.parse().unwrap();
        if let Some(attestation) = callback.get("attestation") {
            attested += 1;
            let text = attestation.to_string();
            orders.push(json!({"do": "verify", "public_key": key, "text": text}));
        }
    }
    assert_eq!(attested, 2);
    for (said, order) in sdk(&orders).iter().zip(&orders) {
        assert_eq!(*said.value(), true, "{order}");
    }
    // It reads them as they are meant, too.
    let read: Vec<Value> = posted
        .iter()
        .map(|post| json!({"do": "model", "name": "FederationCallback", "text": post.body}))
        .collect();
    let mut kinds: Vec<String> = sdk(&read)
        .iter()
        .map(|said| said.value()["event_type"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    let all = [
        "attestation",
        "budget_warning",
        "completed",
        "state_delta",
        "state_delta",
        "status_changed",
    ];
    assert_eq!(kinds, all);
}

#[tokio::test]
async fn nobody_is_called_who_did_not_ask_for_it() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({"callback_url": ""})).await;
    report(&node, &id, "complete", json!({})).await.expect(200);
    assert_eq!(entries(&node, &id).await.len(), 1);
    // What follows in the outbox would come behind it.
    let id = received(&node, &party, "dispatch-2", json!({})).await;
    report(&node, &id, "complete", json!({})).await.expect(200);
    told_to_its_end(&party, "dispatch-2").await;
    assert_eq!(callbacks(&party, "dispatch-1"), []);
}
