//! What intents, dispatches and reports look like to others, as their readers and writers have it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::budget::NAME_MAX_CHARS as KIND_MAX_CHARS;
use super::turn::{KEY_MAX_CHARS, MESSAGE_MAX_CHARS};
use super::{Assignment, BudgetShare, DispatchShown, IntentShown, Verb, WorkReport};
use crate::openintent::model::schema::models;
use crate::openintent::model::shape::Shape;
use crate::openintent::model::{DelegationScope, DispatchState, FederationPolicy, IntentStatus};
use crate::protocol::id::AgentId;

models! {
    IntentShown: "An intent at the server that works on it.", |shape| shape
        .text("intent_id", "What it is called here.")
        .word::<IntentStatus>("status", "How it stands.")
        .text("title", "A title.")
        .text("description", "More words.")
        .object("state", "Its state as it is now.")
        .object("changes", "What its state has become different in here: a JSON merge patch.")
        .object("constraints", "What has to be kept to.")
        .optional("agent_id", "Who is to do it.")
        .text("source_server", "The server that it came from; this one's own for an intent that was given here.")
        .text("source_intent_id", "What it is called there.")
        .text("dispatch_id", "The dispatch that brought it, by that server's id; empty for an own one.")
        .optional("assigned_by", "The own agent that is told of it, for an own one.")
        .perhaps_model::<DelegationScope>("delegation_scope", "What may be done; everything where there is none.")
        .model::<FederationPolicy>("federation_policy", "The conditions of the work.")
        .object("usage", "What was used so far.")
        .models::<BudgetShare>("budget", "How much of each limit that is.")
        .optional("message", "The last word to people.")
        .optional("trace_id", "The trace that it belongs to.")
        .optional("callback_url", "Where its dispatcher wants to hear of it.")
        .text("created_at", "When it came, RFC 3339.")
        .text("updated_at", "When something was last done about it, RFC 3339.")
        .perhaps("repeated", "Whether the report that this answers had been made before.", json!({"type": "boolean"}));

    BudgetShare: "How much of a limit is used.", |shape| shape
        .text("name", "The member of the policy's budget.")
        .must("limit", "The limit.", json!({"type": "number"}))
        .must("used", "What was used.", json!({"type": "number"}));

    Assignment: "An intent for an own agent.", |shape| shape
        .must_model::<AgentId>("agent_id", "Who is to do it.")
        .perhaps("intent_id", "What the one who asks calls it.", short())
        .text("title", "A title.")
        .text("description", "More words.")
        .object("state", "What is known so far.")
        .object("constraints", "What has to be kept to.")
        .perhaps_model::<DelegationScope>("delegation_scope", "What may be done; everything where there is none.")
        .perhaps_model::<FederationPolicy>("federation_policy", "The conditions of the work.")
        .perhaps_name::<AgentId>("assigned_by", "The own agent that is told what becomes of it.")
        .perhaps("trace_id", "The trace that it belongs to.", short())
        .perhaps("idempotency_key", "The same key makes it the same intent again.", short());

    DispatchShown: "A dispatch at the server that sent it.", |shape| shape
        .text("dispatch_id", "Its id.")
        .word::<DispatchState>("status", "How it stands.")
        .text("intent_id", "The intent, by the id that it was dispatched with.")
        .text("target_server", "Where it went.")
        .optional("agent_id", "Who is to do it there.")
        .optional("dispatched_by", "The own agent that sent it, which is told what becomes of it.")
        .optional("remote_intent_id", "What the other server calls it.")
        .optional("message", "The last word that was told of it.")
        .object("state", "What the other server has told of the intent's state.")
        .object("usage", "What was used for it, by the last attestation.")
        .put("attestation", "The last attestation, as it came.", json!({}))
        .put("budget_warning", "The last warning that most of a budget is used, as it came.", json!({}))
        .integer("callbacks", "How many callbacks came.")
        .text("created_at", "When it was sent, RFC 3339.")
        .text("updated_at", "When something was last heard of it, RFC 3339.");

    WorkReport: "What an agent says of its work on an intent.", |shape| shape
        .perhaps("agent_id", "Who says it.", short())
        .object("state_delta", "What has changed of the intent's state: a JSON merge patch.")
        .always("usage", "What was used since the last report; it is added to what was used before.", usage())
        .perhaps("message", "A word to people.", json!({"type": "string", "maxLength": MESSAGE_MAX_CHARS}))
        .bool("approve", "Says that a person agrees to the work, where the policy asks for that.")
        .perhaps("idempotency_key", "The same key makes it the same report again, for each verb.", short());
}

/// A name that somebody chooses.
fn short() -> Value {
    json!({"type": "string", "maxLength": KEY_MAX_CHARS})
}

/// Numbers by the kind of what was used.
fn usage() -> Value {
    json!({
        "type": "object",
        "propertyNames": {"maxLength": KIND_MAX_CHARS},
        "additionalProperties": {"type": "number", "minimum": 0},
    })
}

impl JsonSchema for Verb {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Verb".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "enum": Self::ALL.map(Self::word)})
    }
}
