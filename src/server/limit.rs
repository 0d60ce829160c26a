//! Counting what an address does within a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::error::ApiError;
use crate::store::record::Millis;

const MINUTE_MILLIS: Millis = 60_000;

/// How many addresses are counted. Beyond it further ones are not: a flood from everywhere is nothing that a count per
/// address could stop.
const ADDRESSES_MAX: usize = 50_000;

/// Counts per address, in fixed windows of a minute.
#[derive(Default)]
pub(super) struct PerMinute {
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    minute: i64,
    counts: HashMap<IpAddr, u32>,
}

impl PerMinute {
    /// Counts one more; 429 once there are more than `max`.
    pub(super) fn count(
        &self,
        peer: Option<IpAddr>,
        now: Millis,
        max: u32,
    ) -> Result<(), ApiError> {
        let Some(peer) = peer else { return Ok(()) };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.div_euclid(MINUTE_MILLIS);
        if window.minute != minute {
            *window = Window {
                minute,
                counts: HashMap::new(),
            };
        }
        if window.counts.len() >= ADDRESSES_MAX && !window.counts.contains_key(&peer) {
            return Ok(());
        }
        let count = window.counts.entry(peer).or_default();
        *count = count.saturating_add(1);
        if *count <= max {
            return Ok(());
        }
        let left = MINUTE_MILLIS - now.rem_euclid(MINUTE_MILLIS);
        Err(ApiError::rate_limited(
            "too many attempts from this address",
            u64::try_from(left / 1000 + 1).unwrap_or(60),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_until_the_next_minute() {
        let counted = PerMinute::default();
        let is_fine = |peer: u8, now| {
            let peer = Some(IpAddr::from([127, 0, 0, peer]));
            counted.count(peer, now, 2).is_ok()
        };
        assert!(is_fine(1, 5_000) && is_fine(1, 5_000));
        assert!(!is_fine(1, 59_999));
        assert!(is_fine(2, 59_999));
        assert!(is_fine(1, 60_000));
    }
}
