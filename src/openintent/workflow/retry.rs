//! How often a step is tried, and when again.

use std::time::Duration;

use super::fault::Findings;
use super::section::Section;

/// How often a step can be tried, at most: each try is an intent of its own.
const ATTEMPTS_MAX: i64 = 100;

/// The longest pause between two tries, in milliseconds: a day.
const PAUSE_MAX_MS: i64 = 86_400_000;

/// How a step that has failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often it is tried in all.
    pub attempts: u32,
    /// How pauses grow.
    pub growth: Growth,
    /// The first pause.
    pub first: Duration,
    /// The longest one.
    pub longest: Duration,
}

/// How pauses grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Growth {
    /// They do not.
    #[default]
    Constant,
    /// By the first one each time.
    Linear,
    /// Twice as long each time.
    Exponential,
}

impl Default for Retry {
    /// Not at all.
    fn default() -> Self {
        Self {
            attempts: 1,
            growth: Growth::Constant,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

impl Growth {
    fn of(word: &str) -> Option<Self> {
        match word {
            "constant" => Some(Self::Constant),
            "linear" => Some(Self::Linear),
            "exponential" => Some(Self::Exponential),
            _ => None,
        }
    }
}

const KEYS: [&str; 5] = [
    "backoff",
    "base_delay_seconds",
    "initial_delay_ms",
    "max_attempts",
    "max_delay_ms",
];

impl Retry {
    pub(super) fn read(step: &Section<'_>, findings: &mut Findings) -> Self {
        let mut retry = Self::default();
        let Some(section) = step.section("retry", findings) else {
            return retry;
        };
        section.check_keys(&KEYS, &["fallback_agent", "retryable_errors"], findings);
        let pauses = (0, PAUSE_MAX_MS);
        let mut millis = |key: &str, bounds: (i64, i64)| {
            let found = section.integer(key, bounds, findings)?;
            u64::try_from(found.value).ok()
        };
        if let Some(attempts) = millis("max_attempts", (1, ATTEMPTS_MAX)) {
            retry.attempts = u32::try_from(attempts).unwrap_or(1);
        }
        if let Some(secs) = millis("base_delay_seconds", (0, PAUSE_MAX_MS / 1000)) {
            retry.first = Duration::from_secs(secs);
        }
        if let Some(first) = millis("initial_delay_ms", pauses) {
            retry.first = Duration::from_millis(first);
        }
        if let Some(longest) = millis("max_delay_ms", pauses) {
            retry.longest = Duration::from_millis(longest);
        }
        let wanted = "`constant`, `linear` or `exponential`";
        if let Some(growth) = section.word("backoff", wanted, Growth::of, findings) {
            retry.growth = growth.value;
        }
        retry
    }

    /// The pause after so many tries.
    pub fn pause(&self, tries: u32) -> Duration {
        let factor = match self.growth {
            Growth::Constant => 1,
            Growth::Linear => tries.max(1),
            Growth::Exponential => 1_u32
                .checked_shl(tries.saturating_sub(1))
                .unwrap_or(u32::MAX),
        };
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_as_they_should_and_have_an_end() {
        let secs = |growth| {
            let retry = Retry {
                growth,
                first: Duration::from_secs(2),
                longest: Duration::from_secs(9),
                ..Retry::default()
            };
            [1, 2, 3, 40].map(|tries| retry.pause(tries).as_secs())
        };
        assert_eq!(secs(Growth::Constant), [2, 2, 2, 2]);
        assert_eq!(secs(Growth::Linear), [2, 4, 6, 9]);
        assert_eq!(secs(Growth::Exponential), [2, 4, 8, 9]);
    }
}
