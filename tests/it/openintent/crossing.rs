//! Servers send to each other: the reference server to kite, kite to the reference server, kite to kite. Each side checks
//! with its own code what the other has signed.

use kite::openintent::json::Json;
use kite::openintent::model::DelegationScope;
use kite::openintent::signature::verify;
use kite::openintent::ucan::UCANToken;
use kite::protocol::identity::IDENTITY_KEY_LEN;
use serde_json::{Value, json};

use crate::support::authority::Authority;
use crate::support::eventually;
use crate::support::openintent::{Node, address, settings};
use crate::support::party::{CALLBACK, Party, RECEIVE};
use crate::support::reference::{Posted, REFERENCE_KEY, Reference, sdk};

const DISPATCH: &str = "/api/v1/federation/dispatch";

/// Has the reference server send an intent to a server; the dispatch's id.
fn reference_dispatches(reference: &Reference, target: &str, more: &Value) -> String {
    let mut arguments = json!({"intent_id": "intent-1", "target_server": target});
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    let said = sdk(&[json!({
        "do": "call", "client": "async", "url": reference.url, "key": REFERENCE_KEY,
        "method": "federation_dispatch", "arguments": arguments,
    })]);
    said[0].value()["dispatch_id"].as_str().unwrap().to_owned()
}

/// Whether the package finds a key's signature in a text.
fn package_verifies(public_key: &str, text: &str) -> bool {
    let said = sdk(&[json!({"do": "verify", "public_key": public_key, "text": text})]);
    said[0].value().as_bool().unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Waits until something was posted to a path of a reference server.
async fn posted(reference: &Reference, path: &str) -> Posted {
    eventually("something is posted", || async {
        reference.posted(path).await.into_iter().next()
    })
    .await
}

#[tokio::test]
async fn kite_verifies_what_the_reference_server_dispatches_and_reports_back() {
    let address = address();
    let url = format!("http://{address}");
    let reference = Reference::start("allowlist", &[&url]);
    let node = Node::start_at(&address, &settings("allowlist", &[&reference.url]));
    let more = json!({
        "agent_id": "agent-public",
        "callback_url": format!("{}/callback", reference.url),
        "trace_context": {"trace_id": "trace-7"},
        "delegation_scope": {"permissions": ["state.patch"], "max_delegation_depth": 1},
        "federation_policy": {"budget": {"cost_ceiling_usd": 1.0}},
    });
    // It shows no API key: its signature alone speaks for it.
    let id = reference_dispatches(&reference, &format!("{}/", node.url), &more);
    eventually("the dispatch is delivered", || async {
        let status = reference.dispatch_status(&id).await;
        assert_ne!(status, "failed", "{}", node.server.said());
        (status == "delivered").then_some(())
    })
    .await;

    let events = node.events().await;
    let intent = events
        .iter()
        .find(|event| event["type"] == "com.kite.agent.message");
    let intent = &intent.unwrap_or_else(|| panic!("no message in {events:#?}"))["data"];
    assert_eq!(intent["to"], "agent-public");
    assert_eq!(intent["from"], reference.url);
    assert_eq!(intent["message_type"], "openintent.intent");
    assert_eq!(intent["correlation_id"], id);
    let payload = &intent["payload"];
    assert_eq!(payload["dispatch_id"], id);
    assert_eq!(payload["trace_context"], more["trace_context"]);
    assert_eq!(payload.get("signature"), None);
    assert_eq!(node.status().await["total_received"], 1);

    let callback = posted(&reference, "/callback").await;
    let said = parsed(&callback.body);
    assert_eq!(said["dispatch_id"], id);
    assert_eq!(said["event_type"], "state_delta");
    assert_eq!(said["state_delta"], json!({"status": "accepted"}));
    assert_eq!(said["trace_id"], "trace-7");
    assert_eq!(said["idempotency_key"], format!("accept-{id}"));
    assert!(package_verifies(&node.public_key().await, &callback.body));
    // A request of kite's is signed as a whole, too.
    assert!(callback.headers["signature-input"].contains("ed25519"));
    let read = sdk(&[json!({"do": "model", "name": "FederationCallback", "text": callback.body})]);
    let mut unsigned = said;
    unsigned.as_object_mut().unwrap().remove("signature");
    assert_eq!(*read[0].value(), unsigned);
}

#[tokio::test]
async fn the_reference_server_takes_what_kite_dispatches_and_kites_signature_verifies() {
    let address = address();
    let url = format!("http://{address}");
    let reference = Reference::start("allowlist", &[&url]);
    let peers = format!(
        "enabled = true\n[[openintent.peers]]\nurl = \"{}\"\napi_key = \"{REFERENCE_KEY}\"\n",
        reference.url
    );
    let node = Node::start_at(&address, &peers);
    let order = json!({
        "intent_id": "intent-1",
        "target_server": reference.url,
        "intent_title": "Plan the move",
        "intent_description": "Zimmer für zwei 😀",
        "intent_state": {"rooms": 2, "price": 1.0, "far": 1e300},
        "agent_id": "agent-public",
        "delegation_scope": {"permissions": ["state.patch"], "max_delegation_depth": 1},
        "trace_context": {"trace_id": "trace-7"},
    });
    let answer = node.post(DISPATCH, &order).await.expect(200);
    assert_eq!(answer["status"], "accepted");
    let id = answer["dispatch_id"].as_str().unwrap();
    let post = posted(&reference, RECEIVE).await;
    assert_eq!(post.headers["x-api-key"], REFERENCE_KEY);
    assert_eq!(post.headers["x-source-server"], node.url);
    let envelope = parsed(&post.body);
    assert_eq!(envelope["dispatch_id"], id);
    assert_eq!(envelope["source_server"], node.url);
    assert_eq!(envelope["target_server"], reference.url);
    for name in [
        "intent_title",
        "intent_description",
        "intent_state",
        "agent_id",
        "trace_context",
    ] {
        assert_eq!(envelope[name], order[name], "{name}");
    }

    let public_key = node.public_key().await;
    assert!(package_verifies(&public_key, &post.body));
    let document = node.get("/.well-known/did.json").await.expect(200);
    let published = document["verificationMethod"][0]["publicKeyBase64"].as_str();
    assert_eq!(published.unwrap(), public_key);
    let altered = post.body.replace("Plan the move", "Plan the mole");
    assert!(!package_verifies(&public_key, &altered));

    // The package can read what kite writes, whole.
    let read = sdk(&[json!({"do": "model", "name": "FederationEnvelope", "text": post.body})]);
    assert_eq!(*read[0].value(), envelope);
    eventually("the dispatch is delivered", || async {
        (node.status().await["active_dispatches"] == 0).then_some(())
    })
    .await;
    assert_eq!(node.status().await["total_dispatches"], 1);
    let status = sdk(&[json!({
        "do": "call", "client": "sync", "url": reference.url, "key": REFERENCE_KEY,
        "method": "federation_status", "arguments": {},
    })]);
    assert_eq!(status[0].value()["total_received"], 1);
}

#[tokio::test]
async fn what_the_reference_server_has_signed_verifies_by_the_key_that_it_publishes() {
    let party = Party::start();
    let reference = Reference::start("open", &[]);
    let id = reference_dispatches(&reference, &party.url, &json!({}));
    let got = eventually("the dispatch comes", || async {
        party.posted(RECEIVE).into_iter().next()
    })
    .await;
    let envelope: Json = String::from_utf8(got.body).unwrap().parse().unwrap();
    let envelope = envelope.as_object().unwrap();
    assert_eq!(envelope["dispatch_id"].as_str().unwrap(), id);
    let document = kite::openintent::did::sdk_did_of_url(&reference.url);
    assert_eq!(document, reference.did);
    let key: [u8; IDENTITY_KEY_LEN] = {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.decode(&reference.public_key);
        key.unwrap().try_into().unwrap()
    };
    assert_eq!(verify(envelope, &[key]), Ok(()));
    assert!(verify(envelope, &[[7; IDENTITY_KEY_LEN]]).is_err());
}

#[tokio::test]
async fn two_kites_dispatch_to_each_other_over_tls_and_hear_what_became_of_it() {
    let authority = Authority::new();
    let addresses = [address(), address()];
    let urls = addresses
        .each_ref()
        .map(|address| format!("https://{address}"));
    let nodes = [0, 1].map(|own| {
        let settings = settings("allowlist", &[&urls[1 - own]]);
        Node::start_with_tls(&addresses[own], &authority, &settings)
    });
    for (from, to) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        let order = json!({
            "intent_id": "intent-1",
            "target_server": to.url,
            "intent_title": "Plan the move",
            "agent_id": "agent-public",
            "callback_url": format!("{}{CALLBACK}", from.url),
        });
        let answer = from.post(DISPATCH, &order).await.expect(200);
        let id = answer["dispatch_id"].as_str().unwrap();
        let intent = eventually("the intent comes", || async {
            let mut events = to.events().await.into_iter();
            events.find(|event| {
                event["data"]["message_type"] == "openintent.intent"
                    && event["data"]["correlation_id"] == id
                    && event["data"]["to"] == "agent-public"
            })
        })
        .await;
        assert_eq!(intent["data"]["from"], from.url);
        // Its acceptance comes back, signed, to the callback endpoint of the one that asked.
        eventually("the callback comes", || async {
            let mut events = from.events().await.into_iter();
            events.find(|event| {
                let text = event.to_string();
                text.contains("openintent.callback") && text.contains(id)
                    || event["type"]
                        .as_str()
                        .is_some_and(|word| word.contains("callback"))
                        && text.contains(id)
            })
        })
        .await;
        eventually("the dispatch is delivered", || async {
            (from.status().await["active_dispatches"] == 0).then_some(())
        })
        .await;
    }
    for node in &nodes {
        let status = node.status().await;
        assert_eq!(status["total_dispatches"], 1);
        assert_eq!(status["total_received"], 1);
    }
}

#[tokio::test]
async fn kite_takes_an_intent_with_a_chain_of_three_that_the_package_has_made() {
    let parties = [Party::start(), Party::start(), Party::start()];
    let [root, middle, source] = &parties;
    let urls = parties.each_ref().map(|party| &*party.url);
    let node = Node::trusting(&urls);
    let dids = urls.map(kite::openintent::did::sdk_did_of_url);
    let audience = node.did().await;
    let scope = |permissions: &[&str], depth: u32| json!({"permissions": permissions, "denied_operations": ["intent.delete"], "max_delegation_depth": depth});
    let token = sdk(&[json!({
        "do": "ucan_encode", "url": root.url, "seed": root.seed, "audience": dids[1],
        "scope": scope(&["events.log", "intent.create", "state.patch"], 3),
    })]);
    let token = sdk(&[json!({
        "do": "ucan_attenuate", "token": token[0].text(), "audience": dids[2],
        "scope": scope(&["events.log", "state.patch"], 2),
        "url": root.url, "seed": root.seed, "next_url": middle.url, "next_seed": middle.seed,
    })]);
    let token = sdk(&[json!({
        "do": "ucan_attenuate", "token": token[0].text(), "audience": audience, "scope": scope(&["state.patch"], 1),
        "url": middle.url, "seed": middle.seed, "next_url": source.url, "next_seed": source.seed,
    })]);
    let mut envelope = source.intent(&node.url, "dispatch-1");
    envelope["ucan"] = token[0].value().clone();
    let signed = sdk(&[json!({"do": "sign", "seed": source.seed, "text": envelope.to_string()})]);
    let answer = node.receive(signed[0].text()).await.expect(200);
    assert_eq!(answer["accepted"], true);
    assert_eq!(node.status().await["total_received"], 1);
    // Nobody was asked twice for what does not change from link to link.
    for party in &parties {
        assert_eq!(party.asked_for_document(), 1);
    }
}

#[tokio::test]
async fn a_kite_passes_on_a_part_of_what_it_was_given() {
    let [root, middle] = [Party::start(), Party::start()];
    let addresses = [address(), address()];
    let urls = addresses
        .each_ref()
        .map(|address| format!("http://{address}"));
    let [from, to] = [0, 1].map(|own| {
        let trusted = [&*root.url, &*middle.url, &*urls[1 - own]];
        Node::start_at(&addresses[own], &settings("allowlist", &trusted))
    });
    let scope = |permissions: &[&str], depth: u32| json!({"permissions": permissions, "denied_operations": [], "max_delegation_depth": depth});
    let token = root.token(
        &middle.did,
        &scope(&["events.log", "state.patch"], 3),
        "",
        &json!({}),
    );
    let token = middle.token(
        &from.did().await,
        &scope(&["state.patch"], 2),
        &token,
        &json!({}),
    );
    let wanted = DelegationScope {
        permissions: vec!["state.patch".to_owned()],
        ..DelegationScope::default()
    };
    let now = jiff::Timestamp::now().as_second();
    let audience = to.did().await;
    let key = from.signing_key().await;
    let token = UCANToken::attenuate(&token, &audience, &wanted, now, "n", &key, false).unwrap();
    let order = json!({
        "intent_id": "intent-1",
        "target_server": to.url,
        "agent_id": "agent-public",
        "ucan": token,
    });
    let answer = from.post(DISPATCH, &order).await.expect(200);
    let id = &answer["dispatch_id"];
    let intent = eventually("the intent comes", || async {
        let mut events = to.events().await.into_iter();
        events.find(|event| event["data"]["correlation_id"] == *id)
    })
    .await;
    assert_eq!(intent["data"]["from"], from.url);
    // The token has done its work: whoever reads the intent cannot use it.
    assert!(!intent.to_string().contains(&token), "{intent}");
    assert_eq!(to.status().await["total_received"], 1);
}
