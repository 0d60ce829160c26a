//! `POST /api/v1/federation/callback`: what became of a dispatch (spec 13.8).

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::super::description::Operation;
use super::super::state::App;
use super::answer::{Answer, refusal};
use super::caller::{admit, signer};
use super::fields::Fields;
use super::fields_shape::{FieldsShape, name};
use super::{Sent, node};
use crate::federation::openintent::CallbackArrival;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    CallbackEventType, FederationAttestation, FederationCallback, ReceiveResult,
};
use crate::openintent::signature;
use crate::openintent::trust::normalize;

/// What is said of it.
pub(super) fn described() -> Operation {
    Operation::post(
        "/callback",
        "receive_callback",
        "Takes word of a dispatch from the server that works on it, which shows a key, has signed the request, or has \
         signed the callback.",
    )
    .under("openintent")
    .shown("openintent_key")
    .shown("message_signature")
    .takes_as("application/json", shape)
    .gives::<ReceiveResult>(StatusCode::OK, "It is taken; a repeat changes nothing.")
    .refuses_as(refusal)
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(StatusCode::NOT_FOUND, "There is no such dispatch.")
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The body is no JSON, or members cannot be used.",
    )
}

fn shape(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = FieldsShape::of(generator)
        .put("dispatch_id", "The dispatch.", name())
        .word::<CallbackEventType>(
            "event_type",
            "What has happened; `state_delta` where it is missing.",
        )
        .optional_object(
            "state_delta",
            "What has changed of the intent's state: a JSON merge patch.",
        )
        .model::<FederationAttestation>(
            "attestation",
            "What was used, and whether the conditions were kept.",
        )
        .optional_text("trace_id", "The trace that it belongs to.")
        .optional("idempotency_key", "By what a repeat is known.")
        .optional_text("timestamp", "When it was made, ISO 8601.")
        .optional_text(
            "signature",
            "The signature over all other members, in base64.",
        )
        .put(
            "envelope_id",
            "Another spelling of `dispatch_id`.",
            json!({}),
        )
        .put("result", "Another spelling of `state_delta`.", json!({}))
        .end("Word of a dispatch.");
    // What has to be there may be there in another spelling.
    schema.insert(
        "anyOf".to_owned(),
        json!([
            {"required": ["dispatch_id"]},
            {"required": ["envelope_id"], "properties": {"envelope_id": name()}},
        ]),
    );
    schema
}

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
