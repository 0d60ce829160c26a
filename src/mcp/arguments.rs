//! What the tools take. The texts are what an agent reads of them.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::fault::Fault;

/// The longest wait, in seconds: clients give up on a call after a few minutes.
pub(super) const WAIT_MAX_SECS: u32 = 300;

/// How long is waited for a reply unless told otherwise, in seconds: many clients give up after 60.
const WAIT_SECS: u32 = 45;

/// How many messages or events are given unless told otherwise, and at most.
const LIMIT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// How many agents are given unless told otherwise, and at most.
const AGENTS: u32 = 100;
const AGENTS_MAX: u32 = 500;

/// Arguments that were read and have limits of their own.
pub(super) trait Arguments: DeserializeOwned {
    /// What is out of its limits.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Reads arguments; what is wrong is said with the name of the member that has it.
pub(super) fn read<T: Arguments>(arguments: Option<JsonObject>) -> Result<T, Fault> {
    let members = arguments.unwrap_or_default();
    let read = |members: JsonObject| serde_json::from_value::<T>(Value::Object(members));
    let arguments = read(members.clone()).map_err(|error| {
        let why = error.to_string();
        // The member without which the fault is another one, or none.
        let culprit = members.keys().find(|name| {
            let mut others = members.clone();
            others.shift_remove(*name);
            read(others).err().map(|error| error.to_string()).as_ref() != Some(&why)
        });
        match culprit.filter(|_| !why.starts_with("missing field")) {
            Some(name) => Fault::Arguments(format!("`{name}`: {why}")),
            None => Fault::Arguments(why),
        }
    })?;
    arguments.check().map_err(Fault::Arguments)?;
    Ok(arguments)
}

fn within(name: &str, value: u32, min: u32, max: u32) -> Result<(), String> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(format!(
            "`{name}` must be from {min} to {max}, and is {value}"
        )),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendMessage {
    /// The agent that the message is for: an id of `list_agents`, or AGENT@PEER for one of another instance. Left out, a
    /// reply goes to the sender of `reply_to_id`.
    pub(super) to: Option<String>,
    /// The text of the message.
    pub(super) body: String,
    /// Data for a program, beside the text: any JSON.
    #[schemars(with = "Option<Value>")]
    pub(super) payload: Option<Box<RawValue>>,
    /// The conversation that the message belongs to. A reply stays in that of the message it answers.
    pub(super) thread_id: Option<String>,
    /// The id of the message that this one answers.
    pub(super) reply_to_id: Option<String>,
    /// Wait so many seconds for a reply to this message; 0 does not wait.
    #[serde(default)]
    #[schemars(range(max = 300))]
    pub(super) wait_secs: u32,
}

impl Arguments for SendMessage {
    fn check(&self) -> Result<(), String> {
        if self.to.is_none() && self.reply_to_id.is_none() {
            return Err(
                "`to` is missing: without it `reply_to_id` must say what is answered".into(),
            );
        }
        within("wait_secs", self.wait_secs, 0, WAIT_MAX_SECS)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitForReply {
    /// The id of a message that you sent.
    pub(super) event_id: String,
    /// How many seconds to wait at most; 0 only looks whether a reply came already.
    #[serde(default = "wait_secs")]
    #[schemars(range(max = 300))]
    pub(super) wait_secs: u32,
}

fn wait_secs() -> u32 {
    WAIT_SECS
}

impl Arguments for WaitForReply {
    fn check(&self) -> Result<(), String> {
        within("wait_secs", self.wait_secs, 0, WAIT_MAX_SECS)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbox {
    /// How many messages at most.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: u32,
    /// Only messages behind this number: `next_after_seq` of an answer that said there are more.
    pub(super) after_seq: Option<u64>,
    /// Where no message waits, wait so many seconds for one; 0 does not wait.
    #[serde(default)]
    #[schemars(range(max = 300))]
    pub(super) wait_secs: u32,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            limit: LIMIT,
            after_seq: None,
            wait_secs: 0,
        }
    }
}

impl Arguments for Inbox {
    fn check(&self) -> Result<(), String> {
        within("limit", self.limit, 1, LIMIT_MAX)?;
        within("wait_secs", self.wait_secs, 0, WAIT_MAX_SECS)
    }
}

fn limit() -> u32 {
    LIMIT
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ack {
    /// The `seq` of a message in your inbox. It and all messages before it are acknowledged.
    #[schemars(range(min = 1))]
    pub(super) seq: u64,
}

impl Arguments for Ack {
    fn check(&self) -> Result<(), String> {
        match self.seq {
            0 => Err("`seq` must be at least 1".to_owned()),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListEvents {
    /// How many events at most.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: u32,
    /// Only events whose source contains this, such as github.
    pub(super) source: Option<String>,
    /// Only events whose type contains this, such as push. With `source` too, `limit` counts the events that match either,
    /// and those of them that match both are given: ask for more where there are few.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// Oldest first, from behind this number on: `next_after_seq` of the answer before. Left out, the newest are given,
    /// the newest first.
    pub(super) after_seq: Option<u64>,
    /// Oldest first, from what was stored so long ago on: 30s, 5m, 24h or 7d.
    pub(super) since: Option<String>,
}

impl Arguments for ListEvents {
    fn check(&self) -> Result<(), String> {
        if self.after_seq.is_some() && self.since.is_some() {
            return Err("`after_seq` and `since` both say where to begin: leave out one".into());
        }
        within("limit", self.limit, 1, LIMIT_MAX)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadEvent {
    /// The event's id, as `list_events` and `inbox` give it.
    pub(super) event_id: String,
    /// For an event that is too long for one answer: the character to go on from, `next_offset` of the answer before.
    #[serde(default)]
    pub(super) offset: u64,
}

impl Arguments for ReadEvent {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListAgents {
    /// Only agents whose id or name contains this.
    pub(super) contains: Option<String>,
    /// How many agents at most.
    #[serde(default = "agents")]
    #[schemars(range(min = 1, max = 500))]
    pub(super) limit: u32,
    /// Only agents behind this id: `next_after_id` of the answer before.
    pub(super) after_id: Option<String>,
}

fn agents() -> u32 {
    AGENTS
}

impl Arguments for ListAgents {
    fn check(&self) -> Result<(), String> {
        within("limit", self.limit, 1, AGENTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault<T: Arguments + std::fmt::Debug>(arguments: Value) -> String {
        let Value::Object(members) = arguments else {
            panic!("arguments are an object")
        };
        match read::<T>(Some(members)) {
            Err(Fault::Arguments(why)) => why,
            other => panic!("taken: {other:?}"),
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let why = fault::<SendMessage>(json!({"to": "a", "body": 5, "wait_secs": 0}));
        assert!(
            why.starts_with("`body`: invalid type: integer `5`"),
            "{why}"
        );
        let why = fault::<SendMessage>(json!({"to": "a", "body": "x", "wait": 1}));
        assert!(why.starts_with("`wait`: unknown field"), "{why}");
        let why = fault::<SendMessage>(json!({"to": "a"}));
        assert_eq!(why, "missing field `body`");
        let why = fault::<SendMessage>(json!({"body": "x"}));
        assert!(
            why.contains("`to`") && why.contains("`reply_to_id`"),
            "{why}"
        );
        let why = fault::<SendMessage>(json!({"to": "a", "body": "x", "wait_secs": 301}));
        assert_eq!(why, "`wait_secs` must be from 0 to 300, and is 301");
        assert!(fault::<Ack>(json!({"seq": -1})).starts_with("`seq`: "));
        assert!(fault::<Ack>(json!({"seq": 0})).contains("`seq`"));
        assert!(fault::<ListEvents>(json!({"since": "1h", "after_seq": 1})).contains("`since`"));
        assert!(fault::<Inbox>(json!({"limit": 0})).contains("from 1 to 100"));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let inbox: Inbox = read(None).unwrap();
        assert_eq!(
            (inbox.limit, inbox.wait_secs, inbox.after_seq),
            (20, 0, None)
        );
        let null = json!({"to": "a", "body": "x", "thread_id": null, "payload": null});
        let sent: SendMessage = read(null.as_object().cloned()).unwrap();
        assert!(sent.thread_id.is_none());
    }
}
