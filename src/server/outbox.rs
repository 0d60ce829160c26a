//! What is on its way to peers, what was tried, and dead letters: list, show, replay, discard (spec 14.1).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::call::{Admin, Call};
use super::error::{ApiError, json, json_text};
use super::path::Path;
use super::state::App;
use super::{events, peers, query};
use crate::base::clock::{rfc3339, unix_millis};
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{DeliveryRow, OutboxRow, OutboxStatus, Replayed};
use crate::protocol::forward::TypeScopes;
use crate::protocol::id::TeamId;
use crate::store::federation::{
    DeliveryEntry, DeliveryFilter, Letters, OutboxEntry, OutboxFilter, OutboxId,
};
use crate::store::record::Millis;

fn row(entry: OutboxEntry) -> OutboxRow {
    OutboxRow {
        id: entry.id.to_string(),
        peer_id: entry.id.peer_id,
        event_id: entry.event_id,
        event_type: entry.kind,
        status: entry.status,
        attempts: entry.attempts,
        next_attempt_at: entry.next_attempt_at.map(rfc3339),
        last_error: entry.last_error,
        created_at: rfc3339(entry.created_at),
    }
}

fn delivery(entry: DeliveryEntry) -> DeliveryRow {
    let outbox_id = entry.seq.map(|seq| OutboxId {
        peer_id: entry.peer_id.clone(),
        seq,
    });
    DeliveryRow {
        id: entry.id,
        outbox_id: outbox_id.map(|id| id.to_string()),
        peer_id: entry.peer_id,
        event_id: entry.event_id,
        attempt: entry.attempt,
        status_code: entry.status_code,
        error: entry.error,
        latency_ms: entry.latency_ms,
        created_at: rfc3339(entry.created_at),
    }
}

/// `GET /api/federation/outbox?status=&peer_id=&type=&event_id=&since=&before=&error=&limit=`. All but `status`, `peer_id`
/// and `limit` are this server's own: `type` is a pattern of types as in a peer's scopes, and may be repeated; `since` and
/// `before` are RFC 3339 times between which the event was stored; `error` is a part of the last error.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let filter = OutboxFilter {
        status: status(&call.parts)?,
        ..narrowed(&call.parts)?
    };
    list(&app, &call.key.team, filter).await
}

/// `GET /api/federation/dead-letters`: what narrows the outbox narrows them. With `after` they are not the newest first,
/// but those behind the letter of this id (`0`: behind none) in an order that replays and discards leave alone: so all of
/// them can be walked through.
pub(super) async fn get_dead(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let filter = OutboxFilter {
        status: Some(OutboxStatus::Dead),
        after: after(&call.parts)?,
        ..narrowed(&call.parts)?
    };
    list(&app, &call.key.team, filter).await
}

async fn list(app: &App, team: &TeamId, filter: OutboxFilter) -> Result<Response, ApiError> {
    let found = app.store.outbox(team.clone(), filter).await?;
    let rows: Vec<OutboxRow> = found.into_iter().map(row).collect();
    Ok(json(StatusCode::OK, &rows))
}

/// What narrows forwards of any status.
fn narrowed(parts: &Parts) -> Result<OutboxFilter, ApiError> {
    Ok(OutboxFilter {
        peer_id: query(parts, "peer_id").pop(),
        types: types(parts)?,
        event_id: query(parts, "event_id").pop(),
        since: time(parts, "since")?,
        before: time(parts, "before")?,
        error: query(parts, "error").pop(),
        limit: events::limit(parts)?,
        ..OutboxFilter::default()
    })
}

fn types(parts: &Parts) -> Result<Option<TypeScopes>, ApiError> {
    let patterns = query(parts, "type");
    if patterns.is_empty() {
        return Ok(None);
    }
    let types = TypeScopes::parse(patterns);
    let fault = |error| ApiError::bad_request(format!("`type`: {error}"));
    types.map(Some).map_err(fault)
}

fn time(parts: &Parts, name: &str) -> Result<Option<Millis>, ApiError> {
    let Some(text) = query(parts, name).pop() else {
        return Ok(None);
    };
    let fault = || ApiError::bad_request(format!("`{name}` must be an RFC 3339 time"));
    unix_millis(&text).map(Some).ok_or_else(fault)
}

/// The letter behind which a list begins.
fn after(parts: &Parts) -> Result<Option<OutboxId>, ApiError> {
    let before_all = OutboxId {
        peer_id: String::new(),
        seq: 0,
    };
    match query(parts, "after").pop().as_deref() {
        None => Ok(None),
        Some("0") => Ok(Some(before_all)),
        Some(id) => OutboxId::parse(id).map(Some).ok_or_else(|| {
            ApiError::bad_request("`after` must be the id of a dead letter, or 0 to begin")
        }),
    }
}

fn status(parts: &Parts) -> Result<Option<OutboxStatus>, ApiError> {
    let Some(word) = query(parts, "status").pop() else {
        return Ok(None);
    };
    OutboxStatus::of(&word).map(Some).ok_or_else(|| {
        let words = OutboxStatus::ALL.map(|status| format!("`{}`", status.word()));
        ApiError::bad_request(format!("`status` can be {}", words.join(", ")))
    })
}

/// `GET /api/federation/deliveries?peer_id=&event_id=&type=&since=&before=&status_code=&error=&limit=`. Those from `type` on,
/// `limit` aside, are this server's own; times are those of the attempts.
pub(super) async fn get_deliveries(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let parts = &call.parts;
    let filter = DeliveryFilter {
        peer_id: query(parts, "peer_id").pop(),
        event_id: query(parts, "event_id").pop(),
        types: types(parts)?,
        since: time(parts, "since")?,
        before: time(parts, "before")?,
        status_code: status_code(parts)?,
        error: query(parts, "error").pop(),
        limit: events::limit(parts)?,
    };
    let found = app.store.deliveries(call.key.team.clone(), filter).await?;
    let rows: Vec<DeliveryRow> = found.into_iter().map(delivery).collect();
    Ok(json(StatusCode::OK, &rows))
}

fn status_code(parts: &Parts) -> Result<Option<u16>, ApiError> {
    let Some(text) = query(parts, "status_code").pop() else {
        return Ok(None);
    };
    let fault = |_| ApiError::bad_request("`status_code` must be an HTTP status such as 503");
    text.parse().map(Some).map_err(fault)
}

/// The dead letter of a team that a text names, with its event.
pub(super) async fn letter(
    app: &App,
    team: &TeamId,
    id: &str,
) -> Result<(OutboxId, OutboxEntry, String), ApiError> {
    let missing = || ApiError::not_found(format!("there is no dead letter `{id}`"));
    let outbox_id = OutboxId::parse(id).ok_or_else(missing)?;
    let found = app
        .store
        .dead_letter(team.clone(), outbox_id.clone())
        .await?;
    let (entry, event) = found.ok_or_else(missing)?;
    Ok((outbox_id, entry, event))
}

/// `GET /api/federation/dead-letters/{id}`: the row, and its event as it is stored.
pub(super) async fn get_letter(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let (_, entry, event) = letter(&app, &call.key.team, &id).await?;
    // A row is a plain value: it always serialises, as an object.
    let text = serde_json::to_string(&row(entry)).unwrap_or_default();
    let members = text.strip_suffix('}').unwrap_or(&text);
    let event = match event.is_empty() {
        true => "null",
        false => &event,
    };
    Ok(json_text(
        StatusCode::OK,
        format!("{members},\"event\":{event}}}"),
    ))
}

/// `POST /api/federation/dead-letters/{id}/replay`.
pub(super) async fn post_letter_replay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let team = &call.key.team;
    let (id, entry, _) = letter(&app, team, &id).await?;
    let now = app.clock.unix_millis();
    let peer_id = id.peer_id.clone();
    let replayed = app
        .store
        .replay(team.clone(), Letters::One(id), now)
        .await?;
    if replayed == 0 {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::Conflict,
            "the peer is revoked or removed, or the letter was replayed at the same moment: nothing goes to a peer \
             that is not active or paused",
        ));
    }
    wake(&app, team, Some(&peer_id)).await?;
    let entry = OutboxEntry {
        status: OutboxStatus::Pending,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
        created_at: now,
        ..entry
    };
    Ok(json(StatusCode::OK, &row(entry)))
}

/// `POST /api/federation/dead-letters/replay`: all of the team's, or those to one peer. The body may be left out.
pub(super) async fn post_replay(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let peer_id = peers::named(&call.body(&app).await?)?;
    let team = &call.key.team;
    if let Some(id) = &peer_id {
        peers::find(&app, team, id).await?;
    }
    let letters = peer_id.clone().map_or(Letters::All, Letters::Peer);
    let now = app.clock.unix_millis();
    let replayed = app.store.replay(team.clone(), letters, now).await?;
    wake(&app, team, peer_id.as_deref()).await?;
    Ok(json(StatusCode::OK, &Replayed { replayed }))
}

/// Tells federation at once that there is something for the peers of a team, or for one of them.
pub(super) async fn wake(app: &App, team: &TeamId, peer_id: Option<&str>) -> Result<(), ApiError> {
    let peers = app.store.peers(team.clone()).await?;
    let meant = |id: &str| peer_id.is_none_or(|wanted| wanted == id);
    let meant = peers.iter().filter(|peer| meant(&peer.id));
    let numbers: Vec<_> = meant.map(|peer| peer.number).collect();
    app.log.forwards().note(&numbers);
    Ok(())
}

/// `DELETE /api/federation/dead-letters/{id}`.
pub(super) async fn delete_letter(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let team = &call.key.team;
    let missing = || ApiError::not_found(format!("there is no dead letter `{id}`"));
    let outbox_id = OutboxId::parse(&id).ok_or_else(missing)?;
    let now = app.clock.unix_millis();
    let discarded = app.store.discard(team.clone(), outbox_id, now).await?;
    Ok(json(StatusCode::OK, &row(discarded.ok_or_else(missing)?)))
}
