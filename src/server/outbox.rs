//! What is on its way to peers, what was tried, and dead letters: list, show, replay, discard (spec 14.1).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;

use super::call::{Admin, Call};
use super::error::{ApiError, json, json_text};
use super::path::Path;
use super::state::App;
use super::{body, events, peers, query};
use crate::base::clock::rfc3339;
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{DeliveryRow, OutboxRow, OutboxStatus, Replayed};
use crate::protocol::id::TeamId;
use crate::store::federation::{
    DeliveryEntry, DeliveryFilter, Letters, OutboxEntry, OutboxFilter, OutboxId,
};

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

/// `GET /api/federation/outbox`.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let status = status(&call.parts)?;
    list(&app, &call.key.team, &call.parts, status).await
}

/// `GET /api/federation/dead-letters`.
pub(super) async fn get_dead(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    list(&app, &call.key.team, &call.parts, Some(OutboxStatus::Dead)).await
}

async fn list(
    app: &App,
    team: &TeamId,
    parts: &Parts,
    status: Option<OutboxStatus>,
) -> Result<Response, ApiError> {
    let filter = OutboxFilter {
        status,
        peer_id: query(parts, "peer_id").pop(),
        limit: events::limit(parts)?,
    };
    let found = app.store.outbox(team.clone(), filter).await?;
    let rows: Vec<OutboxRow> = found.into_iter().map(row).collect();
    Ok(json(StatusCode::OK, &rows))
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

/// `GET /api/federation/deliveries`.
pub(super) async fn get_deliveries(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let filter = DeliveryFilter {
        peer_id: query(&call.parts, "peer_id").pop(),
        event_id: query(&call.parts, "event_id").pop(),
        limit: events::limit(&call.parts)?,
    };
    let found = app.store.deliveries(call.key.team.clone(), filter).await?;
    let rows: Vec<DeliveryRow> = found.into_iter().map(delivery).collect();
    Ok(json(StatusCode::OK, &rows))
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
    #[derive(Default, Deserialize)]
    struct Which {
        peer_id: Option<String>,
    }
    let sent = call.body(&app).await?;
    let Which { peer_id } = match sent.trim_ascii().is_empty() {
        true => Which::default(),
        false => body::parse(&sent)?,
    };
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
