//! Times and lengths of time, in words.

use super::html::Html;
use crate::base::clock::rfc3339;
use crate::store::record::Millis;

/// A length of time in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn length(millis: Millis) -> String {
    let secs = millis.max(0) / 1000;
    match secs {
        0..=119 => format!("{secs} s"),
        120..=7_199 => format!("{} min", secs / 60),
        7_200..=172_799 => format!("{} h", secs / 3_600),
        _ => format!("{} d", secs / 86_400),
    }
}

/// How long ago a time was.
pub(super) fn ago(time: Millis, now: Millis) -> String {
    format!("{} ago", length(now.saturating_sub(time)))
}

/// When something is due.
pub(super) fn due(time: Millis, now: Millis) -> String {
    match time <= now {
        true => "now".to_owned(),
        false => format!(
            "in {}",
            length(time.saturating_sub(now).saturating_add(999))
        ),
    }
}

/// A time to the second, UTC.
pub(super) fn moment(time: Millis) -> Html {
    let exact = rfc3339(time);
    let (date, clock) = exact.split_once('T').unwrap_or((&exact, ""));
    let shown = format!("{date} {}", clock.get(..8).unwrap_or_default());
    Html::of("<time datetime=\"{}\">{}</time>", &[&exact, &shown])
}

/// A time, where there is one.
pub(super) fn moment_or(time: Option<Millis>, otherwise: &'static str) -> Html {
    time.map_or_else(|| Html::of("{}", &[&otherwise]), moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_in_its_largest_unit() {
        let told = [0, 119_999, 120_000, 7_199_999, 7_200_000, 172_800_000].map(length);
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
        assert_eq!(
            (due(5, 5), due(6, 5)),
            ("now".to_owned(), "in 1 s".to_owned())
        );
        assert_eq!(ago(9_000, 4_000), "0 s ago");
    }
}
