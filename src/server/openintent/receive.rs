//! `POST /api/v1/federation/receive`: an envelope comes in (spec 13.6).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::super::description::Operation;
use super::super::state::App;
use super::answer::{Answer, refusal};
use super::caller::{admit, signer};
use super::fields::Fields;
use super::fields_shape::{FieldsShape, name};
use super::{Sent, node};
use crate::federation::openintent::Arrival;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::shape::text;
use crate::openintent::model::{
    DelegationScope, FederationEnvelope, FederationPolicy, ReceiveResult,
};
use crate::openintent::signature;
use crate::protocol::id::TeamId;

/// What other writers call the members of an intent (spec 13.6).
const SNAPSHOT: [(&str, &str); 5] = [
    ("id", "intent_id"),
    ("title", "intent_title"),
    ("description", "intent_description"),
    ("state", "intent_state"),
    ("constraints", "intent_constraints"),
];

/// What is said of it.
pub(super) fn described() -> Operation {
    Operation::post(
        "/receive",
        "receive_envelope",
        "Takes an envelope of another server, which shows a key, has signed the request, or has signed the envelope.",
    )
    .under("openintent")
    .shown("openintent_key")
    .shown("message_signature")
    .takes_as("application/json", shape)
    .gives::<ReceiveResult>(StatusCode::OK, "It is taken, or declined; the same again for a repeat.")
    .refuses_as(refusal)
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(
        StatusCode::CONFLICT,
        "The same dispatch came with other content before.",
    )
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The body is no JSON, or members cannot be used.",
    )
}

fn shape(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = FieldsShape::of(generator)
        .name("source_server", "The URL of the server that dispatches.")
        .optional("target_server", "The URL of this server.")
        .put(
            "dispatch_id",
            "What the dispatching server calls the dispatch.",
            name(),
        )
        .put(
            "intent_id",
            "What the dispatching server calls the intent.",
            name(),
        )
        .put("intent_title", "The intent in a line.", text())
        .text_or_empty("intent_description", "The intent in full.")
        .object_or_empty("intent_state", "What is known so far.")
        .object_or_empty("intent_constraints", "What is to be kept to.")
        .optional("agent_id", "Who is to do it.")
        .model::<DelegationScope>(
            "delegation_scope",
            "What may be done; everything where there is none.",
        )
        .model::<FederationPolicy>("federation_policy", "The conditions of the work.")
        .texts("trace_context", "Where it belongs in a trace.")
        .optional_text("callback_url", "Where to tell what becomes of it.")
        .optional("idempotency_key", "By what a repeat is known.")
        .optional_text("created_at", "When it was made, ISO 8601.")
        .optional_text(
            "signature",
            "The signature over all other members, in base64.",
        )
        .optional_text("ucan", "A delegation token.")
        .put(
            "envelope_id",
            "Another spelling of `dispatch_id`.",
            json!({}),
        )
        .put("timestamp", "Another spelling of `created_at`.", json!({}))
        .put("trace_id", "A short form of `trace_context`.", json!({}))
        .put(
            "intent_snapshot",
            "Holds `id`, `title`, `description`, `state` and `constraints` in place of `intent_…`.",
            json!({}),
        )
        .put(
            "intent",
            "Another spelling of `intent_snapshot`.",
            json!({}),
        )
        .end("An envelope: an intent of another server.");
    // What has to be there may be there in another spelling.
    let in_snapshot = |snapshot: &str, member: &str, schema: Value| {
        let snapshot_schema =
            json!({"type": "object", "required": [member], "properties": {member: schema}});
        json!({"required": [snapshot], "properties": {snapshot: snapshot_schema}})
    };
    let either = |usual: &str, member: &str, schema: fn() -> Value| {
        json!({"anyOf": [
            {"required": [usual]},
            in_snapshot("intent_snapshot", member, schema()),
            in_snapshot("intent", member, schema()),
        ]})
    };
    schema.insert(
        "allOf".to_owned(),
        json!([
            {"anyOf": [
                {"required": ["dispatch_id"]},
                {"required": ["envelope_id"], "properties": {"envelope_id": name()}},
            ]},
            either("intent_id", "id", name),
            either("intent_title", "title", text),
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
    let mut signed_for: Option<TeamId> = None;
    if team.is_none() && !is_signed {
        // No envelope says who it is: the request itself has to.
        signed_for = match &app.openintent {
            Some(node) => {
                let source = sent.object.get("source_server").and_then(Json::as_str);
                signer(node, &sent.parts, &sent.body, source.unwrap_or_default()).await?
            }
            None => None,
        };
        if signed_for.is_none() {
            return Err(Answer::unauthorized());
        }
    }
    let envelope = read(&spelled(&sent.object))?;
    let node = node(&app)?;
    let vouched = team.or(signed_for);
    let is_vouched_for = vouched.is_some();
    let team = match vouched {
        Some(team) => team,
        None => node.team_of(&envelope).await?,
    };
    let scope = sent.object.get("delegation_scope");
    let limit = scope.and_then(|scope| scope.get("budget_limit")).cloned();
    let arrival = Arrival {
        budget_limit: limit.filter(|it| matches!(it, Json::Integer(_) | Json::Float(_))),
        object: sent.object,
        envelope,
        team,
        is_vouched_for,
    };
    let team = arrival.team.clone();
    let admit = || admit(&app, &sent.parts, &team, caller.as_ref());
    let result = node.receive(&app.log, arrival, admit).await?;
    Ok(Answer::ok(&result.to_json()))
}

/// The members by their usual names, where another writer has used others.
fn spelled(object: &Object) -> Cow<'_, Object> {
    let others = [("envelope_id", "dispatch_id"), ("timestamp", "created_at")];
    let is_other = |name: &str| object.contains_key(name);
    let has_others = others.iter().any(|(other, _)| is_other(other))
        || ["intent_snapshot", "intent", "trace_id"]
            .into_iter()
            .any(is_other);
    if !has_others {
        return Cow::Borrowed(object);
    }
    let mut spelled = object.clone();
    let mut put = |name: &str, value: &Json| {
        spelled
            .entry(name.to_owned())
            .or_insert_with(|| value.clone());
    };
    for (other, usual) in others {
        if let Some(value) = object.get(other) {
            put(usual, value);
        }
    }
    for snapshot in ["intent_snapshot", "intent"] {
        for (other, usual) in SNAPSHOT {
            if let Some(value) = object.get(snapshot).and_then(|it| it.get(other)) {
                put(usual, value);
            }
        }
    }
    if let Some(Json::String(id)) = object.get("trace_id") {
        let trace = BTreeMap::from([("trace_id".to_owned(), Json::from(id.as_str()))]);
        put("trace_context", &Json::Object(trace));
    }
    Cow::Owned(spelled)
}

fn read(object: &Object) -> Result<FederationEnvelope, Answer> {
    let mut fields = Fields::of(object);
    let envelope = FederationEnvelope {
        dispatch_id: fields.name(&["dispatch_id"]),
        source_server: fields.name(&["source_server"]),
        target_server: fields.optional("target_server").unwrap_or_default(),
        intent_id: fields.name(&["intent_id"]),
        intent_title: fields.text("intent_title"),
        intent_description: fields.text_or_empty("intent_description"),
        intent_state: fields.object_or_empty("intent_state"),
        intent_constraints: fields.object_or_empty("intent_constraints"),
        agent_id: fields.optional("agent_id"),
        delegation_scope: fields.model("delegation_scope", DelegationScope::from_json),
        federation_policy: fields.model("federation_policy", FederationPolicy::from_json),
        trace_context: fields.texts("trace_context"),
        callback_url: fields.optional_text("callback_url"),
        idempotency_key: fields.optional("idempotency_key"),
        created_at: fields.optional_text("created_at"),
        signature: fields.optional_text("signature"),
        ucan: fields.optional_text("ucan"),
    };
    fields.done()?;
    Ok(envelope)
}
