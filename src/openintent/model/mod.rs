//! What OpenIntent servers tell one another, as values (spec 2 and 3).
//!
//! All models read alike. A member that is missing or null takes its default, and unknown ones are dropped; a member of
//! another kind is a fault that names it. Only a null enum is a fault too. Empty texts and objects of optional members are
//! read as none, since that is how they are written.
//!
//! Signatures cover the JSON that came, never a model: that has lost what it does not know.

mod callback;
mod envelope;
mod fault;
mod manifest;
mod members;
mod outcome;
mod peer;
#[cfg(feature = "schema")]
pub(crate) mod schema;
#[cfg(feature = "schema")]
pub(crate) mod shape;
mod words;

pub use super::policy::FederationPolicy;
pub use super::scope::DelegationScope;
pub use callback::{FederationAttestation, FederationCallback};
pub use envelope::FederationEnvelope;
pub use fault::ModelFault;
pub use manifest::{Endpoints, FederationManifest, FederationStatus};
pub(super) use members::{Members, Writer};
pub use outcome::{DispatchResult, ReceiveResult};
pub use peer::{FederatedAgent, PeerInfo};
pub use words::{
    AgentVisibility, CallbackEventType, DispatchState, DispatchStatus, IntentStatus,
    PeerRelationship, TrustPolicy,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openintent::json::Json;

    fn json(text: &str) -> Json {
        text.parse().unwrap()
    }

    #[test]
    fn a_fault_names_the_member_and_its_place() {
        for (text, path, told) in [
            ("[]", "", "it must be an object, not a list"),
            (
                r#"{"intent_id": 7}"#,
                "intent_id",
                "`intent_id` must be a string, not an integer",
            ),
            (
                r#"{"delegation_scope": {"permissions": "all"}}"#,
                "delegation_scope.permissions",
                "`delegation_scope.permissions` must be a list of strings, not a string",
            ),
            (
                r#"{"delegation_scope": {"permissions": ["a", 1]}}"#,
                "delegation_scope.permissions",
                "`delegation_scope.permissions` must be a list of strings, not a list",
            ),
            (
                r#"{"delegation_scope": {"max_delegation_depth": 1.0}}"#,
                "delegation_scope.max_delegation_depth",
                "`delegation_scope.max_delegation_depth` must be an integer of 64 bits, not a number",
            ),
            (
                r#"{"federation_policy": {"budget": 5}}"#,
                "federation_policy.budget",
                "`federation_policy.budget` must be an object, not an integer",
            ),
            (
                r#"{"trace_context": {"trace_id": 5}}"#,
                "trace_context",
                "`trace_context` must be an object of strings, not an object",
            ),
        ] {
            let fault = FederationEnvelope::from_json(&json(text)).unwrap_err();
            assert_eq!((fault.path(), fault.to_string().as_str()), (path, told));
        }
        let unknown = FederationCallback::from_json(&json(r#"{"event_type": "done"}"#));
        assert_eq!(unknown.unwrap_err().path(), "event_type");
    }

    #[test]
    fn a_null_word_is_no_word() {
        for text in [r#"{"trust_policy": null}"#, r#"{"trust_policy": "Open"}"#] {
            assert!(FederationStatus::from_json(&json(text)).is_err(), "{text}");
            assert!(PeerInfo::from_json(&json(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_manifest_of_the_rfc_names_its_did_otherwise() {
        let manifest = |text: &str| FederationManifest::from_json(&json(text)).unwrap();
        let read = manifest(r#"{"did": "did:web:a", "capabilities": []}"#);
        assert_eq!(read.server_did, "did:web:a");
        let read = manifest(r#"{"did": "did:web:a", "server_did": "did:web:b"}"#);
        assert_eq!(read.server_did, "did:web:b");
    }

    #[test]
    fn a_token_travels_in_the_envelope() {
        let text = r#"{"dispatch_id": "d", "ucan": "a.b.c"}"#;
        let envelope = FederationEnvelope::from_json(&json(text)).unwrap();
        assert_eq!(envelope.ucan.as_deref(), Some("a.b.c"));
        assert_eq!(envelope.to_json().get("ucan"), Some(&"a.b.c".into()));
    }
}
