//! What a command finds of an event in its environment.
//!
//! Others have written the values. None has a NUL, which no environment takes; the names of OpenIntent are short, on one
//! line, and come from messages that the own server made of what OpenIntent brought: nobody else can name an intent to
//! the agents of a team.

use serde::Deserialize;
use serde_json::Value;

use super::Item;
use crate::protocol::agent::ReceivedMessage;
use crate::protocol::event::{AGENT_MESSAGE, Data, Event};
use crate::protocol::id::{AgentId, check_text};

/// The source that a server gives to what OpenIntent has brought it, and to nothing else.
const OPENINTENT: &str = "openintent";

/// The kinds of messages that tell of OpenIntent.
const INTENT: &str = "openintent.intent";
const CALLBACK: &str = "openintent.callback";

/// The longest name that is handed on, in characters: as long as servers take them (OpenIntent rules, section 13.6).
const NAME_MAX_CHARS: usize = 2048;

/// The variables of an event. One without a value is not to be there, whatever was inherited.
pub(super) fn of(item: &Item) -> Vec<(&'static str, Option<String>)> {
    let event = &item.event;
    let message = Message::of(event).unwrap_or_default();
    let news = message.news(event).unwrap_or_default();
    let mut variables = vec![
        ("KITE_EVENT_ID", Some(event.id.clone())),
        ("KITE_EVENT_TYPE", Some(event.kind.clone())),
        ("KITE_SEQ", Some(item.seq.to_string())),
        ("KITE_SOURCE", Some(item.source_name())),
        ("KITE_AGENT_REPLY_TO", reply_address(event)),
        ("KITE_MESSAGE_TYPE", name(&message.message_type)),
        ("KITE_INTENT_ID", news.intent_id),
        ("KITE_DISPATCH_ID", news.dispatch_id),
        ("KITE_CALLBACK_EVENT", news.callback_event),
    ];
    // Of other events the one that was inherited holds: it says who runs the command.
    if let Some(agent) = news.agent {
        variables.push(("KITE_AGENT_ID", Some(agent)));
    }
    for (_, value) in &mut variables {
        *value = value.take().filter(|value| !value.contains('\0'));
    }
    variables
}

/// Where an answer to a message goes; `None` for other events, and for a sender that nobody can write to, as the server
/// that an intent came from.
fn reply_address(event: &Event) -> Option<String> {
    let address = ReceivedMessage::from_event(event)?.reply_address();
    let agent = address.parse::<AgentId>().ok().map(String::from);
    agent.filter(|agent| !(is_of_openintent(event) && agent.contains("://")))
}

/// A message, as far as the environment tells of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    to: Value,
    message_type: Value,
    payload: Payload,
}

/// What a message of OpenIntent is about.
#[derive(Default, Deserialize)]
#[serde(default, from = "Value")]
struct Payload {
    local_intent_id: Value,
    dispatch_id: Value,
    event_type: Value,
}

impl From<Value> for Payload {
    /// Of a payload that is no object nothing is known.
    fn from(mut payload: Value) -> Self {
        let mut member = |name: &str| payload.get_mut(name).map(Value::take);
        Self {
            local_intent_id: member("local_intent_id").unwrap_or_default(),
            dispatch_id: member("dispatch_id").unwrap_or_default(),
            event_type: member("event_type").unwrap_or_default(),
        }
    }
}

/// What is new about an intent or a dispatch.
#[derive(Default)]
struct News {
    agent: Option<String>,
    intent_id: Option<String>,
    dispatch_id: Option<String>,
    callback_event: Option<String>,
}

impl Message {
    fn of(event: &Event) -> Option<Self> {
        match &event.data {
            Some(Data::Json(data)) if event.kind == AGENT_MESSAGE => {
                serde_json::from_str(data.get()).ok()
            }
            _ => None,
        }
    }

    fn news(&self, event: &Event) -> Option<News> {
        if !is_of_openintent(event) {
            return None;
        }
        let payload = &self.payload;
        let to = self.to.as_str().and_then(|to| to.parse::<AgentId>().ok());
        let news = News {
            agent: to.map(String::from),
            dispatch_id: name(&payload.dispatch_id),
            ..News::default()
        };
        match self.message_type.as_str() {
            Some(INTENT) => Some(News {
                intent_id: name(&payload.local_intent_id),
                ..news
            }),
            Some(CALLBACK) => Some(News {
                callback_event: name(&payload.event_type),
                ..news
            }),
            _ => None,
        }
    }
}

/// Whether the own server made this of what OpenIntent brought.
fn is_of_openintent(event: &Event) -> bool {
    event.extension("kitesource") == Some(OPENINTENT)
}

/// A name that is fit for an environment.
fn name(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    check_text("the name", text, NAME_MAX_CHARS).ok()?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::shell::tests::item;
    use super::*;

    fn read(text: &str) -> Event {
        Event::parse(text).unwrap()
    }

    /// A message with these extensions and this data.
    fn message(extensions: &str, data: &str) -> Item {
        let text = format!(
            r#"{{"specversion":"1.0","id":"i","source":"s","type":"com.kite.agent.message"{extensions},"data":{data}}}"#
        );
        Item::read(7, "t".to_owned(), text).unwrap()
    }

    fn found(item: &Item, wanted: &str) -> Option<String> {
        let variables = of(item);
        let mut found = variables.into_iter().filter(|(name, _)| *name == wanted);
        found.next().and_then(|(_, value)| value)
    }

    #[test]
    fn only_a_message_has_somebody_to_answer_to() {
        let address = |from: &str, extensions: &str| {
            let data = format!(r#"{{"from":"{from}","to":"b","body":""}}"#);
            reply_address(&message(extensions, &data).event)
        };
        let chain = r#","kitefedchain":"[\"far\"]""#;
        assert_eq!(address("a", "").as_deref(), Some("a"));
        assert_eq!(address("a", chain).as_deref(), Some("a@far"));
        assert_eq!(address(r"a\u001b", chain), None);
        let ours = r#","kitesource":"openintent""#;
        assert_eq!(address("https://s.example", ours), None);
        assert_eq!(address("a", ours).as_deref(), Some("a"));
        let other = r#"{"specversion":"1.0","id":"i","source":"s","type":"t","data":{"from":"a","to":"b","body":""}}"#;
        assert_eq!(reply_address(&read(other)), None);
    }

    const INTENT_DATA: &str = r#"{"from":"https://s.example","to":"analyst","body":"t","message_type":"openintent.intent",
        "payload":{"local_intent_id":"fed-1","dispatch_id":"d-1","event_type":"x"}}"#;
    const CALLBACK_DATA: &str = r#"{"from":"https://s.example","to":"boss","body":"t","message_type":"openintent.callback",
        "payload":{"local_intent_id":"fed-1","dispatch_id":"d-1","event_type":"budget_warning"}}"#;
    const OURS: &str = r#","kitesource":"openintent""#;

    #[test]
    fn an_agent_can_tell_an_intent_from_a_callback() {
        let intent = message(OURS, INTENT_DATA);
        for (name, value) in [
            ("KITE_MESSAGE_TYPE", Some("openintent.intent")),
            ("KITE_AGENT_ID", Some("analyst")),
            ("KITE_INTENT_ID", Some("fed-1")),
            ("KITE_DISPATCH_ID", Some("d-1")),
            ("KITE_CALLBACK_EVENT", None),
        ] {
            assert_eq!(found(&intent, name).as_deref(), value, "{name}");
        }
        let callback = message(OURS, CALLBACK_DATA);
        for (name, value) in [
            ("KITE_MESSAGE_TYPE", Some("openintent.callback")),
            ("KITE_AGENT_ID", Some("boss")),
            ("KITE_INTENT_ID", None),
            ("KITE_DISPATCH_ID", Some("d-1")),
            ("KITE_CALLBACK_EVENT", Some("budget_warning")),
        ] {
            assert_eq!(found(&callback, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn nobody_but_the_own_server_names_an_intent() {
        let forged = message(r#","kitesource":"api""#, INTENT_DATA);
        assert!(found(&forged, "KITE_MESSAGE_TYPE").is_some());
        assert_eq!(found(&forged, "KITE_INTENT_ID"), None);
        assert_eq!(found(&forged, "KITE_DISPATCH_ID"), None);
        // What was inherited is taken away, save who runs the command.
        let names: Vec<&str> = of(&item("{}")).iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"KITE_INTENT_ID") && !names.contains(&"KITE_AGENT_ID"));
    }

    #[test]
    fn what_does_not_fit_an_environment_is_left_out() {
        let long = "x".repeat(NAME_MAX_CHARS + 1);
        for bad in [
            r#""a\u0000b""#,
            r#""a\nb""#,
            "7",
            "{}",
            r#""""#,
            &format!("\"{long}\""),
        ] {
            let data = INTENT_DATA
                .replace("\"d-1\"", bad)
                .replace("\"fed-1\"", bad);
            let item = message(OURS, &data);
            assert_eq!(found(&item, "KITE_DISPATCH_ID"), None, "{bad}");
            assert_eq!(found(&item, "KITE_INTENT_ID"), None, "{bad}");
        }
        for payload in ["7", "[]", "null"] {
            let data =
                format!(r#"{{"to":"b","message_type":"openintent.intent","payload":{payload}}}"#);
            assert_eq!(
                found(&message(OURS, &data), "KITE_AGENT_ID").as_deref(),
                Some("b")
            );
        }
        assert_eq!(found(&item("7"), "KITE_MESSAGE_TYPE"), None);
    }
}
