//! What is on its way to peers, what was tried, and dead letters: list, show, replay, discard (spec 14.1).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::call::{Admin, Call};
use super::description::{Operation, Routes, described};
use super::error::{ApiError, json, json_text};
use super::path::Path;
use super::state::App;
use super::{events, peers, query};
use crate::base::clock::{rfc3339, unix_millis};
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{DeliveryRow, OutboxRow, OutboxStatus, Replayed};
use crate::protocol::forward::{TYPE_SCOPES_MAX, TypeScopes};
use crate::protocol::id::TeamId;
use crate::protocol::permission::Permission;
use crate::protocol::schema::{AfterLetter, CloudEvent, Limit, Time, TypePattern};
use crate::store::federation::{
    DeliveryEntry, DeliveryFilter, Letters, OutboxEntry, OutboxFilter, OutboxId,
};
use crate::store::record::Millis;

/// What is served of it.
pub(super) fn routes() -> Routes {
    let under = |operation: Operation| operation.under("forwarding").needs(Permission::Admin);
    let one = |operation: Operation| {
        under(operation)
            .part::<String>("id", "The letter's id.")
            .refuses(StatusCode::NOT_FOUND, "The team has no such dead letter.")
    };
    let rows = "Newest first.";
    let outbox = narrowing(under(Operation::get(
        "/api/federation/outbox",
        "list_outbox",
        "What goes to peers, and what became of it.",
    )))
    .query::<OutboxStatus>("status", "Only what stands like this.")
    .gives::<Vec<OutboxRow>>(StatusCode::OK, rows);
    let deliveries = narrowing(under(Operation::get(
        "/api/federation/deliveries",
        "list_deliveries",
        "The attempts at what goes to peers.",
    )))
    .query::<u16>("status_code", "Only where the peer answered with this.")
    .gives::<Vec<DeliveryRow>>(StatusCode::OK, rows);
    let dead = narrowing(under(Operation::get(
        LETTERS,
        "list_dead_letters",
        "What peers refused for good, or did not take in time.",
    )))
    .query::<AfterLetter>(
        "after",
        "Only those behind the letter of this id, in an order that replays leave alone; `0` to begin.",
    )
    .gives::<Vec<OutboxRow>>(StatusCode::OK, "Newest first, unless `after` is given.");
    let replay_all = under(Operation::post(
        "/api/federation/dead-letters/replay",
        "replay_dead_letters",
        "Sends all dead letters again, or those to one peer.",
    ))
    .takes::<peers::Which>()
    .or_nothing()
    .gives::<Replayed>(StatusCode::OK, "How many are due again.")
    .refuses(StatusCode::NOT_FOUND, "The team has no such peer.");
    let show = one(Operation::get(
        LETTER,
        "get_dead_letter",
        "A dead letter with its event.",
    ))
    .gives_as(StatusCode::OK, "The letter.", dead_letter);
    let discard = one(Operation::delete(
        LETTER,
        "discard_dead_letter",
        "Drops a dead letter.",
    ))
    .gives::<OutboxRow>(StatusCode::OK, "What it was.");
    let replay = one(Operation::post(
        "/api/federation/dead-letters/{id}/replay",
        "replay_dead_letter",
        "Sends a dead letter again.",
    ))
    .gives::<OutboxRow>(StatusCode::OK, "It is due again.")
    .refuses(
        StatusCode::CONFLICT,
        "Its peer is gone, or it was replayed at the same moment.",
    );
    Routes::new()
        .add(outbox, get_all)
        .add(deliveries, get_deliveries)
        .add(dead, get_dead)
        .add(replay_all, post_replay)
        .add(show, get_letter)
        .add(discard, delete_letter)
        .add(replay, post_letter_replay)
}

const LETTERS: &str = "/api/federation/dead-letters";
const LETTER: &str = "/api/federation/dead-letters/{id}";

/// What narrows a list of what goes to peers.
fn narrowing(operation: Operation) -> Operation {
    operation
        .query::<String>("peer_id", "Only to the peer with this id.")
        .query::<String>("event_id", "Only of the event with this id.")
        .queries::<TypePattern>(
            "type",
            "Only of events with a type like this, as in a peer's scopes.",
            TYPE_SCOPES_MAX,
        )
        .query::<Time>("since", "Only from this time on.")
        .query::<Time>("before", "Only before this time.")
        .query::<String>("error", "Only where the last error has this in it.")
        .query::<Limit>("limit", events::LIMIT)
}

/// A row and its event: null where retention took that.
fn dead_letter(generator: &mut SchemaGenerator) -> Schema {
    let event = described::<Option<CloudEvent>>(generator);
    let mut schema = OutboxRow::json_schema(generator);
    schema.insert("title".to_owned(), "DeadLetter".into());
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.push("event".into());
    }
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.insert("event".to_owned(), event.to_value());
    }
    schema
}

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
