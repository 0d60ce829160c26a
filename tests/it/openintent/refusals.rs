//! What kite refuses, and that nothing is stored of it: each case differs in one thing from an intent that is taken.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::openintent::{Node, settings};
use crate::support::party::{CALLBACK, Party, RECEIVE, stamp};

/// A kite server, somebody who sends to it, and two who can have given them the right to.
struct Scene {
    node: Node,
    root: Party,
    middle: Party,
    source: Party,
    /// The server's DID.
    audience: String,
}

/// What each link of a chain says of its scope, the root first.
struct Links([Value; 3]);

impl Links {
    /// A chain in which each link says less than the one before.
    fn narrowing() -> Self {
        let scope = |permissions: &[&str], denied: &[&str], depth: u32| json!({"permissions": permissions, "denied_operations": denied, "max_delegation_depth": depth});
        Self([
            scope(&["events.log", "intent.create", "state.patch"], &[], 3),
            scope(&["events.log", "state.patch"], &["intent.delete"], 2),
            scope(&["state.patch"], &["intent.delete"], 1),
        ])
    }

    /// The same, but one link says something else of its scope.
    fn but(link: usize, name: &str, value: Value) -> Self {
        let mut links = Self::narrowing();
        links.0[link][name] = value;
        links
    }
}

impl Scene {
    async fn set() -> Self {
        let [root, middle, source] = [Party::start(), Party::start(), Party::start()];
        let node = Node::trusting(&[&root.url, &middle.url, &source.url]);
        let audience = node.did().await;
        Self {
            node,
            root,
            middle,
            source,
            audience,
        }
    }

    /// A chain; what else its last link says.
    fn chain(&self, links: &Links, more: &Value) -> String {
        let Links([first, second, third]) = links;
        let token = self.root.token(&self.middle.did, first, "", &json!({}));
        let token = self
            .middle
            .token(&self.source.did, second, &token, &json!({}));
        self.source.token(&self.audience, third, &token, more)
    }

    /// Sends an intent that stands on a token.
    async fn send(&self, token: &str) -> Answer {
        let mut intent = self.source.intent(&self.node.url, "dispatch-1");
        intent["ucan"] = token.into();
        self.node.receive(self.source.signed(&intent)).await
    }

    /// A refusal with 403 and these words, and nothing stored.
    async fn refused(&self, answer: Answer, words: &str) {
        forbidden(&answer, words);
        self.node.has_nothing().await;
    }

    /// The same intent is taken when nothing is wrong with it: so what was refused was refused for its one fault.
    async fn takes_the_right_one(&self) {
        let token = self.chain(&Links::narrowing(), &json!({}));
        let taken = self.send(&token).await.expect(200);
        assert_eq!(taken["accepted"], true, "{taken}");
        assert_eq!(self.node.events().await.len(), 1);
        assert_eq!(self.node.status().await["total_received"], 1);
    }
}

fn forbidden(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 403, "{answer:#?}");
    let detail = answer.json["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(words), "no `{words}` in {answer:#?}");
}

#[tokio::test]
async fn a_link_that_widens_its_parents_scope_is_refused() {
    let scene = Scene::set().await;
    for link in [1, 2] {
        let links = Links::but(link, "permissions", json!(["admin", "state.patch"]));
        let answer = scene.send(&scene.chain(&links, &json!({}))).await;
        scene.refused(answer, "widens the permissions").await;
    }
    let links = Links::but(2, "denied_operations", json!([]));
    let answer = scene.send(&scene.chain(&links, &json!({}))).await;
    scene.refused(answer, "denial of `intent.delete`").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_link_that_is_delegated_further_than_it_may_be_is_refused() {
    let scene = Scene::set().await;
    for (link, depth) in [(1, 3), (2, 2), (0, 0), (1, 0)] {
        let links = Links::but(link, "max_delegation_depth", depth.into());
        let answer = scene.send(&scene.chain(&links, &json!({}))).await;
        scene.refused(answer, "delegation depth").await;
    }
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_token_whose_time_is_over_or_has_not_come_is_refused() {
    let scene = Scene::set().await;
    let now = jiff::Timestamp::now().as_second();
    let times = [
        (json!({"exp": now - 5}), "expired"),
        (json!({"nbf": now + 600}), "not valid before"),
        (json!({"exp": now + 360_000}), "outlives"),
    ];
    for (more, words) in times {
        let answer = scene.send(&scene.chain(&Links::narrowing(), &more)).await;
        scene.refused(answer, words).await;
    }
    let links = Links::but(2, "expires_at", stamp(-5).into());
    let answer = scene.send(&scene.chain(&links, &json!({}))).await;
    scene.refused(answer, "expire").await;
    // A parent whose time is over takes its children along.
    let Links([first, second, third]) = Links::narrowing();
    let old = json!({"nbf": now - 7200, "exp": now - 3600});
    let token = scene.root.token(&scene.middle.did, &first, "", &old);
    let token = scene.middle.token(&scene.source.did, &second, &token, &old);
    let token = scene.source.token(&scene.audience, &third, &token, &old);
    let answer = scene.send(&token).await;
    scene.refused(answer, "expired").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused() {
    let scene = Scene::set().await;
    let Links([first, second, third]) = Links::narrowing();
    let elsewhere = "did:web:elsewhere.example.com";
    // The last link names another server.
    let token = scene.root.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene
        .middle
        .token(&scene.source.did, &second, &token, &json!({}));
    let answer = scene
        .send(&scene.source.token(elsewhere, &third, &token, &json!({})))
        .await;
    scene.refused(answer, "another audience").await;
    // A link in the middle does.
    let token = scene.root.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene.middle.token(elsewhere, &second, &token, &json!({}));
    let token = scene
        .source
        .token(&scene.audience, &third, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "another audience").await;
    // The chain is right, but it is the middle's word, and not the sender's.
    let token = scene.root.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene
        .middle
        .token(&scene.audience, &second, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "issue").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_chain_that_nobody_known_began_or_that_another_key_signed_is_refused() {
    let scene = Scene::set().await;
    let Links([first, second, third]) = Links::narrowing();
    let stranger = Party::start();
    let token = stranger.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene
        .middle
        .token(&scene.source.did, &second, &token, &json!({}));
    let token = scene
        .source
        .token(&scene.audience, &third, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "").await;
    assert_eq!(stranger.asked_for_document(), 0, "strangers are not called");
    // A link that claims to be the root's.
    let claims = json!({"iss": scene.root.did});
    let token = stranger.token(&scene.middle.did, &first, "", &claims);
    let token = scene
        .middle
        .token(&scene.source.did, &second, &token, &json!({}));
    let token = scene
        .source
        .token(&scene.audience, &third, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "by no key").await;
    scene.takes_the_right_one().await;
}

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

#[tokio::test]
async fn a_trustless_server_refuses_everybody_unless_it_is_to_verify() {
    let [root, source] = [Party::start(), Party::start()];
    let node = Node::start(&settings("trustless", &[&root.url, &source.url]));
    let intent = source.intent(&node.url, "dispatch-1");
    let words = format!("Source server {} not trusted", source.url);
    forbidden(&node.receive(source.signed(&intent)).await, &words);
    forbidden(&node.post(RECEIVE, &intent).await, &words);
    node.has_nothing().await;

    let verifying = settings("trustless", &[&root.url, &source.url]);
    let node = Node::start(&format!("trustless_mode = \"verify\"\n{verifying}"));
    let audience = node.did().await;
    let mut intent = source.intent(&node.url, "dispatch-1");
    forbidden(&node.receive(source.signed(&intent)).await, "");
    forbidden(&node.post(RECEIVE, &intent).await, "");
    node.has_nothing().await;
    let wide =
        json!({"permissions": ["state.patch"], "denied_operations": [], "max_delegation_depth": 1});
    let narrow =
        json!({"permissions": ["state.patch"], "denied_operations": [], "max_delegation_depth": 0});
    let token = root.token(&source.did, &wide, "", &json!({}));
    intent["ucan"] = source.token(&audience, &narrow, &token, &json!({})).into();
    // The key alone is never enough.
    forbidden(&node.post(RECEIVE, &intent).await, "");
    node.has_nothing().await;
    let taken = node.receive(source.signed(&intent)).await.expect(200);
    assert_eq!(taken["accepted"], true);
}

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
