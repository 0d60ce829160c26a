//! A CloudEvent 1.0 whose `data` is the text that came in (promise 7).

mod draft;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};

pub(crate) use self::draft::is_attribute;
pub use self::draft::{EventDraft, EventFault, is_rfc3339};
use super::id::Seq;
use super::json::JsonFault;
use super::summary;

/// The type of an agent message (spec 13.3).
pub const AGENT_MESSAGE: &str = "com.kite.agent.message";

/// The extension that names the one instance that a message is forwarded to, by its id (spec 14.1).
pub const TO_INSTANCE: &str = "kitetoinstance";

/// The type of the event that says that a message did not reach its agent (spec 13.3).
pub const UNDELIVERABLE: &str = "com.kite.agent.message.undeliverable";

/// `kitesource` of what peers forward: the last part of their hook's path, and no endpoint's slug (spec 14.3).
pub const PEER_SOURCE: &str = "kite";

/// The longest attribute that is accepted, in characters. Nothing public sets one; an id or type longer than this is
/// an accident, and it would be carried in every index. The source of an agent whose name is percent-encoded throughout
/// has to fit.
pub const ATTRIBUTE_MAX_CHARS: usize = 4096;

/// How much room an event's text needs beside `data`, mostly.
const ATTRIBUTES_USUAL_BYTES: usize = 640;

/// An extension attribute's value: what the CloudEvents types allow and real clients parse (spec 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// An integer in signed 64-bit range.
    Number(i64),
}

impl Extension {
    /// The text of a string extension.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Number(_) => None,
        }
    }
}

impl Serialize for Extension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_i64(*number),
        }
    }
}

impl From<&str> for Extension {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An event's payload.
#[derive(Debug, Clone)]
pub enum Data {
    /// The member `data`: any JSON, as the text that came in.
    Json(Box<RawValue>),
    /// The member `data_base64`: bytes.
    Base64(String),
}

/// A CloudEvent with everything that one must have.
#[derive(Debug, Clone)]
pub struct Event {
    /// `id`: unique for its source.
    pub id: String,
    /// `source`: who produced it, a URI reference.
    pub source: String,
    /// `type`: what happened.
    pub kind: String,
    /// `subject`.
    pub subject: Option<String>,
    /// `time`: an RFC 3339 time, as it was written.
    pub time: Option<String>,
    /// `datacontenttype`.
    pub datacontenttype: Option<String>,
    /// `dataschema`.
    pub dataschema: Option<String>,
    /// Extension attributes by name.
    pub extensions: BTreeMap<String, Extension>,
    /// The payload.
    pub data: Option<Data>,
}

impl Event {
    /// An event that the server itself has something to say with.
    pub fn own(
        (source, kind, id): (&str, &str, String),
        time: String,
        summary: &str,
        data: &impl Serialize,
    ) -> Self {
        Self {
            id,
            source: source.to_owned(),
            kind: kind.to_owned(),
            subject: None,
            time: Some(time),
            datacontenttype: Some("application/json".to_owned()),
            dataschema: None,
            extensions: BTreeMap::from([
                ("kitesource".to_owned(), "kite".into()),
                (
                    "kitesummary".to_owned(),
                    summary::one_line(summary).as_str().into(),
                ),
            ]),
            // Texts and numbers alone: it always serialises.
            data: to_raw_value(data).ok().map(Data::Json),
        }
    }

    /// Reads a complete event, as a server sends it. Its text is not judged again: the payload alone may be as deep as
    /// texts may be.
    pub fn parse(text: &str) -> Result<Self, EventFault> {
        let text: &RawValue =
            serde_json::from_str(text).map_err(|error| JsonFault::Syntax(error.to_string()))?;
        let draft = EventDraft::parse_checked(text)?;
        let id = draft.id.ok_or(EventFault::Missing("id"))?;
        let source = draft.source.ok_or(EventFault::Missing("source"))?;
        Ok(Self {
            id,
            source,
            ..draft.rest
        })
    }

    /// Readies an event that a client sent for the log: what only the server may say is removed, the summary becomes
    /// one line, and types that only the server makes are refused (spec 11). `kitesource` names the door it came by,
    /// `is_verified` says whether its signature was checked there.
    pub fn admit(&mut self, kitesource: &str, is_verified: bool) -> Result<(), EventFault> {
        if is_reserved_type(&self.kind) {
            return Err(EventFault::ReservedType(self.kind.clone()));
        }
        self.extensions
            .retain(|name, _| !name.starts_with("kitefed"));
        self.mark(kitesource, is_verified);
        Ok(())
    }

    /// As [`Self::admit`], for an event that a peer forwards and has signed (spec 14.3): where it has been stays, and it
    /// may be an agent's message. What another instance says of its own quota is refused: nobody forwards that, and here
    /// it would be taken for this instance's.
    pub fn admit_forwarded(&mut self) -> Result<(), EventFault> {
        if is_of_one_instance(&self.kind) {
            return Err(EventFault::ReservedType(self.kind.clone()));
        }
        self.mark(PEER_SOURCE, true);
        Ok(())
    }

    /// Puts the server's word in the place of what the sender says.
    fn mark(&mut self, kitesource: &str, is_verified: bool) {
        self.extensions.retain(|name, _| !is_server_extension(name));
        let summary = match self.extensions.get("kitesummary") {
            Some(Extension::Text(text)) => summary::one_line(text),
            _ => format!("{kitesource} event"),
        };
        self.extensions
            .insert("kitesummary".to_owned(), Extension::Text(summary));
        self.extensions
            .insert("kitesource".to_owned(), kitesource.into());
        self.extensions
            .insert("kiteverified".to_owned(), Extension::Flag(is_verified));
    }

    /// A string extension.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.get(name).and_then(Extension::as_text)
    }

    /// The name of the first attribute whose text has what is looked for.
    pub fn attribute_that(&self, has: impl Fn(&str) -> bool) -> Option<&str> {
        let own = [
            ("id", Some(&self.id)),
            ("source", Some(&self.source)),
            ("type", Some(&self.kind)),
            ("subject", self.subject.as_ref()),
            ("time", self.time.as_ref()),
            ("datacontenttype", self.datacontenttype.as_ref()),
            ("dataschema", self.dataschema.as_ref()),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?.as_str())));
        let extensions = self.extensions.iter();
        let extensions =
            extensions.filter_map(|(name, value)| Some((name.as_str(), value.as_text()?)));
        own.chain(extensions)
            .find(|(_, text)| has(text))
            .map(|(name, _)| name)
    }

    /// What scopes look at.
    pub fn header(&self) -> Header<'_> {
        Header {
            kind: Cow::Borrowed(&self.kind),
            source: Cow::Borrowed(&self.source),
            kitesource: self.extension("kitesource").map(Cow::Borrowed),
            agent_to: self.agent_to().map(Cow::Owned),
        }
    }

    /// The agent that a message is for, unless it is on its way to another instance (spec 12).
    fn agent_to(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct To<'a> {
            #[serde(borrow)]
            to: Option<&'a RawValue>,
            #[serde(borrow)]
            to_agent_id: Option<&'a RawValue>,
        }
        if self.kind != AGENT_MESSAGE || self.extensions.contains_key(TO_INSTANCE) {
            return None;
        }
        let Some(Data::Json(data)) = &self.data else {
            return None;
        };
        let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).ok();
        let to: To<'_> = serde_json::from_str(data.get()).ok()?;
        to.to
            .and_then(text)
            .or_else(|| to.to_agent_id.and_then(text))
    }

    /// What makes the event the same one again: its source and id (spec 11).
    pub fn dedup_key(&self) -> [u8; 32] {
        name_key(&self.source, &self.id)
    }

    /// The event as JSON text, in the form that the log keeps: without `kiteseq`, which is given at the commit.
    pub fn to_text(&self) -> String {
        let data = match &self.data {
            Some(Data::Json(data)) => data.get().len(),
            Some(Data::Base64(data)) => data.len(),
            None => 0,
        };
        let mut text = Vec::with_capacity(data + ATTRIBUTES_USUAL_BYTES);
        // Strings, integers and text that was checked on its way in: none of them can fail to serialise, nor be anything
        // but UTF-8.
        match serde_json::to_writer(&mut text, self) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", &self.kind)?;
        let optional = [
            ("subject", &self.subject),
            ("time", &self.time),
            ("datacontenttype", &self.datacontenttype),
            ("dataschema", &self.dataschema),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        match &self.data {
            Some(Data::Json(data)) => map.serialize_entry("data", data)?,
            Some(Data::Base64(data)) => map.serialize_entry("data_base64", data)?,
            None => {}
        }
        map.end()
    }
}

/// The part of an event that scopes look at (spec 12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// `type`.
    pub kind: Cow<'a, str>,
    /// `source`.
    pub source: Cow<'a, str>,
    /// `kitesource`: the slug of the endpoint.
    pub kitesource: Option<Cow<'a, str>>,
    /// The agent a message is for; none for other events.
    pub agent_to: Option<Cow<'a, str>>,
}

/// Puts `kiteseq` into the text of a stored event.
pub fn with_seq(stored: &str, seq: Seq) -> String {
    let members = stored.strip_prefix('{').unwrap_or(stored);
    format!("{{\"kiteseq\":{seq},{members}")
}

/// The dedup key of a CloudEvent: its source and id (spec 11).
pub fn name_key(source: &str, id: &str) -> [u8; 32] {
    dedup_key("cloudevent", &[source, id])
}

/// A digest of what identifies an event to its producer. The parts cannot run into each other.
pub fn dedup_key(domain: &str, parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [domain].iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Types that clients cannot make (spec 11).
pub fn is_reserved_type(kind: &str) -> bool {
    kind == AGENT_MESSAGE || kind == UNDELIVERABLE || is_of_one_instance(kind)
}

/// Types that tell of the instance that made them, and of no other (spec 14.2).
pub fn is_of_one_instance(kind: &str) -> bool {
    kind.starts_with("kite.subscription.")
}

/// Extensions that only the server writes, whoever sends (spec 11).
fn is_server_extension(name: &str) -> bool {
    matches!(
        name,
        "kiteseq"
            | "kiterawbody"
            | TO_INSTANCE
            | "kiteoriginalheaders"
            | "kitesource"
            | "kiteverified"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::{json, made_up};
    use super::*;

    const WHOLE: &str = r#"{"specversion":"1.0","id":"e1","source":"https://a.example","type":"com.acme.note",
        "time":"2026-01-01T00:00:00Z","weight":3,"flag":true,"gone":null,"data":{"b": 1.0, "a": 1e2, "u": "\u00e9"}}"#;

    #[test]
    fn data_leaves_as_the_text_that_came_in() {
        let event = Event::parse(WHOLE).unwrap();
        assert!(
            event
                .to_text()
                .ends_with(r#""data":{"b": 1.0, "a": 1e2, "u": "\u00e9"}}"#)
        );
        assert!(!event.extensions.contains_key("gone"));
    }

    #[test]
    fn an_event_with_the_deepest_payload_can_be_read_again() {
        let deepest = format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{}{}}}"#,
            "[".repeat(json::MAX_DEPTH),
            "]".repeat(json::MAX_DEPTH)
        );
        assert!(Event::parse(&deepest).is_ok());
        assert!(EventDraft::parse(&deepest).is_err());
    }

    #[test]
    fn stored_text_takes_its_number_in_front() {
        let text = with_seq(&Event::parse(WHOLE).unwrap().to_text(), 7);
        assert!(
            text.starts_with(r#"{"kiteseq":7,"specversion":"1.0","id":"e1","#),
            "{text}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn unlawful_events_are_refused_with_the_attribute_named() {
        let refused = |members: &str| {
            let text =
                format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{members}}}"#);
            Event::parse(&text).unwrap_err().to_string()
        };
        assert!(refused(r#""weight":1.5"#).contains("`weight`"));
        assert!(refused(r#""Weight":1"#).contains("`Weight`"));
        assert!(refused(r#""a_b":1"#).contains("`a_b`"));
        assert!(refused(r#""obj":{}"#).contains("`obj`"));
        assert!(refused(r#""big":9223372036854775808"#).contains("`big`"));
        assert!(refused(r#""subject":5"#).contains("`subject`"));
        assert!(refused(r#""subject":"a\u0007""#).contains("control"));
        assert!(refused(r#""time":"yesterday""#).contains("RFC 3339"));
        assert!(refused(r#""time":"2026-01-01 00:00:00Z""#).contains("RFC 3339"));
        assert!(refused(r#""time":"2026-13-01T00:00:00Z""#).contains("RFC 3339"));
        assert!(refused(r#""data":1,"data_base64":"AA==""#).contains("exclude"));
        assert!(refused(r#""data_base64":"AA""#).contains("base64"));
        assert!(refused(r#""id":"2""#).contains("twice"));
        assert!(Event::parse(r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#).is_err());
        assert!(Event::parse(r#"{"specversion":"1.0","id":"1","source":"s"}"#).is_err());
        assert!(Event::parse("[]").is_err());
    }

    #[test]
    fn what_only_the_server_may_say_is_removed_on_the_way_in() {
        let text = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","kiteseq":9,"kiteverified":true,
            "kitefedorigin":"x","kitesource":"github","kitesummary":"a\nb"}"#;
        let mut event = Event::parse(text).unwrap();
        event.admit("api", false).unwrap();
        let text = event.to_text();
        assert!(
            !text.contains("kiteseq") && !text.contains("kitefed"),
            "{text}"
        );
        assert!(
            text.contains(r#""kitesource":"api","kitesummary":"a b","kiteverified":false"#),
            "{text}"
        );
    }

    #[test]
    fn reserved_types_are_refused() {
        let mut event = Event::parse(
            r#"{"specversion":"1.0","id":"1","source":"s","type":"com.kite.agent.message"}"#,
        )
        .unwrap();
        assert!(event.admit("api", false).is_err());
        event.kind = "com.kite.other".to_owned();
        assert!(event.admit("api", false).is_ok());
    }

    #[test]
    fn an_absent_payload_excludes_none_in_either_order() {
        let read = |members: &str| {
            let text = format!(r#"{{"specversion":"1.0","type":"t",{members}}}"#);
            EventDraft::parse(&text).map(|draft| draft.rest.to_text())
        };
        for members in [
            r#""data_base64":null,"data":1"#,
            r#""data":1,"data_base64":null"#,
        ] {
            assert!(read(members).unwrap().contains(r#""data":1"#), "{members}");
        }
        for members in [
            r#""data_base64":"aGk=","data":null"#,
            r#""data":null,"data_base64":"aGk=""#,
        ] {
            assert_eq!(read(members).unwrap_err(), EventFault::TwoPayloads);
        }
    }

    /// Members of an event, mostly good ones.
    fn members() -> impl Strategy<Value = Vec<(String, Value)>> {
        let word =
            || prop_oneof!["[a-z.:/]{0,9}", "\\PC{0,9}", any::<String>()].prop_map(Value::from);
        let mostly = || prop_oneof![9 => word(), 1 => made_up::value()];
        let of = |name: &str, value: BoxedStrategy<Value>| {
            proptest::option::of((Just(name.to_owned()), value)).boxed()
        };
        let time =
            "2026-0[1-9]-[0-3][0-9][Tt ][0-2][0-9]:00:[0-6]0(\\.[0-9]{0,3})?(Z|\\+0[0-9]:00)?";
        let some = |name: &str| (Just(name.to_owned()), mostly()).prop_map(Some).boxed();
        let parts = vec![
            Just(Some(("specversion".to_owned(), Value::from("1.0")))).boxed(),
            some("type"),
            of("id", mostly().boxed()),
            of("source", mostly().boxed()),
            of("subject", mostly().boxed()),
            of("time", time.prop_map(Value::from).boxed()),
            of("datacontenttype", mostly().boxed()),
            of("kitesummary", mostly().boxed()),
            of("note", made_up::value().boxed()),
            of("weight", any::<i64>().prop_map(Value::from).boxed()),
            of("data", made_up::value().boxed()),
            of(
                "data_base64",
                prop_oneof![Just(Value::Null), Just(Value::from("aGk="))].boxed(),
            ),
        ];
        parts.prop_map(|parts| parts.into_iter().flatten().collect())
    }

    fn written(members: &[(String, Value)]) -> String {
        let member =
            |(name, value): &(String, Value)| format!("{}: {value}", Value::from(name.as_str()));
        let members: Vec<String> = members.iter().map(member).collect();
        format!("{{{}}}", members.join(",\n"))
    }

    fn completed(text: &str) -> Option<Event> {
        let draft = EventDraft::parse(text).ok()?;
        Some(draft.complete(|| "id".to_owned(), || "source".to_owned()))
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_read_again_as_the_same(members in members()) {
            let text = written(&members);
            if let Some(event) = completed(&text) {
                let sent = event.to_text();
                prop_assert_eq!(Event::parse(&sent).unwrap().to_text(), sent.clone());
                let data = members.iter().find(|(name, _)| name == "data");
                if let (Some((_, value)), Some(Data::Json(data))) = (data, &event.data) {
                    prop_assert_eq!(data.get(), value.to_string());
                }
            }
        }

        #[test]
        fn the_order_of_the_members_says_nothing(
            (members, shuffled) in members().prop_flat_map(|members| {
                (Just(members.clone()), Just(members).prop_shuffle())
            }),
        ) {
            let text = |members: &[_]| completed(&written(members)).map(|event| event.to_text());
            prop_assert_eq!(text(&members), text(&shuffled));
        }

        #[test]
        fn any_text_is_read_or_refused(text in made_up::json()) {
            let _ = (EventDraft::parse(&text), Event::parse(&text));
        }

        #[test]
        fn a_time_that_is_accepted_is_one(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,10})?([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?",
        ) {
            if is_rfc3339(&text) {
                prop_assert!(text.parse::<jiff::Timestamp>().is_ok());
            }
        }
    }
}
