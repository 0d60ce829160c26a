//! The backlog of a peer over time, as a small picture with its words.

use std::fmt::Write;

use super::history::{Course, STEP};
use super::html::Html;
use crate::store::record::Millis;

/// The picture's size, in units of its own.
const WIDTH: i64 = 300;
const HEIGHT: i64 = 48;

/// How many points a picture has at most: no screen shows more in this width.
const POINTS_MAX: i64 = 100;

/// How much time a picture shows, in minutes: the least that has room for all that was measured, so that who looks at a
/// server that was just started sees more than a dot.
const SPANS_MINUTES: [i64; 3] = [2, 10, 30];

/// The picture up to a time.
pub(super) fn backlog(course: &Course, now: Millis) -> Html {
    let most = course.iter().map(|(_, backlog)| *backlog).max();
    let (Some(most), Some((_, last))) = (most, course.last()) else {
        return Html::of(
            "<p class=\"chart none\">No backlog was measured yet.</p>",
            &[],
        );
    };
    let minutes = minutes(course, now);
    let span = minutes * 60_000;
    let words = format!("Backlog in the last {minutes} minutes: {last} now, {most} at most");
    let lines = lines(&points(course, now, span), most, span);
    let (line, area) = (path(&lines, false), path(&lines, true));
    // The width and the height of a picture are its own; how it looks is in the style.
    Html::of(
        "<svg class=\"chart\" viewBox=\"0 0 300 48\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <path class=\"area\" d=\"{}\"/><path class=\"line\" d=\"{}\"/></svg>\
         <p class=\"scale\"><span>{} min ago</span><span>most {}</span><span>now</span></p>",
        &[
            &words,
            &area,
            &line,
            &minutes.unsigned_abs(),
            &u64::from(most),
        ],
    )
}

/// A point of the picture: where, and the backlog.
type Point = (i64, u32);

/// How many minutes the picture of a course shows.
fn minutes(course: &Course, now: Millis) -> i64 {
    let age = course
        .first()
        .map_or(0, |(oldest, _)| now.saturating_sub(*oldest));
    let [.., longest] = SPANS_MINUTES;
    let wide_enough = SPANS_MINUTES.into_iter().find(|span| age <= span * 60_000);
    wide_enough.unwrap_or(longest)
}

/// At most [`POINTS_MAX`] points, the highest of those that fall together.
fn points(course: &Course, now: Millis, span: Millis) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for (time, backlog) in course {
        let left = now.saturating_sub(*time).clamp(0, span);
        let x = (POINTS_MAX - left * POINTS_MAX / span) * WIDTH / POINTS_MAX;
        match points.last_mut() {
            Some((last, highest)) if *last == x => *highest = (*highest).max(*backlog),
            _ => points.push((x, *backlog)),
        }
    }
    points
}

/// The points as places of the picture, cut where nothing was measured for a while.
fn lines(points: &[Point], most: u32, span: Millis) -> Vec<Vec<(i64, i64)>> {
    let step = Millis::try_from(STEP.as_millis()).unwrap_or(Millis::MAX);
    let gap = 3 * (WIDTH / POINTS_MAX).max(step * WIDTH / span);
    let mut lines: Vec<Vec<(i64, i64)>> = Vec::new();
    for (x, backlog) in points {
        let y = HEIGHT - 1 - i64::from(*backlog) * (HEIGHT - 2) / i64::from(most.max(1));
        match lines.last_mut() {
            Some(line) if line.last().is_some_and(|(last, _)| x - last <= gap) => {
                line.push((*x, y))
            }
            _ => lines.push(vec![(*x, y)]),
        }
    }
    lines
}

/// The lines as a path; closed along the ground, where it is the area below.
fn path(lines: &[Vec<(i64, i64)>], is_area: bool) -> String {
    let mut path = String::new();
    for line in lines {
        let (Some((first, _)), Some((last, y))) = (line.first(), line.last()) else {
            continue;
        };
        // Writing to a string cannot fail.
        for (at, (x, y)) in line.iter().enumerate() {
            let _ = write!(path, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
        }
        let end = match is_area {
            true => format!("V{HEIGHT}H{first}Z"),
            // A line of one point is none.
            false if first == last => format!("H{}V{y}", last + 1),
            false => String::new(),
        };
        path.push_str(&end);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 10_000_000;

    const HALF_HOUR: Millis = 30 * 60_000;

    #[test]
    fn a_picture_says_in_words_what_it_shows() {
        let course = vec![(NOW - 10_000, 40), (NOW - 5_000, 12)];
        let html = backlog(&course, NOW).into_text();
        assert!(html.contains("12 now, 40 at most"), "{html}");
        assert!(html.contains("<path class=\"line\" d=\"M"), "{html}");
        let none = backlog(&Vec::new(), NOW).into_text();
        assert!(none.contains("No backlog was measured yet"), "{none}");
    }

    #[test]
    fn a_picture_keeps_the_peaks_of_many_samples_and_stays_small() {
        let sample = |at: i64| (NOW - (359 - at) * 5_000, u32::from(at == 100) * 7);
        let course: Course = (0..360).map(sample).collect();
        let points = points(&course, NOW, HALF_HOUR);
        assert!(points.len() <= 101, "{}", points.len());
        assert!(points.iter().any(|(_, backlog)| *backlog == 7));
        assert_eq!(lines(&points, 7, HALF_HOUR).len(), 1);
        let text = backlog(&course, NOW).into_text();
        assert!(text.len() < 3_000, "{}", text.len());
    }

    #[test]
    fn a_picture_is_as_wide_as_what_was_measured() {
        let since =
            |secs: Millis| backlog(&vec![(NOW - secs * 1000, 1), (NOW, 3)], NOW).into_text();
        for (secs, minutes) in [
            (0, 2),
            (60, 2),
            (121, 10),
            (601, 30),
            (1_800, 30),
            (9_000, 30),
        ] {
            let html = since(secs);
            assert!(
                html.contains(&format!(">{minutes} min ago<")),
                "{secs}: {html}"
            );
        }
        let course: Course = (0..20).map(|at| (NOW - (19 - at) * 3_000, 1)).collect();
        let points = points(&course, NOW, 2 * 60_000);
        assert_eq!(lines(&points, 1, 2 * 60_000).len(), 1, "{points:?}");
        assert!(
            points.first().is_some_and(|(x, _)| *x < WIDTH * 6 / 10),
            "{points:?}"
        );
    }

    #[test]
    fn a_line_is_cut_where_nothing_was_measured() {
        let course = vec![(NOW - 900_000, 1), (NOW - 895_000, 1), (NOW, 1)];
        assert_eq!(
            lines(&points(&course, NOW, HALF_HOUR), 1, HALF_HOUR).len(),
            2
        );
    }

    #[test]
    fn whatever_was_measured_stays_in_the_picture() {
        let course = vec![(NOW - 90_000_000, u32::MAX), (NOW + 90_000, 0)];
        for (x, y) in lines(&points(&course, NOW, HALF_HOUR), u32::MAX, HALF_HOUR).concat() {
            assert!(
                (0..=WIDTH).contains(&x) && (0..=HEIGHT).contains(&y),
                "{x} {y}"
            );
        }
    }
}
