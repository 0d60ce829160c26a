//! `POST /api/v1/federation/callback`: what became of a dispatch (spec 13.8).

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;

use super::super::state::App;
use super::answer::Answer;
use super::caller::{admit, signer};
use super::fields::Fields;
use super::{Sent, node};
use crate::federation::openintent::CallbackArrival;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{CallbackEventType, FederationAttestation, FederationCallback};
use crate::openintent::signature;
use crate::openintent::trust::normalize;

pub(super) async fn post(
    State(app): State<Arc<App>>,
    parts: Parts,
    body: Body,
) -> Result<Response, Answer> {
    let sent = Sent::read(&app, parts, body).await?;
    let caller = sent.caller(&app).await?;
    let team = caller.as_ref().map(|caller| caller.team().clone());
    let is_signed = signature::is_signed(&sent.object);
    let mut signed_by = None;
    if team.is_none() && !is_signed {
        // The callback does not say who sends it: the request itself has to.
        signed_by = signer_named(&app, &sent).await?;
        if signed_by.is_none() {
            return Err(Answer::unauthorized());
        }
    }
    let callback = read(&spelled(&sent.object))?;
    let node = node(&app)?;
    let dispatch = node.dispatch_of(team, &callback.dispatch_id).await?;
    admit(&app, &sent.parts, dispatch.team(), caller.as_ref())?;
    let arrival = CallbackArrival {
        object: sent.object,
        callback,
        is_signed,
        has_key: caller.is_some(),
        signed_by,
    };
    let result = node.take_callback(&app.log, dispatch, arrival).await?;
    Ok(Answer::ok(&result.to_json()))
}

/// The server that a request says to be from, if it has signed the whole of it.
async fn signer_named(app: &App, sent: &Sent) -> Result<Option<String>, Answer> {
    let Some(node) = &app.openintent else {
        return Ok(None);
    };
    let source = sent.parts.headers.get("x-source-server");
    let source = source.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let signed_for = signer(node, &sent.parts, &sent.body, source).await?;
    Ok(signed_for.map(|_| normalize(source)))
}

/// The members by their usual names, where another writer has used others.
fn spelled(object: &Object) -> Cow<'_, Object> {
    let others = [("envelope_id", "dispatch_id"), ("result", "state_delta")];
    if !others.iter().any(|(other, _)| object.contains_key(*other)) {
        return Cow::Borrowed(object);
    }
    let mut spelled = object.clone();
    for (other, usual) in others {
        if let Some(value) = object.get(other) {
            let usual = spelled.entry(usual.to_owned());
            usual.or_insert_with(|| value.clone());
        }
    }
    Cow::Owned(spelled)
}

fn read(object: &Object) -> Result<FederationCallback, Answer> {
    let mut fields = Fields::of(object);
    let event_type = match object.get("event_type") {
        None => CallbackEventType::StateDelta,
        Some(Json::String(word)) if CallbackEventType::of(word).is_some() => {
            CallbackEventType::of(word).unwrap_or(CallbackEventType::StateDelta)
        }
        Some(_) => {
            fields.wrong("event_type", "it is no type of callback");
            CallbackEventType::StateDelta
        }
    };
    let callback = FederationCallback {
        dispatch_id: fields.name(&["dispatch_id"]),
        event_type,
        state_delta: fields.optional_object("state_delta"),
        attestation: fields.model("attestation", FederationAttestation::from_json),
        trace_id: fields.optional_text("trace_id"),
        idempotency_key: fields.optional("idempotency_key"),
        timestamp: fields.optional_text("timestamp"),
    };
    fields.done()?;
    Ok(callback)
}
