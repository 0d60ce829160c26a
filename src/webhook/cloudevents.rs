//! CloudEvents over HTTP: structured mode, binary mode and batches (spec 11).
//!
//! Headers come as they were sent, each line for itself, since what is given twice is refused.

use percent_encoding::percent_decode;
use serde_json::value::RawValue;

use super::payload;
use crate::protocol::event::{Data, EventDraft, EventFault};
use crate::protocol::json::{self, JsonFault};

/// How many events a batch may have.
pub const BATCH_MAX_EVENTS: usize = 100;

/// What the headers of attributes begin with.
const PREFIX: &str = "ce-";

/// How a request carries CloudEvents.
#[derive(Debug)]
pub enum Mode<'a> {
    /// The body is one event.
    Structured,
    /// The attributes are headers, the body is the payload.
    Binary(Binary<'a>),
    /// The body is an array of events.
    Batch,
    /// It carries none; the media type of what it carries instead.
    None(String),
}

/// The headers of an event in binary mode.
#[derive(Debug)]
pub struct Binary<'a> {
    content_type: Option<&'a [u8]>,
    /// By name, without the prefix.
    attributes: Vec<(&'a str, &'a [u8])>,
}

/// Why a request carries no CloudEvents that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingFault {
    /// Two values for the content type.
    #[error("the header `Content-Type` is given twice")]
    ContentTypeTwice,
    /// A format of CloudEvents that is not read here.
    #[error(
        "`{0}` is not read: send application/cloudevents+json, application/cloudevents-batch+json, or binary mode with `ce-` headers"
    )]
    Format(String),
    /// A header that does not decode to text.
    #[error("the header `{0}` is not UTF-8 once it is decoded")]
    NotUtf8(String),
    /// A quoted header that does not end as it began.
    #[error("the quotes of the header `{0}` do not match")]
    Quotes(String),
    /// Two words on what the body is.
    #[error("`ce-datacontenttype` and `Content-Type` differ: leave the former out")]
    TwoTypes,
    /// A batch that is not an array.
    #[error("a batch is a JSON array of events")]
    NotABatch,
    /// A batch with nothing in it, or too much.
    #[error("a batch has 1 to {BATCH_MAX_EVENTS} events, and this one has {0}")]
    BatchSize(usize),
    /// The body is not acceptable as JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// The event is not acceptable.
    #[error(transparent)]
    Event(#[from] EventFault),
}

/// Recognises the mode by the header lines, with names in lower case. What the content type says goes first.
pub fn recognise<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Mode<'a>, BindingFault> {
    let mut content_type = None;
    let mut attributes = Vec::new();
    for (name, value) in headers {
        if name == "content-type" && content_type.replace(value).is_some() {
            return Err(BindingFault::ContentTypeTwice);
        }
        attributes.extend(name.strip_prefix(PREFIX).map(|name| (name, value)));
    }
    let declared = content_type.map(String::from_utf8_lossy);
    let media_type = payload::media_type(declared.as_deref());
    match media_type.strip_prefix("application/cloudevents") {
        Some("+json") => Ok(Mode::Structured),
        Some("-batch+json") => Ok(Mode::Batch),
        Some(_) => Err(BindingFault::Format(shown(&media_type))),
        None if attributes.iter().any(|(name, _)| *name == "specversion") => {
            Ok(Mode::Binary(Binary {
                content_type,
                attributes,
            }))
        }
        None => Ok(Mode::None(media_type)),
    }
}

impl Binary<'_> {
    /// Reads the event.
    pub fn read(&self, body: &[u8]) -> Result<EventDraft, BindingFault> {
        let mut attributes = Vec::with_capacity(self.attributes.len() + 1);
        for (name, value) in &self.attributes {
            attributes.push(((*name).to_owned(), decode(name, value)?));
        }
        let declared = attributes
            .iter()
            .find(|(name, _)| name == "datacontenttype")
            .map(|(_, value)| value.clone());
        let content_type = match (self.content_type()?, declared) {
            (Some(sent), Some(declared)) if !sent.eq_ignore_ascii_case(&declared) => {
                return Err(BindingFault::TwoTypes);
            }
            (Some(sent), None) => {
                attributes.push(("datacontenttype".to_owned(), sent.to_owned()));
                Some(sent.to_owned())
            }
            (_, declared) => declared,
        };
        let data = data(content_type.as_deref(), body)?;
        Ok(EventDraft::of_attributes(attributes, data)?)
    }

    fn content_type(&self) -> Result<Option<&str>, BindingFault> {
        let text = self.content_type.map(std::str::from_utf8).transpose();
        let text = text.map_err(|_| BindingFault::NotUtf8("Content-Type".to_owned()))?;
        // An empty one declares nothing, and no attribute may be empty.
        Ok(text.filter(|text| !text.is_empty()))
    }
}

/// The payload of binary mode. The receiver learns the type as it was sent, so forms stay what they are.
fn data(content_type: Option<&str>, body: &[u8]) -> Result<Option<Data>, JsonFault> {
    if body.is_empty() {
        return Ok(None);
    }
    let read_as = match payload::media_type(content_type).as_str() {
        payload::FORM => Some("text/plain"),
        _ => content_type,
    };
    Ok(payload::read(read_as, body)?.data)
}

/// The value of an attribute's header: unquoted, then percent-decoded once (HTTP binding 1.0.2, section 3.1.3.2).
fn decode(name: &str, value: &[u8]) -> Result<String, BindingFault> {
    let header = || format!("{PREFIX}{}", shown(name));
    let bytes = match value.strip_prefix(b"\"") {
        Some(rest) => unquote(rest).ok_or_else(|| BindingFault::Quotes(header()))?,
        None => value.to_vec(),
    };
    String::from_utf8(percent_decode(&bytes).collect()).map_err(|_| BindingFault::NotUtf8(header()))
}

/// What stands between double quotes, of which the first was read. Nothing may follow the second.
fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => return bytes.as_slice().is_empty().then_some(text),
            b'\\' => text.push(*bytes.next()?),
            byte => text.push(*byte),
        }
    }
}

/// The events of a batch, each as its text: what is wrong with one of them is told with its place.
pub fn batch(body: &[u8]) -> Result<Vec<&RawValue>, BindingFault> {
    let text = json::text(body)?;
    if !text.trim_start().starts_with('[') {
        json::check(text)?;
        return Err(BindingFault::NotABatch);
    }
    let (events, count) = json::elements(text, BATCH_MAX_EVENTS)?;
    match (1..=BATCH_MAX_EVENTS).contains(&count) {
        true => Ok(events),
        false => Err(BindingFault::BatchSize(count)),
    }
}

/// A sender's word in an error text: short.
fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::event::{Event, Extension};

    fn read(headers: &[(&str, &str)], body: &[u8]) -> Result<Event, BindingFault> {
        let lines = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        match recognise(lines)? {
            Mode::Binary(binary) => Ok(binary
                .read(body)?
                .complete(|| "minted".to_owned(), || "filled".to_owned())),
            mode => panic!("not binary: {mode:?}"),
        }
    }

    /// An event of binary mode with one more header.
    fn with(name: &str, value: &str, body: &[u8]) -> Result<Event, BindingFault> {
        let headers = [("ce-specversion", "1.0"), ("ce-type", "t"), (name, value)];
        read(&headers, body)
    }

    fn text(data: Option<Data>) -> String {
        match data {
            Some(Data::Json(data)) => data.get().to_owned(),
            Some(Data::Base64(data)) => format!("base64 {data}"),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn the_content_type_goes_before_the_headers_of_binary_mode() {
        let mode = |content_type: &'static str| {
            recognise([
                ("ce-specversion", &b"1.0"[..]),
                ("content-type", content_type.as_bytes()),
            ])
        };
        assert!(matches!(
            mode("Application/CloudEvents+JSON; charset=utf-8"),
            Ok(Mode::Structured)
        ));
        assert!(matches!(
            mode("application/cloudevents-batch+json"),
            Ok(Mode::Batch)
        ));
        assert!(matches!(mode("application/json"), Ok(Mode::Binary(_))));
        for other in ["application/cloudevents+xml", "application/cloudevents"] {
            assert_eq!(
                mode(other).unwrap_err(),
                BindingFault::Format(other.to_owned())
            );
        }
        let plain = recognise([("content-type", &b"text/plain; a=b"[..]), ("ce-id", b"1")]);
        assert!(matches!(plain, Ok(Mode::None(media_type)) if media_type == "text/plain"));
        let twice = recognise([("content-type", &b"text/plain"[..]), ("content-type", b"")]);
        assert_eq!(twice.unwrap_err(), BindingFault::ContentTypeTwice);
    }

    #[test]
    fn values_are_unquoted_then_decoded_once() {
        let subject = |value: &str| with("ce-subject", value, b"").map(|event| event.subject);
        let is = |value: &str, expected: &str| {
            assert_eq!(
                subject(value).unwrap().as_deref(),
                Some(expected),
                "{value}"
            );
        };
        is("caf%C3%A9", "café");
        is("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀");
        is("%2541", "%41");
        is("100%", "100%");
        is(r#""a b""#, "a b");
        is(r#""a \"b\" \\ %41""#, r#"a "b" \ A"#);
        is(r#"a"b"#, r#"a"b"#);
        is("", "");
        assert!(matches!(subject("%FF"), Err(BindingFault::NotUtf8(name)) if name == "ce-subject"));
        for broken in [r#"""#, r#""a"#, r#""a\""#, r#""a"b"#, r#""a\"#] {
            assert!(
                matches!(subject(broken), Err(BindingFault::Quotes(_))),
                "{broken}"
            );
        }
        assert!(matches!(
            subject("a%0Ab"),
            Err(BindingFault::Event(EventFault::Control(_)))
        ));
    }

    #[test]
    fn the_payload_is_read_by_its_type_and_the_type_stays_as_it_was_sent() {
        let data = |content_type: &str, body: &[u8]| {
            let event = with("content-type", content_type, body).unwrap();
            assert_eq!(event.datacontenttype.as_deref(), Some(content_type));
            text(event.data)
        };
        assert_eq!(
            data("application/json; a=b", br#"{"b": 1.0}"#),
            r#"{"b": 1.0}"#
        );
        assert_eq!(data("application/x+json", b"[1e2]"), "[1e2]");
        assert_eq!(data("text/plain", b"a\"b"), r#""a\"b""#);
        assert_eq!(data(payload::FORM, b"a=1&a=2"), r#""a=1&a=2""#);
        assert_eq!(data("image/png", b"hi"), "base64 aGk=");
        assert_eq!(data("application/json", b""), "none");
        for (body, expected) in [
            (&b"[1]"[..], "[1]"),
            (b"hi", "\"hi\""),
            (b"\xff", "base64 /w=="),
            (b"", "none"),
        ] {
            let event = with("ce-id", "1", body).unwrap();
            assert_eq!(event.datacontenttype, None);
            assert_eq!(text(event.data), expected);
        }
        let undeclared = with("content-type", "", b"hi").unwrap();
        assert_eq!(undeclared.datacontenttype, None);
        let declared = with("ce-datacontenttype", "text/plain", b"1").unwrap();
        assert_eq!(text(declared.data), "\"1\"");
        assert!(matches!(
            with("content-type", "application/json", b"[1e400]"),
            Err(BindingFault::Json(JsonFault::Number(_)))
        ));
    }

    #[test]
    fn a_batch_is_split_and_nothing_in_it_is_judged() {
        assert_eq!(
            batch(b" [1, {\"a\" : 2}] ").unwrap()[1].get(),
            "{\"a\" : 2}"
        );
        assert_eq!(batch(b"{}").unwrap_err(), BindingFault::NotABatch);
        assert_eq!(batch(b"[]").unwrap_err(), BindingFault::BatchSize(0));
        let many = format!("[{}1]", "1,".repeat(500));
        assert_eq!(
            batch(many.as_bytes()).unwrap_err(),
            BindingFault::BatchSize(501)
        );
        for broken in [&b"[1,"[..], b"[1] 2", b"\xff", b"", b"hello"] {
            assert!(matches!(batch(broken), Err(BindingFault::Json(_))));
        }
    }

    /// A text as a sender has to encode it.
    fn encoded(text: &str) -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' | b'"' | b'%' => format!("%{byte:02X}"),
                b'!'..=b'~' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn whatever_a_sender_encodes_comes_back(
            subject in "\\PC{0,40}",
            id in "\\PC{1,40}",
            body in proptest::collection::vec(any::<u8>(), 1..200),
        ) {
            let (subject_sent, id_sent) = (encoded(&subject), encoded(&id));
            let headers = [
                ("ce-specversion", "1.0"), ("ce-type", "t"), ("ce-source", "s"),
                ("ce-id", id_sent.as_str()), ("ce-note", subject_sent.as_str()),
                ("content-type", "application/octet-stream"),
            ];
            let event = read(&headers, &body).unwrap();
            prop_assert_eq!(event.id, id);
            prop_assert_eq!(event.extensions.get("note").and_then(Extension::as_text), Some(subject.as_str()));
            use base64::Engine as _;
            let data = base64::engine::general_purpose::STANDARD.encode(&body);
            prop_assert_eq!(text(event.data), format!("base64 {data}"));
        }

        #[test]
        fn no_header_and_no_body_is_too_strange(
            names in proptest::collection::vec("(ce-)?[a-z-]{0,12}|content-type|ce-(specversion|type|time|data)", 0..8),
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 8),
            body in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let lines = names.iter().map(String::as_str).zip(values.iter().map(Vec::as_slice));
            let version = ("ce-specversion", &b"1.0"[..]);
            for lines in [lines.clone().collect::<Vec<_>>(), lines.chain([version]).collect()] {
                if let Ok(Mode::Binary(binary)) = recognise(lines) {
                    let _ = binary.read(&body);
                }
            }
            let _ = batch(&body);
        }
    }
}
