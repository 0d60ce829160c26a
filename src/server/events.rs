//! `POST` and `GET /api/v1/events`: CloudEvents in with a key, the log out (spec 7.3, 11).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::call::{Call, Read, Write};
use super::error::{ApiError, json, json_text};
use super::limit::Sender;
use super::path::Path;
use super::{query, state::App};
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::api::EventAnswer;
use crate::protocol::event::{Event, EventDraft, EventFault, Extension, with_seq};
use crate::protocol::id::{Seq, SourceSlug, TeamId};
use crate::protocol::json;
use crate::protocol::scope::{Filter, Scopes};
use crate::store::record::{Dedup, Millis, NewEvent, Outcome, StoredEvent, Stretch};

/// How many events a listing has when the call does not say.
pub(super) const LIMIT_DEFAULT: usize = 100;

/// How many it has at most; more is cut to this (spec 6).
pub(super) const LIMIT_MAX: usize = 1000;

/// The slug of events that came with a key instead of through an endpoint.
pub(super) const API_SOURCE: &str = "api";

/// `POST /api/v1/events`: stores one CloudEvent.
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
    let headers = &call.parts.headers;
    match binding(headers)? {
        Binding::Structured => {}
        Binding::None if is_json(headers) => {}
        Binding::None => return Err(not_read()),
    }
    let door = Door {
        team: call.key.team.clone(),
        source: &source,
        is_verified: false,
        original_headers: None,
    };
    store_structured(&app, door, &sent).await
}

/// How a request carries a CloudEvent (spec 11).
pub(super) enum Binding {
    /// The body is one event.
    Structured,
    /// It carries none.
    None,
}

/// Recognises the binding. Binary mode and batches are refused by name: taken for a plain body they would be stored as
/// something else than they are.
pub(super) fn binding(headers: &HeaderMap) -> Result<Binding, ApiError> {
    if headers.contains_key("ce-specversion") {
        return Err(not_read());
    }
    match media_type(headers).as_str() {
        "application/cloudevents+json" => Ok(Binding::Structured),
        "application/cloudevents-batch+json" => Err(not_read()),
        _ => Ok(Binding::None),
    }
}

fn not_read() -> ApiError {
    ApiError::unsupported(
        "send one CloudEvent in structured mode, with `Content-Type: application/cloudevents+json`",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers) == "application/json"
}

fn media_type(headers: &HeaderMap) -> String {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// By what door a CloudEvent came in, and what the server says of it.
pub(super) struct Door<'a> {
    /// Whose log.
    pub(super) team: TeamId,
    /// The endpoint's slug.
    pub(super) source: &'a SourceSlug,
    /// Whether a signature was checked.
    pub(super) is_verified: bool,
    /// The request's headers, where they are kept.
    pub(super) original_headers: Option<String>,
}

impl Door<'_> {
    /// Readies an event for the log. What makes it the same one again comes with it.
    pub(super) fn admit(
        &self,
        draft: EventDraft,
        now: Millis,
    ) -> Result<(Event, Option<Dedup>), EventFault> {
        // An id that we make up here is new every time: there is nothing to recognise.
        let is_named = draft.id.is_some();
        let mut event = draft.complete(random::uuid7, || format!("https://{}", self.source));
        event.admit(self.source.as_str(), self.is_verified)?;
        if let Some(headers) = &self.original_headers {
            let headers = Extension::Text(headers.clone());
            event
                .extensions
                .insert("kiteoriginalheaders".to_owned(), headers);
        }
        event.time.get_or_insert_with(|| rfc3339(now));
        let dedup = is_named.then(|| Dedup {
            key: event.dedup_key(),
            fingerprint: None,
        });
        Ok((event, dedup))
    }
}

/// Stores a CloudEvent in structured mode and answers for it (spec 8, 11).
pub(super) async fn store_structured(
    app: &App,
    door: Door<'_>,
    sent: &Bytes,
) -> Result<Response, ApiError> {
    let draft = EventDraft::parse(json::text(sent)?)?;
    let now = app.clock.unix_millis();
    let (event, dedup) = door.admit(draft, now)?;
    store(app, door.team, event, dedup).await
}

/// Stores an event and answers for it (spec 8).
pub(super) async fn store(
    app: &App,
    team: TeamId,
    event: Event,
    dedup: Option<Dedup>,
) -> Result<Response, ApiError> {
    let now = app.clock.unix_millis();
    let new = NewEvent::new(team, &event, now, dedup);
    let (outcome, usage) = app.log.append(new).await?;
    let (status, answer, id) = match outcome {
        Outcome::Stored(_) => {
            let answer = EventAnswer::Accepted {
                id: event.id.clone(),
                created_at: rfc3339(now),
                usage,
            };
            (StatusCode::ACCEPTED, answer, event.id)
        }
        Outcome::Duplicate { id, .. } => {
            let answer = EventAnswer::DuplicateIgnored { id: id.clone() };
            (StatusCode::OK, answer, id)
        }
        Outcome::Exhausted => return Err(ApiError::exhausted(usage)),
        Outcome::NoTeam => return Err(ApiError::not_found("the team is gone")),
    };
    let mut response = json(status, &answer);
    // An id with characters that no header can hold stands in the body alone.
    if let Ok(id) = HeaderValue::from_str(&id) {
        let name = HeaderName::from_static("x-kite-event-id");
        response.headers_mut().insert(name, id);
    }
    Ok(response)
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

fn limit(parts: &Parts) -> Result<usize, ApiError> {
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
