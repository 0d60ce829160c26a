//! What the log has done since the program started, for whoever watches it.

use std::time::Duration;

use crate::base::meter::{Counter, Histogram};
use crate::store::record::{Origin, Outcome};

/// Events of a commit: up to what one takes at most.
const COMMIT_EVENTS: [u64; 8] = [1, 2, 5, 10, 50, 100, 500, 1024];

/// Microseconds of a commit: from a disk with a cache of its own to what senders call an outage.
const COMMIT_MICROS: [u64; 11] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
];

/// Why an event that was handed over was not stored.
const DECLINED: [&str; 5] = [
    "duplicate",
    "quota_exhausted",
    "not_admitted",
    "stale",
    "no_team",
];

/// The numbers of a log.
#[derive(Debug)]
pub struct Meters {
    stored: [Counter; Origin::ALL.len()],
    declined: [Counter; DECLINED.len()],
    /// How many events the commits had.
    pub commit_events: Histogram,
    /// How long the commits took, in microseconds.
    pub commit_micros: Histogram,
    /// Commits that failed.
    pub failed_commits: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            stored: Default::default(),
            declined: Default::default(),
            commit_events: Histogram::new(&COMMIT_EVENTS),
            commit_micros: Histogram::new(&COMMIT_MICROS),
            failed_commits: Counter::default(),
        }
    }
}

impl Meters {
    /// How many events were stored, by the way that they came in.
    pub fn stored(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let origins = Origin::ALL.map(Origin::word);
        origins
            .into_iter()
            .zip(self.stored.iter().map(Counter::get))
    }

    /// How many events were not stored though the commit went well, by the reason.
    pub fn declined(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.declined.iter().map(Counter::get);
        DECLINED.into_iter().zip(counts)
    }

    /// Takes note of a commit.
    pub(super) fn committed(&self, events: usize, took: Duration) {
        self.commit_events.note(events as u64);
        self.commit_micros.note_micros(took);
    }

    /// Takes note of what became of an event.
    pub(super) fn appended(&self, origin: Origin, outcome: &Outcome) {
        let declined = match outcome {
            Outcome::Stored(_) => return self.stored[origin as usize].one(),
            Outcome::Duplicate { .. } => 0,
            Outcome::Exhausted => 1,
            Outcome::NotAdmitted => 2,
            Outcome::Stale => 3,
            Outcome::NoTeam => 4,
        };
        self.declined[declined].one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_counts_under_its_own_word() {
        let meters = Meters::default();
        for origin in Origin::ALL {
            meters.appended(origin, &Outcome::Stored(1));
        }
        assert!(meters.stored().all(|(_, count)| count == 1));
        assert!(meters.stored().any(|(word, _)| word == "webhook"));
        for (place, outcome) in [
            Outcome::Duplicate {
                id: "e".to_owned(),
                created_at: 0,
                same: true,
            },
            Outcome::Exhausted,
            Outcome::NotAdmitted,
            Outcome::Stale,
            Outcome::NoTeam,
        ]
        .iter()
        .enumerate()
        {
            meters.appended(Origin::Api, outcome);
            let counted: Vec<u64> = meters.declined().map(|(_, count)| count).collect();
            assert_eq!(counted.iter().sum::<u64>(), place as u64 + 1);
            assert_eq!(counted[place], 1);
        }
    }
}
