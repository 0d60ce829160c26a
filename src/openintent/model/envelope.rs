//! What carries an intent from one server to another (spec 3.3).

use std::collections::BTreeMap;

use super::fault::ModelFault;
use super::members::{Members, Writer, object_of};
use crate::openintent::json::{Json, Object};
use crate::openintent::policy::FederationPolicy;
use crate::openintent::scope::DelegationScope;

/// An intent on its way to another server, with what it may do there and under which conditions.
///
/// ```
/// use kite::openintent::model::{DelegationScope, FederationEnvelope};
///
/// let envelope = FederationEnvelope {
///     dispatch_id: "dispatch_001".to_owned(),
///     source_server: "https://my-server.example.com".to_owned(),
///     target_server: "https://partner.example.com".to_owned(),
///     intent_id: "intent_01".to_owned(),
///     intent_title: "Analyse the data".to_owned(),
///     delegation_scope: Some(DelegationScope::default()),
///     ..FederationEnvelope::default()
/// };
/// let written = envelope.to_json();
/// assert_eq!(written.get("intent_state").unwrap().to_string(), "{}");
/// assert_eq!(written.get("agent_id"), None);
/// assert_eq!(FederationEnvelope::from_json(&written), Ok(envelope));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FederationEnvelope {
    /// What the dispatching server calls the dispatch.
    pub dispatch_id: String,
    /// The URL of the server that dispatches.
    pub source_server: String,
    /// The URL of the server that is to work.
    pub target_server: String,
    /// What the dispatching server calls the intent.
    pub intent_id: String,
    /// The intent in a line.
    pub intent_title: String,
    /// The intent in full.
    pub intent_description: String,
    /// What is known so far.
    pub intent_state: Object,
    /// What is to be kept to.
    pub intent_constraints: Object,
    /// The agent that it is for.
    pub agent_id: Option<String>,
    /// What the work may do.
    pub delegation_scope: Option<DelegationScope>,
    /// The conditions of the work.
    pub federation_policy: Option<FederationPolicy>,
    /// Where it belongs in a trace.
    pub trace_context: Option<BTreeMap<String, String>>,
    /// Where the outcome is told.
    pub callback_url: Option<String>,
    /// By what a repeat is known.
    pub idempotency_key: Option<String>,
    /// When it was made, as [`stamp`](crate::openintent::stamp) has it.
    pub created_at: Option<String>,
    /// An encoded delegation token: a member that kite adds.
    pub ucan: Option<String>,
    /// The signature in base64 (spec 5).
    pub signature: Option<String>,
}

impl FederationEnvelope {
    /// Reads an envelope.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        Self::read(&Members::of(value)?)
    }

    fn read(members: &Members<'_>) -> Result<Self, ModelFault> {
        Ok(Self {
            dispatch_id: members.text("dispatch_id", "")?,
            source_server: members.text("source_server", "")?,
            target_server: members.text("target_server", "")?,
            intent_id: members.text("intent_id", "")?,
            intent_title: members.text("intent_title", "")?,
            intent_description: members.text("intent_description", "")?,
            intent_state: members.object("intent_state")?,
            intent_constraints: members.object("intent_constraints")?,
            agent_id: members.optional("agent_id")?,
            delegation_scope: members.nested("delegation_scope", DelegationScope::read)?,
            federation_policy: members.nested("federation_policy", FederationPolicy::read)?,
            trace_context: Some(members.texts_by_name("trace_context")?)
                .filter(|it| !it.is_empty()),
            callback_url: members.optional("callback_url")?,
            idempotency_key: members.optional("idempotency_key")?,
            created_at: members.optional("created_at")?,
            ucan: members.optional("ucan")?,
            signature: members.optional("signature")?,
        })
    }

    /// The trace that it belongs to, where it says so.
    pub fn trace_id(&self) -> Option<&str> {
        let trace = self.trace_context.as_ref()?;
        trace.get("trace_id").map(String::as_str)
    }

    /// The envelope as it travels.
    pub fn to_json(&self) -> Json {
        let scope = self.delegation_scope.as_ref();
        let policy = self.federation_policy.as_ref();
        let trace = self.trace_context.as_ref().filter(|it| !it.is_empty());
        Writer::default()
            .put("dispatch_id", self.dispatch_id.as_str())
            .put("source_server", self.source_server.as_str())
            .put("target_server", self.target_server.as_str())
            .put("intent_id", self.intent_id.as_str())
            .put("intent_title", self.intent_title.as_str())
            .put("intent_description", self.intent_description.as_str())
            .put("intent_state", self.intent_state.clone())
            .put("intent_constraints", self.intent_constraints.clone())
            .put_some("agent_id", self.agent_id.as_deref())
            .put_nested("delegation_scope", scope.map(DelegationScope::to_json))
            .put_nested("federation_policy", policy.map(FederationPolicy::to_json))
            .put_nested("trace_context", trace.map(|trace| object_of(trace).into()))
            .put_some("callback_url", self.callback_url.as_deref())
            .put_some("idempotency_key", self.idempotency_key.as_deref())
            .put_some("created_at", self.created_at.as_deref())
            .put_some("ucan", self.ucan.as_deref())
            .put_some("signature", self.signature.as_deref())
            .end()
    }
}
