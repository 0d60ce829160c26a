//! Numbers that a running program adds up: cheap to add to from any thread, read by whoever wants to know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Nothing was counted yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        // A count stands for itself: nothing is read in its light.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How values spread: how many were no larger than each of some bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// Each value once, under the smallest bound that holds it; the last for what is larger than all of them.
    counts: Box<[Counter]>,
    sum: Counter,
}

/// What a histogram has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The bounds, ascending, each with how many values were no larger.
    pub upto: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// What they add up to.
    pub sum: u64,
}

impl Histogram {
    /// Nothing was seen yet. The bounds ascend.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| Counter::default()).collect(),
            sum: Counter::default(),
        }
    }

    /// Takes note of a value.
    pub fn note(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.one();
        }
        self.sum.add(value);
    }

    /// Takes note of a duration, in microseconds.
    pub fn note_micros(&self, duration: Duration) {
        self.note(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was seen so far. Values that come meanwhile may be in a part of it.
    pub fn read(&self) -> Spread {
        let sum = self.sum.get();
        let mut count = 0;
        let mut counts = self.counts.iter().map(|it| {
            count += it.get();
            count
        });
        let upto = self.bounds.iter().copied().zip(&mut counts).collect();
        // What is larger than all bounds.
        let _ = counts.next();
        Spread { upto, count, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_under_every_bound_that_holds_it() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 1000] {
            histogram.note(value);
        }
        histogram.note_micros(Duration::from_micros(100));
        let spread = histogram.read();
        assert_eq!(spread.upto, [(1, 2), (10, 4), (100, 6)]);
        assert_eq!((spread.count, spread.sum), (7, 1124));
    }
}
