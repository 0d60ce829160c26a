//! What a team's log says of a message that did not reach its agent (spec 13.3).

use serde::Serialize;

use super::event::{Data, Event, UNDELIVERABLE, dedup_key};
use super::id::InstanceId;
use super::mac::hex;
use super::view::View;

/// Where these events come from.
const SOURCE: &str = "kite://paperclip";

/// How many bytes of a digest an id is made of: nobody finds two messages with the same ones.
const ID_BYTES: usize = 16;

/// A message, as far as it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeliverable {
    /// The message's source and id.
    name: (String, String),
    from: Option<String>,
    to: String,
}

#[derive(Serialize)]
struct Told<'a> {
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    to: &'a str,
    reason: &'a str,
}

impl Undeliverable {
    /// What is to be told of a message; `None` for an event that is for no agent of this instance.
    pub fn of(event: &Event) -> Option<Self> {
        let to = event.header().agent_to?.into_owned();
        let from = match &event.data {
            Some(Data::Json(data)) => {
                let data = View::of(data.get());
                data.text("from").or_else(|| data.text("from_agent_id"))
            }
            _ => None,
        };
        Some(Self {
            name: (event.source.clone(), event.id.clone()),
            from,
            to,
        })
    }

    /// The agent that it was for.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The event that tells it. The same message has the same event, so that it is stored once.
    pub fn event(&self, own_id: &InstanceId, time: String, reason: &str) -> Event {
        let (source, event_id) = (&self.name.0, &self.name.1);
        let digest = dedup_key("undeliverable", &[own_id.as_str(), source, event_id]);
        let told = Told {
            event_id,
            from: self.from.as_deref(),
            to: &self.to,
            reason,
        };
        let from = self.from.as_deref().unwrap_or("?");
        let summary = format!("[agent msg] not delivered: {from} → {}: {reason}", self.to);
        let id = hex(&digest[..ID_BYTES]);
        Event::own((SOURCE, UNDELIVERABLE, id), time, &summary, &told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(data: &str, more: &str) -> Event {
        let text = format!(
            r#"{{"specversion":"1.0","id":"m","source":"s","type":"com.kite.agent.message"{more},"data":{data}}}"#
        );
        Event::parse(&text).unwrap()
    }

    #[test]
    fn what_is_told_names_the_message_and_is_the_same_each_time() {
        let message = message(r#"{"from":"a","to":"b","body":"x"}"#, "");
        let told = Undeliverable::of(&message).unwrap();
        let own_id = "i".parse().unwrap();
        let event = told.event(&own_id, "2026-01-01T00:00:00Z".to_owned(), "no b");
        let Some(Data::Json(data)) = &event.data else {
            panic!("{event:?}")
        };
        assert_eq!(
            data.get(),
            r#"{"event_id":"m","from":"a","to":"b","reason":"no b"}"#
        );
        assert_eq!(
            event.extension("kitesummary"),
            Some("[agent msg] not delivered: a → b: no b")
        );
        assert_eq!(event.header().agent_to, None, "it is no message");
        let again = told.event(&own_id, "2027-01-01T00:00:00Z".to_owned(), "still no b");
        assert_eq!(again.dedup_key(), event.dedup_key());
        let elsewhere = told.event(&"j".parse().unwrap(), String::new(), "no b");
        assert_ne!(elsewhere.dedup_key(), event.dedup_key());
    }

    #[test]
    fn a_message_of_the_second_form_is_told_of_and_one_for_another_instance_is_not() {
        let second = r#"{"from_agent_id":"a","to_agent_id":"b","payload":1}"#;
        let told = Undeliverable::of(&message(second, "")).unwrap();
        assert_eq!((told.from.as_deref(), told.to()), (Some("a"), "b"));
        let directed = message(second, r#","kitetoinstance":"c""#);
        assert_eq!(Undeliverable::of(&directed), None);
        assert_eq!(Undeliverable::of(&message("[1]", "")), None);
    }
}
