//! What kite answers and writes down, where no published client asks for it.

use serde_json::json;

use crate::support::openintent::Node;
use crate::support::party::Party;

#[tokio::test]
async fn a_wrong_method_is_refused_in_the_form_that_clients_read() {
    let node = Node::trusting(&[]);
    for path in [
        "/.well-known/did.json",
        "/.well-known/openintent-federation.json",
        "/api/v1/federation/status",
    ] {
        let refused = node.post(path, &json!({})).await;
        assert_eq!(refused.status, 405, "{path}: {refused:#?}");
        assert_eq!(refused.json["detail"], "Method Not Allowed", "{path}");
    }
}

#[tokio::test]
async fn an_intent_without_a_title_is_named_by_its_id() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let mut intent = party.intent(&node.url, "dispatch-1");
    intent["intent_title"] = "".into();
    node.receive(party.signed(&intent)).await.expect(200);
    let events = node.events().await;
    let summary = events[0]["kitesummary"].as_str().unwrap();
    assert!(summary.ends_with(": intent-1"), "{summary}");
}
