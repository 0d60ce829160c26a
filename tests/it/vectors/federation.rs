//! Vectors of federation: what goes from one instance to another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kite::protocol::event::Event;
use kite::protocol::federation::PeerStatus;
use kite::protocol::forward::{self, Provenance, TypeScopes};
use kite::store::federation::OutboxFilter;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::file::{Case, cases, run, run_live};
use super::pattern::compare;
use super::webhooks::HeaderMap;
use crate::support::http::answer;
use crate::support::peers::{Peer, fresh_token};
use crate::support::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningCase {
    token: String,
    body: String,
    headers: BTreeMap<String, String>,
}

#[test]
fn vectors_federation_signing() {
    run("federation_signing", |case: SigningCase| {
        let sent = forward::headers(&case.token, case.body.as_bytes());
        let sent = sent.map(|(name, value)| (name.to_owned(), value));
        let wanted = case.headers.into_iter();
        let wanted = wanted.map(|(name, value)| (name.to_ascii_lowercase(), value));
        assert_eq!(BTreeMap::from(sent), wanted.collect());
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeCase {
    scopes: Vec<String>,
    r#type: String,
    matches: bool,
}

#[test]
fn vectors_federation_scopes() {
    run("federation_scopes", |case: ScopeCase| {
        let scopes = TypeScopes::parse(case.scopes).unwrap();
        assert_eq!(scopes.match_type(&case.r#type), case.matches);
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InboundCase {
    instance_id: String,
    peer: InboundPeer,
    /// Sources and ids of what the team has.
    stored: Vec<(String, String)>,
    headers: HeaderMap,
    body: String,
    status: u16,
    #[serde(deserialize_with = "Option::deserialize")]
    answer: Option<Value>,
    #[serde(deserialize_with = "Option::deserialize")]
    event: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InboundPeer {
    inbound_token: String,
    status: PeerStatus,
    max_hops: u64,
    peer_instance_id: String,
}

#[tokio::test]
async fn vectors_federation_inbound() {
    let cases = cases::<InboundCase>("federation_inbound");
    let servers = servers(&cases, |case| &case.instance_id);
    run_live("federation_inbound", cases, |case| {
        let server = Arc::clone(&servers[&case.instance_id]);
        check_inbound(server, case)
    })
    .await;
}

/// A server for each instance id: it keeps one for good.
fn servers<C>(cases: &[Case<C>], id: impl Fn(&C) -> &String) -> HashMap<String, Arc<Server>> {
    let cases = cases.iter().filter_map(|(_, case)| case.as_ref().ok());
    let ids: BTreeSet<&String> = cases.map(id).collect();
    let start = |id: &String| {
        let server = Server::start_with(&["--instance-id", id]);
        (id.clone(), Arc::new(server))
    };
    ids.into_iter().map(start).collect()
}

async fn check_inbound(server: Arc<Server>, case: InboundCase) {
    let team = server.fresh_team("team of a peer");
    let peer = Peer::create_with(&server, &team, &case.peer.inbound_token, |new| {
        new.max_hops = case.peer.max_hops;
        new.instance_id = case.peer.peer_instance_id;
    })
    .await;
    peer.set_status(case.peer.status).await;
    for (source, id) in &case.stored {
        let event = json!({"id": id, "source": source, "type": "com.example.stored"});
        team.emit(&event).await.expect(202);
    }
    let mut request = team.bare(Method::POST, &peer.path());
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let answered = answer(request.body(case.body)).await;
    assert_eq!(answered.status, case.status, "{answered:#?}");
    if let Some(expected) = case.answer {
        compare(&expected, &answered.json).unwrap();
    }
    let log = team.log().await;
    let is_new = usize::from(case.status == 202);
    assert_eq!(log.len(), case.stored.len() + is_new, "what is stored");
    if let Some(expected) = case.event {
        compare(&expected, &log.last().unwrap()["event"]).unwrap();
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutboundCase {
    instance_id: String,
    peer: OutboundPeer,
    event: Value,
    forwards: bool,
    #[serde(deserialize_with = "Option::deserialize")]
    body: Option<Value>,
    #[serde(deserialize_with = "Option::deserialize")]
    absent: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutboundPeer {
    peer_instance_id: String,
    status: PeerStatus,
    scopes: Vec<String>,
    max_hops: u64,
}

#[tokio::test]
async fn vectors_federation_outbound() {
    let cases = cases::<OutboundCase>("federation_outbound");
    let servers = servers(&cases, |case| &case.instance_id);
    run_live("federation_outbound", cases, |case| {
        let server = Arc::clone(&servers[&case.instance_id]);
        check_outbound(server, case)
    })
    .await;
}

/// What is decided when the event is stored, and what is made of it then.
async fn check_outbound(server: Arc<Server>, case: OutboundCase) {
    let team = server.fresh_team("team of two peers");
    // Its events may come from anywhere: what comes from a peer keeps its provenance.
    let from = Peer::create_with(&server, &team, &fresh_token(), |new| new.max_hops = 16).await;
    let to = Peer::create_with(&server, &team, &fresh_token(), |new| {
        new.instance_id = case.peer.peer_instance_id;
        new.scopes = TypeScopes::parse(case.peer.scopes).unwrap();
        new.max_hops = case.peer.max_hops;
    })
    .await;
    to.set_status(case.peer.status).await;
    from.send(&case.event).await.expect(202);

    let all = OutboxFilter {
        peer_id: Some(to.record.id.clone()),
        limit: 10,
        ..OutboxFilter::default()
    };
    let rows = to.store.outbox(to.record.team.clone(), all).await.unwrap();
    assert_eq!(rows.len(), usize::from(case.forwards), "{rows:#?}");
    if !case.forwards {
        return;
    }
    let event = Event::parse(&case.event.to_string()).unwrap();
    let own_id = case.instance_id.parse().unwrap();
    let sent = Provenance::of(&event).unwrap().forward(&event, &own_id);
    let sent: Value = serde_json::from_str(&sent.to_text()).unwrap();
    if let Some(expected) = case.body {
        compare(&expected, &sent).unwrap();
    }
    for name in case.absent.unwrap_or_default() {
        assert!(sent.get(&name).is_none(), "`{name}` is in {sent}");
    }
}
