//! What is known of an id of events: where they came from, where they went, what was tried.

use super::federation::{DeliveryEntry, OutboxEntry};
use super::record::Millis;
use crate::protocol::id::Seq;

/// How many events of one id a trace has at most: senders choose ids.
pub const TRACE_EVENTS_MAX: usize = 16;

/// How many forwards it has at most, and how many attempts and drops: what answers a person.
pub const TRACE_ROWS_MAX: usize = 1000;

/// What is known of an id of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Those that are stored, newest first.
    pub events: Vec<TracedEvent>,
    /// Their forwards, whatever became of them.
    pub forwards: Vec<OutboxEntry>,
    /// Attempts and drops, newest first.
    pub attempts: Vec<DeliveryEntry>,
    /// The peers of those, the deleted ones too.
    pub peers: Vec<TracedPeer>,
}

impl Trace {
    /// Whether there may be more than it has.
    pub fn is_cut(&self) -> bool {
        self.events.len() >= TRACE_EVENTS_MAX
            || self.forwards.len() >= TRACE_ROWS_MAX
            || self.attempts.len() >= TRACE_ROWS_MAX
    }

    /// The ids of the peers that are named.
    pub(super) fn peer_ids(&self) -> Vec<&str> {
        let forwards = self.forwards.iter().map(|it| it.id.peer_id.as_str());
        let attempts = self.attempts.iter().map(|it| it.peer_id.as_str());
        let mut ids: Vec<&str> = forwards.chain(attempts).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// An event of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedEvent {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was stored; not known any more of one that retention took and a forward or a letter still needs.
    pub created_at: Option<Millis>,
    /// The event as JSON text.
    pub text: String,
}

/// A peer, as far as a trace names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedPeer {
    /// Its UUID.
    pub id: String,
    /// What the team calls it.
    pub name: String,
    /// The id that it puts into chains.
    pub instance_id: String,
}
