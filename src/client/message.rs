//! Reading an agent message out of the event that carries it (spec 13.3).

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::protocol::agent::address;
use crate::protocol::event::{AGENT_MESSAGE, Data, Event};
use crate::protocol::forward::Provenance;

/// An agent message as its receiver sees it. Every text was written by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Letter {
    /// The event's id, which an answer names.
    #[serde(skip)]
    pub id: String,
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The text.
    pub body: String,
    /// The conversation.
    #[serde(default)]
    pub thread_id: Option<String>,
    /// The event that is answered.
    #[serde(default)]
    pub reply_to_id: Option<String>,
    /// What kind of message, where the sender says so.
    #[serde(default, deserialize_with = "if_text")]
    pub message_type: Option<String>,
    /// What ties messages together, beside the conversation.
    #[serde(default, deserialize_with = "if_text")]
    pub correlation_id: Option<String>,
    /// What a program is to read.
    #[serde(default)]
    pub payload: Option<Value>,
    /// The instance that forwarded it to its receiver's; none where it was sent there.
    #[serde(skip)]
    pub instance: Option<String>,
}

/// A remark of the sender's: one that is no text is none, and the message is read all the same.
fn if_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// Why an event is no message that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterFault {
    /// Another type of event.
    #[error("its type is `{0}`, not `{AGENT_MESSAGE}`")]
    OtherType(String),
    /// `data` is missing or does not fit.
    #[error("its data is not a message: {0}")]
    Data(String),
}

impl Letter {
    /// Reads a message.
    pub fn read(event: &Event) -> Result<Self, LetterFault> {
        if event.kind != AGENT_MESSAGE {
            return Err(LetterFault::OtherType(event.kind.clone()));
        }
        let Some(Data::Json(data)) = &event.data else {
            return Err(LetterFault::Data("there is none".to_owned()));
        };
        let letter: Self = serde_json::from_str(data.get())
            .map_err(|error| LetterFault::Data(error.to_string()))?;
        Ok(Self {
            id: event.id.clone(),
            instance: Provenance::of(event).ok().and_then(Provenance::last),
            ..letter
        })
    }

    /// Where an answer goes: to its sender, at the instance that it came from (spec 14.1).
    pub fn reply_address(&self) -> String {
        address(&self.from, self.instance.as_deref())
    }

    /// Whether this answers the message `sent_id`, which `asker` sent here in `thread`.
    pub fn answers(&self, sent_id: &str, thread: &str, asker: &str) -> bool {
        let is_reply = self.reply_to_id.as_deref() == Some(sent_id);
        // Another instance may have an agent of the same name.
        let is_anothers = self.from != asker || self.instance.is_some();
        let is_in_thread = self.thread_id.as_deref() == Some(thread) && is_anothers;
        self.id != sent_id && (is_reply || is_in_thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::Extension;

    fn event(data: &str) -> Event {
        let text = format!(
            r#"{{"specversion":"1.0","id":"e1","source":"s","type":"{AGENT_MESSAGE}","data":{data}}}"#
        );
        Event::parse(&text).unwrap()
    }

    #[test]
    fn a_reply_or_anothers_word_in_the_thread_answers() {
        let read = |data: &str| Letter::read(&event(data)).unwrap();
        let reply = read(r#"{"from":"b","to":"a","body":"","reply_to_id":"s1"}"#);
        assert!(reply.answers("s1", "t", "a") && !reply.answers("s2", "t", "a"));
        let word = read(r#"{"from":"b","to":"a","body":"x","thread_id":"t","reply_to_id":null}"#);
        assert!(word.answers("s1", "t", "a") && !word.answers("s1", "t", "b"));
        let itself = read(r#"{"from":"a","to":"a","body":"x","thread_id":"t"}"#);
        assert!(!itself.answers("e1", "t", "c"));
    }

    #[test]
    fn an_agent_of_the_same_name_on_another_instance_answers_too() {
        let data = r#"{"from":"a","to":"a","body":"x","thread_id":"t"}"#;
        let mut event = event(data);
        let here = Letter::read(&event).unwrap();
        assert!(!here.answers("s1", "t", "a"), "its own word");
        let chain = Extension::Text(r#"["far","near"]"#.to_owned());
        event.extensions.insert("kitefedchain".to_owned(), chain);
        let there = Letter::read(&event).unwrap();
        assert!(there.answers("s1", "t", "a"));
        assert_eq!(
            (here.reply_address(), there.reply_address()),
            ("a".to_owned(), "a@near".to_owned())
        );
    }

    #[test]
    fn a_remark_that_is_no_text_does_not_keep_a_message_from_being_read() {
        let data = r#"{"from":"b","to":"a","body":"x","message_type":5,"correlation_id":{"n":1}}"#;
        let letter = Letter::read(&event(data)).unwrap();
        assert_eq!((letter.message_type, letter.correlation_id), (None, None));
        let data = r#"{"from":"b","to":"a","body":"x","message_type":"ask","correlation_id":"c"}"#;
        let letter = Letter::read(&event(data)).unwrap();
        assert_eq!(letter.message_type.as_deref(), Some("ask"));
        assert_eq!(letter.correlation_id.as_deref(), Some("c"));
    }

    #[test]
    fn an_event_that_is_no_message_says_why() {
        let fault = Letter::read(&event(r#"{"from":1}"#)).unwrap_err();
        assert!(matches!(fault, LetterFault::Data(_)));
        let mut other = event("{}");
        other.kind = "com.github.push".to_owned();
        assert!(
            Letter::read(&other)
                .unwrap_err()
                .to_string()
                .contains("com.github.push")
        );
    }
}
