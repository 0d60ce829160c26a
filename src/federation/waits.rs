//! How long to wait before something is tried again (spec 14.2).

use std::time::Duration;

/// The longest wait that nobody asked for.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// The longest wait that a peer may ask for: it can be gone for longer, but is not believed for longer.
pub(super) const ASKED_MAX: Duration = Duration::from_secs(3600);

/// 1 s × 2^`count`, at most [`WAIT_MAX`].
fn doubled(count: u32) -> Duration {
    let factor = 1u32.checked_shl(count).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(factor).min(WAIT_MAX)
}

/// How long a row waits after its attempt of this number; `chance` is a random number in 0..1, and all of it is jitter.
/// A longer wait that the peer asks for is honoured.
pub(super) fn of_row(attempt: u32, chance: f64, asked: Option<Duration>) -> Duration {
    let wait = doubled(attempt).mul_f64(chance.clamp(0.0, 1.0));
    wait.max(asked.unwrap_or_default().min(ASKED_MAX))
}

/// How long a peer is left alone after so many probes that failed: a second at first, since several posts that were under
/// way fail at once when a peer is restarted. At least two thirds of the whole, so that one that is away for long is asked
/// about a hundred times a day and not twice as often.
pub(super) fn of_peer(probes: u32, chance: f64) -> Duration {
    let whole = doubled(probes);
    whole.mul_f64((2.0 + chance.clamp(0.0, 1.0)) / 3.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let secs = |attempt| of_row(attempt, 1.0, None).as_secs();
        let waits: Vec<_> = [1, 2, 3, 9, 10, 31, 32, u32::MAX].map(secs).into();
        assert_eq!(waits, [2, 4, 8, 512, 900, 900, 900, 900]);
        assert_eq!(of_row(9, 0.0, None), Duration::ZERO);
    }

    #[test]
    fn what_the_peer_asks_for_is_honoured_up_to_an_hour() {
        let asked = |secs| Some(Duration::from_secs(secs));
        assert_eq!(of_row(1, 0.5, asked(30)).as_secs(), 30);
        assert_eq!(of_row(10, 1.0, asked(30)).as_secs(), 900);
        assert_eq!(of_row(1, 0.5, asked(u64::MAX)), ASKED_MAX);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_it_may_be(count: u32, chance in 0.0..1.0) {
            prop_assert!(of_row(count, chance, None) <= WAIT_MAX);
            let probe = of_peer(count, chance);
            prop_assert!(probe <= WAIT_MAX);
            prop_assert!(probe.as_secs_f64() >= doubled(count).as_secs_f64() * 0.666);
        }
    }
}
