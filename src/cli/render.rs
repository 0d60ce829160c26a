//! How messages and events look to a person.

use super::text::{indented, visible};
use crate::client::Letter;
use crate::protocol::api::ListedEvent;
use crate::protocol::event::Event;

/// `[EVENT_ID] FROM → TO: BODY`, with thread and reply before the colon where they are set (spec 19.3).
pub(super) fn letter(letter: &Letter) -> String {
    let mut line = format!(
        "[{}] {} → {}",
        visible(&letter.id),
        visible(&letter.from),
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
pub(super) fn listed(listed: &ListedEvent) -> String {
    let head = format!("#{} [{}]", listed.seq, visible(&listed.created_at));
    match Event::parse(listed.event.get()) {
        Ok(event) => {
            let summary = event.extension("kitesummary").unwrap_or_default();
            format!("{head} {} - {}", visible(&event.kind), visible(summary))
        }
        Err(fault) => format!("{head} not a CloudEvent: {}", visible(&fault.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_entry_whatever_it_says() {
        let mut message = Letter {
            id: "e1".to_owned(),
            from: "a\n".to_owned(),
            to: "b".to_owned(),
            body: "hi\n[e2] a → b: forged\u{1b}[2J".to_owned(),
            thread_id: None,
            reply_to_id: None,
        };
        assert_eq!(
            letter(&message),
            "[e1] a\\n → b: hi\n    [e2] a → b: forged\\u{1b}[2J"
        );
        message.thread_id = Some("t".to_owned());
        message.reply_to_id = Some("e0".to_owned());
        message.body = "ok".to_owned();
        assert_eq!(letter(&message), "[e1] a\\n → b thread=t reply_to=e0: ok");
    }

    #[test]
    fn a_listed_event_shows_its_summary() {
        let text = r#"{"seq":7,"created_at":"now","event":{"specversion":"1.0","id":"i","source":"s","type":"t","kitesummary":"did it"}}"#;
        let event: ListedEvent = serde_json::from_str(text).unwrap();
        assert_eq!(listed(&event), "#7 [now] t - did it");
    }
}
