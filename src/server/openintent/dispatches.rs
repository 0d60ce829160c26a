//! The team's dispatches: list them, show one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use crate::base::clock::rfc3339;
use crate::federation::openintent::dispatch_in;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::DispatchState;
use crate::openintent::work::DispatchShown;
use crate::server::call::{Call, Read};
use crate::server::error::{ApiError, json_text};
use crate::server::state::App;
use crate::server::{events, query};
use crate::store::StoreError;
use crate::store::openintent::{ExchangeFilter, ExchangeKind, ExchangeRecord, ExchangeState};
use crate::store::record::Millis;

/// `GET /api/openintent/dispatches?status=&agent=&limit=&before=`: the newest first. `agent` is the own agent that sent
/// them; `before` is the `next` of the list before.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let max = events::limit(&call.parts)?;
    let filter = ExchangeFilter {
        kind: ExchangeKind::Dispatch,
        state: status(&call.parts)?,
        agent: query(&call.parts, "agent").pop(),
        before: before(&call.parts)?,
        // One more tells whether there are more.
        max: u32::try_from(max).unwrap_or(u32::MAX).saturating_add(1),
    };
    let mut found = app.store.exchanges(call.key.team.clone(), filter).await?;
    let has_more = found.len() > max;
    found.truncate(max);
    let dispatches: Result<Vec<Json>, StoreError> = found
        .iter()
        .map(|record| Ok(shown(record)?.to_json()))
        .collect();
    let mut body = Object::from([("dispatches".to_owned(), Json::Array(dispatches?))]);
    if let Some(last) = found.last().filter(|_| has_more) {
        let next = format!("{}-{}", last.created_at, last.local_id);
        body.insert("next".to_owned(), next.into());
    }
    Ok(json_text(StatusCode::OK, Json::Object(body).to_string()))
}

/// `GET /api/openintent/dispatches/{id}`.
pub(super) async fn get_one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let team = call.key.team.clone();
    let found = app
        .store
        .exchange(team, ExchangeKind::Dispatch, id.clone())
        .await?;
    let record =
        found.ok_or_else(|| ApiError::not_found(format!("there is no dispatch `{id}`")))?;
    let body = shown(&record)?.to_json();
    Ok(json_text(StatusCode::OK, body.to_string()))
}

fn shown(record: &ExchangeRecord) -> Result<DispatchShown, StoreError> {
    let kept = dispatch_in(record)?;
    Ok(DispatchShown {
        dispatch_id: record.local_id.clone(),
        // What a dispatch is in the store, it is on the wire, by the same word.
        status: DispatchState::of(record.state.word()).unwrap_or_default(),
        target_server: record.party.clone(),
        dispatched_by: record.agent.clone(),
        remote_intent_id: record.remote_id.clone(),
        state: kept.state(),
        intent_id: kept.intent_id,
        agent_id: kept.agent_id,
        message: kept.message.or_else(|| record.message.clone()),
        usage: kept.usage,
        attestation: kept.attestation,
        budget_warning: kept.budget_warning,
        callbacks: kept.callbacks,
        created_at: rfc3339(record.created_at),
        updated_at: rfc3339(record.updated_at),
    })
}

fn status(parts: &Parts) -> Result<Option<ExchangeState>, ApiError> {
    let Some(word) = query(parts, "status").pop() else {
        return Ok(None);
    };
    let state = DispatchState::of(&word).and_then(|state| ExchangeState::of(state.word()));
    let wanted = || ApiError::bad_request(format!("`status` must be {}", DispatchState::WANTED));
    state.map(Some).ok_or_else(wanted)
}

/// Where the list before ended.
fn before(parts: &Parts) -> Result<Option<(Millis, String)>, ApiError> {
    let Some(given) = query(parts, "before").pop() else {
        return Ok(None);
    };
    let place = given.split_once('-');
    let place = place.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    let wanted = || ApiError::bad_request("`before` must be the `next` of the list before");
    place.map(Some).ok_or_else(wanted)
}
