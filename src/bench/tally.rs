//! Counting: how many, how long each took, what failed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart: a load ends before.
const LATENCY_MAX: Duration = Duration::from_secs(600);

/// What one latency may be told apart from, in nanoseconds.
const LATENCY_MIN_NANOS: u64 = 1000;

/// How many count side by side, so that they seldom wait for one another.
const SHARDS: usize = 16;

/// Latencies, to three digits.
pub struct Latencies(Option<Histogram<u64>>);

impl Default for Latencies {
    fn default() -> Self {
        let max = u64::try_from(LATENCY_MAX.as_nanos()).unwrap_or(u64::MAX);
        // These bounds are good ones; a test makes it.
        Self(Histogram::new_with_bounds(LATENCY_MIN_NANOS, max, 3).ok())
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        if let (Some(histogram), Some(other)) = (&mut self.0, &other.0) {
            // Both have the same bounds, so nothing is out of them.
            let _ = histogram.add(other);
        }
    }

    /// The latency that a share of all do not exceed, in microseconds.
    pub fn at(&self, share: f64) -> f64 {
        let nanos = self
            .0
            .as_ref()
            .map_or(0, |histogram| histogram.value_at_quantile(share));
        micros(nanos)
    }

    /// The longest, in microseconds.
    pub fn max(&self) -> f64 {
        micros(self.0.as_ref().map_or(0, Histogram::max))
    }
}

/// Microseconds with one digit after the point: more would be noise.
#[expect(
    clippy::cast_precision_loss,
    reason = "latencies have three digits that mean something"
)]
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}

/// What was counted.
#[derive(Default)]
pub struct Tally {
    /// How long each took.
    pub latencies: Latencies,
    /// How late each was begun: how well the load kept its pace.
    pub lateness: Latencies,
    /// How many were done.
    pub done: u64,
    /// How many failed.
    pub failed: u64,
    /// Why the first of them did.
    pub why: Option<String>,
    /// When the last was done.
    pub last: Duration,
}

impl Tally {
    /// Counts some that are done, together.
    pub fn done(&mut self, count: u64, latency: Duration, now: Duration) {
        self.latencies.record(latency);
        self.done += count;
        self.last = self.last.max(now);
    }

    /// How many were done in a second, when it took so long.
    #[expect(clippy::cast_precision_loss, reason = "a rate has few digits")]
    pub fn per_second(&self, elapsed: Duration) -> f64 {
        let per_second = self.done as f64 / elapsed.as_secs_f64().max(f64::EPSILON);
        (per_second * 10.0).round() / 10.0
    }

    /// Counts one that failed.
    pub fn failed(&mut self, why: impl Into<String>) {
        self.failed += 1;
        if self.why.is_none() {
            self.why = Some(why.into());
        }
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies);
        self.lateness.add(&other.lateness);
        self.done += other.done;
        self.failed += other.failed;
        self.why = self.why.take().or_else(|| other.why.clone());
        self.last = self.last.max(other.last);
    }
}

/// A tally that many count on at the same time.
#[derive(Default)]
pub(super) struct Tallies([Mutex<Tally>; SHARDS]);

impl Tallies {
    /// Counts something, as the one of this number.
    pub(super) fn count(&self, who: usize, count: impl FnOnce(&mut Tally)) {
        let shard = &self.0[who % SHARDS];
        count(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All that was counted so far.
    pub(super) fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        for shard in &self.0 {
            sum.add(&shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let tallies = Tallies::default();
        for who in 1..=100 {
            let latency = Duration::from_millis(who as u64);
            tallies.count(who, |tally| tally.done(1, latency, latency));
        }
        tallies.count(7, |tally| tally.failed("no"));
        let sum = tallies.sum();
        assert_eq!(
            (sum.done, sum.failed, sum.why.as_deref()),
            (100, 1, Some("no"))
        );
        assert_eq!(sum.last, Duration::from_millis(100));
        let near = |share, micros: f64| (sum.latencies.at(share) - micros).abs() < micros / 500.0;
        assert!(near(0.5, 50_000.0) && near(0.99, 99_000.0) && near(1.0, 100_000.0));
    }

    #[test]
    fn what_takes_longer_than_can_be_told_apart_counts_as_the_longest() {
        let mut latencies = Latencies::default();
        latencies.record(LATENCY_MAX * 2);
        latencies.record(Duration::from_micros(3));
        assert!(latencies.max() >= 600_000_000.0, "{}", latencies.max());
        assert!((2.0..=4.0).contains(&latencies.at(0.5)));
    }
}
