//! What the tools give. The texts are what an agent reads of them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::client::{Delivery, Letter};

/// How much of a body or a payload an answer with several messages shows, in characters.
const SHOWN_MAX_CHARS: usize = 4_000;

/// A message to the agent. Everything in it was written by its sender.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Message {
    /// Its number, for `ack`.
    pub(super) seq: u64,
    /// Its id, for `reply_to_id` of an answer and for `read_event`.
    pub(super) id: String,
    /// Who sent it, as an answer is addressed: AGENT@PEER is one of another instance.
    pub(super) from: String,
    /// The text.
    pub(super) body: String,
    /// Data for a program, beside the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Value>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_id: Option<String>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_to_id: Option<String>,
    /// What kind of message, as its sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_type: Option<String>,
    /// What ties messages together, as its sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation_id: Option<String>,
    /// When it was sent, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
    /// Only where something is left out here: what it is, and how to read all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cut: Option<String>,
}

impl Message {
    /// What an answer shows of a message.
    pub(super) fn of(delivery: &Delivery) -> Self {
        let event = delivery.event.as_ref();
        let read = event.map_err(ToString::to_string).and_then(|event| {
            let letter = Letter::read(event).map_err(|fault| fault.to_string())?;
            Ok((letter, event.time.clone()))
        });
        match read {
            Ok((letter, time)) => Self::shown(delivery.seq, letter, time),
            Err(why) => Self::unreadable(delivery, &why),
        }
    }

    fn shown(seq: u64, letter: Letter, time: Option<String>) -> Self {
        let from = letter.reply_address();
        let mut left_out = Vec::new();
        let body_chars = letter.body.chars().count();
        let body = match body_chars > SHOWN_MAX_CHARS {
            true => {
                left_out.push(format!(
                    "`body` has {body_chars} characters, of which these are the first {SHOWN_MAX_CHARS}"
                ));
                letter.body.chars().take(SHOWN_MAX_CHARS).collect()
            }
            false => letter.body,
        };
        let payload = letter.payload.filter(|payload| {
            let chars = payload.to_string().chars().count();
            if chars > SHOWN_MAX_CHARS {
                left_out.push(format!("`payload`, {chars} characters, is left out"));
            }
            chars <= SHOWN_MAX_CHARS
        });
        let cut = (!left_out.is_empty()).then(|| {
            let id = &letter.id;
            format!(
                "{}; `read_event` with `event_id` {id} gives all of it",
                left_out.join(" and ")
            )
        });
        Self {
            seq,
            id: letter.id,
            from,
            body,
            payload,
            thread_id: letter.thread_id,
            reply_to_id: letter.reply_to_id,
            message_type: letter.message_type,
            correlation_id: letter.correlation_id,
            time,
            cut,
        }
    }

    /// What came to the agent and does not read as a message: it is there, and must not hold up the others.
    fn unreadable(delivery: &Delivery, why: &str) -> Self {
        let event = delivery.event.as_ref().ok();
        let id = event.map(|event| event.id.clone()).unwrap_or_default();
        Self {
            seq: delivery.seq,
            from: event.map(|event| event.source.clone()).unwrap_or_default(),
            body: String::new(),
            payload: None,
            thread_id: None,
            reply_to_id: None,
            message_type: None,
            correlation_id: None,
            time: event.and_then(|event| event.time.clone()),
            cut: Some(format!(
                "this is no message that can be read: {why}; `read_event` with `event_id` {id} gives it as it came"
            )),
            id,
        }
    }

    /// About how much it adds to an answer, in characters. All of it comes from the sender.
    pub(super) fn weight(&self) -> usize {
        let payload = self.payload.as_ref().map(Value::to_string);
        let beside = [
            &payload,
            &self.thread_id,
            &self.reply_to_id,
            &self.message_type,
            &self.correlation_id,
        ];
        let beside = beside.into_iter().flatten().map(String::len);
        self.body.len() + self.id.len() + self.from.len() + beside.sum::<usize>()
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Sent {
    /// The id of the message: `wait_for_reply` takes it.
    pub(super) id: String,
    /// Who it is from: you.
    pub(super) from: String,
    /// Who it is for.
    pub(super) to: String,
    /// The conversation that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_id: Option<String>,
    /// The reply, where one was waited for and came. It stays in your inbox until you acknowledge it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Message>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reply {
    /// The reply, where one came. It stays in your inbox until you acknowledge it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Message>,
    /// What to do where none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Inbox {
    /// You.
    pub(super) agent: String,
    /// What waits, the oldest first.
    pub(super) messages: Vec<Message>,
    /// Where there are more messages: `after_seq` of the next call. Acknowledging these shows the next ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_after_seq: Option<u64>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Acked {
    /// Up to here your messages are acknowledged: none of them comes again.
    pub(super) acknowledged_through: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Events {
    /// The events, without their data: `read_event` gives that.
    pub(super) events: Vec<Entry>,
    /// In an ascending listing: `after_seq` of the next call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_after_seq: Option<u64>,
    /// The highest number in the log.
    pub(super) last_seq: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    /// Its number in the log.
    pub(super) seq: u64,
    /// Its id, for `read_event`.
    pub(super) id: String,
    /// Its type, such as com.github.push.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Where it came from.
    pub(super) source: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    /// One line that says what happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<String>,
    /// When it was stored, RFC 3339.
    pub(super) created_at: String,
    /// How long its text is, in characters.
    pub(super) chars: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StoredEvent {
    /// Its number in the log.
    pub(super) seq: u64,
    /// When it was stored, RFC 3339.
    pub(super) created_at: String,
    /// The CloudEvent, where it is short enough for one answer and its numbers are given as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<Value>,
    /// Otherwise its JSON text, or a piece of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// How long the JSON text is, in characters.
    pub(super) total_chars: usize,
    /// Where the next piece begins: `offset` of the next call. Not in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_offset: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Agents {
    /// You, where this server acts as an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) you: Option<String>,
    /// The agents that have registered with the team, by id.
    pub(super) agents: Vec<RegisteredAgent>,
    /// Where there are more: `after_id` of the next call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_after_id: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RegisteredAgent {
    /// What messages are addressed to.
    pub(super) id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// When it last registered, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery(data: &Value) -> Delivery {
        let event = json!({
            "specversion": "1.0", "id": "e1", "source": "s", "type": "com.kite.agent.message", "data": data,
        });
        Delivery::new(7, &event.to_string())
    }

    #[test]
    fn what_is_long_is_not_cut_in_silence() {
        let message = Message::of(&delivery(&json!({
            "from": "a", "to": "b", "body": "ä".repeat(SHOWN_MAX_CHARS + 1), "payload": "x".repeat(SHOWN_MAX_CHARS),
        })));
        assert_eq!(message.body.chars().count(), SHOWN_MAX_CHARS);
        assert_eq!(message.payload, None);
        let cut = message.cut.unwrap();
        assert!(
            cut.contains("4001 characters") && cut.contains("`payload`, 4002"),
            "{cut}"
        );
        assert!(cut.contains("`read_event`") && cut.contains("e1"), "{cut}");
        let message = Message::of(&delivery(&json!({
            "from": "a", "to": "b", "body": "ä".repeat(SHOWN_MAX_CHARS), "payload": {"n": 1},
        })));
        assert_eq!(
            (message.cut, message.payload),
            (None, Some(json!({"n": 1})))
        );
    }

    #[test]
    fn every_text_of_the_sender_counts_in_an_answer() {
        let long = "x".repeat(1000);
        let message = Message::of(&delivery(&json!({
            "from": "a", "to": "b", "body": long, "thread_id": long, "reply_to_id": long,
            "message_type": long, "correlation_id": long, "payload": long,
        })));
        assert!(message.weight() > 6000, "{}", message.weight());
    }

    #[test]
    fn what_is_no_message_is_shown_as_such() {
        let message = Message::of(&delivery(&json!({"to": "b"})));
        assert_eq!((message.seq, message.id.as_str()), (7, "e1"));
        assert!(message.cut.unwrap().contains("`read_event`"));
    }
}
