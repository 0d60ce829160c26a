//! What is shown of this server: its manifest and DID document to anybody, counts and agents to who may ask (spec 13.2 to
//! 13.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::description::Operation;
use super::super::state::App;
use super::answer::{Answer, refusal};
use super::caller::team_of;
use crate::federation::openintent::{OpenIntent, TeamTrust};
use crate::openintent::did;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::schema::{
    agents as agents_shape, did_document as did_document_shape,
};
use crate::openintent::model::{FederatedAgent, FederationManifest, FederationStatus, TrustPolicy};
use crate::openintent::trust::normalize;
use crate::protocol::id::TeamId;
use crate::protocol::permission::Permission;

/// What is said of the manifest.
pub(super) fn manifest_described() -> Operation {
    Operation::get(
        "/openintent-federation.json",
        "get_openintent_manifest",
        "What this server says of itself to those who want to federate with it.",
    )
    .under("openintent")
    .gives::<FederationManifest>(StatusCode::OK, "The manifest.")
    .refuses_as(refusal)
    .refuses(StatusCode::NOT_FOUND, OFF)
}

/// What is said of the DID document.
pub(super) fn did_document_described() -> Operation {
    Operation::get(
        "/did.json",
        "get_did_document",
        "The keys of this server, as did:web has it.",
    )
    .under("openintent")
    .gives_as(StatusCode::OK, "The DID document.", did_document_shape)
    .refuses_as(refusal)
    .refuses(StatusCode::NOT_FOUND, OFF)
}

/// What is said of the status.
pub(super) fn status_described() -> Operation {
    for_a_team(
        "/status",
        "get_openintent_status",
        "How this server stands.",
    )
    .gives::<FederationStatus>(StatusCode::OK, "Whether it federates, and what it counts.")
    .refuses_as(refusal)
}

/// What is said of the agents.
pub(super) fn agents_described() -> Operation {
    for_a_team(
        "/agents",
        "list_openintent_agents",
        "The agents of the team that the caller may see.",
    )
    .gives_as(StatusCode::OK, "The agents by id.", agents_shape)
    .refuses_as(refusal)
}

/// What a team's key or a server that it trusts may ask.
fn for_a_team(path: &str, id: &'static str, about: &'static str) -> Operation {
    Operation::get(path, id, about)
        .under("openintent")
        .shown("openintent_key")
        .shown("message_signature")
        .allowing(Permission::Read)
        .header::<String>("X-Source-Server", "The URL of the server that asks.")
}

/// Why there may be nothing to show.
const OFF: &str = "OpenIntent is off on this server.";

/// `GET /.well-known/openintent-federation.json`.
pub(super) async fn manifest(State(app): State<Arc<App>>) -> Result<Response, Answer> {
    let node = public(&app)?;
    let (keys, now) = (node.ring.keys(), app.clock.unix_millis());
    let settings = &node.settings;
    let peers = settings.peers.iter().filter(|_| settings.show_peers);
    let mut manifest = FederationManifest::new(node.did(), node.server_url());
    manifest.trust_policy = settings.trust_policy;
    manifest.visibility_default = settings.visibility_default;
    manifest.peers = peers.map(|peer| peer.url.given().to_owned()).collect();
    manifest.public_key = Some(STANDARD.encode(keys.signing(now).key.public()));
    let callback = manifest.endpoint("callback");
    manifest.endpoints.insert("callback".to_owned(), callback);
    Ok(Answer::ok(&manifest.to_json()))
}

/// `GET /.well-known/did.json`.
pub(super) async fn did_document(State(app): State<Arc<App>>) -> Result<Response, Answer> {
    let node = public(&app)?;
    let keys = node.ring.keys().published(app.clock.unix_millis());
    let document = did::did_document(node.did(), node.server_url(), &keys);
    Ok(Answer::ok(&document))
}

fn public(app: &App) -> Result<&Arc<OpenIntent>, Answer> {
    let off = || Answer::not_found("Federation not enabled");
    app.openintent.as_ref().ok_or_else(off)
}

/// `GET /api/v1/federation/status`.
pub(super) async fn status(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Answer> {
    let team = team_of(&app, &parts).await?;
    let mut status = FederationStatus {
        enabled: false,
        server_did: None,
        trust_policy: TrustPolicy::Allowlist,
        peer_count: 0,
        active_dispatches: 0,
        total_dispatches: 0,
        total_received: 0,
    };
    if let Some(node) = &app.openintent {
        let trust = app.trust.of(&team).await?;
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let counts = app.store.exchange_counts(team).await?;
        status = FederationStatus {
            enabled: true,
            server_did: Some(node.did().to_owned()),
            trust_policy: trust.policy,
            peer_count: i64::try_from(trust.servers.len()).unwrap_or(i64::MAX),
            active_dispatches: count(counts.active_dispatches),
            total_dispatches: count(counts.total_dispatches),
            total_received: count(counts.total_received),
        };
    }
    Ok(Answer::ok(&status.to_json()))
}

/// `GET /api/v1/federation/agents`.
pub(super) async fn agents(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Answer> {
    let team = team_of(&app, &parts).await?;
    let agents = match &app.openintent {
        None => Vec::new(),
        Some(node) => {
            let trust = node.trust.of(&team).await?;
            let source = parts.headers.get("x-source-server");
            let source = source.and_then(|it| it.to_str().ok()).unwrap_or_default();
            let is_known = trust.is_listed(&normalize(source));
            let shown = visible(&app, node, &trust, &team, is_known).await?;
            shown.iter().map(FederatedAgent::to_json).collect()
        }
    };
    let body = Object::from([("agents".to_owned(), Json::Array(agents))]);
    Ok(Answer::ok(&Json::Object(body)))
}

/// The agents of a team that a caller may see, by id: those that registered, and those of the configuration.
async fn visible(
    app: &App,
    node: &OpenIntent,
    trust: &TeamTrust,
    team: &TeamId,
    is_known: bool,
) -> Result<Vec<FederatedAgent>, Answer> {
    let mut agents = BTreeMap::new();
    let registered = app.store.agents(team.clone()).await?;
    let default = node.settings.visibility_default;
    for agent in registered {
        agents.insert(agent.id.to_string(), (default, Vec::new()));
    }
    for agent in &trust.agents {
        let visibility = agent.visibility;
        let value = (visibility, agent.capabilities.clone());
        agents.insert(agent.id.to_string(), value);
    }
    let agents = agents.into_iter();
    let shown = agents.filter(|(_, (visibility, _))| visibility.is_listed_for(is_known));
    let agent = |(agent_id, (visibility, capabilities))| FederatedAgent {
        agent_id,
        server_url: node.server_url().to_owned(),
        capabilities,
        visibility,
        server_did: Some(node.did().to_owned()),
        status: "active".to_owned(),
    };
    Ok(shown.map(agent).collect())
}
