//! What the targets share: an input read as a post, and what must hold for every event.

use kite::protocol::event::{Data, Event};
use kite::protocol::json;
use kite::webhook::Headers;

/// A post, written down as the seeds are: the source, header lines, an empty line, the body.
pub struct Post<'a> {
    /// The first line.
    pub slug: &'a str,
    /// Header lines, names in lower case.
    pub lines: Vec<(String, &'a [u8])>,
    /// What follows the empty line.
    pub body: &'a [u8],
}

impl<'a> Post<'a> {
    /// Reads an input; headers that HTTP would not let through are left out.
    pub fn parse(input: &'a [u8]) -> Option<Self> {
        let (slug, mut rest) = line(input)?;
        let mut lines = Vec::new();
        while let Some((header, behind)) = line(rest) {
            rest = behind;
            if header.is_empty() {
                break;
            }
            let at = header.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&header[..at], header[at + 1..].trim_ascii());
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            let is_value = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
            if !name.is_empty() && name.iter().all(is_name) && value.iter().all(is_value) {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                lines.push((name, value));
            }
        }
        Some(Self {
            slug: std::str::from_utf8(slug).ok()?,
            lines,
            body: rest,
        })
    }

    /// The headers as the server collects them.
    pub fn headers(&self) -> Headers {
        let lines = self.lines.iter();
        Headers::new(lines.map(|(name, value)| (name, String::from_utf8_lossy(value))))
    }
}

fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == b'\n')?;
    let line = text[..at].strip_suffix(b"\r").unwrap_or(&text[..at]);
    Some((line, &text[at + 1..]))
}

/// Whoever receives the event reads the same one, and its payload is untouched.
pub fn assert_lawful(event: &Event) {
    let text = event.to_text();
    let again = Event::parse(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    assert_eq!(again.to_text(), text);
    match (&event.data, &again.data) {
        (Some(Data::Json(data)), Some(Data::Json(same))) => {
            assert_eq!(data.get(), same.get());
            assert!(json::check(data.get()).is_ok(), "{text}");
        }
        (Some(Data::Base64(data)), Some(Data::Base64(same))) => assert_eq!(data, same),
        (data, same) => assert!(data.is_none() && same.is_none(), "{text}"),
    }
}

/// As [`assert_lawful`], for an event as it goes into the log.
pub fn assert_storable(event: &Event) {
    assert_lawful(event);
    let summary = event.extension("kitesummary").unwrap();
    assert!(!summary.contains(char::is_control), "{summary}");
}
