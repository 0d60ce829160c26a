//! What a server that works on an intent tells the one that dispatched it (spec 3.4, 3.5).

use super::fault::ModelFault;
use super::members::{Members, Writer};
use super::words::CallbackEventType;
use crate::openintent::json::{Json, Object};

/// News of a dispatch. Its signature is no part of it: it is put beside its members (spec 5).
///
/// ```
/// use kite::openintent::model::{CallbackEventType, FederationCallback};
///
/// let callback = FederationCallback {
///     dispatch_id: "dispatch_001".to_owned(),
///     event_type: CallbackEventType::Completed,
///     ..FederationCallback::default()
/// };
/// let text = r#"{"dispatch_id":"dispatch_001","event_type":"completed","state_delta":{}}"#;
/// assert_eq!(callback.to_json().to_string(), text);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FederationCallback {
    /// The dispatch, by its own server's id.
    pub dispatch_id: String,
    /// What the news is about.
    pub event_type: CallbackEventType,
    /// What has changed.
    pub state_delta: Object,
    /// How the work kept to the rules.
    pub attestation: Option<FederationAttestation>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// By what a repeat is known.
    pub idempotency_key: Option<String>,
    /// When it was made.
    pub timestamp: Option<String>,
}

/// What a server says of how it kept to the rules.
///
/// ```
/// use kite::openintent::model::FederationAttestation;
///
/// let attestation = FederationAttestation {
///     dispatch_id: "dispatch_001".to_owned(),
///     trace_references: vec!["trace_7".to_owned()],
///     ..FederationAttestation::default()
/// };
/// assert!(attestation.governance_compliant);
/// assert_eq!(FederationAttestation::from_json(&attestation.to_json()), Ok(attestation));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FederationAttestation {
    /// The dispatch, by its own server's id.
    pub dispatch_id: String,
    /// Whether the rules were kept.
    pub governance_compliant: bool,
    /// What was used: tokens, money, calls, seconds.
    pub usage: Object,
    /// Traces that show it.
    pub trace_references: Vec<String>,
    /// When it was made.
    pub timestamp: Option<String>,
    /// The root of the log at the end of the work: a member that kite adds (spec, appendix C).
    pub merkle_root: Option<String>,
    /// The signature in base64 (spec 5).
    pub signature: Option<String>,
}

impl FederationCallback {
    /// Reads a callback.
    ///
    /// # Errors
    /// When a member is of another kind, or the event's type is unknown.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            dispatch_id: members.text("dispatch_id", "")?,
            event_type: members.word(
                "event_type",
                CallbackEventType::WANTED,
                CallbackEventType::of,
            )?,
            state_delta: members.object("state_delta")?,
            attestation: members.nested("attestation", FederationAttestation::read)?,
            trace_id: members.optional("trace_id")?,
            idempotency_key: members.optional("idempotency_key")?,
            timestamp: members.optional("timestamp")?,
        })
    }

    /// The callback as it travels.
    pub fn to_json(&self) -> Json {
        let attestation = self.attestation.as_ref();
        Writer::default()
            .put("dispatch_id", self.dispatch_id.as_str())
            .put("event_type", self.event_type)
            .put("state_delta", self.state_delta.clone())
            .put_nested(
                "attestation",
                attestation.map(FederationAttestation::to_json),
            )
            .put_some("trace_id", self.trace_id.as_deref())
            .put_some("idempotency_key", self.idempotency_key.as_deref())
            .put_some("timestamp", self.timestamp.as_deref())
            .end()
    }
}

impl FederationAttestation {
    /// Reads an attestation.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        Self::read(&Members::of(value)?)
    }

    fn read(members: &Members<'_>) -> Result<Self, ModelFault> {
        Ok(Self {
            dispatch_id: members.text("dispatch_id", "")?,
            governance_compliant: members.bool("governance_compliant", true)?,
            usage: members.object("usage")?,
            trace_references: members.texts("trace_references", &[])?,
            timestamp: members.optional("timestamp")?,
            merkle_root: members.optional("merkle_root")?,
            signature: members.optional("signature")?,
        })
    }

    /// The attestation as it travels.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("dispatch_id", self.dispatch_id.as_str())
            .put("governance_compliant", self.governance_compliant)
            .put("usage", self.usage.clone())
            .put("trace_references", self.trace_references.clone())
            .put_some("timestamp", self.timestamp.as_deref())
            .put_some("merkle_root", self.merkle_root.as_deref())
            .put_some("signature", self.signature.as_deref())
            .end()
    }
}

impl Default for FederationAttestation {
    fn default() -> Self {
        Self {
            dispatch_id: String::new(),
            governance_compliant: true,
            usage: Object::new(),
            trace_references: Vec::new(),
            timestamp: None,
            merkle_root: None,
            signature: None,
        }
    }
}
