//! Callbacks by somebody else.

use serde_json::json;

use super::forbidden;
use crate::support::eventually;
use crate::support::openintent::Node;
use crate::support::party::{CALLBACK, Party, RECEIVE, stamp};

#[tokio::test]
async fn a_callback_that_the_receiver_of_the_dispatch_has_not_signed_is_refused() {
    let [party, other] = [Party::start(), Party::start()];
    let node = Node::trusting(&[&party.url, &other.url]);
    let order = json!({"intent_id": "intent-1", "target_server": party.url});
    let answer = node
        .post("/api/v1/federation/dispatch", &order)
        .await
        .expect(200);
    let id = &answer["dispatch_id"];
    eventually("it is delivered", || async {
        party.posted(RECEIVE).into_iter().next()
    })
    .await;
    let before = node.events().await.len();
    let callback = |key: &str| {
        json!({
            "dispatch_id": id, "event_type": "completed", "state_delta": {"rooms": 2},
            "idempotency_key": key, "timestamp": stamp(0),
        })
    };
    forbidden(
        &node.call_back(other.signed(&callback("k"))).await,
        "signature",
    );
    let changed = party
        .signed(&callback("k"))
        .replace("\"rooms\":2", "\"rooms\":3");
    forbidden(&node.call_back(changed).await, "signature");
    let mut old = callback("k");
    old["timestamp"] = stamp(-600).into();
    forbidden(&node.call_back(party.signed(&old)).await, "not fresh");
    node.call_back(callback("k").to_string()).await.expect(401);
    let mut attested = callback("k");
    attested["attestation"] =
        serde_json::from_str(&other.signed(&json!({"dispatch_id": id}))).unwrap();
    forbidden(
        &node.call_back(party.signed(&attested)).await,
        "attestation",
    );
    let mut unknown = callback("k");
    unknown["dispatch_id"] = "nobody's".into();
    node.call_back(party.signed(&unknown)).await.expect(404);
    assert_eq!(
        node.events().await.len(),
        before,
        "{CALLBACK} stored something"
    );

    let signed = party.signed(&callback("k"));
    let taken = node.call_back(&*signed).await.expect(200);
    assert_eq!(taken["accepted"], true);
    let again = node.call_back(&*signed).await.expect(200);
    assert_eq!(again["message"], "Already processed (idempotent)");
    assert_eq!(node.events().await.len(), before + 1);
}
