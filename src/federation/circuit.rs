//! Whether a peer is worth trying: after some failures in a row it is left alone, and one row at a time asks whether it is
//! back. Pure: times and chance are arguments.

use std::time::Duration;

use super::waits;
use crate::store::federation::PeerState;
use crate::store::record::Millis;

/// After how many failures in a row a peer is left alone (spec 14.2).
pub(super) const OPENS_AFTER: u32 = 5;

/// A peer's circuit. *Open* is the word for a peer that is left alone, as for a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Circuit {
    failures: u32,
    retry_at: Option<Millis>,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Everything.
    Free,
    /// One row at a time.
    Probe,
    /// Nothing before this time.
    Until(Millis),
}

impl Circuit {
    /// The circuit that was written down.
    pub(super) fn of(state: &PeerState) -> Self {
        Self {
            failures: state.failures,
            retry_at: state.retry_at,
        }
    }

    /// How many failures there were in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When the peer is tried next, while it is left alone.
    pub(super) fn retry_at(&self) -> Option<Millis> {
        self.retry_at
    }

    /// Whether the peer is left alone but for probes.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= OPENS_AFTER
    }

    /// What may be sent at a time.
    pub(super) fn gate(&self, now: Millis) -> Gate {
        let longest = now.saturating_add(millis(waits::ASKED_MAX));
        match self.retry_at {
            // A later one was written by a clock that was wrong.
            Some(at) if at > now && at <= longest => Gate::Until(at),
            _ if self.is_open() => Gate::Probe,
            _ => Gate::Free,
        }
    }

    /// The peer took something, or judged an event: it is there. Says whether that closes the circuit.
    pub(super) fn succeeded(&mut self, now: Millis) -> bool {
        let was_open = self.is_open();
        self.failures = 0;
        // It may have asked for a rest in an answer to another row.
        self.retry_at = self.retry_at.filter(|at| !was_open && *at > now);
        was_open
    }

    /// The peer, or the way to it, failed. What was sent before the circuit opened tells nothing new when it fails too;
    /// `is_probe` is said of what was sent since.
    pub(super) fn failed(
        &mut self,
        now: Millis,
        chance: f64,
        asked: Option<Duration>,
        is_probe: bool,
    ) {
        if !self.is_open() || is_probe {
            self.failures = self.failures.saturating_add(1);
            if self.is_open() {
                self.rest(now, waits::of_peer(self.failures - OPENS_AFTER, chance));
            }
        }
        if let Some(asked) = asked {
            self.rest(now, asked.min(waits::ASKED_MAX));
        }
    }

    /// It was heard from: closed.
    pub(super) fn woken(&mut self) {
        *self = Self::default();
    }

    fn rest(&mut self, now: Millis, wait: Duration) {
        let until = now.saturating_add(millis(wait));
        self.retry_at = self.retry_at.max(Some(until));
    }
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    fn after_failures(count: u32) -> Circuit {
        let mut circuit = Circuit::default();
        (0..count).for_each(|_| circuit.failed(NOW, 1.0, None, false));
        circuit
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_row_at_a_time_probes() {
        assert_eq!(after_failures(4).gate(NOW), Gate::Free);
        let mut circuit = after_failures(5);
        assert_eq!(circuit.gate(NOW), Gate::Until(NOW + 1000));
        assert_eq!(circuit.gate(NOW + 1000), Gate::Probe);
        circuit.failed(NOW + 1000, 0.0, None, true);
        let next = NOW + 1000 + 1333;
        assert_eq!(circuit.gate(NOW + 1000), Gate::Until(next));
        assert!(circuit.succeeded(next), "it closes");
        assert_eq!(circuit.gate(next), Gate::Free);
        assert!(!circuit.succeeded(next), "it was closed");
    }

    #[test]
    fn a_success_between_them_begins_the_count_anew() {
        let mut circuit = after_failures(4);
        assert!(!circuit.succeeded(NOW));
        (0..4).for_each(|_| circuit.failed(NOW, 1.0, None, false));
        assert_eq!(circuit.gate(NOW), Gate::Free);
    }

    #[test]
    fn what_was_sent_before_it_opened_does_not_make_the_wait_longer() {
        let circuit = after_failures(60);
        assert_eq!((circuit.failures(), circuit.is_open()), (5, true));
    }

    #[test]
    fn a_rest_that_the_peer_asks_for_is_kept_though_it_takes_other_rows() {
        let mut circuit = Circuit::default();
        circuit.failed(NOW, 0.5, Some(Duration::from_secs(7)), false);
        assert_eq!(circuit.gate(NOW), Gate::Until(NOW + 7000));
        assert!(!circuit.succeeded(NOW + 1));
        assert_eq!(circuit.gate(NOW + 1), Gate::Until(NOW + 7000));
        assert_eq!(circuit.gate(NOW + 7000), Gate::Free);
        circuit.woken();
        assert_eq!(circuit, Circuit::default());
    }

    #[test]
    fn a_time_that_no_rule_gives_is_not_waited_for() {
        let circuit = Circuit {
            failures: 7,
            retry_at: Some(NOW + 86_400_000),
        };
        assert_eq!(circuit.gate(NOW), Gate::Probe);
    }

    #[test]
    fn a_peer_that_is_away_is_asked_at_most_about_144_times_a_day() {
        let mut circuit = after_failures(12);
        let (mut now, mut probes) = (NOW, 0);
        while now < NOW + 86_400_000 {
            match circuit.gate(now) {
                Gate::Until(at) => now = at,
                _ => {
                    probes += 1;
                    circuit.failed(now, 0.5, None, true);
                }
            }
        }
        assert!((90..=145).contains(&probes), "{probes}");
    }

    proptest! {
        #[test]
        fn it_is_open_exactly_after_five_failures_in_a_row(
            outcomes in proptest::collection::vec(any::<bool>(), 0..40),
            chance in 0.0..1.0,
        ) {
            let (mut circuit, mut now, mut row) = (Circuit::default(), NOW, 0);
            for is_success in outcomes {
                if let Gate::Until(at) = circuit.gate(now) {
                    prop_assert!(row >= OPENS_AFTER);
                    now = at;
                }
                let is_probe = circuit.gate(now) == Gate::Probe;
                prop_assert_eq!(is_probe, row >= OPENS_AFTER);
                match is_success {
                    true => prop_assert_eq!(circuit.succeeded(now), is_probe),
                    false => circuit.failed(now, chance, None, is_probe),
                }
                row = if is_success { 0 } else { row + 1 };
            }
        }
    }
}
