//! Intents that the team gives its own agents: worked on and told of like those from outside.

use serde_json::{Value, json};

use super::{INTENTS, path, report};
use crate::support::http::Answer;
use crate::support::openintent::Node;

async fn assign(node: &Node, assignment: &Value) -> Answer {
    node.access().post(INTENTS, assignment.to_string()).await
}

/// The messages to an agent, in order.
async fn messages(node: &Node, to: &str) -> Vec<Value> {
    let events = node.events().await.into_iter();
    let data = events
        .filter(|event| event["type"] == "com.kite.agent.message")
        .map(|mut event| event["data"].take());
    data.filter(|message| message["to"] == to).collect()
}

#[tokio::test]
async fn an_own_intent_reaches_its_agent_and_its_giver_hears_of_it() {
    let node = Node::trusting(&[]);
    let assignment = json!({
        "agent_id": "analyst", "assigned_by": "boss", "intent_id": "step-2", "title": "Analyse", "description": "the rows",
        "state": {"rows": 5, "price": 1.0}, "trace_id": "trace-7", "idempotency_key": "k",
        "federation_policy": {"budget": {"max_tool_calls": 5}},
    });
    let made = assign(&node, &assignment).await.expect(201);
    let id = made["intent_id"].as_str().unwrap();
    assert_eq!(made["status"], "accepted");
    assert_eq!(made["source_server"], node.url);
    assert_eq!(made["source_intent_id"], "step-2");
    let [message] = &messages(&node, "analyst").await[..] else {
        panic!("one message comes");
    };
    assert_eq!(message["from"], "boss");
    assert_eq!(message["message_type"], "openintent.intent");
    assert_eq!(message["body"], "Analyse\n\nthe rows");
    assert_eq!(message["payload"]["local_intent_id"], id);
    assert_eq!(message["payload"]["intent_state"], assignment["state"]);

    let again = assign(&node, &assignment).await.expect(200);
    assert_eq!(
        (&again["repeated"], &again["intent_id"]),
        (&true.into(), &id.into())
    );
    let mut other = assignment.clone();
    other["title"] = "Another".into();
    assign(&node, &other).await.refused(409, "conflict");
    assert_eq!(messages(&node, "analyst").await.len(), 1);

    for (verb, body) in [
        ("accept", json!({})),
        (
            "progress",
            json!({"state_delta": {"rows": 7}, "usage": {"tool_calls": 4}}),
        ),
        ("complete", json!({"state_delta": {"mean": 2.5}})),
    ] {
        report(&node, id, verb, body).await.expect(200);
    }
    let told = messages(&node, "boss").await;
    let kinds: Vec<&str> = told
        .iter()
        .map(|message| message["payload"]["event_type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "status_changed",
            "state_delta",
            "budget_warning",
            "attestation",
            "completed"
        ]
    );
    for message in &told {
        assert_eq!(message["from"], node.url);
        assert_eq!(message["message_type"], "openintent.callback");
        assert_eq!(message["correlation_id"], id);
        assert_eq!(message["payload"]["intent_id"], "step-2");
    }
    let end = &told[4]["payload"];
    assert_eq!(
        end["state_delta"],
        json!({"rows": 7, "mean": 2.5, "status": "completed"})
    );
    assert!(end["attestation"]["signature"].is_string());
    assert_eq!(end["attestation"]["trace_references"], json!(["trace-7"]));
}

#[tokio::test]
async fn an_intent_that_nobody_gave_is_from_the_server_and_told_to_nobody() {
    let node = Node::trusting(&[]);
    let made = assign(&node, &json!({"agent_id": "analyst"}))
        .await
        .expect(201);
    let id = made["intent_id"].as_str().unwrap();
    assert_eq!(messages(&node, "analyst").await[0]["from"], node.url);
    report(&node, id, "complete", json!({})).await.expect(200);
    let kinds: Vec<Value> = node
        .events()
        .await
        .into_iter()
        .map(|mut event| event["type"].take())
        .collect();
    assert_eq!(
        kinds,
        ["com.kite.agent.message", "com.openintent.intent.reported"]
    );
    assert_eq!(node.status().await["total_received"], 0, "nobody sent it");
}

#[tokio::test]
async fn what_cannot_be_given_is_refused() {
    let node = Node::trusting(&[]);
    for wrong in [
        json!({}),
        json!([]),
        json!({"agent_id": ""}),
        json!({"agent_id": "an\nagent"}),
        json!({"agent_id": "a", "assigned_by": "no\nname"}),
        json!({"agent_id": "a", "state": []}),
        json!({"agent_id": "a", "intent_id": "x".repeat(300)}),
        json!({"agent_id": "a", "delegation_scope": {"expires_at": "2020-01-01T00:00:00Z"}}),
        json!({"agent_id": "a", "delegation_scope": {"expires_at": "soon"}}),
        json!({"agent_id": "a", "federation_policy": {"budget": {"max_llm_tokens": 0}}}),
    ] {
        assign(&node, &wrong).await.refused(400, "bad_request");
    }
    let reader = node.server.key(&node.access().team, "read");
    let body = json!({"agent_id": "a"}).to_string();
    reader.post(INTENTS, &*body).await.refused(403, "forbidden");
    node.has_nothing().await;
}

#[tokio::test]
async fn a_trace_is_begun_where_the_policy_wants_one() {
    let node = Node::trusting(&[]);
    let policy = json!({"observability": {"trace_required": true}});
    let assignment = json!({"agent_id": "a", "federation_policy": policy});
    let made = assign(&node, &assignment).await.expect(201);
    let trace = made["trace_id"].as_str().unwrap();
    assert_eq!(trace.len(), 32);
    assert!(trace.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let path = path(made["intent_id"].as_str().unwrap(), "complete");
    node.access().post(&path, "").await.expect(200);
}
