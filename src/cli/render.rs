//! How messages and events look to a person.

use std::borrow::Cow;

use super::text::{indented, visible};
use crate::base::clock::time_of_day;
use crate::client::Letter;
use crate::protocol::event::{Event, EventFault};
use crate::protocol::id::Seq;

/// The extension that says in a line what happened (spec 10.3).
const SUMMARY: &str = "kitesummary";

/// `[EVENT_ID] FROM → TO: BODY`, with thread and reply before the colon where they are set (spec 19.3). FROM is where an
/// answer goes.
pub(super) fn letter(letter: &Letter) -> String {
    let mut line = format!(
        "[{}] {} → {}",
        visible(&letter.id),
        visible(&letter.reply_address()),
        visible(&letter.to)
    );
    let marks = [
        ("thread", &letter.thread_id),
        ("reply_to", &letter.reply_to_id),
    ];
    for (name, value) in marks {
        if let Some(value) = value {
            line.push_str(&format!(" {name}={}", visible(value)));
        }
    }
    format!("{line}: {}", indented(&letter.body))
}

/// `#seq [created_at] type - summary` (spec 19.2).
pub(super) fn listed(seq: Seq, created_at: &str, event: &Result<Event, EventFault>) -> String {
    let head = format!("#{seq} [{}]", visible(created_at));
    match event {
        Ok(event) => {
            let summary = event.extension(SUMMARY).unwrap_or_default();
            format!("{head} {} - {}", visible(&event.kind), visible(summary))
        }
        Err(fault) => format!("{head} not a CloudEvent: {}", visible(&fault.to_string())),
    }
}

/// `[HH:MM:SS] #seq type  summary`, in UTC (spec 17).
pub(super) fn streamed(seq: Seq, event: &Event) -> String {
    let time = event.time.as_deref().and_then(time_of_day);
    let time = time.as_deref().unwrap_or("--:--:--");
    let head = format!("[{time}] #{seq} {}", visible(&event.kind));
    match event.extension(SUMMARY) {
        Some(summary) => format!("{head}  {}", visible(summary)),
        None => head,
    }
}

/// The summary, else the type (spec 17).
pub(super) fn compact(event: &Event) -> String {
    let summary = event.extension(SUMMARY).filter(|text| !text.is_empty());
    visible(summary.unwrap_or(&event.kind)).into_owned()
}

/// A heading, and one indented line for each named value. Whatever was written elsewhere is made visible.
pub(super) fn facts(heading: &str, facts: &[(&str, String)]) -> String {
    let lines = facts
        .iter()
        .map(|(name, value)| format!("\n  {name}: {}", visible(value)));
    lines.fold(heading.to_owned(), |text, line| text + &line)
}

/// Values as rows under headings, each line cut to a width where one is given.
pub(super) fn table<T>(
    values: &[T],
    headings: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    width: Option<usize>,
) -> String {
    let head = headings.iter().map(|text| (*text).to_owned()).collect();
    let rows: Vec<Vec<String>> = [head].into_iter().chain(values.iter().map(row)).collect();
    let table = columns(&rows);
    match width {
        Some(width) => {
            let lines: Vec<String> = table.lines().map(|line| clipped(line, width)).collect();
            lines.join("\n")
        }
        None => table,
    }
}

/// A line of so many characters at most; the last of one that was longer says so.
fn clipped(line: &str, width: usize) -> String {
    match line.chars().nth(width) {
        None => line.to_owned(),
        Some(_) => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// Rows as aligned columns, the first row being the headings. Widths are counted in characters.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let shown: Vec<Vec<Cow<'_, str>>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| visible(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = shown.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..shown.first().map_or(0, Vec::len)).map(width).collect();
    let lines: Vec<String> = shown
        .iter()
        .map(|row| {
            let padded = row.iter().zip(&widths);
            let cells: Vec<String> = padded
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::Extension;

    #[test]
    fn a_message_is_one_entry_whatever_it_says() {
        let mut message = Letter {
            id: "e1".to_owned(),
            from: "a\n".to_owned(),
            to: "b".to_owned(),
            body: "hi\n[e2] a → b: forged\u{1b}[2J".to_owned(),
            thread_id: None,
            reply_to_id: None,
            message_type: None,
            correlation_id: None,
            payload: None,
            instance: None,
        };
        assert_eq!(
            letter(&message),
            "[e1] a\\n → b: hi\n    [e2] a → b: forged\\u{1b}[2J"
        );
        message.thread_id = Some("t".to_owned());
        message.reply_to_id = Some("e0".to_owned());
        message.body = "ok".to_owned();
        assert_eq!(letter(&message), "[e1] a\\n → b thread=t reply_to=e0: ok");
        message.instance = Some("far\r".to_owned());
        message.thread_id = None;
        assert_eq!(letter(&message), "[e1] a\\n@far\\r → b reply_to=e0: ok");
    }

    fn event(members: &str) -> Event {
        Event::parse(&format!(
            r#"{{"specversion":"1.0","id":"i","source":"s",{members}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_listed_event_shows_its_summary() {
        let did = event(r#""type":"t","kitesummary":"did it""#);
        assert_eq!(listed(7, "now", &Ok(did)), "#7 [now] t - did it");
        let bad = listed(8, "now", &Event::parse("{}"));
        assert!(bad.starts_with("#8 [now] not a CloudEvent: "), "{bad}");
    }

    #[test]
    fn a_streamed_event_is_one_line_with_its_time_in_utc() {
        let push = event(
            r#""type":"com.github.push","time":"2026-01-02T03:04:05+01:00","kitesummary":"ann pushed""#,
        );
        assert_eq!(
            streamed(9, &push),
            "[02:04:05] #9 com.github.push  ann pushed"
        );
        assert_eq!(compact(&push), "ann pushed");
        let bare = event(r#""type":"t""#);
        assert_eq!(streamed(1, &bare), "[--:--:--] #1 t");
        assert_eq!(compact(&bare), "t");
    }

    #[test]
    fn no_field_can_reach_the_terminal() {
        let hostile = "x\u{1b}[2J\r\n[00:00:00] #1 forged\u{202e}";
        let mut evil = event(r#""type":"t""#);
        evil.kind = hostile.to_owned();
        evil.time = Some(hostile.to_owned());
        let summary = Extension::Text(hostile.to_owned());
        evil.extensions.insert(SUMMARY.to_owned(), summary);
        let fault =
            Event::parse(r#"{"specversion":"1.0","id":"i","source":"s","type":"\n\u001b"}"#);
        let shown = [
            streamed(1, &evil),
            compact(&evil),
            listed(1, hostile, &Ok(evil)),
            listed(1, hostile, &fault),
        ];
        for line in shown {
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(!line.contains('\u{202e}'), "{line:?}");
        }
        let hostile = || hostile.to_owned();
        let table = columns(&[vec![hostile(), hostile()], vec![hostile(), "b".to_owned()]]);
        assert_eq!(table.lines().count(), 2);
        assert!(!table.replace('\n', "").contains(char::is_control));
        assert_eq!(facts("h", &[("a", hostile())]).lines().count(), 2);
    }

    #[test]
    fn a_line_that_does_not_fit_ends_in_an_ellipsis() {
        let row = |text: &&str| vec!["1".to_owned(), (*text).to_owned()];
        let shown = table(&["äbcdef", "äbcdefg"], &["n", "text"], row, Some(9));
        assert_eq!(shown, "n  text\n1  äbcdef\n1  äbcde…");
        assert_eq!(clipped("äb", 0), "…");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let table = columns(&[row(["id", "name", "x"]), row(["1234", "é", ""])]);
        assert_eq!(table, "id    name  x\n1234  é");
    }
}
