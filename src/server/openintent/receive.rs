//! `POST /api/v1/federation/receive`: an envelope comes in (spec 13.6).

use std::borrow::Cow;
use std::collections::BTreeMap;
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
use crate::federation::openintent::Arrival;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DelegationScope, FederationEnvelope, FederationPolicy};
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
