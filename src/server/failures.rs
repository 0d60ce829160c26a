//! Who guesses: failed verifications of tokens and signatures, counted per address (spec 15).
//!
//! Only further failures are answered differently, with 429. Right credentials always pass, so that nobody can lock out
//! a neighbour behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::error::ApiError;
use crate::store::record::Millis;

/// How many failures a minute are told what they are.
const FAILURES_MAX: u32 = 100;

const MINUTE_MILLIS: Millis = 60_000;

/// How many addresses are counted. Beyond it further ones are not: a flood from everywhere is no guessing that a count
/// per address could stop.
const ADDRESSES_MAX: usize = 50_000;

/// The failures of the current minute.
#[derive(Default)]
pub(super) struct Failures {
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    minute: i64,
    counts: HashMap<IpAddr, u32>,
}

impl Failures {
    /// Counts a failure; answers it with `refusal`, or with 429 once there are too many.
    pub(super) fn answer(&self, peer: Option<IpAddr>, now: Millis, refusal: ApiError) -> ApiError {
        let Some(peer) = peer else { return refusal };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.div_euclid(MINUTE_MILLIS);
        if window.minute != minute {
            *window = Window {
                minute,
                counts: HashMap::new(),
            };
        }
        if window.counts.len() >= ADDRESSES_MAX && !window.counts.contains_key(&peer) {
            return refusal;
        }
        let count = window.counts.entry(peer).or_default();
        *count = count.saturating_add(1);
        if *count <= FAILURES_MAX {
            return refusal;
        }
        let left = MINUTE_MILLIS - now.rem_euclid(MINUTE_MILLIS);
        ApiError::rate_limited(
            "too many failed attempts from this address",
            u64::try_from(left / 1000 + 1).unwrap_or(60),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn the_101st_failure_of_a_minute_is_429_and_the_next_minute_begins_anew() {
        let failures = Failures::default();
        let code = |peer: u8, now| {
            let peer = Some(IpAddr::from([127, 0, 0, peer]));
            failures
                .answer(peer, now, ApiError::unauthorized("no"))
                .code()
        };
        for _ in 0..FAILURES_MAX {
            assert_eq!(code(1, 5_000), ErrorCode::Unauthorized);
        }
        assert_eq!(code(1, 59_999), ErrorCode::RateLimited);
        assert_eq!(code(2, 59_999), ErrorCode::Unauthorized);
        assert_eq!(code(1, 60_000), ErrorCode::Unauthorized);
    }
}
