//! How long to wait before trying again: full jitter between a floor and a doubling ceiling.

use std::time::Duration;

/// A series of waits. Take [`Backoff::next`] after each failure; [`Backoff::reset`] after a quiet stretch.
#[derive(Debug, Clone)]
pub struct Backoff {
    floor: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits between `floor` and a ceiling that doubles from `floor` up to `max`.
    pub fn new(floor: Duration, max: Duration) -> Self {
        Self {
            floor,
            max,
            failures: 0,
        }
    }

    /// The next wait; `chance` is a random number in 0..1.
    pub fn next(&mut self, chance: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = self
            .floor
            .saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let ceiling = doubled.min(self.max).max(self.floor);
        self.floor + (ceiling - self.floor).mul_f64(chance.clamp(0.0, 1.0))
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_ceiling_and_never_pass_it() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let longest: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(
            longest,
            [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
        );
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
        for _ in 0..200 {
            assert!(backoff.next(0.7) <= Duration::from_secs(30));
        }
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::from_secs(1));
    }
}
