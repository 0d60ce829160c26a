//! An event that somebody sends: read once, by the rules for every attribute.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{ATTRIBUTE_MAX_CHARS, Data, Event, Extension};
use crate::protocol::json::{self, JsonFault, Object};

/// A CloudEvent as a client may send it: `id`, `source` and `time` can be missing and are then filled in (spec 11).
#[derive(Debug, Clone)]
pub struct EventDraft {
    /// `id`; missing when it was absent, null or empty.
    pub id: Option<String>,
    /// `source`; likewise.
    pub source: Option<String>,
    pub(super) rest: Event,
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
