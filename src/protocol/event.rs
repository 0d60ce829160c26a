//! A CloudEvent 1.0 whose `data` is the text that came in (promise 7).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::id::Seq;
use super::json::{self, JsonFault, Object};
use super::summary;

/// The type of an agent message (spec 13.3).
pub const AGENT_MESSAGE: &str = "com.kite.agent.message";

/// The type of the event that says that a message did not reach its agent (spec 13.3).
pub const UNDELIVERABLE: &str = "com.kite.agent.message.undeliverable";

/// The extension that names the one instance that a message is forwarded to, by its id (spec 14.1).
pub const TO_INSTANCE: &str = "kitetoinstance";

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

/// A CloudEvent as a client may send it: `id`, `source` and `time` can be missing and are then filled in (spec 11).
#[derive(Debug, Clone)]
pub struct EventDraft {
    /// `id`; missing when it was absent, null or empty.
    pub id: Option<String>,
    /// `source`; likewise.
    pub source: Option<String>,
    rest: Event,
}

/// Why a text is not an acceptable CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// Not acceptable as JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// `specversion` is missing or not "1.0".
    #[error("`specversion` must be \"1.0\"")]
    SpecVersion,
    /// A required attribute is missing or empty.
    #[error("the attribute `{0}` is required")]
    Missing(&'static str),
    /// An attribute that has to be a string is something else.
    #[error("the attribute `{0}` must be a string")]
    NotText(String),
    /// Two values for one name.
    #[error("the attribute `{0}` is given twice")]
    Twice(String),
    /// An attribute with a control character.
    #[error("the attribute `{0}` must not contain control characters")]
    Control(String),
    /// An attribute that is too long.
    #[error("the attribute `{0}` is longer than {ATTRIBUTE_MAX_CHARS} characters")]
    TooLong(String),
    /// A `time` that is no RFC 3339 time.
    #[error("`time` is not an RFC 3339 time such as 2026-01-31T12:00:00Z")]
    Time,
    /// Both payload members.
    #[error("`data` and `data_base64` exclude each other")]
    TwoPayloads,
    /// Broken base64.
    #[error("`data_base64` is not standard base64 with padding")]
    Base64,
    /// An extension name with characters that CloudEvents does not allow.
    #[error("the extension name `{0}` must be 1 to 64 of a-z and 0-9")]
    ExtensionName(String),
    /// An extension value that real clients cannot read.
    #[error("the extension `{0}` must be a string, a boolean or a 64-bit integer")]
    ExtensionValue(String),
    /// The payload among the attributes.
    #[error("`data` cannot be an attribute: it is what the body holds")]
    DataAttribute,
    /// The token of the endpoint that an event came by: who only reads events could post with it.
    #[error("the attribute `{0}` holds the hook token: whoever reads the event could post with it")]
    HookToken(String),
    /// A type that only the server itself makes.
    #[error("the type `{0}` is reserved")]
    ReservedType(String),
}

impl EventDraft {
    /// Reads a CloudEvent in JSON format (spec 11). Extensions that are null count as absent; `id` and `source` may be
    /// missing.
    pub fn parse(text: &str) -> Result<Self, EventFault> {
        Self::parse_checked(json::check(text)?)
    }

    /// As [`Self::parse`], for text that was checked already as part of a larger one: [`json::check`], or a request's frame.
    pub fn parse_checked(text: &RawValue) -> Result<Self, EventFault> {
        let Object(members) = serde_json::from_str(text.get())
            .map_err(|error| JsonFault::Syntax(error.to_string()))?;
        refuse_twins(members.iter().map(|(name, _)| name.as_ref()))?;
        let mut draft = Draft::default();
        for (name, value) in members {
            match name.as_ref() {
                "data" => draft.set_data(Some(Data::Json(value.to_owned())))?,
                "data_base64" => draft.set_data(base64_data(value)?)?,
                _ => draft.set(name.into_owned(), value)?,
            }
        }
        draft.finish()
    }

    /// Builds a CloudEvent of attributes that are all text, and the payload that came beside them: binary mode.
    pub fn of_attributes(
        attributes: Vec<(String, String)>,
        data: Option<Data>,
    ) -> Result<Self, EventFault> {
        refuse_twins(attributes.iter().map(|(name, _)| name.as_str()))?;
        let mut draft = Draft {
            data,
            ..Draft::default()
        };
        for (name, text) in attributes {
            draft.set_text(name, text)?;
        }
        draft.finish()
    }

    /// The event, with what was missing filled in.
    pub fn complete(self, id: impl FnOnce() -> String, source: impl FnOnce() -> String) -> Event {
        Event {
            id: self.id.unwrap_or_else(id),
            source: self.source.unwrap_or_else(source),
            ..self.rest
        }
    }
}

/// An event whose members are being read.
#[derive(Default)]
struct Draft {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    kind: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    dataschema: Option<String>,
    extensions: BTreeMap<String, Extension>,
    data: Option<Data>,
}

impl Draft {
    /// Where an attribute of the specification goes; `None` for an extension.
    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.kind,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.datacontenttype,
            "dataschema" => &mut self.dataschema,
            _ => return None,
        })
    }

    /// Takes an attribute in JSON form; null is the same as none.
    fn set(&mut self, name: String, value: &RawValue) -> Result<(), EventFault> {
        if let Some(slot) = self.slot(&name) {
            *slot = attribute(&name, value)?;
        } else if let Some(extension) = extension(&name, value)? {
            self.extensions.insert(name, extension);
        }
        Ok(())
    }

    /// Takes a payload, of which there may be one, whichever member comes first.
    fn set_data(&mut self, data: Option<Data>) -> Result<(), EventFault> {
        if data.is_some() && self.data.is_some() {
            return Err(EventFault::TwoPayloads);
        }
        self.data = self.data.take().or(data);
        Ok(())
    }

    /// Takes an attribute that is text.
    fn set_text(&mut self, name: String, text: String) -> Result<(), EventFault> {
        if name == "data" {
            return Err(EventFault::DataAttribute);
        }
        if let Some(slot) = self.slot(&name) {
            check_attribute(&name, &text)?;
            *slot = Some(text);
            return Ok(());
        }
        check_extension_name(&name)?;
        check_attribute(&name, &text)?;
        self.extensions.insert(name, Extension::Text(text));
        Ok(())
    }

    fn finish(self) -> Result<EventDraft, EventFault> {
        if self.specversion.as_deref() != Some("1.0") {
            return Err(EventFault::SpecVersion);
        }
        if self.time.as_deref().is_some_and(|time| !is_rfc3339(time)) {
            return Err(EventFault::Time);
        }
        let kind = non_empty(self.kind).ok_or(EventFault::Missing("type"))?;
        Ok(EventDraft {
            id: non_empty(self.id),
            source: non_empty(self.source),
            rest: Event {
                id: String::new(),
                source: String::new(),
                kind,
                subject: self.subject,
                time: self.time,
                datacontenttype: self.datacontenttype,
                dataschema: self.dataschema,
                extensions: self.extensions,
                data: self.data,
            },
        })
    }
}

impl Event {
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

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn refuse_twins<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), EventFault> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(EventFault::Twice(shown(pair[0]))),
        None => Ok(()),
    }
}

fn attribute(name: &str, value: &RawValue) -> Result<Option<String>, EventFault> {
    let text: Option<String> =
        serde_json::from_str(value.get()).map_err(|_| EventFault::NotText(shown(name)))?;
    if let Some(text) = &text {
        check_attribute(name, text)?;
    }
    Ok(text)
}

/// Whether a text can be an attribute such as `datacontenttype`.
pub(crate) fn is_attribute(text: &str) -> bool {
    !text.is_empty() && check_attribute("", text).is_ok()
}

fn check_attribute(name: &str, text: &str) -> Result<(), EventFault> {
    if name != "kitesummary" && text.chars().any(char::is_control) {
        return Err(EventFault::Control(shown(name)));
    }
    // `kitesummary` is cut to one line and `kiteoriginalheaders` replaced, so neither needs a limit here.
    if !matches!(name, "kitesummary" | "kiteoriginalheaders" | "kiterawbody")
        && text.len() > ATTRIBUTE_MAX_CHARS
        && text.chars().count() > ATTRIBUTE_MAX_CHARS
    {
        return Err(EventFault::TooLong(shown(name)));
    }
    Ok(())
}

fn check_extension_name(name: &str) -> Result<(), EventFault> {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match (1..=64).contains(&name.len()) && name.bytes().all(is_part) {
        true => Ok(()),
        false => Err(EventFault::ExtensionName(shown(name))),
    }
}

fn extension(name: &str, value: &RawValue) -> Result<Option<Extension>, EventFault> {
    check_extension_name(name)?;
    let value: serde_json::Value = serde_json::from_str(value.get())
        .map_err(|_| EventFault::ExtensionValue(name.to_owned()))?;
    let extension = match value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::String(text) => {
            check_attribute(name, &text)?;
            Some(Extension::Text(text))
        }
        serde_json::Value::Bool(flag) => Some(Extension::Flag(flag)),
        serde_json::Value::Number(number) => number.as_i64().map(Extension::Number),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    };
    extension
        .map(Some)
        .ok_or_else(|| EventFault::ExtensionValue(name.to_owned()))
}

fn base64_data(value: &RawValue) -> Result<Option<Data>, EventFault> {
    use base64::Engine as _;
    let text: Option<String> = serde_json::from_str(value.get())
        .map_err(|_| EventFault::NotText("data_base64".to_owned()))?;
    let Some(text) = text else { return Ok(None) };
    base64::engine::general_purpose::STANDARD
        .decode(&text)
        .map_err(|_| EventFault::Base64)?;
    Ok(Some(Data::Base64(text)))
}

/// A sender's member name in an error text: short, and without what could forge a line.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Whether a text is a time that strict parsers accept: RFC 3339 with `T` and an offset. Looser forms make published
/// clients drop the whole event.
pub fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = |at: usize, want: u8| bytes.get(at) == Some(&want);
    let digits = |from: usize, to: usize| {
        bytes
            .get(from..to)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let date_and_time = digits(0, 4)
        && shape(4, b'-')
        && digits(5, 7)
        && shape(7, b'-')
        && digits(8, 10)
        && matches!(bytes.get(10), Some(b'T' | b't'))
        && digits(11, 13)
        && shape(13, b':')
        && digits(14, 16)
        && shape(16, b':')
        && digits(17, 19);
    if !date_and_time {
        return false;
    }
    let mut at = 19;
    if shape(at, b'.') {
        let fraction = bytes[at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    }
    let zone = match bytes.get(at) {
        Some(b'Z' | b'z') => bytes.len() == at + 1,
        Some(b'+' | b'-') => {
            bytes.len() == at + 6
                && digits(at + 1, at + 3)
                && shape(at + 3, b':')
                && digits(at + 4, at + 6)
        }
        _ => false,
    };
    zone && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::made_up;
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
