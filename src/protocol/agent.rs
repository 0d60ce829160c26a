//! Agent messages: the request in both its forms, and the event it becomes (spec 13).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event::{AGENT_MESSAGE, Data, Event, Extension, TO_INSTANCE};
use super::forward::Provenance;
use super::id::{AgentId, IdError, check_text};
use super::json::{self, JsonFault};
use super::summary;

/// Where agents live in a CloudEvent's `source` (spec 13.3).
const SOURCE_BASE: &str = "https://getkite.sh/agents/";

/// What may stand unescaped in one segment of a URI path (RFC 3986, 3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The slug of an agent's name: ASCII letters and digits in lower case, everything else one `-`, none at the ends.
/// `None` when nothing is left (spec 19.3).
pub fn slug(name: &str) -> Option<String> {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    (!slug.is_empty()).then_some(slug)
}

/// An agent on another instance as its sender writes it, `agent@peer`: the agent and the peer, cut at the last `@`. `None`
/// where nothing stands behind one. The agent may be empty, and whether there is such a peer is for the server to say
/// (spec 14.1).
pub fn at_peer(to: &str) -> Option<(&str, &str)> {
    to.rsplit_once('@').filter(|(_, peer)| !peer.is_empty())
}

/// An agent as who writes to it has to name it; `instance` is the other one that it is on.
pub fn address(agent: &str, instance: Option<&str>) -> String {
    match instance {
        Some(instance) => format!("{agent}@{instance}"),
        None => agent.to_owned(),
    }
}

/// Why a request is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// Not acceptable as JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// A member of the wrong type.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A required member is missing.
    #[error("the member `{0}` is required")]
    Missing(&'static str),
    /// The two forms contradict each other.
    #[error("`{0}` and `{1}` are both given and differ")]
    Disagree(&'static str, &'static str),
    /// A member that is not acceptable as a name.
    #[error("`{member}`: {why}")]
    Name {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        why: IdError,
    },
}

/// A message on its way in: the body of `POST /api/v1/agents/messages`, and what the client sends there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("not" = {"anyOf": [
    {"properties": {"from": {"type": "null"}, "from_agent_id": {"type": "null"}}},
    {"properties": {"to": {"type": "null"}, "to_agent_id": {"type": "null"}}},
    {"properties": {"body": {"type": "null"}, "payload": {"type": "null"}}},
]})))]
pub struct MessageRequest {
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AgentId>"))]
    pub from: Option<String>,
    /// The receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AgentId>"))]
    pub to: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Line<{ AgentId::MAX_CHARS }>>")
    )]
    pub thread_id: Option<String>,
    /// The event that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Line<{ AgentId::MAX_CHARS }>>")
    )]
    pub reply_to_id: Option<String>,
    /// Second form: the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AgentId>"))]
    pub from_agent_id: Option<String>,
    /// Second form: the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AgentId>"))]
    pub to_agent_id: Option<String>,
    /// Second form: what kind of message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Line<{ AgentId::MAX_CHARS }>>")
    )]
    pub message_type: Option<String>,
    /// Second form: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
    /// Second form: ties messages together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Line<{ AgentId::MAX_CHARS }>>")
    )]
    pub correlation_id: Option<String>,
}

/// A message that was accepted: both names are good and the body is there.
#[derive(Debug, Clone)]
pub struct Message {
    /// The sender.
    pub from: AgentId,
    /// The receiver.
    pub to: AgentId,
    /// The text.
    pub body: String,
    /// The id of the other instance that it is for.
    to_instance: Option<String>,
    /// The request, for the members that are kept beside these.
    given: MessageRequest,
}

/// `data` of a message event; the members' order is the wire's.
#[derive(Serialize)]
struct MessageData<'a> {
    from: &'a str,
    to: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
}

impl Message {
    /// Reads a request body in either form, or a mixture of both.
    pub fn parse(text: &str) -> Result<Self, MessageFault> {
        json::check_object(text)?;
        let request: MessageRequest = serde_json::from_str(text)
            .map_err(|error| MessageFault::Malformed(error.to_string()))?;
        Self::new(request)
    }

    /// Checks a request's members.
    pub fn new(given: MessageRequest) -> Result<Self, MessageFault> {
        let from = either("from", &given.from, "from_agent_id", &given.from_agent_id)?;
        let to = either("to", &given.to, "to_agent_id", &given.to_agent_id)?;
        let body = match (&given.body, &given.payload) {
            (Some(body), _) => body.clone(),
            (None, Some(payload)) => payload_text(payload),
            (None, None) => return Err(MessageFault::Missing("body")),
        };
        for (member, text) in [
            ("thread_id", &given.thread_id),
            ("reply_to_id", &given.reply_to_id),
            ("message_type", &given.message_type),
            ("correlation_id", &given.correlation_id),
        ] {
            if let Some(text) = text {
                check_text("the text", text, AgentId::MAX_CHARS)
                    .map_err(|why| MessageFault::Name { member, why })?;
            }
        }
        Ok(Self {
            from,
            to,
            body,
            to_instance: None,
            given,
        })
    }

    /// The same message for an agent that was named with its instance; `instance` is that, unless it is this one.
    pub fn redirect(mut self, agent: AgentId, instance: Option<String>) -> Self {
        if let Some(second) = &mut self.given.to_agent_id {
            agent.as_str().clone_into(second);
        }
        self.to = agent;
        self.to_instance = instance;
        self
    }

    /// The event that the message becomes (spec 13.3).
    pub fn into_event(self, id: String, time: String) -> Event {
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let data = MessageData {
            from,
            to,
            body: &self.body,
            thread_id: self.given.thread_id.as_deref(),
            reply_to_id: self.given.reply_to_id.as_deref(),
            from_agent_id: self.given.from_agent_id.as_deref(),
            to_agent_id: self.given.to_agent_id.as_deref(),
            message_type: self.given.message_type.as_deref(),
            payload: self.given.payload.as_deref(),
            correlation_id: self.given.correlation_id.as_deref(),
        };
        let summary = format!(
            "[agent msg] {from} → {to}: {}",
            summary::preview(&self.body)
        );
        let summary = Extension::Text(summary::one_line(&summary));
        let to_instance = self.to_instance.map(Extension::Text);
        let extensions = [("kitesummary", Some(summary)), (TO_INSTANCE, to_instance)];
        let extensions = extensions.into_iter();
        Event {
            id,
            source: format!("{SOURCE_BASE}{}", utf8_percent_encode(from, SEGMENT)),
            kind: AGENT_MESSAGE.to_owned(),
            subject: None,
            time: Some(time),
            datacontenttype: Some("application/json".to_owned()),
            dataschema: None,
            extensions: extensions
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
            data: serde_json::value::to_raw_value(&data).ok().map(Data::Json),
        }
    }
}

/// The value of a member that both forms have under different names.
fn either(
    first: &'static str,
    first_value: &Option<String>,
    second: &'static str,
    second_value: &Option<String>,
) -> Result<AgentId, MessageFault> {
    let text = match (first_value, second_value) {
        (Some(a), Some(b)) if a != b => return Err(MessageFault::Disagree(first, second)),
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) => return Err(MessageFault::Missing(first)),
    };
    text.parse()
        .map_err(|why| MessageFault::Name { member: first, why })
}

/// A payload as a body: a string as it is, anything else as JSON on one line.
fn payload_text(payload: &RawValue) -> String {
    serde_json::from_str::<String>(payload.get()).unwrap_or_else(|_| json::compact(payload.get()))
}

/// A message as a listener reads it from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The text.
    pub body: String,
    /// The conversation.
    pub thread_id: Option<String>,
    /// The event that is answered.
    pub reply_to_id: Option<String>,
    /// The instance that forwarded it here; none where it was sent here.
    pub instance: Option<String>,
}

impl ReceivedMessage {
    /// Reads the message out of an event; `None` when the event is none, or its `data` is not a message's.
    pub fn from_event(event: &Event) -> Option<Self> {
        let Some(Data::Json(data)) = &event.data else {
            return None;
        };
        if event.kind != AGENT_MESSAGE {
            return None;
        }
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(data.get()).ok()?;
        let text = |name: &str| serde_json::from_str::<String>(members.get(name)?.get()).ok();
        let payload = || members.get("payload").map(|payload| payload_text(payload));
        Some(Self {
            from: text("from").or_else(|| text("from_agent_id"))?,
            to: text("to").or_else(|| text("to_agent_id"))?,
            body: text("body").or_else(payload)?,
            thread_id: text("thread_id"),
            reply_to_id: text("reply_to_id"),
            instance: Provenance::of(event).ok().and_then(Provenance::last),
        })
    }

    /// Where an answer goes: to its sender, at the instance that it came from (spec 14.1).
    pub fn reply_address(&self) -> String {
        address(&self.from, self.instance.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::made_up;
    use super::*;

    fn event(request: &str) -> Event {
        Message::parse(request)
            .unwrap()
            .into_event("e1".to_owned(), "2026-01-01T00:00:00Z".to_owned())
    }

    #[test]
    fn a_message_reads_back_as_it_was_sent() {
        let event = event(r#"{"from":"a/b","to":"c","body":"x\ny","thread_id":"t"}"#);
        assert_eq!(event.source, "https://getkite.sh/agents/a%2Fb");
        let received = ReceivedMessage::from_event(&event).unwrap();
        assert_eq!(
            (received.from.as_str(), received.body.as_str()),
            ("a/b", "x\ny")
        );
        assert_eq!(received.thread_id.as_deref(), Some("t"));
    }

    #[test]
    fn a_message_of_the_second_form_alone_can_be_read() {
        let text = r#"{"specversion":"1.0","id":"1","source":"kite://b/agents/a","type":"com.kite.agent.message",
            "data":{"from_agent_id":"a","to_agent_id":"b","payload":{"n": 1}}}"#;
        let received = ReceivedMessage::from_event(&Event::parse(text).unwrap()).unwrap();
        assert_eq!(received.body, r#"{"n":1}"#);
        assert_eq!(received.to, "b");
    }

    #[test]
    fn names_with_control_characters_are_refused_and_bodies_are_not() {
        let fault = Message::parse(r#"{"from":"a\u001b","to":"b","body":"x"}"#).unwrap_err();
        assert!(fault.to_string().contains("`from`"), "{fault}");
        assert!(Message::parse(r#"{"from":"a","to":"b","body":"\u001b[31m\u0000"}"#).is_ok());
        assert!(
            Message::parse(r#"{"from":"a","to":"b","body":"x","reply_to_id":"a\nb"}"#).is_err()
        );
        assert!(Message::parse(r#"["a","b","x",null,null,null,null,null,null,null]"#).is_err());
    }

    #[test]
    fn an_agent_at_a_peer_is_cut_at_the_last_sign() {
        let cases = [
            ("bob@b", Some(("bob", "b"))),
            ("bob@home@b", Some(("bob@home", "b"))),
            ("@b", Some(("", "b"))),
            ("bob@", None),
            ("bob@b@", None),
            ("bob", None),
        ];
        for (to, cut) in cases {
            assert_eq!(at_peer(to), cut, "{to}");
        }
    }

    #[test]
    fn a_message_for_another_instance_says_so_once_in_each_form() {
        let both = r#"{"from":"a","to":"b@peer","to_agent_id":"b@peer","body":"x"}"#;
        let message = Message::parse(both).unwrap();
        let redirect = |instance: Option<&str>| {
            let agent = "b".parse().unwrap();
            let message = message.clone().redirect(agent, instance.map(str::to_owned));
            message.into_event("e1".to_owned(), "2026-01-01T00:00:00Z".to_owned())
        };
        let away = redirect(Some("id-of-b"));
        assert_eq!(away.extension(TO_INSTANCE), Some("id-of-b"));
        assert_eq!(away.header().agent_to, None, "nobody here is meant");
        let Some(Data::Json(data)) = &away.data else {
            panic!("a message has data")
        };
        assert_eq!(
            data.get(),
            r#"{"from":"a","to":"b","body":"x","to_agent_id":"b"}"#
        );
        let here = redirect(None);
        assert_eq!(here.extension(TO_INSTANCE), None);
        assert_eq!(here.header().agent_to.as_deref(), Some("b"));
    }

    #[test]
    fn an_answer_goes_back_to_the_last_instance_of_the_chain() {
        let from = |extensions: &str| {
            let text = format!(
                r#"{{"specversion":"1.0","id":"1","source":"s","type":"com.kite.agent.message"{extensions},
                "data":{{"from":"al@x","to":"b","body":""}}}}"#
            );
            ReceivedMessage::from_event(&Event::parse(&text).unwrap()).unwrap()
        };
        assert_eq!(from("").reply_address(), "al@x");
        let chain = r#","kitefedchain":"[\"far\",\"near\"]""#;
        assert_eq!(from(chain).reply_address(), "al@x@near");
    }

    proptest! {
        #[test]
        fn an_address_is_cut_where_it_was_joined(agent in "\\PC{0,9}", peer in "[^@\\p{Cc}]{1,9}") {
            let joined = address(&agent, Some(&peer));
            prop_assert_eq!(at_peer(&joined), Some((agent.as_str(), peer.as_str())));
        }

        #[test]
        fn whatever_is_cut_can_be_joined_again(to in "[ab@é]{0,6}") {
            match at_peer(&to) {
                Some((agent, peer)) => {
                    prop_assert!(!peer.is_empty() && !peer.contains('@'));
                    prop_assert_eq!(address(agent, Some(peer)), to);
                }
                None => prop_assert!(!to.contains('@') || to.ends_with('@')),
            }
        }

        #[test]
        fn whoever_is_written_to_can_read_it(
            from in "\\PC{1,20}|[語🦜]{256}",
            to in "\\PC{1,20}",
            body in made_up::text(),
            payload in made_up::value(),
            second: bool,
        ) {
            let request = match second {
                true => serde_json::json!({"from_agent_id": from, "to_agent_id": to, "payload": payload}),
                false => serde_json::json!({"from": from, "to": to, "body": body, "payload": payload}),
            };
            // A payload that is null is none.
            if let Ok(message) = Message::parse(&request.to_string()) {
                let sent = message.clone();
                let event = message.into_event("e1".to_owned(), "2026-01-01T00:00:00Z".to_owned());
                let event = Event::parse(&event.to_text()).unwrap();
                let header = event.header();
                prop_assert_eq!(header.agent_to.as_deref(), Some(to.as_str()));
                let received = ReceivedMessage::from_event(&event).unwrap();
                prop_assert_eq!((received.from, received.to), (from, to));
                prop_assert_eq!(received.body, sent.body);
            } else {
                prop_assert!(second && payload.is_null());
            }
        }
    }
}
