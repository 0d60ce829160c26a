//! Work goes from server to server, with less at each.

use std::collections::BTreeMap;

use kite::openintent::ucan::Chain;
use serde_json::json;

use super::{DISPATCH, Row, WORKER, arrived, dispatch_as, give, id_of, kept, local_id};
use crate::support::openintent::{Node, address, settings};
use crate::support::party::{Party, stamp};
use crate::support::reference::sdk;

#[tokio::test]
async fn each_server_of_a_row_gets_less_than_the_one_before() {
    let row = Row::start();
    let [a, b, c] = &row.nodes;
    let ends = [stamp(3600), stamp(1800), stamp(7200)];
    let given = json!({
        "delegation_scope": {
            "permissions": ["events.log", "intent.create", "state.patch"], "denied_operations": ["w"],
            "max_delegation_depth": 2, "expires_at": ends[0],
        },
        "federation_policy": {
            "governance": {"require_approval": false, "max_autonomous_steps": 9, "allowed_agents": [WORKER, "else"]},
            "budget": {"max_llm_tokens": 1000, "cost_ceiling_usd": 5.0},
            "observability": {"trace_required": false},
        },
        "trace_context": {"trace_id": "trace-7"},
    });
    let at_a = row.give("first", &given).await;
    let to_b = json!({
        "intent_id": at_a, "target_server": b.url, "agent_id": WORKER,
        "delegation_scope": {
            "permissions": ["state.patch", "intent.delete", "events.log"], "denied_operations": ["x"],
            "max_delegation_depth": 5, "expires_at": ends[1],
        },
        "federation_policy": {
            "governance": {"require_approval": true, "allowed_agents": [WORKER, "another"]},
            "budget": {"max_llm_tokens": 9000, "cost_ceiling_usd": 2.0, "max_tool_calls": 10},
        },
    });
    id_of(dispatch_as(a, WORKER, &to_b).await);
    let came_to_b = arrived(b, "first").await;
    let at_b = local_id(&came_to_b);
    assert_eq!(came_to_b["intent_state"], json!({"rooms": 2, "price": 1.0}));
    assert_eq!(came_to_b["intent_description"], "Zimmer für zwei");
    assert_eq!(
        came_to_b["trace_context"],
        json!({"trace_id": "trace-7", "parent_event_id": at_a})
    );
    let intent = kept(b, &at_b).await;
    let scope = intent.scope.unwrap();
    assert_eq!(scope.permissions, ["events.log", "state.patch"]);
    assert_eq!(scope.denied_operations, ["w", "x"]);
    assert_eq!(scope.max_delegation_depth, 1);
    assert_eq!(scope.expires_at, Some(ends[1].clone()));
    let policy: serde_json::Value =
        serde_json::from_str(&intent.policy.to_json().to_string()).unwrap();
    assert_eq!(
        policy,
        json!({
            "governance": {"require_approval": true, "max_autonomous_steps": 9, "allowed_agents": [WORKER]},
            "budget": {"max_llm_tokens": 1000, "cost_ceiling_usd": 2.0, "max_tool_calls": 10},
            "observability": {"trace_required": false},
        })
    );

    let to_c = json!({
        "intent_id": at_b, "target_server": c.url, "agent_id": WORKER, "intent_title": "second",
        "intent_state": {"rooms": 3},
        "delegation_scope": {"permissions": ["state.patch"], "expires_at": ends[2]},
        "federation_policy": {"budget": {"max_llm_tokens": 10}},
    });
    id_of(dispatch_as(b, WORKER, &to_c).await);
    let came_to_c = arrived(c, "second").await;
    assert_eq!(came_to_c["intent_state"], json!({"rooms": 3}));
    assert_eq!(
        came_to_c["trace_context"],
        json!({"trace_id": "trace-7", "parent_event_id": at_b})
    );
    let intent = kept(c, &local_id(&came_to_c)).await;
    let scope = intent.scope.unwrap();
    assert_eq!(scope.permissions, ["state.patch"]);
    assert_eq!(scope.denied_operations, ["w", "x"]);
    assert_eq!(scope.max_delegation_depth, 0);
    assert_eq!(
        scope.expires_at,
        Some(ends[1].clone()),
        "the earlier end stays"
    );
    assert_eq!(intent.policy.budget["max_llm_tokens"], 10.into());
    assert_eq!(intent.policy.budget["max_tool_calls"], 10.into());
    assert_eq!(intent.policy.governance["require_approval"], true.into());

    // The last hop was made.
    let back = json!({"intent_id": local_id(&came_to_c), "target_server": a.url});
    let refused = dispatch_as(c, WORKER, &back).await.expect(400);
    assert!(
        refused["detail"].as_str().unwrap().contains("depth of 0"),
        "{refused}"
    );
    assert_eq!(a.status().await["total_received"], 1);
}

#[tokio::test]
async fn a_token_goes_along_and_the_last_server_verifies_its_whole_chain() {
    let verifies = "trustless_mode = \"verify\"\n";
    let party = Party::start();
    let addresses = [address(), address(), address()];
    let urls = addresses
        .each_ref()
        .map(|address| format!("http://{address}"));
    let nodes = [0, 1, 2].map(|own| {
        let mut trusted: Vec<&str> = urls.iter().map(String::as_str).collect();
        trusted.remove(own);
        trusted.push(&party.url);
        let settings = format!("{verifies}{}", settings("trustless", &trusted));
        Node::start_at(&addresses[own], &settings)
    });
    let [a, b, c] = &nodes;
    let scope = json!({"permissions": ["events.log", "intent.create", "state.patch"], "denied_operations": ["w"], "max_delegation_depth": 3});
    let exp = jiff::Timestamp::now().as_second() + 900;
    let root = party.token(&a.did().await, &scope, "", &json!({"exp": exp}));
    let at_a = give(&party, a, "first", &json!({"ucan": root})).await;
    let to_b = json!({
        "intent_id": at_a, "target_server": b.url, "agent_id": WORKER,
        "delegation_scope": {"permissions": ["events.log", "state.patch"], "denied_operations": ["x"], "max_delegation_depth": 9},
    });
    id_of(a.post(DISPATCH, &to_b).await);
    let at_b = local_id(&arrived(b, "first").await);
    let to_c = json!({
        "intent_id": at_b, "target_server": c.url, "agent_id": WORKER,
        "delegation_scope": {"permissions": ["state.patch"], "max_delegation_depth": 9},
    });
    id_of(b.post(DISPATCH, &to_c).await);
    let intent = kept(c, &local_id(&arrived(c, "first").await)).await;

    let token = intent.ucan.unwrap();
    let chain = Chain::read(&token).unwrap();
    let dids = [
        party.did.clone(),
        a.did().await,
        b.did().await,
        c.did().await,
    ];
    let links: Vec<_> = chain.links().collect();
    assert_eq!(links.len(), 3);
    for (at, link) in links.iter().rev().enumerate() {
        assert_eq!((&link.iss, &link.aud), (&dids[at], &dids[at + 1]));
        assert_eq!(link.exp, exp, "no link outlives the root");
    }
    let keys: BTreeMap<&str, [u8; 32]> = BTreeMap::from([
        (&*dids[0], party.public()),
        (&*dids[1], a.signing_key().await.public()),
        (&*dids[2], b.signing_key().await.public()),
    ]);
    let keys = |did: &str| keys.get(did).copied().into_iter().collect();
    let now = jiff::Timestamp::now().as_second();
    let granted = chain.verify(&dids[3..], now, &keys, &|did| did == dids[0]);
    let granted = granted.unwrap();
    assert_eq!(granted.permissions, ["state.patch"]);
    assert_eq!(granted.denied_operations, ["w", "x"]);
    assert_eq!(granted.max_delegation_depth, 1);
    // What applies is the token's scope attenuated by the envelope's: the work may not go further than that.
    assert_eq!(intent.scope.unwrap().max_delegation_depth, 0);

    // The package reads each link as it was meant.
    for link in [&token, &links[0].prf[0], &links[1].prf[0]] {
        let said = sdk(&[json!({"do": "ucan_decode", "token": link})]);
        let ours = Chain::read(link).unwrap().leaf().to_json();
        let ours: serde_json::Value = serde_json::from_str(&ours.to_string()).unwrap();
        assert_eq!(*said[0].value(), ours);
    }
}

#[tokio::test]
async fn a_server_issues_a_token_where_it_is_asked_to() {
    let row = Row::start();
    let [a, b, c] = &row.nodes;
    let scope =
        json!({"permissions": ["state.patch"], "denied_operations": [], "max_delegation_depth": 2});
    let mut order = json!({
        "intent_id": "own-1", "intent_title": "issued", "target_server": b.url, "agent_id": WORKER,
        "delegation_scope": scope, "issue_token": true,
    });
    id_of(a.post(DISPATCH, &order).await);
    let at_b = local_id(&arrived(b, "issued").await);
    let token = kept(b, &at_b).await.ucan.unwrap();
    let chain = Chain::read(&token).unwrap();
    let root = chain.leaf();
    assert_eq!((&root.iss, &root.aud), (&a.did().await, &b.did().await));
    assert_eq!(root.scope.permissions, ["state.patch"]);
    assert_eq!(root.scope.max_delegation_depth, 2);
    assert!(root.prf.is_empty());

    // What is passed on stands on it, whether another one is asked for or not.
    let onwards =
        json!({"intent_id": at_b, "target_server": c.url, "agent_id": WORKER, "issue_token": true});
    id_of(b.post(DISPATCH, &onwards).await);
    let at_c = local_id(&arrived(c, "issued").await);
    let passed = kept(c, &at_c).await.ucan.unwrap();
    assert_eq!(Chain::read(&passed).unwrap().leaf().prf, [token]);

    order["intent_title"] = "ends".into();
    order["delegation_scope"]["expires_at"] = stamp(60).into();
    id_of(a.post(DISPATCH, &order).await);
    let at_b = local_id(&arrived(b, "ends").await);
    let token = kept(b, &at_b).await.ucan.unwrap();
    let root = Chain::read(&token).unwrap().leaf().clone();
    assert!(root.exp - root.nbf <= 60, "it ends with its scope");

    order["intent_title"] = "without".into();
    order["issue_token"] = false.into();
    id_of(a.post(DISPATCH, &order).await);
    let at_b = local_id(&arrived(b, "without").await);
    assert_eq!(kept(b, &at_b).await.ucan, None);
    order["issue_token"] = "yes".into();
    a.post(DISPATCH, &order).await.expect(422);
}

#[tokio::test]
async fn a_trace_begins_where_the_conditions_want_one() {
    let row = Row::start();
    let [a, b, _] = &row.nodes;
    for (title, policy, is_traced) in [
        (
            "traced",
            json!({"observability": {"trace_required": true}}),
            true,
        ),
        (
            "spread",
            json!({"observability": {"require_trace_propagation": true}}),
            true,
        ),
        (
            "free",
            json!({"observability": {"trace_required": false}}),
            false,
        ),
    ] {
        let order = json!({
            "intent_id": "own-1", "intent_title": title, "target_server": b.url, "agent_id": WORKER,
            "federation_policy": policy,
        });
        id_of(a.post(DISPATCH, &order).await);
        let trace = arrived(b, title).await["trace_context"]["trace_id"].take();
        let is_hex = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert_eq!(
            trace.as_str().is_some_and(is_hex),
            is_traced,
            "{title}: {trace}"
        );
    }
}
