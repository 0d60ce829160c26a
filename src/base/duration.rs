//! Durations as people type them: `30s`, `5m`, `24h`, `7d`.

use std::time::Duration;

use serde::Serializer;

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

/// As [`parse`], for what must last: a limit of nothing would leave no time at all.
pub fn parse_some(text: &str) -> Result<Duration, String> {
    match parse(text).map_err(|fault| fault.to_string())? {
        Duration::ZERO => Err("it must be at least 1s".to_owned()),
        duration => Ok(duration),
    }
}

/// The shortest text that [`parse`] reads as the duration; what is below a second is left out.
pub fn text(duration: Duration) -> String {
    let secs = duration.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let whole = units
        .into_iter()
        .find(|(secs_per_unit, _)| secs > 0 && secs.is_multiple_of(*secs_per_unit));
    let (secs_per_unit, unit) = whole.unwrap_or((1, 's'));
    format!("{}{unit}", secs / secs_per_unit)
}

/// Writes a duration as people type it.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_fits() {
        for written in ["0s", "30s", "90s", "5m", "36h", "7d"] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
        assert_eq!(text(Duration::from_secs(60)), "1m");
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert!(parse_some("0m").is_err());
        assert_eq!(parse_some("1s"), Ok(Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn a_duration_is_read_as_it_was_written(secs in 0..=i64::MAX as u64) {
            let duration = Duration::from_secs(secs);
            prop_assert_eq!(parse(&text(duration)), Ok(duration));
        }
    }
}
