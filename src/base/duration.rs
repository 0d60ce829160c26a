//! Durations as people type them: `30s`, `5m`, `24h`, `7d`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: use a whole number and s, m, h or d, such as 30s, 5m, 24h or 7d")]
pub struct DurationError(String);

/// Reads a duration: decimal digits (`_` allowed between them) and one of `s`, `m`, `h`, `d`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let fault = || DurationError(text.to_owned());
    let trimmed = text.trim();
    let unit = trimmed.chars().next_back().ok_or_else(fault)?;
    let secs_per_unit: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(fault()),
    };
    let digits = &trimmed[..trimmed.len() - unit.len_utf8()];
    let well_formed = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !well_formed {
        return Err(fault());
    }
    let count: u64 = digits.replace('_', "").parse().map_err(|_| fault())?;
    // Whatever is longer than the clock can add is a typo.
    let secs = count
        .checked_mul(secs_per_unit)
        .filter(|secs| i64::try_from(*secs).is_ok())
        .ok_or_else(fault)?;
    Ok(Duration::from_secs(secs))
}
