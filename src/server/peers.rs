//! Peers: list, make, show, change, remove, test, and how they do (spec 14.1). All of it is for admin keys.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::{Admin, Call};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::path::Path;
use super::peer_body::{NewPeerWish, PeerWish, hashed};
use super::state::App;
use super::{body, endpoints};
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{
    Peer, PeerChange, PeerCreated, PeerDraft, PeerHealth, PeerKind, PeerStatus, PeerTest,
};
use crate::protocol::id::TeamId;
use crate::protocol::identity::fingerprint;
use crate::protocol::permission::Permission;
use crate::store::federation::{NewPeer, PEERS_MAX, PeerRecord, PeerStanding, PeerUpdate};
use crate::store::record::Millis;

/// The source of what peers send: the last part of the address of their hook.
pub(super) const KITE: &str = "kite";

/// What is served of them.
pub(super) fn routes() -> Routes {
    let under = |operation: Operation| operation.under("peers").needs(Permission::Admin);
    let one = |operation: Operation| {
        under(operation)
            .part::<String>("id", "The peer's id.")
            .refuses(StatusCode::NOT_FOUND, NONE)
    };
    let health = under(Operation::get(
        "/api/federation/status",
        "get_federation_status",
        "How each of the team's peers does.",
    ))
    .gives::<Vec<PeerHealth>>(StatusCode::OK, "The peers by name.");
    let list = under(Operation::get(PEERS, "list_peers", "The team's peers."))
        .gives::<Vec<Peer>>(StatusCode::OK, "The peers, without their tokens.");
    let create = under(Operation::post(
        PEERS,
        "create_peer",
        "Makes another instance a peer.",
    ))
    .takes::<PeerDraft>()
    .gives::<PeerCreated>(
        StatusCode::CREATED,
        "The peer, and the tokens that were made for it, shown this once.",
    )
    .refuses(
        StatusCode::CONFLICT,
        "Another peer goes by that name or id.",
    )
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The team has as many peers as it may.",
    );
    let show =
        one(Operation::get(PEER, "get_peer", "One peer.")).gives::<Peer>(StatusCode::OK, "It.");
    let change = one(Operation::patch(PEER, "change_peer", "Changes a peer."))
        .takes::<PeerChange>()
        .gives::<Peer>(StatusCode::OK, "What it is now.")
        .refuses(
            StatusCode::CONFLICT,
            "Another peer goes by that name, or this one is not for anybody to change.",
        );
    let remove = one(Operation::delete(PEER, "remove_peer", "Removes a peer."))
        .gives::<Peer>(
            StatusCode::OK,
            "What it was. What waited for it is cancelled.",
        )
        .refuses(StatusCode::CONFLICT, "It is not for anybody to remove.");
    let test = one(Operation::post(
        "/api/federation/peers/{id}/test",
        "test_peer",
        "Posts an event to a peer that it does not keep.",
    ))
    .gives::<PeerTest>(StatusCode::OK, "What came of it, good or bad.")
    .refuses(
        StatusCode::CONFLICT,
        "It is revoked, or of a kind that cannot be tried.",
    );
    Routes::new()
        .add(health, status)
        .add(list, get_all)
        .add(create, post)
        .add(show, get)
        .add(change, patch)
        .add(remove, delete)
        .add(test, self::test)
}

const PEERS: &str = "/api/federation/peers";
const PEER: &str = "/api/federation/peers/{id}";

/// What is said of an id that names no peer.
const NONE: &str = "The team has no such peer.";

/// A peer as it is shown. Its tokens are never among it.
pub(super) fn shown(peer: PeerRecord) -> Peer {
    Peer {
        id: peer.id,
        name: peer.name,
        peer_instance_id: peer.instance_id,
        status: peer.status,
        peer_hook_url: peer.hook_url,
        scopes: peer.scopes.patterns().to_vec(),
        max_hops: peer.max_hops,
        rate_limit_per_sec: peer.rate_limit_per_sec,
        created_at: rfc3339(peer.created_at),
        updated_at: rfc3339(peer.updated_at),
        kind: peer.kind,
        identity: peer.identity_key.as_ref().map(fingerprint),
        discovery: peer.discovery,
    }
}

/// The peer of a team with this id.
pub(super) async fn find(app: &App, team: &TeamId, id: &str) -> Result<PeerRecord, ApiError> {
    let missing = || ApiError::not_found(format!("there is no peer `{id}`"));
    // PostgreSQL cannot be asked for a null character, which a body can hold.
    if id.contains('\0') {
        return Err(missing());
    }
    let found = app.store.find_peer(team.clone(), id.to_owned()).await?;
    found.ok_or_else(missing)
}

/// A body that may name a peer.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Which {
    /// The id of the one peer that is meant; all are where there is none.
    peer_id: Option<String>,
}

/// The id of the peer that a body names (`peer_id`), where it is about one alone. The body may be left out.
pub(super) fn named(sent: &[u8]) -> Result<Option<String>, ApiError> {
    match sent.trim_ascii().is_empty() {
        true => Ok(None),
        false => Ok(body::parse::<Which>(sent)?.peer_id),
    }
}

/// `GET /api/federation/peers`.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let peers = app.store.peers(call.key.team.clone()).await?;
    let peers: Vec<Peer> = peers.into_iter().map(shown).collect();
    Ok(json(StatusCode::OK, &peers))
}

/// `POST /api/federation/peers`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let wish = NewPeerWish::read(&call.body(&app).await?, &app)?;
    let team = &call.key.team;
    let peers = app.store.peers(team.clone()).await?;
    let instances = peers.iter().filter(|peer| peer.kind == PeerKind::Kite);
    if instances.count() >= PEERS_MAX {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Unprocessable,
            format!("the team has {PEERS_MAX} peers, which is the most there can be"),
        ));
    }
    let id = random::uuid7();
    let place = PeerRecord::place(&id);
    let (outbound_token, inbound_token) = (wish.outbound.shown(), wish.inbound.shown());
    let peer = NewPeer {
        outbound_token: app.sealer.seal(&place, wish.outbound.token.reveal())?,
        inbound: hashed(&app, wish.inbound.token).await?,
        id,
        team: team.clone(),
        name: wish.name,
        instance_id: wish.instance_id,
        hook_url: wish.hook_url,
        scopes: wish.scopes,
        max_hops: wish.max_hops,
        rate_limit_per_sec: wish.rate_limit_per_sec,
        identity_key: None,
        kind: PeerKind::Kite,
        discovery: wish.discovery,
        now: app.clock.unix_millis(),
    };
    let peer = app.store.create_peer(peer).await?;
    app.federation.changed(peer.number);
    let created = PeerCreated {
        peer: shown(peer),
        outbound_token,
        inbound_token,
        own_instance_id: Some(app.instance_id.clone()),
        own_endpoint: Some(endpoints::path_of(team, KITE)),
    };
    Ok(json(StatusCode::CREATED, &created))
}

/// `GET /api/federation/peers/{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let peer = find(&app, &call.key.team, &id).await?;
    Ok(json(StatusCode::OK, &shown(peer)))
}

/// `PATCH /api/federation/peers/{id}`.
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let wish = PeerWish::read(&call.body(&app).await?, &app)?;
    // Of a peer that is not there no token is hashed.
    let known = find(&app, &call.key.team, &id).await?;
    let is_settled = known.status == PeerStatus::Revoked || !wish.is_of_pace_alone();
    if known.kind == PeerKind::Paperclip && is_settled {
        return Err(set_by_settings(&known));
    }
    if known.kind == PeerKind::OpenIntent && !wish.is_of_pace_alone() {
        return Err(made_by_itself(&known));
    }
    let place = PeerRecord::place(&known.id);
    let seal = |token: &str| app.sealer.seal(&place, token);
    let outbound = wish
        .outbound
        .map(|token| seal(token.reveal()))
        .transpose()?;
    let inbound = match wish.inbound {
        Some(token) => Some(hashed(&app, token).await?),
        None => None,
    };
    let overlap = Millis::try_from(wish.overlap_secs * 1000).unwrap_or(Millis::MAX);
    let until = app.clock.unix_millis().saturating_add(overlap);
    let update = PeerUpdate {
        name: wish.name,
        status: wish.status,
        hook_url: wish.hook_url,
        scopes: wish.scopes,
        max_hops: wish.max_hops,
        rate_limit_per_sec: wish.rate_limit_per_sec,
        outbound_token: outbound,
        inbound: inbound.map(|token| (token, until)),
        discovery: wish.discovery,
    };
    change(&app, &call.key.team, id, update).await
}

/// `DELETE /api/federation/peers/{id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let known = find(&app, &call.key.team, &id).await?;
    // Once the settings have no Paperclip any more, its peer is of no use.
    if known.kind == PeerKind::Paperclip && known.status != PeerStatus::Revoked {
        return Err(set_by_settings(&known));
    }
    if known.kind == PeerKind::OpenIntent {
        return Err(made_by_itself(&known));
    }
    let update = PeerUpdate {
        status: Some(PeerStatus::Deleted),
        ..PeerUpdate::default()
    };
    change(&app, &call.key.team, id, update).await
}

/// What is said to whoever changes of Paperclip what is not theirs.
fn set_by_settings(peer: &PeerRecord) -> ApiError {
    let why = match peer.status {
        PeerStatus::Revoked => "which name no Paperclip",
        _ => "nothing but its pace can be changed, and whether it is paused",
    };
    let text = format!(
        "the peer `{}` is set by the server's settings (`KITE_PAPERCLIP_API_URL`): {why}",
        peer.name
    );
    ApiError::new(StatusCode::CONFLICT, ErrorCode::Conflict, text)
}

/// What is said to whoever changes a server of OpenIntent as if somebody had made it a peer.
fn made_by_itself(peer: &PeerRecord) -> ApiError {
    let text = format!(
        "the peer `{}` stands for a server of OpenIntent, and comes and goes by itself: nothing but its pace can be \
         changed, and whether it is paused; `kite openintent trust` says whom this server trusts",
        peer.name
    );
    ApiError::new(StatusCode::CONFLICT, ErrorCode::Conflict, text)
}

async fn change(
    app: &App,
    team: &TeamId,
    id: String,
    change: PeerUpdate,
) -> Result<Response, ApiError> {
    let peer = update(app, team, id, change).await?;
    Ok(json(StatusCode::OK, &shown(peer)))
}

/// Changes a peer and lets nothing go out any more that it should not get.
pub(super) async fn update(
    app: &App,
    team: &TeamId,
    id: String,
    update: PeerUpdate,
) -> Result<PeerRecord, ApiError> {
    let now = app.clock.unix_millis();
    // What failed on the old way says nothing of the new one.
    let is_new_way = update.hook_url.is_some()
        || update.outbound_token.is_some()
        || update.status == Some(PeerStatus::Active);
    let peer = app.store.update_peer(team.clone(), id, update, now).await?;
    app.federation.changed(peer.number);
    if is_new_way {
        app.federation.wake(peer.number).await?;
    }
    if matches!(peer.status, PeerStatus::Revoked | PeerStatus::Deleted) {
        app.federation.cancel_rows().await?;
    }
    Ok(peer)
}

/// `POST /api/federation/peers/{id}/test`.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let peer = find(&app, &call.key.team, &id).await?;
    if peer.status == PeerStatus::Revoked {
        let text = format!("the peer `{}` is revoked: nothing is sent to it", peer.name);
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::Conflict,
            text,
        ));
    }
    if peer.kind == PeerKind::Paperclip {
        let text = format!(
            "the peer `{}` cannot be tested without a message to one of its agents: send one, and ask how the peer does",
            peer.name
        );
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::Conflict,
            text,
        ));
    }
    if peer.kind == PeerKind::OpenIntent {
        let text = format!(
            "the peer `{}` is a server of OpenIntent: `kite openintent discover {}` asks whether it is there",
            peer.name, peer.hook_url
        );
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::Conflict,
            text,
        ));
    }
    let outcome = app.federation.test(&peer).await?;
    Ok(json(StatusCode::OK, &outcome))
}

/// `GET /api/federation/status`: how each of the team's peers does.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let team = Some(call.key.team.clone());
    let standings = app.store.peer_standings(team).await?;
    let now = app.clock.unix_millis();
    let health: Vec<PeerHealth> = standings
        .into_iter()
        .map(|standing| health(standing, now))
        .collect();
    Ok(json(StatusCode::OK, &health))
}

// Where nothing waits, nothing is tried, whatever the last failure had to wait for.
fn health(standing: PeerStanding, now: Millis) -> PeerHealth {
    let state = standing.state;
    PeerHealth {
        peer: standing.peer.name,
        peer_id: standing.peer.id,
        status: standing.peer.status,
        backlog: standing.backlog,
        oldest_secs: standing.oldest_at.map(|oldest| secs_since(oldest, now)),
        dead_letters: standing.dead,
        last_success_at: state.last_success_at.map(rfc3339),
        failures: state.failures,
        last_error: state.last_error,
        latency_ms: state.latency_ms,
        next_attempt_at: state.retry_at.filter(|_| standing.backlog > 0).map(rfc3339),
    }
}

/// How many whole seconds a time is past.
pub(super) fn secs_since(time: Millis, now: Millis) -> u64 {
    u64::try_from(now.saturating_sub(time)).unwrap_or(0) / 1000
}
