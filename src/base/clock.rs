//! The one place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tokio::time::Instant;

/// The current time, for everything that stores or compares it. Cheap to clone; tests set it.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Fixed(Arc<AtomicI64>),
    Following(i64, Instant),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still, for tests.
    pub fn fixed(unix_millis: i64) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(unix_millis))))
    }

    /// A clock that shows this now and goes on with the runtime's time, for tests that set that.
    pub fn following(unix_millis: i64) -> Self {
        Self(Source::Following(unix_millis, Instant::now()))
    }

    /// Milliseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn unix_millis(&self) -> i64 {
        match &self.0 {
            Source::System => Timestamp::now().as_millisecond(),
            Source::Fixed(millis) => millis.load(Ordering::Relaxed),
            Source::Following(start, since) => {
                let passed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
                start.saturating_add(passed)
            }
        }
    }
}

/// A time as the wire writes it: RFC 3339, UTC, `Z`, milliseconds.
pub fn rfc3339(unix_millis: i64) -> String {
    let time = Timestamp::from_millisecond(unix_millis).unwrap_or_default();
    format!("{time:.3}")
}

/// The time of day (UTC) of an RFC 3339 text, as `HH:MM:SS`; `None` when it is none.
pub fn time_of_day(rfc3339: &str) -> Option<String> {
    let time: Timestamp = rfc3339.parse().ok()?;
    Some(time.strftime("%H:%M:%S").to_string())
}

/// The time of an RFC 3339 text, in milliseconds since the Unix epoch; `None` when it is none.
pub fn unix_millis(rfc3339: &str) -> Option<i64> {
    let time: Timestamp = rfc3339.parse().ok()?;
    Some(time.as_millisecond())
}

/// The time of an HTTP `Date` header, in milliseconds since the Unix epoch; `None` when it is none.
pub fn http_date(text: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(time.timestamp().as_millisecond())
}

/// The calendar month (UTC) of a time: its name, as `2026-11`, and when it ends.
pub fn month(unix_millis: i64) -> (String, i64) {
    let time = Timestamp::from_millisecond(unix_millis).unwrap_or_default();
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    let name = format!("{:04}-{:02}", date.year(), date.month());
    let end = date
        .first_of_month()
        .checked_add(jiff::Span::new().months(1))
        .ok()
        .and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map_or(unix_millis, |next| next.timestamp().as_millisecond());
    (name, end)
}

/// When the day (UTC) of a time began.
pub fn day_start(unix_millis: i64) -> i64 {
    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
    unix_millis - unix_millis.rem_euclid(DAY_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn a_time_of_day_is_that_of_utc() {
        let time = |text| time_of_day(text).unwrap_or_default();
        assert_eq!(time("2023-11-14T22:13:20.123Z"), "22:13:20");
        assert_eq!(time("2023-11-14T22:13:20+02:30"), "19:43:20");
        assert_eq!(time("yesterday"), "");
    }

    #[test]
    fn a_date_header_is_a_time() {
        let time = http_date("Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(time, Some(1_700_000_000_000));
        assert_eq!(http_date("soon"), None);
        assert_eq!(unix_millis("1970-01-01T00:00:01Z"), Some(1000));
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let (name, end) = month(1_703_980_800_000);
        assert_eq!(
            (name.as_str(), rfc3339(end).as_str()),
            ("2023-12", "2024-01-01T00:00:00.000Z")
        );
        assert_eq!(day_start(1_700_000_000_123), 1_699_920_000_000);
    }
}
