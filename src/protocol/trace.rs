//! The way of an event, as `GET /api/federation/trace` tells it.

use serde::{Deserialize, Serialize};

use super::federation::OutboxStatus;
use super::forward::Provenance;

/// What is known of an id of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventTrace {
    /// The id.
    pub event_id: String,
    /// The instance that tells this; none where it did not say.
    pub instance_id: Option<String>,
    /// The events with the id, newest first: different sources may have chosen the same.
    pub traces: Vec<Trace>,
    /// Where one was dropped on purpose on its way in.
    pub drops: Vec<TraceDrop>,
    /// Whether there may be more than is told.
    pub truncated: bool,
}

/// The way of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trace {
    /// Its place in the log of the instance that tells this.
    pub seq: u64,
    /// Its source; none where the event itself is gone, as the other three.
    pub source: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// When it happened, as it says itself, RFC 3339.
    pub time: Option<String>,
    /// When it was stored here, RFC 3339.
    pub received_at: Option<String>,
    /// Where it has been, this instance last.
    pub hops: Vec<Hop>,
    /// Where it goes.
    pub forwards: Vec<Forward>,
    /// Where it did not go although a peer's scopes name it.
    pub not_forwarded: Vec<TraceDrop>,
}

/// A place where an event has been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hop {
    /// The instance.
    pub instance: String,
    /// What it did.
    pub kind: HopKind,
    /// When, RFC 3339, where that is known: other instances do not say.
    pub at: Option<String>,
}

/// What an instance did with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HopKind {
    /// It began there. The time is the event's own.
    Began,
    /// It was passed on from there.
    Passed,
    /// It is stored there.
    Stored,
}

/// What became of an event on its way to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forward {
    /// Names it within the team.
    pub id: String,
    /// What the team calls the peer; its UUID where that is not known any more.
    pub peer: String,
    /// The peer's UUID.
    pub peer_id: String,
    /// The id that the peer puts into chains.
    pub peer_instance_id: Option<String>,
    /// What became of it; none where only attempts are left to tell of it.
    pub status: Option<OutboxStatus>,
    /// Each attempt, oldest first. One that was replayed counts from 1 again.
    pub attempts: Vec<Attempt>,
    /// When it is tried next, RFC 3339; none when it is due now or never again.
    pub next_attempt_at: Option<String>,
    /// What the last attempt ended with.
    pub last_error: Option<String>,
}

/// An attempt at a forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Counts from 1.
    pub attempt: u32,
    /// When it ended, RFC 3339.
    pub at: String,
    /// What the peer answered.
    pub status_code: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
}

impl Attempt {
    /// Whether the peer took it.
    pub fn is_taken(&self) -> bool {
        self.status_code
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// That an event was kept from a peer, or a peer's event from this instance, on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TraceDrop {
    /// What the team calls the peer.
    pub peer: String,
    /// The peer's UUID.
    pub peer_id: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// Where an event has been that an instance stored at a time; `time` is what it says itself.
pub fn hops(
    provenance: &Provenance,
    own_id: &str,
    time: Option<String>,
    received_at: Option<String>,
) -> Vec<Hop> {
    let hop = |instance: &str, kind, at| Hop {
        instance: instance.to_owned(),
        kind,
        at,
    };
    let began = provenance.origin.as_ref().or(provenance.chain.first());
    let passed = provenance.chain.iter();
    // Whoever was the first to pass it on is as a rule where it began.
    let passed = passed.skip_while(|id| Some(*id) == began);
    let began = began.map(|id| hop(id, HopKind::Began, time));
    let passed = passed.map(|id| hop(id, HopKind::Passed, None));
    let stored = hop(own_id, HopKind::Stored, received_at);
    began.into_iter().chain(passed).chain([stored]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(origin: Option<&str>, chain: &[&str]) -> Vec<(String, HopKind)> {
        let provenance = Provenance {
            origin: origin.map(str::to_owned),
            chain: chain.iter().map(|id| (*id).to_owned()).collect(),
            hops: chain.len() as u64,
        };
        let hops = hops(&provenance, "here", Some("then".to_owned()), None);
        hops.into_iter()
            .map(|hop| (hop.instance, hop.kind))
            .collect()
    }

    #[test]
    fn the_way_begins_at_the_origin_and_ends_here() {
        use HopKind::{Began, Passed, Stored};
        let way = |hops: &[(&str, HopKind)]| -> Vec<(String, HopKind)> {
            hops.iter()
                .map(|(id, kind)| ((*id).to_owned(), *kind))
                .collect()
        };
        let here = ("here", Stored);
        assert_eq!(told(None, &[]), way(&[here]));
        assert_eq!(told(Some("a"), &["a"]), way(&[("a", Began), here]));
        assert_eq!(
            told(Some("a"), &["a", "b"]),
            way(&[("a", Began), ("b", Passed), here])
        );
        assert_eq!(told(None, &["b"]), way(&[("b", Began), here]));
        assert_eq!(
            told(Some("x"), &["b"]),
            way(&[("x", Began), ("b", Passed), here])
        );
    }
}
