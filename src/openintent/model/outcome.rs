//! What servers answer to a dispatch and to an envelope (spec 3.9).

use super::fault::ModelFault;
use super::members::{Members, Writer};
use super::words::DispatchStatus;
use crate::openintent::json::Json;

/// What the own server says of a dispatch.
///
/// ```
/// use kite::openintent::model::{DispatchResult, DispatchStatus};
///
/// let text = r#"{"dispatch_id": "d-1", "status": "accepted", "target_server": "https://b.example.com"}"#;
/// let result = DispatchResult::from_json(&text.parse().unwrap()).unwrap();
/// assert_eq!(result.status, DispatchStatus::Accepted);
/// assert_eq!(result.remote_intent_id, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DispatchResult {
    /// The dispatch.
    pub dispatch_id: String,
    /// How it stands.
    pub status: DispatchStatus,
    /// Where it goes.
    pub target_server: String,
    /// In words.
    pub message: String,
    /// What the other server calls the intent.
    pub remote_intent_id: Option<String>,
}

/// What a server says of an envelope.
///
/// ```
/// use kite::openintent::model::ReceiveResult;
///
/// let text = r#"{"dispatch_id": "d-1", "accepted": true, "local_intent_id": null}"#;
/// let result = ReceiveResult::from_json(&text.parse().unwrap()).unwrap();
/// assert!(result.accepted);
/// assert_eq!(result.local_intent_id, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiveResult {
    /// The dispatch.
    pub dispatch_id: String,
    /// Whether it was taken.
    pub accepted: bool,
    /// In words.
    pub message: String,
    /// What the server calls the intent.
    pub local_intent_id: Option<String>,
}

impl DispatchResult {
    /// Reads a result.
    ///
    /// # Errors
    /// When a member is of another kind, or the status is unknown.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            dispatch_id: members.text("dispatch_id", "")?,
            status: members.word("status", DispatchStatus::WANTED, DispatchStatus::of)?,
            target_server: members.text("target_server", "")?,
            message: members.text("message", "")?,
            remote_intent_id: members.optional("remote_intent_id")?,
        })
    }

    /// The result as it is answered.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("dispatch_id", self.dispatch_id.as_str())
            .put("status", self.status)
            .put("target_server", self.target_server.as_str())
            .put("message", self.message.as_str())
            .put_some("remote_intent_id", self.remote_intent_id.as_deref())
            .end()
    }
}

impl ReceiveResult {
    /// Reads a result.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            dispatch_id: members.text("dispatch_id", "")?,
            accepted: members.bool("accepted", false)?,
            message: members.text("message", "")?,
            local_intent_id: members.optional("local_intent_id")?,
        })
    }

    /// The result as it is answered.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("dispatch_id", self.dispatch_id.as_str())
            .put("accepted", self.accepted)
            .put("message", self.message.as_str())
            .put_some("local_intent_id", self.local_intent_id.as_deref())
            .end()
    }
}
