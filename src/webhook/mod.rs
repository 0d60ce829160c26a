//! A provider's request becomes a checked signature and an event (spec 8 to 10).
//!
//! Pure: headers, body, secrets and the time go in; a refusal or an event comes out. One more provider is one small file
//! and one line in [`PROVIDERS`].

pub mod cloudevents;
mod generic;
mod github;
pub mod headers;
mod payload;
mod signature;

use base64::Engine as _;

use crate::protocol::event::{Event, Extension};
use crate::protocol::json::{JsonFault, Object};
use crate::protocol::summary;
pub use headers::Headers;

/// The providers that are known by their slug. Every other slug is the user's own application.
const PROVIDERS: &[Provider] = &[github::PROVIDER];

/// The largest body that is kept beside an event whose `data` is another text (spec 10.2).
const RAW_BODY_MAX_BYTES: usize = 64 * 1024;

/// The longest word that a header or body may lend to a type, in characters.
const WORD_MAX_CHARS: usize = 128;

/// A post to an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The endpoint's slug.
    pub slug: &'a str,
    /// The request's headers.
    pub headers: &'a Headers,
    /// The body, exactly as it was received.
    pub body: &'a [u8],
}

/// A signature that does not prove anything. What exactly is wrong is not told: a sender that knows the secret can find
/// out, anybody else should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is missing or wrong")]
pub struct Unverified;

/// What is known about a provider.
struct Provider {
    slug: &'static str,
    /// How large its bodies can be, where that is more than usual.
    max_body_bytes: Option<usize>,
    /// Checks the signature with one secret; `now` is in Unix seconds.
    verify: fn(&Request<'_>, secret: &[u8], now: i64) -> Result<(), Unverified>,
    /// Says what happened.
    describe: fn(&Request<'_>, Option<&Object<'_>>) -> Description,
    /// The provider's own name for the delivery.
    delivery_id: fn(&Request<'_>, Option<&Object<'_>>) -> Option<String>,
}

/// What happened, as scopes and people see it.
struct Description {
    kind: String,
    source: String,
    summary: String,
}

/// An event that a post became, and what makes it the same one again.
#[derive(Debug)]
pub struct Ingested {
    /// The event.
    pub event: Event,
    /// The provider's own name for the delivery.
    pub delivery_id: Option<String>,
}

/// What the server adds to a post.
#[derive(Debug)]
pub struct Receipt<'a> {
    /// The event's id.
    pub id: String,
    /// When it was received, RFC 3339.
    pub time: String,
    /// The hook token of the endpoint, if the request carried it somewhere: it must appear nowhere.
    pub hook_token: Option<&'a str>,
    /// Whether the signature was checked.
    pub is_verified: bool,
}

fn provider(slug: &str) -> &'static Provider {
    PROVIDERS
        .iter()
        .find(|provider| provider.slug == slug)
        .unwrap_or(&generic::PROVIDER)
}

/// How large a body of a source can be, where that is more than usual.
pub fn max_body_bytes(slug: &str) -> Option<usize> {
    provider(slug).max_body_bytes
}

/// Checks a post's signature with all secrets that are accepted at present: one good one suffices. `now` is in Unix
/// seconds.
pub fn verify(request: &Request<'_>, secrets: &[&[u8]], now: i64) -> Result<(), Unverified> {
    let verify = provider(request.slug).verify;
    let good = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .any(|secret| verify(request, secret, now).is_ok());
    if good { Ok(()) } else { Err(Unverified) }
}

/// Makes the event of a post whose sender was accepted.
pub fn ingest(request: &Request<'_>, receipt: Receipt<'_>) -> Result<Ingested, JsonFault> {
    let payload = payload::read(request.headers.get("content-type"), request.body)?;
    let object = payload.json().and_then(Object::parse);
    let provider = provider(request.slug);
    let description = (provider.describe)(request, object.as_ref());
    let delivery_id = (provider.delivery_id)(request, object.as_ref());
    drop(object);

    let text = |text: String| Extension::Text(text);
    let mut extensions = vec![
        ("kitesummary", text(summary::one_line(&description.summary))),
        ("kitesource", text(request.slug.to_owned())),
        ("kiteverified", Extension::Flag(receipt.is_verified)),
        (
            "kiteoriginalheaders",
            text(request.headers.to_keep(receipt.hook_token)),
        ),
    ];
    if !payload.is_verbatim && request.body.len() <= RAW_BODY_MAX_BYTES {
        let body = base64::engine::general_purpose::STANDARD.encode(request.body);
        extensions.push(("kiterawbody", text(body)));
    }
    let event = Event {
        id: receipt.id,
        source: description.source,
        kind: description.kind,
        subject: None,
        time: Some(receipt.time),
        datacontenttype: payload.datacontenttype,
        dataschema: None,
        extensions: extensions
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        data: payload.data,
    };
    Ok(Ingested {
        event,
        delivery_id: delivery_id.filter(|id| !id.is_empty()),
    })
}

/// A word from outside as part of a type: trimmed, lower case, everything unusual an underscore (spec 10.1).
fn word(text: &str) -> String {
    let word: String = text
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        })
        .collect();
    match word.len() {
        1..=WORD_MAX_CHARS => word,
        _ => "event".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_types_are_tame() {
        assert_eq!(word(" Pull Request "), "pull_request");
        assert_eq!(word("a/b\u{1b}é"), "a_b__");
        assert_eq!(word("  "), "event");
        assert_eq!(word(&"x".repeat(129)), "event");
    }

    #[test]
    fn no_secret_and_an_empty_secret_verify_nothing() {
        let headers = Headers::new([("x-hub-signature-256", "sha256=00")]);
        let request = Request {
            slug: "github",
            headers: &headers,
            body: b"",
        };
        assert_eq!(verify(&request, &[], 0), Err(Unverified));
        assert_eq!(verify(&request, &[b""], 0), Err(Unverified));
    }
}
