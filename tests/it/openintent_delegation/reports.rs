//! What one server has done is told to the one before, and what it used counts there.

use serde_json::{Value, json};

use super::{Row, WORKER, arrived, dispatch_as, id_of, local_id, messages, shown};
use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::openintent::Node;
use crate::support::party::{CALLBACK, stamp};

const TOLD: &str = "openintent.callback";

async fn report(node: &Node, intent: &str, verb: &str, report: &Value) -> Answer {
    let path = format!("/api/openintent/intents/{intent}/{verb}");
    node.access().post(&path, report.to_string()).await
}

async fn intent(node: &Node, id: &str) -> Value {
    let path = format!("/api/openintent/intents/{id}");
    node.access().get(&path).await.expect(200)
}

/// The end of a dispatch, as it was told to the agent that sent it.
async fn end_of(node: &Node, agent: &str, dispatch: &str) -> Value {
    let what = format!("{agent} hears the end of {dispatch}");
    eventually(&what, || async {
        let told = messages(node, agent, TOLD).await.into_iter();
        let mut ends = told.filter(|message| {
            message["correlation_id"] == dispatch
                && ["completed", "failed"]
                    .contains(&message["payload"]["event_type"].as_str().unwrap())
        });
        ends.next()
    })
    .await
}

#[tokio::test]
async fn the_first_of_a_row_hears_what_the_last_has_done_by_the_word_of_the_one_between() {
    let row = Row::start();
    let [a, b, c] = &row.nodes;
    let to_b = json!({
        "intent_id": "own-1", "intent_title": "count", "target_server": b.url, "agent_id": WORKER,
        "delegation_scope": {"max_delegation_depth": 2},
        "federation_policy": {"budget": {"max_llm_tokens": 1000}},
    });
    let first = id_of(dispatch_as(a, "planner", &to_b).await);
    let at_b = local_id(&arrived(b, "count").await);
    report(b, &at_b, "accept", &json!({})).await.expect(200);
    let begun = json!({"usage": {"llm_tokens": 300}, "state_delta": {"begun": true}});
    report(b, &at_b, "progress", &begun).await.expect(200);

    let to_c = json!({"intent_id": at_b, "target_server": c.url, "agent_id": WORKER});
    let second = id_of(dispatch_as(b, WORKER, &to_c).await);
    let came = arrived(c, "count").await;
    assert_eq!(
        came["federation_policy"]["budget"]["max_llm_tokens"], 700,
        "what is left"
    );
    assert_eq!(came["intent_state"], json!({"begun": true}));
    let at_c = local_id(&came);
    report(c, &at_c, "accept", &json!({})).await.expect(200);
    let done = json!({"usage": {"llm_tokens": 50, "cost_usd": 0.5}, "state_delta": {"rows": 7}});
    report(c, &at_c, "complete", &done).await.expect(200);

    let heard = end_of(b, WORKER, &second).await;
    assert_eq!(heard["payload"]["event_type"], "completed");
    assert_eq!(heard["payload"]["state_delta"]["rows"], 7);
    let known = shown(b, &second).await;
    assert_eq!(known["status"], "completed");
    assert_eq!(known["usage"]["llm_tokens"], 50);
    // It counts for the intent that was passed on, beside what its own agent used.
    let counted = eventually("what was used there counts here", || async {
        let usage = intent(b, &at_b).await["usage"].take();
        (usage["llm_tokens"] == 350).then_some(usage)
    })
    .await;
    assert_eq!(counted["cost_usd"], 0.5);

    let done = json!({"state_delta": {"rows": known["state"]["rows"]}, "message": "counted"});
    report(b, &at_b, "complete", &done).await.expect(200);
    let heard = end_of(a, "planner", &first).await;
    assert_eq!(heard["payload"]["state_delta"]["rows"], 7);
    let known = shown(a, &first).await;
    assert_eq!(known["status"], "completed");
    assert_eq!(known["state"]["rows"], 7);
    assert_eq!(known["usage"]["llm_tokens"], 350);
    assert_eq!(known["usage"]["cost_usd"], 0.5);
    assert_eq!(intent(c, &at_c).await["status"], "completed");
}

#[tokio::test]
async fn what_was_used_elsewhere_counts_once_however_often_its_end_is_told() {
    let row = Row::start();
    let [a, ..] = &row.nodes;
    let given = json!({"federation_policy": {"budget": {"max_llm_tokens": 1000}}});
    let at_a = row.give("count", &given).await;
    let order = json!({"intent_id": at_a, "target_server": row.party.url});
    let id = id_of(dispatch_as(a, WORKER, &order).await);
    let mut end = json!({
        "dispatch_id": id, "event_type": "failed", "state_delta": {"error": "no rows"},
        "idempotency_key": "end", "timestamp": stamp(0),
        "attestation": {"dispatch_id": id, "usage": {"llm_tokens": 120, "odd": -5, "word": "x"}},
    });
    for _ in 0..3 {
        a.call_back(row.party.signed(&end)).await.expect(200);
    }
    // Another word of the same end, and another end.
    end["idempotency_key"] = "again".into();
    a.call_back(row.party.signed(&end)).await.expect(200);
    let usage = intent(a, &at_a).await["usage"].take();
    assert_eq!(usage, json!({"llm_tokens": 120}), "{CALLBACK}");
    assert_eq!(
        intent(a, &at_a).await["status"],
        "accepted",
        "its agent has the last word"
    );
}

#[tokio::test]
async fn work_that_has_ended_is_not_passed_on() {
    let row = Row::start();
    let [a, b, _] = &row.nodes;
    let at_a = row.give("over", &json!({})).await;
    report(a, &at_a, "complete", &json!({})).await.expect(200);
    let order = json!({"intent_id": at_a, "target_server": b.url, "agent_id": WORKER});
    let refused = dispatch_as(a, WORKER, &order).await.expect(409);
    assert!(
        refused["detail"].as_str().unwrap().contains("ended"),
        "{refused}"
    );
    b.has_nothing().await;
}

#[tokio::test]
async fn work_without_anything_left_is_not_passed_on() {
    let row = Row::start();
    let [a, b, _] = &row.nodes;
    let given = json!({"federation_policy": {"budget": {"max_tool_calls": 10}}});
    let at_a = row.give("spent", &given).await;
    let used = json!({"usage": {"tool_calls": 10}});
    report(a, &at_a, "progress", &used).await.expect(200);
    let order = json!({"intent_id": at_a, "target_server": b.url, "agent_id": WORKER});
    let refused = dispatch_as(a, WORKER, &order).await.expect(400);
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("max_tool_calls"),
        "{refused}"
    );
    b.has_nothing().await;
}
