//! What this process has handled, so that a repetition is recognised and nothing else is taken for one.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::receiver::Delivery;
use crate::protocol::id::Seq;

/// How many events are remembered. A server repeats what it had not stored the ack of: acks are at most 64 events and
/// its own batch of them behind.
const REMEMBERED_MAX: usize = 4096;

/// The events that were handled last.
///
/// A number alone proves no repetition: a server that was restored from a backup gives numbers out again, and what it
/// sends under them is new. Whatever is in doubt is handled again rather than lost.
#[derive(Debug, Default)]
pub(super) struct Memory {
    skipped_to: Seq,
    highest: Seq,
    recent: VecDeque<(Seq, u64)>,
}

impl Memory {
    /// Everything up to here was handled by other means.
    pub(super) fn skip_to(&mut self, seq: Seq) {
        self.skipped_to = self.skipped_to.max(seq);
        self.highest = self.highest.max(seq);
    }

    /// The highest number that was handled; 0 for none.
    pub(super) fn highest(&self) -> Seq {
        self.highest
    }

    /// Whether the event was handled before.
    pub(super) fn holds(&self, delivery: &Delivery) -> bool {
        delivery.seq <= self.skipped_to
            || (delivery.seq <= self.highest && self.recent.contains(&trace(delivery)))
    }

    /// Remembers an event, by its trace.
    pub(super) fn keep(&mut self, trace: (Seq, u64)) {
        if self.recent.len() == REMEMBERED_MAX {
            self.recent.pop_front();
        }
        self.highest = self.highest.max(trace.0);
        self.recent.push_back(trace);
    }
}

/// What an event is recognised by: its number and its id; its text, where it has no id that can be read.
pub(super) fn trace(delivery: &Delivery) -> (Seq, u64) {
    let mut hasher = DefaultHasher::new();
    match &delivery.event {
        Ok(event) => (&event.source, &event.id).hash(&mut hasher),
        Err(_) => delivery.text.hash(&mut hasher),
    }
    (delivery.seq, hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(seq: Seq, id: &str) -> Delivery {
        let text = format!(r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"t"}}"#);
        Delivery::new(seq, &text)
    }

    #[test]
    fn only_the_same_event_under_the_same_number_is_a_repetition() {
        let mut memory = Memory::default();
        memory.keep(trace(&delivery(6, "a")));
        assert!(memory.holds(&delivery(6, "a")));
        assert!(!memory.holds(&delivery(6, "b")));
        assert!(!memory.holds(&delivery(1, "c")));
        memory.skip_to(9);
        assert!(memory.holds(&delivery(9, "d")) && !memory.holds(&delivery(10, "e")));
        assert_eq!(memory.highest(), 9);
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        for seq in 1..=5000 {
            memory.keep((seq, seq));
        }
        assert_eq!(memory.recent.len(), REMEMBERED_MAX);
    }
}
