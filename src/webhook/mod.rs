//! A provider's request becomes a checked signature and an event (spec 8 to 10).
//!
//! Pure: headers, body, secrets and the time go in; a refusal or an event comes out. One more provider is one small file
//! and one line in [`PROVIDERS`].

pub mod cloudevents;
pub mod diagnosis;
mod generic;
mod github;
pub mod headers;
mod linear;
mod pagerduty;
mod payload;
pub mod sample;
mod shopify;
mod signature;
mod slack;
mod standard;
mod stripe;
mod twilio;
mod words;

use base64::Engine as _;

use crate::protocol::event::{Event, Extension};
use crate::protocol::json::JsonFault;
use crate::protocol::summary;
use crate::protocol::view::View;
pub use headers::Headers;
pub use signature::SignatureFault;

/// The providers that are known by their slug. Every other slug is the user's own application.
const PROVIDERS: &[Provider] = &[
    github::PROVIDER,
    linear::PROVIDER,
    pagerduty::PROVIDER,
    shopify::PROVIDER,
    slack::PROVIDER,
    stripe::PROVIDER,
    twilio::PROVIDER,
];

/// The largest body that is kept beside an event whose `data` is another text (spec 10.2).
const RAW_BODY_MAX_BYTES: usize = 64 * 1024;

/// A post to an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The endpoint's slug.
    pub slug: &'a str,
    /// The request's headers.
    pub headers: &'a Headers,
    /// The body, exactly as it was received.
    pub body: &'a [u8],
    /// The address that was called, with its query, as the sender knows it; where it is known.
    pub url: Option<&'a str>,
}

impl Request<'_> {
    /// Whether the body is declared a form.
    fn is_form(&self) -> bool {
        let declared = payload::media_type(self.headers.get("content-type"));
        declared == payload::FORM
    }
}

/// Headers that sign a request.
pub type SignatureHeaders = Vec<(&'static str, String)>;

/// What a provider wants to hear when its post was accepted (spec 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 202.
    Accepted,
    /// 200 and nothing else.
    Ok,
    /// 200 and an empty document of Twilio's markup.
    TwiMl,
}

/// What is known about a provider.
struct Provider {
    slug: &'static str,
    /// How large its bodies can be, where that is more than usual.
    max_body_bytes: Option<usize>,
    reply: Reply,
    /// The header that its signature stands in.
    header: &'static str,
    /// Whether it may sign as Standard Webhooks do.
    takes_standard: bool,
    /// Checks the signature with one secret; `now` is in Unix seconds.
    verify: fn(&Request<'_>, secret: &[u8], now: i64) -> Result<(), SignatureFault>,
    /// Signs as the provider does.
    sign: fn(&Request<'_>, secret: &[u8], now: i64) -> SignatureHeaders,
    /// Says what happened. A payload that is no object looks like an empty one.
    describe: fn(&Request<'_>, &View<'_>) -> Description,
    /// The provider's own name for the delivery.
    delivery_id: fn(&Request<'_>, &View<'_>) -> Option<String>,
    /// What has to be said back to prove that the address is ours.
    challenge: fn(&View<'_>) -> Option<String>,
}

impl Provider {
    /// What most have; the rest is each provider's own.
    const PLAIN: Self = generic::PROVIDER;
}

/// What happened, as scopes and people see it.
struct Description {
    kind: String,
    source: String,
    summary: String,
}

impl Description {
    /// The same without the hook token, which the payload may speak of: an alert about a failed post, for one.
    fn without(self, hook_token: Option<&str>) -> Self {
        let hide = |text: String| match hook_token {
            Some(token) if text.contains(token) => text.replace(token, "hook_token"),
            _ => text,
        };
        Self {
            kind: hide(self.kind),
            source: hide(self.source),
            summary: hide(self.summary),
        }
    }
}

/// What a post comes to.
#[derive(Debug)]
pub enum Taken {
    /// An event.
    Event(Box<Ingested>),
    /// A question whether the address is ours; this text is the answer, and there is no event.
    Challenge(String),
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

/// Whether a source is a provider with a scheme of its own.
pub fn is_provider(slug: &str) -> bool {
    !provider(slug).slug.is_empty()
}

/// How large a body of a source can be, where that is more than usual.
pub fn max_body_bytes(slug: &str) -> Option<usize> {
    provider(slug).max_body_bytes
}

/// What a source wants to hear when its post was accepted.
pub fn reply(slug: &str) -> Reply {
    provider(slug).reply
}

/// Whether anything can be checked with a secret.
///
/// # Errors
///
/// Why not.
pub fn check_secret(secret: &[u8]) -> Result<(), SignatureFault> {
    standard::check_secret(secret)
}

/// Checks a post's signature with all secrets that are accepted at present: one good one suffices. `now` is in Unix
/// seconds.
///
/// # Errors
///
/// What is wrong for the last secret.
pub fn verify(request: &Request<'_>, secrets: &[&[u8]], now: i64) -> Result<(), SignatureFault> {
    let mut fault = SignatureFault::NoSecret;
    for secret in secrets {
        match check_secret(secret).and_then(|()| verify_with(request, secret, now)) {
            Ok(()) => return Ok(()),
            Err(other) => fault = other,
        }
    }
    Err(fault)
}

fn verify_with(request: &Request<'_>, secret: &[u8], now: i64) -> Result<(), SignatureFault> {
    match is_standard(request, secret) {
        true => standard::verify(request, secret, now),
        false => (provider(request.slug).verify)(request, secret, now),
    }
}

/// Whether the scheme is that of Standard Webhooks. A provider's own header goes first (spec 9).
fn is_standard(request: &Request<'_>, secret: &[u8]) -> bool {
    // Anybody may know a public key: no scheme may take it for a secret.
    if standard::is_public(secret) {
        return true;
    }
    let provider = provider(request.slug);
    let is_sent = standard::is_sent_by(request);
    let has_own = request.headers.has(provider.header);
    match provider.slug {
        "" => is_sent || standard::is_meant_by(secret) && !generic::is_signed(request),
        _ => provider.takes_standard && !has_own && (is_sent || standard::is_meant_by(secret)),
    }
}

/// Signs a request as its source does; none where the secret is a public key.
pub fn sign(request: &Request<'_>, secret: &[u8], now: i64) -> Option<SignatureHeaders> {
    let sign = provider(request.slug).sign;
    (!standard::is_public(secret)).then(|| sign(request, secret, now))
}

/// Signs a delivery as Standard Webhooks do. `id` must be fit for a header; `now` is in Unix seconds.
///
/// # Errors
///
/// Why nothing can be signed with the secret.
pub fn sign_standard(
    id: &str,
    body: &[u8],
    secret: &[u8],
    now: i64,
) -> Result<SignatureHeaders, SignatureFault> {
    check_secret(secret)?;
    standard::sign(id, body, secret, now)
}

/// The sender's own name for the delivery, which makes it the same one again.
fn delivery_id(request: &Request<'_>, payload: &View<'_>) -> Option<String> {
    let provider = provider(request.slug);
    let own = (provider.delivery_id)(request, payload);
    let standard = (provider.takes_standard && standard::is_sent_by(request))
        .then(|| request.headers.get(standard::ID).map(str::to_owned))
        .flatten();
    let found = match provider.slug {
        "" => standard.or(own),
        _ => own.or(standard),
    };
    found.filter(|id| !id.is_empty())
}

/// Makes the event of a post whose sender was accepted.
pub fn ingest(request: &Request<'_>, receipt: Receipt<'_>) -> Result<Taken, JsonFault> {
    // The token may stand in headers that the event is made of.
    let headers = &*request.headers.without(receipt.hook_token);
    let request = &Request {
        headers,
        ..*request
    };
    let mut payload = payload::read(request.headers.get("content-type"), request.body)?;
    let view = match payload.view.take() {
        Some(view) => view,
        None => payload.json().map(View::of).unwrap_or_default(),
    };
    let provider = provider(request.slug);
    if let Some(answer) = (provider.challenge)(&view) {
        return Ok(Taken::Challenge(answer));
    }
    let description = (provider.describe)(request, &view).without(receipt.hook_token);
    let delivery_id = delivery_id(request, &view);
    drop(view);

    let text = |text: String| Extension::Text(text);
    let mut extensions = vec![
        ("kitesummary", text(summary::one_line(&description.summary))),
        ("kitesource", text(request.slug.to_owned())),
        ("kiteverified", Extension::Flag(receipt.is_verified)),
        ("kiteoriginalheaders", text(request.headers.to_keep(None))),
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
    Ok(Taken::Event(Box::new(Ingested { event, delivery_id })))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn request<'a>(slug: &'a str, headers: &'a Headers) -> Request<'a> {
        Request {
            slug,
            headers,
            body: b"",
            url: None,
        }
    }

    #[test]
    fn no_secret_and_an_empty_secret_verify_nothing() {
        let headers = Headers::new([("x-hub-signature-256", "sha256=00")]);
        let request = request("github", &headers);
        assert_eq!(verify(&request, &[], 0), Err(SignatureFault::NoSecret));
        assert_eq!(verify(&request, &[b""], 0), Err(SignatureFault::NoSecret));
    }

    #[test]
    fn the_prefix_of_a_secret_is_as_empty_as_nothing() {
        let slugs = PROVIDERS.iter().map(|provider| provider.slug);
        for slug in slugs.chain(["my-app"]) {
            let unsigned = Headers::default();
            let signature = sign(&request(slug, &unsigned), b"whsec_", 0).unwrap();
            let signed = Headers::new(signature);
            let verdict = verify(&request(slug, &signed), &[b"whsec_"], 0);
            assert_eq!(verdict, Err(SignatureFault::NoSecret), "{slug}");
        }
    }

    #[test]
    fn what_is_signed_is_verified_at_every_source() {
        let slugs = PROVIDERS.iter().map(|provider| provider.slug);
        for slug in slugs.chain(["my-app"]) {
            let plain = Headers::new([("content-type", "application/x-www-form-urlencoded")]);
            let sent = |headers| Request {
                body: b"a=1&b=2",
                url: Some("https://kite.example/hooks/t/s"),
                ..request(slug, headers)
            };
            let signature = sign(&sent(&plain), b"secret", 1_000).unwrap();
            let headers = Headers::new(
                signature
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .chain([("content-type", "application/x-www-form-urlencoded")]),
            );
            let verdict = |secret: &[u8]| verify(&sent(&headers), &[secret], 1_000);
            assert_eq!(verdict(b"secret"), Ok(()), "{slug}");
            assert!(verdict(b"other").is_err(), "{slug}");
        }
    }

    #[test]
    fn a_public_key_is_no_secret_of_any_scheme() {
        let secret = b"whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(
            sign(&request("my-app", &Headers::default()), secret, 0),
            None
        );
        for (slug, header) in [
            ("my-app", "x-kite-signature"),
            ("github", "x-hub-signature-256"),
        ] {
            let digits = signature::Mac::sha256(secret, &[b""]).to_hex();
            let headers = Headers::new([(header, format!("sha256={digits}"))]);
            assert!(verify(&request(slug, &headers), &[secret], 0).is_err());
        }
    }

    #[test]
    fn a_delivery_signed_as_standard_webhooks_has_their_id() {
        let three = [
            ("webhook-id", "w-1"),
            ("webhook-timestamp", "1"),
            ("webhook-signature", "v1,x"),
        ];
        let id = |slug: &str, more: &[(&str, &str)]| {
            let headers = Headers::new(three.iter().chain(more).copied());
            delivery_id(&request(slug, &headers), &View::default())
        };
        assert_eq!(id("my-app", &[("idempotency-key", "k")]).unwrap(), "w-1");
        assert_eq!(id("github", &[("x-github-delivery", "g")]).unwrap(), "g");
        assert_eq!(id("github", &[]).unwrap(), "w-1");
        assert_eq!(id("stripe", &[]), None);
    }

    /// The sources whose signatures are lists, the header, and what separates the entries.
    const LISTS: [(&str, &str, &str); 3] = [
        ("stripe", "stripe-signature", ","),
        ("pagerduty", "x-pagerduty-signature", ","),
        ("my-app", "webhook-signature", " "),
    ];

    proptest! {
        #[test]
        fn in_a_list_the_right_signature_is_found_and_no_other_is_taken_for_it(
            secret: [u8; 16],
            body: Vec<u8>,
            others in vec("(v0=|v1=|v1,|v1a,|v2,)?([0-9a-f]{64}|[A-Za-z0-9+/]{43}=|[0-9a-fé=]{0,6})", 0..5),
            at in any::<Index>(),
        ) {
            for (slug, header, separator) in LISTS {
                let secret = format!("whsec_{}", STANDARD.encode(secret));
                let secret: &[&[u8]] = &[secret.as_bytes()];
                let sent = |list: String| {
                    Headers::new([("webhook-id", "1"), ("webhook-timestamp", "1000"), (header, list.as_str())])
                };
                let verdict = |list: &[&str]| {
                    let headers = sent(list.join(separator));
                    verify(&Request { body: &body, ..request(slug, &headers) }, secret, 1_000)
                };
                let unsigned = sent(String::new());
                let unsigned = Request { body: &body, ..request(slug, &unsigned) };
                let right = match slug {
                    "my-app" => {
                        let key = STANDARD.decode(&secret[0]["whsec_".len()..]).unwrap();
                        format!("v1,{}", signature::Mac::sha256(&key, &[b"1.1000.", &body]).to_base64())
                    }
                    _ => sign(&unsigned, secret[0], 1_000).unwrap().remove(0).1,
                };
                let mut list: Vec<&str> = others.iter().map(String::as_str).collect();
                let time = if slug == "stripe" { "t=1000" } else { "v9=" };
                list.push(time);
                prop_assert!(verdict(&list).is_err());
                list.pop();
                list.insert(at.index(list.len() + 1), &right);
                prop_assert_eq!(verdict(&list), Ok(()), "{}", slug);
            }
        }

        #[test]
        fn no_header_is_accepted_that_nobody_signed(
            secret: [u8; 16],
            value in "(sha256=|v0=|v1=|t=1000,v1=)?([0-9a-f]{64}|[A-Za-z0-9+/]{43}=|\\PC{0,9})",
            body: Vec<u8>,
        ) {
            for slug in PROVIDERS.iter().map(|provider| provider.slug).chain(["my-app"]) {
                let header = provider(slug).header;
                let headers = Headers::new([(header, value.as_str()), ("x-slack-request-timestamp", "1000")]);
                let request = Request { body: &body, url: Some("https://h/"), ..request(slug, &headers) };
                prop_assert!(verify(&request, &[&secret], 1_000).is_err());
            }
        }
    }
}
