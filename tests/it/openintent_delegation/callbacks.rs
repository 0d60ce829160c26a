//! What other servers say of a dispatch: who hears it, and what it makes of the dispatch.

use futures_util::future::join_all;
use serde_json::json;

use super::{Told, dispatch_as, id_of, messages, shown};
use crate::support::openintent::Node;
use crate::support::party::{Party, now};

const TOLD: &str = "openintent.callback";

#[tokio::test]
async fn the_agent_that_dispatched_is_told_all_that_comes_back() {
    let told = Told::by("planner").await;
    let all = [
        told.callback("status_changed", 1, json!({"status": "running"})),
        told.callback("state_delta", 2, json!({"rooms": 2, "message": "halfway"})),
        told.callback(
            "budget_warning",
            3,
            json!({"budget_warning": {"name": "max_llm_tokens", "limit": 100, "used": 85}}),
        ),
        told.callback("attestation", 4, json!({})),
        told.callback(
            "completed",
            5,
            json!({"rooms": 3, "price": 1.0, "status": "completed"}),
        ),
    ];
    for mut callback in all {
        if ["attestation", "completed"].contains(&callback["event_type"].as_str().unwrap()) {
            let attestation = json!({"dispatch_id": told.id, "usage": {"llm_tokens": 90}, "merkle_root": "sha256:x"});
            let signed = told.party.signed(&attestation);
            callback["attestation"] = serde_json::from_str(&signed).unwrap();
        }
        assert_eq!(told.tell(&callback).await["accepted"], true);
    }
    let messages = messages(&told.node, "planner", TOLD).await;
    let bodies: Vec<&str> = messages
        .iter()
        .map(|message| message["body"].as_str().unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            "Plan: running",
            "Plan: progress: halfway",
            "Plan: most of the budget is used",
            "Plan: attested",
            "Plan: completed",
        ]
    );
    for message in &messages {
        assert_eq!(message["from"], told.party.url);
        assert_eq!(message["correlation_id"], told.id);
        let payload = &message["payload"];
        assert_eq!(payload["intent_id"], "intent-1");
        assert_eq!(payload["source_server"], told.party.url);
        assert_eq!(payload.get("signature"), None);
    }
    let last = &messages[4]["payload"];
    assert_eq!(last["state_delta"]["price"].to_string(), "1.0");
    assert_eq!(last["attestation"]["usage"]["llm_tokens"], 90);
    let shown = told.shown().await;
    assert_eq!(shown["status"], "completed");
    assert_eq!(
        shown["state"],
        json!({"rooms": 3, "price": 1.0, "status": "completed", "message": "halfway"})
    );
    assert_eq!(shown["usage"], json!({"llm_tokens": 90}));
    assert_eq!(shown["attestation"]["merkle_root"], "sha256:x");
    assert_eq!(shown["budget_warning"]["used"], 85);
    assert_eq!(shown["dispatched_by"], "planner");
    assert_eq!(shown["remote_intent_id"], "theirs-1");
    assert_eq!(shown["callbacks"], 5);
}

#[tokio::test]
async fn what_comes_late_goes_beneath_what_is_known() {
    let told = Told::by("planner").await;
    for (kind, number, delta) in [
        ("state_delta", 3, json!({"rooms": 3, "far": null})),
        (
            "state_delta",
            2,
            json!({"rooms": 2, "far": 1, "near": {"a": 1}}),
        ),
        ("state_delta", 4, json!({"near": {"b": 2}})),
        ("status_changed", 1, json!({"status": "running"})),
    ] {
        told.tell(&told.callback(kind, number, delta)).await;
    }
    let mut accepted = told.callback("state_delta", 0, json!({"status": "accepted"}));
    accepted["idempotency_key"] = format!("accept-{}", told.id).into();
    told.tell(&accepted).await;
    let shown = told.shown().await;
    assert_eq!(
        shown["state"],
        json!({"rooms": 3, "near": {"a": 1, "b": 2}, "status": "running"})
    );
    assert_eq!(shown["status"], "delivered");
    assert_eq!(shown["callbacks"], 5);
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_what_comes_after_the_end_is_told_alone() {
    let told = Told::by("planner").await;
    let failed = told.callback(
        "failed",
        2,
        json!({"status": "failed", "error": "no rooms"}),
    );
    assert_eq!(told.tell(&failed).await["message"], "Callback received");
    for _ in 0..2 {
        let again = told.tell(&failed).await;
        assert_eq!(again["message"], "Already processed (idempotent)");
    }
    // The same key for something else is no callback of its own.
    let other = told.callback("failed", 2, json!({"error": "something else"}));
    let again = told.tell(&other).await;
    assert_eq!(again["message"], "Already processed (idempotent)");
    let known = told.shown().await;
    assert_eq!(
        (&known["status"], &known["callbacks"]),
        (&json!("failed"), &json!(1))
    );
    assert_eq!(known["message"], "no rooms");

    for late in [
        told.callback("state_delta", 1, json!({"rooms": 1})),
        told.callback("completed", 3, json!({"rooms": 3, "status": "completed"})),
    ] {
        assert_eq!(told.tell(&late).await["message"], "Callback received");
    }
    let after = told.shown().await;
    assert_eq!(after["callbacks"], 3);
    for name in ["status", "state", "message"] {
        assert_eq!(after[name], known[name], "{name}");
    }
    let messages = messages(&told.node, "planner", TOLD).await;
    let bodies: Vec<&str> = messages
        .iter()
        .map(|message| message["body"].as_str().unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            "Plan: failed: no rooms",
            "Plan: progress",
            "Plan: completed"
        ]
    );
}

#[tokio::test]
async fn callbacks_that_come_at_once_all_count() {
    const COUNT: u32 = 24;
    let told = Told::by("planner").await;
    let all = (1..=COUNT).map(|number| {
        let delta = json!({format!("part-{number}"): number});
        told.callback("state_delta", number, delta)
    });
    let all: Vec<_> = all.collect();
    // Each twice, as from two nodes that have lost an answer.
    join_all(all.iter().chain(&all).map(|callback| told.tell(callback))).await;
    let shown = told.shown().await;
    assert_eq!(shown["callbacks"], COUNT);
    let parts = (1..=COUNT).map(|number| (format!("part-{number}"), json!(number)));
    assert_eq!(
        shown["state"],
        json!(parts.collect::<serde_json::Map<_, _>>())
    );
    let messages = messages(&told.node, "planner", TOLD).await;
    assert_eq!(messages.len(), COUNT as usize);
}

#[tokio::test]
async fn another_server_does_not_speak_of_a_dispatch() {
    let told = Told::by("planner").await;
    let other = Party::start();
    let callback = told.callback("completed", 1, json!({"status": "completed"}));
    let answer = told.node.call_back(other.signed(&callback)).await;
    answer.expect(403);
    let mut attested = callback.clone();
    let attestation = other.signed(&json!({"dispatch_id": told.id, "usage": {"llm_tokens": 1}}));
    attested["attestation"] = serde_json::from_str(&attestation).unwrap();
    told.node
        .call_back(told.party.signed(&attested))
        .await
        .expect(403);
    let shown = told.shown().await;
    assert_eq!(
        (&shown["status"], &shown["callbacks"]),
        (&json!("delivered"), &json!(0))
    );
    assert!(messages(&told.node, "planner", TOLD).await.is_empty());
}

#[tokio::test]
async fn a_name_that_is_no_agents_is_nobodys() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let order = json!({"intent_id": "intent-1", "target_server": party.url});
    let id = id_of(dispatch_as(&node, &"x".repeat(257), &order).await);
    assert_eq!(shown(&node, &id).await.get("dispatched_by"), None);
    let callback = json!({"dispatch_id": id, "event_type": "completed", "timestamp": now()});
    node.call_back(party.signed(&callback)).await.expect(200);
    let events = node.events().await;
    let callback = events.last().unwrap();
    assert_eq!(callback["type"], "com.openintent.callback.received");
    assert_eq!(callback["data"]["dispatch_id"], id);
}
