//! `POST` and `GET /api/v1/events`: CloudEvents in with a key, the log out (spec 7.3, 11).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::call::{Call, Read, Write};
use super::description::{Operation, Routes, cloud_event, cloud_events};
use super::door::{Door, header_lines};
use super::error::{ApiError, json_text};
use super::limit::Sender;
use super::path::Path;
use super::{query, state::App};
use crate::base::clock::rfc3339;
use crate::protocol::api::{EventAnswer, EventsPage, ListedEvent};
use crate::protocol::event::{Event, with_seq};
use crate::protocol::id::{Seq, SourceSlug, TeamId};
use crate::protocol::permission::Permission;
use crate::protocol::rpc::Published;
use crate::protocol::schema::{Limit, ScopeText, Time};
use crate::protocol::scope::{Filter, MAX_SCOPES, Scopes};
use crate::store::record::{StoredEvent, Stretch};
use crate::webhook::cloudevents::{Mode, recognise};

/// How many events a listing has when the call does not say.
pub(super) const LIMIT_DEFAULT: usize = 100;

/// How many it has at most; more is cut to this (spec 6).
pub(super) const LIMIT_MAX: usize = 1000;

/// What is said of how many there are to be.
pub(super) const LIMIT: &str =
    "How many; 100 when absent, and 1000 at most, however many are asked for.";

/// The slug of events that came with a key instead of through an endpoint.
pub(super) const API_SOURCE: &str = "api";

/// What is served of them.
pub(super) fn routes() -> Routes {
    let publish = Operation::post(
        "/api/v1/events",
        "publish_events",
        "Stores a CloudEvent, or a batch of them.",
    )
    .under("events")
    .needs(Permission::Write)
    .query::<SourceSlug>("source", "The events' `kitesource`; `api` when absent.")
    .takes_as("application/cloudevents+json", cloud_event)
    .takes_as("application/cloudevents-batch+json", cloud_events)
    .takes_as("application/json", cloud_event)
    .gives::<EventAnswer>(StatusCode::OK, "It was stored before.")
    .gives::<EventAnswer>(StatusCode::ACCEPTED, "It is stored.")
    .gives::<Published>(
        StatusCode::ACCEPTED,
        "Of a batch, what became of each event.",
    )
    .refuses(StatusCode::NOT_FOUND, "The team is gone.")
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.");
    let list = Operation::get(
        "/api/v1/events",
        "list_events",
        "The log: newest first, or ascending behind `after_seq` or `since`.",
    )
    .under("events")
    .needs(Permission::Read)
    .query::<Limit>("limit", LIMIT)
    .query::<Seq>("after_seq", "Only what came after this.")
    .query::<Time>(
        "since",
        "Only what was stored at or after this time; not with `after_seq`.",
    )
    .queries::<ScopeText>(
        "scope",
        "Only what one of these scopes matches: `*`, `source:x`, `type:x`, `agent_to:x`.",
        MAX_SCOPES,
    )
    .gives::<EventsPage>(StatusCode::OK, "A page of the log.");
    let get = Operation::get("/api/v1/events/{id}", "get_event", "One event.")
        .under("events")
        .needs(Permission::Read)
        .part::<String>("id", "The event's id.")
        .gives::<ListedEvent>(StatusCode::OK, "The newest event of that id.")
        .refuses(StatusCode::NOT_FOUND, "The key sees no such event.");
    Routes::new()
        .add(publish, post)
        .add(list, self::list)
        .add(get, show)
}

/// `POST /api/v1/events`: stores a CloudEvent, or a batch of them.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let source = match query(&call.parts, "source").pop() {
        Some(source) => SourceSlug::parse(&source)?,
        None => SourceSlug::parse(API_SOURCE)?,
    };
    let sent = call.body(&app).await?;
    let now = app.clock.unix_millis();
    let key = &call.key;
    let sender = Sender::of(&call.parts, &key.team, Some(&key.prefix));
    app.rates.admit(&sender, 1, now)?;
    let mode = match recognise(header_lines(&call.parts.headers))? {
        Mode::None(media_type) if media_type == "application/json" => Mode::Structured,
        mode => mode,
    };
    let door = Door {
        team: key.team.clone(),
        source: &source,
        is_verified: false,
        hook_token: None,
        original_headers: None,
    };
    door.take(&app, &sender, mode, &sent).await
}

/// `GET /api/v1/events/{id}`: one event; the newest, where senders chose the same id twice.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let key = call.key;
    let found = app.store.find_events(key.team.clone(), id.clone()).await?;
    let visible = |event: &StoredEvent| {
        let event = Event::parse(&event.text);
        event.is_ok_and(|event| key.scopes.match_any(&event.header()))
    };
    let event = found.into_iter().find(visible).ok_or_else(|| {
        let id: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
        ApiError::not_found(format!("there is no event `{id}`"))
    })?;
    let mut text = String::new();
    push_event(&mut text, &event);
    Ok(json_text(StatusCode::OK, text))
}

/// `GET /api/v1/events`: newest first, or ascending behind `after_seq` or `since`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let Call { key, parts, .. } = call;
    let scopes = query(&parts, "scope");
    let filter = Arc::new(Filter {
        requested: if scopes.is_empty() {
            Scopes::all()
        } else {
            Scopes::parse(&scopes)?
        },
        allowed: key.scopes.clone(),
    });
    let limit = limit(&parts)?;
    let bounds = app.log.bounds(&key.team).await?;
    let after = after(&app, &parts, &key.team).await?;
    let (events, next) = match after {
        Some(after) => {
            let stretch = Stretch {
                team: key.team.clone(),
                after: after.max(bounds.pruned),
                through: bounds.last,
                filter,
                max_events: limit,
            };
            let page = app.log.read(stretch).await?;
            (page.events, Some(page.scanned_to))
        }
        None => (app.log.recent(&key.team, filter, limit).await?, None),
    };
    let mut text = String::from("{");
    push_events(&mut text, &events);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        ",\"oldest_available_seq\":{},\"last_seq\":{}",
        bounds.pruned + 1,
        bounds.last
    );
    if let Some(next) = next {
        let _ = write!(text, ",\"next_after_seq\":{next}");
    }
    text.push('}');
    Ok(json_text(StatusCode::OK, text))
}

/// The member `events` of a listing. Written straight from the stored texts, so that `data` stays as it came.
pub(super) fn push_events(text: &mut String, events: &[StoredEvent]) {
    text.push_str("\"events\":[");
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_event(text, event);
    }
    text.push(']');
}

fn push_event(text: &mut String, event: &StoredEvent) {
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{{\"seq\":{},\"created_at\":\"{}\",\"event\":{}}}",
        event.seq,
        rfc3339(event.created_at),
        with_seq(&event.text, event.seq)
    );
}

/// The query's `limit`.
pub(super) fn limit(parts: &Parts) -> Result<usize, ApiError> {
    let Some(given) = query(parts, "limit").pop() else {
        return Ok(LIMIT_DEFAULT);
    };
    match given.parse::<u64>() {
        Ok(limit) if limit > 0 => Ok(usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX)),
        _ => Err(ApiError::bad_request(
            "`limit` must be a whole number from 1 to 1000",
        )),
    }
}

/// Where an ascending listing begins: behind `after_seq`, or with what was stored at or after the time `since`.
async fn after(app: &App, parts: &Parts, team: &TeamId) -> Result<Option<Seq>, ApiError> {
    let after_seq = query(parts, "after_seq").pop();
    let since = query(parts, "since").pop();
    match (after_seq, since) {
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            "`after_seq` and `since` exclude each other",
        )),
        (Some(seq), None) => seq
            .parse()
            .map(Some)
            .map_err(|_| ApiError::bad_request("`after_seq` must be a whole number")),
        (None, Some(time)) => {
            let time: jiff::Timestamp = time
                .parse()
                .map_err(|_| ApiError::bad_request("`since` must be an RFC 3339 time"))?;
            let seq = app
                .store
                .seq_before(team.clone(), time.as_millisecond())
                .await?;
            Ok(Some(seq))
        }
        (None, None) => Ok(None),
    }
}
