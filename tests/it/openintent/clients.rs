//! The published clients, the sync and the async one, drive kite: they get what they get from the reference server, value
//! for value and exception for exception.

use kite::openintent::did::{did_of_url, sdk_did_of_url};
use serde_json::{Value, json};

use crate::support::openintent::{Node, settings};
use crate::support::party::Party;
use crate::support::reference::{REFERENCE_KEY, Reference, Said, sdk};

const CLIENTS: [&str; 2] = ["sync", "async"];

/// A server that a client is pointed at.
struct Driven<'s> {
    url: &'s str,
    key: &'s str,
}

impl Driven<'_> {
    fn order(&self, client: &str, method: &str, arguments: &Value) -> Value {
        json!({
            "do": "call", "client": client, "url": self.url, "key": self.key,
            "method": method, "arguments": arguments,
        })
    }

    /// Makes these calls with a client, in this order; what came of each, in words that are the same for every server.
    fn drive(&self, client: &str, calls: &[(&str, Value)]) -> Vec<Said> {
        let orders = calls
            .iter()
            .map(|(method, arguments)| self.order(client, method, arguments));
        let said = sdk(&orders.collect::<Vec<_>>()).into_iter();
        said.map(|said| match said {
            Said::Returned(value, class) => Said::Returned(self.level(&value), class),
            raised => raised,
        })
        .collect()
    }

    /// A value without what is each server's own.
    fn level(&self, value: &Value) -> Value {
        let mut text = value.to_string();
        for did in [did_of_url(self.url).unwrap(), sdk_did_of_url(self.url)] {
            text = text.replace(&did, "<did>");
        }
        let mut value: Value = serde_json::from_str(&text.replace(self.url, "<url>")).unwrap();
        for (name, is_own) in OWN {
            if let Some(member) = value.get_mut(name).filter(|member| is_own(member)) {
                *member = format!("<{name}>").into();
            }
        }
        value
    }
}

/// Whether a member looks like one that a server has made for itself.
type IsOwn = fn(&Value) -> bool;

/// Members that differ from server to server, and what they look like.
const OWN: &[(&str, IsOwn)] = &[
    ("public_key", |key| {
        key.as_str().is_some_and(|key| key.len() == 44)
    }),
    // A random one: what a caller has chosen stays.
    ("dispatch_id", |id| {
        id.as_str()
            .is_some_and(|id| id.len() == 36 && id.as_bytes()[14] == b'4')
    }),
    ("local_intent_id", |id| {
        id.as_str().is_some_and(|id| !id.is_empty())
    }),
];

fn intent(id: &str, source: &str) -> Value {
    json!({
        "dispatch_id": id,
        "source_server": source,
        "intent_id": "intent-1",
        "intent_title": "Plan the move",
        "intent_description": "Zimmer für zwei",
        "intent_state": {"rooms": 2, "price": 1.5},
        "agent_id": "agent-public",
        "delegation_scope": {"permissions": ["state.patch"], "max_delegation_depth": 1},
        "federation_policy": {"budget": {"max_llm_tokens": 1000}},
        "idempotency_key": format!("key-{id}"),
    })
}

/// Calls with every method, and with everything that goes wrong alike at both servers.
fn calls(client: &str, party: &Party) -> Vec<(&'static str, Value)> {
    let with = |mut object: Value, name: &str, value: Value| {
        object[name] = value;
        object
    };
    let first = format!("{client}-1");
    let callback = format!("{}/{client}", party.url);
    let scope = json!({"permissions": ["state.patch"], "max_delegation_depth": 1});
    let dispatch = json!({
        "intent_id": "intent-1",
        "target_server": party.url,
        "agent_id": "agent-1",
        "delegation_scope": scope,
        "federation_policy": {"governance": {"require_approval": true}},
        "callback_url": callback,
        "trace_context": {"trace_id": "t-1"},
    });
    vec![
        ("federation_discover", json!({})),
        ("list_federated_agents", json!({})),
        (
            "list_federated_agents",
            json!({"source_server": "http://127.0.0.9:1"}),
        ),
        (
            "federation_dispatch",
            json!({"intent_id": "intent-1", "target_server": party.url}),
        ),
        ("federation_dispatch", dispatch.clone()),
        (
            "federation_dispatch",
            with(dispatch.clone(), "target_server", "http://10.0.0.1".into()),
        ),
        (
            "federation_dispatch",
            with(
                dispatch.clone(),
                "callback_url",
                "http://169.254.169.254/x".into(),
            ),
        ),
        (
            "federation_dispatch",
            with(dispatch, "intent_id", Value::Null),
        ),
        ("federation_receive", intent(&first, &party.url)),
        ("federation_receive", intent(&first, &party.url)),
        (
            "federation_receive",
            json!({
                "dispatch_id": format!("{client}-2"), "source_server": party.url, "intent_id": "i", "intent_title": "t",
                "callback_url": callback,
            }),
        ),
        (
            "federation_receive",
            json!({
                "dispatch_id": format!("{client}-3"), "source_server": party.url, "intent_id": "i", "intent_title": "t",
                "federation_policy": {"budget": {"cost_ceiling_usd": 0}},
            }),
        ),
        (
            "federation_receive",
            intent(&first, "https://stranger.example.com"),
        ),
        (
            "federation_receive",
            with(intent(&first, &party.url), "intent_title", Value::Null),
        ),
        (
            "send_federation_callback",
            json!({
                "callback_url": callback, "dispatch_id": first, "event_type": "completed",
                "state_delta": {"done": true}, "attestation": {"dispatch_id": first}, "trace_id": "t-1",
            }),
        ),
        (
            "send_federation_callback",
            json!({
                "callback_url": "/nowhere", "dispatch_id": first, "event_type": "completed",
            }),
        ),
    ]
}

#[tokio::test]
async fn clients_get_from_kite_what_they_get_from_the_reference_server() {
    let party = Party::start();
    let reference = Reference::start("allowlist", &[&party.url]);
    let node = Node::start(&format!(
        "show_peers = true\n{}",
        settings("allowlist", &[&party.url])
    ));
    let key = node.key();
    let theirs = Driven {
        url: &reference.url,
        key: REFERENCE_KEY,
    };
    let ours = Driven {
        url: &node.url,
        key: &key,
    };
    for client in CLIENTS {
        let calls = calls(client, &party);
        let wanted = theirs.drive(client, &calls);
        let got = ours.drive(client, &calls);
        for ((call, wanted), mut got) in calls.iter().zip(wanted).zip(got) {
            if let ("federation_discover", Said::Returned(manifest, _)) = (call.0, &mut got) {
                // The one endpoint that the reference server lacks.
                let endpoints = manifest["endpoints"].as_object_mut().unwrap();
                let callback = endpoints.remove("callback");
                assert_eq!(callback.unwrap(), "/api/v1/federation/callback");
            }
            assert_eq!(got, wanted, "{client}: {call:?}");
        }
    }
}

#[tokio::test]
async fn a_status_counts_what_was_dispatched_and_received() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let key = node.key();
    let driven = Driven {
        url: &node.url,
        key: &key,
    };
    let before = |dispatches: u64, received: u64| {
        json!({
            "enabled": true, "server_did": "<did>", "trust_policy": "allowlist", "peer_count": 1,
            "active_dispatches": 0, "total_dispatches": dispatches, "total_received": received,
        })
    };
    for (at, client) in (0..).zip(CLIENTS) {
        let said = driven.drive(client, &[("federation_status", json!({}))]);
        let status = Said::Returned(before(at, at), "FederationStatus".to_owned());
        assert_eq!(said, [status]);
        let calls = [
            (
                "federation_dispatch",
                json!({"intent_id": "i", "target_server": party.url}),
            ),
            ("federation_receive", intent(client, &party.url)),
            ("federation_receive", intent(client, &party.url)),
        ];
        for said in driven.drive(client, &calls) {
            said.value();
        }
        crate::support::eventually("the dispatch is delivered", || async {
            (node.status().await["active_dispatches"] == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn every_call_without_a_key_that_is_known_is_refused() {
    let node = Node::trusting(&[]);
    let driven = Driven {
        url: &node.url,
        key: "nobody's",
    };
    let own = "/api/v1/federation/callback";
    let calls = [
        ("federation_status", json!({})),
        ("list_federated_agents", json!({})),
        (
            "federation_dispatch",
            json!({"intent_id": "i", "target_server": "https://peer.example.com"}),
        ),
        (
            "federation_receive",
            intent("d", "https://peer.example.com"),
        ),
        (
            "send_federation_callback",
            json!({"callback_url": own, "dispatch_id": "d", "event_type": "failed"}),
        ),
    ];
    let refused = Said::Raised("OpenIntentError".to_owned(), Some(401));
    for client in CLIENTS {
        for (call, said) in calls.iter().zip(driven.drive(client, &calls)) {
            assert_eq!(said, refused, "{client}: {call:?}");
        }
    }
    node.has_nothing().await;
}

#[tokio::test]
async fn clients_raise_what_a_conflict_and_an_unknown_dispatch_deserve() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let key = node.key();
    let driven = Driven {
        url: &node.url,
        key: &key,
    };
    let own = "/api/v1/federation/callback";
    for client in CLIENTS {
        let mut other = intent(client, &party.url);
        // The word that makes the clients see a lease in a conflict is not repeated to them.
        other["intent_title"] = "Release the lease, please".into();
        let calls = [
            ("federation_receive", intent(client, &party.url)),
            ("federation_receive", other),
            (
                "send_federation_callback",
                json!({"callback_url": own, "dispatch_id": "d", "event_type": "failed"}),
            ),
            (
                "send_federation_callback",
                json!({"callback_url": own, "dispatch_id": "d", "event_type": "over"}),
            ),
        ];
        let said = driven.drive(client, &calls);
        assert_eq!(said[0].value()["accepted"], true);
        let raised = |class: &str, status| Said::Raised(class.to_owned(), Some(status));
        assert_eq!(said[1], raised("ConflictError", 409));
        assert_eq!(said[2], raised("NotFoundError", 404));
        assert_eq!(said[3], raised("OpenIntentError", 422));
    }
    assert_eq!(node.status().await["total_received"], CLIENTS.len());
}

#[tokio::test]
async fn clients_of_a_server_that_takes_no_part_hear_so() {
    let node = Node::start("enabled = false\n");
    let key = node.key();
    let driven = Driven {
        url: &node.url,
        key: &key,
    };
    let calls = [
        ("federation_discover", json!({})),
        ("federation_status", json!({})),
        ("list_federated_agents", json!({})),
        (
            "federation_dispatch",
            json!({"intent_id": "i", "target_server": "https://peer.example.com"}),
        ),
        (
            "federation_receive",
            intent("d", "https://peer.example.com"),
        ),
    ];
    for client in CLIENTS {
        let said = driven.drive(client, &calls);
        let raised = |class: &str, status| Said::Raised(class.to_owned(), Some(status));
        assert_eq!(said[0], raised("NotFoundError", 404));
        assert_eq!(said[1].value()["enabled"], false);
        assert_eq!(said[1].value()["server_did"], Value::Null);
        assert_eq!(*said[2].value(), json!([]));
        assert_eq!(said[3], raised("ValidationError", 400));
        assert_eq!(said[4], raised("ValidationError", 400));
    }
}

#[tokio::test]
async fn a_peer_sees_the_unlisted_agent_and_nobody_the_private_one() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let key = node.key();
    let driven = Driven {
        url: &node.url,
        key: &key,
    };
    // With a slash: it is still the peer.
    let calls = [
        (
            "list_federated_agents",
            json!({"source_server": format!("{}/", party.url)}),
        ),
        ("list_federated_agents", json!({"source_server": node.url})),
    ];
    for client in CLIENTS {
        let said = driven.drive(client, &calls);
        let ids = |said: &Said| -> Vec<String> {
            let agents = said.value().as_array().unwrap().iter();
            let mut ids: Vec<String> = agents
                .map(|agent| agent["agent_id"].as_str().unwrap().to_owned())
                .collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&said[0]), ["agent-public", "agent-unlisted"]);
        assert_eq!(ids(&said[1]), ["agent-public"]);
    }
}
