//! When requests are due. Times are spans since the load began, so that the rules need no clock.

use std::time::Duration;

/// How a load is paced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many requests a second, whatever becomes of them.
    Rate(u32),
    /// The next one when the last was answered.
    Closed,
}

/// A request's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it was due.
    pub due: Duration,
    /// Whether it counts: it was due after the warm-up.
    pub counts: bool,
}

/// The turns of a load.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pace: Pace,
    warm_up: Duration,
    end: Duration,
}

impl Schedule {
    /// Turns from the beginning to the end of `duration`, which follows on `warm_up`.
    pub fn new(pace: Pace, warm_up: Duration, duration: Duration) -> Self {
        Self {
            pace,
            warm_up,
            end: warm_up + duration,
        }
    }

    /// When the last turn is over.
    pub fn end(&self) -> Duration {
        self.end
    }

    /// When turns begin to count.
    pub fn warm_up(&self) -> Duration {
        self.warm_up
    }

    /// How many turns there are at a fixed rate.
    pub fn total(&self) -> Option<u64> {
        match self.pace {
            Pace::Rate(_) => Some(self.due_by(self.end)),
            Pace::Closed => None,
        }
    }

    /// How many turns were due before a time.
    pub fn due_by(&self, now: Duration) -> u64 {
        let Pace::Rate(rate) = self.pace else {
            return 0;
        };
        let nanos = now.min(self.end).as_nanos() * u128::from(rate);
        u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// The turn of this number that somebody takes now; `None` when all is over. At a fixed rate it was due when the
    /// rate says, however late it is taken.
    pub fn turn(&self, number: u64, now: Duration) -> Option<Turn> {
        let due = match self.pace {
            Pace::Closed => now,
            Pace::Rate(rate) => {
                let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate.max(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        };
        (due < self.end).then_some(Turn {
            due,
            counts: due >= self.warm_up,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_rate_is_kept_to_the_end_and_not_beyond() {
        let schedule = Schedule::new(Pace::Rate(1000), SECOND, SECOND * 2);
        assert_eq!(schedule.total(), Some(3000));
        assert_eq!(schedule.due_by(Duration::ZERO), 0);
        assert_eq!(schedule.due_by(millis(1)), 1);
        assert_eq!(schedule.due_by(Duration::from_micros(1001)), 2);
        assert_eq!(schedule.due_by(SECOND * 60), 3000);
        assert_eq!(schedule.turn(3000, SECOND), None);
        assert_eq!(
            schedule.turn(999, Duration::ZERO).map(|turn| turn.counts),
            Some(false)
        );
        assert_eq!(
            schedule.turn(1000, Duration::ZERO).map(|turn| turn.counts),
            Some(true)
        );
    }

    #[test]
    fn a_server_that_stands_still_is_seen_by_everything_that_was_due() {
        // One publisher, 100 requests a second, each answered at once; but the server stands still from 0.5 s to 1.5 s.
        let schedule = Schedule::new(Pace::Rate(100), Duration::ZERO, SECOND * 2);
        let (mut now, mut latencies) = (Duration::ZERO, Vec::new());
        for number in 0..schedule.total().unwrap() {
            let turn = schedule.turn(number, now).unwrap();
            now = now.max(turn.due);
            if now >= millis(500) && now < millis(1500) {
                now = millis(1500);
            }
            latencies.push(now - turn.due);
        }
        assert_eq!(latencies.len(), 200);
        let slow = latencies.iter().filter(|latency| !latency.is_zero());
        // Not the one request that was on its way: all hundred that were due meanwhile.
        assert_eq!(slow.count(), 100);
        assert_eq!(latencies[50], SECOND);
        assert_eq!(latencies[100], millis(500));
    }

    #[test]
    fn in_a_closed_loop_a_request_is_due_when_it_is_made() {
        let schedule = Schedule::new(Pace::Closed, SECOND, SECOND);
        assert_eq!(schedule.total(), None);
        let turn = schedule.turn(7, millis(1200)).unwrap();
        assert_eq!((turn.due, turn.counts), (millis(1200), true));
        assert!(!schedule.turn(8, millis(999)).unwrap().counts);
        assert_eq!(schedule.turn(9, SECOND * 2), None);
    }
}
