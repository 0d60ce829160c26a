//! What is told to whoever gave an intent: callbacks, before anybody has signed or sent them (spec 3.4, 13.7).

use super::Intent;
use super::budget::DURATION;
use super::log::merkle_root;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{CallbackEventType, FederationAttestation, FederationCallback};
use crate::openintent::stamp;

/// A callback about an intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What it is about.
    pub event_type: CallbackEventType,
    /// Counts the callbacks of the intent from 1.
    pub number: i64,
    /// What has changed.
    pub state_delta: Object,
    /// How the work kept to the rules, at its end.
    pub attestation: Option<FederationAttestation>,
}

impl Told {
    /// The callback about the dispatch with an id.
    pub fn callback(&self, dispatch_id: &str, trace_id: Option<&str>) -> FederationCallback {
        let attestation = self.attestation.clone();
        let attestation = attestation.map(|attestation| FederationAttestation {
            dispatch_id: dispatch_id.to_owned(),
            ..attestation
        });
        let key = format!("{}-{dispatch_id}-{}", self.event_type.word(), self.number);
        FederationCallback {
            dispatch_id: dispatch_id.to_owned(),
            event_type: self.event_type,
            state_delta: self.state_delta.clone(),
            attestation,
            trace_id: trace_id.map(str::to_owned),
            idempotency_key: Some(key),
            timestamp: None,
        }
    }
}

impl Intent {
    /// What was used by a time in Unix milliseconds: what was reported, and for how long it has been worked on where nobody
    /// has reported that.
    pub fn used(&self, now_ms: i64) -> Object {
        let mut used = self.usage.clone();
        if let Some(started_at) = self.started_at {
            let elapsed_ms = now_ms.saturating_sub(started_at).max(0);
            // Milliseconds of a work's time are far below what a double holds.
            #[allow(clippy::cast_precision_loss, reason = "see above")]
            let seconds = Json::Float(elapsed_ms as f64 / 1000.0);
            used.entry(DURATION.to_owned()).or_insert(seconds);
        }
        used
    }

    /// What is attested at the end of the work. Nobody has signed it yet, and it is about no dispatch.
    pub(super) fn attestation(&self, is_compliant: bool, now_ms: i64) -> FederationAttestation {
        FederationAttestation {
            governance_compliant: is_compliant,
            usage: self.usage.clone(),
            trace_references: self.trace_id.iter().cloned().collect(),
            timestamp: Some(stamp::write(now_ms)),
            merkle_root: merkle_root(&self.log),
            ..FederationAttestation::default()
        }
    }
}
