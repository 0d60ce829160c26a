//! `POST /api/v1/federation/dispatch`: an intent is to go to another server (spec 13.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::{Schema, SchemaGenerator};

use super::super::description::Operation;
use super::super::state::App;
use super::answer::{Answer, refusal};
use super::caller::{Caller, admit};
use super::fields::Fields;
use super::fields_shape::FieldsShape;
use super::intents::sees;
use super::{Sent, node};
use crate::federation::openintent::{DispatchRequest, OpenIntent, Refusal};
use crate::openintent::json::Object;
use crate::openintent::model::{DelegationScope, DispatchResult, FederationPolicy};
use crate::protocol::id::AgentId;
use crate::protocol::permission::Permission;

/// What is said of it.
pub(super) fn described() -> Operation {
    Operation::post(
        "/dispatch",
        "dispatch_intent",
        "Sends an intent to another server.",
    )
    .under("openintent")
    .shown("openintent_key")
    .allowing(Permission::Write)
    .header::<String>(
        "X-Agent-ID",
        "The own agent that sends it, which is told what becomes of it.",
    )
    .takes_as("application/json", shape)
    .gives::<DispatchResult>(StatusCode::OK, "It is stored, and on its way.")
    .refuses_as(refusal)
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(StatusCode::NOT_FOUND, "The key sees no such intent.")
    .refuses(
        StatusCode::CONFLICT,
        "The `idempotency_key` was used for another dispatch, or the intent is at its end.",
    )
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The body is no JSON, or members cannot be used.",
    )
}

fn shape(generator: &mut SchemaGenerator) -> Schema {
    FieldsShape::of(generator)
        .name("intent_id", "What this server calls the intent.")
        .name(
            "target_server",
            "The URL of the server that is to work on it.",
        )
        .optional("agent_id", "Who is to do it there.")
        .optional(
            "callback_url",
            "Where to tell what becomes of it; here, where it is missing.",
        )
        .model::<DelegationScope>(
            "delegation_scope",
            "What may be done; everything where there is none.",
        )
        .model::<FederationPolicy>("federation_policy", "The conditions of the work.")
        .texts("trace_context", "Where it belongs in a trace.")
        .optional("trace_id", "A short form of `trace_context`.")
        .optional_text("intent_title", "The intent in a line.")
        .optional_text("intent_description", "The intent in full.")
        .optional_object("intent_state", "What is known so far.")
        .optional_object("intent_constraints", "What is to be kept to.")
        .optional(
            "idempotency_key",
            "The same key makes it the same dispatch again.",
        )
        .optional_text("ucan", "A delegation token that goes along.")
        .flag("issue_token", "Makes such a token.")
        .end("An intent that is to go to another server.")
}

pub(super) async fn post(
    State(app): State<Arc<App>>,
    parts: Parts,
    body: Body,
) -> Result<Response, Answer> {
    let sent = Sent::read(&app, parts, body).await?;
    let caller = sent.caller(&app).await?.ok_or_else(Answer::unauthorized)?;
    let team = caller.team();
    let mut request = read(&sent.object)?;
    request.dispatched_by = agent_named(&sent.parts);
    let node = node(&app)?;
    admit(&app, &sent.parts, team, Some(&caller))?;
    check_seen(node, &caller, &request.intent_id).await?;
    let result = node.dispatch(&app.log, team, request).await?;
    Ok(Answer::ok(&result.to_json()))
}

fn read(object: &Object) -> Result<DispatchRequest, Answer> {
    let mut fields = Fields::of(object);
    let trace_id = fields.optional("trace_id");
    let short = |id| BTreeMap::from([("trace_id".to_owned(), id)]);
    let trace_context = fields.texts("trace_context");
    let request = DispatchRequest {
        intent_id: fields.name(&["intent_id"]),
        target_server: fields.name(&["target_server"]),
        agent_id: fields.optional("agent_id"),
        callback_url: fields.optional("callback_url"),
        delegation_scope: fields.model("delegation_scope", DelegationScope::from_json),
        federation_policy: fields.model("federation_policy", FederationPolicy::from_json),
        trace_context: trace_context.or_else(|| trace_id.map(short)),
        intent_title: fields.optional_text("intent_title").unwrap_or_default(),
        intent_description: fields
            .optional_text("intent_description")
            .unwrap_or_default(),
        intent_state: fields.optional_object("intent_state"),
        intent_constraints: fields.optional_object("intent_constraints"),
        idempotency_key: fields.optional("idempotency_key"),
        ucan: fields.optional_text("ucan"),
        issue_token: fields.flag("issue_token"),
        dispatched_by: None,
    };
    fields.done()?;
    Ok(request)
}

/// The own agent that a request says to be from. The SDK's client always names one, whatever it is called: what is no agent
/// is nobody.
fn agent_named(parts: &Parts) -> Option<AgentId> {
    let named = parts.headers.get("x-agent-id")?;
    named.to_str().ok()?.parse().ok()
}

/// Whoever may not see an intent does not pass it on either: its state goes along.
async fn check_seen(node: &OpenIntent, caller: &Caller, id: &str) -> Result<(), Refusal> {
    if caller.sees_everything() {
        return Ok(());
    }
    match node.intent(caller.team(), id).await {
        Ok(intent) if !sees(caller.key(), &intent) => {
            Err(Refusal::Unknown(format!("there is no intent `{id}`")))
        }
        Ok(_) | Err(Refusal::Unknown(_)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
