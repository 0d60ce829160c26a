//! The endpoints of a live server, where clients of the usual kind never go: repeats that are not quite the same, callbacks
//! by every kind of credentials, names that could be taken for each other, addresses that are no names.

use kite::openintent::did::key_id;
use kite::openintent::http_signature::{Params, Request, sign};
use kite::protocol::identity::InstanceKey;
use kite::store::openintent::ExchangeState;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Answer, answer};
use crate::support::openintent::{Node, address, settings};
use crate::support::party::{CALLBACK, Party, RECEIVE, stamp};
use crate::support::server::Server;

/// Where a party takes callbacks, and where it must never get one.
const WANTED: &str = "/wanted";
const UNWANTED: &str = "/unwanted";

const DISPATCH: &str = "/api/v1/federation/dispatch";

/// A dispatch that a party has got: its id.
async fn dispatched(node: &Node, party: &Party) -> String {
    let order = json!({"intent_id": "intent-1", "target_server": party.url});
    let answer = node.post(DISPATCH, &order).await.expect(200);
    eventually("it is delivered", || async {
        party.posted(RECEIVE).into_iter().next()
    })
    .await;
    answer["dispatch_id"].as_str().unwrap().to_owned()
}

fn callback(dispatch_id: &str, event_type: &str) -> Value {
    json!({
        "dispatch_id": dispatch_id, "event_type": event_type, "state_delta": {"rooms": 2},
        "idempotency_key": "k", "timestamp": stamp(0),
    })
}

async fn state_of(node: &Node, dispatch_id: &str) -> ExchangeState {
    let store = node.server.store().await;
    let found = store.find_dispatch(dispatch_id.to_owned()).await.unwrap();
    found.expect("the dispatch is kept").1.state
}

#[tokio::test]
async fn what_conflicts_with_a_known_intent_sets_nothing_going() {
    let source = Party::start();
    let node = Node::trusting(&[&source.url]);
    let mut intent = source.intent(&node.url, "dispatch-1");
    intent["callback_url"] = format!("{}{WANTED}", source.url).into();
    let first = node.receive(source.signed(&intent)).await.expect(200);
    assert_eq!(first["accepted"], true);
    let before = node.events().await.len();
    assert_eq!(before, 2, "the intent and its callback");

    // The same name for something else, under another key and with another address to call.
    intent["intent_title"] = "Plan the mole".into();
    intent["idempotency_key"] = "another".into();
    intent["callback_url"] = format!("{}{UNWANTED}", source.url).into();
    node.receive(source.signed(&intent)).await.expect(409);

    // What was declined is not taken by saying it again in other words, and nobody is told that it was.
    let mut declined = source.intent(&node.url, "dispatch-2");
    declined["callback_url"] = format!("{}{UNWANTED}", source.url).into();
    declined["federation_policy"] = json!({"budget": {"max_llm_tokens": 0}});
    let answer = node.receive(source.signed(&declined)).await.expect(200);
    assert_eq!(answer["accepted"], false);
    declined["federation_policy"] = json!({"budget": {"max_llm_tokens": 10}});
    node.receive(source.signed(&declined)).await.expect(409);

    assert_eq!(node.events().await.len(), before);
    eventually("the first is called back", || async {
        source.posted(WANTED).into_iter().next()
    })
    .await;
    assert!(source.posted(UNWANTED).is_empty());
}

#[tokio::test]
async fn a_callback_under_a_key_that_was_seen_changes_nothing() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = dispatched(&node, &party).await;
    let progress = party.signed(&callback(&id, "state_delta"));
    node.call_back(progress).await.expect(200);
    let end = party.signed(&callback(&id, "completed"));
    let again = node.call_back(end).await.expect(200);
    assert_eq!(again["message"], "Already processed (idempotent)");
    assert_eq!(state_of(&node, &id).await, ExchangeState::Delivered);

    let mut end = callback(&id, "completed");
    end["idempotency_key"] = "another".into();
    node.call_back(party.signed(&end)).await.expect(200);
    assert_eq!(state_of(&node, &id).await, ExchangeState::Completed);
}

#[tokio::test]
async fn whoever_shows_a_key_cannot_make_up_what_the_other_server_attests() {
    let [party, other] = [Party::start(), Party::start()];
    let node = Node::trusting(&[&party.url, &other.url]);
    let id = dispatched(&node, &party).await;
    let attested = |by: &Party| {
        let signed = by.signed(&json!({"dispatch_id": id, "usage": {"llm_tokens": 7}}));
        let mut callback = callback(&id, "attestation");
        callback["attestation"] = serde_json::from_str(&signed).unwrap();
        callback
    };
    let refused = node.post(CALLBACK, &attested(&other)).await.expect(403);
    assert!(
        refused["detail"].to_string().contains("attestation"),
        "{refused}"
    );
    node.post(CALLBACK, &attested(&party)).await.expect(200);

    // A time is needed where no key is shown.
    let mut timeless = callback(&id, "status_changed");
    timeless["idempotency_key"] = "another".into();
    timeless.as_object_mut().unwrap().remove("timestamp");
    let signed = party.signed(&timeless);
    node.call_back(&*signed).await.expect(403);
    let signed: Value = serde_json::from_str(&signed).unwrap();
    node.post(CALLBACK, &signed).await.expect(200);
}

/// Posts a body that is not signed in a request that is.
async fn post_signed(node: &Node, party: &Party, path: &str, body: &Value) -> Answer {
    let seed = (0..32).map(|at| u8::from_str_radix(&party.seed[2 * at..2 * at + 2], 16).unwrap());
    let seed: [u8; 32] = seed.collect::<Vec<u8>>().try_into().unwrap();
    let body = body.to_string();
    let target_uri = format!("{}{path}", node.url);
    let request = Request {
        method: "POST",
        target_uri: &target_uri,
        content_type: Some("application/json"),
        body: body.as_bytes(),
    };
    let keyid = key_id(&party.did, 1);
    let params = Params::new(jiff::Timestamp::now().as_second(), &keyid);
    let signed = sign(&request, &params, &InstanceKey::from_seed(&seed).unwrap()).unwrap();
    let request = node.access().bare(Method::POST, path);
    let request = request
        .header("Content-Type", "application/json")
        .header("X-Source-Server", &party.url)
        .header("Content-Digest", signed.content_digest.unwrap())
        .header("Signature-Input", signed.signature_input)
        .header("Signature", signed.signature);
    answer(request.body(body)).await
}

#[tokio::test]
async fn a_signature_of_the_whole_request_stands_for_a_key() {
    let [party, other] = [Party::start(), Party::start()];
    let node = Node::trusting(&[&party.url, &other.url]);
    let intent = party.intent(&node.url, "dispatch-1");
    let taken = post_signed(&node, &party, RECEIVE, &intent).await;
    assert_eq!(taken.expect(200)["accepted"], true);
    // Nobody signs for another one.
    let answer = post_signed(&node, &other, RECEIVE, &intent).await;
    answer.expect(401);

    let id = dispatched(&node, &party).await;
    let callback = callback(&id, "completed");
    let answer = post_signed(&node, &other, CALLBACK, &callback).await;
    answer.expect(403);
    let taken = post_signed(&node, &party, CALLBACK, &callback).await;
    taken.expect(200);
    assert_eq!(state_of(&node, &id).await, ExchangeState::Completed);
}

#[tokio::test]
async fn a_server_is_listed_by_its_did_as_well() {
    let source = Party::start();
    let elsewhere = format!(
        "enabled = true\n[[openintent.peers]]\nurl = \"https://b.example\"\ndid = \"{}\"\n",
        source.did
    );
    let node = Node::start(&elsewhere);
    let intent = source.intent(&node.url, "dispatch-1");
    let taken = node.receive(source.signed(&intent)).await.expect(200);
    assert_eq!(taken["accepted"], true);
    let stranger = Party::start();
    let intent = stranger.intent(&node.url, "dispatch-1");
    node.receive(stranger.signed(&intent)).await.expect(403);
}

/// `http://` and `https://` of one address have one DID, and only one of them is trusted.
#[tokio::test]
async fn a_stranger_with_the_did_of_a_trusted_server_begins_no_chain() {
    let stranger = Party::start();
    let trusted = stranger.url.replace("http://", "https://");
    let node = Node::start(&settings("open", &[&trusted]));
    let audience = node.did().await;
    let scope = json!({"permissions": [], "denied_operations": [], "max_delegation_depth": 0});
    let mut intent = stranger.intent(&node.url, "dispatch-1");
    let taken = node.receive(stranger.signed(&intent)).await.expect(200);
    assert_eq!(taken["accepted"], true, "the policy is open");
    intent["dispatch_id"] = "dispatch-2".into();
    intent["ucan"] = stranger.token(&audience, &scope, "", &json!({})).into();
    let refused = node.receive(stranger.signed(&intent)).await.expect(403);
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("delegation token"), "{refused}");
}

#[tokio::test]
async fn a_sender_does_not_replace_the_agents_that_the_operator_allows() {
    let source = Party::start();
    let own = "policy.governance = { allowed_agents = [\"agent-public\"] }\n";
    let node = Node::start(&format!("{own}{}", settings("allowlist", &[&source.url])));
    let send = async |id: &str, agent: &str| {
        let mut intent = source.intent(&node.url, id);
        intent["agent_id"] = agent.into();
        intent["federation_policy"] =
            json!({"governance": {"allowed_agents": ["agent-unlisted", "agent-public"]}});
        node.receive(source.signed(&intent)).await.expect(200)["accepted"].clone()
    };
    assert_eq!(send("dispatch-1", "agent-unlisted").await, false);
    assert_eq!(send("dispatch-2", "agent-public").await, true);
}

/// Composing takes the smaller of two numbers, and `false` and `true` for numbers: what the operator wants holds all the same.
#[tokio::test]
async fn no_form_of_a_number_takes_the_operators_conditions_away() {
    let source = Party::start();
    let own =
        "policy.governance = { require_approval = true }\npolicy.budget = { max_tool_calls = 5 }\n";
    let node = Node::start(&format!("{own}{}", settings("allowlist", &[&source.url])));
    let mut intent = source.intent(&node.url, "dispatch-1");
    intent["agent_id"] = "agent-public".into();
    intent["federation_policy"] =
        json!({"governance": {"require_approval": 0}, "budget": {"max_tool_calls": true}});
    let taken = node.receive(source.signed(&intent)).await.expect(200);
    let id = taken["local_intent_id"].as_str().unwrap();
    let report = async |verb: &str, body: &str| {
        let path = format!("/api/openintent/intents/{id}/{verb}");
        node.access().post(&path, body.to_owned()).await
    };
    report("accept", "{}").await.refused(403, "forbidden");
    let agreed = r#"{"approve":true}"#;
    report("accept", agreed).await.expect(200);
    let used = r#"{"usage":{"tool_calls":2}}"#;
    let ended = report("progress", used).await.expect(200);
    assert_eq!(ended["status"], "failed");
}

/// What one team says of a server's name is nothing to another, also where the document is remembered.
#[tokio::test]
async fn a_document_is_judged_by_what_each_team_says() {
    let source = Party::start();
    let own_did = "did:web:b.example";
    source.publish(own_did, &source.public());
    let address = address();
    let text = format!(
        "enabled = true\n[[openintent.peers]]\nurl = \"{0}\"\ndid = \"{own_did}\"\n\
         [[openintent.peers]]\nurl = \"{0}\"\nteam = \"two\"\n",
        source.url
    );
    let node = Node::start_at(&address, &text);
    let two = node.server.team("two");
    assert_eq!(two.team, "two");
    for id in ["dispatch-1", "dispatch-2"] {
        let intent = source.signed(&source.intent(&node.url, id));
        node.receive(&*intent).await.expect(200);
        let request = two.bare(Method::POST, RECEIVE);
        let request = request.header("X-API-Key", &two.key);
        let refused = answer(request.body(intent)).await.expect(403);
        assert!(refused["detail"].to_string().contains(own_did), "{refused}");
    }
    assert_eq!(source.asked_for_document(), 1);
}

#[tokio::test]
async fn signed_envelopes_are_counted_as_those_with_a_key() {
    let source = Party::start();
    let (address, text) = (address(), settings("allowlist", &[&source.url]));
    let url = format!("http://{address}");
    let more = [
        "--public-url",
        &url,
        "--allow-insecure-peers",
        "--team-rate-limit",
        "1",
        "--rate-window-secs",
        "3600",
    ];
    let node = Node::start_with(&address, &url, &text, &more);
    let send = async |id: &str| {
        let intent = source.intent(&node.url, id);
        node.receive(source.signed(&intent)).await
    };
    send("dispatch-1").await.expect(200);
    let limited = send("dispatch-2").await;
    assert!(limited.headers.contains_key("retry-after"), "{limited:#?}");
    assert!(limited.expect(429)["detail"].is_string());
}

#[tokio::test]
async fn a_wrong_method_gets_json_with_a_detail() {
    let node = Node::trusting(&[]);
    for path in [
        "/.well-known/did.json",
        "/.well-known/openintent-federation.json",
    ] {
        let answer = node.post_keyless(path, "{}").await;
        assert!(answer.expect(405)["detail"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn a_server_that_has_no_name_for_others_still_serves() {
    let server = Server::start_at("[::1]:0", &[]);
    let access = server.owner();
    let manifest = access.bare(Method::GET, "/.well-known/openintent-federation.json");
    answer(manifest).await.expect(404);
    let status = access.bare(Method::GET, "/api/v1/federation/status");
    let status = answer(status.header("X-API-Key", &access.key)).await;
    assert_eq!(status.expect(200)["enabled"], false);
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
