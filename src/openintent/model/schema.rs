//! What the models look like to others (spec 3), as their readers and writers have it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::shape::{Shape, or_null, text};
use super::{
    AgentVisibility, CallbackEventType, DelegationScope, DispatchResult, DispatchState,
    DispatchStatus, FederatedAgent, FederationAttestation, FederationManifest, FederationPolicy,
    FederationStatus, IntentStatus, PeerRelationship, ReceiveResult, TrustPolicy,
};

/// Models, each with what it is and what its members are.
macro_rules! models {
    ($($name:ident: $about:literal, |$shape:ident| $members:expr;)*) => {$(
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let $shape = Shape::of(generator);
                $members.end($about)
            }
        }
    )*};
}
pub(in crate::openintent) use models;

/// Words are texts, and no others.
macro_rules! words {
    ($($name:ident)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<&str> = Self::ALL.iter().map(|it| it.word()).collect();
                schemars::json_schema!({"type": "string", "enum": words})
            }
        }
    )*};
}

words!(
    AgentVisibility CallbackEventType DispatchState DispatchStatus IntentStatus PeerRelationship TrustPolicy
);

models! {
    DelegationScope: "What delegated work may do.", |shape| shape
        .texts("permissions", "What may be done; `state.patch` and `events.log` where it is missing.")
        .texts("denied_operations", "What may not be done, even if it is among the permissions.")
        .integer("max_delegation_depth", "How often the work may be passed on; 1 where it is missing.")
        .optional("expires_at", "Until when, ISO 8601.");

    FederationPolicy: "The conditions of federated work.", |shape| shape
        .object("governance", "Who may do it, and who has to agree.")
        .object("budget", "What may be used.")
        .object("observability", "What has to be seen of it.");

    FederationAttestation: "What was used for a piece of work, and whether its conditions were kept.", |shape| shape
        .text("dispatch_id", "The dispatch.")
        .bool("governance_compliant", "Whether the conditions were kept; true where it is missing.")
        .object("usage", "What was used, such as `llm_tokens` and `cost_usd`.")
        .texts("trace_references", "Traces that show it.")
        .optional("timestamp", "When it was made, ISO 8601.")
        .optional("merkle_root", "The root of the log at the end of the work.")
        .optional("signature", "The signature, in base64.");

    FederationManifest: "What a server publishes for those who want to federate with it.", |shape| shape
        .text("server_did", "The server's DID.")
        .text("server_url", "The server's URL.")
        .text("protocol_version", "The version of the protocol.")
        .word::<TrustPolicy>("trust_policy", "Whose intents it takes.")
        .word::<AgentVisibility>("visibility_default", "Who is told of an agent of which nothing else is said.")
        .texts("supported_rfcs", "What it keeps to.")
        .texts("peers", "The URLs of its peers.")
        .texts_by_name("endpoints", "Where it answers: paths, by the name of the endpoint.")
        .optional("public_key", "Its public key of Ed25519, in base64.");

    FederationStatus: "How a server stands.", |shape| shape
        .bool("enabled", "Whether it federates.")
        .always("server_did", "Its DID, where there is one.", or_null(text()))
        .word::<TrustPolicy>("trust_policy", "Whose intents it takes.")
        .integer("peer_count", "How many peers it has.")
        .integer("active_dispatches", "Dispatches that are on their way.")
        .integer("total_dispatches", "All dispatches.")
        .integer("total_received", "Intents that it has taken.");

    DispatchResult: "What a server says of a dispatch.", |shape| shape
        .text("dispatch_id", "Its id.")
        .word::<DispatchStatus>("status", "Whether it is taken.")
        .text("target_server", "Where it goes, as it was given.")
        .text("message", "More words.")
        .optional("remote_intent_id", "What the other server calls the intent.");

    ReceiveResult: "What a server says of an envelope or a callback.", |shape| shape
        .text("dispatch_id", "The dispatch.")
        .bool("accepted", "Whether it is taken.")
        .text("message", "More words.")
        .optional("local_intent_id", "What the intent is called at the server that takes it.");

    FederatedAgent: "An agent that a server tells of.", |shape| shape
        .text("agent_id", "Its name.")
        .text("server_url", "The URL of its server.")
        .texts("capabilities", "What it can do.")
        .word::<AgentVisibility>("visibility", "Who is told of it.")
        .always("server_did", "The DID of its server.", or_null(text()))
        .text("status", "How it is.");
}

/// What `GET /api/v1/federation/agents` answers.
pub(crate) fn agents(generator: &mut SchemaGenerator) -> Schema {
    let agent = generator.subschema_for::<FederatedAgent>();
    schemars::json_schema!({
        "type": "object",
        "properties": {"agents": {"type": "array", "items": agent}},
        "required": ["agents"],
    })
}

/// A DID document as [`did_document`](crate::openintent::did::did_document) writes it (spec 6.4).
pub(crate) fn did_document(_: &mut SchemaGenerator) -> Schema {
    let texts = json!({"type": "array", "items": text(), "minItems": 1});
    let members = json!({
        "@context": texts,
        "id": text(),
        "alsoKnownAs": {"type": "array", "items": text()},
        "verificationMethod": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "id": text(),
                    "type": {"const": "Ed25519VerificationKey2020"},
                    "controller": text(),
                    "publicKeyMultibase": {"type": "string", "pattern": "^z"},
                    "publicKeyBase64": {"type": "string", "contentEncoding": "base64"},
                },
                "required": ["id", "type", "controller", "publicKeyMultibase", "publicKeyBase64"],
            },
        },
        "authentication": texts,
        "assertionMethod": texts,
        "capabilityInvocation": texts,
        "capabilityDelegation": texts,
    });
    let names: Vec<&String> = members
        .as_object()
        .into_iter()
        .flat_map(|it| it.keys())
        .collect();
    schemars::json_schema!({
        "description": "The keys of the server, as did:web has it.",
        "type": "object",
        "properties": members,
        "required": names,
    })
}
