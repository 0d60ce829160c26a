//! Envelopes that prove nothing, or nothing new.

use serde_json::{Value, json};

use super::{Scene, forbidden};
use crate::support::eventually;
use crate::support::openintent::Node;
use crate::support::party::{Party, RECEIVE, stamp};

#[tokio::test]
async fn an_envelope_that_was_changed_is_refused() {
    let scene = Scene::set().await;
    let signed = scene
        .source
        .signed(&scene.source.intent(&scene.node.url, "dispatch-1"));
    let changes = [
        ("Plan the move", "Plan the mole"),
        // The same number to many a reader, and other bytes.
        ("\"price\":1.0", "\"price\":1"),
        (
            "\"intent_constraints\":{}",
            "\"intent_constraints\":{\"a\":1}",
        ),
    ];
    for (from, to) in changes {
        let changed = signed.replace(from, to);
        assert_ne!(changed, signed);
        scene
            .refused(scene.node.receive(changed).await, "signature")
            .await;
    }
    // A key of ours does not make up for it.
    let changed: Value = serde_json::from_str(&signed.replace("move", "mole")).unwrap();
    scene
        .refused(scene.node.post(RECEIVE, &changed).await, "signature")
        .await;
    // Spaces and the order of members are not signed.
    let spread = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&signed).unwrap());
    let taken = scene.node.receive(spread.unwrap()).await.expect(200);
    assert_eq!(taken["accepted"], true);
}

#[tokio::test]
async fn a_source_that_nobody_trusts_is_refused_before_anybody_is_asked() {
    let known = Party::start();
    let stranger = Party::start();
    let node = Node::trusting(&[&known.url]);
    let intent = stranger.intent(&node.url, "dispatch-1");
    let words = format!("Source server {} not trusted", stranger.url);
    forbidden(&node.receive(stranger.signed(&intent)).await, &words);
    forbidden(&node.post(RECEIVE, &intent).await, &words);
    // Whoever uses a known one's name has to have its key.
    let mut posing = stranger.intent(&node.url, "dispatch-2");
    posing["source_server"] = known.url.clone().into();
    forbidden(&node.receive(stranger.signed(&posing)).await, "signature");
    assert_eq!(stranger.asked_for_document(), 0);
    node.has_nothing().await;
}

#[tokio::test]
async fn an_envelope_without_key_and_signature_is_refused() {
    let scene = Scene::set().await;
    let intent = scene.source.intent(&scene.node.url, "dispatch-1");
    let answer = scene.node.receive(intent.to_string()).await;
    assert_eq!(answer.expect(401)["detail"], "Invalid or missing API key");
    let mut empty = intent;
    empty["signature"] = "".into();
    scene.node.receive(empty.to_string()).await.expect(401);
    assert_eq!(scene.source.asked_for_document(), 0);
    scene.node.has_nothing().await;
}

#[tokio::test]
async fn an_envelope_for_another_server_or_of_another_time_is_refused() {
    let scene = Scene::set().await;
    let elsewhere = scene.source.intent(&scene.root.url, "dispatch-1");
    let answer = scene.node.receive(scene.source.signed(&elsewhere)).await;
    scene.refused(answer, &scene.root.url).await;
    for (created_at, words) in [
        (json!(stamp(-600)), "not fresh"),
        (json!(stamp(600)), "not fresh"),
        (json!("yesterday"), "not fresh"),
        (Value::Null, "not fresh"),
    ] {
        let mut intent = scene.source.intent(&scene.node.url, "dispatch-1");
        intent["created_at"] = created_at;
        let answer = scene.node.receive(scene.source.signed(&intent)).await;
        scene.refused(answer, words).await;
    }
}

#[tokio::test]
async fn a_replayed_envelope_stores_nothing_new() {
    let scene = Scene::set().await;
    let signed = scene
        .source
        .signed(&scene.source.intent(&scene.node.url, "dispatch-1"));
    let first = scene.node.receive(&*signed).await.expect(200);
    assert_eq!(
        first["message"],
        "Intent received and accepted for processing"
    );
    for _ in 0..3 {
        let again = scene.node.receive(&*signed).await.expect(200);
        assert_eq!(again["message"], "Already processed (idempotent)");
        assert_eq!(again["local_intent_id"], first["local_intent_id"]);
    }
    // Signed anew, as kite repeats a delivery: still the same one.
    let mut later = scene.source.intent(&scene.node.url, "dispatch-1");
    later["created_at"] = stamp(-3).into();
    let again = scene
        .node
        .receive(scene.source.signed(&later))
        .await
        .expect(200);
    assert_eq!(again["message"], "Already processed (idempotent)");
    // Under the same name something else is a conflict.
    later["intent_title"] = "Plan the mole".into();
    let answer = scene.node.receive(scene.source.signed(&later)).await;
    let conflict = answer.expect(409);
    assert!(
        !conflict.to_string().to_lowercase().contains("lease"),
        "{conflict}"
    );
    assert_eq!(scene.node.events().await.len(), 1);
    assert_eq!(scene.node.status().await["total_received"], 1);
    // What others call by that name is another one.
    let others = scene.middle.intent(&scene.node.url, "dispatch-1");
    let taken = scene
        .node
        .receive(scene.middle.signed(&others))
        .await
        .expect(200);
    assert_ne!(taken["local_intent_id"], first["local_intent_id"]);
}

#[tokio::test]
async fn a_restart_forgets_no_envelope() {
    let mut scene = Scene::set().await;
    let signed = scene
        .source
        .signed(&scene.source.intent(&scene.node.url, "dispatch-1"));
    let first = scene.node.receive(&*signed).await.expect(200);
    scene.node.server.kill();
    scene.node.server.start_again();
    let again = scene.node.receive(&*signed).await.expect(200);
    assert_eq!(again["message"], "Already processed (idempotent)");
    assert_eq!(again["local_intent_id"], first["local_intent_id"]);
    assert_eq!(scene.node.events().await.len(), 1);
    assert_eq!(scene.node.status().await["total_received"], 1);
}

#[tokio::test]
async fn a_document_that_proves_nothing_is_refused() {
    // One server for each: what was fetched is remembered for a while.
    let documents: [fn(&Party, &Party); 5] = [
        // Another server's name.
        |own, other| own.publish(&other.did, &own.public()),
        // Another server's key.
        |own, other| own.publish(&own.did, &other.public()),
        // A key with which anything verifies.
        |own, _| own.publish(&own.did, &[0; 32]),
        // A key that it does not sign with by its own word.
        |own, _| {
            own.publish_text(json!({
                "id": own.did,
                "verificationMethod": [{
                    "id": format!("{}#key-1", own.did), "type": "Ed25519VerificationKey2020",
                    "controller": own.did, "publicKeyBase64": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
                }],
                "authentication": [],
            }));
        },
        |own, _| own.publish_text(json!(["nothing"])),
    ];
    for (at, publish) in documents.into_iter().enumerate() {
        let [source, other] = [Party::start(), Party::start()];
        let node = Node::trusting(&[&source.url, &other.url]);
        publish(&source, &other);
        let signed = source.signed(&source.intent(&node.url, "dispatch-1"));
        let answer = node.receive(signed).await;
        assert_eq!(answer.status, 403, "document {at}: {answer:#?}");
        let detail = answer.json["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "document {at}: {answer:#?}");
        assert_eq!(source.asked_for_document(), 1, "document {at}");
        node.has_nothing().await;
    }
}

#[tokio::test]
async fn a_server_that_changes_its_key_is_believed_after_another_look() {
    let scene = Scene::set().await;
    let send = async |id: &str| {
        let intent = scene.source.intent(&scene.node.url, id);
        scene.node.receive(scene.source.signed(&intent)).await
    };
    scene
        .source
        .publish(&scene.source.did, &scene.root.public());
    forbidden(&send("dispatch-1").await, "signature");
    scene
        .source
        .publish(&scene.source.did, &scene.source.public());
    // It is asked again at most every five seconds.
    eventually("the new key counts", || async {
        (send("dispatch-2").await.status == 200).then_some(())
    })
    .await;
    assert!(scene.source.asked_for_document() <= 3);
}
