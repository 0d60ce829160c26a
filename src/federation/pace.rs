//! How fast a peer is posted to, and how many posts are under way to it at a time. Pure: times are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// How many posts go to one peer at a time at most: a peer 100 ms away gets 640 events a second.
pub(super) const WINDOW_MAX: usize = 64;

/// How long an event waits for its first attempt before its peer counts as lagging.
pub(super) const LAG: Duration = Duration::from_millis(500);

/// What share of a second's posts may go at once: timers are no finer than milliseconds.
const BURSTS_PER_SEC: u32 = 50;

/// Lets through so many a second, in every span of one second: what is let through at once is taken off the rate.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u32,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A bucket with one token.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self {
            rate,
            tokens: 1.0,
            at: now,
        }
    }

    /// Another rate from now on.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.tokens = self.tokens.min(self.depth());
    }

    /// Takes a token, or says when there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let per_second = f64::from(self.rate) - self.depth() + 1.0;
        self.tokens = (self.tokens + passed * per_second).min(self.depth());
        self.at = now;
        if self.tokens < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / per_second);
            return Err(now + wait.max(Duration::from_micros(1)));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    fn depth(&self) -> f64 {
        f64::from((self.rate / BURSTS_PER_SEC).max(1))
    }
}

/// How many first attempts are under way at a time: one while the peer keeps up, so that events come in their order; more
/// while it lags, by one with every success, which doubles them in the time of one post.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: 1 }
    }
}

impl Window {
    /// How many.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// A post ended well; `lag` is for how long the next event waits already.
    pub(super) fn succeeded(&mut self, lag: Duration) {
        if lag > LAG {
            self.size = (self.size + 1).min(WINDOW_MAX);
        }
    }

    /// A post failed because of the peer: it may be too much for it.
    pub(super) fn failed(&mut self) {
        self.size = (self.size / 2).max(1);
    }

    /// Nothing waits.
    pub(super) fn caught_up(&mut self) {
        self.size = 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_opens_while_the_peer_lags_and_closes_when_it_has_caught_up() {
        let mut window = Window::default();
        window.succeeded(LAG);
        assert_eq!(window.size(), 1);
        for _ in 0..2 * WINDOW_MAX {
            window.succeeded(LAG + Duration::from_millis(1));
        }
        assert_eq!(window.size(), WINDOW_MAX);
        window.failed();
        assert_eq!(window.size(), WINDOW_MAX / 2);
        window.caught_up();
        window.failed();
        assert_eq!(window.size(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_counts_at_once() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100_000, now);
        let later = now + Duration::from_secs(5);
        assert!(bucket.take(later).is_ok());
        bucket.set_rate(1);
        assert!(bucket.take(later).is_ok());
        assert_eq!(bucket.take(later), Err(later + Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_the_rate_and_each_has_nearly_as_many(rate in 1u32..3000) {
            let mut now = Instant::now();
            let end = now + Duration::from_secs(4);
            let mut bucket = Bucket::new(rate, now);
            let (mut last_second, mut count) = (VecDeque::new(), 0u32);
            while now < end {
                match bucket.take(now) {
                    Ok(()) => {
                        count += 1;
                        last_second.push_back(now);
                    }
                    // As a timer wakes up: at the next whole millisecond.
                    Err(at) => now = at.max(now + Duration::from_millis(1)),
                }
                // The sums are of floating point: a thousandth less than a second.
                let span = Duration::from_millis(999);
                while last_second.front().is_some_and(|first| now.duration_since(*first) >= span) {
                    last_second.pop_front();
                }
                prop_assert!(last_second.len() <= rate as usize + 1, "{}", last_second.len());
            }
            prop_assert!(f64::from(count) >= f64::from(rate) * 4.0 * 0.9 - 1.0, "{count}");
        }
    }
}
