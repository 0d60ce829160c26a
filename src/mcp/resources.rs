//! What can be read under an address: the events of the log, and the inbox.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};

use super::answers::Entry;

/// The inbox. Who subscribes to it hears of each message.
pub(super) const INBOX: &str = "kite://inbox";

/// What the addresses of events begin with.
const EVENTS: &str = "kite://events/";

/// How many events are listed.
pub(super) const LISTED: u64 = 50;

/// How large an event may be to be read in one piece, in bytes.
pub(super) const EVENT_MAX_BYTES: usize = 1024 * 1024;

const CLOUDEVENT: &str = "application/cloudevents+json";
const JSON: &str = "application/json";

/// What may stand unescaped in an address (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What an address names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    Inbox,
    Event(String),
}

pub(super) fn named(uri: &str) -> Option<Named> {
    if uri == INBOX {
        return Some(Named::Inbox);
    }
    let id = uri.strip_prefix(EVENTS).filter(|id| !id.is_empty())?;
    let id = percent_decode_str(id).decode_utf8().ok()?;
    Some(Named::Event(id.into_owned()))
}

pub(super) fn inbox() -> Resource {
    Resource::new(INBOX, "inbox")
        .with_title("Inbox")
        .with_description(
            "The messages to you that are not acknowledged, as the tool `inbox` gives them",
        )
        .with_mime_type(JSON)
}

pub(super) fn event(entry: &Entry) -> Resource {
    let uri = format!("{EVENTS}{}", utf8_percent_encode(&entry.id, ESCAPED));
    let summary = entry.summary.as_deref().unwrap_or(&entry.kind);
    Resource::new(uri, entry.id.clone())
        .with_title(format!("#{} {summary}", entry.seq))
        .with_description(format!(
            "{} from {}, stored {}",
            entry.kind, entry.source, entry.created_at
        ))
        .with_mime_type(CLOUDEVENT)
}

pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{EVENTS}{{id}}"), "event")
        .with_title("Event")
        .with_description("An event of the team's log by its id, as a CloudEvent")
        .with_mime_type(CLOUDEVENT)
}

pub(super) fn event_text(uri: &str, text: &str) -> ResourceContents {
    ResourceContents::text(text, uri).with_mime_type(CLOUDEVENT)
}

pub(super) fn inbox_text(text: String) -> ResourceContents {
    ResourceContents::text(text, INBOX).with_mime_type(JSON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_what_it_was_made_for() {
        for id in ["0192f0c1", "a/b c", "ä%2F", "..", "inbox"] {
            let entry = Entry {
                seq: 1,
                id: id.to_owned(),
                kind: "t".to_owned(),
                source: "s".to_owned(),
                subject: None,
                summary: None,
                created_at: String::new(),
                chars: 0,
            };
            assert_eq!(named(&event(&entry).uri), Some(Named::Event(id.to_owned())));
        }
        assert_eq!(named(INBOX), Some(Named::Inbox));
        for other in [
            "kite://events/",
            "kite://inbox/1",
            "file:///etc/passwd",
            "",
            "kite://events/%ff",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
