//! Time stamps as they travel (spec 3.10).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// A time stamp as Unix time in milliseconds: RFC 3339 with up to nine fractional digits, or the same without an offset,
/// which is UTC. What is finer is cut off.
///
/// ```
/// use kite::openintent::stamp;
///
/// assert_eq!(stamp::read("2026-01-01T00:00:00Z"), Some(1_767_225_600_000));
/// assert_eq!(stamp::read("2026-01-01T02:00:00.5+02:00"), Some(1_767_225_600_500));
/// assert_eq!(stamp::read("2026-01-01T00:00:00"), Some(1_767_225_600_000));
/// assert_eq!(stamp::read("tomorrow"), None);
/// ```
pub fn read(text: &str) -> Option<i64> {
    Some(instant(text)?.as_millisecond())
}

/// A time of Unix in milliseconds as a stamp that every reader takes: UTC, six fractional digits.
///
/// ```
/// use kite::openintent::stamp;
///
/// assert_eq!(stamp::write(1_767_225_600_123), "2026-01-01T00:00:00.123000+00:00");
/// ```
pub fn write(unix_ms: i64) -> String {
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// The exact moment of a stamp: two of them may differ by less than a millisecond.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked("2026-01-01T00:00:00".len())?;
    let date_time = date_time_of(date_time)?;
    let (nanoseconds, offset) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => fraction(rest)?,
    };
    let date_time = date_time
        .with()
        .subsec_nanosecond(nanoseconds)
        .build()
        .ok()?;
    offset_of(offset)?.to_timestamp(date_time).ok()
}

/// `2026-01-01T00:00:00`. The second 60, which is in no calendar, is the last one of its minute.
fn date_time_of(text: &str) -> Option<DateTime> {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00T00:00:00".iter().zip(bytes);
    let fits = |(shape, byte): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'),
        _ => byte == shape,
    };
    if !shape.into_iter().all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let second = match small(17)? {
        60 => 59,
        second => second,
    };
    DateTime::new(
        number(0, 4)?,
        small(5)?,
        small(8)?,
        small(11)?,
        small(14)?,
        second,
        0,
    )
    .ok()
}

/// One to nine digits behind the point, in nanoseconds, and what follows them.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    match digits.len() {
        1..=9 => Some((format!("{digits:0<9}").parse().ok()?, rest)),
        _ => None,
    }
}

/// `Z`, `+01:30`, or nothing, which is UTC.
fn offset_of(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(Offset::UTC),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let number = |text: &str, max: i32| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<i32>().ok()?;
        (is_number && number <= max).then_some(number)
    };
    let seconds = number(hours, 23)? * 3600 + number(minutes, 59)? * 60;
    Offset::from_seconds(sign * seconds).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stamps_of_every_kind_are_read() {
        for (text, unix_ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:00", 0),
            ("1970-01-01T00:00:00+00:00", 0),
            ("1970-01-01T00:00:00-00:00", 0),
            ("1970-01-01T01:30:00+01:30", 0),
            ("1969-12-31T23:00:00-01:00", 0),
            ("1970-01-01T00:00:01.123456789Z", 1_123),
            ("1970-01-01T00:00:01.1", 1_100),
            ("1970-01-01T00:00:00.999999+00:00", 999),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ] {
            assert_eq!(read(text), Some(unix_ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_stamp_is_not_read() {
        for text in [
            "",
            "now",
            "0",
            "1970-01-01",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00Z",
            "1970-1-1T00:00:00Z",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:61Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00,5Z",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00+01",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+01:60",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00Z ",
            " 1970-01-01T00:00:00Z",
            "+970-01-01T00:00:00Z",
            "1970-01-01T00:00:00\u{e9}",
            "1970-01-01T00:00:0\u{e9}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_compared_more_finely_than_they_are_read() {
        let (early, late) = ("2026-01-01T00:00:00.0001Z", "2026-01-01T00:00:00.0002Z");
        assert_eq!(read(early), read(late));
        assert!(instant(early) < instant(late));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(unix_ms in 0_i64..253_402_300_799_999) {
            prop_assert_eq!(read(&write(unix_ms)), Some(unix_ms));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,40}|[0-9TZ:+.-]{0,40}") {
            let _ = read(&text);
        }
    }
}
